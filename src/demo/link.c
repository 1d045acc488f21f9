/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* link.c - a line of JSON at a time between the demo and its two processes. */
#include "demo/link.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/interrupt.h"

void link_init(struct link *link, int fd)
{
	link->fd = fd;
	link->used = 0;
}

void link_close(struct link *link)
{
	if (link->fd >= 0)
		close(link->fd);
	link->fd = -1;
}

int link_send(struct link *link, json_t *message, struct gw_error *err)
{
	OWNED_MEMORY char *text = message ? json_dumps(message, JSON_COMPACT) : NULL;
	size_t length, sent = 0;

	json_decref(message);
	if (!text)
		return fail_sys(err, ENOMEM, "message");
	length = strlen(text);
	text[length++] = '\n'; /* in place of the NUL */
	while (sent < length) {
		ssize_t wrote = send(link->fd, text + sent, length - sent, MSG_NOSIGNAL);

		if (wrote < 0 && errno == EINTR)
			continue;
		if (wrote < 0)
			return fail_sys(err, errno, "message");
		sent += (size_t)wrote;
	}
	return 0;
}

bool link_has_line(const struct link *link)
{
	return memchr(link->buffer, '\n', link->used);
}

json_t *link_receive(struct link *link, int timeout_ms, struct gw_error *err)
{
	json_error_t why;
	json_t *message;
	char *end;

	while (!(end = memchr(link->buffer, '\n', link->used))) {
		ssize_t got;
		int ready;

		if (link->used == sizeof(link->buffer)) {
			fail(err, GW_PEER, "message of more than %zu bytes", link->used);
			return NULL;
		}
		ready = interrupt_poll(NULL, link->fd, POLLIN, timeout_ms, err);
		if (ready < 0)
			return NULL;
		if (ready == 0) {
			fail(err, GW_PEER, "no message within %d ms", timeout_ms);
			return NULL;
		}
		got = read(link->fd, link->buffer + link->used,
			   sizeof(link->buffer) - link->used);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0) {
			fail(err, GW_PEER, "the process ended");
			return NULL;
		}
		link->used += (size_t)got;
	}
	message = json_loadb(link->buffer, (size_t)(end - link->buffer), 0, &why);
	link->used -= (size_t)(end + 1 - link->buffer);
	memmove(link->buffer, end + 1, link->used);
	if (!message)
		fail(err, GW_PEER, "message: %s", why.text);
	return message;
}
