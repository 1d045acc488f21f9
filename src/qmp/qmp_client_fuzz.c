/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* qmp_client_fuzz.c - whatever a server says before it leaves, each call of the client ends. */
#include <assert.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

#include "qmp/qmp_client.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Longer than any input takes to be read: nothing here waits, since the server has left. */
#define PATIENCE_MS 60000

static void check_error(const struct gw_error *err)
{
	assert(err->kind == GW_PEER || err->kind == GW_UNSUPPORTED ||
	       err->kind == GW_SYSTEM);
	assert(memchr(err->text, '\0', sizeof(err->text)) && *err->text);
	for (const char *at = err->text; *at; at++)
		assert(*at >= ' ' && *at < 0x7f);
}

static void use(struct qmp_client *client)
{
	struct gw_error err = { 0 };
	json_t *json = NULL;
	int found;

	assert(memchr(qmp_client_version(client)->package, '\0',
		      sizeof(qmp_client_version(client)->package)));
	for (unsigned i = 0; i < 4; i++) {
		if (qmp_client_execute(client, "migrate", json_pack("{s:s}", "uri", "x"),
				       &json, &err) < 0)
			check_error(&err);
		else
			json_decref(json);
	}
	while ((found = qmp_client_event(client, &json, PATIENCE_MS, &err)) > 0) {
		assert(json_is_object(json));
		json_decref(json);
	}
	assert(found < 0);
	check_error(&err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct gw_error err = { 0 };
	struct qmp_client *client;
	int ends[2];
	int status = socketpair(AF_UNIX, SOCK_STREAM, 0, ends);

	assert(status == 0);
	if (size > 0) {
		/* What does not fit is not said. */
		ssize_t sent = send(ends[1], data, size, MSG_NOSIGNAL | MSG_DONTWAIT);

		assert(sent > 0);
	}
	shutdown(ends[1], SHUT_WR);
	client = qmp_client_new(ends[0], NULL, PATIENCE_MS, &err);
	if (client)
		use(client);
	else
		check_error(&err);
	qmp_client_free(client);
	close(ends[1]);
	return 0;
}
