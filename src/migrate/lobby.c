/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* lobby.c - connections arrive, and are told apart by their first bytes. */
#include "migrate/lobby.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/own.h"
#include "wire/stream.h"

/* Connections that have not said who they are; beyond the expected ones, room for strangers. */
#define STRANGERS_MAX 32u
#define WAITING_MAX (MULTIFD_CHANNELS_MAX + 1u + STRANGERS_MAX)

struct lobby {
	const struct lobby_options *options;
	const struct interrupt *interrupt;
	struct arrivals *arrivals;
	uint32_t pages_present;
	int main_fd; /* the channel's; to see it end */
	uint32_t waiting_count;
	int waiting[WAITING_MAX]; /* the newest last */
};

static bool complete(const struct lobby *lobby)
{
	return lobby->arrivals->main &&
	       lobby->pages_present == lobby->options->channel_count;
}

/* Forgets connection `i` without closing it. */
static void leave(struct lobby *lobby, uint32_t i)
{
	lobby->waiting_count--;
	memmove(&lobby->waiting[i], &lobby->waiting[i + 1],
		(lobby->waiting_count - i) * sizeof(lobby->waiting[0]));
}

static void show_out(struct lobby *lobby, uint32_t i, const char *why)
{
	log_line(lobby->options->log, LOG_LEVEL_WARNING,
		 "listener: connection dropped: %s", why);
	close(lobby->waiting[i]);
	leave(lobby, i);
}

static int fail_advised(const struct lobby *lobby, struct gw_error *err)
{
	size_t used = strlen(err->text);

	if (lobby->options->advice)
		snprintf(err->text + used, sizeof(err->text) - used, "; %s",
			 lobby->options->advice);
	return -1;
}

static int seat_main(struct lobby *lobby, uint32_t i, struct gw_error *err)
{
	int fd = lobby->waiting[i];

	if (lobby->arrivals->main) {
		show_out(lobby, i, "a second main channel");
		return 0;
	}
	leave(lobby, i);
	lobby->main_fd = fd;
	lobby->arrivals->main = channel_from_fd(fd, lobby->interrupt, err);
	return lobby->arrivals->main ? 0 : -1;
}

static int seat_page_channel(struct lobby *lobby, uint32_t i,
			     const uint8_t bytes[MULTIFD_INIT_BYTES],
			     struct gw_error *err)
{
	struct arrivals *arrivals = lobby->arrivals;
	struct multifd_init init;
	int fd = lobby->waiting[i];

	if (lobby->options->channel_count == 0) {
		show_out(lobby, i, "a page channel, but multifd is off here");
		return 0;
	}
	if (multifd_init_read(bytes, lobby->options->channel_count, &init, err) < 0)
		return fail_advised(lobby, err);
	if (arrivals->pages[init.id])
		return fail(err, GW_PEER, "multifd init packet: channel id %u came twice",
			    init.id);
	if (lobby->pages_present > 0 &&
	    memcmp(arrivals->uuid, init.uuid, sizeof(init.uuid)) != 0)
		return fail(err, GW_PEER,
			    "multifd init packet: channel %u has another uuid than the "
			    "others",
			    init.id);
	memcpy(arrivals->uuid, init.uuid, sizeof(init.uuid));
	leave(lobby, i);
	arrivals->pages[init.id] = channel_from_fd(fd, lobby->interrupt, err);
	if (!arrivals->pages[init.id])
		return -1;
	lobby->pages_present++;
	return 0;
}

/* Looks at what connection `i` has said so far; leaves it waiting when that is too little. */
static int identify(struct lobby *lobby, uint32_t i, struct gw_error *err)
{
	uint8_t bytes[MULTIFD_INIT_BYTES];
	ssize_t got =
		recv(lobby->waiting[i], bytes, sizeof(bytes), MSG_PEEK | MSG_DONTWAIT);

	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (got < 0) {
		show_out(lobby, i, "it failed before it said anything");
		return 0;
	}
	if (got == 0) {
		show_out(lobby, i, "it closed before it said anything");
		return 0;
	}
	if (got < 4)
		return 0;
	if (load_be32(bytes) == STREAM_MAGIC)
		return seat_main(lobby, i, err);
	if (load_be32(bytes) != MULTIFD_MAGIC) {
		show_out(lobby, i, "its first bytes belong to no migration");
		return 0;
	}
	if ((size_t)got < sizeof(bytes))
		return 0;
	if (recv(lobby->waiting[i], bytes, sizeof(bytes), MSG_DONTWAIT) !=
	    sizeof(bytes)) {
		show_out(lobby, i, "it failed in its init packet");
		return 0;
	}
	return seat_page_channel(lobby, i, bytes, err);
}

static int accept_one(struct lobby *lobby, struct listener *listener,
		      struct gw_error *err)
{
	int fd = listener_accept(listener, 0, err);

	if (fd == -1)
		return -1;
	if (fd < 0)
		return 0;
	if (lobby->waiting_count == WAITING_MAX)
		show_out(lobby, 0, "too many connections that say nothing");
	lobby->waiting[lobby->waiting_count++] = fd;
	return 0;
}

/* A peek of a partly filled init packet is ready at once, again and again: wait a little. */
static void breathe(const struct lobby *lobby, bool moved)
{
	if (!moved)
		interrupt_sleep(lobby->interrupt, NS_PER_MS);
}

/* A source that gave up while it connected ends main first; the next one finds free seats. */
static void start_over(struct lobby *lobby)
{
	log_line(lobby->options->log, LOG_LEVEL_WARNING,
		 "listener: the source left before all its connections were there");
	arrivals_close(lobby->arrivals, lobby->options->channel_count);
	lobby->pages_present = 0;
}

static int fail_late(const struct lobby *lobby, struct gw_error *err)
{
	fail(err, GW_PEER,
	     "listener: main channel %s, %u of %u page channels within %d ms of the "
	     "first connection",
	     lobby->arrivals->main ? "arrived" : "missing", lobby->pages_present,
	     lobby->options->channel_count, lobby->options->patience_ms);
	return fail_advised(lobby, err);
}

static int admit(struct lobby *lobby, struct listener *listener, struct gw_error *err)
{
	struct pollfd fds[WAITING_MAX + 2];
	uint64_t first_ns = 0;

	while (!complete(lobby)) {
		uint32_t before = lobby->waiting_count;
		bool moved;
		int ready;

		fds[0] = (struct pollfd){ .fd = listener_fd(listener), .events = POLLIN };
		for (uint32_t i = 0; i < before; i++)
			fds[1 + i] = (struct pollfd){ .fd = lobby->waiting[i],
						      .events = POLLIN };
		fds[1 + before] = (struct pollfd){
			.fd = lobby->arrivals->main ? lobby->main_fd : -1,
			.events = POLLRDHUP,
		};
		/* Short, because the interrupt's own descriptor is not among them. */
		ready = poll(fds, 2 + before, 50);
		if (ready < 0 && errno != EINTR)
			return fail_sys(err, errno, "poll");
		if (lobby->interrupt && interrupt_raised(lobby->interrupt))
			return fail(err, GW_CANCELLED, "cancelled");
		if (ready > 0) {
			/* From the last, so that one that leaves takes no unseen one's place. */
			for (uint32_t i = before; i-- > 0;)
				if (fds[1 + i].revents && identify(lobby, i, err) < 0)
					return -1;
			if (fds[0].revents && accept_one(lobby, listener, err) < 0)
				return -1;
			moved = fds[0].revents || lobby->waiting_count != before;
			/* One that has said all that it had to say ends main as well, and
			 * its other connections are on the way in. */
			if (fds[1 + before].revents && !moved) {
				start_over(lobby);
				first_ns = 0;
			}
			breathe(lobby, moved);
		}
		if (first_ns == 0 && (lobby->waiting_count > 0 ||
				      lobby->pages_present > 0 || lobby->arrivals->main))
			first_ns = clock_now_ns();
		if (first_ns > 0 && lobby->options->patience_ms >= 0 &&
		    !complete(lobby) &&
		    clock_now_ns() - first_ns >
			    (uint64_t)lobby->options->patience_ms * NS_PER_MS)
			return fail_late(lobby, err);
	}
	return 0;
}

/* Who has come by now, although all are there, may be a page channel too many: the source would
 * send it pages that nobody reads. */
static int look_at_late_comers(struct lobby *lobby, struct listener *listener,
			       struct gw_error *err)
{
	uint32_t before;

	do {
		before = lobby->waiting_count;
		if (accept_one(lobby, listener, err) < 0)
			return -1;
	} while (lobby->waiting_count > before && before < STRANGERS_MAX);
	for (uint32_t i = lobby->waiting_count; i-- > 0;)
		if (identify(lobby, i, err) < 0)
			return -1;
	if (!lobby->options->silent)
		listener_stop(listener);
	return 0;
}

static void keep_silent(struct lobby *lobby)
{
	if (lobby->waiting_count > 0)
		*lobby->options->silent = lobby->waiting[--lobby->waiting_count];
}

int lobby_admit(struct listener *listener, const struct lobby_options *options,
		const struct interrupt *interrupt, struct arrivals *arrivals,
		struct gw_error *err)
{
	struct lobby lobby = {
		.options = options,
		.interrupt = interrupt,
		.arrivals = arrivals,
	};
	int failed;

	memset(arrivals, 0, sizeof(*arrivals));
	if (options->silent)
		*options->silent = -1;
	failed = admit(&lobby, listener, err);
	if (failed == 0)
		failed = look_at_late_comers(&lobby, listener, err);
	if (failed == 0 && options->silent)
		keep_silent(&lobby);
	while (lobby.waiting_count > 0)
		show_out(&lobby, 0, "nobody waits for it any more");
	if (failed < 0)
		arrivals_close(arrivals, options->channel_count);
	return failed;
}

void arrivals_close(struct arrivals *arrivals, uint32_t channel_count)
{
	channel_free(arrivals->main);
	arrivals->main = NULL;
	for (uint32_t i = 0; i < channel_count; i++) {
		channel_free(arrivals->pages[i]);
		arrivals->pages[i] = NULL;
	}
}
