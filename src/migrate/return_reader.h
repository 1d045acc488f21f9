/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* return_reader.h - a thread that reads the return path and tells the migration thread.
 *
 * It reads main's way back while the migration thread writes main.  Each message becomes an
 * EVENT_RETURN, the end an EVENT_RETURN_ENDED; what cannot be understood goes to the outcome. */
#ifndef MIGRATE_RETURN_READER_H
#define MIGRATE_RETURN_READER_H

#include "migrate/send_channel.h"

struct return_reader;

/* `channel`, `inbox` (of struct sender_event) and `outcome` are borrowed. */
struct return_reader *return_reader_start(struct channel *channel, struct queue *inbox,
					  struct outcome *outcome, struct gw_error *err);

/* After the interrupt was raised: joins, then listens on for `patience_ms`, for the destination
 * may be telling why it left.  True when it sent SHUT; *value is what it said. */
bool return_reader_last_words(struct return_reader *reader, int patience_ms,
			      uint32_t *value);

/* Joins; raise the interrupt first unless the return path has ended.  NULL is fine. */
void return_reader_stop(struct return_reader *reader);

#endif
