/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* state_blob_fuzz.c - hostile sections of state: a name that ends with NUL, then the body. */
#include "api/state_blob.h"

#include <stdlib.h>
#include <string.h>

#include "wire/stream_header.h"

/* What may be left of the sum, so that a length alone does not cost 64 MiB of zeros. */
#define LEFT_BYTES 4096u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is accepted could be sent again, and would be the same bytes. */
static void check_accepted(const char *wire_name, const struct gw_section *section,
			   struct span consumed)
{
	struct gw_state state = { 0 };
	struct device_state saved;
	struct gw_error err;

	if (gw_state_add(&state, section->name, section->instance, section->version,
			 section->bytes, section->length, &err) < 0 ||
	    state_blob_finish(&state, &saved, &err) < 0)
		abort();
	if (strcmp(saved.sections[0].name, wire_name) != 0 ||
	    saved.sections[0].body.length != consumed.length ||
	    memcmp(saved.sections[0].body.bytes, consumed.bytes, consumed.length) != 0)
		abort();
	state_blob_clear(&state);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct state_blob_taken taken = { .bytes = GW_STATE_BYTES_MAX - LEFT_BYTES };
	struct gw_section section = { 0 };
	const uint8_t *end = memchr(data, '\0', size);
	char name[STREAM_NAME_MAX + 1];
	struct gw_error err;
	struct cursor in;

	/* What the stream's reader lets through. */
	if (!end || end == data || end - data > STREAM_NAME_MAX)
		return 0;
	memcpy(name, data, (size_t)(end - data) + 1);
	size -= (size_t)(end + 1 - data);
	in = cursor_over(end + 1, size);
	err.text[0] = '\0';
	if (state_blob_read(&in, name, &taken, &section, &err) == 0)
		check_accepted(name, &section,
			       (struct span){ end + 1, cursor_offset(&in) });
	else if (err.kind != GW_PEER || err.text[0] == '\0' || section.bytes)
		abort();
	free((void *)section.bytes);
	return 0;
}
