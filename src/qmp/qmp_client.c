/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* qmp_client.c - the QEMU Machine Protocol, as the one who asks.
 *
 * Commands are numbered from 1 in their "id".  An answer belongs to the command under way, or is
 * the late one of a command that was given up; any other number is nonsense.  After nonsense, or
 * once the other side has left, each call says so again. */
#include "qmp/qmp_client.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "base/deadline.h"
#include "qmp/json_stream.h"

#define INPUT_BYTES ((size_t)64 << 10)

struct event {
	json_t *json;
	size_t bytes; /* of the stream */
};

struct qmp_client {
	int fd;
	const struct interrupt *interrupt;
	int timeout_ms;
	struct qmp_version version;
	struct json_stream *stream;
	json_int_t asked;    /* the last command's id */
	json_int_t answered; /* the last answer's */
	bool broken;
	struct gw_error why; /* it is broken */
	/* A ring: the oldest at events[first]. */
	struct event events[QMP_CLIENT_EVENTS_MAX];
	uint32_t first;
	uint32_t event_count;
	size_t event_bytes;
	uint64_t dropped_events;
	char input[INPUT_BYTES];
};

static json_t *take_event(struct qmp_client *client)
{
	struct event *event = &client->events[client->first];

	if (client->event_count == 0)
		return NULL;
	client->first = (client->first + 1) % QMP_CLIENT_EVENTS_MAX;
	client->event_count--;
	client->event_bytes -= event->bytes;
	return MOVE(event->json);
}

static bool events_have_room(const struct qmp_client *client, size_t bytes)
{
	return client->event_count == 0 ||
	       (client->event_count < QMP_CLIENT_EVENTS_MAX &&
		client->event_bytes + bytes <= QMP_CLIENT_EVENT_BYTES_MAX);
}

/* Takes over `json`. */
static void keep_event(struct qmp_client *client, json_t *json)
{
	size_t bytes = json_stream_value_bytes(client->stream);
	uint32_t last;

	while (!events_have_room(client, bytes)) {
		json_decref(take_event(client));
		client->dropped_events++;
	}
	last = (client->first + client->event_count++) % QMP_CLIENT_EVENTS_MAX;
	client->events[last] = (struct event){ json, bytes };
	client->event_bytes += bytes;
}

void qmp_client_free(struct qmp_client *client)
{
	json_t *event;

	if (!client)
		return;
	while ((event = take_event(client)))
		json_decref(event);
	json_stream_free(client->stream);
	if (client->fd >= 0)
		close(client->fd);
	free(client);
}

const struct qmp_version *qmp_client_version(const struct qmp_client *client)
{
	return &client->version;
}

void qmp_client_set_interrupt(struct qmp_client *client,
			      const struct interrupt *interrupt)
{
	client->interrupt = interrupt;
}

bool qmp_client_is_hung_up(const struct qmp_client *client)
{
	struct pollfd poll_fd = { .fd = client->fd };

	return poll(&poll_fd, 1, 0) > 0 && (poll_fd.revents & POLLHUP);
}

uint64_t qmp_client_dropped_events(const struct qmp_client *client)
{
	return client->dropped_events;
}

/* From now on *err is what each call ends with. */
static int fail_for_good(struct qmp_client *client, const struct gw_error *err)
{
	client->broken = true;
	client->why = *err;
	return -1;
}

static int fail_nonsense(struct qmp_client *client, struct gw_error *err,
			 const char *what)
{
	fail(err, GW_PEER, "not what QMP allows: %s", what);
	return fail_for_good(client, err);
}

static int check_sound(const struct qmp_client *client, struct gw_error *err)
{
	if (client->broken)
		*err = client->why;
	return client->broken ? -1 : 0;
}

static int check_interrupt(const struct qmp_client *client, struct gw_error *err)
{
	if (client->interrupt && interrupt_raised(client->interrupt))
		return fail(err, GW_CANCELLED, "cancelled");
	return 0;
}

/* 1: readable or writable, 0: the time is over, -1. */
static int wait_for(const struct qmp_client *client, short events,
		    const struct deadline *deadline, struct gw_error *err)
{
	return interrupt_poll(client->interrupt, client->fd, events,
			      deadline_left_ms(deadline), err);
}

/* As recv(); EAGAIN means that there is nothing yet. */
static bool must_wait(ssize_t done)
{
	return done < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR);
}

/* 1: some bytes came, 0: the time is over, -1. */
static int receive(struct qmp_client *client, const struct deadline *deadline,
		   struct gw_error *err)
{
	ssize_t got;

	do {
		int ready = wait_for(client, POLLIN, deadline, err);

		if (ready <= 0)
			return ready;
		got = recv(client->fd, client->input, sizeof(client->input),
			   MSG_DONTWAIT);
	} while (must_wait(got));
	if (got < 0)
		fail_errno(err, errno);
	else if (got == 0)
		fail(err, GW_PEER, "the other side closed the connection");
	if (got <= 0)
		return fail_for_good(client, err);
	json_stream_feed(client->stream, client->input, (size_t)got);
	return 1;
}

/* 1: *message is the next one and the caller's, 0: the time is over, -1. */
static int next_message(struct qmp_client *client, json_t **message,
			const struct deadline *deadline, struct gw_error *err)
{
	int found;

	/* Messages without end must not outrun it. */
	if (check_interrupt(client, err) < 0)
		return -1;
	while ((found = json_stream_next(client->stream, message, err)) == 0) {
		int got = receive(client, deadline, err);

		if (got <= 0)
			return got;
	}
	if (found < 0) {
		char shown[160];

		printable(shown, sizeof(shown), err->text, (unsigned)strlen(err->text));
		return fail_nonsense(client, err, shown);
	}
	if (json_is_object(*message))
		return 1;
	json_decref(*message);
	return fail_nonsense(client, err, "a message that is no object");
}

/* The same, but an event is kept for qmp_client_event(), and *answer is NULL then. */
static int next_answer(struct qmp_client *client, json_t **answer,
		       const struct deadline *deadline, struct gw_error *err)
{
	int found = next_message(client, answer, deadline, err);

	if (found > 0 && json_object_get(*answer, "event"))
		keep_event(client, MOVE(*answer));
	return found;
}

static int fail_late(const struct qmp_client *client, struct gw_error *err)
{
	return fail(err, GW_PEER, "no answer after %d ms", client->timeout_ms);
}

/* 1: of the command under way, 0: of one that was given up, -1. */
static int answer_is_ours(struct qmp_client *client, const json_t *answer,
			  struct gw_error *err)
{
	const json_t *id = json_object_get(answer, "id");
	bool is_error = json_object_get(answer, "error");
	json_int_t number = json_integer_value(id);

	if (!is_error && !json_object_get(answer, "return"))
		return fail_nonsense(client, err, "neither an answer nor an event");
	/* What could not be read is refused without its id. */
	if (is_error && !id)
		return 1;
	if (!json_is_integer(id) || number <= client->answered || number > client->asked)
		return fail_nonsense(client, err,
				     "an answer to what was never asked for");
	client->answered = number;
	return number == client->asked;
}

static int fail_refused(const json_t *error, struct gw_error *err)
{
	const char *class = json_string_value(json_object_get(error, "class"));
	const char *text = json_string_value(json_object_get(error, "desc"));
	bool unknown = class && strcmp(class, "CommandNotFound") == 0;
	char shown[200];

	if (!text)
		text = "refused without a reason";
	printable(shown, sizeof(shown), text, (unsigned)strlen(text));
	return fail(err, unknown ? GW_UNSUPPORTED : GW_PEER, "%s", shown);
}

static int wait_for_answer(struct qmp_client *client, json_t **result,
			   const struct deadline *deadline, struct gw_error *err)
{
	json_t *answer, *error;
	int ours, status = 0;

	do {
		int found = next_answer(client, &answer, deadline, err);

		if (found < 0)
			return -1;
		/* Events without end must not outrun the time-out. */
		if (found == 0 || (!answer && deadline_left_ms(deadline) == 0))
			return fail_late(client, err);
		ours = answer ? answer_is_ours(client, answer, err) : 0;
		if (ours <= 0)
			json_decref(answer);
	} while (ours == 0);
	if (ours < 0)
		return -1;
	error = json_object_get(answer, "error");
	if (error)
		status = fail_refused(error, err);
	else if (result)
		*result = json_incref(json_object_get(answer, "return"));
	json_decref(answer);
	return status;
}

/* A command that was sent in part would spoil whatever is sent after it. */
static int send_text(struct qmp_client *client, const char *text,
		     const struct deadline *deadline, struct gw_error *err)
{
	size_t length = strlen(text), done = 0;

	while (done < length) {
		ssize_t sent = send(client->fd, text + done, length - done,
				    MSG_NOSIGNAL | MSG_DONTWAIT);
		int ready;

		if (sent >= 0) {
			done += (size_t)sent;
			continue;
		}
		if (!must_wait(sent)) {
			fail_errno(err, errno);
			return fail_for_good(client, err);
		}
		ready = wait_for(client, POLLOUT, deadline, err);
		if (ready == 0)
			fail(err, GW_PEER, "the other side took nothing for %d ms",
			     client->timeout_ms);
		if (ready <= 0)
			return done > 0 ? fail_for_good(client, err) : -1;
	}
	return 0;
}

static char *command_text(json_int_t id, const char *command, json_t *arguments)
{
	json_t *json = json_pack("{s:s,s:I,s:o*}", "execute", command, "id", id,
				 "arguments", arguments);
	char *text = json ? json_dumps(json, JSON_ENSURE_ASCII) : NULL;
	size_t length = text ? strlen(text) : 0;
	char *line = text ? realloc(text, length + 2) : NULL;

	json_decref(json);
	if (!line) {
		free(text);
		return NULL;
	}
	memcpy(line + length, "\n", 2);
	return line;
}

/* Takes over `arguments`. */
static int execute(struct qmp_client *client, const char *command, json_t *arguments,
		   json_t **result, struct gw_error *err)
{
	struct deadline deadline = deadline_in(client->timeout_ms);
	OWNED_MEMORY char *text = command_text(client->asked + 1, command, arguments);

	if (!text)
		return fail(err, GW_USAGE, "command or arguments are no JSON");
	/* Who wants to stop begins nothing new. */
	if (check_sound(client, err) < 0 || check_interrupt(client, err) < 0 ||
	    send_text(client, text, &deadline, err) < 0)
		return -1;
	client->asked++;
	return wait_for_answer(client, result, &deadline, err);
}

int qmp_client_execute(struct qmp_client *client, const char *command, json_t *arguments,
		       json_t **result, struct gw_error *err)
{
	if (execute(client, command, arguments, result, err) < 0)
		return fail_in(err, "%s", command);
	return 0;
}

static int wait_for_event(struct qmp_client *client, const struct deadline *deadline,
			  struct gw_error *err)
{
	while (client->event_count == 0) {
		json_t *answer;
		int found = check_sound(client, err);

		if (found == 0)
			found = next_answer(client, &answer, deadline, err);
		if (found <= 0)
			return found;
		if (answer) {
			found = answer_is_ours(client, answer, err);
			json_decref(answer);
		}
		if (found < 0)
			return -1;
	}
	return 1;
}

int qmp_client_event(struct qmp_client *client, json_t **event, int timeout_ms,
		     struct gw_error *err)
{
	struct deadline deadline = deadline_in(timeout_ms);
	int found = wait_for_event(client, &deadline, err);

	if (found < 0)
		return fail_in(err, "waiting for an event");
	if (found > 0)
		*event = take_event(client);
	return found;
}

static int parse_number(const json_t *qemu, const char *name, int *number)
{
	const json_t *json = json_object_get(qemu, name);
	json_int_t value = json_integer_value(json);

	if (!json_is_integer(json) || value < 0 || value > INT_MAX)
		return -1;
	*number = (int)value;
	return 0;
}

static int parse_greeting(struct qmp_version *version, const json_t *greeting)
{
	const json_t *json = json_object_get(json_object_get(greeting, "QMP"), "version");
	const json_t *qemu = json_object_get(json, "qemu");
	const json_t *package = json_object_get(json, "package");

	if (parse_number(qemu, "major", &version->major) < 0 ||
	    parse_number(qemu, "minor", &version->minor) < 0 ||
	    parse_number(qemu, "micro", &version->micro) < 0)
		return -1;
	if (json_is_string(package))
		printable(version->package, sizeof(version->package),
			  json_string_value(package),
			  (unsigned)json_string_length(package));
	return 0;
}

static int read_greeting(struct qmp_client *client, struct gw_error *err)
{
	struct deadline deadline = deadline_in(client->timeout_ms);
	json_t *greeting;
	int found = next_message(client, &greeting, &deadline, err);
	int status;

	if (found < 0)
		return -1;
	if (found == 0)
		return fail(err, GW_PEER,
			    "nothing for %d ms: does it speak QMP, and to "
			    "nobody else just now?",
			    client->timeout_ms);
	status = parse_greeting(&client->version, greeting);
	json_decref(greeting);
	return status < 0 ? fail(err, GW_PEER, "not that of QMP") : 0;
}

struct qmp_client *qmp_client_new(int fd, const struct interrupt *interrupt,
				  int timeout_ms, struct gw_error *err)
{
	OWNED(qmp_client) struct qmp_client *client = calloc(1, sizeof(*client));

	if (!client) {
		close(fd);
		fail_sys(err, ENOMEM, "QMP client");
		return NULL;
	}
	client->fd = fd;
	client->interrupt = interrupt;
	client->timeout_ms = timeout_ms;
	client->stream = json_stream_new(QMP_CLIENT_MESSAGE_BYTES_MAX, err);
	if (!client->stream)
		return NULL;
	if (read_greeting(client, err) < 0) {
		fail_in(err, "QMP greeting");
		return NULL;
	}
	if (qmp_client_execute(client, "qmp_capabilities", NULL, NULL, err) < 0)
		return NULL;
	return MOVE(client);
}
