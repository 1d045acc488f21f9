/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* struct_copy_test.c - structs of older and newer callers. */
#include "api/struct_copy.h"

#include "tests/check.h"

/* What "this version" knows. */
struct thing {
	size_t struct_size;
	int first;
	int second;
};

/* What a later one might. */
struct newer_thing {
	struct thing known;
	uint64_t third;
};

TEST(without_a_struct_all_is_default)
{
	struct thing copy = { 1, 1, 1 };
	struct gw_error err;

	CHECK_OK(struct_copy(&copy, sizeof(copy), NULL, "struct thing", &err), &err);
	CHECK_EQ(copy.first, 0);
	CHECK_EQ(copy.second, 0);
}

TEST(an_older_callers_struct_leaves_the_rest_zero)
{
	const struct thing given = { offsetof(struct thing, second), 7, 8 };
	struct thing copy = { 1, 1, 1 };
	struct gw_error err;

	CHECK_OK(struct_copy(&copy, sizeof(copy), &given, "struct thing", &err), &err);
	CHECK_EQ(copy.first, 7);
	CHECK_EQ(copy.second, 0);
}

TEST(a_newer_callers_struct_may_not_use_what_is_new)
{
	struct newer_thing given = { { sizeof(given), 7, 8 }, 0 };
	struct thing copy;
	struct gw_error err;

	CHECK_OK(struct_copy(&copy, sizeof(copy), &given, "struct thing", &err), &err);
	CHECK_EQ(copy.second, 8);
	given.third = UINT64_C(1) << 63;
	CHECK_EQ(struct_copy(&copy, sizeof(copy), &given, "struct thing", &err), -1);
	CHECK_EQ(err.kind, GW_UNSUPPORTED);
	CHECK_STR(err.text, "struct thing: byte 23 is set, this version of the library "
			    "knows 16");
}

TEST(a_struct_without_its_size_is_refused)
{
	const struct thing given = { 0, 7, 8 };
	struct thing copy;
	struct gw_error err;

	CHECK_EQ(struct_copy(&copy, sizeof(copy), &given, "struct thing", &err), -1);
	CHECK_EQ(err.kind, GW_USAGE);
	CHECK_STR(err.text,
		  "struct thing: struct_size is 0, it has to be the struct's sizeof");
}

TEST_MAIN(TEST_OF(without_a_struct_all_is_default),
	  TEST_OF(an_older_callers_struct_leaves_the_rest_zero),
	  TEST_OF(a_newer_callers_struct_may_not_use_what_is_new),
	  TEST_OF(a_struct_without_its_size_is_refused))
