/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* monitor_session.c - one who talks to the human monitor: lines in, a prompt and answers out. */
#include "vm/monitor_session.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "vm/monitor.h"
#include "vm/monitor_line.h"

struct monitor_session {
	struct controls *controls;
	int in, out; /* one and the same of a connection */
	bool borrowed;
	bool in_ended;
	bool overlong; /* up to the line's end everything is dropped */
	bool waits;    /* for the migration's end */

	char line[MONITOR_LINE_BYTES_MAX + 1]; /* what came and was not run yet */
	size_t line_used;

	char *answer; /* what is to be written, from answer_at on */
	size_t answer_bytes, answer_at;
};

static bool answered(const struct monitor_session *session)
{
	return session->answer_at == session->answer_bytes;
}

static const char *line_end(const struct monitor_session *session)
{
	return memchr(session->line, '\n', session->line_used);
}

/* ---- out ---- */

static void drop_carriage_returns(struct monitor_session *session)
{
	size_t kept = 0;

	for (size_t i = 0; i < session->answer_bytes; i++)
		if (session->answer[i] != '\r')
			session->answer[kept++] = session->answer[i];
	session->answer_bytes = kept;
}

/* An answer is made as a whole; without memory for it there is none. */
static FILE *begin_answer(struct monitor_session *session)
{
	free(MOVE(session->answer));
	session->answer_bytes = session->answer_at = 0;
	return open_memstream(&session->answer, &session->answer_bytes);
}

static void end_answer(struct monitor_session *session, FILE *out)
{
	if (!session->waits)
		fputs(MONITOR_PROMPT, out);
	if (fclose(out) == EOF)
		session->answer_bytes = 0;
	if (session->borrowed)
		drop_carriage_returns(session);
}

/* False when the other side is gone. */
static bool write_answer(struct monitor_session *session)
{
	while (!answered(session)) {
		struct pollfd ready = { .fd = session->out, .events = POLLOUT };
		size_t left = session->answer_bytes - session->answer_at;
		ssize_t written;

		/* So much never blocks where poll() says that there is room. */
		if (poll(&ready, 1, 0) <= 0 || !(ready.revents & POLLOUT))
			return !(ready.revents & (POLLERR | POLLHUP | POLLNVAL));
		written = write(session->out, session->answer + session->answer_at,
				left < PIPE_BUF ? left : PIPE_BUF);
		if (written < 0)
			return errno == EAGAIN || errno == EINTR;
		session->answer_at += (size_t)written;
	}
	return true;
}

/* ---- in ---- */

static void run_line(struct monitor_session *session, size_t length)
{
	FILE *out = begin_answer(session);

	if (length > 0 && session->line[length - 1] == '\r')
		length--;
	if (!out)
		return;
	monitor_execute(session->controls, session->line, length, out, &session->waits);
	end_answer(session, out);
}

static void complain_of_length(struct monitor_session *session)
{
	FILE *out = begin_answer(session);

	if (!out)
		return;
	fprintf(out, "Error: a line of more than %u bytes\r\n", MONITOR_LINE_BYTES_MAX);
	end_answer(session, out);
}

static void take_lines(struct monitor_session *session)
{
	const char *end;

	while (answered(session) && !session->waits && (end = line_end(session))) {
		size_t length = (size_t)(end - session->line);

		if (session->overlong)
			complain_of_length(session);
		else
			run_line(session, length);
		session->overlong = false;
		session->line_used -= length + 1;
		memmove(session->line, end + 1, session->line_used);
	}
	if (session->line_used == sizeof(session->line) && !line_end(session)) {
		session->overlong = true;
		session->line_used = 0;
	}
}

/* False at the end.  On a terminal that is there Ctrl-D is none: more can be typed after it. */
static bool read_some(struct monitor_session *session, bool hung_up)
{
	ssize_t got = read(session->in, session->line + session->line_used,
			   sizeof(session->line) - session->line_used);

	if (got < 0)
		return errno == EAGAIN || errno == EINTR;
	session->line_used += (size_t)got;
	return got > 0 || (!hung_up && isatty(session->in));
}

/* ---- the whole ---- */

static struct monitor_session *open_session(struct controls *controls, int in, int out,
					    bool borrowed, struct gw_error *err)
{
	struct monitor_session *session = calloc(1, sizeof(*session));
	FILE *greeting;

	if (!session) {
		fail_sys(err, ENOMEM, "monitor");
		return NULL;
	}
	session->controls = controls;
	session->in = in;
	session->out = out;
	session->borrowed = borrowed;
	greeting = begin_answer(session);
	if (greeting) {
		fprintf(greeting, "%s monitor - type 'help' for more information\r\n",
			controls_package(controls));
		end_answer(session, greeting);
	}
	return session;
}

struct monitor_session *monitor_session_accept(struct controls *controls, int fd,
					       struct gw_error *err)
{
	struct monitor_session *session = open_session(controls, fd, fd, false, err);

	if (!session)
		close(fd);
	return session;
}

struct monitor_session *monitor_session_stdio(struct controls *controls,
					      struct gw_error *err)
{
	return open_session(controls, STDIN_FILENO, STDOUT_FILENO, true, err);
}

void monitor_session_free(struct monitor_session *session)
{
	if (!session)
		return;
	if (!session->borrowed)
		close(session->in);
	free(session->answer);
	free(session);
}

bool monitor_session_ready(const struct monitor_session *session)
{
	return answered(session) && !session->waits && line_end(session);
}

void monitor_session_watch(const struct monitor_session *session, struct pollfd fds[2])
{
	bool listens = answered(session) && !session->waits && !session->in_ended;

	/* A connection's end is told unasked. */
	fds[0] = (struct pollfd){ .fd = listens || !session->borrowed ? session->in : -1,
				  .events = listens ? POLLIN : 0 };
	fds[1] = (struct pollfd){ .fd = answered(session) ? -1 : session->out,
				  .events = POLLOUT };
}

bool monitor_session_serve(struct monitor_session *session, const struct pollfd fds[2])
{
	bool gone = false;

	if (session->waits && !controls_migrating_away(session->controls)) {
		FILE *out = begin_answer(session);

		session->waits = false;
		if (out) {
			monitor_conclude(session->controls, out);
			end_answer(session, out);
		}
	}
	if (fds[0].revents & POLLIN)
		session->in_ended = !read_some(session, fds[0].revents & POLLHUP);
	else if (fds[0].revents)
		session->in_ended = gone = true;
	do {
		take_lines(session);
		gone |= !write_answer(session);
	} while (!gone && monitor_session_ready(session));
	if (!session->borrowed)
		return !gone &&
		       !(session->in_ended && answered(session) && !session->waits);
	/* Whoever reads standard output may leave; the vm stays. */
	if (gone)
		session->answer_at = session->answer_bytes;
	return true;
}
