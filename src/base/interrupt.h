/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* interrupt.h - wakes every wait of one migration, once and for good.
 *
 * An eventfd that every blocking wait polls beside what it waits for.  Raising is safe from any
 * thread and from a signal handler, and cannot be undone.  Whoever made it frees it after all
 * waiters are joined. */
#ifndef BASE_INTERRUPT_H
#define BASE_INTERRUPT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/own.h"

struct interrupt;

struct interrupt *interrupt_new(struct gw_error *err);
void interrupt_free(struct interrupt *interrupt); /* NULL is fine */
DEFINE_OWNED(interrupt)

void interrupt_raise(struct interrupt *interrupt);
bool interrupt_raised(const struct interrupt *interrupt);

/* Waits until `fd` has one of `events` (poll's), or for ever with timeout_ms < 0.
 * Return: 1 ready, 0 timed out, -1 with GW_CANCELLED when raised, or GW_SYSTEM.
 * `interrupt` may be NULL: then nothing but the descriptor and the time-out ends the wait. */
int interrupt_poll(const struct interrupt *interrupt, int fd, short events,
		   int timeout_ms, struct gw_error *err);

/* For poll(), beside other descriptors: readable once raised, and from then on. */
int interrupt_fd(const struct interrupt *interrupt);

/* Sleeps; false when raised meanwhile. */
bool interrupt_sleep(const struct interrupt *interrupt, uint64_t sleep_ns);

#endif
