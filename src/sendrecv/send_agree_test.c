/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* send_agree_test.c - what may answer in place of a godwit recv, and what becomes of the source. */
#include "sendrecv/send_job.h"

#include <string.h>
#include <unistd.h>

#include "session/reception.h"
#include "tests/check.h"

#include "sendrecv/fake_qemu_for_tests.h"

#define PATIENCE_MS 10000

static struct gw_error err;

struct sender {
	struct fake_qemu fake;
	struct guardian *guardian;
	struct interrupt *stop, *leave;
	struct send_options options;
	struct transfer_observer observer;
	struct log log;
	char uri[96];
	pthread_t thread;
	int failed;
	struct gw_error err;
	struct transfer_report report;
	uint32_t sentences;
	/* The other side. */
	struct listener *listener;
	struct reception *reception;
	struct session_link *link;
};

static void on_say(void *state, const char *sentence)
{
	struct sender *sender = state;

	sender->sentences++;
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

static void *run(void *state)
{
	struct sender *sender = state;

	sender->failed = send_run(&sender->options, sender->guardian, sender->stop,
				  sender->leave, &sender->report, &sender->err);
	return NULL;
}

static void open_reception(struct sender *sender)
{
	const struct reception_options options = { .formats = ~0u,
						   .patience_ms = PATIENCE_MS,
						   .log = &sender->log };
	struct address address;

	CHECK_OK(address_parse(&address, sender->uri, &err), &err);
	sender->listener = listener_open(&address, 8, NULL, &err);
	CHECK(sender->listener);
	sender->reception = reception_new(sender->listener, &options, NULL, &err);
	CHECK(sender->reception);
}

static void begin_with(struct sender *sender, int patience_ms)
{
	*sender = (struct sender){
		.fake = { .moments = { { "running", NULL } },
			  .moment_count = 1,
			  .capabilities = json_pack("{sb sb sb}", "multifd", 0,
						    "return-path", 0, "events", 0),
			  .parameters = json_pack("{si ss sI si}", "multifd-channels", 7,
						  "multifd-compression", "none",
						  "max-bandwidth", (json_int_t)1 << 20,
						  "downtime-limit", 300) },
	};
	sender->guardian = guardian_start(&err);
	CHECK(sender->guardian);
	sender->stop = interrupt_new(&err);
	sender->leave = interrupt_new(&err);
	fake_start(&sender->fake);
	/* One client a socket: the one that is tested. */
	qmp_peer_free(sender->fake.peer);
	sender->fake.peer = NULL;
	snprintf(sender->uri, sizeof(sender->uri), "unix:%s/meet",
		 sender->fake.directory);
	sender->observer =
		(struct transfer_observer){ sender, on_look, on_event, on_say };
	sender->log = (struct log){ .line = on_log };
	open_reception(sender);
	send_options_init(&sender->options);
	sender->options.common.qmp = sender->fake.path;
	sender->options.common.observer = &sender->observer;
	sender->options.common.log = &sender->log;
	sender->options.common.patience_ms = patience_ms;
	sender->options.to = sender->uri;
	CHECK_EQ(pthread_create(&sender->thread, NULL, run, sender), 0);
}

static void begin(struct sender *sender)
{
	begin_with(sender, 500);
}

static void answer_hello(struct sender *sender, json_t *about)
{
	struct hello hello;

	sender->link = reception_main(sender->reception, &hello, &err);
	CHECK(sender->link);
	json_decref(hello.about);
	hello.about = about;
	CHECK_OK(hello_write(sender->link, &hello, &err), &err);
	hello_deinit(&hello);
}

/* The next word, which is this one. */
static json_t *hear(struct sender *sender, const char *say)
{
	struct record_head head;
	json_t *word;

	CHECK_EQ(session_link_read_head(sender->link, &head, &err), 1);
	word = control_read(sender->link, &head, &err);
	CHECK(word);
	CHECK_STR(control_word(word), say);
	return word;
}

/* The guest was left alone, its QEMU is as it was, and `why` was told. */
static void end(struct sender *sender, const char *why)
{
	CHECK_EQ(pthread_join(sender->thread, NULL), 0);
	CHECK_EQ(sender->failed, -1);
	CHECK_CONTAINS(sender->err.text, why);
	CHECK_CONTAINS(sender->err.text, "; no migration began, the guest is as it was");
	session_link_free(sender->link);
	reception_free(sender->reception);
	listener_free(sender->listener);
	fake_fall_silent(&sender->fake);
	CHECK(json_is_false(json_object_get(sender->fake.capabilities, "multifd")));
	CHECK_EQ(json_integer_value(
			 json_object_get(sender->fake.parameters, "max-bandwidth")),
		 1 << 20);
	fake_end(&sender->fake);
	guardian_free(sender->guardian);
	interrupt_free(sender->stop);
	interrupt_free(sender->leave);
}

/* ---- */

TEST(prepare_says_what_is_planned)
{
	struct sender sender;
	json_t *word;

	begin(&sender);
	answer_hello(&sender, NULL);
	word = hear(&sender, "prepare");
	CHECK_EQ(json_integer_value(json_object_get(word, "channels")), 2);
	CHECK_EQ(json_integer_value(json_object_get(word, "qemu-channels")), 2);
	CHECK_STR(json_string_value(json_object_get(word, "method")), "zstd");
	CHECK(json_is_true(json_object_get(word, "driven")));
	/* Nobody knows how old the QEMU there is. */
	CHECK(json_is_true(json_object_get(word, "expand-zero-pages")));
	json_decref(word);
	session_link_free(MOVE(sender.link));
	end(&sender, "closed without a word");
}

/* One at a time: `reply` is what prepare gets. */
static void check_reply(json_t *reply, const char *why)
{
	struct sender sender;

	begin(&sender);
	answer_hello(&sender, NULL);
	json_decref(hear(&sender, "prepare"));
	CHECK_OK(control_write(sender.link, reply, &err), &err);
	end(&sender, why);
}

TEST(refusals_are_told)
{
	check_reply(json_pack("{ss s[ss]}", "say", "refuse", "why", "too small\x1b[2J",
			      "x"),
		    "the other godwit refuses: too small\\x1b[2J");
	check_reply(json_pack("{ss si}", "say", "refuse", "why", 7),
		    "the other godwit refuses: no reason");
	check_reply(json_pack("{ss ss}", "say", "abort", "why", "cancelled"),
		    "destination: cancelled");
}

TEST(other_words_are_nonsense)
{
	check_reply(json_pack("{ss}", "say", "resumed"),
		    "neither \"prepared\" nor \"refuse\"");
	check_reply(json_pack("{s[]}", "say"), "neither \"prepared\" nor \"refuse\"");
}

TEST(what_is_no_word_is_refused)
{
	struct sender sender;

	begin(&sender);
	answer_hello(&sender, NULL);
	json_decref(hear(&sender, "prepare"));
	CHECK_OK(session_link_write_bytes(sender.link, SESSION_STREAM, "QEVM", 4, &err),
		 &err);
	end(&sender, "instead of a word");
}

/* Answered by nobody. */
TEST(silence_ends_with_patience)
{
	struct sender sender;

	begin(&sender);
	answer_hello(&sender, NULL);
	json_decref(hear(&sender, "prepare"));
	end(&sender, "unix:");
}

TEST(facts_that_do_not_fit_are_refused_line_by_line)
{
	struct sender sender;
	json_t *word;

	begin(&sender);
	answer_hello(&sender, json_pack("{s{sb ss ss}}", "qemu", "known", 1, "run-state",
					"running", "migration", "active"));
	word = hear(&sender, "refuse");
	CHECK(json_array_size(json_object_get(word, "why")) > 0);
	json_decref(word);
	end(&sender, "the destination cannot take the guest (");
	CHECK(sender.sentences > 0);
}

TEST(an_interrupt_ends_the_waiting)
{
	struct sender sender;

	begin_with(&sender, PATIENCE_MS);
	answer_hello(&sender, NULL);
	json_decref(hear(&sender, "prepare"));
	interrupt_raise(sender.stop);
	end(&sender, "cancelled");
}

TEST_MAIN(TEST_OF(prepare_says_what_is_planned), TEST_OF(refusals_are_told),
	  TEST_OF(other_words_are_nonsense), TEST_OF(what_is_no_word_is_refused),
	  TEST_OF(silence_ends_with_patience),
	  TEST_OF(facts_that_do_not_fit_are_refused_line_by_line),
	  TEST_OF(an_interrupt_ends_the_waiting))
