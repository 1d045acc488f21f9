/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vmdesc_test.c - sizes of device sections, and the end of a stream. */
#include "wire/vmdesc.h"

#include "base/own.h"
#include "tests/check.h"

static struct vmdesc desc;

static int parse(const char *json, struct gw_error *err)
{
	return vmdesc_parse(json, strlen(json), &desc, err);
}

#define CHECK_PARSED(json_)                             \
	do {                                            \
		struct gw_error err__;                  \
		CHECK_OK(parse(json_, &err__), &err__); \
	} while (0)

#define CHECK_REFUSED(json_, text_)                 \
	do {                                        \
		struct gw_error err__ = { 0 };      \
		CHECK_EQ(parse(json_, &err__), -1); \
		CHECK_EQ(err__.kind, GW_PEER);      \
		CHECK_STR(err__.text, text_);       \
	} while (0)

#define DEVICE(rest_) "{\"devices\": [{\"name\": \"d\", \"instance_id\": 0, " rest_ "}]}"
#define FIELDS(rest_) DEVICE("\"fields\": [" rest_ "]")

/* ---- parsing ---- */

TEST(sizes_are_summed_over_fields_and_subsections)
{
	CHECK_PARSED(
		"{\"configuration\": {\"vmsd_name\": \"configuration\"}, "
		"\"page_size\": 4096, \"devices\": ["
		"{\"name\": \"a\", \"instance_id\": 4294967295, \"vmsd_name\": \"a\", "
		"\"version\": 3, \"fields\": ["
		"{\"name\": \"x\", \"type\": \"uint32\", \"size\": 4},"
		"{\"name\": \"y\", \"array_len\": 8, \"type\": \"uint32\", \"size\": 4},"
		"{\"name\": \"s\", \"type\": \"struct\", \"struct\": {\"fields\": "
		"[{\"size\": 100}]}, \"size\": 10}], "
		"\"subsections\": [{\"vmsd_name\": \"a/one\", \"version\": 1, "
		"\"fields\": [{\"size\": 7}], \"subsections\": ["
		"{\"vmsd_name\": \"a/one/two\", \"fields\": [{\"size\": 1}]}]}]},"
		"{\"name\": \"b\", \"instance_id\": 0}]}");
	CHECK_EQ(desc.device_count, 2);
	CHECK_STR(desc.devices[0].name, "a");
	CHECK_EQ(desc.devices[0].instance, UINT32_MAX);
	CHECK_EQ(desc.devices[0].body_bytes,
		 4 + 32 + 10 + (1 + 1 + 5 + 4 + 7) + (1 + 1 + 9 + 4 + 1));
	CHECK_STR(desc.devices[1].name, "b");
	CHECK_EQ(desc.devices[1].body_bytes, 0);
}

TEST(an_empty_description_describes_nothing)
{
	desc.device_count = 7;
	CHECK_PARSED("{}");
	CHECK_EQ(desc.device_count, 0);
	CHECK_PARSED("{\"devices\": []}");
	CHECK_EQ(desc.device_count, 0);
}

TEST(what_is_no_description_is_refused)
{
	struct gw_error err;

	CHECK_REFUSED("[]", "description: no object");
	CHECK_REFUSED("{\"devices\": {}}", "description: \"devices\" is no array");
	CHECK_REFUSED(DEVICE("\"fields\": 3"),
		      "device 0: description: \"fields\" is no array");
	CHECK_REFUSED(DEVICE("\"subsections\": {}"),
		      "device 0: description: \"subsections\" is no array");
	CHECK_REFUSED("{\"devices\": [1]}",
		      "device 0: description: \"name\" is no name of 1 to 255 bytes");
	CHECK_REFUSED("{\"devices\": [{\"name\": \"d\"}]}",
		      "device 0: description: \"instance_id\" is no integer");
	CHECK_REFUSED(FIELDS("{}"), "device 0: description: \"size\" is no integer");
	CHECK_REFUSED(FIELDS("7"), "device 0: description: \"size\" is no integer");
	CHECK_REFUSED(FIELDS("{\"size\": 4.0}"),
		      "device 0: description: \"size\" is no integer");
	CHECK_REFUSED(FIELDS("{\"size\": 4, \"array_len\": \"2\"}"),
		      "device 0: description: \"array_len\" is no integer");
	CHECK_REFUSED(
		DEVICE("\"subsections\": [{\"fields\": []}]"),
		"device 0: description: \"vmsd_name\" is no name of 1 to 255 bytes");
	CHECK_EQ(parse("{} {}", &err), -1);
	CHECK_CONTAINS(err.text, "end of file expected");
	CHECK_EQ(parse("{", &err), -1);
	CHECK_EQ(parse("", &err), -1);
	CHECK_EQ(parse("{\"\033\": 1}", &err), -1);
	CHECK(!strchr(err.text, '\033'));
	CHECK_EQ(parse("{\"devices\": [{\"name\": \"a\\u0000b\", \"instance_id\": 0}]}",
		       &err),
		 -1);
	CHECK_EQ(err.kind, GW_PEER);
}

TEST(numbers_are_bounded)
{
	struct gw_error err;

	CHECK_PARSED(FIELDS("{\"size\": 0}"));
	CHECK_REFUSED(
		FIELDS("{\"size\": -1}"),
		"device 0: description: \"size\" is -1, 0 to 9223372036854775807 are "
		"allowed");
	CHECK_REFUSED(
		FIELDS("{\"size\": 1, \"array_len\": -8}"),
		"device 0: description: \"array_len\" is -8, 0 to 9223372036854775807 "
		"are allowed");
	CHECK_EQ(parse(FIELDS("{\"size\": 9223372036854775808}"), &err), -1);
	CHECK_CONTAINS(err.text, "too big integer");
	CHECK_PARSED("{\"devices\": [{\"name\": \"d\", \"instance_id\": 4294967295}]}");
	CHECK_REFUSED(
		"{\"devices\": [{\"name\": \"d\", \"instance_id\": 4294967296}]}",
		"device 0: description: \"instance_id\" is 4294967296, 0 to 4294967295 "
		"are allowed");
}

TEST(sums_and_products_stay_below_2_to_the_64)
{
	/* 2^63-1 twice, and 1: 2^64-1. */
	CHECK_PARSED(FIELDS("{\"size\": 9223372036854775807, \"array_len\": 2}, "
			    "{\"size\": 1}"));
	CHECK(desc.devices[0].body_bytes == UINT64_MAX);
	CHECK_REFUSED(FIELDS("{\"size\": 9223372036854775807, \"array_len\": 2}, "
			     "{\"size\": 2}"),
		      "device 0: description: sizes sum up to more than 2^64");
	CHECK_REFUSED(
		FIELDS("{\"size\": 4294967296, \"array_len\": 4294967296}"),
		"device 0: description: 4294967296 elements of 4294967296 bytes, more "
		"than 2^64");
	CHECK_REFUSED(
		DEVICE("\"fields\": [{\"size\": 9223372036854775807, \"array_len\": 2}], "
		       "\"subsections\": [{\"vmsd_name\": \"s\"}]"),
		"device 0: description: sizes sum up to more than 2^64");
}

/* A device with `depth` subsections, one in the other. */
static char *nested(uint32_t depth)
{
	size_t room = 128 + depth * 64;
	char *json = malloc(room);
	int used = snprintf(json, room,
			    "{\"devices\": [{\"name\": \"d\", \"instance_id\": 0");

	for (uint32_t i = 0; i < depth; i++)
		used += snprintf(json + used, room - (size_t)used,
				 ", \"subsections\": [{\"vmsd_name\": \"s\"");
	for (uint32_t i = 0; i < depth; i++)
		used += snprintf(json + used, room - (size_t)used, "}]");
	snprintf(json + used, room - (size_t)used, "}]}");
	return json;
}

TEST(depth_is_bounded)
{
	OWNED_MEMORY char *limit = nested(VMDESC_DEPTH_MAX);
	OWNED_MEMORY char *past = nested(VMDESC_DEPTH_MAX + 1);
	OWNED_MEMORY char *far = nested(100000);
	struct gw_error err;

	CHECK_PARSED(limit);
	CHECK_EQ(desc.devices[0].body_bytes, 32 * 7);
	CHECK_REFUSED(past, "device 0: description: subsections deeper than 32");
	CHECK_EQ(parse(far, &err), -1);
	CHECK_EQ(err.kind, GW_PEER);
}

static char *many_devices(uint32_t count)
{
	size_t room = 64 + count * 64;
	char *json = malloc(room);
	int used = snprintf(json, room, "{\"devices\": [");

	for (uint32_t i = 0; i < count; i++)
		used += snprintf(json + used, room - (size_t)used,
				 "%s{\"name\": \"d\", \"instance_id\": %u}", i ? "," : "",
				 i);
	snprintf(json + used, room - (size_t)used, "]}");
	return json;
}

TEST(devices_are_counted)
{
	OWNED_MEMORY char *limit = many_devices(VMDESC_DEVICES_MAX);
	OWNED_MEMORY char *past = many_devices(VMDESC_DEVICES_MAX + 1);

	CHECK_PARSED(limit);
	CHECK_EQ(desc.device_count, 1024);
	CHECK_EQ(desc.devices[1023].instance, 1023);
	CHECK_REFUSED(past, "description: 1025 devices, at most 1024");
}

TEST(names_have_1_to_255_bytes)
{
	char json[512], name[STREAM_NAME_MAX + 2];

	memset(name, 'n', sizeof(name));
	name[STREAM_NAME_MAX + 1] = '\0';
	snprintf(json, sizeof(json),
		 "{\"devices\": [{\"name\": \"%s\", \"instance_id\": 0}]}", name + 1);
	CHECK_PARSED(json);
	CHECK_STR(desc.devices[0].name, name + 1);
	snprintf(json, sizeof(json),
		 "{\"devices\": [{\"name\": \"%s\", \"instance_id\": 0}]}", name);
	CHECK_REFUSED(json,
		      "device 0: description: \"name\" is no name of 1 to 255 bytes");
	CHECK_REFUSED("{\"devices\": [{\"name\": \"\", \"instance_id\": 0}]}",
		      "device 0: description: \"name\" is no name of 1 to 255 bytes");
}

/* `{"x": [0,0,...]}` of exactly `values` values as the cost is counted. */
static char *many_values(uint32_t values)
{
	char *json = malloc(16 + 2 * (size_t)values), *at;

	/* The root, the object's one member, the list's first element: three. */
	at = stpcpy(json, "{\"x\":[0");
	for (uint32_t i = 3; i < values; i++)
		at = stpcpy(at, ",0");
	strcpy(at, "]}");
	return json;
}

TEST(values_are_counted_before_any_is_made)
{
	OWNED_MEMORY char *limit = many_values(VMDESC_VALUES_MAX);
	OWNED_MEMORY char *past = many_values(VMDESC_VALUES_MAX + 1);

	CHECK_PARSED(limit);
	CHECK_REFUSED(past, "description of 1048577 values, at most 1048576");
}

TEST(length_is_bounded)
{
	size_t length = STREAM_VMDESC_BYTES_MAX;
	OWNED_MEMORY char *json = malloc(length + 1);
	struct gw_error err = { 0 };

	memset(json, ' ', length + 1);
	json[0] = '{';
	json[1] = '}';
	CHECK_OK(vmdesc_parse(json, length, &desc, &err), &err);
	CHECK_EQ(vmdesc_parse(json, length + 1, &desc, &err), -1);
	CHECK_EQ(err.kind, GW_PEER);
	CHECK_STR(err.text, "description of 16777217 bytes, at most 16777216");
}

/* ---- accounting ---- */

static uint8_t bytes[4096];

#define TWO_DEVICES                                                                 \
	"{\"page_size\": 4096, \"devices\": ["                                      \
	"{\"name\": \"timer\", \"instance_id\": 0, \"fields\": [{\"size\": 24}]}, " \
	"{\"name\": \"cpu\", \"instance_id\": 5, \"fields\": [{\"size\": 8, "       \
	"\"array_len\": 4}]}]}"

/* The sections that TWO_DEVICES describes. */
static struct writer two_sections(void)
{
	struct writer out = writer_over(bytes, sizeof(bytes));

	stream_write_section(&out, RECORD_SECTION_FULL, 3, "timer", 0, 2);
	writer_zeros(&out, 24);
	stream_write_footer(&out, 3);
	stream_write_section(&out, RECORD_SECTION_FULL, 9, "cpu", 5, 12);
	writer_zeros(&out, 32);
	stream_write_footer(&out, 9);
	return out;
}

static int account(const struct writer *out, struct gw_error *err)
{
	return vmdesc_account(&desc, (struct span){ out->start, out->used }, err);
}

#define CHECK_UNACCOUNTED(out_, text_)               \
	do {                                         \
		struct gw_error err__ = { 0 };       \
		CHECK_EQ(account(out_, &err__), -1); \
		CHECK_EQ(err__.kind, GW_PEER);       \
		CHECK_STR(err__.text, text_);        \
	} while (0)

TEST(sections_are_walked_to_the_last_byte)
{
	struct writer out = two_sections();
	struct gw_error err;

	CHECK_PARSED(TWO_DEVICES);
	CHECK_OK(account(&out, &err), &err);
	CHECK_EQ(desc.devices[0].section_id, 3);
	CHECK_EQ(desc.devices[1].section_id, 9);
	writer_u8(&out, 0);
	CHECK_UNACCOUNTED(&out, "1 bytes after the last described section");
}

TEST(no_sections_need_no_description)
{
	struct writer out = writer_over(bytes, sizeof(bytes));
	struct gw_error err;

	CHECK_PARSED("{}");
	CHECK_OK(account(&out, &err), &err);
	out = two_sections();
	CHECK_UNACCOUNTED(&out, "102 bytes after the last described section");
}

TEST(every_cut_is_found)
{
	struct writer out = two_sections();

	CHECK_PARSED(TWO_DEVICES);
	for (size_t length = 0; length < out.used; length++) {
		struct writer cut = { .start = bytes, .used = length };
		struct gw_error err = { 0 };

		CHECK_EQ(account(&cut, &err), -1);
		CHECK_EQ(err.kind, GW_PEER);
	}
}

TEST(a_body_longer_than_the_tail_is_refused)
{
	struct writer out = two_sections();

	CHECK_PARSED(FIELDS("{\"size\": 9223372036854775807}"));
	memcpy(desc.devices[0].name, "timer", 6);
	CHECK_UNACCOUNTED(&out,
			  "device 0: section \"timer\": 9223372036854775807 bytes in the "
			  "description, 83 in the stream");
}

TEST(order_and_instances_must_match)
{
	struct writer out = two_sections();

	CHECK_PARSED("{\"devices\": [{\"name\": \"timer\", \"instance_id\": 1}]}");
	CHECK_UNACCOUNTED(&out,
			  "device 0: section \"timer\" instance 0, the description says "
			  "\"timer\" instance 1");
	CHECK_PARSED("{\"devices\": [{\"name\": \"cpu\", \"instance_id\": 0}]}");
	CHECK_UNACCOUNTED(&out,
			  "device 0: section \"timer\" instance 0, the description says "
			  "\"cpu\" instance 0");
	CHECK_PARSED("{\"devices\": [{\"name\": \"timer\", \"instance_id\": 0}]}");
	CHECK_UNACCOUNTED(&out, "device 0: section 3: 0x00 at byte 19, expected a footer "
				"(0x7e)");
}

TEST(only_full_sections_are_described)
{
	struct writer out = writer_over(bytes, sizeof(bytes));

	stream_write_section(&out, RECORD_SECTION_START, 3, "timer", 0, 2);
	CHECK_PARSED("{\"devices\": [{\"name\": \"timer\", \"instance_id\": 0}]}");
	CHECK_UNACCOUNTED(&out,
			  "device 0: record type 0x01, expected 0x04 (a FULL section)");
}

/* ---- the end ---- */

static void close_with(struct writer *out, const char *json)
{
	stream_write_eof(out);
	stream_write_vmdesc(out, json, (uint32_t)strlen(json));
	CHECK(!out->overrun);
}

static int find_end(const struct writer *out)
{
	return vmdesc_find_end((struct span){ out->start, out->used }, &desc);
}

TEST(the_end_is_found_at_the_last_byte_only)
{
	struct writer out = two_sections();
	size_t whole;

	close_with(&out, TWO_DEVICES);
	whole = out.used;
	for (out.used = 0; out.used < whole; out.used++)
		CHECK_EQ(find_end(&out), 0);
	CHECK_EQ(find_end(&out), 1);
	CHECK_EQ(desc.device_count, 2);
	CHECK_EQ(desc.devices[1].section_id, 9);
	writer_u8(&out, '}');
	CHECK_EQ(find_end(&out), 0);
}

TEST(a_stream_without_devices_ends_with_an_empty_description)
{
	struct writer out = writer_over(bytes, sizeof(bytes));

	close_with(&out, "{}");
	CHECK_EQ(out.used, 8);
	CHECK_EQ(find_end(&out), 1);
	CHECK_EQ(desc.device_count, 0);
	for (out.used = 0; out.used < 8; out.used++)
		CHECK_EQ(find_end(&out), 0);
}

/* Lengths whose NULs stand in each of the places they can. */
TEST(every_shape_of_the_length_is_found)
{
	static const uint32_t lengths[] = {
		2, 255, 256, 257, 0xffff, 0x10000, 0x10001, 0x10100, 0xffffff, 0x1000000
	};
	size_t room = 16 + (size_t)STREAM_VMDESC_BYTES_MAX;
	OWNED_MEMORY uint8_t *large = malloc(room);

	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		struct writer out = writer_over(large, room);

		stream_write_eof(&out);
		writer_u8(&out, RECORD_VMDESCRIPTION);
		writer_be32(&out, lengths[i]);
		memset(writer_reserve(&out, lengths[i]), ' ', lengths[i]);
		large[6] = '{';
		large[out.used - 1] = '}';
		CHECK_EQ(find_end(&out), 1);
	}
}

TEST(device_state_that_looks_like_an_end_is_none)
{
	struct writer out = two_sections();
	size_t closing = 1 + 1 + 4 + 2;

	/* The timer's body holds a whole "EOF, {}", the cpu's follows. */
	memcpy(bytes + 19 + 24 - closing, "\0\6\0\0\0\2{}", closing);
	out.used = 19 + 24;
	CHECK_EQ(find_end(&out), 0);
	out = two_sections();
	memcpy(bytes + 19 + 24 - closing, "\0\6\0\0\0\2{}", closing);
	close_with(&out, TWO_DEVICES);
	CHECK_EQ(find_end(&out), 1);
}

TEST(text_without_any_length_is_no_end)
{
	struct writer out = writer_over(bytes, sizeof(bytes));

	memset(writer_reserve(&out, sizeof(bytes)), '}', sizeof(bytes));
	CHECK_EQ(find_end(&out), 0);
	/* The NUL is there, but what would be before it is not. */
	bytes[0] = 0;
	CHECK_EQ(find_end(&out), 0);
	bytes[0] = '}';
	bytes[sizeof(bytes) - 2] = 0;
	CHECK_EQ(find_end(&out), 0);
}

TEST(an_end_with_a_wrong_description_is_none)
{
	struct writer out = two_sections();

	close_with(&out, "{\"devices\": [{\"name\": \"timer\", \"instance_id\": 0, "
			 "\"fields\": [{\"size\": 24}]}]}");
	CHECK_EQ(find_end(&out), 0);
	out = two_sections();
	close_with(&out, "{\"devices\": }");
	CHECK_EQ(find_end(&out), 0);
	out = two_sections();
	writer_u8(&out, 1); /* in the place of EOF */
	stream_write_vmdesc(&out, TWO_DEVICES, sizeof(TWO_DEVICES) - 1);
	CHECK_EQ(find_end(&out), 0);
}

TEST_MAIN(TEST_OF(sizes_are_summed_over_fields_and_subsections),
	  TEST_OF(an_empty_description_describes_nothing),
	  TEST_OF(what_is_no_description_is_refused), TEST_OF(numbers_are_bounded),
	  TEST_OF(sums_and_products_stay_below_2_to_the_64), TEST_OF(depth_is_bounded),
	  TEST_OF(devices_are_counted), TEST_OF(names_have_1_to_255_bytes),
	  TEST_OF(values_are_counted_before_any_is_made), TEST_OF(length_is_bounded),
	  TEST_OF(sections_are_walked_to_the_last_byte),
	  TEST_OF(no_sections_need_no_description), TEST_OF(every_cut_is_found),
	  TEST_OF(a_body_longer_than_the_tail_is_refused),
	  TEST_OF(order_and_instances_must_match),
	  TEST_OF(only_full_sections_are_described),
	  TEST_OF(the_end_is_found_at_the_last_byte_only),
	  TEST_OF(a_stream_without_devices_ends_with_an_empty_description),
	  TEST_OF(every_shape_of_the_length_is_found),
	  TEST_OF(device_state_that_looks_like_an_end_is_none),
	  TEST_OF(text_without_any_length_is_no_end),
	  TEST_OF(an_end_with_a_wrong_description_is_none))
