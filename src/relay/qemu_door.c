/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* qemu_door.c - the connections between the relay and the QEMU on this host. */
#include "relay/qemu_door.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/bytes.h"
#include "base/deadline.h"
#include "channel/socket.h"
#include "migrate/lobby.h"
#include "wire/stream.h"

#define NOBODY_ASKED ((uid_t)-1) /* for a gid as well */

/* In a directory of our own. */
#define SOCKET_NAME "qemu.sock"

/* With the names below it, what a socket's address has room for. */
#define RUNTIME_PATH_MAX 64u

/* A page channel says its init packet as soon as it is connected. */
#define LOOK_MS 20

#define CONNECT_NAP_NS (20 * NS_PER_MS)

/* What the relay wrote and QEMU has not read, of which the kernel counts the double.  One write is
 * one buffer of the kernel's up to half of that. */
#define SEND_BUFFER_BYTES (512 << 10)
#define SEND_BUFFER_BYTES_MIN (65 << 10)

#define ADVICE "--qemu-channels has to be the multifd-channels of that QEMU"

/* ---- a place ---- */

/* A directory that another user has to reach cannot lie below our runtime directory.  Nor is one
 * ours that another user owns, whose it was before he became us: what he owns he can rename. */
static const char *private_root(const struct door_wish *wish)
{
	/* NOLINTNEXTLINE(concurrency-mt-unsafe): nobody here sets any */
	const char *runtime = getenv("XDG_RUNTIME_DIR");
	struct stat is;

	if (runtime && runtime[0] == '/' && strlen(runtime) <= RUNTIME_PATH_MAX &&
	    (wish->uid == NOBODY_ASKED || wish->uid == geteuid()) &&
	    stat(runtime, &is) == 0 && is.st_uid == geteuid() &&
	    access(runtime, W_OK | X_OK) == 0)
		return runtime;
	return "/tmp";
}

/* Return: 0 or an errno value.  Neither a symlink in the place of what we made nor somebody else's
 * file is given away. */
static int give_away(const char *path, const struct door_wish *wish, int mode)
{
	OWNED_FD int fd = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	char itself[32];
	struct stat stat;

	if (fd < 0 || fstat(fd, &stat) < 0)
		return errno;
	if (stat.st_uid != geteuid() ||
	    (!S_ISSOCK(stat.st_mode) && !S_ISDIR(stat.st_mode)))
		return EEXIST;
	/* The owner first: until then the mode is for nobody else. */
	if (fchownat(fd, "", wish->uid, wish->gid, AT_EMPTY_PATH) < 0)
		return errno;
	snprintf(itself, sizeof(itself), "/proc/self/fd/%d", fd);
	return chmod(itself, (mode_t)mode) < 0 ? errno : 0;
}

static int hand_over(const char *path, const struct door_wish *wish, int mode,
		     struct gw_error *err)
{
	int sys = give_away(path, wish, mode);

	if (sys == 0)
		return 0;
	return fail_sys(err, sys, "%s: as %d:%d, mode 0%o", path, (int)wish->uid,
			(int)wish->gid, (unsigned)mode);
}

static int make_directory(const struct door_wish *wish, struct door_place *place,
			  struct gw_error *err)
{
	snprintf(place->directory, sizeof(place->directory), "%s/godwit-XXXXXX",
		 private_root(wish));
	if (mkdtemp(place->directory))
		return 0;
	fail_sys(err, errno, "%s", place->directory);
	place->directory[0] = '\0';
	return -1;
}

int door_make_place(const struct door_wish *wish, struct door_place *place,
		    struct gw_error *err)
{
	struct address address;

	memset(place, 0, sizeof(*place));
	if (!wish->path && make_directory(wish, place, err) < 0)
		return -1;
	if (wish->path)
		snprintf(place->path, sizeof(place->path), "%s", wish->path);
	else
		snprintf(place->path, sizeof(place->path), "%s/" SOCKET_NAME,
			 place->directory);
	snprintf(place->uri, sizeof(place->uri), "unix:%s", place->path);
	/* A path that is too long for a socket. */
	if (address_parse(&address, place->uri, err) == 0)
		return 0;
	door_remove_place(place);
	return -1;
}

int door_give_place(const struct door_place *place, const struct door_wish *wish,
		    struct gw_error *err)
{
	return hand_over(place->directory, wish, S_IRWXU, err);
}

void door_remove_place(const struct door_place *place)
{
	/* It may be another user's by now. */
	OWNED_FD int fd = place->directory[0] == '\0'
				  ? -1
				  : open(place->directory,
					 O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return;
	unlinkat(fd, SOCKET_NAME, 0);
	rmdir(place->directory);
}

/* A number below the one that means "nobody asked". */
static bool parse_number(const char *text, uint32_t *number)
{
	char *end;
	unsigned long long value;

	if (text[0] < '0' || text[0] > '9')
		return false;
	errno = 0;
	value = strtoull(text, &end, 10);
	*number = (uint32_t)value;
	return errno == 0 && *end == '\0' && value < NOBODY_ASKED;
}

int door_parse_owner(const char *text, uid_t *uid, gid_t *gid, struct gw_error *err)
{
	const char *colon = strchr(text, ':');
	size_t length = colon ? (size_t)(colon - text) : strlen(text);
	char user[64];
	const struct passwd *account;
	const struct group *group = NULL;

	*uid = NOBODY_ASKED;
	*gid = NOBODY_ASKED;
	if (length >= sizeof(user) || (colon ? colon[1] == '\0' : length == 0))
		return fail(err, GW_USAGE,
			    "owner \"%.64s\", expected USER, USER:GROUP or :GROUP", text);
	memcpy(user, text, length);
	user[length] = '\0';
	/* NOLINTNEXTLINE(concurrency-mt-unsafe): the command line's, before threads */
	account = length > 0 ? getpwnam(user) : NULL;
	if (account)
		*uid = account->pw_uid;
	else if (length > 0 && !parse_number(user, uid))
		return fail(err, GW_USAGE, "user \"%s\" is not known here", user);
	if (!colon)
		return 0;
	/* NOLINTNEXTLINE(concurrency-mt-unsafe): likewise */
	group = getgrnam(colon + 1);
	if (group)
		*gid = group->gr_gid;
	else if (!parse_number(colon + 1, gid))
		return fail(err, GW_USAGE, "group \"%.64s\" is not known here",
			    colon + 1);
	return 0;
}

/* ---- a QEMU comes ---- */

struct door {
	struct address at;
	struct door_options options;
	const struct interrupt *interrupt;
	struct listener *listener;
	int silent; /* came with the others and has said nothing; or -1 */
};

struct door *door_open(const struct door_place *place, const struct door_wish *wish,
		       const struct door_options *options,
		       const struct interrupt *interrupt, struct gw_error *err)
{
	struct door *door = calloc(1, sizeof(*door));

	if (!door) {
		fail_sys(err, ENOMEM, "%s", place->uri);
		return NULL;
	}
	door->silent = -1;
	door->options = *options;
	door->interrupt = interrupt;
	if (address_parse(&door->at, place->uri, err) == 0)
		door->listener = listener_open(&door->at, (int)options->channel_count + 2,
					       interrupt, err);
	/* Made with mode 0600 before anybody could connect, and wider only as wished.  The directory
	 * last: whose it is can put other things in the place of what is in it. */
	if (!door->listener ||
	    hand_over(place->path, wish, wish->mode >= 0 ? wish->mode : 0600, err) < 0 ||
	    (place->directory[0] && door_give_place(place, wish, err) < 0)) {
		door_close(door);
		return NULL;
	}
	return door;
}

int door_wait(struct door *door, int timeout_ms, struct gw_error *err)
{
	int here = interrupt_poll(door->interrupt, listener_fd(door->listener), POLLIN,
				  timeout_ms, err);

	return here < 0 ? socket_fail_in(err, &door->at) : here;
}

int door_await(struct door *door, struct door_visitors *visitors, struct gw_error *err)
{
	const struct lobby_options options = {
		.channel_count = door->options.channel_count,
		.patience_ms = door->options.patience_ms,
		.advice = ADVICE,
		.silent = door->options.preempt ? &door->silent : NULL,
		.log = door->options.log,
	};
	struct arrivals arrivals;

	if (lobby_admit(door->listener, &options, door->interrupt, &arrivals, err) < 0)
		return socket_fail_in(err, &door->at);
	visitors->main = arrivals.main;
	memcpy(visitors->pages, arrivals.pages, sizeof(visitors->pages));
	memcpy(visitors->uuid, arrivals.uuid, sizeof(visitors->uuid));
	return 0;
}

/* 1 when it may be preempt's, 0 when it is not, -1 when the migration cannot come right. */
static int look_at(const struct door *door, int fd, struct gw_error *err)
{
	uint8_t bytes[4];
	ssize_t got;

	if (interrupt_poll(door->interrupt, fd, POLLIN, LOOK_MS, err) < 0)
		return -1;
	got = recv(fd, bytes, sizeof(bytes), MSG_PEEK | MSG_DONTWAIT);
	if (got < (ssize_t)sizeof(bytes))
		return 1;
	if (load_be32(bytes) == MULTIFD_MAGIC)
		return fail(err, GW_PEER, "a page channel beyond %u; " ADVICE,
			    door->options.channel_count);
	if (load_be32(bytes) != STREAM_MAGIC)
		return 1;
	log_line(door->options.log, LOG_LEVEL_WARNING,
		 "listener: connection dropped: a second main channel");
	return 0;
}

/* The one that came with the others, or the next that comes; as listener_accept(). */
static int next_visitor(struct door *door, int timeout_ms, struct gw_error *err)
{
	int fd = door->silent;

	if (fd < 0)
		return listener_accept(door->listener, timeout_ms, err);
	door->silent = -1;
	return fd;
}

int door_await_preempt(struct door *door, int timeout_ms, struct channel **preempt,
		       struct gw_error *err)
{
	const struct deadline deadline = deadline_in(timeout_ms);

	for (;;) {
		int fd = next_visitor(door, deadline_left_ms(&deadline), err);
		int seen;

		if (fd < 0)
			return fd == -2 ? 0 : -1;
		seen = look_at(door, fd, err);
		if (seen > 0) {
			listener_stop(door->listener);
			*preempt = channel_from_fd(fd, door->interrupt, err);
			return *preempt ? 1 : socket_fail_in(err, &door->at);
		}
		close(fd);
		if (seen < 0)
			return socket_fail_in(err, &door->at);
	}
}

void door_close(struct door *door)
{
	if (!door)
		return;
	listener_free(door->listener);
	if (door->silent >= 0)
		close(door->silent);
	free(door);
}

/* ---- we go to a QEMU ---- */

/* As the socket of a process that listens a little later. */
static int connect_patiently(const struct address *to, const struct interrupt *interrupt,
			     int patience_ms, struct gw_error *err)
{
	const struct deadline deadline = deadline_in(patience_ms);

	for (;;) {
		int left_ms = deadline_left_ms(&deadline);
		int fd = channel_connect_fd(to, interrupt, left_ms, err);

		if (fd >= 0 || left_ms == 0 ||
		    (err->sys != ENOENT && err->sys != ECONNREFUSED))
			return fd;
		if (!interrupt_sleep(interrupt, CONNECT_NAP_NS)) {
			fail(err, GW_CANCELLED, "cancelled");
			return socket_fail_in(err, to);
		}
	}
}

/* Only between two processes of one host: over a network TCP finds out what the link needs. */
static int bound_send_buffer(const struct address *to, int fd, struct gw_error *err)
{
	int bytes = SEND_BUFFER_BYTES;
	socklen_t length = sizeof(bytes);

	if (to->kind != ADDRESS_UNIX)
		return 0;
	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes)) < 0 ||
	    getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, &length) < 0)
		return fail_sys(err, errno, "%s: send buffer", to->uri);
	if (bytes < SEND_BUFFER_BYTES_MIN)
		return fail(err, GW_SYSTEM,
			    "%s: send buffer of %d bytes, at least %d are needed "
			    "(sysctl net.core.wmem_max)",
			    to->uri, bytes, SEND_BUFFER_BYTES_MIN);
	return 0;
}

struct channel *door_connect(const struct address *to, const struct interrupt *interrupt,
			     int patience_ms, int *fd, struct gw_error *err)
{
	int connected = connect_patiently(to, interrupt, patience_ms, err);
	OWNED(channel) struct channel *channel = NULL;

	if (connected < 0)
		return NULL;
	channel = channel_from_fd(connected, interrupt, err);
	if (!channel) {
		socket_fail_in(err, to);
		return NULL;
	}
	if (bound_send_buffer(to, connected, err) < 0)
		return NULL;
	if (fd)
		*fd = fcntl(connected, F_DUPFD_CLOEXEC, 0);
	if (fd && *fd < 0) {
		fail_sys(err, errno, "%s", to->uri);
		return NULL;
	}
	return MOVE(channel);
}
