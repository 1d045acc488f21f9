/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* unit_queue_test.c - a device whose queue is shorter than the jobs, and one that is waited for in
 * vain. */
#include "tests/check.h"

#include "base/interrupt.h"
#include "codec/engine_test.h"
#include "codec/unit_engine.h"

#define DEPTH 8u

/* Its queue is as long as what was not fetched. */
static struct {
	struct unit *inside[DEPTH];
	uint32_t count;
	bool hangs;
} device;

static int probe(struct gw_error *error)
{
	return 0;
}

static void *open_device(enum unit_form form, enum direction direction, int level,
			 uint32_t jobs, struct gw_error *error)
{
	memset(&device, 0, sizeof(device));
	return coder_zlib.open(form, direction, level, error);
}

static enum device_answer submit(void *state, struct unit *unit)
{
	if (device.count == DEPTH)
		return DEVICE_BUSY;
	device.inside[device.count++] = unit;
	return DEVICE_TAKEN;
}

static struct unit *reap(void *state, bool wait)
{
	struct unit *unit = device.inside[0];

	if (device.count == 0 || device.hangs)
		return NULL;
	device.count--;
	memmove(device.inside, device.inside + 1, device.count * sizeof(unit));
	coder_zlib.run(state, unit);
	return unit;
}

static bool close_device(void *state)
{
	coder_zlib.close(state);
	return device.count == 0;
}

static const struct device short_queue = {
	.name = "scripted",
	.accelerator = ACCELERATOR_SIMULATED,
	.encodes = 1u << UNIT_DEFLATE,
	.probe_each_time = true,
	.probe = probe,
	.open = open_device,
	.submit = submit,
	.reap = reap,
	.close = close_device,
};

static struct engine scripted(void)
{
	struct engine engine = *engine_named(CODEC_QPL, ENCODE, "simulated");

	engine.device = &short_queue;
	return engine;
}

TEST(a_queue_that_is_full_of_what_is_finished_is_emptied)
{
	const struct engine engine = scripted();
	struct engine_counters counters = { 0 };
	struct engine_options options = { .jobs = 2 * DEPTH, .counters = &counters };
	struct span run = { pages, sizeof(pages) };
	struct job job = { .source = &run, .source_count = 1 };
	void *state = engine.open(&engine, &options, &err);

	CHECK(state);
	memset(pages, 'x', sizeof(pages));
	CHECK_OK(engine_run(&engine, state, &job, &err), &err);
	CHECK_EQ(counters.device_units, PAGES_MAX);
	CHECK_EQ(counters.fallback_units, 0);
	CHECK(counters.retries > 0 && counters.retries <= PAGES_MAX / DEPTH);
	engine.close(state);
}

/* Its patience would last for a minute. */
TEST(a_cancel_ends_the_wait_for_a_device)
{
	const struct engine engine = scripted();
	struct interrupt *interrupt = interrupt_new(&err);
	struct engine_options options = { .interrupt = interrupt, .patience_ms = 60000 };
	struct span run = { pages, PAGE_BYTES };
	struct job job = { .source = &run, .source_count = 1 };
	void *state = engine.open(&engine, &options, &err);

	CHECK(state && interrupt);
	device.hangs = true;
	CHECK_OK(engine.submit(state, &job, &err), &err);
	CHECK_EQ(engine.reap(state, false, &err), 0);
	interrupt_raise(interrupt);
	CHECK_EQ(engine.reap(state, true, &err), -1);
	CHECK_EQ(err.kind, GW_CANCELLED);
	device.count = 0;
	engine.close(state);
	interrupt_free(interrupt);
}

TEST_MAIN(TEST_OF(a_queue_that_is_full_of_what_is_finished_is_emptied),
	  TEST_OF(a_cancel_ends_the_wait_for_a_device))
