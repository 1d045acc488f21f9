/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vmdesc.c - sizes of device sections, from the JSON that closes a stream. */
#include "wire/vmdesc.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>

#include "base/ckd.h"

static void own_json(json_t **json)
{
	json_decref(*json);
}

#define OWNED_JSON __attribute__((cleanup(own_json)))

/* ---- from JSON to sizes ---- */

/* Type byte, name length and version of a subsection. */
#define SUBSECTION_HEAD_BYTES (1u + 1u + 4u)

/* A member that must be an array; NULL when there is none. */
static int find_array(const json_t *object, const char *key, const json_t **array,
		      struct gw_error *err)
{
	*array = json_object_get(object, key);
	if (*array && !json_is_array(*array))
		return fail(err, GW_PEER, "description: \"%s\" is no array", key);
	return 0;
}

/* A member that must be an integer from 0 to `most`; `missing` when there is none and that is
 * not negative. */
static int find_number(const json_t *object, const char *key, json_int_t most,
		       json_int_t missing, uint64_t *value, struct gw_error *err)
{
	const json_t *number = json_object_get(object, key);
	json_int_t seen = number ? json_integer_value(number) : missing;

	if (number ? !json_is_integer(number) : missing < 0)
		return fail(err, GW_PEER, "description: \"%s\" is no integer", key);
	if (seen < 0 || seen > most)
		return fail(err, GW_PEER,
			    "description: \"%s\" is %" JSON_INTEGER_FORMAT
			    ", 0 to %" JSON_INTEGER_FORMAT " are allowed",
			    key, seen, most);
	*value = (uint64_t)seen;
	return 0;
}

/* A member that must be a name. */
static const char *find_name(const json_t *object, const char *key, size_t *length,
			     struct gw_error *err)
{
	const json_t *name = json_object_get(object, key);

	*length = name ? json_string_length(name) : 0;
	if (*length == 0 || *length > STREAM_NAME_MAX) {
		fail(err, GW_PEER, "description: \"%s\" is no name of 1 to %u bytes", key,
		     STREAM_NAME_MAX);
		return NULL;
	}
	return json_string_value(name);
}

static int add_bytes(uint64_t *sum, uint64_t more, struct gw_error *err)
{
	if (ckd_add(sum, *sum, more))
		return fail(err, GW_PEER, "description: sizes sum up to more than 2^64");
	return 0;
}

static int add_fields(const json_t *fields, uint64_t *bytes, struct gw_error *err)
{
	for (size_t i = 0; i < json_array_size(fields); i++) {
		const json_t *field = json_array_get(fields, i);
		uint64_t size, count, product;

		/* On what is no object every look-up finds nothing. */
		if (find_number(field, "size", INT64_MAX, -1, &size, err) < 0 ||
		    find_number(field, "array_len", INT64_MAX, 1, &count, err) < 0)
			return -1;
		if (ckd_mul(&product, size, count))
			return fail(err, GW_PEER,
				    "description: %" PRIu64 " elements of %" PRIu64
				    " bytes, more than 2^64",
				    count, size);
		if (add_bytes(bytes, product, err) < 0)
			return -1;
	}
	return 0;
}

/* Adds what the fields of `object` and its subsections take on the wire.  A field's size
 * includes whatever is nested in it ("struct"), so only subsections recurse. */
/* NOLINTNEXTLINE(misc-no-recursion): at most VMDESC_DEPTH_MAX deep */
static int add_body(const json_t *object, uint32_t depth, uint64_t *bytes,
		    struct gw_error *err)
{
	const json_t *fields, *subsections;

	if (depth > VMDESC_DEPTH_MAX)
		return fail(err, GW_PEER, "description: subsections deeper than %u",
			    VMDESC_DEPTH_MAX);
	if (find_array(object, "fields", &fields, err) < 0 ||
	    find_array(object, "subsections", &subsections, err) < 0 ||
	    add_fields(fields, bytes, err) < 0)
		return -1;
	for (size_t i = 0; i < json_array_size(subsections); i++) {
		const json_t *subsection = json_array_get(subsections, i);
		size_t name_length;

		if (!find_name(subsection, "vmsd_name", &name_length, err) ||
		    add_bytes(bytes, SUBSECTION_HEAD_BYTES + name_length, err) < 0 ||
		    add_body(subsection, depth + 1, bytes, err) < 0)
			return -1;
	}
	return 0;
}

static int read_device(const json_t *object, struct vmdesc_device *device,
		       struct gw_error *err)
{
	size_t name_length;
	const char *name = find_name(object, "name", &name_length, err);
	uint64_t instance;

	if (!name ||
	    find_number(object, "instance_id", UINT32_MAX, -1, &instance, err) < 0)
		return -1;
	*device = (struct vmdesc_device){ .instance = (uint32_t)instance };
	memcpy(device->name, name, name_length);
	return add_body(object, 0, &device->body_bytes, err);
}

/* Bounds what the parser will allocate: each value but the first follows one of these. */
static int check_cost(const char *json, size_t length, struct gw_error *err)
{
	size_t count = 1;

	if (length > STREAM_VMDESC_BYTES_MAX)
		return fail(err, GW_PEER, "description of %zu bytes, at most %u", length,
			    STREAM_VMDESC_BYTES_MAX);
	for (size_t i = 0; i < length; i++)
		count += json[i] == ',' || json[i] == '[' || json[i] == '{';
	if (count > VMDESC_VALUES_MAX)
		return fail(err, GW_PEER, "description of %zu values, at most %u", count,
			    VMDESC_VALUES_MAX);
	return 0;
}

int vmdesc_parse(const char *json, size_t length, struct vmdesc *desc,
		 struct gw_error *err)
{
	OWNED_JSON json_t *root = NULL;
	const json_t *devices;
	json_error_t error;
	char out[128];

	desc->device_count = 0;
	if (check_cost(json, length, err) < 0)
		return -1;
	/* Without flags: one value and nothing behind it, no NUL in strings, names given twice are
	 * fine, and jansson's own limit on nesting holds. */
	root = json_loadb(json, length, 0, &error);
	if (!root && json_error_code(&error) == json_error_out_of_memory)
		return fail_sys(err, ENOMEM, "description of %zu bytes", length);
	if (!root)
		return fail(err, GW_PEER, "description: byte %d: %s", error.position,
			    printable(out, sizeof(out), error.text,
				      (unsigned)strlen(error.text)));
	if (!json_is_object(root))
		return fail(err, GW_PEER, "description: no object");
	if (find_array(root, "devices", &devices, err) < 0)
		return -1;
	if (json_array_size(devices) > VMDESC_DEVICES_MAX)
		return fail(err, GW_PEER, "description: %zu devices, at most %u",
			    json_array_size(devices), VMDESC_DEVICES_MAX);
	for (size_t i = 0; i < json_array_size(devices); i++) {
		if (read_device(json_array_get(devices, i), &desc->devices[i], err) < 0)
			return fail_in(err, "device %zu", i);
		desc->device_count++;
	}
	return 0;
}

/* ---- against the sections ---- */

static int account_one(struct vmdesc_device *device, struct cursor *in,
		       struct gw_error *err)
{
	struct section_map none; /* FULL sections enter nothing */
	struct stream_record record;
	char seen[WIRE_NAME_SHOWN_MAX], described[WIRE_NAME_SHOWN_MAX];
	size_t left;

	none.count = 0;
	if (stream_read_record(in, &none, &record, err) < 0)
		return -1;
	if (record.type != RECORD_SECTION_FULL)
		return fail(err, GW_PEER,
			    "record type 0x%02x, expected 0x%02x (a FULL section)",
			    record.type, RECORD_SECTION_FULL);
	if (strcmp(record.name, device->name) != 0 || record.instance != device->instance)
		return fail(err, GW_PEER,
			    "section \"%.60s\" instance %" PRIu32
			    ", the description says \"%.60s\" instance %" PRIu32,
			    wire_name_shown(seen, record.name), record.instance,
			    wire_name_shown(described, device->name), device->instance);
	left = (size_t)(in->end - in->at);
	if (device->body_bytes > left)
		return fail(err, GW_PEER,
			    "section \"%s\": %" PRIu64
			    " bytes in the description, %zu in the stream",
			    wire_name_shown(seen, record.name), device->body_bytes, left);
	cursor_skip(in, device->body_bytes);
	device->section_id = record.section_id;
	return stream_read_footer(in, record.section_id, err);
}

int vmdesc_account(struct vmdesc *desc, struct span tail, struct gw_error *err)
{
	struct cursor in = cursor_over(tail.bytes, tail.length);

	for (uint32_t i = 0; i < desc->device_count; i++)
		if (account_one(&desc->devices[i], &in, err) < 0)
			return fail_in(err, "device %" PRIu32, i);
	if (!cursor_at_end(&in))
		return fail(err, GW_PEER, "%zu bytes after the last described section",
			    (size_t)(in.end - in.at));
	return 0;
}

/* ---- the end of a stream ---- */

/* EOF, VMDESCRIPTION, be32 length. */
#define CLOSING_HEAD_BYTES 6u
/* "{}" */
#define CLOSING_JSON_BYTES_MIN 2u

/* True when the closing records begin at `at` and end where the tail does. */
static bool closes_at(struct span tail, size_t at)
{
	const uint8_t *head = tail.bytes + at;

	return head[0] == RECORD_EOF && head[1] == RECORD_VMDESCRIPTION &&
	       load_be32(head + 2) == tail.length - at - CLOSING_HEAD_BYTES &&
	       head[CLOSING_HEAD_BYTES] == '{';
}

static bool ends_with(struct span tail, size_t at, struct vmdesc *desc)
{
	const char *json = (const char *)tail.bytes + at + CLOSING_HEAD_BYTES;
	struct span sections = { tail.bytes, at };
	struct gw_error
		why; /* not the end, then; the caller waits for more, or for EOF */

	return vmdesc_parse(json, tail.length - at - CLOSING_HEAD_BYTES, desc, &why) ==
		       0 &&
	       vmdesc_account(desc, sections, &why) == 0;
}

/* JSON holds no NUL, and a length up to STREAM_VMDESC_BYTES_MAX always does.  So the last NUL of
 * a finished stream is one of the length's four bytes, and there are four places to try.  Each
 * place fits one length of the tail only, so a peer cannot make us parse over and over. */
int vmdesc_find_end(struct span tail, struct vmdesc *desc)
{
	size_t window = CLOSING_HEAD_BYTES + (size_t)STREAM_VMDESC_BYTES_MAX;
	const uint8_t *nul;

	if (tail.length < CLOSING_HEAD_BYTES + CLOSING_JSON_BYTES_MIN ||
	    tail.bytes[tail.length - 1] != '}')
		return 0;
	if (window > tail.length)
		window = tail.length;
	nul = memrchr(tail.bytes + tail.length - window, '\0', window);
	if (!nul)
		return 0;
	for (size_t back = 2; back < CLOSING_HEAD_BYTES; back++) {
		size_t last = (size_t)(nul - tail.bytes);

		if (last < back || tail.length - (last - back) <
					   CLOSING_HEAD_BYTES + CLOSING_JSON_BYTES_MIN)
			continue;
		if (closes_at(tail, last - back) && ends_with(tail, last - back, desc))
			return 1;
	}
	return 0;
}
