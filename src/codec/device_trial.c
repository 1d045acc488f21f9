/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* device_trial.c - the last part of a device's probe: one page there and back. */
#include "codec/device_trial.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/pages.h"

#define PATIENCE_NS (1000 * NS_PER_MS)

/* Room for what a page may grow to. */
#define ROOM_BYTES ((size_t)PAGE_BYTES * 2)

struct trial {
	const struct device *device;
	enum unit_form form;
	/* Page-aligned, as what the unit engine gives a device. */
	uint8_t *page;
	uint8_t *coded;
	uint8_t *back;
};

/* A page that shrinks, but not to nothing. */
static void fill(uint8_t *page)
{
	for (uint32_t i = 0; i < PAGE_BYTES; i++)
		page[i] = (uint8_t)((i * i >> 7) + i % 13);
}

static void wait_for_answer(const struct device *device, void *state, uint64_t end_ns)
{
	while (!device->reap(state, true) && clock_now_ns() < end_ns)
		;
}

/* A queue that others fill at the moment is asked again: the answer is kept for long. */
static void submit(const struct device *device, void *state, struct unit *unit)
{
	uint64_t end_ns = clock_now_ns() + PATIENCE_NS;
	enum device_answer answer;

	do {
		unit_failed(unit, "its queue is full", 0);
		answer = device->submit(state, unit);
		if (answer == DEVICE_TAKEN)
			wait_for_answer(device, state, end_ns);
		if (answer != DEVICE_BUSY && unit->answer != UNIT_BUSY)
			return;
		sched_yield();
	} while (clock_now_ns() < end_ns);
	unit_failed(unit, "its queue is full", 0);
}

/* False: the device still has what it was given. */
static bool compute(const struct trial *trial, enum direction direction,
		    struct unit *unit, struct gw_error *err)
{
	const struct device *device = trial->device;
	void *state;

	unit_failed(unit, "not tried", 0);
	state = device->open(trial->form, direction, 1, 1, err);
	if (!state)
		return true;
	submit(device, state, unit);
	if (!device->close(state)) {
		fail(err, GW_UNSUPPORTED,
		     "it took a page and did not answer for a second");
		return false;
	}
	if (unit->answer != UNIT_DONE)
		fail(err, GW_UNSUPPORTED, "it did not %s a page: %s (%d)",
		     direction == ENCODE ? "encode" : "decode",
		     unit->why ? unit->why : "no room", unit->code);
	return true;
}

/* False: `memory` is the device's now. */
static bool there_and_back(const struct trial *trial, bool *same, struct gw_error *err)
{
	struct unit there = {
		.source = { trial->page, PAGE_BYTES },
		.room = { trial->coded, ROOM_BYTES },
	};
	struct unit back = {
		.room = { trial->back, PAGE_BYTES },
	};

	if (!compute(trial, ENCODE, &there, err))
		return false;
	if (there.answer != UNIT_DONE)
		return true;
	back.source = (struct span){ trial->coded, there.produced };
	if (!compute(trial, DECODE, &back, err))
		return false;
	if (back.answer != UNIT_DONE)
		return true;
	*same = memcmp(trial->page, trial->back, PAGE_BYTES) == 0;
	if (!*same)
		fail(err, GW_UNSUPPORTED, "it makes another page of a page");
	return true;
}

int device_trial(const struct device *device, enum unit_form form, struct gw_error *err)
{
	struct trial trial = { .device = device, .form = form };
	uint8_t *memory = aligned_alloc(PAGE_BYTES, 2 * PAGE_BYTES + ROOM_BYTES);
	bool same = false;

	if (!memory)
		return fail_sys(err, ENOMEM, "a page to try %s with", device->name);
	trial.page = memory;
	trial.back = trial.page + PAGE_BYTES;
	trial.coded = trial.back + PAGE_BYTES;
	fill(trial.page);
	if (there_and_back(&trial, &same, err))
		free(memory);
	return same ? 0 : -1;
}
