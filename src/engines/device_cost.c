/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* device_cost.c - processor time of devices beside that of software. */
#include "engines/device_cost.h"

#include "base/clock.h"

#define REPEATS 32u /* 16 MiB: enough for a clock that counts in milliseconds */

/* All of the process: a library may have threads of its own. */
static uint64_t cpu_ns(void)
{
	return clock_read_ns(CLOCK_PROCESS_CPUTIME_ID);
}

/* Of pages of this program; to decode, those that sample->payload holds. */
static int measure(struct sample *sample, const struct engine *engine,
		   enum direction direction, double *us, struct engine_counters *counters,
		   struct gw_error *err)
{
	const struct engine_options options = {
		.direction = direction,
		.level = codec_by_id(engine->codec)->level_default,
		.counters = counters,
	};
	void *state = engine->open(engine, &options, err);
	uint64_t begun_ns;
	int failed = 0;

	if (!state)
		return -1;
	begun_ns = cpu_ns();
	for (unsigned i = 0; i < REPEATS && failed == 0; i++)
		failed =
			direction == ENCODE
				? sample_encode(sample, SAMPLE_PROGRAM, SAMPLE_PAGES,
						engine, state, err)
				: sample_decode(sample, SAMPLE_PAGES, engine, state, err);
	*us = (double)(cpu_ns() - begun_ns) / (double)NS_PER_US /
	      ((double)REPEATS * SAMPLE_BYTES / (double)(1u << 20));
	engine->close(state);
	return failed;
}

static const struct engine *software_of(const struct roster_list *list)
{
	for (uint32_t i = 0; i < list->count; i++)
		if (list->entries[i].usable && !list->entries[i].engine->device)
			return list->entries[i].engine;
	return NULL;
}

static int compare(struct self_test *test, struct sample *sample,
		   const struct engine *device, const struct engine *software,
		   enum direction direction, struct gw_error *err)
{
	struct engine_counters counters = { 0 }, ignored = { 0 };
	struct self_test_cost *cost = &test->costs[test->cost_count];

	*cost = (struct self_test_cost){ .codec = codec_by_id(device->codec),
					 .direction = direction,
					 .device = device,
					 .software = software };
	if (measure(sample, software, direction, &cost->software_us, &ignored, err) < 0 ||
	    measure(sample, device, direction, &cost->device_us, &counters, err) < 0)
		return fail_in(err, "%s", cost->codec->name);
	cost->units = counters.units;
	cost->device_units = counters.device_units;
	test->cost_count++;
	return 0;
}

/* To decode, `payload` has to hold what an engine without history made; only such formats have
 * devices that decode. */
static int prepare(struct sample *sample, const struct engine *encoder,
		   struct gw_error *err)
{
	const struct engine_options options = {
		.direction = ENCODE,
		.level = codec_by_id(encoder->codec)->level_default,
	};
	void *state = encoder->open(encoder, &options, err);
	int failed;

	if (!state)
		return -1;
	failed = sample_encode(sample, SAMPLE_PROGRAM, SAMPLE_PAGES, encoder, state, err);
	encoder->close(state);
	return failed;
}

static int run_codec(struct self_test *test, struct sample *sample,
		     const struct roster_list lists[2], struct gw_error *err)
{
	const struct engine *encoder = software_of(&lists[ENCODE]);

	for (unsigned direction = 0; direction < 2; direction++) {
		const struct roster_list *list = &lists[direction];
		const struct engine *software = software_of(list);

		for (uint32_t i = 0; i < list->count; i++) {
			const struct roster_entry *entry = &list->entries[i];

			if (!entry->usable || !entry->engine->device || !software ||
			    !encoder)
				continue;
			if (direction == DECODE && prepare(sample, encoder, err) < 0)
				return -1;
			if (compare(test, sample, entry->engine, software,
				    (enum direction)direction, err) < 0)
				return -1;
		}
	}
	return 0;
}

int device_cost_run(struct self_test *test, const struct roster *roster,
		    struct sample *sample, struct gw_error *err)
{
	for (unsigned i = 0; i < CODEC_COUNT; i++)
		if (run_codec(test, sample, roster->lists[i], err) < 0)
			return -1;
	return 0;
}
