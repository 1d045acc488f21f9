/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* self_test.c - every encoder against every decoder of a format, on real bytes. */
#include "engines/self_test.h"

#include <assert.h>
#include <string.h>

#include "engines/device_cost.h"
#include "engines/sample.h"

static const uint32_t packet_pages[] = { 1, 17, SAMPLE_PAGES };

/* One encoder at one level with all its decoders. */
struct match {
	struct sample *sample;
	const struct engine *encoder;
	void *encoder_state;
	struct self_test_pair *pairs; /* an entry a decoder */
	uint32_t count;
	void *decoder_states[ROSTER_ENGINES_MAX];
};

static bool any_passes(const struct match *match)
{
	for (uint32_t i = 0; i < match->count; i++)
		if (match->pairs[i].passed)
			return true;
	return false;
}

static void fail_pair(struct self_test_pair *pair, const struct gw_error *why)
{
	if (!pair->passed)
		return;
	pair->passed = false;
	pair->why = *why;
}

/* Nobody gets anything of this encoder any more. */
static void fail_encoder(struct match *match, const struct gw_error *why)
{
	for (uint32_t i = 0; i < match->count; i++)
		fail_pair(&match->pairs[i], why);
}

static int decode(struct match *match, uint32_t i, enum sample_kind kind, uint32_t count,
		  struct gw_error *err)
{
	const struct self_test_pair *pair = &match->pairs[i];

	if (sample_decode(match->sample, count, pair->decoder, match->decoder_states[i],
			  err) < 0 ||
	    sample_compare(match->sample, kind, count, err) < 0)
		return fail_in(err, "decoded by %s", pair->decoder->name);
	return 0;
}

static void run_packet(struct match *match, int level, enum sample_kind kind,
		       uint32_t count)
{
	struct gw_error why;

	if (sample_encode(match->sample, kind, count, match->encoder,
			  match->encoder_state, &why) < 0) {
		fail_in(&why, "level %d, %u pages of %s: encoded by %s", level, count,
			sample_kind_name(kind), match->encoder->name);
		fail_encoder(match, &why);
		return;
	}
	for (uint32_t i = 0; i < match->count; i++) {
		struct self_test_pair *pair = &match->pairs[i];

		if (!pair->passed)
			continue;
		if (decode(match, i, kind, count, &why) < 0) {
			fail_in(&why, "level %d, %u pages of %s", level, count,
				sample_kind_name(kind));
			fail_pair(pair, &why);
			continue;
		}
		pair->packets++;
		pair->page_bytes += count * PAGE_BYTES;
		pair->payload_bytes += match->sample->payload_bytes;
	}
}

static int open_all(struct match *match, int level, struct gw_error *err)
{
	const struct engine_options encoding = { .direction = ENCODE, .level = level };
	const struct engine_options decoding = { .direction = DECODE };

	match->encoder_state = match->encoder->open(match->encoder, &encoding, err);
	if (!match->encoder_state)
		return fail_in(err, "level %d: %s", level, match->encoder->name);
	for (uint32_t i = 0; i < match->count; i++) {
		struct self_test_pair *pair = &match->pairs[i];
		struct gw_error why;

		match->decoder_states[i] =
			pair->decoder->open(pair->decoder, &decoding, &why);
		if (!match->decoder_states[i]) {
			fail_in(&why, "%s", pair->decoder->name);
			fail_pair(pair, &why);
		}
	}
	return 0;
}

static void run_level(struct match *match, int level)
{
	struct gw_error why;

	memset(match->decoder_states, 0, sizeof(match->decoder_states));
	match->encoder_state = NULL;
	if (open_all(match, level, &why) < 0)
		fail_encoder(match, &why);
	for (unsigned i = 0; i < sizeof(packet_pages) / sizeof(packet_pages[0]); i++)
		for (unsigned kind = 0; kind < SAMPLE_KINDS && any_passes(match); kind++)
			run_packet(match, level, (enum sample_kind)kind, packet_pages[i]);
	match->encoder->close(match->encoder_state);
	for (uint32_t i = 0; i < match->count; i++)
		match->pairs[i].decoder->close(match->decoder_states[i]);
}

/* The lowest, the default and the highest, each once. */
static uint32_t choose_levels(const struct engine *engine, int levels[])
{
	const struct codec *codec = codec_by_id(engine->codec);
	int wanted[] = { engine->level_min, codec->level_default, engine->level_max };
	uint32_t count = 0;

	for (unsigned i = 0; i < SELF_TEST_LEVELS_MAX; i++) {
		if (wanted[i] < engine->level_min || wanted[i] > engine->level_max ||
		    (count > 0 && levels[count - 1] >= wanted[i]))
			continue;
		levels[count++] = wanted[i];
	}
	return count;
}

static void run_encoder(struct self_test *test, struct sample *sample,
			const struct engine *encoder, const struct roster_list *decoders)
{
	struct match match = { .sample = sample,
			       .encoder = encoder,
			       .pairs = &test->pairs[test->pair_count] };
	struct self_test_pair pair = { .codec = codec_by_id(encoder->codec),
				       .encoder = encoder,
				       .passed = true };

	pair.level_count = choose_levels(encoder, pair.levels);
	for (uint32_t i = 0; i < decoders->count; i++) {
		if (!decoders->entries[i].usable)
			continue;
		assert(test->pair_count < SELF_TEST_PAIRS_MAX);
		pair.decoder = decoders->entries[i].engine;
		test->pairs[test->pair_count++] = pair;
		match.count++;
	}
	for (uint32_t i = 0; i < pair.level_count && any_passes(&match); i++)
		run_level(&match, pair.levels[i]);
}

int self_test_run(struct self_test *test, const struct roster *roster,
		  void (*told)(void *state, const struct self_test_pair *pair),
		  void *state, struct gw_error *err)
{
	struct sample *sample = sample_new(err);
	int failed;

	memset(test, 0, sizeof(*test));
	if (!sample)
		return -1;
	for (unsigned i = 0; i < CODEC_COUNT; i++) {
		const struct roster_list *encoders = &roster->lists[i][ENCODE];

		for (uint32_t j = 0; j < encoders->count; j++) {
			uint32_t first = test->pair_count;

			if (!encoders->entries[j].usable)
				continue;
			run_encoder(test, sample, encoders->entries[j].engine,
				    &roster->lists[i][DECODE]);
			for (; told && first < test->pair_count; first++)
				told(state, &test->pairs[first]);
		}
	}
	failed = device_cost_run(test, roster, sample, err);
	sample_free(sample);
	return failed;
}

uint32_t self_test_failures(const struct self_test *test)
{
	uint32_t failures = 0;

	for (uint32_t i = 0; i < test->pair_count; i++)
		failures += !test->pairs[i].passed;
	return failures;
}
