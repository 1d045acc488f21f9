/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* qmp_server_fuzz.c - whatever two clients send, what the server says is QMP.
 *
 * The first byte says after how many bytes the other one speaks, each time. */
#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <sys/socket.h>

#include "qmp/json_stream.h"
#include "qmp/qmp_commands_for_tests.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct talker {
	int fd;
	struct json_stream *heard;
	unsigned greetings;
	unsigned others;
};

static void check_message(struct talker *talker, const json_t *message)
{
	assert(json_is_object(message));
	if (json_object_get(message, "QMP")) {
		talker->greetings++;
		assert(talker->greetings == 1 && talker->others == 0);
		return;
	}
	talker->others++;
	assert(!json_object_get(message, "return") + !json_object_get(message, "error") +
		       !json_object_get(message, "event") ==
	       2);
}

static void hear(struct talker *talker)
{
	char bytes[4096];
	ssize_t got;

	while ((got = recv(talker->fd, bytes, sizeof(bytes), MSG_DONTWAIT)) > 0) {
		struct gw_error err;
		json_t *message;
		int found;

		json_stream_feed(talker->heard, bytes, (size_t)got);
		while ((found = json_stream_next(talker->heard, &message, &err)) != 0) {
			assert(found > 0);
			check_message(talker, message);
			json_decref(message);
		}
	}
}

static void serve(struct qmp_server *server, struct talker talkers[2])
{
	struct pollfd fds[QMP_SERVER_CLIENTS_MAX];
	uint32_t count = qmp_server_watch(server, fds);

	while (poll(fds, count, 0) > 0) {
		qmp_server_serve(server, fds, count);
		hear(&talkers[0]);
		hear(&talkers[1]);
		count = qmp_server_watch(server, fds);
	}
}

static struct talker connect_talker(struct qmp_server *server)
{
	struct gw_error err;
	struct talker talker = { .heard = json_stream_new(QMP_SERVER_BACKLOG_BYTES,
							  &err) };
	int ends[2];
	int status = socketpair(AF_UNIX, SOCK_STREAM, 0, ends);

	assert(status == 0 && talker.heard);
	talker.fd = ends[0];
	qmp_server_admit(server, ends[1]);
	return talker;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct gw_error err;
	struct test_commands commands;
	OWNED(qmp_server)
	struct qmp_server *server = test_server_new(&commands, NULL, &err);
	struct talker talkers[2];
	size_t turn = size > 0 ? data[0] + 1u : 1;

	assert(server);
	for (unsigned i = 0; i < 2; i++)
		talkers[i] = connect_talker(server);
	for (size_t at = 1; at < size; at += turn) {
		size_t length = size - at < turn ? size - at : turn;
		ssize_t sent = send(talkers[at / turn % 2].fd, data + at, length,
				    MSG_NOSIGNAL | MSG_DONTWAIT);

		/* All that was sent before has been read. */
		assert(sent == (ssize_t)length);
		serve(server, talkers);
	}
	for (unsigned i = 0; i < 2; i++) {
		shutdown(talkers[i].fd, SHUT_WR);
		serve(server, talkers);
		/* Whatever it said, it got an end, and not before its greeting. */
		assert(talkers[i].greetings == 1);
		assert(recv(talkers[i].fd, &err, 1, MSG_DONTWAIT) == 0);
		close(talkers[i].fd);
		json_stream_free(talkers[i].heard);
		talkers[i] = (struct talker){ .fd = -1 };
	}
	return 0;
}
