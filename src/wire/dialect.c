/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* dialect.c - what each QEMU says differently. */
#include "wire/dialect.h"

#include <stdio.h>
#include <string.h>

/* One row per release, every release that QEMU made since 7.2: a row says all of itself, so that
 * it can be read without its neighbours.  docs/dialects.md is the same table, turned. */
/* clang-format off */
const struct dialect dialects[] = {
	{ .name = "qemu-7.2", .version = 702,
	  .barrier_per_section = true, .stale_fields = true, .merged_sync = true },
	{ .name = "qemu-8.0", .version = 800,
	  .barrier_per_section = true, .stale_fields = true, .merged_sync = true },
	{ .name = "qemu-8.1", .version = 801,
	  .stale_fields = true, .merged_sync = true, .switchover_ack = true },
	{ .name = "qemu-8.2", .version = 802,
	  .stale_fields = true, .merged_sync = true, .switchover_ack = true },
	{ .name = "qemu-9.0", .version = 900,
	  .zero_pages_in_packets = true, .stale_fields = true, .switchover_ack = true },
	{ .name = "qemu-9.1", .version = 901,
	  .zero_pages_in_packets = true, .stale_fields = true, .switchover_ack = true,
	  .final_sync_unmatched = true },
	{ .name = "qemu-9.2", .version = 902,
	  .zero_pages_in_packets = true, .sync_pages_alloc_zero = true,
	  .switchover_ack = true, .final_sync_unmatched = true },
	{ .name = "qemu-10.0", .version = 1000,
	  .zero_pages_in_packets = true, .sync_pages_alloc_zero = true,
	  .switchover_ack = true, .switchover_start = true, .device_state_shown = true },
	{ .name = "qemu-10.1", .version = 1001,
	  .zero_pages_in_packets = true, .sync_pages_alloc_zero = true,
	  .switchover_ack = true, .switchover_start = true, .device_state_shown = true },
	{ .name = "qemu-10.2", .version = 1002,
	  .zero_pages_in_packets = true, .sync_pages_alloc_zero = true,
	  .switchover_ack = true, .switchover_start = true, .device_state_shown = true },
	{ .name = "qemu-11.0", .version = 1100,
	  .zero_pages_in_packets = true, .sync_pages_alloc_zero = true,
	  .switchover_ack = true, .switchover_start = true, .device_state_shown = true },
	{ .name = "qemu-11.1", .version = 1101,
	  .zero_pages_in_packets = true, .sync_pages_alloc_zero = true,
	  .switchover_ack = true, .switchover_start = true, .device_state_shown = true },
	{ .name = NULL },
};
/* clang-format on */

#define DIALECT_COUNT (sizeof(dialects) / sizeof(dialects[0]) - 1)

const struct dialect *dialect_newest(void)
{
	return &dialects[DIALECT_COUNT - 1];
}

/* The newest that is not after `version`; the first when all are. */
static const struct dialect *at_version(uint32_t version)
{
	const struct dialect *found = &dialects[0];

	for (size_t i = 1; i < DIALECT_COUNT && dialects[i].version <= version; i++)
		found = &dialects[i];
	return found;
}

/* One or two digits, moved past; -1 when there are none, or more. */
static int take_number(const char **text)
{
	int value = 0, digits = 0;

	for (; **text >= '0' && **text <= '9'; (*text)++) {
		if (++digits > 2)
			return -1;
		value = value * 10 + (**text - '0');
	}
	return digits > 0 ? value : -1;
}

/* "9.2", or "9.2.1" whose last number says nothing about the wire.  -1 for anything else. */
static int parse_version(const char *text)
{
	int major = take_number(&text), minor;

	if (major < 0 || *text++ != '.')
		return -1;
	minor = take_number(&text);
	if (minor < 0)
		return -1;
	if (*text == '.') {
		text++;
		if (take_number(&text) < 0)
			return -1;
	}
	return *text == '\0' ? major * 100 + minor : -1;
}

const struct dialect *dialect_by_name(const char *name, struct gw_error *err)
{
	static const char prefix[] = "qemu-";
	const char *number = name;
	char names[160] = "", shown[48];
	size_t used = 0;
	int version;

	if (strncmp(name, prefix, sizeof(prefix) - 1) == 0)
		number += sizeof(prefix) - 1;
	version = parse_version(number);
	if (version >= 0)
		return at_version((uint32_t)version);
	for (size_t i = 0; i < DIALECT_COUNT && used < sizeof(names); i++)
		used += (size_t)snprintf(names + used, sizeof(names) - used, "%s%s",
					 i > 0 ? " " : "", dialects[i].name);
	fail(err, GW_USAGE, "dialect \"%s\": not one of %s",
	     printable(shown, sizeof(shown), name, (unsigned)strlen(name)), names);
	return NULL;
}

const struct dialect *dialect_of_machine(const char *machine)
{
	const char *dash = strrchr(machine, '-');
	int version = dash ? parse_version(dash + 1) : -1;

	return version >= 0 ? at_version((uint32_t)version) : NULL;
}
