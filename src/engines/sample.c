/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* sample.c - pages of different kinds, and packets of them through engines. */
#include "engines/sample.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/own.h"
#include "guest/random.h"

const char *sample_kind_name(enum sample_kind kind)
{
	static const char *const names[] = {
		[SAMPLE_PROGRAM] = "this program",
		[SAMPLE_ZEROS] = "zeros",
		[SAMPLE_RANDOM] = "random bytes",
		[SAMPLE_TEXT] = "text",
	};

	static_assert(sizeof(names) / sizeof(names[0]) == SAMPLE_KINDS, "one a kind");
	return names[kind];
}

/* A program that is shorter comes again. */
static int fill_with_program(uint8_t *at, struct gw_error *err)
{
	static const char path[] = "/proc/self/exe";
	OWNED_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t filled = 0;

	if (fd < 0)
		return fail_sys(err, errno, "%s", path);
	while (filled < SAMPLE_BYTES) {
		ssize_t got = read(fd, at + filled, SAMPLE_BYTES - filled);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return fail_sys(err, errno, "%s", path);
		if (got == 0 && filled == 0)
			return fail(err, GW_SYSTEM, "%s: it is empty", path);
		if (got == 0 && lseek(fd, 0, SEEK_SET) < 0)
			return fail_sys(err, errno, "%s", path);
		filled += (size_t)got;
	}
	return 0;
}

static void fill_with_random(uint8_t *at, uint64_t seed)
{
	for (size_t i = 0; i < SAMPLE_BYTES; i += sizeof(seed)) {
		uint64_t value = random_next(&seed);

		memcpy(at + i, &value, sizeof(value));
	}
}

static void fill_with_text(uint8_t *at, uint64_t seed)
{
	static const char words[8][9] = {
		"migrate ", "memory  ", "of a    ", "running ",
		"virtual ", "machine ", "page by ", "page.\n  "
	};

	for (size_t i = 0; i < SAMPLE_BYTES; i += 8)
		memcpy(at + i, words[random_next(&seed) % 8], 8);
}

struct sample *sample_new(struct gw_error *err)
{
	struct sample *sample = aligned_alloc(
		PAGE_BYTES, sizeof(*sample) + PAGE_BYTES - sizeof(*sample) % PAGE_BYTES);

	if (!sample) {
		fail_sys(err, ENOMEM, "sample pages");
		return NULL;
	}
	memset(sample, 0, sizeof(*sample));
	if (fill_with_program(sample->pages[SAMPLE_PROGRAM], err) < 0) {
		sample_free(sample);
		return NULL;
	}
	fill_with_random(sample->pages[SAMPLE_RANDOM], 1);
	fill_with_text(sample->pages[SAMPLE_TEXT], 2);
	return sample;
}

void sample_free(struct sample *sample)
{
	free(sample);
}

int sample_encode(struct sample *sample, enum sample_kind kind, uint32_t count,
		  const struct engine *engine, void *state, struct gw_error *err)
{
	struct span source = { sample->pages[kind], count * PAGE_BYTES };
	struct job job = { .source = &source, .source_count = 1 };

	sample->payload_bytes = 0;
	if (engine_run(engine, state, &job, err) < 0)
		return -1;
	for (uint32_t i = 0; i < job.piece_count; i++) {
		struct span piece = job.pieces[i];

		if (piece.length > sizeof(sample->payload) - sample->payload_bytes)
			return fail(err, GW_PEER, "a payload of more than %u bytes",
				    CODEC_PAYLOAD_MAX);
		memcpy(sample->payload + sample->payload_bytes, piece.bytes,
		       piece.length);
		sample->payload_bytes += piece.length;
	}
	return codec_check_payload(codec_by_id(engine->codec), count,
				   sample->payload_bytes, err);
}

int sample_decode(struct sample *sample, uint32_t count, const struct engine *engine,
		  void *state, struct gw_error *err)
{
	struct span source = { engine->payload_room(state), sample->payload_bytes };
	struct room room = { sample->landed, count * PAGE_BYTES };
	struct job job = { .source = &source,
			   .source_count = 1,
			   .destination = &room,
			   .destination_count = 1 };

	if (!source.bytes)
		return fail_sys(err, ENOMEM, "a payload");
	memcpy(engine->payload_room(state), sample->payload, sample->payload_bytes);
	memset(sample->landed, 0xa5, sizeof(sample->landed));
	return engine_run(engine, state, &job, err);
}

int sample_compare(const struct sample *sample, enum sample_kind kind, uint32_t count,
		   struct gw_error *err)
{
	const uint8_t *was = sample->pages[kind];
	size_t i = 0;

	if (memcmp(was, sample->landed, count * PAGE_BYTES) == 0)
		return 0;
	while (was[i] == sample->landed[i])
		i++;
	return fail(err, GW_PEER, "page %zu, byte %zu is 0x%02x, was 0x%02x",
		    i / PAGE_BYTES, i % PAGE_BYTES, sample->landed[i], was[i]);
}
