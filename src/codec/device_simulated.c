/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* device_simulated.c - a device that is made of software and misbehaves on cue.
 *
 * What becomes of a unit is decided when it is taken, by a seeded generator: one thread that
 * submits the same units sees the same faults.  The answer is computed at once and waits in the
 * state's list until
 *
 *	the later of	when the device has worked off all it took, by its throughput
 *			and its latency after it was taken
 */
#include "codec/device_simulated.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "codec/coder.h"
#include "codec/device.h"
#include "codec/simulated_settings.h"

#define FORM(form) (1u << (form))

/* A sleep ends some 50 us late: nearer than that, yield. */
#define SLEEP_MIN_NS (50 * NS_PER_US)

#define LATE_FACTOR 100u

enum fate { GOOD, SPOILT_FAILED, SPOILT_SHORT, SPOILT_CORRUPT, HUNG };

struct waiting {
	struct unit *unit;
	uint64_t due_ns; /* UINT64_MAX: never */
};

struct simulated_state {
	struct simulated_device settings;
	uint64_t generation;
	const struct coder *coder;
	void *coder_state;
	enum direction direction;
	uint32_t jobs;
	uint32_t inside;
	struct waiting *waiting; /* `jobs`, in order of submission */
	struct simulated_state *next_hung;
};

/* A unit's place in the depth, until it is due: a device's queue drains by itself, whether or not
 * somebody fetches the answers. */
struct place {
	const struct simulated_state *of;
	uint64_t due_ns;
};

/* NOLINTBEGIN(cppcoreguidelines-avoid-non-const-global-variables): one a process */
static struct {
	pthread_mutex_t lock;
	struct simulated_device settings;
	uint64_t
		generation; /* of the settings: units of an earlier one are not counted */
	uint64_t taken;
	uint32_t inside; /* of `depth`: what was not done when last looked at */
	struct place places[SIMULATED_DEPTH_MAX];
	uint64_t free_at_ns; /* when it has worked off all it took */
	uint64_t random;
	/* States with units that never come back, kept for ever: a real device could still
	 * write to what they point to. */
	struct simulated_state *hung;
} device = {
	.lock = PTHREAD_MUTEX_INITIALIZER,
	.settings = SIMULATED_SETTINGS_DEFAULT,
	.random = 1,
};
/* NOLINTEND(cppcoreguidelines-avoid-non-const-global-variables) */

void simulated_device_set(const struct simulated_device *settings)
{
	pthread_mutex_lock(&device.lock);
	device.settings = *settings;
	device.generation++;
	device.taken = 0;
	device.inside = 0;
	device.free_at_ns = 0;
	device.random = settings->seed;
	pthread_mutex_unlock(&device.lock);
}

/* Sebastiano Vigna's splitmix64.  Under the lock. */
static uint64_t draw(uint64_t below)
{
	uint64_t z = (device.random += UINT64_C(0x9e3779b97f4a7c15));

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return (z ^ (z >> 31)) % below;
}

static bool happens(uint32_t percent)
{
	return draw(100) < percent;
}

static int simulated_probe(struct gw_error *err)
{
	bool absent;

	pthread_mutex_lock(&device.lock);
	absent = device.settings.absent;
	pthread_mutex_unlock(&device.lock);
	if (absent)
		return fail(err, GW_UNSUPPORTED,
			    "the simulated device is set to be absent");
	return 0;
}

static bool open_coder(struct simulated_state *state, const struct coder *coder,
		       enum unit_form form, int level, struct gw_error *reason)
{
	if (coder->probe(reason) < 0)
		return false;
	state->coder = coder;
	state->coder_state = coder->open(form, state->direction, level, reason);
	return state->coder_state;
}

/* The fastest that has the form and level.  Pages have none, and of blocks there is none above
 * ISA-L's 3. */
static bool choose_coder(struct simulated_state *state, enum unit_form form, int level,
			 struct gw_error *reason)
{
	if (form == UNIT_DEFLATE || form == UNIT_ZLIB)
		level = 0;
	if (state->direction == DECODE)
		return open_coder(state, &coder_libdeflate, form, level, reason) ||
		       open_coder(state, &coder_isal, form, level, reason) ||
		       open_coder(state, &coder_zlib, form, level, reason);
	return open_coder(state, &coder_isal, form, level, reason) ||
	       open_coder(state, &coder_libdeflate, form, level, reason) ||
	       open_coder(state, &coder_zlib, form, level, reason) ||
	       open_coder(state, &coder_isal, form, level < 3 ? level : 3, reason);
}

static void state_free(struct simulated_state *state)
{
	if (state->coder_state)
		state->coder->close(state->coder_state);
	free(state->waiting);
	free(state);
}

static void *simulated_open(enum unit_form form, enum direction direction, int level,
			    uint32_t jobs, struct gw_error *err)
{
	struct simulated_state *state = calloc(1, sizeof(*state));
	struct gw_error reason;

	assert(jobs > 0);
	if (state)
		state->waiting = calloc(jobs, sizeof(*state->waiting));
	if (!state || !state->waiting) {
		fail_sys(err, ENOMEM, "simulated device");
		free(state);
		return NULL;
	}
	state->direction = direction;
	state->jobs = jobs;
	if (!choose_coder(state, form, level, &reason)) {
		*err = reason;
		state_free(state);
		return NULL;
	}
	pthread_mutex_lock(&device.lock);
	state->settings = device.settings;
	state->generation = device.generation;
	pthread_mutex_unlock(&device.lock);
	return state;
}

static enum fate draw_fate(const struct simulated_device *settings)
{
	uint64_t drawn = draw(100);

	if (device.taken >= settings->hung_after)
		return HUNG;
	if (drawn < settings->failed_percent)
		return SPOILT_FAILED;
	drawn -= settings->failed_percent;
	if (drawn < settings->short_percent)
		return SPOILT_SHORT;
	drawn -= settings->short_percent;
	return drawn < settings->corrupt_percent ? SPOILT_CORRUPT : GOOD;
}

/* When the answer to `bytes` that come now is there. */
static uint64_t work_off(const struct simulated_device *settings, size_t bytes)
{
	uint64_t now = clock_now_ns();
	uint64_t latency = settings->latency_ns;

	if (happens(settings->late_percent))
		latency *= LATE_FACTOR;
	if (settings->bytes_per_s == 0)
		return now + latency;
	if (device.free_at_ns < now)
		device.free_at_ns = now;
	device.free_at_ns += bytes * NS_PER_S / settings->bytes_per_s;
	return device.free_at_ns > now + latency ? device.free_at_ns : now + latency;
}

/* Under the lock: whether there is room for one more. */
static bool is_full(const struct simulated_device *settings)
{
	uint64_t now;

	if (settings->depth == 0 || device.inside < settings->depth)
		return false;
	now = clock_now_ns();
	for (uint32_t i = 0; i < device.inside;) {
		if (device.places[i].due_ns <= now)
			device.places[i] = device.places[--device.inside];
		else
			i++;
	}
	return device.inside >= settings->depth;
}

/* Under the lock: takes the unit or not; what will become of it, when, and by which number. */
static enum device_answer take(struct simulated_state *state, struct unit *unit,
			       enum fate *fate, uint64_t *due_ns, uint64_t *number)
{
	const struct simulated_device *settings = &state->settings;

	if (device.taken >= settings->dead_after) {
		unit_failed(unit, "the simulated device is dead", 0);
		return DEVICE_FAILED;
	}
	if (happens(settings->busy_percent) || is_full(settings))
		return DEVICE_BUSY;
	*fate = draw_fate(settings);
	*due_ns = work_off(settings, unit->source.length);
	*number = draw(UINT64_MAX);
	if (*fate == HUNG)
		*due_ns = UINT64_MAX;
	device.taken++;
	if (settings->depth > 0 && state->generation == device.generation)
		device.places[device.inside++] = (struct place){ state, *due_ns };
	return DEVICE_TAKEN;
}

/* As if nothing had been written past `produced`. */
static void cut(struct unit *unit, uint64_t number)
{
	size_t missing = 1 + number % unit->produced;

	unit->produced -= missing;
	memset(unit->room.bytes + unit->produced, 0xa5, missing);
}

/* The last byte of a deflate stream may be padding, where a bit means nothing. */
static void flip_bit(struct unit *unit, uint64_t number)
{
	size_t bytes = unit->produced > 1 ? unit->produced - 1 : 1;

	unit->room.bytes[number / 8 % bytes] ^= (uint8_t)(1u << number % 8);
}

static void compute(struct simulated_state *state, struct unit *unit, enum fate fate,
		    uint64_t number)
{
	state->coder->run(state->coder_state, unit);
	if (fate == SPOILT_FAILED)
		unit_failed(unit, "simulated failure", 1);
	else if (fate == SPOILT_SHORT && unit->produced > 0)
		cut(unit, number);
	else if (fate == SPOILT_CORRUPT && unit->produced > 0)
		flip_bit(unit, number);
}

static enum device_answer simulated_submit(void *opaque, struct unit *unit)
{
	struct simulated_state *state = opaque;
	enum device_answer answer;
	uint64_t due_ns = 0, number = 0;
	enum fate fate = GOOD;

	assert(state->inside < state->jobs);
	pthread_mutex_lock(&device.lock);
	answer = take(state, unit, &fate, &due_ns, &number);
	pthread_mutex_unlock(&device.lock);
	if (answer != DEVICE_TAKEN)
		return answer;
	if (fate != HUNG)
		compute(state, unit, fate, number);
	state->waiting[state->inside++] =
		(struct waiting){ .unit = unit, .due_ns = due_ns };
	return DEVICE_TAKEN;
}

/* One whose time has come; the first, or any. */
static struct unit *hand_out(struct simulated_state *state, uint64_t now)
{
	uint32_t due = 0, nth = 0, at = 0;
	struct unit *unit;

	for (uint32_t i = 0; i < state->inside; i++)
		due += state->waiting[i].due_ns <= now;
	if (due == 0)
		return NULL;
	if (state->settings.shuffle) {
		pthread_mutex_lock(&device.lock);
		nth = (uint32_t)draw(due);
		pthread_mutex_unlock(&device.lock);
	}
	while (state->waiting[at].due_ns > now || nth-- > 0)
		at++;
	unit = state->waiting[at].unit;
	state->inside--;
	memmove(&state->waiting[at], &state->waiting[at + 1],
		(state->inside - at) * sizeof(state->waiting[0]));
	return unit;
}

static uint64_t first_due(const struct simulated_state *state)
{
	uint64_t first = UINT64_MAX;

	for (uint32_t i = 0; i < state->inside; i++) {
		if (state->waiting[i].due_ns < first)
			first = state->waiting[i].due_ns;
	}
	return first;
}

static void sleep_until(uint64_t ns)
{
	struct timespec until = { .tv_sec = (time_t)(ns / NS_PER_S),
				  .tv_nsec = (long)(ns % NS_PER_S) };

	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
}

static struct unit *simulated_reap(void *opaque, bool wait)
{
	struct simulated_state *state = opaque;
	uint64_t now = clock_now_ns();
	struct unit *unit = hand_out(state, now);
	uint64_t until;

	if (unit || !wait || state->inside == 0)
		return unit;
	until = first_due(state);
	if (until > now + DEVICE_REAP_MS * NS_PER_MS)
		until = now + DEVICE_REAP_MS * NS_PER_MS;
	if (until > now + SLEEP_MIN_NS)
		sleep_until(until);
	while ((now = clock_now_ns()) < until)
		sched_yield();
	return hand_out(state, now);
}

/* What is only late is dropped: it has been computed, nobody writes to it any more. */
static bool simulated_close(void *opaque)
{
	struct simulated_state *state = opaque;
	bool hung = false;

	if (!state)
		return true;
	for (uint32_t i = 0; i < state->inside; i++)
		hung = hung || state->waiting[i].due_ns == UINT64_MAX;
	pthread_mutex_lock(&device.lock);
	for (uint32_t i = 0; i < device.inside;) {
		const struct place *place = &device.places[i];

		if (place->of == state && place->due_ns != UINT64_MAX)
			device.places[i] = device.places[--device.inside];
		else
			i++;
	}
	if (hung) {
		state->next_hung = device.hung;
		device.hung = state;
	}
	pthread_mutex_unlock(&device.lock);
	if (hung)
		return false;
	state_free(state);
	return true;
}

const struct device device_simulated = {
	.name = "simulated",
	.accelerator = ACCELERATOR_SIMULATED,
	.encodes = FORM(UNIT_DEFLATE) | FORM(UNIT_ZLIB) | FORM(UNIT_MEMBERS) |
		   FORM(UNIT_BLOCKS),
	.decodes = FORM(UNIT_DEFLATE) | FORM(UNIT_ZLIB) | FORM(UNIT_MEMBERS),
	.unit_bytes = 64u << 10,
	.verify = ~0u,
	.probe_each_time = true,
	.probe = simulated_probe,
	.open = simulated_open,
	.submit = simulated_submit,
	.reap = simulated_reap,
	.close = simulated_close,
};
