/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* qmp_server_test.c - the texts of QEMU 7.2, events in its order, and clients that misbehave. */
#include "qmp/qmp_server.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>

#include "qmp/qmp_commands_for_tests.h"
#include "tests/check.h"

#define GREETING                                                            \
	"{\"QMP\": {\"version\": {\"qemu\": {\"micro\": 22, \"minor\": 2, " \
	"\"major\": 7}, \"package\": \"for tests\"}, \"capabilities\": []}}\r\n"
#define NEGOTIATE "{\"execute\":\"qmp_capabilities\"}"
#define EMPTY "{\"return\": {}}\r\n"

struct fixture {
	struct test_commands commands;
	struct qmp_server *server;
	char logged[1024];
	struct log log;
	struct gw_error err;
};

static void keep_line(void *state, enum log_level level, const char *text)
{
	struct fixture *f = state;
	size_t used = strlen(f->logged);

	snprintf(f->logged + used, sizeof(f->logged) - used, "%s\n", text);
}

static void set_up(struct fixture *f)
{
	memset(f, 0, sizeof(*f));
	f->log = (struct log){ LOG_LEVEL_INFO, keep_line, f };
	f->server = test_server_new(&f->commands, &f->log, &f->err);
	CHECK(f->server);
}

/* The client's end of a connection that was just admitted. */
static int connect_client(struct fixture *f)
{
	int ends[2];

	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	qmp_server_admit(f->server, ends[1]);
	return ends[0];
}

/* Until there is nothing to do; how many clients there are then. */
static uint32_t serve(struct fixture *f)
{
	struct pollfd fds[QMP_SERVER_CLIENTS_MAX];
	uint32_t count = qmp_server_watch(f->server, fds);

	while (poll(fds, count, 0) > 0) {
		qmp_server_serve(f->server, fds, count);
		count = qmp_server_watch(f->server, fds);
	}
	return count;
}

/* What has come so far, cut to `room`; "<end>" follows when the server has closed. */
static void hear(int fd, char *heard, size_t room)
{
	size_t used = 0;
	ssize_t got;

	while ((got = recv(fd, heard + used, room - used - 8, MSG_DONTWAIT)) > 0)
		used += (size_t)got;
	heard[used] = '\0';
	if (got == 0 || errno == ECONNRESET)
		strcat(heard, "<end>");
}

static void say(int fd, const char *text)
{
	CHECK_EQ(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

static void check_heard(int fd, const char *expected)
{
	char heard[4096];

	hear(fd, heard, sizeof(heard));
	CHECK_STR(heard, expected);
}

static int connect_negotiated(struct fixture *f)
{
	int fd = connect_client(f);

	say(fd, NEGOTIATE);
	serve(f);
	check_heard(fd, GREETING EMPTY);
	return fd;
}

static void check_answer(struct fixture *f, int fd, const char *request,
			 const char *expected)
{
	say(fd, request);
	serve(f);
	check_heard(fd, expected);
}

static void check_refused(struct fixture *f, int fd, const char *request,
			  const char *class, const char *text)
{
	char expected[512];

	snprintf(expected, sizeof(expected),
		 "{\"error\": {\"class\": \"%s\", \"desc\": \"%s\"}}\r\n", class, text);
	check_answer(f, fd, request, expected);
}

static void nothing_but_negotiation_comes_first(void)
{
	static const char text[] =
		"Expecting capabilities negotiation with 'qmp_capabilities'";
	struct fixture f;
	int fd;

	set_up(&f);
	fd = connect_client(&f);
	check_heard(fd, GREETING);
	check_refused(&f, fd, "{\"execute\":\"stop\"}", "CommandNotFound", text);
	check_refused(&f, fd, "{\"execute\":\"query-version\"}", "CommandNotFound", text);
	check_refused(&f, fd, "{\"execute\":\"nosuch\"}", "CommandNotFound", text);
	check_refused(&f, fd, "{\"execute\":1}", "GenericError",
		      "QMP input member 'execute' must be a string");
	check_answer(&f, fd, NEGOTIATE, EMPTY);
	check_refused(&f, fd, NEGOTIATE, "CommandNotFound",
		      "Capabilities negotiation is already complete, command ignored");
	CHECK_EQ(f.commands.run, 0);
	close(fd);
	qmp_server_free(f.server);
}

static void capabilities_are_checked(void)
{
	static const struct {
		const char *arguments, *text;
	} cases[] = {
		{ "{\"enable\":1}",
		  "Invalid parameter type for 'enable', expected: array" },
		{ "{\"enable\":[\"oob\",1]}",
		  "Invalid parameter type for 'enable[1]', expected: string" },
		{ "{\"enable\":[\"nosuch\"]}",
		  "Parameter 'null' does not accept value 'nosuch'" },
		{ "{\"enable\":[\"oob\"]}", "Capability oob not available" },
		{ "{\"x\":1}", "Parameter 'x' is unexpected" },
	};
	struct fixture f;
	int fd;

	set_up(&f);
	fd = connect_client(&f);
	check_heard(fd, GREETING);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char request[128];

		snprintf(request, sizeof(request),
			 "{\"execute\":\"qmp_capabilities\",\"arguments\":%s}",
			 cases[i].arguments);
		check_refused(&f, fd, request, "GenericError", cases[i].text);
	}
	check_answer(&f, fd,
		     "{\"execute\":\"qmp_capabilities\",\"arguments\":{\"enable\":[]}}",
		     EMPTY);
	close(fd);
	qmp_server_free(f.server);
}

static void requests_are_refused_as_qemu_does(void)
{
#define MIGRATE(arguments) "{\"execute\":\"migrate\",\"arguments\":" arguments "}"
	static const struct {
		const char *request, *text;
	} cases[] = {
		{ "{}", "QMP input lacks member 'execute'" },
		{ "[]", "QMP input must be a JSON object" },
		{ "\\\"x\\\"\n", "JSON parse error, stray '\\\\'" },
		{ "}", "JSON parse error, expecting value" },
		{ "{\"execute\":null}", "QMP input member 'execute' must be a string" },
		{ "{\"execute\":\"stop\",\"arguments\":null}",
		  "QMP input member 'arguments' must be an object" },
		{ "{\"execute\":\"stop\",\"control\":1}",
		  "QMP input member 'control' is unexpected" },
		{ "{\"exec-oob\":\"stop\"}",
		  "QMP input member 'exec-oob' is unexpected" },
		{ "{\"execute\":\"stop\",\"arguments\":{\"a\":1}}",
		  "Parameter 'a' is unexpected" },
		{ "{\"execute\":\"migrate\"}", "Parameter 'uri' is missing" },
		{ MIGRATE("{\"nosuch\":1}"), "Parameter 'uri' is missing" },
		{ MIGRATE("{\"uri\":1,\"nosuch\":1}"),
		  "Invalid parameter type for 'uri', expected: string" },
		{ MIGRATE("{\"uri\":null}"),
		  "Invalid parameter type for 'uri', expected: string" },
		{ MIGRATE("{\"uri\":\"x\",\"nosuch\":1}"),
		  "Parameter 'nosuch' is unexpected" },
		{ MIGRATE("{\"uri\":\"x\",\"detach\":1}"),
		  "Invalid parameter type for 'detach', expected: boolean" },
		{ MIGRATE("{\"uri\":\"x\",\"count\":1.0}"),
		  "Invalid parameter type for 'count', expected: integer" },
		{ MIGRATE("{\"uri\":\"x\",\"channels\":{}}"),
		  "Invalid parameter type for 'channels', expected: array" },
		{ MIGRATE("{\"uri\":\"x\",\"options\":[]}"),
		  "Invalid parameter type for 'options', expected: object" },
		{ MIGRATE("{\"uri\":\"busy\"}"),
		  "There's a migration process in progress" },
	};
	struct fixture f;
	int fd;

	set_up(&f);
	fd = connect_negotiated(&f);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		check_refused(&f, fd, cases[i].request, "GenericError", cases[i].text);
	check_refused(&f, fd, "{\"execute\":\"nosuch\\u0007\\u00e9\"}", "CommandNotFound",
		      "The command nosuch\\u0007\\u00E9 has not been found");
	CHECK_EQ(f.commands.run, 1);
	check_answer(&f, fd,
		     MIGRATE("{\"uri\":\"x\",\"detach\":true,\"count\":2,"
			     "\"channels\":[],\"options\":{},\"anything\":null}"),
		     EMPTY);
	close(fd);
	qmp_server_free(f.server);
#undef MIGRATE
}

static void id_comes_back_whatever_it_is(void)
{
	static const char *const ids[] = { "1",	   "\"x\"",
					   "null", "[1, {\"a\": null}]",
					   "1.5",  "{\"b\": 1, \"a\": 2}" };
	struct fixture f;
	int fd;

	set_up(&f);
	fd = connect_negotiated(&f);
	for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
		char request[128], expected[192];

		snprintf(request, sizeof(request), "{\"id\":%s,\"execute\":\"echo\"}",
			 ids[i]);
		snprintf(expected, sizeof(expected), "{\"return\": {}, \"id\": %s}\r\n",
			 ids[i]);
		check_answer(&f, fd, request, expected);
		snprintf(request, sizeof(request), "{\"id\":%s}", ids[i]);
		snprintf(expected, sizeof(expected),
			 "{\"id\": %s, \"error\": {\"class\": \"GenericError\", "
			 "\"desc\": \"QMP input lacks member 'execute'\"}}\r\n",
			 ids[i]);
		check_answer(&f, fd, request, expected);
	}
	close(fd);
	qmp_server_free(f.server);
}

static void server_tells_what_it_is(void)
{
	struct fixture f;
	int fd;

	set_up(&f);
	fd = connect_negotiated(&f);
	check_answer(
		&f, fd, "{\"execute\":\"query-version\"}",
		"{\"return\": {\"qemu\": {\"micro\": 22, \"minor\": 2, \"major\": 7}, "
		"\"package\": \"for tests\"}}\r\n");
	check_answer(&f, fd, "{\"execute\":\"query-commands\"}",
		     "{\"return\": [{\"name\": \"qmp_capabilities\"}, "
		     "{\"name\": \"query-commands\"}, {\"name\": \"query-version\"}, "
		     "{\"name\": \"stop\"}, {\"name\": \"migrate\"}, "
		     "{\"name\": \"echo\"}]}\r\n");
	close(fd);
	qmp_server_free(f.server);
}

/* Cuts out "timestamp", whose value is the time. */
static void hear_without_time(int fd, char *heard, size_t room)
{
	static const char begin[] = "{\"timestamp\": {\"seconds\": ";
	char *at;

	hear(fd, heard, room);
	while ((at = strstr(heard, begin))) {
		char *end = strchr(at, '}');
		long long seconds;
		long microseconds;

		CHECK(end);
		CHECK_EQ(sscanf(at + strlen(begin), "%lld, \"microseconds\": %ld",
				&seconds, &microseconds),
			 2);
		CHECK(seconds > 1000000000 && microseconds >= 0 &&
		      microseconds < 1000000);
		memmove(at + 1, end + 3, strlen(end + 3) + 1);
	}
}

static void events_go_to_those_who_negotiated(void)
{
	struct fixture f;
	char heard[1024];
	int asking, listening, silent;

	set_up(&f);
	asking = connect_negotiated(&f);
	listening = connect_negotiated(&f);
	silent = connect_client(&f);
	check_heard(silent, GREETING);
	say(asking, "{\"execute\":\"stop\",\"id\":1}{\"execute\":\"echo\"}");
	serve(&f);
	/* QEMU says STOP before it answers "stop". */
	hear_without_time(asking, heard, sizeof(heard));
	CHECK_STR(heard, "{\"event\": \"STOP\"}\r\n"
			 "{\"return\": {}, \"id\": 1}\r\n" EMPTY);
	hear_without_time(listening, heard, sizeof(heard));
	CHECK_STR(heard, "{\"event\": \"STOP\"}\r\n");
	qmp_server_event(f.server, "MIGRATION", json_pack("{s:s}", "status", "setup"));
	serve(&f);
	hear_without_time(listening, heard, sizeof(heard));
	CHECK_STR(heard,
		  "{\"event\": \"MIGRATION\", \"data\": {\"status\": \"setup\"}}\r\n");
	check_heard(silent, "");
	close(asking);
	close(listening);
	close(silent);
	CHECK_EQ(serve(&f), 0);
	qmp_server_free(f.server);
}

static void requests_may_come_in_any_split(void)
{
	static const char text[] = NEGOTIATE "{\"execute\":\"echo\",\"id\":\"}{\"}";
	struct fixture f;

	set_up(&f);
	for (size_t at = 1; at < sizeof(text) - 1; at++) {
		int fd = connect_client(&f);

		CHECK_EQ(send(fd, text, at, 0), at);
		serve(&f);
		say(fd, text + at);
		serve(&f);
		check_heard(fd, GREETING EMPTY "{\"return\": {}, \"id\": \"}{\"}\r\n");
		close(fd);
		CHECK_EQ(serve(&f), 0);
	}
	qmp_server_free(f.server);
}

static void who_stops_talking_is_still_answered(void)
{
	struct fixture f;
	int fd;

	set_up(&f);
	fd = connect_client(&f);
	say(fd, NEGOTIATE "{\"execute\":\"echo\"}");
	shutdown(fd, SHUT_WR);
	CHECK_EQ(serve(&f), 0);
	check_heard(fd, GREETING EMPTY EMPTY "<end>");
	close(fd);
	qmp_server_free(f.server);
}

static void who_leaves_harms_nobody(void)
{
	struct fixture f;
	int stays, leaves;

	set_up(&f);
	stays = connect_negotiated(&f);
	leaves = connect_client(&f);
	say(leaves, NEGOTIATE "{\"execute\":\"echo\"}");
	close(leaves);
	CHECK_EQ(serve(&f), 1);
	check_answer(&f, stays, "{\"execute\":\"echo\"}", EMPTY);
	close(stays);
	qmp_server_free(f.server);
}

static void who_does_not_read_is_dropped(void)
{
	struct fixture f;
	int slow, quick;
	uint32_t told = 0;
	char heard[4096];

	set_up(&f);
	slow = connect_negotiated(&f);
	quick = connect_negotiated(&f);
	/* An event is more than 64 bytes: this is enough, whatever the socket takes. */
	while (serve(&f) == 2 && told < 2 * (QMP_SERVER_BACKLOG_BYTES / 64)) {
		qmp_server_event(f.server, "RESUME", NULL);
		hear(quick, heard, sizeof(heard));
		told++;
	}
	CHECK_EQ(serve(&f), 1);
	CHECK_CONTAINS(f.logged, "QMP client 1: closed: it does not read");
	CHECK(told > QMP_SERVER_BACKLOG_BYTES / 256);
	hear(quick, heard, sizeof(heard));
	check_answer(&f, quick, "{\"execute\":\"echo\"}", EMPTY);
	close(slow);
	close(quick);
	qmp_server_free(f.server);
}

static void who_asks_without_reading_has_to_wait(void)
{
	static const char request[] = "{\"execute\":\"query-commands\"}";
	struct fixture f;
	size_t asked = 0, answered = 0;
	char heard[65536];
	int fd;

	set_up(&f);
	fd = connect_negotiated(&f);
	/* Until neither side takes any more. */
	while (send(fd, request, strlen(request), MSG_DONTWAIT) ==
	       (ssize_t)strlen(request)) {
		asked++;
		CHECK_EQ(serve(&f), 1);
	}
	/* The last one was sent in part, or not at all; all others are answered once it reads. */
	do {
		hear(fd, heard, sizeof(heard));
		for (const char *at = heard; (at = strchr(at, '\n')); at++)
			answered++;
		CHECK_EQ(serve(&f), 1);
	} while (answered < asked && *heard);
	CHECK_EQ(answered, asked);
	close(fd);
	qmp_server_free(f.server);
}

static void too_long_a_request_is_refused(void)
{
	static char text[QMP_SERVER_MESSAGE_BYTES_MAX + 2];
	struct fixture f;
	size_t sent = 0;
	int fd;

	set_up(&f);
	fd = connect_negotiated(&f);
	memset(text, 'x', sizeof(text));
	text[0] = '"';
	text[sizeof(text) - 1] = '\n';
	while (sent < sizeof(text)) {
		ssize_t done = send(fd, text + sent, sizeof(text) - sent, MSG_DONTWAIT);

		sent += done > 0 ? (size_t)done : 0;
		serve(&f);
	}
	check_heard(fd, "{\"error\": {\"class\": \"GenericError\", "
			"\"desc\": \"JSON token size limit exceeded\"}}\r\n");
	check_answer(&f, fd, "{\"execute\":\"echo\"}", EMPTY);
	close(fd);
	qmp_server_free(f.server);
}

static void clients_are_bounded(void)
{
	int fds[QMP_SERVER_CLIENTS_MAX + 1];
	struct fixture f;

	set_up(&f);
	for (size_t i = 0; i <= QMP_SERVER_CLIENTS_MAX; i++)
		fds[i] = connect_client(&f);
	check_heard(fds[QMP_SERVER_CLIENTS_MAX], "<end>");
	CHECK_CONTAINS(f.logged, "one more client, but at most 16");
	for (size_t i = 0; i < QMP_SERVER_CLIENTS_MAX; i++)
		check_heard(fds[i], GREETING);
	close(fds[0]);
	CHECK_EQ(serve(&f), QMP_SERVER_CLIENTS_MAX - 1);
	fds[0] = connect_negotiated(&f);
	for (size_t i = 0; i <= QMP_SERVER_CLIENTS_MAX; i++)
		close(fds[i]);
	qmp_server_free(f.server);
}

static void flush_writes_what_waits(void)
{
	struct fixture f;
	char heard[1024];
	int fd;

	set_up(&f);
	fd = connect_negotiated(&f);
	qmp_server_event(f.server, "SHUTDOWN", NULL);
	check_heard(fd, "");
	qmp_server_flush(f.server, 60000);
	hear_without_time(fd, heard, sizeof(heard));
	CHECK_STR(heard, "{\"event\": \"SHUTDOWN\"}\r\n");
	/* Of one that does not read it waits no longer than it was told. */
	for (size_t i = 0; i < QMP_SERVER_BACKLOG_BYTES / 256; i++)
		qmp_server_event(f.server, "SHUTDOWN", NULL);
	qmp_server_flush(f.server, 1);
	close(fd);
	qmp_server_flush(f.server, 60000);
	CHECK_EQ(serve(&f), 0);
	qmp_server_free(f.server);
}

TEST_MAIN({ "nothing_but_negotiation_comes_first", nothing_but_negotiation_comes_first },
	  { "capabilities_are_checked", capabilities_are_checked },
	  { "requests_are_refused_as_qemu_does", requests_are_refused_as_qemu_does },
	  { "id_comes_back_whatever_it_is", id_comes_back_whatever_it_is },
	  { "server_tells_what_it_is", server_tells_what_it_is },
	  { "events_go_to_those_who_negotiated", events_go_to_those_who_negotiated },
	  { "requests_may_come_in_any_split", requests_may_come_in_any_split },
	  { "who_stops_talking_is_still_answered", who_stops_talking_is_still_answered },
	  { "who_leaves_harms_nobody", who_leaves_harms_nobody },
	  { "who_does_not_read_is_dropped", who_does_not_read_is_dropped },
	  { "who_asks_without_reading_has_to_wait",
	    who_asks_without_reading_has_to_wait },
	  { "too_long_a_request_is_refused", too_long_a_request_is_refused },
	  { "clients_are_bounded", clients_are_bounded },
	  { "flush_writes_what_waits", flush_writes_what_waits })
