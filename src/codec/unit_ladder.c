/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* unit_ladder.c - who computes a unit: the device, the device asked again, software.
 *
 * A full queue is asked up to three times more, then this unit is software's and the next one is
 * offered again: that gives the queue time to drain, and a migration with four channels on one
 * device took 14.6 s so and 18.4 s by always waiting (QEMU docs/devel/migration/qpl-compression).
 * What the device answers wrongly is computed again by software; failures in a row end its use
 * (device_standing.h).  What does not shrink travels raw where the payload has a way to say so. */
#include <assert.h>
#include <string.h>

#include "base/clock.h"
#include "base/counter.h"
#include "base/interrupt.h"
#include "codec/page_shrinks.h"
#include "codec/unit_engine.h"

#define RETRIES_MAX 3u

bool unit_ladder_uses_device(const struct unit_engine *u)
{
	return u->device_state && !device_standing_ended(u->standing);
}

/* ---- software ---- */

static void settle(struct unit_engine *u, struct unit *unit, enum unit_place place)
{
	u->places[unit - u->units] = place;
	counter_add(&u->counters->units, 1);
}

static void compute(struct unit_engine *u, struct unit *unit)
{
	bool page = u->direction == ENCODE && unit_is_page(u->form), raw;
	enum unit_answer answer;

	/* A device may have been given more room, but a length of a page means "raw". */
	if (page)
		unit->room.length = PAGE_BYTES - 1;
	answer = u->coder->run(u->coder_state, unit);
	raw = page && answer == UNIT_FULL;
	if (answer != UNIT_DONE && !raw && !u->broken)
		u->broken = unit;
	settle(u, unit, raw ? UNIT_RAW : UNIT_SETTLED);
}

void unit_ladder_compute(struct unit_engine *u)
{
	uint8_t *at = u->units[0].room.bytes;

	for (uint32_t i = 0; i < u->unit_count && !u->broken; i++) {
		struct unit *unit = &u->units[i];

		if (u->places[i] == UNIT_RAW)
			continue;
		/* One after the other they are one piece on the wire. */
		if (u->direction == ENCODE)
			unit->room.bytes = at;
		compute(u, unit);
		if (u->places[i] == UNIT_SETTLED)
			at += unit->produced;
	}
}

static void fall_back(struct unit_engine *u, struct unit *unit)
{
	bool page = u->direction == ENCODE && unit_is_page(u->form);

	counter_add(&u->counters->fallback_units, 1);
	/* The device would have tried for nothing; software looks first. */
	if (page && !page_may_shrink(unit->source.bytes))
		settle(u, unit, UNIT_RAW);
	else
		compute(u, unit);
}

/* ---- what the device answered ---- */

/* Software makes of the device's result what it was made from. */
static bool encoded_right(struct unit_engine *u, const struct unit *unit)
{
	struct unit back = {
		.source = { unit->room.bytes, unit->produced },
		.room = { u->memory.check, unit->source.length },
	};

	return coder_isal.run(u->checker_state, &back) == UNIT_DONE &&
	       memcmp(u->memory.check, unit->source.bytes, unit->source.length) == 0;
}

/* Software decodes too.  What even that cannot decode is not the device's fault. */
static bool decoded_right(struct unit_engine *u, const struct unit *unit)
{
	struct unit again = {
		.source = unit->source,
		.room = { u->memory.check, unit->room.length },
	};

	return coder_isal.run(u->checker_state, &again) == UNIT_DONE &&
	       memcmp(u->memory.check, unit->room.bytes, unit->room.length) == 0;
}

/* Answers "done" that are not. */
static void check(struct unit_engine *u, struct unit *unit)
{
	bool encode = u->direction == ENCODE;

	if (encode && (unit->produced == 0 || unit->produced > unit->room.length))
		unit_failed(unit, "a length out of bounds", (int)unit->produced);
	else if (!encode && unit->produced != unit->room.length)
		unit_failed(unit, "not as many bytes as there are in memory",
			    (int)unit->produced);
	else if (u->checker_state &&
		 !(encode ? encoded_right(u, unit) : decoded_right(u, unit)))
		unit_failed(unit, "a result that software does not confirm", 0);
}

static void accept(struct unit_engine *u, struct unit *unit, bool raw)
{
	/* "It does not fit" says nothing about the device. */
	if (!raw)
		device_standing_success(u->standing);
	counter_add(&u->counters->device_units, 1);
	settle(u, unit, raw ? UNIT_RAW : UNIT_SETTLED);
}

static void judge(struct unit_engine *u, struct unit *unit)
{
	bool page = unit_is_page(u->form), encode = u->direction == ENCODE;
	struct unit said;

	if (unit->answer == UNIT_DONE)
		check(u, unit);
	if (unit->answer == UNIT_DONE && encode && page && unit->produced >= PAGE_BYTES)
		unit_full(unit);
	if (unit->answer == UNIT_DONE || (unit->answer == UNIT_FULL && encode && page)) {
		accept(u, unit, unit->answer == UNIT_FULL);
		return;
	}
	if (unit->answer == UNIT_BUSY) {
		fall_back(u, unit);
		return;
	}
	if (unit->answer == UNIT_FULL)
		unit_failed(unit, "output that does not fit", 0);
	counter_add(&u->counters->device_failures, 1);
	said = *unit;
	fall_back(u, unit);
	/* What software cannot decode either was the peer's fault. */
	if (unit != u->broken)
		device_standing_failure(u->standing, u->engine->device->name, &said);
}

static bool collect(struct unit_engine *u, bool wait)
{
	struct unit *unit = u->engine->device->reap(u->device_state, wait);

	if (!unit)
		return false;
	assert(u->places[unit - u->units] == UNIT_INSIDE);
	u->inside--;
	judge(u, unit);
	return true;
}

/* ---- offering ---- */

static void offer(struct unit_engine *u, struct unit *unit)
{
	const struct device *device = u->engine->device;

	for (unsigned attempt = 0;; attempt++) {
		switch (device->submit(u->device_state, unit)) {
		case DEVICE_TAKEN:
			u->places[unit - u->units] = UNIT_INSIDE;
			u->inside++;
			return;
		case DEVICE_BUSY:
			if (attempt == RETRIES_MAX) {
				device_standing_busy(u->standing, device->name);
				fall_back(u, unit);
				return;
			}
			counter_add(&u->counters->retries, 1);
			/* It may be full of what is finished. */
			while (u->inside > 0 && collect(u, false))
				;
			break;
		case DEVICE_DECLINED:
			fall_back(u, unit);
			return;
		case DEVICE_FAILED:
			counter_add(&u->counters->device_failures, 1);
			device_standing_failure(u->standing, device->name, unit);
			fall_back(u, unit);
			return;
		}
	}
}

static void feed(struct unit_engine *u)
{
	while (u->next < u->unit_count && u->inside < u->jobs && !u->broken) {
		struct unit *unit = &u->units[u->next];

		if (u->places[u->next] == UNIT_RAW)
			;
		else if (unit_ladder_uses_device(u))
			offer(u, unit);
		else
			fall_back(u, unit);
		u->next++;
	}
}

/* ---- a device that does not answer any more ---- */

/* It may still write what it was given: those buffers, and its state, are left alone for ever. */
static int abandon(struct unit_engine *u, struct gw_error *err)
{
	struct unit_memory dead = u->memory;
	const char *name = u->engine->device->name;

	if (u->direction == DECODE)
		return fail(
			err, GW_SYSTEM,
			"%s: %u units are not given back: the pages they go to may be "
			"written at any time",
			name, u->inside);
	device_standing_end(u->standing, name, "units that it does not give back");
	u->engine->device->close(u->device_state);
	u->device_state = NULL;
	unit_memory_abandon(&u->memory);
	if (unit_memory_init(u, err) < 0)
		return -1;
	for (uint32_t i = 0; i < u->unit_count; i++) {
		struct unit *unit = &u->units[i];

		if (u->places[i] != UNIT_INSIDE)
			continue;
		/* Where the results of others are stays as it is. */
		unit->room.bytes = u->memory.outputs[u->job->slot] +
				   (unit->room.bytes - dead.outputs[u->job->slot]);
		counter_add(&u->counters->device_failures, 1);
		fall_back(u, unit);
	}
	u->inside = 0;
	return 0;
}

/* Only who waits loses patience: a device that was not asked while the wire was slow is asked
 * first, and once more after the time is up. */
int unit_ladder_turn(struct unit_engine *u, bool wait, struct gw_error *err)
{
	uint64_t progress_ns = clock_now_ns();
	bool late;

	for (;;) {
		feed(u);
		if (u->inside == 0 && (u->next == u->unit_count || u->broken))
			return 0;
		late = clock_now_ns() - progress_ns > u->patience_ns;
		if (collect(u, wait))
			progress_ns = clock_now_ns();
		else if (!wait)
			return 0;
		else if (u->interrupt && interrupt_raised(u->interrupt))
			return fail(err, GW_CANCELLED, "cancelled");
		else if (late && abandon(u, err) < 0)
			return -1;
	}
}
