/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* legs.h - the connections that a relay stands on, towards either side.
 *
 * Owned by the job's thread; the relay borrows them. */
#ifndef SENDRECV_LEGS_H
#define SENDRECV_LEGS_H

#include "drive/qmp_peer.h"
#include "relay/guardian.h"
#include "relay/qemu_door.h"
#include "relay/relay.h"
#include "session/reception.h"

struct legs {
	/* A QEMU's, or */
	struct channel *main;
	struct channel *pages[MULTIFD_CHANNELS_MAX];
	/* a session's. */
	struct session_link *main_link;
	struct session_link *page_links[MULTIFD_CHANNELS_MAX];
	uint32_t count; /* of page channels or links */
};

/* Page connections 0 to count - 1 of the session whose main connection stands already. */
int legs_connect_pages(struct legs *legs, const struct address *to, uint32_t count,
		       const uint8_t session[SESSION_ID_BYTES], uint32_t formats,
		       const struct interrupt *interrupt, int patience_ms,
		       struct gw_error *err);

/* The same, as they come in. */
int legs_receive_pages(struct legs *legs, struct reception *reception, uint32_t count,
		       const uint8_t session[SESSION_ID_BYTES], int patience_ms,
		       struct gw_error *err);

/* Main and page channels of a QEMU that listens, their init packets said.  `guardian` holds them,
 * too; NULL: it is on another host and nobody's to guard. */
int legs_connect_qemu(struct legs *legs, const struct address *to, uint32_t count,
		      const uint8_t uuid[16], struct guardian *guardian,
		      const struct interrupt *interrupt, int patience_ms,
		      struct gw_error *err);

/* The user that a QEMU runs as, unless that is ours. */
void legs_wish_for_user(const struct qmp_peer *qemu, struct door_wish *wish);

/* What came through a door. */
void legs_take_visitors(struct legs *legs, const struct door_visitors *visitors,
			uint32_t count);

struct relay_end legs_end(const struct legs *legs);
void legs_close_pages(struct legs *legs);
void legs_close(struct legs *legs); /* with main; zero is closed */

/* Of SESSION_HELLO: all that can be decoded here. */
uint32_t legs_formats(void);

#endif
