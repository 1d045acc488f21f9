/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* stream_header.h - what opens the main channel: magic, version, configuration.
 *
 * Bytes to a struct and back; no I/O, no heap, no threads.  Source: QEMU migration/savevm.c,
 * docs/protocol.md. */
#ifndef WIRE_STREAM_HEADER_H
#define WIRE_STREAM_HEADER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/cursor.h"
#include "base/writer.h"
#include "wire/wire_name.h"

#define STREAM_MAGIC 0x5145564du /* "QEVM" */
#define STREAM_VERSION 3u
#define STREAM_NAME_MAX WIRE_NAME_MAX
#define STREAM_CAPABILITIES_MAX 64u

struct stream_header {
	char machine[STREAM_NAME_MAX + 1];
	bool has_uuid;
	uint8_t uuid[16];
	/* Announced capability x-ignore-shared: the block list carries a guest-physical address per
	 * block, and the contents of blocks that both sides map will not come. */
	bool ignore_shared;
};

/* Header and configuration: everything up to (not including) the first record.  Peeks one byte
 * to see whether a subsection follows, so on a stream it waits for the first record's type.
 *
 * Enforced: magic, version, names of 1 to STREAM_NAME_MAX bytes without NUL, at most
 * STREAM_CAPABILITIES_MAX capabilities, each subsection once.  Refused by name: machine types
 * that send no configuration (before 2.4), unknown subsections and capabilities, mapped-ram,
 * target pages other than PAGE_BYTES. */
int stream_read_header(struct cursor *in, struct stream_header *header,
		       struct gw_error *err);
void stream_write_header(struct writer *out, const char *machine);

#endif
