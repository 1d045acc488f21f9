/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* queue.h - bounded first-in first-out between owners.
 *
 * Items are copied in and out by value; what they point to changes owner with them.  Any number
 * of threads may give and take.  Closing wakes everybody: givers are refused at once, takers get
 * what is left first. */
#ifndef BASE_QUEUE_H
#define BASE_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/own.h"

struct queue;

struct queue *queue_new(size_t item_bytes, size_t capacity, struct gw_error *err);
void queue_free(struct queue *queue); /* NULL is fine; no one may wait on it */
DEFINE_OWNED(queue)

/* Waits for room.  False when the queue is closed: the item stays with the caller. */
bool queue_give(struct queue *queue, const void *item);

/* The same without waiting: false when it is closed or full. */
bool queue_try_give(struct queue *queue, const void *item);

enum queue_taken { QUEUE_ITEM, QUEUE_TIMED_OUT, QUEUE_CLOSED };

/* timeout_ms < 0 waits for ever. */
enum queue_taken queue_take(struct queue *queue, void *item, int timeout_ms);

void queue_close(struct queue *queue);

#endif
