/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* recv_agree_test.c - what another godwit may say before a guest moves, and what it gets for it. */
#include "sendrecv/recv_job.h"

#include <string.h>
#include <unistd.h>

#include "session/reception.h"
#include "tests/check.h"

#include "sendrecv/fake_qemu_for_tests.h"

#define PATIENCE_MS 10000

static struct gw_error err;

/* ---- a recv in a thread of its own ---- */

struct receiver {
	struct fake_qemu fake;
	struct guardian *guardian;
	struct interrupt *stop, *leave;
	struct recv_options options;
	struct transfer_observer observer;
	struct log log;
	char uri[96];
	pthread_t thread;
	int failed;
	struct gw_error err;
	struct transfer_report report;
	/* What it said last; under the lock. */
	pthread_mutex_t lock;
	char said[512];
};

static void on_say(void *state, const char *sentence)
{
	struct receiver *receiver = state;

	pthread_mutex_lock(&receiver->lock);
	snprintf(receiver->said, sizeof(receiver->said), "%s", sentence);
	pthread_mutex_unlock(&receiver->lock);
}

static void on_look(void *state, const struct transfer_progress *progress)
{
}

static void on_event(void *state, const json_t *event)
{
}

static void on_log(void *state, enum log_level level, const char *line)
{
}

static void await_said(struct receiver *receiver, const char *text)
{
	bool said = false;

	for (int i = 0; i < PATIENCE_MS && !said; i++) {
		pthread_mutex_lock(&receiver->lock);
		said = strstr(receiver->said, text);
		pthread_mutex_unlock(&receiver->lock);
		if (!said)
			usleep(1000);
	}
	if (!said)
		CHECK_FAIL("it said \"%s\", expected \"%s\"", receiver->said, text);
}

static void *run(void *state)
{
	struct receiver *receiver = state;

	receiver->failed =
		recv_run(&receiver->options, receiver->guardian, receiver->stop,
			 receiver->leave, &receiver->report, &receiver->err);
	return NULL;
}

static void begin(struct receiver *receiver)
{
	*receiver = (struct receiver){
		.fake = { .moments = { { "inmigrate", NULL } },
			  .moment_count = 1,
			  .capabilities =
				  json_pack("{sb sb sb sb}", "multifd", 0, "return-path",
					    0, "events", 0, "postcopy-ram", 0),
			  .parameters = json_pack("{si ss si}", "multifd-channels", 7,
						  "multifd-compression", "zlib",
						  "downtime-limit", 300) },
	};
	receiver->guardian = guardian_start(&err);
	CHECK(receiver->guardian);
	receiver->stop = interrupt_new(&err);
	receiver->leave = interrupt_new(&err);
	pthread_mutex_init(&receiver->lock, NULL);
	fake_start(&receiver->fake);
	/* One client a socket: the one that is tested. */
	qmp_peer_free(receiver->fake.peer);
	receiver->fake.peer = NULL;
	snprintf(receiver->uri, sizeof(receiver->uri), "unix:%s/meet",
		 receiver->fake.directory);
	receiver->observer =
		(struct transfer_observer){ receiver, on_look, on_event, on_say };
	receiver->log = (struct log){ .line = on_log };
	recv_options_init(&receiver->options);
	receiver->options.common.qmp = receiver->fake.path;
	receiver->options.common.observer = &receiver->observer;
	receiver->options.common.log = &receiver->log;
	receiver->options.common.patience_ms = 500;
	receiver->options.listen = receiver->uri;
	CHECK_EQ(pthread_create(&receiver->thread, NULL, run, receiver), 0);
	await_said(receiver, "listening on unix:");
}

static void end(struct receiver *receiver)
{
	interrupt_raise(receiver->stop);
	CHECK_EQ(pthread_join(receiver->thread, NULL), 0);
	CHECK_EQ(receiver->failed, -1);
	CHECK_EQ(receiver->err.kind, GW_CANCELLED);
	CHECK_CONTAINS(receiver->err.text, "no guest came, QEMU here is as it was");
	/* As it was. */
	fake_fall_silent(&receiver->fake);
	CHECK(json_is_false(json_object_get(receiver->fake.capabilities, "multifd")));
	CHECK_EQ(json_integer_value(
			 json_object_get(receiver->fake.parameters, "multifd-channels")),
		 7);
	CHECK_EQ(receiver->fake.stops, 0);
	fake_end(&receiver->fake);
	guardian_free(receiver->guardian);
	interrupt_free(receiver->stop);
	interrupt_free(receiver->leave);
	pthread_mutex_destroy(&receiver->lock);
}

/* ---- the other godwit ---- */

static struct session_link *meet(struct receiver *receiver)
{
	struct hello ours = { .role = LINK_MAIN, .session = "0123456789abcde" }, theirs;
	struct session_link *link;
	struct address to;

	CHECK_OK(address_parse(&to, receiver->uri, &err), &err);
	link = session_connect(&to, &ours, NULL, PATIENCE_MS, &theirs, &err);
	if (!link)
		CHECK_FAIL("%s", err.text);
	CHECK(json_is_object(json_object_get(theirs.about, "qemu")));
	hello_deinit(&theirs);
	return link;
}

static json_t *answer(struct session_link *link)
{
	struct record_head head;
	json_t *word;

	CHECK_EQ(session_link_read_head(link, &head, &err), 1);
	CHECK_EQ(head.type, SESSION_CONTROL);
	word = control_read(link, &head, &err);
	CHECK(word);
	return word;
}

/* A word that is refused, which both sides hear. */
static void check_refused(struct receiver *receiver, json_t *word, const char *why)
{
	struct session_link *link = meet(receiver);
	json_t *told;

	CHECK_OK(control_write(link, word, &err), &err);
	told = answer(link);
	CHECK_STR(control_word(told), "refuse");
	CHECK_CONTAINS(json_string_value(json_array_get(json_object_get(told, "why"), 0)),
		       why);
	json_decref(told);
	await_said(receiver, why);
	session_link_free(link);
}

static json_t *prepare(json_t *channels, json_t *qemu_channels, json_t *method)
{
	return json_pack("{ss so so so}", "say", "prepare", "channels", channels,
			 "qemu-channels", qemu_channels, "method", method);
}

/* ---- */

TEST(numbers_out_of_range_are_refused)
{
	struct receiver receiver;

	begin(&receiver);
	check_refused(&receiver,
		      prepare(json_integer(256), json_integer(2), json_string("zstd")),
		      "channels is 256, 0 to 255 are allowed");
	check_refused(&receiver,
		      prepare(json_integer(2), json_integer(-1), json_string("zstd")),
		      "qemu-channels is -1, 0 to 255 are allowed");
	check_refused(&receiver,
		      prepare(json_string("2"), json_integer(2), json_string("zstd")),
		      "channels is no whole number");
	check_refused(&receiver,
		      prepare(json_integer(2), json_real(2.0), json_string("zstd")),
		      "qemu-channels is no whole number");
	check_refused(&receiver,
		      prepare(json_integer(0), json_integer(2), json_string("zstd")),
		      "0 connections for 2 channels of QEMU");
	check_refused(&receiver,
		      prepare(json_integer(2), json_integer(2), json_string("lzma")),
		      "lzma");
	check_refused(&receiver, prepare(json_integer(2), json_integer(2), json_null()),
		      "prepare: ");
	end(&receiver);
}

TEST(words_out_of_order_are_refused)
{
	static const char *const words[] = { "channels", "completed", "postcopy",
					     "bye",	 "resumed",   "" };
	struct receiver receiver;

	begin(&receiver);
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		check_refused(&receiver, json_pack("{ss sb}", "say", words[i], "run", 1),
			      "neither \"prepare\" nor \"refuse\"");
	check_refused(&receiver, json_pack("{si}", "say", 7),
		      "neither \"prepare\" nor \"refuse\"");
	end(&receiver);
}

TEST(what_is_no_word_ends_the_session)
{
	struct receiver receiver;
	struct session_link *link;

	begin(&receiver);
	link = meet(&receiver);
	CHECK_OK(session_link_write_bytes(link, SESSION_STREAM, "QEVM", 4, &err), &err);
	await_said(&receiver, "instead of a word");
	session_link_free(link);
	link = meet(&receiver);
	CHECK_OK(session_link_write_bytes(link, SESSION_CONTROL, "{\"say\": ", 8, &err),
		 &err);
	await_said(&receiver, "came to nothing: ");
	session_link_free(link);
	link = meet(&receiver);
	session_link_free(link);
	await_said(&receiver, "closed without a word");
	end(&receiver);
}

/* QEMU was set up for it, and is put back. */
TEST(who_leaves_after_the_agreement_is_waited_past)
{
	struct receiver receiver;
	struct session_link *link;
	json_t *word;

	begin(&receiver);
	link = meet(&receiver);
	CHECK_OK(control_write(link,
			       prepare(json_integer(2), json_integer(3),
				       json_string("zstd")),
			       &err),
		 &err);
	word = answer(link);
	CHECK_STR(control_word(word), "prepared");
	json_decref(word);
	await_said(&receiver, "0 of 2 page connections came within");
	session_link_free(link);
	link = meet(&receiver);
	CHECK_OK(control_write(link,
			       prepare(json_integer(0), json_integer(0),
				       json_string("none")),
			       &err),
		 &err);
	word = answer(link);
	CHECK_STR(control_word(word), "prepared");
	json_decref(word);
	CHECK_OK(control_write(link,
			       json_pack("{ss ss}", "say", "channels", "uuid",
					 "0123456789abcdef0123456789abcdeg"),
			       &err),
		 &err);
	await_said(&receiver, "uuid is no 32 hex digits");
	session_link_free(link);
	end(&receiver);
}

TEST(what_does_not_fit_is_told_line_by_line)
{
	struct receiver receiver;
	struct session_link *link;

	begin(&receiver);
	link = meet(&receiver);
	CHECK_OK(control_write(link,
			       json_pack("{ss s[s i s]}", "say", "refuse", "why",
					 "RAM: 1 here", 7, "machine: x\x1b[2J"),
			       &err),
		 &err);
	await_said(&receiver, "the guest does not fit QEMU here");
	session_link_free(link);
	link = meet(&receiver);
	CHECK_OK(control_write(link,
			       json_pack("{ss ss}", "say", "abort", "why", "no time"),
			       &err),
		 &err);
	await_said(&receiver, "source: no time");
	session_link_free(link);
	end(&receiver);
}

TEST_MAIN(TEST_OF(numbers_out_of_range_are_refused),
	  TEST_OF(words_out_of_order_are_refused),
	  TEST_OF(what_is_no_word_ends_the_session),
	  TEST_OF(who_leaves_after_the_agreement_is_waited_past),
	  TEST_OF(what_does_not_fit_is_told_line_by_line))
