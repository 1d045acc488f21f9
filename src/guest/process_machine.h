/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* process_machine.h - a guest made of threads that write.
 *
 * For hosts without KVM, containers and tests.  Its RAM is given from outside.  Writer threads
 * stamp pages of a working set (stamp.h), paced by time; one more thread beats about once a
 * millisecond, in a page of its own, and so feels every pause.  Of every hundredth beat it tells
 * its console: "beat N\n", N one more each time.
 *
 * All calls come from one thread, except process_machine_counters() and
 * process_machine_throttle(). */
#ifndef GUEST_PROCESS_MACHINE_H
#define GUEST_PROCESS_MACHINE_H

#include "base/own.h"
#include "guest/process_state.h"

#define PROCESS_BEATS_PER_LINE 100u

/* Who hears the guest: print() is called from its thread; NULL: nobody. */
struct process_console {
	void (*print)(void *state, const void *bytes, size_t length);
	void *state;
};

struct process_machine;

/* Paused.  `ram` is borrowed until the machine is freed; the state is copied.
 * GW_USAGE: what process_state_check() refuses. */
struct process_machine *process_machine_new(const struct ram *ram,
					    const struct process_state *state,
					    struct process_console console,
					    struct gw_error *err);
void process_machine_free(struct process_machine *machine); /* stops it; NULL is fine */
DEFINE_OWNED(process_machine)

/* Both do nothing when there is nothing to do.  GW_SYSTEM when threads cannot be had: all of it
 * stays paused, and may be tried again. */
int process_machine_run(struct process_machine *machine, struct gw_error *err);
/* When it returns no thread writes any more. */
void process_machine_pause(struct process_machine *machine);

/* Writers are kept from working for `percent` (0 to 99) of the time; the beater is not.  What was
 * due meanwhile is not made up for: time stands still for a vCPU that does not run. */
void process_machine_throttle(struct process_machine *machine, uint32_t percent);

/* Of a machine that is paused. */
void process_machine_state(const struct process_machine *machine,
			   struct process_state *state);

struct process_counters {
	uint64_t beats; /* of this machine, not of those it came from */
	uint64_t pages_written;
	uint64_t longest_gap_ns; /* between two beats of this machine, pauses included */
	/* From the last beat before the state travelled to the first one here: the downtime as
	 * the guest feels it.  Means something between processes of one host; 0 until that beat,
	 * and for a machine that is the first of its guest. */
	uint64_t arrival_gap_ns;
	uint64_t cpu_ns; /* of the guest's threads, by the operating system */
};

/* Any thread. */
struct process_counters process_machine_counters(const struct process_machine *machine);

#endif
