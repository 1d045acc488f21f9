/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* qmp_server.c - the QEMU Machine Protocol, as the one who answers. */
#include "qmp/qmp_server.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "base/clock.h"
#include "base/deadline.h"
#include "qmp/json_stream.h"
#include "qmp/qmp_dispatch.h"

/* Read at once; what one client may ask before it is the next one's turn. */
#define INPUT_BYTES 4096u
/* While more than this waits for a client, it is not asked what else it wants. */
#define PAUSE_BYTES ((size_t)64 << 10)

struct client {
	int fd; /* -1: gone, to be freed when nothing uses it any more */
	uint32_t number;
	bool negotiated;
	bool ended;	/* will say no more, but may still read */
	bool has_input; /* some of `input` has not been looked at */
	struct json_stream *stream;
	char *output;
	size_t sent;
	size_t used;
	size_t room;
	char input[INPUT_BYTES];
};

struct qmp_server {
	struct qmp_server_options options;
	struct client *clients[QMP_SERVER_CLIENTS_MAX];
	uint32_t client_count;
	uint32_t next_number;
};

struct qmp_server *qmp_server_new(const struct qmp_server_options *options,
				  struct gw_error *err)
{
	struct qmp_server *server = calloc(1, sizeof(*server));

	if (!server) {
		fail_sys(err, ENOMEM, "QMP server");
		return NULL;
	}
	server->options = *options;
	return server;
}

static void client_free(struct client *client)
{
	if (!client)
		return;
	if (client->fd >= 0)
		close(client->fd);
	json_stream_free(client->stream);
	free(client->output);
	free(client);
}

DEFINE_OWNED(client)

void qmp_server_free(struct qmp_server *server)
{
	if (!server)
		return;
	for (uint32_t i = 0; i < server->client_count; i++)
		client_free(server->clients[i]);
	free(server);
}

/* From within a command, too: so the client itself stays until qmp_server_serve() ends. */
static void client_drop(const struct qmp_server *server, struct client *client,
			enum log_level level, const char *why)
{
	if (client->fd < 0)
		return;
	log_line(server->options.log, level, "QMP client %u: closed: %s", client->number,
		 why);
	close(client->fd);
	client->fd = -1;
	client->sent = client->used = 0;
}

static size_t client_backlog(const struct client *client)
{
	return client->used - client->sent;
}

static int client_reserve(struct client *client, size_t length)
{
	size_t room = client->room ? client->room : PAUSE_BYTES;
	char *output;

	if (client->sent > 0) {
		memmove(client->output, client->output + client->sent,
			client_backlog(client));
		client->used -= client->sent;
		client->sent = 0;
	}
	while (room - client->used < length)
		room *= 2;
	if (room == client->room)
		return 0;
	output = realloc(client->output, room);
	if (!output)
		return -1;
	client->output = output;
	client->room = room;
	return 0;
}

/* As json_dump_callback() wants it. */
static int client_write(const char *bytes, size_t length, void *state)
{
	struct client *client = state;

	if (length > QMP_SERVER_BACKLOG_BYTES ||
	    client_backlog(client) > QMP_SERVER_BACKLOG_BYTES - length)
		return -1;
	if (client->room - client->used < length && client_reserve(client, length) < 0)
		return -1;
	memcpy(client->output + client->used, bytes, length);
	client->used += length;
	return 0;
}

/* NULL is a message that there was no memory for. */
static void client_say(const struct qmp_server *server, struct client *client,
		       const json_t *message)
{
	bool is_written;

	if (client->fd < 0)
		return;
	is_written = message &&
		     json_dump_callback(message, client_write, client,
					JSON_ENSURE_ASCII) == 0 &&
		     client_write("\r\n", 2, client) == 0;
	/* Half a message is worse than none. */
	if (!is_written)
		client_drop(server, client, LOG_LEVEL_WARNING,
			    message ? "it does not read what it is told"
				    : "no memory for what it is told");
}

static void client_send(const struct qmp_server *server, struct client *client)
{
	while (client->fd >= 0 && client_backlog(client) > 0) {
		ssize_t sent = send(client->fd, client->output + client->sent,
				    client_backlog(client), MSG_NOSIGNAL | MSG_DONTWAIT);

		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			return;
		if (sent < 0) {
			client_drop(server, client, LOG_LEVEL_INFO, "it left");
			return;
		}
		client->sent += (size_t)sent;
	}
}

static bool client_can_ask(const struct client *client)
{
	return client->fd >= 0 && client->has_input &&
	       client_backlog(client) <= PAUSE_BYTES;
}

static void client_answer_one(struct qmp_server *server, struct client *client)
{
	json_t *request = NULL, *answer;
	struct gw_error err;

	switch (json_stream_next(client->stream, &request, &err)) {
	case 0:
		client->has_input = false;
		return;
	case 1:
		answer = qmp_dispatch(&server->options, &client->negotiated, request);
		break;
	default:
		answer = qmp_refuse(err.text);
	}
	client_say(server, client, answer);
	json_decref(answer);
	json_decref(request);
}

static void client_answer(struct qmp_server *server, struct client *client)
{
	while (client_can_ask(client))
		client_answer_one(server, client);
}

static void client_receive(const struct qmp_server *server, struct client *client)
{
	ssize_t got;

	if (client->fd < 0 || client->has_input || client->ended)
		return;
	got = recv(client->fd, client->input, sizeof(client->input), MSG_DONTWAIT);
	if (got > 0) {
		json_stream_feed(client->stream, client->input, (size_t)got);
		client->has_input = true;
	} else if (got == 0) {
		client->ended = true;
	} else if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR) {
		client_drop(server, client, LOG_LEVEL_INFO, "it left");
	}
}

static void client_serve(struct qmp_server *server, struct client *client)
{
	client_send(server, client);
	client_receive(server, client);
	do {
		client_answer(server, client);
		client_send(server, client);
	} while (client_can_ask(client));
	/* Who only shut its own side is told what it asked for. */
	if (client->ended && !client->has_input && client_backlog(client) == 0)
		client_drop(server, client, LOG_LEVEL_DEBUG, "it has ended");
}

static void free_dropped(struct qmp_server *server)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < server->client_count; i++) {
		if (server->clients[i]->fd < 0)
			client_free(server->clients[i]);
		else
			server->clients[kept++] = server->clients[i];
	}
	server->client_count = kept;
}

static struct client *client_new(uint32_t number, int fd)
{
	OWNED(client) struct client *client = calloc(1, sizeof(*client));
	struct gw_error err;

	if (!client) {
		close(fd);
		return NULL;
	}
	client->fd = fd;
	client->number = number;
	client->stream = json_stream_new(QMP_SERVER_MESSAGE_BYTES_MAX, &err);
	return client->stream ? MOVE(client) : NULL;
}

void qmp_server_admit(struct qmp_server *server, int fd)
{
	struct client *client;
	json_t *greeting;

	if (server->client_count == QMP_SERVER_CLIENTS_MAX) {
		log_line(server->options.log, LOG_LEVEL_WARNING,
			 "QMP: one more client, but at most %u: closed",
			 QMP_SERVER_CLIENTS_MAX);
		close(fd);
		return;
	}
	client = client_new(++server->next_number, fd);
	if (!client) {
		log_line(server->options.log, LOG_LEVEL_WARNING,
			 "QMP: no memory for one more client: closed");
		return;
	}
	server->clients[server->client_count++] = client;
	greeting = qmp_greeting(&server->options);
	client_say(server, client, greeting);
	json_decref(greeting);
	client_send(server, client);
}

uint32_t qmp_server_watch(const struct qmp_server *server, struct pollfd *fds)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < server->client_count; i++) {
		const struct client *client = server->clients[i];
		bool hears = !client->ended && !client->has_input;
		bool speaks = client_backlog(client) > 0;

		if (client->fd >= 0)
			fds[count++] = (struct pollfd){
				.fd = client->fd,
				.events = (short)((hears ? POLLIN : 0) |
						  (speaks ? POLLOUT : 0)),
			};
	}
	return count;
}

static struct client *find_client(const struct qmp_server *server, int fd)
{
	for (uint32_t i = 0; i < server->client_count; i++)
		if (server->clients[i]->fd == fd)
			return server->clients[i];
	return NULL;
}

void qmp_server_serve(struct qmp_server *server, const struct pollfd *fds, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		struct client *client = find_client(server, fds[i].fd);

		if (client && fds[i].revents != 0)
			client_serve(server, client);
	}
	free_dropped(server);
}

static json_t *event_json(const char *name, json_t *data)
{
	uint64_t now_ns = clock_read_ns(CLOCK_REALTIME);
	json_int_t seconds = (json_int_t)(now_ns / NS_PER_S);
	json_int_t microseconds = (json_int_t)(now_ns % NS_PER_S / NS_PER_US);

	return json_pack("{s:{s:I,s:I},s:s,s:o*}", "timestamp", "seconds", seconds,
			 "microseconds", microseconds, "event", name, "data", data);
}

void qmp_server_event(struct qmp_server *server, const char *name, json_t *data)
{
	json_t *event = event_json(name, data);

	for (uint32_t i = 0; i < server->client_count; i++)
		if (server->clients[i]->negotiated)
			client_say(server, server->clients[i], event);
	json_decref(event);
}

/* Sends what can be sent, fills in what to poll for the rest; how many. */
static uint32_t send_all(const struct qmp_server *server, struct pollfd *fds)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < server->client_count; i++) {
		struct client *client = server->clients[i];

		client_send(server, client);
		if (client_backlog(client) > 0)
			fds[count++] =
				(struct pollfd){ .fd = client->fd, .events = POLLOUT };
	}
	return count;
}

void qmp_server_flush(struct qmp_server *server, int timeout_ms)
{
	struct deadline deadline = deadline_in(timeout_ms);
	struct pollfd fds[QMP_SERVER_CLIENTS_MAX];
	uint32_t count = send_all(server, fds);

	while (count > 0) {
		int ready = poll(fds, count, deadline_left_ms(&deadline));

		if (ready == 0 || (ready < 0 && errno != EINTR))
			return;
		count = send_all(server, fds);
	}
}
