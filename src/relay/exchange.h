/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* exchange.h - parcels go from any inlet to any outlet, and never past a SYNC.
 *
 * A SYNC of QEMU's is a barrier over all its channels: what an inlet puts after its n-th SYNC may
 * leave by any outlet, but on each outlet only behind that outlet's n-th SYNC, which in turn comes
 * behind every parcel that outlet took before; and no outlet gets its n-th SYNC before every inlet
 * has reached its own.  So the number of channels may differ on both sides, and pages between two
 * barriers find the channel that is free.  Source: QEMU docs/devel/migration, multifd.c.
 *
 * One lock, held for list operations only.  Any thread.  Waits end with exchange_close(), not with
 * an interrupt: whoever is woken by that one closes. */
#ifndef RELAY_EXCHANGE_H
#define RELAY_EXCHANGE_H

#include <stdbool.h>

#include "base/own.h"
#include "relay/parcel.h"

struct exchange;

/* `parcels` are all there will ever be; more than inlets, of which each may hold one while it waits
 * for its peer. */
struct exchange *exchange_new(uint32_t inlets, uint32_t outlets, uint32_t parcels,
			      struct gw_error *err);
void exchange_free(struct exchange *exchange); /* NULL is fine; nobody is inside */
DEFINE_OWNED(exchange)

/* Ends all waits, for good: everybody gets NULL, false or EXCHANGE_CLOSED. */
void exchange_close(struct exchange *exchange);

/* ---- inlets ---- */

/* An empty parcel; NULL when closed. */
struct parcel *exchange_borrow(struct exchange *exchange);
void exchange_put(struct exchange *exchange, struct parcel *parcel); /* filled */
/* An inlet read a SYNC: waits for those of the others.  False when closed, and when it waits in
 * vain for one that has ended. */
bool exchange_sync(struct exchange *exchange);
/* An inlet has come to its end. */
void exchange_end(struct exchange *exchange);
/* A SYNC or a parcel came from one inlet when another had ended: a mistake of the peer's, or the
 * end of a migration that was given up. */
bool exchange_ended_early(const struct exchange *exchange);

/* ---- outlets ---- */

enum exchange_take {
	EXCHANGE_PARCEL,
	EXCHANGE_SYNC,	  /* write one SYNC now */
	EXCHANGE_NOTHING, /* only without `wait` */
	EXCHANGE_DONE,	  /* all inlets ended and nothing is left */
	EXCHANGE_CLOSED,
};

enum exchange_take exchange_take(struct exchange *exchange, uint32_t outlet, bool wait,
				 struct parcel **parcel);
/* Written; or by an inlet, not used. */
void exchange_return(struct exchange *exchange, struct parcel *parcel);

/* ---- beside them ---- */

/* Waits until every outlet has written `count` SYNCs: until each has come back for more after it
 * was given the last of them.  False when that will not be: closed, or the inlets end before. */
bool exchange_await_syncs(struct exchange *exchange, uint64_t count);

#endif
