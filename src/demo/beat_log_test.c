/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* beat_log_test.c - a console that was moved in the middle of whatever it said. */
#include "demo/beat_log.h"

#include "tests/check.h"

static struct gw_error err;

static void hear(struct beat_log *log, const char *text)
{
	beat_log_hear(log, text, strlen(text));
}

/* What is said here, then there; NULL when all is well, else why not. */
static const char *moved(const char *here, const char *there)
{
	struct beat_log left, arrived;
	json_t *first, *second;
	int failed;

	beat_log_init(&left, false);
	beat_log_init(&arrived, true);
	hear(&left, here);
	hear(&arrived, there);
	first = beat_log_json(&left);
	second = beat_log_json(&arrived);
	CHECK(first && second);
	failed = beat_log_join(first, second, &err);
	json_decref(first);
	json_decref(second);
	if (failed == 0)
		return NULL;
	CHECK_EQ(err.kind, GW_PEER);
	return err.text;
}

TEST(a_move_between_any_two_characters_is_no_gap)
{
	const char *said = "beat 8\nbeat 9\nbeat 10\r\nbeat 11\nbeat 12\n";
	char here[64];

	for (size_t at = 0; at <= strlen(said) - strlen("beat 11\nbeat 12\n"); at++) {
		snprintf(here, sizeof(here), "%.*s", (int)at, said);
		if (moved(here, said + at))
			CHECK_FAIL("after %zu characters: %s", at, err.text);
	}
}

TEST(guest_may_have_other_things_to_say)
{
	CHECK(!moved("ready\nbeat 1\nso far so good\nbea", "t 2\nhm\nbeat 3\nbeat 4\nb"));
}

TEST(lost_lines_are_noticed)
{
	CHECK_STR(moved("beat 1\nbeat 3\n", "beat 4\nbeat 5\n"),
		  "at the source: beat 3 after beat 1");
	CHECK_STR(moved("beat 1\nbeat 2\n", "beat 4\nbeat 5\n"),
		  "beat 4 at the destination after beat 2");
	CHECK_STR(moved("beat 1\nbeat 2\n", "beat 3\nbeat 5\n"), "beat 5 after beat 3");
	CHECK_STR(moved("beat 1\nbeat 2\n", "beat 3\nbeat 4\nbeat 6\n"),
		  "at the destination: beat 6 after beat 4");
}

TEST(repeated_lines_are_noticed)
{
	CHECK_STR(moved("beat 1\nbeat 1\n", "beat 2\nbeat 3\n"),
		  "at the source: beat 1 after beat 1");
	CHECK_STR(moved("beat 1\nbeat 2\n", "beat 2\nbeat 3\n"),
		  "beat 2 at the destination after beat 2");
	CHECK_STR(moved("beat 1\nbeat 2\n", "beat 3\nbeat 4\nbeat 3\n"),
		  "at the destination: beat 3 after beat 4");
}

TEST(lost_and_repeated_characters_are_noticed)
{
	CHECK_STR(moved("beat 1\nbea", "beat 2\nbeat 3\n"),
		  "\"beabeat 2\" across the move");
	CHECK_STR(moved("beat 1\nbea", " 2\nbeat 3\n"), "\"bea 2\" across the move");
	CHECK_STR(moved("beat 1\nbeat 1", "3\nbeat 14\n"),
		  "beat 13 at the destination after beat 1");
	CHECK_STR(moved("beat 1\nbeat x\n", "beat 2\nbeat 3\n"),
		  "at the source: \"beat x\"");
	CHECK_STR(moved("beat 1\n", "beat 2\nbeat -3\n"),
		  "at the destination: \"beat -3\"");
}

TEST(silence_proves_nothing)
{
	CHECK_STR(moved("beat 1\n", ""), "silent at the destination");
	CHECK_STR(moved("beat 1\n", "beat 2\n"), "silent at the destination");
	CHECK_STR(moved("", "beat 2\nbeat 4\n"), "beat 4 after beat 2");
	/* A guest that was moved before its first word. */
	CHECK(!moved("", "beat 1\nbeat 2\n"));
}

TEST(whatever_is_said_stays_within_bounds)
{
	struct beat_log log;
	char noise[1024];
	json_t *json;

	beat_log_init(&log, false);
	memset(noise, 'x', sizeof(noise));
	for (int i = 0; i < 8; i++)
		beat_log_hear(&log, noise, sizeof(noise));
	beat_log_hear(&log, "\0\xff\n", 3);
	hear(&log, "beat 1\nbeat ");
	beat_log_hear(&log, noise, sizeof(noise));
	CHECK_EQ(beat_log_beats(&log), 1);
	json = beat_log_json(&log);
	CHECK(json);
	CHECK_EQ(json_string_length(json_object_get(json, "tail")), BEAT_LINE_MAX - 1);
	json_decref(json);
}

TEST_MAIN(TEST_OF(a_move_between_any_two_characters_is_no_gap),
	  TEST_OF(guest_may_have_other_things_to_say), TEST_OF(lost_lines_are_noticed),
	  TEST_OF(repeated_lines_are_noticed),
	  TEST_OF(lost_and_repeated_characters_are_noticed),
	  TEST_OF(silence_proves_nothing), TEST_OF(whatever_is_said_stays_within_bounds))
