/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* hello_test.c - who the other side is, which protocol both speak, and words in between. */
#include "session/hello.h"

#include <pthread.h>

#include "codec/codec.h"
#include "tests/check.h"

#define PATIENCE_MS 5000

struct fixture {
	struct session_link *near, *far;
	struct gw_error err;
};

static void set_up(struct fixture *f)
{
	struct channel *ends[2];

	memset(f, 0, sizeof(*f));
	CHECK_OK(channel_pair(ends, NULL, &f->err), &f->err);
	f->near = session_link_new(ends[0], &f->err);
	f->far = session_link_new(ends[1], &f->err);
	CHECK(f->near && f->far);
}

static void tear_down(struct fixture *f)
{
	session_link_free(f->near);
	session_link_free(f->far);
}

static const struct hello page_hello = {
	.session = { 0x00, 0x01, 0x7f, 0x80, 0xfe, 0xff },
	.role = LINK_PAGE,
	.index = 3,
	.formats = 1u << CODEC_NONE | 1u << CODEC_ZSTD | 1u << CODEC_QATZIP,
};

TEST(a_hello_is_read_as_it_was_written)
{
	static const enum link_role roles[] = { LINK_MAIN, LINK_PAGE, LINK_PREEMPT };
	struct fixture f;

	set_up(&f);
	for (size_t i = 0; i < 3; i++) {
		struct hello ours = page_hello, theirs;

		ours.role = roles[i];
		CHECK_OK(hello_write(f.near, &ours, &f.err), &f.err);
		CHECK_OK(hello_read(f.far, PATIENCE_MS, &theirs, &f.err), &f.err);
		CHECK_STR(theirs.version, gw_version());
		CHECK_EQ(theirs.protocol, 1);
		CHECK(memcmp(theirs.session, ours.session, SESSION_ID_BYTES) == 0);
		CHECK_EQ(theirs.role, roles[i]);
		CHECK_EQ(theirs.index, 3);
		CHECK_EQ(theirs.formats, ours.formats);
		CHECK(!theirs.about);
		hello_deinit(&theirs);
	}
	tear_down(&f);
}

TEST(what_main_tells_comes_along)
{
	struct hello ours = page_hello, theirs;
	struct fixture f;

	set_up(&f);
	ours.role = LINK_MAIN;
	ours.about = json_pack("{s:s}", "machine", "pc-q35-7.2");
	CHECK_OK(hello_write(f.near, &ours, &f.err), &f.err);
	CHECK_OK(hello_read(f.far, PATIENCE_MS, &theirs, &f.err), &f.err);
	CHECK(json_equal(theirs.about, ours.about));
	hello_deinit(&theirs);
	CHECK(!theirs.about);
	/* Nobody else has anything to tell. */
	ours.role = LINK_PREEMPT;
	CHECK_OK(hello_write(f.near, &ours, &f.err), &f.err);
	CHECK_OK(hello_read(f.far, PATIENCE_MS, &theirs, &f.err), &f.err);
	CHECK(!theirs.about);
	json_decref(ours.about);
	tear_down(&f);
}

/* ---- what others may say ---- */

static json_t *sound_hello(void)
{
	return json_pack("{s:s, s:{s:i, s:i}, s:s, s:s, s:i, s:[s, s]}", "godwit",
			 "0.1.0", "protocol", "oldest", 1, "newest", 1, "session",
			 "000102030405060708090a0b0c0d0e0f", "role", "main", "index", 0,
			 "formats", "none", "zstd");
}

/* Takes over `json`. */
static int parse(json_t *json, struct hello *hello, struct gw_error *err)
{
	char *text = json_dumps(json, 0);
	int status;

	CHECK(text);
	status = hello_parse(text, strlen(text), hello, err);
	free(text);
	json_decref(json);
	return status;
}

/* A sound hello with the member set to what the JSON text says; NULL: without it. */
static json_t *hello_with(const char *member, const char *text)
{
	json_t *json = sound_hello();

	if (text)
		json_object_set_new(json, member,
				    json_loads(text, JSON_DECODE_ANY, NULL));
	else
		json_object_del(json, member);
	return json;
}

TEST(members_and_formats_that_are_not_known_are_passed_over)
{
	struct gw_error err = { 0 };
	struct hello hello;

	CHECK_OK(parse(hello_with("compass", "{\"north\": [1, null]}"), &hello, &err),
		 &err);
	CHECK_EQ(hello.formats, 1u << CODEC_NONE | 1u << CODEC_ZSTD);
	CHECK_OK(parse(hello_with("formats", "[\"lz9\", 7, null, [], \"uadk\", \"\"]"),
		       &hello, &err),
		 &err);
	CHECK_EQ(hello.formats, 1u << CODEC_UADK);
	CHECK_OK(parse(hello_with("formats", "[]"), &hello, &err), &err);
	CHECK_EQ(hello.formats, 0);
}

TEST(a_newer_godwit_that_still_speaks_ours_is_welcome)
{
	struct gw_error err = { 0 };
	struct hello hello;

	CHECK_OK(parse(hello_with("protocol", "{\"oldest\":1,\"newest\":4294967295}"),
		       &hello, &err),
		 &err);
	CHECK_EQ(hello.protocol, 1);
	CHECK_OK(parse(hello_with("protocol",
				  "{\"oldest\":1,\"newest\":1,\"draft\":\"2\"}"),
		       &hello, &err),
		 &err);
}

TEST(a_godwit_too_far_away_is_refused_with_both_ranges)
{
	struct gw_error err = { 0 };
	struct hello hello;
	json_t *json = hello_with("protocol", "{\"oldest\":4,\"newest\":6}");

	/* Which may say all else in its own way. */
	json_object_set_new(json, "godwit", json_string("3.1"));
	json_object_set_new(json, "session", json_integer(7));
	json_object_set_new(json, "refused", json_true());
	CHECK_EQ(parse(json, &hello, &err), -1);
	CHECK_EQ(err.kind, GW_UNSUPPORTED);
	CHECK_STR(err.text,
		  "the other side's godwit 3.1 speaks protocols 4 to 6, this one 1 to "
		  "1: the older of the two has to be updated");
	CHECK_EQ(parse(hello_with("protocol", "{\"oldest\":2,\"newest\":2}"), &hello,
		       &err),
		 -1);
	CHECK_EQ(err.kind, GW_UNSUPPORTED);
}

TEST(a_version_is_made_printable)
{
	struct gw_error err = { 0 };
	struct hello hello;

	CHECK_OK(parse(hello_with("godwit", "\"1\\n\\u001b[2J\\u00e9\""), &hello, &err),
		 &err);
	CHECK_STR(hello.version, "1\\x0a\\x1b[2J\\xc3\\xa9");
	CHECK_OK(parse(hello_with("godwit",
				  "\"0123456789012345678901234567890123456789\""),
		       &hello, &err),
		 &err);
	CHECK_STR(hello.version, "0123456789012345678901234567890");
}

TEST(each_member_has_its_form)
{
	static const struct {
		const char *member, *text, *refusal;
	} cases[] = {
		{ "godwit", NULL, "hello: its \"godwit\" is not a version" },
		{ "godwit", "1", "hello: its \"godwit\" is not a version" },
		{ "protocol", NULL,
		  "hello: its \"oldest\" is not a number from 1 to 4294967295" },
		{ "protocol", "[1, 1]",
		  "hello: its \"oldest\" is not a number from 1 to 4294967295" },
		{ "protocol", "{\"oldest\":0,\"newest\":1}",
		  "hello: its \"oldest\" is not a number from 1 to 4294967295" },
		{ "protocol", "{\"oldest\":1}",
		  "hello: its \"newest\" is not a number from 1 to 4294967295" },
		{ "protocol", "{\"oldest\":3,\"newest\":2}",
		  "hello: its \"newest\" is not a number from 3 to 4294967295" },
		{ "protocol", "{\"oldest\":1,\"newest\":4294967296}",
		  "hello: its \"newest\" is not a number from 1 to 4294967295" },
		{ "session", NULL,
		  "hello: its \"session\" is not 32 hexadecimal digits" },
		{ "session", "\"\"",
		  "hello: its \"session\" is not 32 hexadecimal digits" },
		{ "session", "\"000102030405060708090a0b0c0d0e0\"",
		  "hello: its \"session\" is not 32 hexadecimal digits" },
		{ "session", "\"000102030405060708090a0b0c0d0e0f0\"",
		  "hello: its \"session\" is not 32 hexadecimal digits" },
		{ "session", "\"000102030405060708090a0b0c0d0e0g\"",
		  "hello: its \"session\" is not 32 hexadecimal digits" },
		{ "session", "\"000102030405060708090a0b0c0d0e/f\"",
		  "hello: its \"session\" is not 32 hexadecimal digits" },
		{ "role", NULL, "hello: its \"role\" is not main, page or preempt" },
		{ "role", "\"Main\"",
		  "hello: its \"role\" is not main, page or preempt" },
		{ "role", "0", "hello: its \"role\" is not main, page or preempt" },
		{ "index", NULL,
		  "hello: its \"index\" is not a number from 0 to 4294967295" },
		{ "index", "-1",
		  "hello: its \"index\" is not a number from 0 to 4294967295" },
		{ "index", "4294967296",
		  "hello: its \"index\" is not a number from 0 to 4294967295" },
		{ "index", "1.0",
		  "hello: its \"index\" is not a number from 0 to 4294967295" },
		{ "formats", NULL, "hello: its \"formats\" is not a list" },
		{ "formats", "\"zstd\"", "hello: its \"formats\" is not a list" },
		{ "about", "[]", "hello: its \"about\" is not an object" },
		{ "refused", "1", "hello: its \"refused\" is not a text" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct gw_error err = { 0 };
		struct hello hello;

		CHECK_EQ(parse(hello_with(cases[i].member, cases[i].text), &hello, &err),
			 -1);
		CHECK_STR(err.text, cases[i].refusal);
		CHECK_EQ(err.kind, GW_PEER);
	}
}

TEST(any_index_is_the_callers_affair)
{
	struct gw_error err = { 0 };
	struct hello hello;

	CHECK_OK(parse(hello_with("index", "254"), &hello, &err), &err);
	CHECK_EQ(hello.index, 254);
	CHECK_OK(parse(hello_with("index", "4294967295"), &hello, &err), &err);
	CHECK_EQ(hello.index, 4294967295);
}

TEST(what_is_no_json_object_is_no_hello)
{
	/* What the JSON library says of them is its own affair. */
	static const char *const texts[] = {
		"",
		"{",
		"{} {}",
		"7",
		"{\"a\": \"\xff\"}",
		"{\"a\": \"\\u0000\"}",
		"{\"godwit\": \"1\", \"godwit\": \"2\"}",
	};
	struct gw_error err = { 0 };
	struct hello hello;

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		memset(&err, 0, sizeof(err));
		CHECK_EQ(hello_parse(texts[i], strlen(texts[i]), &hello, &err), -1);
		CHECK_EQ(err.kind, GW_PEER);
		CHECK_CONTAINS(err.text, "hello: JSON message, byte ");
	}
	CHECK_EQ(hello_parse("[]", 2, &hello, &err), -1);
	CHECK_STR(err.text, "hello: JSON message: a list, not an object");
}

TEST(brackets_without_end_are_refused)
{
	static char text[SESSION_TEXT_BYTES_MAX];
	struct gw_error err = { 0 };
	struct hello hello;

	memset(text, '[', sizeof(text));
	CHECK_EQ(hello_parse(text, sizeof(text), &hello, &err), -1);
	CHECK_CONTAINS(err.text, "hello: JSON message, byte ");
	CHECK_EQ(err.kind, GW_PEER);
}

/* ---- on a link ---- */

static void check_no_hello(struct fixture *f, int timeout_ms, const char *text)
{
	struct hello hello;

	CHECK_EQ(hello_read(f->far, timeout_ms, &hello, &f->err), -1);
	CHECK_EQ(f->err.kind, GW_PEER);
	CHECK_STR(f->err.text, text);
}

TEST(silence_is_no_hello)
{
	struct fixture f;

	set_up(&f);
	check_no_hello(&f, 20, "no hello within 20 ms");
	tear_down(&f);
}

TEST(half_a_hello_is_none)
{
	struct fixture f;

	set_up(&f);
	CHECK_OK(channel_write_bytes(session_link_channel(f.near), "\1\0\0\0\0\0\0\5", 8,
				     &f.err),
		 &f.err);
	check_no_hello(&f, 20, "no hello within 20 ms");
	channel_finish(session_link_channel(f.near));
	check_no_hello(&f, 20, "record 0: the other side closed the connection");
	tear_down(&f);
}

TEST(bytes_of_something_else_are_no_hello)
{
	struct fixture f;

	set_up(&f);
	CHECK_OK(channel_write_bytes(session_link_channel(f.near),
				     "HTTP/1.0 400 Bad Request\r\n\r\n", 28, &f.err),
		 &f.err);
	check_no_hello(&f, PATIENCE_MS, "record type 72: 1 to 6 are known");
	tear_down(&f);
}

TEST(another_record_is_no_hello)
{
	struct fixture f;

	set_up(&f);
	CHECK_OK(control_write(f.near, json_pack("{s:s}", "say", "abort"), &f.err),
		 &f.err);
	check_no_hello(&f, PATIENCE_MS, "a record of type 2, not a hello");
	tear_down(&f);
}

TEST(who_refuses_says_why)
{
	struct hello hello;
	struct fixture f;

	set_up(&f);
	CHECK_OK(hello_refuse(f.near, "busy with another session", &f.err), &f.err);
	CHECK_EQ(hello_read(f.far, PATIENCE_MS, &hello, &f.err), -1);
	CHECK_EQ(f.err.kind, GW_UNSUPPORTED);
	CHECK_STR(f.err.text, "the other side refuses: busy with another session");
	tear_down(&f);
}

/* ---- words ---- */

static json_t *read_control(struct fixture *f)
{
	struct record_head head;

	CHECK_EQ(session_link_read_head(f->far, &head, &f->err), 1);
	return control_read(f->far, &head, &f->err);
}

TEST(words_arrive)
{
	struct fixture f;
	json_t *message;

	set_up(&f);
	CHECK_OK(control_write(f.near,
			       json_pack("{s:s, s:i}", "say", "channels", "count", 4),
			       &f.err),
		 &f.err);
	message = read_control(&f);
	CHECK(message);
	CHECK_STR(control_word(message), "channels");
	CHECK_EQ(json_integer_value(json_object_get(message, "count")), 4);
	json_decref(message);
	CHECK_EQ(session_link_expected(f.far), 1);
	tear_down(&f);
}

TEST(a_message_may_have_no_word)
{
	json_t *number = json_pack("{s:i}", "say", 5), *none = json_object();

	CHECK_STR(control_word(number), "");
	CHECK_STR(control_word(none), "");
	CHECK_STR(control_word(NULL), "");
	json_decref(number);
	json_decref(none);
}

TEST(what_is_no_message_is_refused)
{
	struct fixture f;

	set_up(&f);
	CHECK_OK(session_link_write_bytes(f.near, SESSION_CONTROL, "", 0, &f.err),
		 &f.err);
	CHECK_OK(session_link_write_bytes(f.near, SESSION_CONTROL, "[]", 2, &f.err),
		 &f.err);
	CHECK_OK(session_link_write_bytes(f.near, SESSION_STREAM, "{}", 2, &f.err),
		 &f.err);
	CHECK(!read_control(&f));
	CHECK_CONTAINS(f.err.text, "JSON message, byte 0: ");
	CHECK(!read_control(&f));
	CHECK_STR(f.err.text, "JSON message: a list, not an object");
	CHECK(!read_control(&f));
	CHECK_STR(f.err.text, "a record of type 3 where words are expected");
	CHECK_EQ(f.err.kind, GW_PEER);
	tear_down(&f);
}

static json_t *message_of(size_t length)
{
	json_t *message = json_object();
	size_t around = strlen("{\"x\":\"\"}");
	char *text = malloc(length);

	CHECK(text);
	memset(text, 'a', length);
	json_object_set_new(message, "x", json_stringn(text, length - around));
	free(text);
	return message;
}

static void *send_longest(void *opaque)
{
	struct fixture *f = opaque;
	struct gw_error err;

	return control_write(f->near, message_of(SESSION_TEXT_BYTES_MAX), &err) == 0
		       ? f
		       : NULL;
}

TEST(the_longest_message_arrives_and_a_longer_one_is_not_sent)
{
	struct fixture f;
	pthread_t thread;
	void *sent;
	json_t *message;

	set_up(&f);
	CHECK_EQ(control_write(f.near, message_of(SESSION_TEXT_BYTES_MAX + 1), &f.err),
		 -1);
	CHECK_STR(f.err.text, "JSON message: 262145 bytes, at most 262144 are allowed");
	CHECK_EQ(f.err.kind, GW_USAGE);
	/* More than a socket pair holds. */
	CHECK_EQ(pthread_create(&thread, NULL, send_longest, &f), 0);
	message = read_control(&f);
	pthread_join(thread, &sent);
	CHECK(sent);
	if (!message)
		CHECK_FAIL("%s", f.err.text);
	CHECK_EQ(json_string_length(json_object_get(message, "x")),
		 SESSION_TEXT_BYTES_MAX - 8);
	json_decref(message);
	tear_down(&f);
}

TEST_MAIN(TEST_OF(a_hello_is_read_as_it_was_written),
	  TEST_OF(what_main_tells_comes_along),
	  TEST_OF(members_and_formats_that_are_not_known_are_passed_over),
	  TEST_OF(a_newer_godwit_that_still_speaks_ours_is_welcome),
	  TEST_OF(a_godwit_too_far_away_is_refused_with_both_ranges),
	  TEST_OF(a_version_is_made_printable), TEST_OF(each_member_has_its_form),
	  TEST_OF(any_index_is_the_callers_affair),
	  TEST_OF(what_is_no_json_object_is_no_hello),
	  TEST_OF(brackets_without_end_are_refused), TEST_OF(silence_is_no_hello),
	  TEST_OF(half_a_hello_is_none), TEST_OF(bytes_of_something_else_are_no_hello),
	  TEST_OF(another_record_is_no_hello), TEST_OF(who_refuses_says_why),
	  TEST_OF(words_arrive), TEST_OF(a_message_may_have_no_word),
	  TEST_OF(what_is_no_message_is_refused),
	  TEST_OF(the_longest_message_arrives_and_a_longer_one_is_not_sent))
