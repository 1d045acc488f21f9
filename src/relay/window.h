/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* window.h - how much may be in flight between the two QEMUs.
 *
 * The source QEMU believes that what the relay took has arrived, so the relay takes little: a
 * quarter of the downtime limit at the measured rate, at least `floor_bytes` (two packets a
 * channel) and at most WINDOW_BYTES_MAX.  Main's bytes have a window of their own: were both to
 * share one, pages could wait for a barrier whose mark on main waits for the pages.
 *
 * Any thread; one lock.  Waits end with window_close(), not with an interrupt. */
#ifndef RELAY_WINDOW_H
#define RELAY_WINDOW_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/own.h"

#define WINDOW_BYTES_MAX (UINT64_C(256) << 20)

struct window;

/* `clock` is clock_now_ns() but for tests. */
struct window *window_new(uint64_t floor_bytes, uint64_t downtime_limit_ms,
			  uint64_t (*clock)(void), struct gw_error *err);
void window_free(struct window *window); /* NULL is fine */
DEFINE_OWNED(window)

/* Waits until `bytes` more may be taken; one take may always pass when nothing is in flight.
 * False when closed. */
bool window_take(struct window *window, uint64_t bytes);

/* In all, so far (never less than before; more than was taken is refused: false). */
bool window_delivered(struct window *window, uint64_t total_bytes);

void window_set_downtime_limit(struct window *window, uint64_t ms);
void window_close(struct window *window);

/* For reports and tests. */
uint64_t window_in_flight(const struct window *window);
uint64_t window_most_in_flight(const struct window *window); /* so far */
uint64_t window_bytes(const struct window *window);	     /* at present */
double window_rate(const struct window *window); /* delivered bytes a second */

#endif
