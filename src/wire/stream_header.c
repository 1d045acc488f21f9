/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* stream_header.c - what opens the main channel: magic, version, configuration. */
#include "wire/stream_header.h"

#include <assert.h>
#include <inttypes.h>

#include "base/pages.h"
#include "wire/stream.h"
#include "wire/wire_name.h"

static int read_page_bits(struct cursor *in, struct stream_header *header,
			  struct gw_error *err)
{
	uint32_t bits = cursor_be32(in);

	if (in->overrun)
		return cursor_fail(in, err, "configuration");
	if (bits != PAGE_BITS)
		return fail(err, GW_UNSUPPORTED,
			    "configuration: target pages of %" PRIu32
			    " bits, only %d are supported",
			    bits, PAGE_BITS);
	return 0;
}

static int read_capabilities(struct cursor *in, struct stream_header *header,
			     struct gw_error *err)
{
	uint32_t count = cursor_be32(in);
	char name[STREAM_NAME_MAX + 1], out[WIRE_NAME_SHOWN_MAX];

	if (in->overrun)
		return cursor_fail(in, err, "configuration");
	if (count > STREAM_CAPABILITIES_MAX)
		return fail(err, GW_PEER,
			    "configuration: %" PRIu32 " capabilities, at most %u", count,
			    STREAM_CAPABILITIES_MAX);
	for (uint32_t i = 0; i < count; i++) {
		if (wire_name_read(in, name, "configuration: capability name", err) < 0)
			return -1;
		if (strcmp(name, "x-ignore-shared") != 0)
			return fail(err, GW_UNSUPPORTED,
				    "configuration: capability \"%s\" is not supported",
				    wire_name_shown(out, name));
		header->ignore_shared = true;
	}
	return 0;
}

static int read_uuid(struct cursor *in, struct stream_header *header,
		     struct gw_error *err)
{
	cursor_copy(in, header->uuid, sizeof(header->uuid));
	if (in->overrun)
		return cursor_fail(in, err, "configuration");
	header->has_uuid = true;
	return 0;
}

static const struct {
	const char *name;
	int (*read)(struct cursor *in, struct stream_header *header,
		    struct gw_error *err);
} subsections[] = {
	{ "configuration/target-page-bits", read_page_bits },
	{ "configuration/capabilities", read_capabilities },
	{ "configuration/uuid", read_uuid },
};

#define SUBSECTION_COUNT (sizeof(subsections) / sizeof(subsections[0]))
#define SUBSECTION_VERSION 1u

/* One subsection, from its type byte on; `seen` has a bit for each that came before. */
static int read_subsection(struct cursor *in, struct stream_header *header,
			   unsigned *seen, struct gw_error *err)
{
	char name[STREAM_NAME_MAX + 1], out[WIRE_NAME_SHOWN_MAX];
	uint32_t version;

	cursor_skip(in, 1);
	if (wire_name_read(in, name, "configuration: subsection name", err) < 0)
		return -1;
	version = cursor_be32(in);
	if (in->overrun)
		return cursor_fail(in, err, "configuration");
	for (unsigned i = 0; i < SUBSECTION_COUNT; i++) {
		if (strcmp(name, subsections[i].name) != 0)
			continue;
		if (version != SUBSECTION_VERSION)
			return fail(err, GW_UNSUPPORTED,
				    "%s: version %" PRIu32 ", only %u is supported", name,
				    version, SUBSECTION_VERSION);
		if (*seen & 1u << i)
			return fail(err, GW_PEER, "%s: given twice", name);
		*seen |= 1u << i;
		return subsections[i].read(in, header, err);
	}
	return fail(err, GW_UNSUPPORTED,
		    "configuration: subsection \"%s\" is not supported",
		    wire_name_shown(out, name));
}

int stream_read_header(struct cursor *in, struct stream_header *header,
		       struct gw_error *err)
{
	uint32_t magic = cursor_be32(in), version = cursor_be32(in), length;
	unsigned seen = 0;
	uint8_t type;

	*header = (struct stream_header){ 0 };
	if (in->overrun)
		return cursor_fail(in, err, "stream header");
	if (magic != STREAM_MAGIC)
		return fail(err, GW_PEER,
			    "stream header: magic 0x%08" PRIx32 ", expected 0x%08x",
			    magic, STREAM_MAGIC);
	if (version != STREAM_VERSION)
		return fail(err, GW_UNSUPPORTED,
			    "stream header: version %" PRIu32 ", only %u is supported",
			    version, STREAM_VERSION);
	type = cursor_u8(in);
	if (in->overrun)
		return cursor_fail(in, err, "stream header");
	if (type == RECORD_SECTION_START || type == RECORD_SECTION_FULL ||
	    type == RECORD_COMMAND)
		return fail(
			err, GW_UNSUPPORTED,
			"stream header: no configuration follows (machine types before "
			"2.4), which is not supported");
	if (type != RECORD_CONFIGURATION)
		return fail(err, GW_PEER,
			    "stream header: type 0x%02x, expected 0x%02x (configuration)",
			    type, RECORD_CONFIGURATION);
	length = cursor_be32(in);
	if (in->overrun)
		return cursor_fail(in, err, "configuration");
	if (wire_name_take(in, length, header->machine, "configuration: machine name",
			   err) < 0)
		return -1;
	while (!cursor_at_end(in) && *in->at == RECORD_SUBSECTION) {
		if (read_subsection(in, header, &seen, err) < 0)
			return -1;
	}
	return 0;
}

void stream_write_header(struct writer *out, const char *machine)
{
	size_t length = strlen(machine);

	assert(length > 0 && length <= STREAM_NAME_MAX);
	writer_be32(out, STREAM_MAGIC);
	writer_be32(out, STREAM_VERSION);
	writer_u8(out, RECORD_CONFIGURATION);
	writer_be32(out, (uint32_t)length);
	writer_bytes(out, machine, length);
}
