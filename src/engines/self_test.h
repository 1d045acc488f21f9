/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* self_test.h - every encoder against every decoder of a format, on real bytes.
 *
 * Pages of this program, of zeros, of random bytes and of text, in packets of 1, 17 and 128
 * pages, at each encoder's lowest, default and highest level.  Engines of codecs with history
 * get all packets as one stream. */
#ifndef ENGINES_SELF_TEST_H
#define ENGINES_SELF_TEST_H

#include "engines/roster.h"

#define SELF_TEST_LEVELS_MAX 3u
#define SELF_TEST_PAIRS_MAX 128u
#define SELF_TEST_COSTS_MAX (2u * CODEC_COUNT * ROSTER_ENGINES_MAX)

struct self_test_pair {
	const struct codec *codec;
	const struct engine *encoder;
	const struct engine *decoder;
	uint32_t level_count;
	int levels[SELF_TEST_LEVELS_MAX];
	uint32_t packets; /* that went through, all levels */
	uint64_t page_bytes;
	uint64_t payload_bytes;
	bool passed;
	struct gw_error why; /* and where */
};

/* Processor time of a device beside the best software's for the same, per MiB of pages. */
struct self_test_cost {
	const struct codec *codec;
	enum direction direction;
	const struct engine *device;
	const struct engine *software;
	double device_us, software_us;
	uint64_t units, device_units;
};

struct self_test {
	uint32_t pair_count;
	struct self_test_pair pairs[SELF_TEST_PAIRS_MAX];
	uint32_t cost_count;
	struct self_test_cost costs[SELF_TEST_COSTS_MAX];
};

/* Of the usable engines of the roster.  `told`, if there is one, hears each pair when it is done.
 * Pairs that do not match are no error: self_test_failures() counts them.
 * Errors: GW_SYSTEM no memory, or this program cannot be read. */
int self_test_run(struct self_test *test, const struct roster *roster,
		  void (*told)(void *state, const struct self_test_pair *pair),
		  void *state, struct gw_error *err);

uint32_t self_test_failures(const struct self_test *test);

#endif
