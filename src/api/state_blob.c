/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* state_blob.c - sections of state as callers see them, bytes under a name, on QEMU's wire. */
#include "api/state_blob.h"

#include <assert.h>
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/pages.h"
#include "wire/vmdesc.h"

#define PREFIX_CHARS (sizeof(STATE_BLOB_PREFIX) - 1)
#define LENGTH_BYTES ((size_t)4)

static_assert(PREFIX_CHARS + GW_STATE_NAME_MAX <= STREAM_NAME_MAX &&
		      GW_STATE_SECTIONS_MAX <= VMDESC_DEVICES_MAX,
	      "what is allowed here fits on the wire");

static bool name_is_fine(const char *name)
{
	size_t length = strlen(name);

	for (size_t i = 0; i < length; i++) {
		if (name[i] <= ' ' || name[i] > '~')
			return false;
	}
	return length >= 1 && length <= GW_STATE_NAME_MAX;
}

/* ---- to be sent ---- */

void state_blob_clear(struct gw_state *state)
{
	for (uint32_t i = 0; i < state->count; i++) {
		free((void *)state->sections[i].name);
		free((void *)state->sections[i].body.bytes);
	}
	free(state->sections);
	free(state->vmdesc);
	*state = (struct gw_state){ 0 };
}

static int check_limits(const struct gw_state *state, const char *name, uint32_t instance,
			size_t length, struct gw_error *err)
{
	char shown[64];

	if (!name_is_fine(name))
		return fail(err, GW_USAGE,
			    "state \"%s\": a name is 1 to %u graphic ASCII characters",
			    printable(shown, sizeof(shown), name, (unsigned)strlen(name)),
			    GW_STATE_NAME_MAX);
	for (uint32_t i = 0; i < state->count; i++) {
		if (state->sections[i].instance == instance &&
		    strcmp(state->sections[i].name + PREFIX_CHARS, name) == 0)
			return fail(err, GW_USAGE,
				    "state \"%s\": instance %u comes twice", name,
				    instance);
	}
	if (state->count == GW_STATE_SECTIONS_MAX)
		return fail(err, GW_USAGE, "state \"%s\": more than %u sections", name,
			    GW_STATE_SECTIONS_MAX);
	if (length > GW_STATE_BYTES_MAX - state->bytes)
		return fail(err, GW_USAGE,
			    "state \"%s\": %zu bytes after %zu in other sections, %u are "
			    "allowed in sum",
			    name, length, state->bytes, GW_STATE_BYTES_MAX);
	return 0;
}

static int make_room(struct gw_state *state)
{
	uint32_t room = state->room ? 2 * state->room : 8;
	struct device_section *grown;

	if (state->count < state->room)
		return 0;
	grown = reallocarray(state->sections, room, sizeof(*grown));
	if (!grown)
		return -1;
	state->sections = grown;
	state->room = room;
	return 0;
}

int gw_state_add(struct gw_state *state, const char *name, uint32_t instance,
		 uint32_t version, const void *bytes, size_t length, struct gw_error *err)
{
	char *wire_name;
	uint8_t *body;

	if (check_limits(state, name, instance, length, err) < 0)
		return -1;
	wire_name = malloc(PREFIX_CHARS + strlen(name) + 1);
	body = malloc(LENGTH_BYTES + length);
	if (!wire_name || !body || make_room(state) < 0) {
		free(wire_name);
		free(body);
		return fail_sys(err, ENOMEM, "state \"%s\": %zu bytes", name, length);
	}
	memcpy(wire_name, STATE_BLOB_PREFIX, PREFIX_CHARS);
	memcpy(wire_name + PREFIX_CHARS, name, strlen(name) + 1);
	store_be32(body, (uint32_t)length); /* at most GW_STATE_BYTES_MAX */
	if (length > 0)
		memcpy(body + LENGTH_BYTES, bytes, length);
	state->sections[state->count++] = (struct device_section){
		.name = wire_name,
		.instance = instance,
		.version = version,
		.body = { body, LENGTH_BYTES + length },
	};
	state->bytes += length;
	return 0;
}

static json_t *describe(const struct device_section *section)
{
	json_t *fields =
		json_pack("[{ss ss si} {ss ss sI}]", "name", "length", "type", "uint32",
			  "size", (int)LENGTH_BYTES, "name", "bytes", "type", "buffer",
			  "size", (json_int_t)(section->body.length - LENGTH_BYTES));

	return json_pack("{ss sI ss sI so}", "name", section->name, "instance_id",
			 (json_int_t)section->instance, "vmsd_name", section->name,
			 "version", (json_int_t)section->version, "fields", fields);
}

int state_blob_finish(struct gw_state *state, struct device_state *saved,
		      struct gw_error *err)
{
	json_t *devices = json_array(), *root;

	for (uint32_t i = 0; i < state->count; i++) {
		/* Takes over the object; what failed before makes it fail, too. */
		if (json_array_append_new(devices, describe(&state->sections[i])) < 0) {
			json_decref(devices);
			devices = NULL;
		}
	}
	root = json_pack("{sI so}", "page_size", (json_int_t)PAGE_BYTES, "devices",
			 devices);
	free(state->vmdesc);
	state->vmdesc = root ? json_dumps(root, JSON_COMPACT) : NULL;
	json_decref(root);
	if (!state->vmdesc)
		return fail_sys(err, ENOMEM, "description of the state");
	*saved = (struct device_state){
		.sections = state->sections,
		.section_count = state->count,
		.vmdesc = state->vmdesc,
	};
	return 0;
}

/* ---- as it arrives ---- */

int state_blob_read(struct cursor *in, const char *wire_name,
		    struct state_blob_taken *taken, struct gw_section *section,
		    struct gw_error *err)
{
	const char *name = wire_name + PREFIX_CHARS;
	uint32_t length;
	uint8_t *bytes;

	if (strncmp(wire_name, STATE_BLOB_PREFIX, PREFIX_CHARS) != 0 ||
	    !name_is_fine(name))
		return fail(err, GW_PEER,
			    "no \"" STATE_BLOB_PREFIX
			    "NAME\", and nothing else is known to this guest");
	if (taken->count == GW_STATE_SECTIONS_MAX)
		return fail(err, GW_PEER, "more than %u sections of state",
			    GW_STATE_SECTIONS_MAX);
	length = cursor_be32(in);
	if (in->overrun)
		return cursor_fail(in, err, "length of the state");
	if (length > GW_STATE_BYTES_MAX - taken->bytes)
		return fail(err, GW_PEER,
			    "%u bytes of state after %zu in other sections, %u are "
			    "allowed in sum",
			    length, taken->bytes, GW_STATE_BYTES_MAX);
	bytes = malloc(length > 0 ? length : 1);
	if (!bytes)
		return fail_sys(err, ENOMEM, "%u bytes of state", length);
	cursor_copy(in, bytes, length);
	if (in->overrun) {
		free(bytes);
		return cursor_fail(in, err, "state");
	}
	taken->count++;
	taken->bytes += length;
	section->name = name;
	section->bytes = bytes;
	section->length = length;
	return 0;
}
