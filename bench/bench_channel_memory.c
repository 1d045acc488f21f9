/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bench_channel_memory.c - what one page channel holds on the heap, by method and level.
 *
 * The engine is measured (the allocator's own figures around open and two packets of
 * incompressible pages); the buffers beside it are what send_channel.c and receive_channel.c
 * allocate.  Thread stacks are not counted: a channel touches a few pages of its own. */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "base/pages.h"
#include "codec/engine.h"
#include "ram/batch.h"

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
	struct gw_error err;
	void *state = engine->open(direction, level, &err);

	if (!state)
		fail_bench(&err);
	/* cppcheck-suppress returnDanglingLifetime ; an engine does not keep err */
	return state;
}

static size_t run_engine(const struct engine *engine, void *state, struct span from,
			 struct room into)
{
	struct job job = {
		.source = &from,
		.source_count = 1,
		.destination = &into,
		.destination_count = 1,
	};
	struct gw_error err;

	if (engine_run(engine, state, &job, &err) < 0)
		fail_bench(&err);
	return job.produced_bytes;
}

static void measure(const struct codec *codec, int level, const uint8_t *pages,
		    uint8_t *payload, uint8_t *decoded)
{
	const size_t batch_bytes = BATCH_PAGES_MAX * PAGE_BYTES;
	const uint32_t room = codec->payload_max(BATCH_PAGES_MAX);
	const struct engine *engine = engines_of(codec->id)[0];
	size_t start = heap_bytes(), sending, receiving, encode, decode;
	void *encoder = open_engine(engine, ENCODE, level), *decoder;
	size_t first = run_engine(engine, encoder, (struct span){ pages, batch_bytes },
				  (struct room){ payload, room });
	size_t second = run_engine(engine, encoder, (struct span){ pages, batch_bytes },
				   (struct room){ payload + room, room });

	encode = heap_bytes() - start;
	start = heap_bytes();
	decoder = open_engine(engine, DECODE, level);
	run_engine(engine, decoder, (struct span){ payload, first },
		   (struct room){ decoded, batch_bytes });
	run_engine(engine, decoder, (struct span){ payload + room, second },
		   (struct room){ decoded, batch_bytes });
	decode = heap_bytes() - start;
	sending = encode + room + (engine->reads_live_memory ? 0 : batch_bytes);
	receiving = decode + CODEC_PAYLOAD_MAX;
	printf("%-5s %5d %12.2f %12.2f %12.2f %12.2f\n", codec->name, level,
	       (double)encode / 0x1p20, (double)sending / 0x1p20, (double)decode / 0x1p20,
	       (double)receiving / 0x1p20);
	engine->close(encoder);
	engine->close(decoder);
}

int main(void)
{
	size_t batch_bytes = BATCH_PAGES_MAX * PAGE_BYTES;
	uint8_t *pages = malloc(batch_bytes), *payload = malloc(2 * CODEC_PAYLOAD_MAX);
	uint8_t *decoded = malloc(batch_bytes);

	if (!pages || !payload || !decoded)
		return 1;
	srandom(1);
	for (size_t i = 0; i < batch_bytes; i++)
		pages[i] = (uint8_t)random();
	printf("MiB a channel: the engine alone, and with its buffers (goal: 8)\n");
	printf("%-5s %5s %12s %12s %12s %12s\n", "", "level", "encode", "send", "decode",
	       "receive");
	for (unsigned id = CODEC_ZLIB; id < CODEC_COUNT; id++) {
		const struct codec *codec = codec_by_id((enum codec_id)id);

		for (int level = codec->level_min; level <= codec->level_max; level++)
			measure(codec, level, pages, payload, decoded);
	}
	free(decoded);
	free(payload);
	free(pages);
	return 0;
}
