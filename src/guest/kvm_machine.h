/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* kvm_machine.h - a KVM guest: memory slots, vCPUs with a thread each, a serial port.
 *
 * Its interrupts are the LAPICs' alone; there is no chipset, no disk, no network.  What runs in
 * it is guest/payload/payload.S.  Its RAM is given from outside: one block.
 *
 * Made by kvm_machine_new(), it has no vCPU yet.  Those come with kvm_machine_boot(), for a guest
 * that begins, or with kvm_machine_restore(), and are paused.  An exit of a vCPU that this
 * machine does not know stops it: kvm_machine_pause() and the calls after it tell.
 *
 * All calls come from one thread at a time, except kvm_machine_counters() and
 * kvm_machine_throttle(), from any.  The tracker's may come from another meanwhile. */
#ifndef GUEST_KVM_MACHINE_H
#define GUEST_KVM_MACHINE_H

#include "guest/guest.h"
#include "guest/kvm_clock.h"
#include "guest/kvm_state.h"
#include "guest/uart.h"
#include "guest/vcpu_state.h"

struct kvm_machine;

/* Who hears its serial port: print() is called from a thread of its; NULL: nobody. */
struct kvm_console {
	void (*print)(void *state, const void *bytes, size_t length);
	void *state;
};

/* All that travels beside RAM, of a machine that is paused. */
struct kvm_saved {
	struct kvm_state machine;
	struct uart serial;
	struct kvm_clock clock;
	struct vcpu_state vcpus[]; /* as many as `machine` has */
};

/* `ram` has one block, which the machine borrows.  `ring`: its written pages are tracked by dirty
 * rings, which has to be known now.  GW_UNSUPPORTED: what KVM lacks. */
struct kvm_machine *kvm_machine_new(const struct ram *ram, bool ring,
				    struct kvm_console console, struct gw_error *err);
void kvm_machine_free(struct kvm_machine *machine); /* stops it; NULL is fine */
DEFINE_OWNED(kvm_machine)

/* What its vCPUs are told: what this host can do, or what was accepted. */
const struct kvm_features *kvm_machine_features(const struct kvm_machine *machine);

/* Before it has vCPUs: these are what they will be told.  GW_UNSUPPORTED names what this host
 * lacks. */
int kvm_machine_accept(struct kvm_machine *machine, const struct kvm_features *features,
		       struct gw_error *err);

/* After either fails the machine can only be freed. */
int kvm_machine_boot(struct kvm_machine *machine, const struct kvm_state *state,
		     uint64_t seed, struct gw_error *err);
int kvm_machine_restore(struct kvm_machine *machine, const struct kvm_saved *saved,
			struct gw_error *err);

int kvm_machine_run(struct kvm_machine *machine, struct gw_error *err);
/* When it returns, also with an error, no vCPU runs. */
int kvm_machine_pause(struct kvm_machine *machine, struct gw_error *err);

/* Of a machine that is paused; the caller frees it. */
struct kvm_saved *kvm_machine_save(struct kvm_machine *machine, struct gw_error *err);

/* Once; freed before the machine. */
struct dirty_tracker *kvm_machine_track(struct kvm_machine *machine,
					struct gw_error *err);

void kvm_machine_throttle(struct kvm_machine *machine, uint32_t percent);
struct guest_counters kvm_machine_counters(const struct kvm_machine *machine);

/* Of a machine that is paused. */
uint64_t kvm_machine_heartbeat(const struct kvm_machine *machine);
int kvm_machine_prove(const struct kvm_machine *machine, struct gw_error *err);

#endif
