/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* guest.h - a guest of our own: threads that write, or a KVM machine.
 *
 * Two kinds behind one table, so that whoever runs, moves and proves a guest does not ask which.
 * RAM is one block, GUEST_BLOCK; at its end lie the working set and, last, the heartbeat's page:
 *
 *	0                                                    memory_bytes
 *	| (kvm: payload) | fill ...        | working set     | heartbeat |
 *
 * All calls from one thread at a time, except guest_counters() and guest_throttle() from any.  The
 * tracker's may come from another meanwhile. */
#ifndef GUEST_GUEST_H
#define GUEST_GUEST_H

#include "base/own.h"
#include "guest/fill.h"
#include "guest/process_state.h"
#include "machine/machine.h"
#include "ram/dirty.h"

#define GUEST_BLOCK "ram"
#define GUEST_MEMORY_MIN (UINT64_C(8) << 20)
#define GUEST_VCPUS_MAX 64u

enum guest_kind { GUEST_PROCESS, GUEST_KVM };

struct guest_options {
	enum guest_kind kind;
	uint64_t memory_bytes;
	uint32_t vcpus; /* a process guest's writers */
	uint64_t working_set_bytes;
	uint64_t dirty_rate_bytes; /* per second, over all vCPUs; 0 writes nothing */
	enum write_pattern pattern;
	uint64_t seed;
	/* Process: "auto", "wp-async", "wp-sync".  KVM: "auto", "dirty-log", "dirty-ring". */
	const char *tracker;
	/* What the guest prints on its serial port; from its threads, never two at once.  NULL:
	 * nobody reads it.  A process guest prints its heartbeat likewise. */
	void (*console)(void *state, const void *bytes, size_t length);
	void *console_state;
};

struct guest;

/* GUEST_KVM where /dev/kvm is there and works, else GUEST_PROCESS; *why_not then holds the
 * reason. */
enum guest_kind guest_best_kind(struct gw_error *why_not);
const char *guest_kind_name(enum guest_kind kind); /* "kvm", "process" */
int guest_kind_by_name(const char *name, enum guest_kind *kind, struct gw_error *err);

/* The machine type in the stream: "godwit-kvm", "godwit-process". */
const char *guest_machine_name(enum guest_kind kind);

/* GW_USAGE, naming the option: no host could have such a guest. */
int guest_check(const struct guest_options *options, struct gw_error *err);

/* Fresh memory, nothing in it and nothing runs: what a destination needs.  GW_USAGE names the
 * option, GW_UNSUPPORTED what the host lacks. */
struct guest *guest_new(const struct guest_options *options, struct gw_error *err);
void guest_free(struct guest *guest); /* stops it; NULL is fine */
DEFINE_OWNED(guest)

/* A guest that begins: memory filled by `threads` threads, the guest put into it, paused. */
int guest_boot(struct guest *guest, const struct fill *fill, uint32_t threads,
	       struct gw_error *err);

/* The device state of guest_load() has all arrived: the machine is made of it, paused. */
int guest_assemble(struct guest *guest, struct gw_error *err);

/* From paused to running and back.  Both do nothing when there is nothing to do.  GW_SYSTEM from
 * guest_run(): vCPUs or threads cannot be had; from guest_pause(): the guest had failed and stopped
 * by itself, will not run again, and guest_run(), guest_save() and guest_prove() go on to say why.
 * When guest_pause() returns, or either fails, all of it is paused: nothing writes RAM. */
int guest_run(struct guest *guest, struct gw_error *err);
int guest_pause(struct guest *guest, struct gw_error *err);
bool guest_running(const struct guest *guest);

struct ram *guest_ram(struct guest *guest);
/* Made at the first call; belongs to the guest. */
struct dirty_tracker *guest_tracker(struct guest *guest, struct gw_error *err);
enum guest_kind guest_kind_of(const struct guest *guest);

/* 0 to 99 percent of the time kept from running; any thread. */
void guest_throttle(struct guest *guest, uint32_t percent);

/* What a destination has to accept first: of a KVM guest the features that its vCPUs were told
 * of.  Good until the guest is freed. */
int guest_save_early(struct guest *guest, struct device_state *saved,
		     struct gw_error *err);

/* Of a paused guest.  `runs`: whether it is to run where it arrives.  Good until it runs again. */
int guest_save(struct guest *guest, bool runs, struct device_state *saved,
	       struct gw_error *err);

/* destination_machine's load(): any section that the two above made, of a guest of the same
 * kind.  What this host cannot give is GW_UNSUPPORTED, what no guest of ours says GW_PEER. */
int guest_load(struct guest *guest, const char *name, uint32_t instance, uint32_t version,
	       bool early, struct cursor *in, struct gw_error *err);
/* After everything was loaded: whether it ran when it left. */
bool guest_was_running(const struct guest *guest);

struct guest_counters {
	uint64_t beats;		/* of this guest since it is here */
	uint64_t pages_written; /* likewise; 0 for kinds that do not count */
	/* Likewise: how often the vCPU that did so least has checked its registers, the first time
	 * maybe still as they were before the state travelled.  A kind without has its beats. */
	uint64_t checks;
	uint64_t longest_gap_ns; /* between two beats here, pauses included */
	/* From the last beat before the state travelled to the first one here: the downtime as
	 * the guest feels it; means something within one host.  0 until that beat. */
	uint64_t arrival_gap_ns;
	uint64_t cpu_ns; /* of its threads */
};

struct guest_counters guest_counters(const struct guest *guest);

/* Beats since the guest was born.  Of a paused guest. */
uint64_t guest_heartbeat(const struct guest *guest);

/* Of a paused guest: is it still itself?  Each page of the working set carries its own address
 * and a sequence number it had reached; a KVM guest has found all its registers as it left
 * them.  GW_PEER says what is wrong. */
int guest_prove(struct guest *guest, struct gw_error *err);

#endif
