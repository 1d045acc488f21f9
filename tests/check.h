/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* check.h - the test harness: one header.
 *
 *	TEST(receiver_refuses_oversized_payload) { CHECK(...); CHECK_EQ(a, b); }
 *	TEST_MAIN(TEST_OF(receiver_refuses_oversized_payload), ...)
 *
 * A program runs its tests in order (or those whose names contain argv[1]) and ends with
 * "N passed, N failed, N skipped".  Exit 0 when none failed, 77 when all were skipped, else 1. */
#ifndef TESTS_CHECK_H
#define TESTS_CHECK_H

#include <inttypes.h>
#include <setjmp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct check_test {
	const char *name;
	void (*run)(void);
};

static jmp_buf check_leave;
static const char *check_skip_reason = "";

#define TEST(name_) static void test_##name_(void)
#define TEST_OF(name_)               \
	{                            \
#name_, test_##name_ \
	}

#define CHECK_FAIL(...)                                         \
	do {                                                    \
		fprintf(stderr, "%s:%d: ", __FILE__, __LINE__); \
		fprintf(stderr, __VA_ARGS__);                   \
		fputc('\n', stderr);                            \
		longjmp(check_leave, 1);                        \
	} while (0)

#define CHECK(condition)                                        \
	do {                                                    \
		if (!(condition))                               \
			CHECK_FAIL("not true: %s", #condition); \
	} while (0)

#define CHECK_EQ(seen_, expected_)                                              \
	do {                                                                    \
		long long seen__ = (long long)(seen_);                          \
		long long expected__ = (long long)(expected_);                  \
		if (seen__ != expected__)                                       \
			CHECK_FAIL("%s is %lld, expected %lld", #seen_, seen__, \
				   expected__);                                 \
	} while (0)

#define CHECK_STR(seen_, expected_)                                                 \
	do {                                                                        \
		const char *seen__ = (seen_), *expected__ = (expected_);            \
		if (strcmp(seen__, expected__) != 0)                                \
			CHECK_FAIL("%s is \"%s\", expected \"%s\"", #seen_, seen__, \
				   expected__);                                     \
	} while (0)

#define CHECK_CONTAINS(seen_, part_)                                              \
	do {                                                                      \
		const char *seen__ = (seen_), *part__ = (part_);                  \
		if (!strstr(seen__, part__))                                      \
			CHECK_FAIL("%s is \"%s\", expected \"%s\" in it", #seen_, \
				   seen__, part__);                               \
	} while (0)

/* A call that must succeed, with its error when it does not. */
#define CHECK_OK(call_, err_)                                       \
	do {                                                        \
		if ((call_) < 0)                                    \
			CHECK_FAIL("%s: %s", #call_, (err_)->text); \
	} while (0)

#define SKIP(reason_)                          \
	do {                                   \
		check_skip_reason = (reason_); \
		longjmp(check_leave, 2);       \
	} while (0)

static inline int check_run(const struct check_test *tests, size_t count, int argc,
			    char **argv)
{
	/* Their values outlive a longjmp. */
	volatile int passed = 0, failed = 0, skipped = 0;

	for (volatile size_t i = 0; i < count; i++) {
		if (argc > 1 && !strstr(tests[i].name, argv[1]))
			continue;
		switch (setjmp(check_leave)) {
		case 0:
			tests[i].run();
			passed++;
			break;
		case 1:
			fprintf(stderr, "FAILED %s\n", tests[i].name);
			failed++;
			break;
		default:
			printf("SKIPPED %s: %s\n", tests[i].name, check_skip_reason);
			skipped++;
		}
	}
	printf("%d passed, %d failed, %d skipped\n", passed, failed, skipped);
	if (failed > 0)
		return 1;
	return passed == 0 && skipped > 0 ? 77 : 0;
}

#define TEST_MAIN(...)                                                                 \
	int main(int argc, char **argv)                                                \
	{                                                                              \
		static const struct check_test tests[] = { __VA_ARGS__ };              \
		return check_run(tests, sizeof(tests) / sizeof(tests[0]), argc, argv); \
	}

/* A seeded generator for property tests: print the seed, accept it back. */
static inline uint64_t check_random(uint64_t *state)
{
	uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

#endif
