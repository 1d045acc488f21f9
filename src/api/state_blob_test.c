/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* state_blob_test.c - sections of state on the wire and back, and their limits. */
#include "api/state_blob.h"

#include <stdio.h>

#include "tests/check.h"
#include "wire/vmdesc.h"

static void add(struct gw_state *state, const char *name, uint32_t instance,
		const void *bytes, size_t length)
{
	struct gw_error err;

	CHECK_OK(gw_state_add(state, name, instance, 3, bytes, length, &err), &err);
}

static void check_refused(struct gw_state *state, const char *name, size_t length,
			  const char *text)
{
	struct gw_error err;

	CHECK_EQ(gw_state_add(state, name, 0, 1, "", length, &err), -1);
	CHECK_EQ(err.kind, GW_USAGE);
	CHECK_STR(err.text, text);
}

/* Wire bytes of one section's body, read as `name`. */
static int read_back(const void *body, size_t length, const char *name,
		     struct state_blob_taken *taken, struct gw_section *section,
		     struct gw_error *err)
{
	struct cursor in = cursor_over(body, length);

	return state_blob_read(&in, name, taken, section, err);
}

TEST(what_is_added_is_read_back)
{
	struct state_blob_taken taken = { 0 };
	struct gw_state state = { 0 };
	struct device_state saved;
	struct gw_error err;

	add(&state, "cpu", 0, "registers", 9);
	add(&state, "cpu", 1, "others", 6);
	add(&state, "empty", 0, NULL, 0);
	CHECK_OK(state_blob_finish(&state, &saved, &err), &err);
	CHECK_EQ(saved.section_count, 3);
	for (uint32_t i = 0; i < 3; i++) {
		const struct device_section *sent = &saved.sections[i];
		struct gw_section seen = { 0 };

		CHECK_EQ(sent->version, 3);
		CHECK_OK(read_back(sent->body.bytes, sent->body.length, sent->name,
				   &taken, &seen, &err),
			 &err);
		CHECK_STR(seen.name, i < 2 ? "cpu" : "empty");
		CHECK_EQ(seen.length, i == 0 ? 9 : i == 1 ? 6 : 0);
		CHECK(seen.length == 0 ||
		      memcmp(seen.bytes, i == 0 ? "registers" : "others", seen.length) ==
			      0);
		free((void *)seen.bytes);
	}
	CHECK_EQ(taken.count, 3);
	CHECK_EQ(taken.bytes, 15);
	state_blob_clear(&state);
}

TEST(the_description_accounts_for_every_byte)
{
	static struct vmdesc described;
	struct gw_state state = { 0 };
	struct device_state saved;
	struct gw_error err;

	/* What JSON has to escape. */
	add(&state, "a\"b\\c", 7, "12345", 5);
	add(&state, "none", UINT32_MAX, NULL, 0);
	CHECK_OK(state_blob_finish(&state, &saved, &err), &err);
	CHECK_OK(vmdesc_parse(saved.vmdesc, strlen(saved.vmdesc), &described, &err),
		 &err);
	CHECK_EQ(described.device_count, 2);
	for (uint32_t i = 0; i < 2; i++) {
		CHECK_STR(described.devices[i].name, saved.sections[i].name);
		CHECK_EQ(described.devices[i].instance, saved.sections[i].instance);
		CHECK_EQ(described.devices[i].body_bytes, saved.sections[i].body.length);
	}
	state_blob_clear(&state);
}

TEST(no_section_is_a_state_too)
{
	static struct vmdesc described;
	struct gw_state state = { 0 };
	struct device_state saved;
	struct gw_error err;

	CHECK_OK(state_blob_finish(&state, &saved, &err), &err);
	CHECK_EQ(saved.section_count, 0);
	CHECK_OK(vmdesc_parse(saved.vmdesc, strlen(saved.vmdesc), &described, &err),
		 &err);
	CHECK_EQ(described.device_count, 0);
	state_blob_clear(&state);
}

TEST(names_are_graphic_and_not_too_long)
{
	char longest[GW_STATE_NAME_MAX + 2] = "";
	struct gw_state state = { 0 };

	memset(longest, 'n', GW_STATE_NAME_MAX);
	add(&state, longest, 0, NULL, 0);
	longest[GW_STATE_NAME_MAX] = 'n';
	check_refused(
		&state, longest, 0,
		"state \"nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn"
		"nnnn\": a name is 1 to 200 graphic ASCII characters");
	check_refused(&state, "", 0,
		      "state \"\": a name is 1 to 200 graphic ASCII characters");
	check_refused(&state, "two words", 0,
		      "state \"two words\": a name is 1 to 200 graphic ASCII characters");
	check_refused(&state, "gr\xc3\xbc", 0,
		      "state \"gr\\xc3\\xbc\": a name is 1 to 200 graphic ASCII "
		      "characters");
	state_blob_clear(&state);
}

TEST(a_section_comes_once)
{
	struct gw_state state = { 0 };

	add(&state, "cpu", 0, NULL, 0);
	add(&state, "cpu", 1, NULL, 0);
	check_refused(&state, "cpu", 0, "state \"cpu\": instance 0 comes twice");
	state_blob_clear(&state);
}

TEST(so_many_bytes_in_sum_and_no_more)
{
	uint8_t *bytes = calloc(1, GW_STATE_BYTES_MAX);
	struct gw_state state = { 0 };

	CHECK(bytes);
	add(&state, "small", 0, bytes, 1);
	add(&state, "large", 0, bytes, GW_STATE_BYTES_MAX - 1);
	check_refused(
		&state, "more", 1,
		"state \"more\": 1 bytes after 67108864 in other sections, 67108864 "
		"are allowed in sum");
	check_refused(
		&state, "much", SIZE_MAX,
		"state \"much\": 18446744073709551615 bytes after 67108864 in other "
		"sections, 67108864 are allowed in sum");
	state_blob_clear(&state);
	free(bytes);
}

TEST(so_many_sections_and_no_more)
{
	struct gw_state state = { 0 };

	for (uint32_t i = 0; i < GW_STATE_SECTIONS_MAX; i++)
		add(&state, "s", i, "x", 1);
	check_refused(&state, "last", 0, "state \"last\": more than 1024 sections");
	state_blob_clear(&state);
}

static void check_peer_refused(const void *body, size_t length, const char *name,
			       struct state_blob_taken taken, const char *text)
{
	struct gw_section section = { 0 };
	struct gw_error err;

	CHECK_EQ(read_back(body, length, name, &taken, &section, &err), -1);
	CHECK_EQ(err.kind, GW_PEER);
	CHECK_CONTAINS(err.text, text);
	CHECK(!section.bytes);
}

TEST(a_peer_is_held_to_the_same)
{
	const struct state_blob_taken none = { 0 };
	const struct state_blob_taken full = { .count = GW_STATE_SECTIONS_MAX };
	const struct state_blob_taken heavy = { .bytes = GW_STATE_BYTES_MAX - 4 };
	const uint8_t five[] = { 0, 0, 0, 5, 'a', 'b', 'c', 'd', 'e' };
	const uint8_t huge[] = { 0xff, 0xff, 0xff, 0xff };

	check_peer_refused(five, sizeof(five), "cpu_common", none,
			   "no \"godwit/state/NAME\"");
	check_peer_refused(five, sizeof(five), STATE_BLOB_PREFIX, none,
			   "no \"godwit/state/NAME\"");
	check_peer_refused(five, sizeof(five), STATE_BLOB_PREFIX "a b", none,
			   "no \"godwit/state/NAME\"");
	check_peer_refused(five, sizeof(five), STATE_BLOB_PREFIX "x", full,
			   "more than 1024 sections of state");
	check_peer_refused(five, sizeof(five), STATE_BLOB_PREFIX "x", heavy,
			   "5 bytes of state after 67108860 in other sections, 67108864 "
			   "are allowed in sum");
	check_peer_refused(huge, sizeof(huge), STATE_BLOB_PREFIX "x", none,
			   "4294967295 bytes of state after 0 in other sections");
	for (size_t length = 0; length < sizeof(five); length++)
		check_peer_refused(five, length, STATE_BLOB_PREFIX "x", none,
				   length < 4 ? "length of the state: cut short"
					      : "state: cut short");
}

TEST_MAIN(TEST_OF(what_is_added_is_read_back),
	  TEST_OF(the_description_accounts_for_every_byte),
	  TEST_OF(no_section_is_a_state_too), TEST_OF(names_are_graphic_and_not_too_long),
	  TEST_OF(a_section_comes_once), TEST_OF(so_many_bytes_in_sum_and_no_more),
	  TEST_OF(so_many_sections_and_no_more), TEST_OF(a_peer_is_held_to_the_same))
