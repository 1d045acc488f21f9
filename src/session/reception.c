/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* reception.c - the connections of one session: made by one side, received by the other. */
#include "session/reception.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

#include "base/deadline.h"

/* Connections that have not said hello; beyond a session's own, room for strangers. */
#define STRANGERS_MAX 32u
#define WAITING_MAX (SESSION_CONNECTIONS_MAX + STRANGERS_MAX)

/* The channel's own, for whoever gets the link. */
#define PATIENCE_MS 30000

struct waiting {
	struct session_link *link;
	int fd; /* the link's, for poll() */
	uint8_t *text;
	struct deadline deadline;
};

struct reception {
	struct listener *listener;
	struct reception_options options;
	const struct interrupt *interrupt;
	uint32_t waiting_count;
	struct waiting waiting[WAITING_MAX]; /* who came first is first */
};

/* ---- who connects ---- */

static int greet(struct session_link *link, const struct hello *ours, int timeout_ms,
		 struct hello *theirs, struct gw_error *err)
{
	if (hello_write(link, ours, err) < 0 ||
	    hello_read(link, timeout_ms, theirs, err) < 0) {
		/* It closed or stalled, or what it said is no hello. */
		if (err->kind == GW_PEER)
			fail_in(err, "the other side is no godwit recv");
		return -1;
	}
	if (memcmp(theirs->session, ours->session, SESSION_ID_BYTES) == 0 &&
	    theirs->role == ours->role && theirs->index == ours->index)
		return 0;
	hello_deinit(theirs);
	return fail(err, GW_PEER, "the answer is for another connection than this one");
}

struct session_link *session_connect(const struct address *to, const struct hello *ours,
				     const struct interrupt *interrupt, int timeout_ms,
				     struct hello *theirs, struct gw_error *err)
{
	struct channel *channel = channel_connect(to, interrupt, timeout_ms, err);
	OWNED(session_link) struct session_link *link = NULL;
	struct hello unheard;
	char shown[132];

	if (!channel)
		return NULL;
	channel_set_write_patience(channel, timeout_ms);
	link = session_link_new(channel, err);
	if (!link || greet(link, ours, timeout_ms, theirs ? theirs : &unheard, err) < 0) {
		fail_in(err, "%s",
			printable(shown, sizeof(shown), to->uri,
				  (unsigned)strlen(to->uri)));
		return NULL;
	}
	if (!theirs)
		hello_deinit(&unheard);
	channel_set_write_patience(channel, PATIENCE_MS);
	return MOVE(link);
}

/* ---- who listens ---- */

struct reception *reception_new(struct listener *listener,
				const struct reception_options *options,
				const struct interrupt *interrupt, struct gw_error *err)
{
	struct reception *reception = calloc(1, sizeof(*reception));

	if (!reception) {
		fail_sys(err, ENOMEM, "reception");
		return NULL;
	}
	reception->listener = listener;
	reception->options = *options;
	reception->interrupt = interrupt;
	return reception;
}

/* Its link is the caller's. */
static struct session_link *leave(struct reception *reception, uint32_t i)
{
	struct session_link *link = reception->waiting[i].link;

	free(reception->waiting[i].text);
	reception->waiting_count--;
	memmove(&reception->waiting[i], &reception->waiting[i + 1],
		(reception->waiting_count - i) * sizeof(reception->waiting[0]));
	return link;
}

static void show_out(struct reception *reception, uint32_t i, const char *why)
{
	log_line(reception->options.log, LOG_LEVEL_WARNING,
		 "listener: connection dropped: %s", why);
	session_link_free(leave(reception, i));
}

void reception_free(struct reception *reception)
{
	if (!reception)
		return;
	while (reception->waiting_count > 0)
		session_link_free(leave(reception, 0));
	free(reception);
}

/* Takes over `fd`, also on failure. */
static int enter(struct reception *reception, int fd, struct gw_error *err)
{
	OWNED(session_link) struct session_link *link = NULL;
	struct channel *channel = channel_from_fd(fd, reception->interrupt, err);
	uint8_t *text;

	if (!channel)
		return -1;
	/* An answer fits into what the kernel takes at once, or is not waited for. */
	channel_set_write_patience(channel, 0);
	link = session_link_new(channel, err);
	if (!link)
		return -1;
	text = malloc(SESSION_TEXT_BYTES_MAX);
	if (!text)
		return fail_sys(err, ENOMEM, "listener: connection");
	if (reception->waiting_count == WAITING_MAX)
		show_out(reception, 0, "too many connections that say nothing");
	reception->waiting[reception->waiting_count++] = (struct waiting){
		.link = MOVE(link),
		.fd = fd,
		.text = text,
		.deadline = deadline_in(reception->options.patience_ms),
	};
	return 0;
}

static int accept_one(struct reception *reception, struct gw_error *err)
{
	int fd = listener_accept(reception->listener, 0, err);

	if (fd == -1)
		return -1;
	return fd < 0 ? 0 : enter(reception, fd, err);
}

/* Tells it why, and shows it out. */
static void refuse(struct reception *reception, uint32_t i, const char *why)
{
	struct gw_error ignored;

	hello_refuse(reception->waiting[i].link, why, &ignored);
	show_out(reception, i, why);
}

/* 1: connection `i` has said hello; 0: not yet, or it is shown out and the next has its place;
 * -1: cancelled. */
static int listen_to(struct reception *reception, uint32_t i, struct hello *theirs,
		     struct gw_error *err)
{
	struct waiting *who = &reception->waiting[i];
	struct record_head head;
	struct gw_error why;
	int got = session_link_read_within(who->link, 0, who->text,
					   SESSION_TEXT_BYTES_MAX, &head, &why);

	if (got == 0)
		return 0;
	if (got < 0 && why.kind == GW_CANCELLED) {
		*err = why;
		return -1;
	}
	if (got < 0)
		show_out(reception, i, why.text);
	else if (head.type != SESSION_HELLO)
		show_out(reception, i, "its first record is no hello");
	else if (hello_parse(who->text, head.length, theirs, &why) < 0)
		refuse(reception, i, why.text);
	else
		return 1;
	return 0;
}

/* Whoever is wanted, and why another is not: NULL it is. */
struct wish {
	const uint8_t *session; /* NULL: a main */
};

static const char *objection(const struct wish *wish, const struct hello *theirs)
{
	if (!wish->session)
		return theirs->role == LINK_MAIN ? NULL
						 : "there is no session that this "
						   "connection could belong to";
	if (memcmp(wish->session, theirs->session, SESSION_ID_BYTES) != 0)
		return "busy with another session";
	return theirs->role == LINK_MAIN ? "this session has its main connection" : NULL;
}

/* False when it has left already. */
static bool answer(struct reception *reception, uint32_t i, const struct hello *theirs)
{
	struct hello ours = *theirs;
	struct gw_error why;

	ours.formats = reception->options.formats;
	ours.about = NULL;
	if (hello_write(reception->waiting[i].link, &ours, &why) == 0)
		return true;
	show_out(reception, i, why.text);
	return false;
}

/* Connection `i` has something to say: as reception_next(). */
static int attend(struct reception *reception, uint32_t i, const struct wish *wish,
		  struct session_link **link, struct hello *theirs, struct gw_error *err)
{
	int said = listen_to(reception, i, theirs, err);
	const char *why;

	if (said <= 0)
		return said;
	why = objection(wish, theirs);
	if (why) {
		hello_deinit(theirs);
		refuse(reception, i, why);
		return 0;
	}
	if (wish->session && !answer(reception, i, theirs))
		return 0; /* a page connection's hello holds nothing to free */
	*link = leave(reception, i);
	channel_set_write_patience(session_link_channel(*link), PATIENCE_MS);
	return 1;
}

/* `fds` are those of the `count` connections there are: as reception_next(). */
static int attend_all(struct reception *reception, const struct pollfd *fds,
		      uint32_t count, const struct wish *wish, struct session_link **link,
		      struct hello *theirs, struct gw_error *err)
{
	uint32_t at = 0; /* where the i-th is, now that others have left */
	int status = 0;

	for (uint32_t i = 0; i < count && status == 0; i++) {
		uint32_t before = reception->waiting_count;

		if (fds[i].revents)
			status = attend(reception, at, wish, link, theirs, err);
		if (reception->waiting_count == before)
			at++;
	}
	return status;
}

/* After those who could be heard were: who is quiet is. */
static void show_out_the_silent(struct reception *reception)
{
	for (uint32_t i = reception->waiting_count; i-- > 0;)
		if (deadline_left_ms(&reception->waiting[i].deadline) == 0)
			show_out(reception, i, "it has not said hello in time");
}

/* Until the next thing that time alone brings. */
static int time_to_wait(const struct reception *reception,
			const struct deadline *deadline)
{
	struct deadline first = *deadline;

	for (uint32_t i = 0; i < reception->waiting_count; i++)
		if (reception->waiting[i].deadline.at_ns < first.at_ns)
			first = reception->waiting[i].deadline;
	return deadline_left_ms(&first);
}

/* Polls once and attends to whom it wakes: as reception_next(), 0 for nobody yet. */
static int look_around(struct reception *reception, const struct wish *wish,
		       const struct deadline *deadline, struct session_link **link,
		       struct hello *theirs, struct gw_error *err)
{
	struct pollfd fds[WAITING_MAX + 2];
	uint32_t count = reception->waiting_count;
	int status;

	for (uint32_t i = 0; i < count; i++)
		fds[i] = (struct pollfd){ .fd = reception->waiting[i].fd,
					  .events = POLLIN };
	fds[count] = (struct pollfd){ .fd = listener_fd(reception->listener),
				      .events = POLLIN };
	fds[count + 1] = (struct pollfd){
		.fd = reception->interrupt ? interrupt_fd(reception->interrupt) : -1,
		.events = POLLIN,
	};
	if (poll(fds, count + 2, time_to_wait(reception, deadline)) < 0)
		return errno == EINTR ? 0 : fail_sys(err, errno, "poll");
	if (fds[count + 1].revents)
		return fail(err, GW_CANCELLED, "cancelled");
	status = attend_all(reception, fds, count, wish, link, theirs, err);
	if (status == 0 && fds[count].revents)
		status = accept_one(reception, err);
	if (status == 0)
		show_out_the_silent(reception);
	return status;
}

struct session_link *reception_main(struct reception *reception, struct hello *theirs,
				    struct gw_error *err)
{
	const struct wish wish = { .session = NULL };
	const struct deadline never = deadline_in(-1);
	struct session_link *link = NULL;

	while (look_around(reception, &wish, &never, &link, theirs, err) == 0)
		;
	return link;
}

int reception_next(struct reception *reception, const uint8_t session[SESSION_ID_BYTES],
		   int timeout_ms, struct session_link **link, struct hello *theirs,
		   struct gw_error *err)
{
	const struct wish wish = { .session = session };
	const struct deadline deadline = deadline_in(timeout_ms);
	bool last;

	do {
		int status;

		/* Once more after the end: who has spoken by then is heard. */
		last = deadline_left_ms(&deadline) == 0;
		status = look_around(reception, &wish, &deadline, link, theirs, err);
		if (status != 0)
			return status;
	} while (!last);
	return 0;
}
