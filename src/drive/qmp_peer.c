/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* qmp_peer.c - one side of a migration, reached over its QMP socket. */
#include "drive/qmp_peer.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "channel/address.h"
#include "channel/socket.h"

/* A QEMU that holds its lock for a while does answer in the end. */
#define PATIENCE_MS 30000

struct qmp_peer {
	const char *role;
	struct address address;
	struct qmp_client *client;
	int pid;
	uint64_t
		started; /* /proc/PID/stat: tells a process from the next of that number */
};

/* ---- /proc ---- */

/* The fields behind the name, which may hold anything: state is the first. */
static bool read_stat(const char *path, char *fields, size_t room)
{
	OWNED_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t got = fd < 0 ? -1 : read(fd, fields, room - 1);
	const char *behind;

	if (got <= 0)
		return false;
	fields[got] = '\0';
	behind = strrchr(fields, ')');
	if (!behind || behind[1] != ' ')
		return false;
	memmove(fields, behind + 2, strlen(behind + 2) + 1);
	return true;
}

/* The n-th of them, from 1, as proc(5) counts: state is 3. */
static uint64_t stat_field(const char *fields, int n)
{
	for (int i = 3; i < n; i++) {
		fields = strchr(fields, ' ');
		if (!fields)
			return 0;
		fields++;
	}
	return strtoull(fields, NULL, 10);
}

static double cpu_of(const char *path)
{
	char fields[1024];
	long ticks = sysconf(_SC_CLK_TCK);

	if (ticks <= 0 || !read_stat(path, fields, sizeof(fields)))
		return -1;
	return (double)(stat_field(fields, 14) + stat_field(fields, 15)) / (double)ticks;
}

static uint64_t process_start(int pid)
{
	char path[64], fields[1024];

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	if (pid <= 0 || !read_stat(path, fields, sizeof(fields)) || fields[0] == 'Z')
		return 0;
	return stat_field(fields, 22);
}

bool qmp_peer_process_is_gone(const struct qmp_peer *peer)
{
	/* Who made the socket need not be who answers on it. */
	return peer->started > 0 && process_start(peer->pid) != peer->started &&
	       qmp_client_is_hung_up(peer->client);
}

void qmp_peer_find_vcpus(struct qmp_peer *peer, struct peer_vcpus *vcpus)
{
	struct gw_error ignored;
	json_t *cpus = NULL, *cpu;
	size_t i;

	vcpus->count = 0;
	if (qmp_peer_execute(peer, "query-cpus-fast", NULL, &cpus, &ignored) < 0)
		return;
	json_array_foreach (cpus, i, cpu) {
		json_int_t thread = json_integer_value(json_object_get(cpu, "thread-id"));
		bool seen = thread <= 0 || thread > INT32_MAX;

		/* One thread may run them all. */
		for (uint32_t k = 0; k < vcpus->count && !seen; k++)
			seen = vcpus->threads[k] == (int)thread;
		if (!seen && vcpus->count < PEER_VCPUS_MAX)
			vcpus->threads[vcpus->count++] = (int)thread;
	}
	json_decref(cpus);
}

double qmp_peer_cpu_s(const struct qmp_peer *peer, const struct peer_vcpus *vcpus)
{
	char path[64];
	double cpu_s;

	if (peer->started == 0 || qmp_peer_process_is_gone(peer))
		return -1;
	snprintf(path, sizeof(path), "/proc/%d/stat", peer->pid);
	cpu_s = cpu_of(path);
	for (uint32_t i = 0; i < vcpus->count && cpu_s >= 0; i++) {
		double guest_s;

		snprintf(path, sizeof(path), "/proc/%d/task/%d/stat", peer->pid,
			 vcpus->threads[i]);
		guest_s = cpu_of(path);
		cpu_s -= guest_s > 0 ? guest_s : 0;
	}
	return cpu_s;
}

/* ---- connection ---- */

static int connect_to(const struct address *address, struct gw_error *err)
{
	struct sockaddr_un name = socket_unix_address(address);
	OWNED_FD int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int connected;

	if (fd < 0)
		return fail_errno(err, errno);
	if (connect(fd, (const struct sockaddr *)&name, sizeof(name)) < 0) {
		if (errno == EAGAIN)
			return fail(err, GW_PEER,
				    "others wait there already: QEMU talks to one "
				    "client a socket");
		return fail_errno(err, errno);
	}
	connected = fd;
	fd = -1;
	return connected;
}

static void identify(struct qmp_peer *peer, int fd)
{
	struct ucred who = { 0 };
	socklen_t length = sizeof(who);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &length) == 0 && who.pid > 0)
		peer->pid = who.pid;
	peer->started = process_start(peer->pid);
}

/* Whoever has another client greets only once that has left: worth a sentence of its own. */
static int await_greeting(int fd, const struct interrupt *interrupt, struct gw_error *err)
{
	int ready = interrupt_poll(interrupt, fd, POLLIN, PATIENCE_MS, err);

	if (ready == 0)
		return fail(err, GW_PEER,
			    "no greeting within %d s: QEMU talks to one client a socket, "
			    "another may be connected",
			    PATIENCE_MS / 1000);
	return ready < 0 ? -1 : 0;
}

static int open_client(struct qmp_peer *peer, const struct interrupt *interrupt,
		       struct gw_error *err)
{
	OWNED_FD int fd = connect_to(&peer->address, err);
	int given;

	if (fd < 0)
		return -1;
	identify(peer, fd);
	if (await_greeting(fd, interrupt, err) < 0)
		return -1;
	given = fd;
	fd = -1;
	peer->client = qmp_client_new(given, interrupt, PATIENCE_MS, err);
	return peer->client ? 0 : -1;
}

struct qmp_peer *qmp_peer_new(const char *role, const char *path,
			      const struct interrupt *interrupt, struct gw_error *err)
{
	OWNED(qmp_peer) struct qmp_peer *peer = calloc(1, sizeof(*peer));
	char uri[600];

	if (!peer) {
		fail_sys(err, ENOMEM, "%s", role);
		return NULL;
	}
	peer->role = role;
	snprintf(uri, sizeof(uri), "%s%s",
		 strncmp(path, "unix:", 5) == 0 ? "" : "unix:", path);
	if (address_parse(&peer->address, uri, err) < 0 ||
	    open_client(peer, interrupt, err) < 0) {
		fail_in(err, "QMP of the %s, %.120s", role, path);
		return NULL;
	}
	return MOVE(peer);
}

void qmp_peer_free(struct qmp_peer *peer)
{
	if (!peer)
		return;
	qmp_client_free(peer->client);
	free(peer);
}

const char *qmp_peer_role(const struct qmp_peer *peer)
{
	return peer->role;
}

const char *qmp_peer_path(const struct qmp_peer *peer)
{
	return peer->address.path;
}

const struct qmp_version *qmp_peer_version(const struct qmp_peer *peer)
{
	return qmp_client_version(peer->client);
}

int qmp_peer_pid(const struct qmp_peer *peer)
{
	return peer->pid;
}

void qmp_peer_set_interrupt(struct qmp_peer *peer, const struct interrupt *interrupt)
{
	qmp_client_set_interrupt(peer->client, interrupt);
}

int qmp_peer_execute(struct qmp_peer *peer, const char *command, json_t *arguments,
		     json_t **result, struct gw_error *err)
{
	if (qmp_client_execute(peer->client, command, arguments, result, err) < 0)
		return fail_in(err, "%s", peer->role);
	return 0;
}

int qmp_peer_event(struct qmp_peer *peer, json_t **event, int timeout_ms,
		   struct gw_error *err)
{
	int got = qmp_client_event(peer->client, event, timeout_ms, err);

	return got < 0 ? fail_in(err, "%s", peer->role) : got;
}

int qmp_peer_guest(struct qmp_peer *peer, struct guest_status *guest,
		   struct gw_error *err)
{
	json_t *answer = NULL;
	const json_t *name;

	if (qmp_peer_execute(peer, "query-status", NULL, &answer, err) < 0)
		return -1;
	name = json_object_get(answer, "status");
	guest->running = json_is_true(json_object_get(answer, "running"));
	printable(guest->name, sizeof(guest->name),
		  json_is_string(name) ? json_string_value(name) : "unknown",
		  json_is_string(name) ? (unsigned)json_string_length(name) : 7u);
	json_decref(answer);
	return 0;
}
