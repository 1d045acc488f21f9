/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* process_machine.c - a guest made of threads that write.
 *
 * Each thread obeys a queue of its own, which it also sleeps on: a command wakes it at once.  It
 * begins parked, so that a machine that gets only some of its threads has written nothing.
 * Parking is answered in one queue for all; who has taken an answer from each thread knows that
 * none writes, and that all they wrote is visible. */
#include "guest/process_machine.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/counter.h"
#include "base/queue.h"
#include "guest/pulse.h"
#include "guest/random.h"
#include "guest/stamp.h"

/* Written between two looks at the commands: what pausing may have to wait for. */
#define BURST_PAGES 16u

#define BEAT_MS 1

/* What the host kept a writer from for longer than this is not made up for. */
#define DEBT_NS (100 * NS_PER_MS)

/* A throttled writer sleeps at most so long at once, and then looks whether it still is. */
#define THROTTLE_SLICE_NS (10 * NS_PER_MS)

enum command { PARK, RUN, STOP };

struct worker {
	struct process_machine *machine;
	pthread_t thread;
	bool started; /* once true, `thread` can be asked by anybody */
	struct queue *commands;

	/* Of a writer; owned by its thread until that is parked. */
	struct process_writer writer;
	struct process_share share;
	uint64_t pages_written; /* one writer, relaxed readers */
};

struct process_machine {
	struct process_state
		state; /* the counts are from when it was made or last paused */
	uint8_t *host; /* of the block */
	struct worker beater;
	struct worker writers[PROCESS_WRITERS_MAX];
	struct queue *parked; /* a thread's answer to PARK; nothing in it */
	struct process_console console;
	bool runs;

	uint64_t sequence;	   /* taken by all writers */
	uint64_t throttle_percent; /* relaxed */

	/* Owned by the beater. */
	uint64_t heartbeat;
	uint64_t heartbeat_ns;

	struct pulse pulse; /* the beater's */
};

/* Waits for a command for as long as `timeout_ms` (for ever when negative), and through being
 * parked.  *parked tells whether that happened; false: stop. */
static bool obey(struct worker *worker, int timeout_ms, bool *parked)
{
	uint8_t answer = 0;
	enum command command;

	*parked = false;
	while (queue_take(worker->commands, &command, timeout_ms) == QUEUE_ITEM) {
		switch (command) {
		case STOP:
			return false;
		case RUN:
			return true;
		case PARK:
			*parked = true;
			timeout_ms = -1;
			queue_give(worker->machine->parked, &answer);
			break;
		}
	}
	return true;
}

static void beat(struct process_machine *machine)
{
	machine->heartbeat++;
	heartbeat_write(machine->host + machine->state.heartbeat_offset,
			machine->heartbeat);
	pulse_beat(&machine->pulse, &machine->heartbeat_ns);
	if (machine->console.print && machine->heartbeat % PROCESS_BEATS_PER_LINE == 0) {
		char line[32];
		int length = snprintf(line, sizeof(line), "beat %" PRIu64 "\n",
				      machine->heartbeat / PROCESS_BEATS_PER_LINE);

		machine->console.print(machine->console.state, line, (size_t)length);
	}
}

static void *beater_run(void *opaque)
{
	struct worker *worker = opaque;
	bool parked;
	int wait_ms = -1;

	while (obey(worker, wait_ms, &parked)) {
		beat(worker->machine);
		wait_ms = BEAT_MS;
	}
	return NULL;
}

static void write_page(struct worker *worker)
{
	struct process_machine *machine = worker->machine;
	struct process_writer *writer = &worker->writer;
	uint64_t page, address;

	if (machine->state.pattern == WRITE_RANDOM) {
		page = random_next(&writer->generator) % worker->share.page_count;
	} else {
		page = writer->position;
		writer->position = (page + 1) % worker->share.page_count;
	}
	address = (worker->share.first_page + page) * PAGE_BYTES;
	stamp_page(machine->host + address, address,
		   __atomic_add_fetch(&machine->sequence, 1, __ATOMIC_RELAXED));
	counter_add(&worker->pages_written, 1);
}

/* How many pages are due: so many since the start, less those that were written.  And how much of
 * its time a throttled writer has to stand still. */
struct pace {
	double pages_per_ns;
	uint64_t since_ns;
	double written;
	uint64_t asked_ns; /* when pace_hold() was called last */
	uint64_t owed_ns;  /* to stand still, for what was worked */
	bool held;
};

/* From now on; nothing is due yet. */
static void pace_begin(struct pace *pace, const struct process_state *state,
		       uint64_t now_ns)
{
	*pace = (struct pace){
		.pages_per_ns = (double)state->dirty_rate_bytes / state->writer_count /
				(double)PAGE_BYTES / (double)NS_PER_S,
		.since_ns = now_ns,
		.asked_ns = now_ns,
	};
}

static double pace_due(struct pace *pace, uint64_t now_ns)
{
	double due =
		(double)(now_ns - pace->since_ns) * pace->pages_per_ns - pace->written;
	double debt = pace->pages_per_ns * (double)DEBT_NS;

	if (due > debt && due > BURST_PAGES) {
		pace->since_ns = now_ns - DEBT_NS;
		pace->written = 0;
		due = debt;
	}
	return due;
}

/* For how long the writer has to stand still now; 0: it may work. */
static int pace_hold(struct pace *pace, uint64_t percent, uint64_t now_ns)
{
	uint64_t passed_ns = now_ns - pace->asked_ns;
	/* No more is owed than for what may be made up for; nothing when not throttled. */
	uint64_t most_ns = DEBT_NS * percent / (100 - percent);
	/* Sleeps that are too short to be had would be longer ones. */
	uint64_t least_ns =
		pace->held || percent < 10 ? NS_PER_MS : percent * (NS_PER_MS / 10);

	pace->asked_ns = now_ns;
	if (pace->held) {
		/* Its time stood still as well, or it would catch up. */
		pace->since_ns += passed_ns;
		pace->owed_ns -= passed_ns < pace->owed_ns ? passed_ns : pace->owed_ns;
	} else {
		pace->owed_ns += passed_ns * percent / (100 - percent);
	}
	if (pace->owed_ns > most_ns)
		pace->owed_ns = most_ns;
	pace->held = pace->owed_ns >= least_ns;
	if (!pace->held)
		return 0;
	return pace->owed_ns > THROTTLE_SLICE_NS ? (int)(THROTTLE_SLICE_NS / NS_PER_MS)
						 : (int)(pace->owed_ns / NS_PER_MS);
}

/* Return: how long until more is due. */
static int write_due(struct worker *worker, struct pace *pace, uint64_t now_ns)
{
	double due = pace_due(pace, now_ns);
	uint32_t burst = due > BURST_PAGES ? BURST_PAGES : (uint32_t)(due > 0 ? due : 0);

	for (uint32_t i = 0; i < burst; i++)
		write_page(worker);
	pace->written += burst;
	return burst == BURST_PAGES ? 0 : 1;
}

static void *writer_run(void *opaque)
{
	struct worker *worker = opaque;
	struct process_machine *machine = worker->machine;
	struct pace pace = { 0 };
	int wait_ms = -1;
	bool parked;

	while (obey(worker, wait_ms, &parked)) {
		uint64_t now_ns = clock_now_ns();

		/* Nothing was due while time stood still. */
		if (parked || wait_ms < 0)
			pace_begin(&pace, &machine->state, now_ns);
		if (machine->state.dirty_rate_bytes == 0)
			continue;
		wait_ms = pace_hold(&pace, counter_read(&machine->throttle_percent),
				    now_ns);
		if (wait_ms == 0)
			wait_ms = write_due(worker, &pace, now_ns);
	}
	return NULL;
}

static void command_all(struct process_machine *machine, enum command command)
{
	queue_give(machine->beater.commands, &command);
	for (uint32_t i = 0; i < machine->state.writer_count; i++)
		queue_give(machine->writers[i].commands, &command);
}

/* What the parked threads know, in one place. */
static void collect(struct process_machine *machine)
{
	machine->state.heartbeat = machine->heartbeat;
	machine->state.heartbeat_ns = machine->heartbeat_ns;
	machine->state.sequence = counter_read(&machine->sequence);
	for (uint32_t i = 0; i < machine->state.writer_count; i++)
		machine->state.writers[i] = machine->writers[i].writer;
}

static int worker_init(struct process_machine *machine, struct worker *worker,
		       struct gw_error *err)
{
	worker->machine = machine;
	/* RUN and PARK, or RUN and STOP, before the thread looks again. */
	worker->commands = queue_new(sizeof(enum command), 4, err);
	return worker->commands ? 0 : -1;
}

static int worker_start(struct worker *worker, void *(*run)(void *), struct gw_error *err)
{
	int refused = pthread_create(&worker->thread, NULL, run, worker);

	if (refused != 0)
		return fail_sys(err, refused, "process guest: thread");
	__atomic_store_n(&worker->started, true, __ATOMIC_RELEASE);
	return 0;
}

static void worker_stop(struct worker *worker)
{
	enum command stop = STOP;

	if (worker->started) {
		queue_give(worker->commands, &stop);
		pthread_join(worker->thread, NULL);
	}
	queue_free(worker->commands);
}

struct process_machine *process_machine_new(const struct ram *ram,
					    const struct process_state *state,
					    struct process_console console,
					    struct gw_error *err)
{
	OWNED(process_machine) struct process_machine *machine = NULL;

	if (process_state_check(state, ram, err) < 0)
		return NULL;
	machine = calloc(1, sizeof(*machine));
	if (!machine) {
		fail_sys(err, ENOMEM, "process guest");
		return NULL;
	}
	machine->state = *state;
	machine->console = console;
	machine->host = ram_find(ram, state->block, strlen(state->block))->host;
	machine->heartbeat = state->heartbeat;
	machine->heartbeat_ns = state->heartbeat_ns;
	machine->sequence = state->sequence;
	machine->parked = queue_new(1, PROCESS_WRITERS_MAX + 1, err);
	if (!machine->parked || worker_init(machine, &machine->beater, err) < 0)
		return NULL;
	for (uint32_t i = 0; i < state->writer_count; i++) {
		if (worker_init(machine, &machine->writers[i], err) < 0)
			return NULL;
		machine->writers[i].writer = state->writers[i];
		machine->writers[i].share = process_share(state, i);
	}
	return MOVE(machine);
}

void process_machine_free(struct process_machine *machine)
{
	if (!machine)
		return;
	worker_stop(&machine->beater);
	for (uint32_t i = 0; i < machine->state.writer_count; i++)
		worker_stop(&machine->writers[i]);
	queue_free(machine->parked);
	free(machine);
}

/* Threads that are there stay, parked, when another cannot be had. */
static int start_all(struct process_machine *machine, struct gw_error *err)
{
	if (!machine->beater.started &&
	    worker_start(&machine->beater, beater_run, err) < 0)
		return -1;
	for (uint32_t i = 0; i < machine->state.writer_count; i++) {
		struct worker *writer = &machine->writers[i];

		if (!writer->started && worker_start(writer, writer_run, err) < 0)
			return -1;
	}
	return 0;
}

int process_machine_run(struct process_machine *machine, struct gw_error *err)
{
	if (machine->runs)
		return 0;
	if (start_all(machine, err) < 0)
		return -1;
	machine->runs = true;
	command_all(machine, RUN);
	return 0;
}

void process_machine_pause(struct process_machine *machine)
{
	uint8_t answer;

	if (!machine->runs)
		return;
	command_all(machine, PARK);
	for (uint32_t i = 0; i < machine->state.writer_count + 1; i++)
		queue_take(machine->parked, &answer, -1);
	machine->runs = false;
	collect(machine);
}

void process_machine_throttle(struct process_machine *machine, uint32_t percent)
{
	assert(percent < 100);
	counter_set(&machine->throttle_percent, percent);
}

void process_machine_state(const struct process_machine *machine,
			   struct process_state *state)
{
	assert(!machine->runs);
	*state = machine->state;
}

static uint64_t worker_cpu_ns(const struct worker *worker)
{
	clockid_t clock;

	if (!__atomic_load_n(&worker->started, __ATOMIC_ACQUIRE) ||
	    pthread_getcpuclockid(worker->thread, &clock) != 0)
		return 0;
	return clock_read_ns(clock);
}

struct process_counters process_machine_counters(const struct process_machine *machine)
{
	struct process_counters counters = {
		.beats = counter_read(&machine->pulse.beats),
		.longest_gap_ns = counter_read(&machine->pulse.longest_gap_ns),
		.arrival_gap_ns = counter_read(&machine->pulse.arrival_gap_ns),
		.cpu_ns = worker_cpu_ns(&machine->beater),
	};

	for (uint32_t i = 0; i < machine->state.writer_count; i++) {
		counters.pages_written +=
			counter_read(&machine->writers[i].pages_written);
		counters.cpu_ns += worker_cpu_ns(&machine->writers[i]);
	}
	return counters;
}
