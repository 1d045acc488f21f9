/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* reference_pages.c - payloads of qpl and uadk as QEMU makes them: be32 lengths, then pages. */
#include "bench/reference_pages.h"

#define LENGTH_BYTES sizeof(uint32_t)

void reference_encode_pages(const struct page_library *library, void *state,
			    struct job *job)
{
	uint32_t pages = (uint32_t)(job_source_bytes(job) / PAGE_BYTES), page = 0;
	uint8_t *lengths = stream_engine_room(state, job).bytes;
	uint8_t *next = lengths + pages * LENGTH_BYTES;
	size_t total = pages * LENGTH_BYTES;
	struct span pieces[JOB_PIECES_MAX] = { { lengths, total } };

	for (uint32_t i = 0; i < job->source_count; i++) {
		const struct span *run = &job->source[i];

		for (size_t at = 0; at < run->length; at += PAGE_BYTES) {
			struct room room = { next, PAGE_BYTES - 1 };
			size_t length = library->encode(state, run->bytes + at, room);
			struct span *piece = &pieces[1 + page];

			*piece = length > 0
					 ? (struct span){ next, length }
					 : (struct span){ run->bytes + at, PAGE_BYTES };
			store_be32(lengths + page * LENGTH_BYTES,
				   (uint32_t)piece->length);
			total += piece->length;
			next += length;
			page++;
		}
	}
	stream_engine_finish(state, job, total);
	memcpy(job->pieces, pieces, (1 + page) * sizeof(pieces[0]));
	job->piece_count = 1 + page;
}

static int decode_page(const struct page_library *library, void *state,
		       struct span source, uint8_t *page, struct gw_error *err)
{
	if (source.length == PAGE_BYTES)
		memcpy(page, source.bytes, PAGE_BYTES);
	else if (!library->decode(state, source, page))
		return fail(err, GW_PEER, "a page of %zu bytes does not decode",
			    source.length);
	return 0;
}

int reference_decode_pages(const struct page_library *library, void *state,
			   struct job *job, struct gw_error *err)
{
	const uint8_t *lengths = job->source[0].bytes,
		      *end = lengths + job->source[0].length;
	size_t bytes = job_destination_bytes(job);
	const uint8_t *next = lengths + bytes / PAGE_BYTES * LENGTH_BYTES;

	if (job_check_payload(job, ((struct stream_engine *)state)->engine->codec, err) <
	    0)
		return -1;
	for (uint32_t i = 0; i < job->destination_count; i++) {
		const struct room *run = &job->destination[i];

		for (size_t at = 0; at < run->length; at += PAGE_BYTES) {
			struct span source = { next, load_be32(lengths) };

			if (source.length > PAGE_BYTES ||
			    source.length > (size_t)(end - next))
				return fail(err, GW_PEER, "a page of %zu bytes",
					    source.length);
			if (decode_page(library, state, source, run->bytes + at, err) < 0)
				return -1;
			lengths += LENGTH_BYTES;
			next += source.length;
		}
	}
	stream_engine_finish(state, job, bytes);
	return 0;
}
