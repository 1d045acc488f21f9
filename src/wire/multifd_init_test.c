/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* multifd_init_test.c - what opens a page channel. */
#include "wire/multifd_init.h"

#include "base/bytes.h"
#include "tests/check.h"

static const struct multifd_init sample = {
	.uuid = { 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb, 0xcc,
		  0xdd, 0xee, 0xff, 0x00 },
	.id = 3,
};

TEST(written_as_documented)
{
	uint8_t bytes[MULTIFD_INIT_BYTES],
		expected[MULTIFD_INIT_BYTES] = { 0x11, 0x22, 0x33, 0x44, 0,    0,    0,
						 1,    0x11, 0x22, 0x33, 0x44, 0x55, 0x66,
						 0x77, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd,
						 0xee, 0xff, 0x00, 3 };

	memset(bytes, 0xa5, sizeof(bytes));
	multifd_init_write(bytes, &sample);
	CHECK(memcmp(bytes, expected, sizeof(bytes)) == 0);
}

TEST(read_back_with_reserved_bytes_ignored)
{
	uint8_t bytes[MULTIFD_INIT_BYTES];
	struct multifd_init init;
	struct gw_error err;

	multifd_init_write(bytes, &sample);
	memset(bytes + 25, 0xff, sizeof(bytes) - 25);
	CHECK_OK(multifd_init_read(bytes, 4, &init, &err), &err);
	CHECK_EQ(init.id, 3);
	CHECK(memcmp(init.uuid, sample.uuid, sizeof(init.uuid)) == 0);
}

TEST(id_is_below_the_channel_count)
{
	struct multifd_init init = { .id = MULTIFD_CHANNELS_MAX - 1 };
	uint8_t bytes[MULTIFD_INIT_BYTES];
	struct gw_error err;

	multifd_init_write(bytes, &init);
	CHECK_OK(multifd_init_read(bytes, MULTIFD_CHANNELS_MAX, &init, &err), &err);
	CHECK_EQ(init.id, 254);
	CHECK_EQ(multifd_init_read(bytes, MULTIFD_CHANNELS_MAX - 1, &init, &err), -1);
	CHECK_EQ(err.kind, GW_PEER);
	CHECK_STR(err.text, "multifd init: channel id 254 of 254 channels");
	CHECK_EQ(multifd_init_read(bytes, 0, &init, &err), -1);
}

TEST(foreign_magic_and_version_are_refused)
{
	uint8_t bytes[MULTIFD_INIT_BYTES];
	struct multifd_init init;
	struct gw_error err;

	multifd_init_write(bytes, &sample);
	store_be32(bytes, 0x5145564d);
	CHECK_EQ(multifd_init_read(bytes, 4, &init, &err), -1);
	CHECK_EQ(err.kind, GW_PEER);
	CHECK_STR(err.text, "multifd init: magic 0x5145564d, expected 0x11223344");
	multifd_init_write(bytes, &sample);
	store_be32(bytes + 4, 2);
	CHECK_EQ(multifd_init_read(bytes, 4, &init, &err), -1);
	CHECK_EQ(err.kind, GW_PEER);
	CHECK_STR(err.text, "multifd init: version 2, only 1 is known");
}

TEST_MAIN(TEST_OF(written_as_documented), TEST_OF(read_back_with_reserved_bytes_ignored),
	  TEST_OF(id_is_below_the_channel_count),
	  TEST_OF(foreign_magic_and_version_are_refused))
