/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* queue.c - bounded first-in first-out between owners; the only locks. */
#include "base/queue.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "base/clock.h"

struct queue {
	pthread_mutex_t lock;
	pthread_cond_t not_empty;
	pthread_cond_t not_full;
	size_t item_bytes;
	size_t capacity;
	size_t first;
	size_t count;
	bool closed;
	unsigned char items[];
};

struct queue *queue_new(size_t item_bytes, size_t capacity, struct gw_error *err)
{
	struct queue *queue = calloc(1, sizeof(*queue) + item_bytes * capacity);
	pthread_condattr_t monotonic;

	if (!queue) {
		fail_sys(err, ENOMEM, "queue of %zu items", capacity);
		return NULL;
	}
	queue->item_bytes = item_bytes;
	queue->capacity = capacity;
	pthread_mutex_init(&queue->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&queue->not_empty, &monotonic);
	pthread_cond_init(&queue->not_full, &monotonic);
	pthread_condattr_destroy(&monotonic);
	return queue;
}

void queue_free(struct queue *queue)
{
	if (!queue)
		return;
	pthread_cond_destroy(&queue->not_full);
	pthread_cond_destroy(&queue->not_empty);
	pthread_mutex_destroy(&queue->lock);
	free(queue);
}

static unsigned char *item_at(struct queue *queue, size_t index)
{
	return queue->items + (index % queue->capacity) * queue->item_bytes;
}

static bool give(struct queue *queue, const void *item, bool wait)
{
	bool given;

	pthread_mutex_lock(&queue->lock);
	while (wait && queue->count == queue->capacity && !queue->closed)
		pthread_cond_wait(&queue->not_full, &queue->lock);
	given = !queue->closed && queue->count < queue->capacity;
	if (given) {
		memcpy(item_at(queue, queue->first + queue->count), item,
		       queue->item_bytes);
		queue->count++;
		pthread_cond_signal(&queue->not_empty);
	}
	pthread_mutex_unlock(&queue->lock);
	return given;
}

bool queue_give(struct queue *queue, const void *item)
{
	return give(queue, item, true);
}

bool queue_try_give(struct queue *queue, const void *item)
{
	return give(queue, item, false);
}

enum queue_taken queue_take(struct queue *queue, void *item, int timeout_ms)
{
	enum queue_taken taken = QUEUE_ITEM;
	struct timespec until;

	if (timeout_ms >= 0) {
		uint64_t until_ns = clock_now_ns() + (uint64_t)timeout_ms * NS_PER_MS;

		until.tv_sec = (time_t)(until_ns / NS_PER_S);
		until.tv_nsec = (long)(until_ns % NS_PER_S);
	}
	pthread_mutex_lock(&queue->lock);
	while (queue->count == 0 && taken == QUEUE_ITEM) {
		if (queue->closed)
			taken = QUEUE_CLOSED;
		else if (timeout_ms < 0)
			pthread_cond_wait(&queue->not_empty, &queue->lock);
		else if (pthread_cond_timedwait(&queue->not_empty, &queue->lock,
						&until) == ETIMEDOUT)
			taken = queue->count > 0 ? QUEUE_ITEM : QUEUE_TIMED_OUT;
	}
	if (taken == QUEUE_ITEM) {
		memcpy(item, item_at(queue, queue->first), queue->item_bytes);
		queue->first = (queue->first + 1) % queue->capacity;
		queue->count--;
		pthread_cond_signal(&queue->not_full);
	}
	pthread_mutex_unlock(&queue->lock);
	return taken;
}

void queue_close(struct queue *queue)
{
	pthread_mutex_lock(&queue->lock);
	queue->closed = true;
	pthread_cond_broadcast(&queue->not_empty);
	pthread_cond_broadcast(&queue->not_full);
	pthread_mutex_unlock(&queue->lock);
}
