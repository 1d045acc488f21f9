/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* exchange.c - parcels go from any inlet to any outlet, and never past a SYNC.
 *
 * An epoch is what lies between two barriers.  No inlet is ahead of the others by a SYNC, so what
 * is put belongs to the newest epoch, and the epochs in the row never fall.  An outlet is in the
 * epoch of the SYNCs that it got: it takes from the row's head what is of its own epoch, and
 * otherwise, where a barrier has been reached that it has not told, its next SYNC. */
#include "relay/exchange.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <sys/mman.h>

struct waiting {
	struct parcel *parcel;
	uint64_t epoch;
};

struct exchange {
	pthread_mutex_t lock;
	pthread_cond_t returned; /* a parcel is idle */
	pthread_cond_t synced;	 /* a barrier was reached, or never will be */
	pthread_cond_t filled;	 /* there is something to take */
	pthread_cond_t wrote;	 /* an outlet has written a SYNC, or is done */
	uint32_t inlets, outlets, parcels;
	uint32_t arrived; /* inlets at the barrier */
	uint32_t ended;	  /* inlets */
	uint64_t barriers;
	uint64_t *told;	   /* SYNCs, by outlet, */
	uint64_t *written; /* and of those, what it came back from */
	bool closed;
	bool ended_early; /* read without the lock as well */
	struct parcel *all;
	uint8_t *pages; /* of all, mapped */
	struct parcel **idle;
	uint32_t idle_count;
	struct waiting *row; /* a ring of `parcels` */
	uint32_t row_first, row_count;
};

static size_t pages_bytes(const struct exchange *exchange)
{
	return (size_t)exchange->parcels * PARCEL_ROOM_BYTES;
}

/* All memory there will ever be. */
static int allocate(struct exchange *exchange, struct gw_error *err)
{
	uint32_t parcels = exchange->parcels;
	void *mapped;

	exchange->told = calloc(exchange->outlets, sizeof(exchange->told[0]));
	exchange->written = calloc(exchange->outlets, sizeof(exchange->written[0]));
	exchange->all = calloc(parcels, sizeof(exchange->all[0]));
	exchange->idle = calloc(parcels, sizeof(void *));
	exchange->row = calloc(parcels, sizeof(exchange->row[0]));
	mapped = mmap(NULL, pages_bytes(exchange), PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (mapped != MAP_FAILED)
		exchange->pages = mapped;
	if (!exchange->told || !exchange->written || !exchange->all || !exchange->idle ||
	    !exchange->row || !exchange->pages)
		return fail_sys(err, ENOMEM, "exchange of %u parcels", parcels);
	for (uint32_t i = 0; i < parcels; i++) {
		exchange->all[i].pages = exchange->pages + i * PARCEL_ROOM_BYTES;
		exchange->idle[exchange->idle_count++] = &exchange->all[i];
	}
	return 0;
}

struct exchange *exchange_new(uint32_t inlets, uint32_t outlets, uint32_t parcels,
			      struct gw_error *err)
{
	OWNED(exchange) struct exchange *exchange = calloc(1, sizeof(*exchange));

	assert(inlets > 0 && outlets > 0 && parcels > inlets);
	if (!exchange) {
		fail_sys(err, ENOMEM, "exchange of %u parcels", parcels);
		return NULL;
	}
	pthread_mutex_init(&exchange->lock, NULL);
	pthread_cond_init(&exchange->returned, NULL);
	pthread_cond_init(&exchange->synced, NULL);
	pthread_cond_init(&exchange->filled, NULL);
	pthread_cond_init(&exchange->wrote, NULL);
	exchange->inlets = inlets;
	exchange->outlets = outlets;
	exchange->parcels = parcels;
	if (allocate(exchange, err) < 0)
		return NULL;
	return MOVE(exchange);
}

void exchange_free(struct exchange *exchange)
{
	if (!exchange)
		return;
	if (exchange->pages)
		munmap(exchange->pages, pages_bytes(exchange));
	free(exchange->row);
	free(exchange->idle);
	free(exchange->all);
	free(exchange->written);
	free(exchange->told);
	pthread_cond_destroy(&exchange->wrote);
	pthread_cond_destroy(&exchange->filled);
	pthread_cond_destroy(&exchange->synced);
	pthread_cond_destroy(&exchange->returned);
	pthread_mutex_destroy(&exchange->lock);
	free(exchange);
}

static void wake_all(struct exchange *exchange)
{
	pthread_cond_broadcast(&exchange->returned);
	pthread_cond_broadcast(&exchange->synced);
	pthread_cond_broadcast(&exchange->filled);
	pthread_cond_broadcast(&exchange->wrote);
}

void exchange_close(struct exchange *exchange)
{
	pthread_mutex_lock(&exchange->lock);
	exchange->closed = true;
	wake_all(exchange);
	pthread_mutex_unlock(&exchange->lock);
}

/* ---- inlets ---- */

struct parcel *exchange_borrow(struct exchange *exchange)
{
	struct parcel *parcel = NULL;

	pthread_mutex_lock(&exchange->lock);
	while (exchange->idle_count == 0 && !exchange->closed)
		pthread_cond_wait(&exchange->returned, &exchange->lock);
	/* The one that was returned last: its memory is the warmest. */
	if (!exchange->closed)
		parcel = exchange->idle[--exchange->idle_count];
	pthread_mutex_unlock(&exchange->lock);
	return parcel;
}

static void set_ended_early(struct exchange *exchange)
{
	__atomic_store_n(&exchange->ended_early, true, __ATOMIC_RELAXED);
}

bool exchange_ended_early(const struct exchange *exchange)
{
	return __atomic_load_n(&exchange->ended_early, __ATOMIC_RELAXED);
}

void exchange_put(struct exchange *exchange, struct parcel *parcel)
{
	uint32_t at;

	pthread_mutex_lock(&exchange->lock);
	if (exchange->ended > 0)
		set_ended_early(exchange);
	at = (exchange->row_first + exchange->row_count) % exchange->parcels;
	exchange->row[at] = (struct waiting){ parcel, exchange->barriers };
	exchange->row_count++;
	pthread_mutex_unlock(&exchange->lock);
	/* Who waits has been told every barrier: any one of them may take it.  Outside the lock, or
	 * who wakes would wait again for that. */
	pthread_cond_signal(&exchange->filled);
}

bool exchange_sync(struct exchange *exchange)
{
	uint64_t before;
	bool reached;

	pthread_mutex_lock(&exchange->lock);
	before = exchange->barriers;
	if (exchange->ended > 0) {
		set_ended_early(exchange);
		pthread_cond_broadcast(&exchange->synced);
	} else if (++exchange->arrived == exchange->inlets) {
		exchange->arrived = 0;
		exchange->barriers++;
		pthread_cond_broadcast(&exchange->synced);
		pthread_cond_broadcast(&exchange->filled);
	}
	while (exchange->barriers == before && !exchange->ended_early &&
	       !exchange->closed)
		pthread_cond_wait(&exchange->synced, &exchange->lock);
	reached = exchange->barriers != before && !exchange->closed;
	pthread_mutex_unlock(&exchange->lock);
	return reached;
}

void exchange_end(struct exchange *exchange)
{
	pthread_mutex_lock(&exchange->lock);
	exchange->ended++;
	if (exchange->arrived > 0)
		set_ended_early(exchange);
	wake_all(exchange);
	pthread_mutex_unlock(&exchange->lock);
}

/* ---- outlets ---- */

/* What there is for it, under the lock. */
static enum exchange_take look(struct exchange *exchange, uint32_t outlet,
			       struct parcel **parcel)
{
	uint64_t *told = &exchange->told[outlet];
	const struct waiting *head = &exchange->row[exchange->row_first];

	if (exchange->closed)
		return EXCHANGE_CLOSED;
	if (exchange->row_count > 0 && head->epoch == *told) {
		*parcel = head->parcel;
		exchange->row_first = (exchange->row_first + 1) % exchange->parcels;
		exchange->row_count--;
		return EXCHANGE_PARCEL;
	}
	if (*told < exchange->barriers) {
		++*told;
		return EXCHANGE_SYNC;
	}
	return exchange->ended == exchange->inlets ? EXCHANGE_DONE : EXCHANGE_NOTHING;
}

enum exchange_take exchange_take(struct exchange *exchange, uint32_t outlet, bool wait,
				 struct parcel **parcel)
{
	enum exchange_take taken;

	pthread_mutex_lock(&exchange->lock);
	if (exchange->written[outlet] != exchange->told[outlet]) {
		exchange->written[outlet] = exchange->told[outlet];
		pthread_cond_broadcast(&exchange->wrote);
	}
	while ((taken = look(exchange, outlet, parcel)) == EXCHANGE_NOTHING && wait)
		pthread_cond_wait(&exchange->filled, &exchange->lock);
	pthread_mutex_unlock(&exchange->lock);
	return taken;
}

void exchange_return(struct exchange *exchange, struct parcel *parcel)
{
	pthread_mutex_lock(&exchange->lock);
	exchange->idle[exchange->idle_count++] = parcel;
	pthread_mutex_unlock(&exchange->lock);
	pthread_cond_signal(&exchange->returned);
}

/* Under the lock. */
static bool all_wrote(const struct exchange *exchange, uint64_t count)
{
	for (uint32_t i = 0; i < exchange->outlets; i++)
		if (exchange->written[i] < count)
			return false;
	return true;
}

bool exchange_await_syncs(struct exchange *exchange, uint64_t count)
{
	bool wrote;

	pthread_mutex_lock(&exchange->lock);
	while (!(wrote = all_wrote(exchange, count)) && !exchange->closed &&
	       (exchange->barriers >= count || exchange->ended == 0))
		pthread_cond_wait(&exchange->wrote, &exchange->lock);
	wrote = wrote && !exchange->closed;
	pthread_mutex_unlock(&exchange->lock);
	return wrote;
}
