/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* qmp_client_test.c - commands and events, and servers that do not play by the rules. */
#include "qmp/qmp_client.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/socket.h>

#include "qmp/qmp_commands_for_tests.h"
#include "tests/check.h"

#define PATIENCE_MS 60000
#define GREETING                                                                        \
	"{\"QMP\": {\"version\": {\"qemu\": {\"micro\": 22, \"minor\": 2, "             \
	"\"major\": 7}, \"package\": \"Debian\\u0007\"}, \"capabilities\": [\"oob\"], " \
	"\"more\": 1}, \"even more\": null}\r\n"
#define AGREED "{\"return\": {}, \"id\": 1}\r\n"

/* A server whose words are written beforehand: what it answers is there before anyone asks, so that
 * nothing depends on time. */
struct fixture {
	int server;
	struct interrupt *interrupt;
	struct qmp_client *client;
	struct gw_error err;
};

static void say(int fd, const char *text)
{
	if (*text)
		CHECK_EQ(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

static void set_up_for(struct fixture *f, const char *script, int timeout_ms)
{
	int ends[2];

	memset(f, 0, sizeof(*f));
	f->interrupt = interrupt_new(&f->err);
	CHECK(f->interrupt);
	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	f->server = ends[1];
	say(f->server, script);
	f->client = qmp_client_new(ends[0], f->interrupt, timeout_ms, &f->err);
}

static void set_up(struct fixture *f, const char *script)
{
	set_up_for(f, script, PATIENCE_MS);
}

static void tear_down(struct fixture *f)
{
	qmp_client_free(f->client);
	interrupt_free(f->interrupt);
	if (f->server >= 0)
		close(f->server);
}

static void set_up_client(struct fixture *f)
{
	set_up(f, GREETING AGREED);
	if (!f->client)
		CHECK_FAIL("%s", f->err.text);
}

static void stop_talking(struct fixture *f)
{
	shutdown(f->server, SHUT_WR);
}

/* `answer` is there before "stop" is asked. */
static void check_fails(struct fixture *f, const char *answer, enum gw_error_kind kind,
			const char *text)
{
	say(f->server, answer);
	CHECK_EQ(qmp_client_execute(f->client, "stop", NULL, NULL, &f->err), -1);
	CHECK_STR(f->err.text, text);
	CHECK_EQ(f->err.kind, kind);
}

static void check_event(struct fixture *f, const char *name)
{
	json_t *event;

	CHECK_EQ(qmp_client_event(f->client, &event, PATIENCE_MS, &f->err), 1);
	CHECK_STR(json_string_value(json_object_get(event, "event")), name);
	json_decref(event);
}

static void client_learns_who_it_talks_to(void)
{
	const struct qmp_version *version;
	struct fixture f;

	set_up_client(&f);
	version = qmp_client_version(f.client);
	CHECK_EQ(version->major, 7);
	CHECK_EQ(version->minor, 2);
	CHECK_EQ(version->micro, 22);
	CHECK_STR(version->package, "Debian\\x07");
	tear_down(&f);
}

static void greetings_are_checked(void)
{
	static const struct {
		const char *greeting, *text;
	} cases[] = {
		{ "{}\n", "QMP greeting: not that of QMP" },
		{ "{\"QMP\":{\"version\":{\"qemu\":{\"major\":7,\"minor\":2}}}}\n",
		  "QMP greeting: not that of QMP" },
		{ "{\"QMP\":{\"version\":{\"qemu\":{\"major\":7,\"minor\":2,"
		  "\"micro\":4294967296}}}}\n",
		  "QMP greeting: not that of QMP" },
		{ "[]",
		  "QMP greeting: not what QMP allows: a message that is no object" },
		{ "QEMU 7.2.22 monitor\n",
		  "QMP greeting: not what QMP allows: JSON parse error, stray 'Q'" },
		{ "{\"QMP\":", "QMP greeting: the other side closed the connection" },
		{ "", "QMP greeting: the other side closed the connection" },
		{ GREETING, "qmp_capabilities: the other side closed the connection" },
		{ GREETING "{\"error\":{\"class\":\"GenericError\",\"desc\":\"no\"}}",
		  "qmp_capabilities: no" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fixture f;
		struct gw_error err;
		int ends[2];

		memset(&f, 0, sizeof(f));
		CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
		f.server = ends[1];
		say(f.server, cases[i].greeting);
		stop_talking(&f);
		CHECK(!qmp_client_new(ends[0], NULL, PATIENCE_MS, &err));
		CHECK_STR(err.text, cases[i].text);
		CHECK_EQ(err.kind, GW_PEER);
		/* The descriptor was taken over. */
		CHECK_EQ(send(f.server, "x", 1, MSG_NOSIGNAL), -1);
		CHECK_EQ(errno, EPIPE);
		tear_down(&f);
	}
}

static void commands_are_sent_as_qmp_has_them(void)
{
	static const char expected[] = "{\"execute\": \"qmp_capabilities\", \"id\": 1}\n"
				       "{\"execute\": \"migrate\", \"id\": 2, "
				       "\"arguments\": {\"uri\": \"x\"}}\n";
	struct fixture f;
	json_t *result;
	char sent[256];
	ssize_t got;

	set_up_client(&f);
	say(f.server, "{\"return\": {\"a\": [1]}, \"id\": 2, \"unknown\": {}}\r\n");
	CHECK_OK(qmp_client_execute(f.client, "migrate", json_pack("{s:s}", "uri", "x"),
				    &result, &f.err),
		 &f.err);
	CHECK_EQ(json_array_size(json_object_get(result, "a")), 1);
	json_decref(result);
	got = recv(f.server, sent, sizeof(sent) - 1, MSG_DONTWAIT);
	CHECK_EQ(got, strlen(expected));
	sent[got] = '\0';
	CHECK_STR(sent, expected);
	tear_down(&f);
}

static void refusals_name_the_command(void)
{
	struct fixture f;

	set_up_client(&f);
	check_fails(&f,
		    "{\"error\":{\"class\":\"GenericError\",\"desc\":\"There's a "
		    "migration process in progress\"},\"id\":2}",
		    GW_PEER, "stop: There's a migration process in progress");
	check_fails(&f,
		    "{\"error\":{\"class\":\"CommandNotFound\",\"desc\":\"The command "
		    "stop has not been found\"},\"id\":3}",
		    GW_UNSUPPORTED, "stop: The command stop has not been found");
	check_fails(&f, "{\"error\":{\"desc\":\"one\\ntwo\\u001b[1m\"},\"id\":4}",
		    GW_PEER, "stop: one\\x0atwo\\x1b[1m");
	check_fails(&f, "{\"error\":1,\"id\":5}", GW_PEER,
		    "stop: refused without a reason");
	check_fails(&f, "{\"error\":{\"desc\":\"unreadable\"}}", GW_PEER,
		    "stop: unreadable");
	/* It can be used on. */
	say(f.server, "{\"return\":{},\"id\":7}");
	CHECK_OK(qmp_client_execute(f.client, "stop", NULL, NULL, &f.err), &f.err);
	tear_down(&f);
}

static void nonsense_ends_it(void)
{
#define NONSENSE "stop: not what QMP allows: "
	static const struct {
		const char *answer, *text;
	} cases[] = {
		{ "{\"return\":{},\"id\":3}",
		  NONSENSE "an answer to what was never asked for" },
		{ "{\"return\":{},\"id\":1}",
		  NONSENSE "an answer to what was never asked for" },
		{ "{\"return\":{},\"id\":\"2\"}",
		  NONSENSE "an answer to what was never asked for" },
		{ "{\"return\":{}}", NONSENSE "an answer to what was never asked for" },
		{ "{\"id\":2}", NONSENSE "neither an answer nor an event" },
		{ GREETING, NONSENSE "neither an answer nor an event" },
		{ "7 ", NONSENSE "a message that is no object" },
		{ "}", NONSENSE "JSON parse error, expecting value" },
		{ "\x1b[1m", NONSENSE "JSON parse error, stray '\\x1b'" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fixture f;

		set_up_client(&f);
		check_fails(&f, cases[i].answer, GW_PEER, cases[i].text);
		/* What it says later is not believed either. */
		check_fails(&f, "{\"return\":{},\"id\":2}{\"return\":{},\"id\":3}",
			    GW_PEER, cases[i].text);
		tear_down(&f);
	}
#undef NONSENSE
}

static void leaving_is_told(void)
{
	struct fixture f;
	json_t *event;

	set_up_client(&f);
	say(f.server, "{\"event\":\"STOP\"}{\"return\":");
	stop_talking(&f);
	check_fails(&f, "", GW_PEER, "stop: the other side closed the connection");
	/* What came before is still there. */
	check_event(&f, "STOP");
	CHECK_EQ(qmp_client_event(f.client, &event, PATIENCE_MS, &f.err), -1);
	CHECK_STR(f.err.text,
		  "waiting for an event: the other side closed the connection");
	close(f.server);
	f.server = -1;
	CHECK_EQ(qmp_client_execute(f.client, "cont", NULL, NULL, &f.err), -1);
	CHECK_STR(f.err.text, "cont: the other side closed the connection");
	tear_down(&f);
}

static void events_wait_while_an_answer_is_awaited(void)
{
	struct fixture f;
	json_t *event;

	set_up_client(&f);
	say(f.server, "{\"event\":\"ONE\"}{\"event\":\"TWO\"}{\"return\":{},\"id\":2}"
		      "{\"event\":\"THREE\"}");
	CHECK_OK(qmp_client_execute(f.client, "stop", NULL, NULL, &f.err), &f.err);
	check_event(&f, "ONE");
	check_event(&f, "TWO");
	check_event(&f, "THREE");
	CHECK_EQ(qmp_client_event(f.client, &event, 0, &f.err), 0);
	CHECK_EQ(qmp_client_dropped_events(f.client), 0);
	tear_down(&f);
}

static void events_beyond_the_bound_push_out_the_oldest(void)
{
	struct fixture f;

	set_up_client(&f);
	for (unsigned i = 1; i <= QMP_CLIENT_EVENTS_MAX + 5; i++) {
		char text[64];

		/* Each answer comes with an event before it, so that the socket never fills. */
		snprintf(text, sizeof(text),
			 "{\"event\":\"E%u\"}{\"return\":{},\"id\":%u}", i, i + 1);
		say(f.server, text);
		CHECK_OK(qmp_client_execute(f.client, "x", NULL, NULL, &f.err), &f.err);
		CHECK(recv(f.server, text, sizeof(text), MSG_DONTWAIT) > 0);
	}
	CHECK_EQ(qmp_client_dropped_events(f.client), 5);
	check_event(&f, "E6");
	tear_down(&f);
}

static void large_events_push_out_older_ones(void)
{
	static char text[QMP_CLIENT_EVENT_BYTES_MAX / 10];
	struct fixture f;

	set_up_client(&f);
	for (unsigned i = 1; i <= 12; i++) {
		int length =
			snprintf(text, sizeof(text), "{\"event\":\"E%u\",\"data\":\"", i);

		memset(text + length, 'x', sizeof(text) - (size_t)length);
		snprintf(text + sizeof(text) - 40, 40, "\"}{\"return\":{},\"id\":%u}",
			 i + 1);
		say(f.server, text);
		CHECK_OK(qmp_client_execute(f.client, "x", NULL, NULL, &f.err), &f.err);
	}
	CHECK_EQ(qmp_client_dropped_events(f.client), 2);
	check_event(&f, "E3");
	tear_down(&f);
}

static void silence_ends_with_the_time_out(void)
{
	struct fixture f;

	set_up_for(&f, GREETING, 20);
	CHECK(!f.client);
	CHECK_STR(f.err.text, "qmp_capabilities: no answer after 20 ms");
	CHECK_EQ(f.err.kind, GW_PEER);
	tear_down(&f);
	set_up_for(&f, "", 20);
	CHECK(!f.client);
	CHECK_CONTAINS(f.err.text, "QMP greeting: nothing for 20 ms");
	tear_down(&f);
}

/* A server that says nothing but events, for ever. */
static void *tell_events(void *state)
{
	static const char event[] = "{\"event\":\"STOP\"}";
	const int *fd = state;

	while (send(*fd, event, strlen(event), MSG_NOSIGNAL) > 0)
		;
	return NULL;
}

static void events_without_end_do_not_outrun_the_time_out(void)
{
	struct fixture f;
	pthread_t teller;

	/* Greeted and answered before anything was asked; then no answer comes. */
	set_up_for(&f, GREETING AGREED, 50);
	CHECK(f.client);
	CHECK_EQ(pthread_create(&teller, NULL, tell_events, &f.server), 0);
	CHECK_EQ(qmp_client_execute(f.client, "stop", NULL, NULL, &f.err), -1);
	CHECK_STR(f.err.text, "stop: no answer after 50 ms");
	qmp_client_free(f.client);
	f.client = NULL;
	pthread_join(teller, NULL);
	tear_down(&f);
}

static void late_answers_are_passed_over(void)
{
	struct fixture f;
	json_t *result;

	set_up_for(&f, GREETING AGREED, 20);
	CHECK(f.client);
	check_fails(&f, "", GW_PEER, "stop: no answer after 20 ms");
	say(f.server, "{\"return\":{\"late\":1},\"id\":2}{\"return\":{},\"id\":3}");
	CHECK_OK(qmp_client_execute(f.client, "cont", NULL, &result, &f.err), &f.err);
	CHECK_EQ(json_object_size(result), 0);
	json_decref(result);
	/* Once, that is. */
	check_fails(&f, "{\"return\":{},\"id\":2}", GW_PEER,
		    "stop: not what QMP allows: an answer to what was never asked for");
	tear_down(&f);
}

/* Raises the interrupt once a second command has come. */
static void *interrupt_second(void *state)
{
	struct fixture *f = state;
	unsigned lines = 0;
	char byte;

	while (lines < 2 && recv(f->server, &byte, 1, 0) == 1)
		lines += byte == '\n';
	interrupt_raise(f->interrupt);
	return NULL;
}

static void interrupt_ends_each_wait_and_can_be_replaced(void)
{
	pthread_t interrupter;
	struct fixture f;
	json_t *event;

	set_up_client(&f);
	CHECK_EQ(pthread_create(&interrupter, NULL, interrupt_second, &f), 0);
	CHECK_EQ(qmp_client_execute(f.client, "migrate", NULL, NULL, &f.err), -1);
	pthread_join(interrupter, NULL);
	CHECK_STR(f.err.text, "migrate: cancelled");
	CHECK_EQ(f.err.kind, GW_CANCELLED);
	CHECK_EQ(qmp_client_event(f.client, &event, -1, &f.err), -1);
	CHECK_EQ(f.err.kind, GW_CANCELLED);
	/* Nothing is asked any more. */
	CHECK_EQ(qmp_client_execute(f.client, "cont", NULL, NULL, &f.err), -1);
	CHECK_STR(f.err.text, "cont: cancelled");
	CHECK_EQ(recv(f.server, &(char){ 0 }, 1, MSG_DONTWAIT), -1);
	qmp_client_set_interrupt(f.client, NULL);
	say(f.server, "{\"return\":{},\"id\":3}");
	CHECK_OK(qmp_client_execute(f.client, "migrate_cancel", NULL, NULL, &f.err),
		 &f.err);
	tear_down(&f);
}

static void who_takes_nothing_is_called_so(void)
{
	struct fixture f;
	char *text = malloc(8 << 20);

	CHECK(text);
	memset(text, 'x', (8 << 20) - 1);
	text[(8 << 20) - 1] = '\0';
	set_up_for(&f, GREETING AGREED, 200);
	CHECK(f.client);
	CHECK_EQ(qmp_client_execute(f.client, "migrate", json_pack("{s:s}", "uri", text),
				    NULL, &f.err),
		 -1);
	CHECK_STR(f.err.text, "migrate: the other side took nothing for 200 ms");
	free(text);
	/* Half of that command is out: nothing sensible can follow. */
	CHECK_EQ(qmp_client_execute(f.client, "stop", NULL, NULL, &f.err), -1);
	CHECK_STR(f.err.text, "stop: the other side took nothing for 200 ms");
	tear_down(&f);
}

/* A server of ours on a thread of its own, until told to end. */
struct serving {
	struct test_commands commands;
	struct qmp_server *server;
	int fd;
	atomic_bool over;
};

static void *serve(void *state)
{
	struct serving *s = state;
	struct pollfd fds[QMP_SERVER_CLIENTS_MAX];

	qmp_server_admit(s->server, s->fd);
	while (!atomic_load(&s->over)) {
		uint32_t count = qmp_server_watch(s->server, fds);

		if (poll(fds, count, 10) > 0)
			qmp_server_serve(s->server, fds, count);
	}
	return NULL;
}

static void client_and_server_understand_each_other(void)
{
	struct gw_error err;
	struct serving s = { 0 };
	struct qmp_client *client;
	json_t *result, *event;
	pthread_t thread;
	int ends[2];

	s.server = test_server_new(&s.commands, NULL, &err);
	CHECK(s.server);
	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	s.fd = ends[1];
	CHECK_EQ(pthread_create(&thread, NULL, serve, &s), 0);
	client = qmp_client_new(ends[0], NULL, PATIENCE_MS, &err);
	if (!client)
		CHECK_FAIL("%s", err.text);
	CHECK_STR(qmp_client_version(client)->package, "for tests");
	CHECK_OK(qmp_client_execute(client, "echo", json_pack("{s:s}", "a", "é\"}\n"),
				    &result, &err),
		 &err);
	CHECK_STR(json_string_value(json_object_get(result, "a")), "é\"}\n");
	json_decref(result);
	CHECK_OK(qmp_client_execute(client, "stop", NULL, NULL, &err), &err);
	CHECK_EQ(qmp_client_event(client, &event, 0, &err), 1);
	CHECK_STR(json_string_value(json_object_get(event, "event")), "STOP");
	json_decref(event);
	CHECK_EQ(qmp_client_execute(client, "migrate", json_pack("{s:s}", "uri", "busy"),
				    NULL, &err),
		 -1);
	CHECK_STR(err.text, "migrate: There's a migration process in progress");
	CHECK_EQ(qmp_client_execute(client, "nosuch", NULL, NULL, &err), -1);
	CHECK_EQ(err.kind, GW_UNSUPPORTED);
	atomic_store(&s.over, true);
	pthread_join(thread, NULL);
	qmp_server_free(s.server);
	qmp_client_free(client);
}

TEST_MAIN({ "client_learns_who_it_talks_to", client_learns_who_it_talks_to },
	  { "greetings_are_checked", greetings_are_checked },
	  { "commands_are_sent_as_qmp_has_them", commands_are_sent_as_qmp_has_them },
	  { "refusals_name_the_command", refusals_name_the_command },
	  { "nonsense_ends_it", nonsense_ends_it },
	  { "leaving_is_told", leaving_is_told },
	  { "events_wait_while_an_answer_is_awaited",
	    events_wait_while_an_answer_is_awaited },
	  { "events_beyond_the_bound_push_out_the_oldest",
	    events_beyond_the_bound_push_out_the_oldest },
	  { "large_events_push_out_older_ones", large_events_push_out_older_ones },
	  { "silence_ends_with_the_time_out", silence_ends_with_the_time_out },
	  { "events_without_end_do_not_outrun_the_time_out",
	    events_without_end_do_not_outrun_the_time_out },
	  { "late_answers_are_passed_over", late_answers_are_passed_over },
	  { "interrupt_ends_each_wait_and_can_be_replaced",
	    interrupt_ends_each_wait_and_can_be_replaced },
	  { "who_takes_nothing_is_called_so", who_takes_nothing_is_called_so },
	  { "client_and_server_understand_each_other",
	    client_and_server_understand_each_other })
