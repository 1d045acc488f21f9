/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* return_path.h - what the destination says on main's way back.  Source: QEMU
 * migration/migration.c, enum mig_rp_message_type. */
#ifndef WIRE_RETURN_PATH_H
#define WIRE_RETURN_PATH_H

#include "base/cursor.h"
#include "base/writer.h"

#define RETURN_PATH_MESSAGE_BYTES_MAX 512u

enum return_path_type {
	RETURN_SHUT = 1,
	RETURN_PONG = 2,
	RETURN_REQ_PAGES_ID = 3,
	RETURN_REQ_PAGES = 4,
	RETURN_RECV_BITMAP = 5,
	RETURN_RESUME_ACK = 6,
	RETURN_SWITCHOVER_ACK = 7,
};

struct return_path_message {
	enum return_path_type type;
	uint32_t value; /* SHUT: 0 is success; PONG: the PING's value */
};

/* Return: 1 a message, 0 the stream ended between messages, -1 error.  Post-copy messages are
 * refused by name. */
int return_path_read(struct cursor *in, struct return_path_message *message,
		     struct gw_error *err);
void return_path_write(struct writer *out, const struct return_path_message *message);

#endif
