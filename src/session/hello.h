/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* hello.h - how two godwits open a session, and what they tell each other in words.
 *
 * Both SESSION_HELLO and SESSION_CONTROL are JSON objects.  A member that is not known is passed
 * over, so that a newer godwit can say more; what has to be understood has a new protocol number.
 *
 * HELLO, from who connected, then from who listens:
 *	{"godwit": "0.1.0", "protocol": {"oldest": 1, "newest": 1}, "session": "<32 hex>",
 *	 "role": "main"|"page"|"preempt", "index": 3, "formats": ["none", "zlib", ...],
 *	 "about": {...}}
 * "about" is what the main connection tells of its QEMU and plan, opaque here.  Who listens and
 * wants no such connection says so, and of the others only the first two:
 *	{"godwit": "0.1.0", "protocol": {...}, "refused": "busy with another session"}
 * CONTROL: {"say": "prepare", ...}; the words are those of sendrecv/. */
#ifndef SESSION_HELLO_H
#define SESSION_HELLO_H

#include <jansson.h>
#include <stdbool.h>

#include "session/session_link.h"

#define SESSION_PROTOCOL_OLDEST 1
#define SESSION_PROTOCOL_NEWEST 1
#define SESSION_ID_BYTES 16u

enum link_role { LINK_MAIN, LINK_PAGE, LINK_PREEMPT };

struct hello {
	char version[32];  /* of the peer's godwit; printable */
	uint32_t protocol; /* read: the newest that both speak */
	uint8_t session[SESSION_ID_BYTES];
	enum link_role role;
	uint32_t
		index; /* page connections: from 0, any; range and repeats are the caller's */
	/* Bit 1 << enum codec_id: can be decoded.  Names that are not known are passed over. */
	uint32_t formats;
	json_t *about; /* owned by whoever has the hello; NULL but on main */
};

/* Borrows `about`; version and protocol are this godwit's, whatever `hello` says. */
int hello_write(struct session_link *link, const struct hello *hello,
		struct gw_error *err);

/* The answer to a hello that is not welcome. */
int hello_refuse(struct session_link *link, const char *why, struct gw_error *err);

/* Within timeout_ms in all.  GW_PEER for what is no hello; GW_UNSUPPORTED "the other side's
 * godwit 3.1 speaks protocols 4 to 6, this one 1 to 1: ...", or the other side's refusal. */
int hello_read(struct session_link *link, int timeout_ms, struct hello *hello,
	       struct gw_error *err);

/* For whoever has read the body of a SESSION_HELLO by other means. */
int hello_parse(const void *text, size_t length, struct hello *hello,
		struct gw_error *err);
void hello_deinit(struct hello *hello);

/* As it is spelt there. */
const char *hello_role_name(enum link_role role);

/* ---- words on the main connection ---- */

/* Takes over `message`. */
int control_write(struct session_link *link, json_t *message, struct gw_error *err);

/* The body of a SESSION_CONTROL whose head has been read: a new reference. */
json_t *control_read(struct session_link *link, const struct record_head *head,
		     struct gw_error *err);

/* message["say"]; "" when it is none. */
const char *control_word(const json_t *message);

#endif
