/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* stamp.h - what a process guest writes into its pages, so that each can be believed later.
 *
 *	0     8     16    24    32       1024  2048  3072  4088
 *	magic where seq.  check (kept)   word  word  word  word    each be64
 *
 * `where` is the page's own address (offset in its block), `seq.` the machine's sequence number
 * of that write; check and words follow from both, so that a page that is half of one write and
 * half of another shows.  What the guest was filled with stays in between.
 *
 * The guest writes while a migration reads: that race is the point, as it is with vCPUs, and a
 * torn page is sent again.  The writing functions are therefore hidden from the race detector,
 * which would report the (uninstrumented or plain) reader whatever this side used. */
#ifndef GUEST_STAMP_H
#define GUEST_STAMP_H

#include <stdint.h>

#include "base/error.h"

/* Any thread; `page` must be no other thread's to stamp. */
void stamp_page(uint8_t *page, uint64_t address, uint64_t sequence);

/* Of a page that nobody writes.  Return: 1 stamped, 0 never stamped, -1 with GW_PEER: its stamp
 * is torn, names another address, or a sequence number that the machine had not reached. */
int stamp_check(const uint8_t *page, uint64_t address, uint64_t sequence_max,
		struct gw_error *err);

/* The heartbeat's page: magic, beats. */
void heartbeat_write(uint8_t *page, uint64_t beats);

/* Of a page that nobody writes; 0 when it holds no heartbeat. */
uint64_t heartbeat_read(const uint8_t *page);

#endif
