/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* process_machine.h - a guest made of threads that write.
 *
 * For hosts without KVM, containers and tests.  Its RAM is given from outside.  Writer threads
 * stamp pages of a working set (stamp.h), paced by time; one more thread beats about once a
 * millisecond, in a page of its own, and so feels every pause.
 *
 * All calls come from one thread, except process_machine_counters(). */
#ifndef GUEST_PROCESS_MACHINE_H
#define GUEST_PROCESS_MACHINE_H

#include "base/own.h"
#include "guest/process_state.h"

struct process_machine;

/* Nothing runs yet.  `ram` is borrowed until the machine is freed; the state is copied.
 * GW_USAGE: what process_state_check() refuses. */
struct process_machine *process_machine_new(const struct ram *ram,
					    const struct process_state *state,
					    struct gw_error *err);
void process_machine_free(struct process_machine *machine); /* stops it; NULL is fine */
DEFINE_OWNED(process_machine)

/* Starts the threads, which run at once.  Once.  GW_SYSTEM: then the machine can only be freed. */
int process_machine_start(struct process_machine *machine, struct gw_error *err);

/* When it returns no thread writes any more, until resumed.  Both do nothing when there is nothing
 * to do. */
void process_machine_pause(struct process_machine *machine);
void process_machine_resume(struct process_machine *machine);

/* Of a machine that is paused or was not started. */
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

/* Any thread, at any time after process_machine_start(). */
struct process_counters process_machine_counters(const struct process_machine *machine);

#endif
