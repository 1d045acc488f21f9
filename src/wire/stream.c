/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* stream.c - the records of the main channel: sections, footers, commands, the description. */
#include "wire/stream.h"

#include <assert.h>
#include <inttypes.h>

#include "wire/wire_name.h"

/* ---- sections ---- */

static int find_section(const struct section_map *sections, uint32_t id)
{
	for (uint32_t i = 0; i < sections->count; i++)
		if (sections->sections[i].id == id)
			return (int)i;
	return -1;
}

static int add_section(struct section_map *sections, const struct stream_record *record,
		       struct gw_error *err)
{
	char out[WIRE_NAME_SHOWN_MAX];
	uint32_t at = sections->count;

	for (uint32_t i = 0; i < at; i++)
		if (sections->sections[i].id == record->section_id ||
		    (sections->sections[i].instance == record->instance &&
		     strcmp(sections->sections[i].name, record->name) == 0))
			return fail(err, GW_PEER,
				    "section %" PRIu32 " \"%s\" instance %" PRIu32
				    ": started twice",
				    record->section_id,
				    wire_name_shown(out, record->name), record->instance);
	if (at == STREAM_SECTIONS_MAX)
		return fail(err, GW_PEER,
			    "section %" PRIu32 " \"%s\": more than %u started",
			    record->section_id, wire_name_shown(out, record->name),
			    STREAM_SECTIONS_MAX);
	sections->sections[at].id = record->section_id;
	sections->sections[at].instance = record->instance;
	memcpy(sections->sections[at].name, record->name, sizeof(record->name));
	sections->count++;
	return 0;
}

/* QEMU takes any section as START or FULL; ram that is not what we can read stops here. */
static int check_ram_section(const struct stream_record *record, struct gw_error *err)
{
	if (strcmp(record->name, RAM_SECTION_NAME) != 0)
		return 0;
	if (record->type != RECORD_SECTION_START)
		return fail(err, GW_PEER, "section \"ram\" as FULL, expected START");
	if (record->instance != 0)
		return fail(err, GW_PEER,
			    "section \"ram\": instance %" PRIu32 ", expected 0",
			    record->instance);
	if (record->version != RAM_SECTION_VERSION)
		return fail(err, GW_UNSUPPORTED,
			    "section \"ram\": version %" PRIu32 ", only %u is supported",
			    record->version, RAM_SECTION_VERSION);
	return 0;
}

static int read_section_start(struct cursor *in, struct section_map *sections,
			      struct stream_record *record, struct gw_error *err)
{
	record->section_id = cursor_be32(in);
	if (in->overrun)
		return cursor_fail(in, err, "section");
	if (wire_name_read(in, record->name, "section name", err) < 0)
		return -1;
	record->instance = cursor_be32(in);
	record->version = cursor_be32(in);
	if (in->overrun)
		return cursor_fail(in, err, "section");
	if (check_ram_section(record, err) < 0)
		return -1;
	return record->type == RECORD_SECTION_START ? add_section(sections, record, err)
						    : 0;
}

static int read_section_again(struct cursor *in, const struct section_map *sections,
			      struct stream_record *record, struct gw_error *err)
{
	int at;

	record->section_id = cursor_be32(in);
	if (in->overrun)
		return cursor_fail(in, err, "section");
	at = find_section(sections, record->section_id);
	if (at < 0)
		return fail(err, GW_PEER, "section %" PRIu32 ": %s, but it never started",
			    record->section_id,
			    record->type == RECORD_SECTION_PART ? "PART" : "END");
	memcpy(record->name, sections->sections[at].name, sizeof(record->name));
	record->instance = sections->sections[at].instance;
	return 0;
}

/* ---- commands ---- */

struct command_rule {
	const char *name;
	bool supported;
	uint16_t length; /* of the supported ones */
};

static const struct command_rule commands[] = {
	[COMMAND_OPEN_RETURN_PATH] = { "OPEN_RETURN_PATH", true, 0 },
	[COMMAND_PING] = { "PING", true, 4 },
	[COMMAND_POSTCOPY_ADVISE] = { "POSTCOPY_ADVISE" },
	[COMMAND_POSTCOPY_LISTEN] = { "POSTCOPY_LISTEN" },
	[COMMAND_POSTCOPY_RUN] = { "POSTCOPY_RUN" },
	[COMMAND_POSTCOPY_RAM_DISCARD] = { "POSTCOPY_RAM_DISCARD" },
	[COMMAND_PACKAGED] = { "PACKAGED" },
	[COMMAND_ENABLE_COLO] = { "ENABLE_COLO" },
	[COMMAND_POSTCOPY_RESUME] = { "POSTCOPY_RESUME" },
	[COMMAND_RECV_BITMAP] = { "RECV_BITMAP" },
	[COMMAND_SWITCHOVER_START] = { "SWITCHOVER_START", true, 0 },
};

#define COMMAND_COUNT (sizeof(commands) / sizeof(commands[0]))

const char *stream_command_name(enum stream_command command)
{
	return command > 0 && command < COMMAND_COUNT ? commands[command].name
						      : "unknown";
}

static int read_command(struct cursor *in, struct stream_record *record,
			struct gw_error *err)
{
	uint16_t number = cursor_be16(in), length = cursor_be16(in);
	const struct command_rule *rule;

	if (in->overrun)
		return cursor_fail(in, err, "command");
	if (number == 0 || number >= COMMAND_COUNT)
		return fail(err, GW_PEER, "command %u, 1 to %zu are known", number,
			    COMMAND_COUNT - 1);
	rule = &commands[number];
	if (!rule->supported)
		return fail(err, GW_UNSUPPORTED, "command %s is not supported",
			    rule->name);
	if (length != rule->length)
		return fail(err, GW_PEER, "command %s: %u bytes of data, expected %u",
			    rule->name, length, rule->length);
	record->command = (enum stream_command)number;
	if (record->command == COMMAND_PING)
		record->ping = cursor_be32(in);
	if (in->overrun)
		return cursor_fail(in, err, "command");
	return 0;
}

/* ---- records ---- */

static int read_vmdesc(struct cursor *in, struct stream_record *record,
		       struct gw_error *err)
{
	record->vmdesc_bytes = cursor_be32(in);
	if (in->overrun)
		return cursor_fail(in, err, "description");
	if (record->vmdesc_bytes > STREAM_VMDESC_BYTES_MAX)
		return fail(err, GW_PEER, "description of %" PRIu32 " bytes, at most %u",
			    record->vmdesc_bytes, STREAM_VMDESC_BYTES_MAX);
	return 0;
}

/* What is a record elsewhere, for the error. */
static const char *misplaced_name(uint8_t type)
{
	switch (type) {
	case RECORD_SUBSECTION:
		return " (subsection) outside a section";
	case RECORD_CONFIGURATION:
		return " (configuration) after the header";
	case RECORD_FOOTER:
		return " (footer) without a section";
	default:
		return ", which is unknown";
	}
}

int stream_read_record(struct cursor *in, struct section_map *sections,
		       struct stream_record *record, struct gw_error *err)
{
	uint64_t offset = cursor_offset(in);
	uint8_t type = cursor_u8(in);

	*record = (struct stream_record){ .type = (enum record_type)type };
	if (in->overrun)
		return cursor_fail(in, err, "record");
	switch (type) {
	case RECORD_EOF:
		return 0;
	case RECORD_SECTION_START:
	case RECORD_SECTION_FULL:
		return read_section_start(in, sections, record, err);
	case RECORD_SECTION_PART:
	case RECORD_SECTION_END:
		return read_section_again(in, sections, record, err);
	case RECORD_VMDESCRIPTION:
		return read_vmdesc(in, record, err);
	case RECORD_COMMAND:
		return read_command(in, record, err);
	default:
		return fail(err, GW_PEER, "record type 0x%02x at byte %" PRIu64 "%s",
			    type, offset, misplaced_name(type));
	}
}

int stream_read_footer(struct cursor *in, uint32_t section_id, struct gw_error *err)
{
	uint64_t offset = cursor_offset(in);
	uint8_t type = cursor_u8(in);
	uint32_t id;

	if (in->overrun)
		return cursor_fail(in, err, "footer");
	if (type != RECORD_FOOTER)
		return fail(err, GW_PEER,
			    "section %" PRIu32 ": 0x%02x at byte %" PRIu64
			    ", expected a footer (0x%02x)",
			    section_id, type, offset, RECORD_FOOTER);
	id = cursor_be32(in);
	if (in->overrun)
		return cursor_fail(in, err, "footer");
	if (id != section_id)
		return fail(err, GW_PEER,
			    "section %" PRIu32 ": footer of section %" PRIu32, section_id,
			    id);
	return 0;
}

/* ---- writing ---- */

void stream_write_section(struct writer *out, enum record_type type, uint32_t section_id,
			  const char *name, uint32_t instance, uint32_t version)
{
	assert(type == RECORD_SECTION_START || type == RECORD_SECTION_FULL);
	assert(name[0] != '\0');
	writer_u8(out, (uint8_t)type);
	writer_be32(out, section_id);
	writer_str8(out, name);
	writer_be32(out, instance);
	writer_be32(out, version);
}

void stream_write_section_again(struct writer *out, enum record_type type,
				uint32_t section_id)
{
	assert(type == RECORD_SECTION_PART || type == RECORD_SECTION_END);
	writer_u8(out, (uint8_t)type);
	writer_be32(out, section_id);
}

void stream_write_footer(struct writer *out, uint32_t section_id)
{
	writer_u8(out, RECORD_FOOTER);
	writer_be32(out, section_id);
}

static void write_command(struct writer *out, enum stream_command command)
{
	writer_u8(out, RECORD_COMMAND);
	writer_be16(out, (uint16_t)command);
	writer_be16(out, commands[command].length);
}

void stream_write_command(struct writer *out, enum stream_command command)
{
	assert(command == COMMAND_OPEN_RETURN_PATH ||
	       command == COMMAND_SWITCHOVER_START);
	write_command(out, command);
}

void stream_write_ping(struct writer *out, uint32_t value)
{
	write_command(out, COMMAND_PING);
	writer_be32(out, value);
}

void stream_write_eof(struct writer *out)
{
	writer_u8(out, RECORD_EOF);
}

void stream_write_vmdesc(struct writer *out, const char *json, uint32_t length)
{
	writer_u8(out, RECORD_VMDESCRIPTION);
	writer_be32(out, length);
	writer_bytes(out, json, length);
}
