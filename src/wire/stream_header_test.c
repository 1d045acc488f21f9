/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* stream_header_test.c - what opens the main channel. */
#include "wire/stream_header.h"

#include "tests/check.h"

static uint8_t bytes[32768];

static struct writer fresh(const char *machine)
{
	struct writer out = writer_over(bytes, sizeof(bytes));

	stream_write_header(&out, machine);
	return out;
}

static void put_subsection(struct writer *out, const char *name, uint32_t version)
{
	writer_u8(out, 5);
	writer_str8(out, name);
	writer_be32(out, version);
}

static int read_it(const struct writer *out, struct stream_header *header,
		   struct gw_error *err)
{
	struct cursor in = cursor_over(out->start, out->used);

	return stream_read_header(&in, header, err);
}

#define CHECK_REFUSED(out_, kind_, text_)                       \
	do {                                                    \
		struct gw_error err__ = { 0 };                  \
		struct stream_header header__;                  \
		CHECK(!(out_)->overrun);                        \
		CHECK_EQ(read_it(out_, &header__, &err__), -1); \
		CHECK_EQ(err__.kind, kind_);                    \
		CHECK_STR(err__.text, text_);                   \
	} while (0)

TEST(written_as_documented)
{
	static const uint8_t expected[] = { 'Q', 'E', 'V', 'M', 0,   0,	  0,   3,  7,
					    0,	 0,   0,   4,	'n', 'o', 'n', 'e' };
	struct writer out = fresh("none");

	CHECK_EQ(out.used, sizeof(expected));
	CHECK(memcmp(bytes, expected, sizeof(expected)) == 0);
}

TEST(everything_announced_is_read)
{
	struct writer out = fresh("virt-10.0");
	struct stream_header header;
	struct gw_error err;
	struct cursor in;

	put_subsection(&out, "configuration/target-page-bits", 1);
	writer_be32(&out, 12);
	put_subsection(&out, "configuration/capabilities", 1);
	writer_be32(&out, 1);
	writer_str8(&out, "x-ignore-shared");
	put_subsection(&out, "configuration/uuid", 1);
	writer_bytes(&out, "0123456789abcdef", 16);
	writer_u8(&out, 1); /* the first record */
	in = cursor_over(out.start, out.used);
	CHECK_OK(stream_read_header(&in, &header, &err), &err);
	CHECK_STR(header.machine, "virt-10.0");
	CHECK(header.ignore_shared && header.has_uuid);
	CHECK(memcmp(header.uuid, "0123456789abcdef", 16) == 0);
	CHECK_EQ(cursor_offset(&in), out.used - 1);
}

TEST(a_plain_header_announces_nothing)
{
	struct writer out = fresh("pc-q35-7.2");
	struct stream_header header;
	struct gw_error err;

	memset(&header, 0xff, sizeof(header));
	CHECK_OK(read_it(&out, &header, &err), &err);
	CHECK_STR(header.machine, "pc-q35-7.2");
	CHECK(!header.ignore_shared && !header.has_uuid);
}

TEST(every_cut_is_told)
{
	struct writer out = fresh("none");
	size_t ends[4] = { out.used };
	struct stream_header header;
	struct gw_error err;

	put_subsection(&out, "configuration/capabilities", 1);
	writer_be32(&out, 1);
	writer_str8(&out, "x-ignore-shared");
	ends[1] = out.used;
	put_subsection(&out, "configuration/target-page-bits", 1);
	writer_be32(&out, 12);
	ends[2] = out.used;
	put_subsection(&out, "configuration/uuid", 1);
	writer_zeros(&out, 16);
	ends[3] = out.used;
	for (size_t length = 0; length <= out.used; length++) {
		struct cursor in = cursor_over(bytes, length);

		/* A stream that ends between subsections, or before the first record, has a
		 * whole header. */
		if (length == ends[0] || length == ends[1] || length == ends[2] ||
		    length == ends[3]) {
			CHECK_OK(stream_read_header(&in, &header, &err), &err);
			continue;
		}
		CHECK_EQ(stream_read_header(&in, &header, &err), -1);
		CHECK_EQ(err.kind, GW_PEER);
		CHECK_CONTAINS(err.text, "cut short at byte ");
	}
}

TEST(magic_and_version_are_fixed)
{
	struct writer out = fresh("none");

	store_be32(bytes, 0x11223344);
	CHECK_REFUSED(&out, GW_PEER,
		      "stream header: magic 0x11223344, expected 0x5145564d");
	out = fresh("none");
	store_be32(bytes + 4, 2);
	CHECK_REFUSED(&out, GW_UNSUPPORTED,
		      "stream header: version 2, only 3 is supported");
	out = fresh("none");
	store_be32(bytes + 4, 4);
	CHECK_REFUSED(&out, GW_UNSUPPORTED,
		      "stream header: version 4, only 3 is supported");
}

TEST(machine_types_without_configuration_are_refused_by_name)
{
	static const uint8_t types[] = { 1, 4, 8 };
	struct writer out;

	for (size_t i = 0; i < sizeof(types); i++) {
		out = fresh("none");
		bytes[8] = types[i];
		CHECK_REFUSED(
			&out, GW_UNSUPPORTED,
			"stream header: no configuration follows (machine types before "
			"2.4), which is not supported");
	}
	out = fresh("none");
	bytes[8] = 0x7e;
	CHECK_REFUSED(&out, GW_PEER,
		      "stream header: type 0x7e, expected 0x07 (configuration)");
}

TEST(machine_name_has_1_to_255_bytes_without_nul)
{
	char name[STREAM_NAME_MAX + 1];
	struct stream_header header;
	struct writer out;
	struct gw_error err;

	memset(name, 'm', sizeof(name));
	name[STREAM_NAME_MAX] = '\0';
	out = fresh(name);
	CHECK_OK(read_it(&out, &header, &err), &err);
	CHECK_STR(header.machine, name);
	store_be32(bytes + 9, 256);
	writer_u8(&out, 'm');
	CHECK_REFUSED(&out, GW_PEER,
		      "configuration: machine name of 256 bytes, 1 to 255 are allowed");
	store_be32(bytes + 9, UINT32_MAX);
	CHECK_REFUSED(
		&out, GW_PEER,
		"configuration: machine name of 4294967295 bytes, 1 to 255 are allowed");
	store_be32(bytes + 9, 0);
	CHECK_REFUSED(&out, GW_PEER,
		      "configuration: machine name of 0 bytes, 1 to 255 are allowed");
	out = fresh("none");
	bytes[15] = '\0';
	CHECK_REFUSED(&out, GW_PEER,
		      "configuration: machine name with a NUL at byte 2 of 4");
}

TEST(other_page_sizes_are_refused)
{
	struct writer out = fresh("none");

	put_subsection(&out, "configuration/target-page-bits", 1);
	writer_be32(&out, 13);
	CHECK_REFUSED(&out, GW_UNSUPPORTED,
		      "configuration: target pages of 13 bits, only 12 are supported");
	store_be32(bytes + out.used - 4, 11);
	CHECK_REFUSED(&out, GW_UNSUPPORTED,
		      "configuration: target pages of 11 bits, only 12 are supported");
}

TEST(capabilities_are_counted)
{
	struct writer out = fresh("none");
	size_t count_at;
	struct stream_header header;
	struct gw_error err;

	put_subsection(&out, "configuration/capabilities", 1);
	count_at = out.used;
	writer_be32(&out, STREAM_CAPABILITIES_MAX);
	for (uint32_t i = 0; i < STREAM_CAPABILITIES_MAX + 1; i++)
		writer_str8(&out, "x-ignore-shared");
	CHECK_OK(read_it(&out, &header, &err), &err);
	store_be32(bytes + count_at, STREAM_CAPABILITIES_MAX + 1);
	CHECK_REFUSED(&out, GW_PEER, "configuration: 65 capabilities, at most 64");
}

TEST(unknown_capabilities_are_refused_by_name)
{
	struct writer out = fresh("none");
	size_t at;

	put_subsection(&out, "configuration/capabilities", 1);
	writer_be32(&out, 1);
	at = out.used;
	writer_str8(&out, "mapped-ram");
	CHECK_REFUSED(&out, GW_UNSUPPORTED,
		      "configuration: capability \"mapped-ram\" is not supported");
	out.used = at;
	writer_str8(&out, "x-\n\xff");
	CHECK_REFUSED(&out, GW_UNSUPPORTED,
		      "configuration: capability \"x-\\x0a\\xff\" is not supported");
	out.used = at;
	writer_str8(&out, "");
	CHECK_REFUSED(&out, GW_PEER,
		      "configuration: capability name of 0 bytes, 1 to 255 are allowed");
}

TEST(unknown_subsections_are_refused_by_name)
{
	struct writer out = fresh("none");
	char name[STREAM_NAME_MAX + 1];
	struct stream_header header;
	struct gw_error err;
	size_t at = out.used;

	put_subsection(&out, "configuration/colour", 1);
	CHECK_REFUSED(
		&out, GW_UNSUPPORTED,
		"configuration: subsection \"configuration/colour\" is not supported");
	out.used = at;
	put_subsection(&out, "configuration/uuid", 2);
	CHECK_REFUSED(&out, GW_UNSUPPORTED,
		      "configuration/uuid: version 2, only 1 is supported");
	out.used = at;
	memset(name, '\1', sizeof(name));
	name[STREAM_NAME_MAX] = '\0';
	put_subsection(&out, name, 1);
	CHECK_EQ(read_it(&out, &header, &err), -1);
	CHECK_CONTAINS(err.text, "\" is not supported");
}

TEST(a_subsection_comes_once)
{
	struct writer out = fresh("none");

	for (int i = 0; i < 2; i++) {
		put_subsection(&out, "configuration/uuid", 1);
		writer_zeros(&out, 16);
	}
	CHECK_REFUSED(&out, GW_PEER, "configuration/uuid: given twice");
}

TEST_MAIN(TEST_OF(written_as_documented), TEST_OF(everything_announced_is_read),
	  TEST_OF(a_plain_header_announces_nothing), TEST_OF(every_cut_is_told),
	  TEST_OF(magic_and_version_are_fixed),
	  TEST_OF(machine_types_without_configuration_are_refused_by_name),
	  TEST_OF(machine_name_has_1_to_255_bytes_without_nul),
	  TEST_OF(other_page_sizes_are_refused), TEST_OF(capabilities_are_counted),
	  TEST_OF(unknown_capabilities_are_refused_by_name),
	  TEST_OF(unknown_subsections_are_refused_by_name),
	  TEST_OF(a_subsection_comes_once))
