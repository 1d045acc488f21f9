/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* unit_payload.c - pages to units, and results to a payload; or a payload to units.
 *
 * Payloads: qpl and uadk are a be32 length for each page, then the bodies, a length of one page
 * meaning that it is raw; qatzip is gzip members end to end; zlib, from what keeps no history, is
 * a header once and then blocks.
 * Source: QEMU 10.2 migration/multifd-{qpl,uadk,qatzip,zlib}.c. */
#include <assert.h>
#include <string.h>

#include "base/counter.h"
#include "codec/page_shrinks.h"
#include "codec/unit_engine.h"

#define LENGTH_BYTES sizeof(uint32_t)

/* A cache line, which devices write best. */
#define ALIGN 64u

/* RFC 1950: deflate, a window of 32 KiB, fastest. */
static const uint8_t zlib_header[2] = { 0x78, 0x01 };

/* ---- encode: pages to units ---- */

static size_t aligned(size_t bytes)
{
	return (bytes + ALIGN - 1) / ALIGN * ALIGN;
}

/* Copies the pages, or finds them where they are: calls of next_source() walk over them. */
struct sources {
	const struct span *spans;
	uint32_t index;
	size_t offset;
	struct span copy;
};

static struct sources sources_of(const struct unit_engine *u)
{
	uint8_t *copies = u->memory.copies[u->job->slot];
	struct sources sources = { .spans = u->job->source };

	if (!copies)
		return sources;
	for (uint32_t i = 0; i < u->job->source_count; i++) {
		const struct span *run = &u->job->source[i];

		memcpy(copies + sources.copy.length, run->bytes, run->length);
		sources.copy.length += run->length;
	}
	sources.copy.bytes = copies;
	return sources;
}

/* `bytes` of them, which lie side by side: one page, or of the copy any number. */
static struct span next_source(struct sources *sources, size_t bytes)
{
	const struct span *at =
		sources->copy.bytes ? &sources->copy : &sources->spans[sources->index];
	struct span next = { at->bytes + sources->offset, bytes };

	sources->offset += bytes;
	if (!sources->copy.bytes && sources->offset == at->length) {
		sources->index++;
		sources->offset = 0;
	}
	return next;
}

/* Software need not try what a glance tells; a device tries for nothing. */
static bool is_hopeless(const struct unit_engine *u, const struct span *page)
{
	return !unit_ladder_uses_device(u) && !page_may_shrink(page->bytes);
}

static void plan_encode(struct unit_engine *u)
{
	struct sources sources = sources_of(u);
	size_t left = job_source_bytes(u->job), most = UNIT_MEMBER_BYTES;
	size_t used = unit_is_page(u->form) ? left / PAGE_BYTES * LENGTH_BYTES : 0;
	uint8_t *output = u->memory.outputs[u->job->slot];

	assert(left <= JOB_BYTES_MAX && left % PAGE_BYTES == 0);
	if (unit_is_page(u->form))
		most = PAGE_BYTES;
	else if (unit_ladder_uses_device(u) && u->engine->device->unit_bytes > 0)
		most = u->engine->device->unit_bytes;
	if (u->form == UNIT_BLOCKS && !u->stream_begun)
		used = sizeof(zlib_header);
	/* What software makes follows at once and is one piece with it. */
	if (u->engine->device)
		used = aligned(used);
	for (; left > 0; u->unit_count++) {
		struct unit *unit = &u->units[u->unit_count];
		size_t bytes = left < most ? left : most;

		*unit = (struct unit){
			.source = next_source(&sources, bytes),
			.room = { output + used, unit_room_bytes(u, bytes) },
		};
		u->places[u->unit_count] = UNIT_WAITING;
		if (unit_is_page(u->form) && is_hopeless(u, &unit->source))
			u->places[u->unit_count] = UNIT_RAW;
		used += aligned(unit->room.length);
		left -= bytes;
	}
}

/* ---- encode: results to a payload ---- */

static void add_piece(struct job *job, const uint8_t *bytes, size_t length)
{
	struct span *last =
		job->piece_count > 0 ? &job->pieces[job->piece_count - 1] : NULL;

	job->produced_bytes += length;
	if (last && last->bytes + last->length == bytes) {
		last->length += length;
		return;
	}
	assert(job->piece_count < JOB_PIECES_MAX);
	job->pieces[job->piece_count++] = (struct span){ bytes, length };
}

static void finish_encode(struct unit_engine *u)
{
	struct job *job = u->job;
	uint8_t *output = u->memory.outputs[job->slot];
	uint32_t raw = 0;

	if (unit_is_page(u->form)) {
		add_piece(job, output, u->unit_count * LENGTH_BYTES);
	} else if (u->form == UNIT_BLOCKS && !u->stream_begun) {
		memcpy(output, zlib_header, sizeof(zlib_header));
		add_piece(job, output, sizeof(zlib_header));
		u->stream_begun = true;
	}
	for (uint32_t i = 0; i < u->unit_count; i++) {
		const struct unit *unit = &u->units[i];
		bool is_raw = u->places[i] == UNIT_RAW;
		size_t length = is_raw ? unit->source.length : unit->produced;

		if (unit_is_page(u->form))
			store_be32(output + i * LENGTH_BYTES, (uint32_t)length);
		add_piece(job, is_raw ? unit->source.bytes : unit->room.bytes, length);
		raw += is_raw;
	}
	counter_add(&u->counters->raw_pages, raw);
}

/* ---- decode: a payload to units ---- */

/* Where page after page goes. */
static struct room next_page(const struct job *job, uint32_t *index, size_t *offset)
{
	const struct room *run = &job->destination[*index];
	struct room page = { run->bytes + *offset, PAGE_BYTES };

	*offset += PAGE_BYTES;
	if (*offset == run->length) {
		*offset = 0;
		(*index)++;
	}
	return page;
}

static int plan_decode_pages(struct unit_engine *u, uint32_t pages, struct gw_error *err)
{
	const struct span *payload = &u->job->source[0];
	const char *name = codec_by_id(u->engine->codec)->name;
	size_t used = pages * LENGTH_BYTES, offset = 0;
	uint32_t index = 0;

	for (uint32_t i = 0; i < pages; i++) {
		uint32_t length = load_be32(payload->bytes + i * LENGTH_BYTES);
		size_t left = payload->length - used;

		if (length == 0 || length > PAGE_BYTES)
			return fail(err, GW_PEER,
				    "%s page %u of %u: length %u: 1 to %u are allowed",
				    name, i, pages, length, (unsigned)PAGE_BYTES);
		if (length > left)
			return fail(
				err, GW_PEER,
				"%s page %u of %u: length %u, but %zu bytes are left of "
				"a payload of %zu",
				name, i, pages, length, left, payload->length);
		u->units[i] = (struct unit){
			.source = { payload->bytes + used, length },
			.room = next_page(u->job, &index, &offset),
		};
		u->places[i] = length == PAGE_BYTES ? UNIT_RAW : UNIT_WAITING;
		used += length;
	}
	if (used != payload->length)
		return fail(
			err, GW_PEER,
			"%s payload of %zu bytes for %u pages: their lengths add up to "
			"%zu",
			name, payload->length, pages, used);
	u->unit_count = pages;
	return 0;
}

static int plan_decode(struct unit_engine *u, struct gw_error *err)
{
	const struct job *job = u->job;
	size_t bytes = job_destination_bytes(job);
	uint32_t pages = (uint32_t)(bytes / PAGE_BYTES);

	assert(job->source_count == 1 && bytes <= JOB_BYTES_MAX);
	if (codec_check_payload(codec_by_id(u->engine->codec), pages,
				job->source[0].length, err) < 0)
		return -1;
	if (unit_is_page(u->form))
		return plan_decode_pages(u, pages, err);
	u->units[0] = (struct unit){
		.source = job->source[0],
		.room = { u->memory.scattered, bytes },
	};
	if (job->destination_count == 1)
		u->units[0].room = job->destination[0];
	u->places[0] = UNIT_WAITING;
	u->unit_count = 1;
	return 0;
}

/* ---- decode: to the guest's pages ---- */

static void finish_decode(struct unit_engine *u)
{
	struct job *job = u->job;
	const uint8_t *at = u->memory.scattered;
	uint32_t raw = 0;

	for (uint32_t i = 0; i < u->unit_count; i++) {
		const struct unit *unit = &u->units[i];

		if (u->places[i] == UNIT_RAW) {
			memcpy(unit->room.bytes, unit->source.bytes, PAGE_BYTES);
			raw++;
		}
		job->produced_bytes += unit->room.length;
	}
	if (!unit_is_page(u->form) && job->destination_count > 1) {
		for (uint32_t i = 0; i < job->destination_count; i++) {
			memcpy(job->destination[i].bytes, at, job->destination[i].length);
			at += job->destination[i].length;
		}
	}
	counter_add(&u->counters->raw_pages, raw);
}

/* ---- both ---- */

int unit_payload_plan(struct unit_engine *u, struct gw_error *err)
{
	u->unit_count = 0;
	u->job->piece_count = 0;
	u->job->produced_bytes = 0;
	if (u->direction == DECODE)
		return plan_decode(u, err);
	plan_encode(u);
	return 0;
}

void unit_payload_finish(struct unit_engine *u)
{
	if (u->direction == ENCODE)
		finish_encode(u);
	else
		finish_decode(u);
	counter_add(&u->counters->bytes_in, job_source_bytes(u->job));
	counter_add(&u->counters->bytes_out, u->job->produced_bytes);
}
