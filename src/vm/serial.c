/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* serial.c - where a guest's serial port leads. */
#include "vm/serial.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>

struct serial {
	int fd; /* -1: nowhere */
	bool borrowed;
};

struct serial *serial_open(const char *where, struct gw_error *err)
{
	OWNED(serial) struct serial *serial = calloc(1, sizeof(*serial));

	if (!serial) {
		fail_sys(err, ENOMEM, "serial");
		return NULL;
	}
	serial->fd = -1;
	if (strcmp(where, "stdio") == 0) {
		serial->fd = STDOUT_FILENO;
		serial->borrowed = true;
	} else if (strncmp(where, "file:", 5) == 0) {
		serial->fd =
			open(where + 5,
			     O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0600);
		if (serial->fd < 0) {
			fail_sys(err, errno, "%.200s", where);
			return NULL;
		}
	} else if (strcmp(where, "null") != 0) {
		fail(err, GW_USAGE, "%.40s: stdio, null and file:PATH are allowed",
		     where);
		return NULL;
	}
	return MOVE(serial);
}

void serial_free(struct serial *serial)
{
	if (!serial)
		return;
	if (!serial->borrowed && serial->fd >= 0)
		close(serial->fd);
	free(serial);
}

/* A guest never waits for its serial port: neither does who pauses the guest. */
void serial_print(void *state, const void *bytes, size_t length)
{
	const struct serial *serial = state;
	const char *at = bytes;

	while (serial->fd >= 0 && length > 0) {
		struct pollfd ready = { .fd = serial->fd, .events = POLLOUT };
		ssize_t written;

		if (poll(&ready, 1, 0) <= 0 || !(ready.revents & POLLOUT))
			return;
		/* So much never blocks where poll() says that there is room. */
		written = write(serial->fd, at, length < PIPE_BUF ? length : PIPE_BUF);
		if (written <= 0)
			return;
		at += written;
		length -= (size_t)written;
	}
}
