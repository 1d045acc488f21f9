/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bench_channel_memory.c - what an engine holds on the heap for one page channel.
 *
 * By the allocator's own figures, around open and two packets of incompressible pages: copies,
 * payloads and the library's state.  What a channel has beside it is small; thread stacks and
 * what a device pins are not counted. */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/pages.h"
#include "codec/engine.h"
#include "ram/batch.h"

#define BATCH_BYTES ((size_t)BATCH_PAGES_MAX * PAGE_BYTES)
#define PACKETS 2u

/* Two packets at the codec's default level, for its decoders. */
struct payloads {
	uint8_t bytes[PACKETS][CODEC_PAYLOAD_MAX];
	size_t lengths[PACKETS];
};

static size_t heap_bytes(void)
{
	struct mallinfo2 info = mallinfo2();

	return info.uordblks + info.hblkhd;
}

static void fail_bench(const struct gw_error *err)
{
	fprintf(stderr, "bench_channel_memory: %s\n", err->text);
	exit(1);
}

static void *open_engine(const struct engine *engine, enum direction direction, int level)
{
	struct engine_options options = { .direction = direction, .level = level };
	struct gw_error err;
	void *state = engine->open(engine, &options, &err);

	if (!state)
		fail_bench(&err);
	/* cppcheck-suppress returnDanglingLifetime ; an engine does not keep err */
	return state;
}

static void run_engine(const struct engine *engine, void *state, struct job *job)
{
	struct gw_error err;

	if (engine_run(engine, state, job, &err) < 0)
		fail_bench(&err);
}

static void keep_payload(struct payloads *payloads, uint32_t packet,
			 const struct job *job)
{
	size_t used = 0;

	for (uint32_t i = 0; i < job->piece_count; i++) {
		memcpy(payloads->bytes[packet] + used, job->pieces[i].bytes,
		       job->pieces[i].length);
		used += job->pieces[i].length;
	}
	payloads->lengths[packet] = used;
}

static void print_row(const struct engine *engine, const char *what, size_t bytes)
{
	printf("%-7s %-11s %-9s %12.2f\n", codec_by_id(engine->codec)->name, engine->name,
	       what, (double)bytes / 0x1p20);
}

static void measure_encoder(const struct engine *engine, int level, const uint8_t *pages,
			    struct payloads *payloads)
{
	struct span source = { pages, BATCH_BYTES };
	size_t start = heap_bytes();
	void *state = open_engine(engine, ENCODE, level);
	char what[16];

	for (uint32_t packet = 0; packet < PACKETS; packet++) {
		struct job job = { .slot = packet, .source = &source, .source_count = 1 };

		run_engine(engine, state, &job);
		if (level == codec_by_id(engine->codec)->level_default)
			keep_payload(payloads, packet, &job);
	}
	snprintf(what, sizeof(what), "level %d", level);
	print_row(engine, what, heap_bytes() - start);
	engine->close(state);
}

/* NOLINTNEXTLINE(readability-non-const-parameter): the engine writes to `decoded` */
static void measure_decoder(const struct engine *engine, uint8_t *decoded,
			    const struct payloads *payloads)
{
	struct room room = { decoded, BATCH_BYTES };
	size_t start = heap_bytes();
	void *state = open_engine(engine, DECODE, 0);

	for (uint32_t packet = 0; packet < PACKETS; packet++) {
		struct span source = { payloads->bytes[packet],
				       payloads->lengths[packet] };
		struct job job = { .source = &source,
				   .source_count = 1,
				   .destination = &room,
				   .destination_count = 1 };

		run_engine(engine, state, &job);
	}
	print_row(engine, "decode", heap_bytes() - start);
	engine->close(state);
}

static void measure_codec(enum codec_id codec, const uint8_t *pages, uint8_t *decoded,
			  struct payloads *payloads)
{
	struct gw_error err;

	for (const struct engine *const *at = engines_of(codec, ENCODE); *at; at++) {
		if ((*at)->probe(*at, &err) < 0)
			continue;
		for (int level = (*at)->level_min; level <= (*at)->level_max; level++)
			measure_encoder(*at, level, pages, payloads);
	}
	for (const struct engine *const *at = engines_of(codec, DECODE); *at; at++) {
		if ((*at)->probe(*at, &err) == 0)
			measure_decoder(*at, decoded, payloads);
	}
}

int main(void)
{
	uint8_t *pages = malloc(BATCH_BYTES), *decoded = malloc(BATCH_BYTES);
	struct payloads *payloads = malloc(sizeof(*payloads));

	if (!pages || !decoded || !payloads)
		return 1;
	srandom(1);
	for (size_t i = 0; i < BATCH_BYTES; i++)
		pages[i] = (uint8_t)random();
	printf("%-7s %-11s %-9s %12s (goal: 8)\n", "format", "engine", "", "MiB");
	for (unsigned codec = CODEC_ZLIB; codec < CODEC_COUNT; codec++)
		measure_codec((enum codec_id)codec, pages, decoded, payloads);
	free(payloads);
	free(decoded);
	free(pages);
	return 0;
}
