/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vcpu.h - one vCPU of a KVM guest, and the thread that runs it.
 *
 * Owned by its machine.  The thread obeys a queue of its own.  In KVM_RUN it does not see the
 * queue, so a command comes with a signal, which is blocked all the time but within KVM_RUN: it
 * ends that call, or the next one at once, and nobody ever handles it.  Parking is answered in one
 * queue for all vCPUs; who has taken an answer from each knows that none runs, and owns their
 * descriptors.  Collecting has a queue of its own, for whoever tracks does not wait for who parks.
 *
 *	parked <--PARK/RUN--> runs <--> rests (throttle)
 *	   each of them: COLLECT empties its dirty ring, LOOK has it read its orders again */
#ifndef GUEST_VCPU_H
#define GUEST_VCPU_H

#include <stdbool.h>
#include <stdint.h>

#include "base/own.h"
#include "base/queue.h"
#include "guest/dirty_ring.h"

struct vcpu;

/* The orders that vCPUs look up: any thread writes, with __atomic. */
struct vcpu_orders {
	uint32_t throttle_percent; /* 0 to 99 of the time kept from running */
	bool halted;		   /* one of them has failed: none goes on */
};

/* What a vCPU is plugged into.  Outlives it; the calls come from its thread. */
struct vcpu_board {
	void *state;
	/* A byte to or from a port.  What fails stops the machine. */
	int (*write)(void *state, uint32_t vcpu, uint16_t port, uint8_t value,
		     struct gw_error *err);
	int (*read)(void *state, uint32_t vcpu, uint16_t port, uint8_t *value,
		    struct gw_error *err);
	/* It will not run again; its next answer says why. */
	void (*failed)(void *state);
	struct vcpu_orders *orders;
	struct dirty_ring *ring; /* NULL: the VM has none */
	struct queue *answers;	 /* of struct vcpu_answer: to its start and to PARK */
	struct queue *collected; /* likewise: to COLLECT */
};

struct vcpu_answer {
	bool failed;
	struct gw_error err;
};

/* STOP is vcpu_free()'s. */
enum vcpu_command { VCPU_PARK, VCPU_RUN, VCPU_COLLECT, VCPU_LOOK, VCPU_STOP };

/* Its thread does not run yet. */
struct vcpu *vcpu_new(int kvm_fd, int vm_fd, uint32_t index,
		      const struct vcpu_board *board, struct gw_error *err);
/* Ends its thread, which must be parked or never have been started; NULL is fine. */
void vcpu_free(struct vcpu *vcpu);
DEFINE_OWNED(vcpu)

int vcpu_fd(const struct vcpu *vcpu);

/* The thread begins, parked. */
int vcpu_start(struct vcpu *vcpu, struct gw_error *err);

/* Any thread.  PARK and COLLECT are answered once each; one PARK and one COLLECT at a time. */
void vcpu_command(struct vcpu *vcpu, enum vcpu_command command);

/* Of its thread, by the operating system; any thread. */
uint64_t vcpu_cpu_ns(const struct vcpu *vcpu);

#endif
