/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* stream.h - the main channel: after the header (stream_header.h) the records that follow.
 *
 * Bytes to structs and back; no I/O, no heap, no threads.  Reading pulls from a cursor, straight
 * down; every function returns -1 with GW_PEER (broken or cut short) or GW_UNSUPPORTED (known to
 * QEMU, not to us, named).  Source: QEMU migration/savevm.c, docs/protocol.md. */
#ifndef WIRE_STREAM_H
#define WIRE_STREAM_H

#include <stdbool.h>
#include <stdint.h>

#include "base/cursor.h"
#include "base/writer.h"
#include "wire/stream_header.h"

#define STREAM_SECTIONS_MAX \
	64u /* started ones: more than any machine has iterable devices */
#define STREAM_VMDESC_BYTES_MAX (16u << 20)

/* A FULL section that comes ahead of the first page cannot be passed over by who does not know
 * it.  Those of godwit's own machines are named so, and begin with a be32 that tells how many
 * bytes follow. */
#define STREAM_EARLY_PREFIX "godwit/"
#define STREAM_EARLY_BYTES_MAX (1u << 20)
#define RAM_SECTION_NAME "ram"
#define RAM_SECTION_VERSION 4u

enum record_type {
	RECORD_EOF = 0x00,
	RECORD_SECTION_START = 0x01,
	RECORD_SECTION_PART = 0x02,
	RECORD_SECTION_END = 0x03,
	RECORD_SECTION_FULL = 0x04,
	RECORD_SUBSECTION = 0x05,
	RECORD_VMDESCRIPTION = 0x06,
	RECORD_CONFIGURATION = 0x07,
	RECORD_COMMAND = 0x08,
	RECORD_FOOTER = 0x7e,
};

enum stream_command {
	COMMAND_OPEN_RETURN_PATH = 1,
	COMMAND_PING = 2,
	COMMAND_POSTCOPY_ADVISE = 3,
	COMMAND_POSTCOPY_LISTEN = 4,
	COMMAND_POSTCOPY_RUN = 5,
	COMMAND_POSTCOPY_RAM_DISCARD = 6,
	COMMAND_PACKAGED = 7,
	COMMAND_ENABLE_COLO = 8,
	COMMAND_POSTCOPY_RESUME = 9,
	COMMAND_RECV_BITMAP = 10,
	COMMAND_SWITCHOVER_START = 11,
};

struct stream_record {
	enum record_type type;
	/* SECTION_*: START and FULL carry all four, PART and END the id. */
	uint32_t section_id;
	char name[STREAM_NAME_MAX + 1];
	uint32_t instance;
	uint32_t version;
	/* COMMAND */
	enum stream_command command;
	uint32_t ping; /* value of a PING */
	/* VMDESCRIPTION: that many bytes of JSON follow, not consumed. */
	uint32_t vmdesc_bytes;
};

/* Which sections were started, by id.  Bounded; zero is empty. */
struct section_map {
	uint32_t count;
	struct {
		uint32_t id;
		char name[STREAM_NAME_MAX + 1];
		uint32_t instance;
	} sections[STREAM_SECTIONS_MAX];
};

/* Reads one record's head: up to the section's body, the whole command, or the length of the
 * description.  START enters the section into `sections`; PART and END take name and instance
 * from there.  Which record may follow which is the caller's to say.
 *
 * Enforced: known types and commands, fixed lengths of commands, names, PART and END only of
 * what started, no START twice (by id or by name and instance), at most STREAM_SECTIONS_MAX
 * started, "ram" only as START of instance 0 and version RAM_SECTION_VERSION, a description of
 * at most STREAM_VMDESC_BYTES_MAX.  Refused by name: post-copy commands, COLO. */
int stream_read_record(struct cursor *in, struct section_map *sections,
		       struct stream_record *record, struct gw_error *err);

/* After a body. */
int stream_read_footer(struct cursor *in, uint32_t section_id, struct gw_error *err);

void stream_write_section(struct writer *out, enum record_type type, uint32_t section_id,
			  const char *name, uint32_t instance, uint32_t version);
void stream_write_section_again(struct writer *out, enum record_type type,
				uint32_t section_id);
void stream_write_footer(struct writer *out, uint32_t section_id);
void stream_write_command(struct writer *out, enum stream_command command);
void stream_write_ping(struct writer *out, uint32_t value);
void stream_write_eof(struct writer *out);
void stream_write_vmdesc(struct writer *out, const char *json, uint32_t length);

const char *stream_command_name(enum stream_command command);

#endif
