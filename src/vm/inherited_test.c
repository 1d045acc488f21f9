/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* inherited_test.c - what the vm was started with may be named, what it opened itself may not. */
#include "vm/inherited.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "tests/check.h"

static int check_fd(const struct inherited *inherited, int fd, struct gw_error *err)
{
	const struct address address = { .kind = ADDRESS_FD, .fd = fd };

	*err = (struct gw_error){ 0 };
	return inherited_check(inherited, &address, err);
}

TEST(only_what_outlives_an_exec_may_be_named)
{
	const struct address unix_path = { .kind = ADDRESS_UNIX, .fd = -1 };
	struct inherited inherited;
	struct gw_error err;
	int given[2], own[2];

	CHECK_EQ(pipe(given), 0);
	CHECK_EQ(pipe2(own, O_CLOEXEC), 0);
	inherited_find(&inherited);
	CHECK_EQ(check_fd(&inherited, given[0], &err), 0);
	CHECK_EQ(check_fd(&inherited, given[1], &err), 0);
	CHECK_EQ(check_fd(&inherited, own[0], &err), -1);
	CHECK_EQ(err.kind, GW_USAGE);
	CHECK_EQ(check_fd(&inherited, INHERITED_MAX - 1, &err), -1);
	CHECK_EQ(check_fd(&inherited, INHERITED_MAX, &err), -1);
	CHECK_STR(err.text,
		  "fd:1024: no descriptor that the vm was started with and still has");
	CHECK_EQ(inherited_check(&inherited, &unix_path, &err), 0);
	close(given[0]);
	close(given[1]);
	close(own[0]);
	close(own[1]);
}

TEST(what_was_given_away_is_had_no_more)
{
	struct address address = { .kind = ADDRESS_FD };
	struct inherited inherited;
	struct gw_error err;
	int given[2];

	CHECK_EQ(pipe(given), 0);
	inherited_find(&inherited);
	address.fd = given[0];
	inherited_give(&inherited, &address);
	CHECK_EQ(check_fd(&inherited, given[0], &err), -1);
	CHECK_EQ(check_fd(&inherited, given[1], &err), 0);
	address.fd = INHERITED_MAX;
	inherited_give(&inherited, &address);
	close(given[0]);
	close(given[1]);
}

TEST_MAIN(TEST_OF(only_what_outlives_an_exec_may_be_named),
	  TEST_OF(what_was_given_away_is_had_no_more))
