/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vmdesc_fuzz.c - any bytes as the end of a stream, and as a description with sections.
 *
 * The first byte says where a description is split from the sections before it (in 256ths); the
 * rest is also taken as a whole tail, at every length. */
#include <stdlib.h>

#include "wire/vmdesc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUIRE(condition)        \
	do {                      \
		if (!(condition)) \
			abort();  \
	} while (0)

static void check_desc(const struct vmdesc *desc)
{
	REQUIRE(desc->device_count <= VMDESC_DEVICES_MAX);
	for (uint32_t i = 0; i < desc->device_count; i++) {
		const char *name = desc->devices[i].name;

		REQUIRE(name[0] != '\0');
		REQUIRE(strnlen(name, sizeof(desc->devices[i].name)) <= STREAM_NAME_MAX);
	}
}

/* What was accounted for is the sum of heads, bodies and footers. */
static void check_account(const struct vmdesc *desc, struct span tail)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < desc->device_count; i++)
		sum += 1 + 4 + 1 + strlen(desc->devices[i].name) + 4 + 4 +
		       desc->devices[i].body_bytes + 5;
	REQUIRE(sum == tail.length);
}

static void check_end(struct span tail, struct vmdesc *desc)
{
	struct span sections = tail;
	size_t json_bytes;

	if (!vmdesc_find_end(tail, desc))
		return;
	check_desc(desc);
	/* The description is the row of text at the end that its own length says. */
	for (json_bytes = 2; json_bytes + 6 <= tail.length; json_bytes++) {
		const uint8_t *head = tail.bytes + tail.length - json_bytes - 6;

		if (head[0] == 0 && head[1] == 6 && load_be32(head + 2) == json_bytes) {
			sections.length = tail.length - json_bytes - 6;
			break;
		}
	}
	REQUIRE(json_bytes + 6 <= tail.length);
	check_account(desc, sections);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct vmdesc desc;
	struct gw_error err = { 0 };
	struct span sections;
	size_t split;

	if (size == 0 || size > 16384)
		return 0;
	split = (size_t)data[0] * (size - 1) / 255;
	data++;
	size--;
	sections = (struct span){ data, split };
	if (vmdesc_parse((const char *)data + split, size - split, &desc, &err) < 0) {
		REQUIRE(err.kind == GW_PEER && err.text[0] != '\0');
	} else {
		check_desc(&desc);
		if (vmdesc_account(&desc, sections, &err) == 0)
			check_account(&desc, sections);
		else
			REQUIRE(err.kind == GW_PEER);
	}
	for (size_t length = 0; length <= size; length++)
		check_end((struct span){ data, length }, &desc);
	return 0;
}
