/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* error_test.c - what an error says, and that it never says more than fits. */
#include "base/error.h"

#include <errno.h>

#include "tests/check.h"

TEST(fail_sets_everything_and_returns_minus_one)
{
	struct gw_error err;

	memset(&err, 0x5a, sizeof(err));
	CHECK_EQ(fail(&err, GW_PEER, "packet: %u pages, at most %u", 256u, 128u), -1);
	CHECK_EQ(err.kind, GW_PEER);
	CHECK_EQ(err.sys, 0);
	CHECK_STR(err.text, "packet: 256 pages, at most 128");
}

TEST(fail_sys_keeps_errno_and_says_its_text)
{
	struct gw_error err;

	memset(&err, 0x5a, sizeof(err));
	CHECK_EQ(fail_sys(&err, ENOENT, "open %s", "/x"), -1);
	CHECK_EQ(err.kind, GW_SYSTEM);
	CHECK_EQ(err.sys, ENOENT);
	CHECK_STR(err.text, "open /x: no such file or directory");
}

TEST(fail_in_puts_places_in_front_and_keeps_the_rest)
{
	struct gw_error err = { 0 };

	fail_sys(&err, EIO, "read");
	err.kind = GW_UNSUPPORTED;
	CHECK_EQ(fail_in(&err, "channel %d", 3), -1);
	CHECK_EQ(fail_in(&err, "%s", "sender"), -1);
	CHECK_EQ(err.kind, GW_UNSUPPORTED);
	CHECK_EQ(err.sys, EIO);
	CHECK_CONTAINS(err.text, "sender: channel 3: read: ");
}

/* A text of `length` letters and nothing else. */
static const char *letters(size_t length)
{
	static char text[600];

	memset(text, 'a', length);
	text[length] = '\0';
	return text;
}

TEST(texts_are_cut_to_fit)
{
	struct gw_error err = { 0 };

	fail(&err, GW_USAGE, "%s", letters(255));
	CHECK_EQ(strlen(err.text), 255);
	fail(&err, GW_USAGE, "%s", letters(256));
	CHECK_EQ(strlen(err.text), 255);
	fail_sys(&err, EIO, "%s", letters(500));
	CHECK_EQ(strlen(err.text), 255);
	CHECK_EQ(err.sys, EIO);
	fail_sys(&err, EIO, "%s", letters(251));
	CHECK_EQ(strlen(err.text), 255);
	CHECK_EQ(err.text[251], ':');
	fail_in(&err, "%s", letters(500));
	CHECK_EQ(strlen(err.text), 255);
	fail(&err, GW_USAGE, "%s", letters(255));
	fail_in(&err, "place");
	CHECK_EQ(strlen(err.text), 255);
	CHECK(strncmp(err.text, "place: aaa", 10) == 0);
}

TEST(printable_escapes_what_is_not)
{
	char out[64];

	CHECK_STR(printable(out, sizeof(out), "pc.ram ~!", 9), "pc.ram ~!");
	CHECK_STR(printable(out, sizeof(out), "a\0b", 3), "a\\x00b");
	CHECK_STR(printable(out, sizeof(out), "\n\x1b\x7f\xff", 4),
		  "\\x0a\\x1b\\x7f\\xff");
	CHECK_STR(printable(out, sizeof(out), "\\x41", 4), "\\x5cx41");
	CHECK_STR(printable(out, sizeof(out), NULL, 0), "");
	CHECK(printable(out, sizeof(out), "x", 1) == out);
}

TEST(printable_cuts_between_characters)
{
	char out[16];

	/* Room for all, one less, and so on down to the NUL alone. */
	CHECK_STR(printable(out, 4, "abc", 3), "abc");
	CHECK_STR(printable(out, 3, "abc", 3), "ab");
	CHECK_STR(printable(out, 1, "abc", 3), "");
	CHECK_STR(printable(out, 6, "a\n", 2), "a\\x0a");
	CHECK_STR(printable(out, 5, "a\n", 2), "a");
	CHECK_STR(printable(out, 2, "a\n", 2), "a");
	/* Nothing after a character that did not fit. */
	CHECK_STR(printable(out, 5, "a\nb", 3), "a");
	for (unsigned room = 1; room <= sizeof(out); room++) {
		memset(out, 0x5a, sizeof(out));
		printable(out, room, "ab\ncd\xff", 6);
		CHECK(strlen(out) < room);
		for (size_t i = room; i < sizeof(out); i++)
			CHECK_EQ(out[i], 0x5a);
	}
}

TEST_MAIN(TEST_OF(fail_sets_everything_and_returns_minus_one),
	  TEST_OF(fail_sys_keeps_errno_and_says_its_text),
	  TEST_OF(fail_in_puts_places_in_front_and_keeps_the_rest),
	  TEST_OF(texts_are_cut_to_fit), TEST_OF(printable_escapes_what_is_not),
	  TEST_OF(printable_cuts_between_characters))
