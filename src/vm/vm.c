/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vm.c - a guest of ours behind a QMP server and a human monitor. */
#include "vm/vm.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

#include "base/clock.h"
#include "channel/listener.h"
#include "qmp/qmp_server.h"
#include "vm/controls.h"
#include "vm/monitor_session.h"
#include "vm/qmp_commands.h"
#include "vm/serial.h"

#define SESSIONS_MAX 4u
#define BACKLOG 8
#define LAST_WORDS_MS 1000
/* After poll() or accept() failed for want of something: it may be there a moment later. */
#define NAP_NS (100 * NS_PER_MS)

struct vm {
	struct vm_options options;
	const struct interrupt *stop;
	struct events events;
	struct mailbox *mailbox;
	struct serial *serial;
	struct listener *qmp_listener;
	struct listener *monitor_listener;
	struct controls *controls;
	struct qmp_server *server;
	struct monitor_session *sessions[SESSIONS_MAX];
};

/* What is polled, in this order; then what the server watches. */
enum {
	POLL_STOP,
	POLL_MAILBOX,
	POLL_QMP,
	POLL_MONITOR,
	POLL_SESSIONS,
	POLL_CLIENTS = POLL_SESSIONS + 2 * SESSIONS_MAX,
	POLL_MAX = POLL_CLIENTS + QMP_SERVER_CLIENTS_MAX,
};

static void tell_event(void *state, const char *name, json_t *data)
{
	struct vm *vm = state;

	if (vm->server)
		qmp_server_event(vm->server, name, data);
	else
		json_decref(data);
}

/* ---- up and down ---- */

static int open_socket(const struct vm *vm, const char *option, const char *allowed,
		       const char *uri, struct listener **listener, struct gw_error *err)
{
	struct address at;

	if (strncmp(uri, "unix:", 5) != 0)
		return fail(err, GW_USAGE, "%s %.60s: %s", option, uri, allowed);
	if (address_parse(&at, uri, err) < 0)
		return fail_in(err, "%s", option);
	*listener = listener_open(&at, BACKLOG, vm->stop, err);
	return *listener ? 0 : fail_in(err, "%s", option);
}

static int open_sockets(struct vm *vm, struct gw_error *err)
{
	const char *qmp = vm->options.qmp, *monitor = vm->options.monitor;

	if (qmp && open_socket(vm, "--qmp", "unix:PATH is allowed", qmp,
			       &vm->qmp_listener, err) < 0)
		return -1;
	if (!monitor || strcmp(monitor, "stdio") == 0)
		return 0;
	return open_socket(vm, "--monitor", "stdio and unix:PATH are allowed", monitor,
			   &vm->monitor_listener, err);
}

static int open_server(struct vm *vm, struct gw_error *err)
{
	const struct qmp_server_options options = {
		.commands = qmp_commands,
		.state = vm->controls,
		.major = VM_SPEAKS_MAJOR,
		.minor = VM_SPEAKS_MINOR,
		.micro = VM_SPEAKS_MICRO,
		.package = vm->options.package,
		.log = vm->options.log,
	};

	vm->server = qmp_server_new(&options, err);
	return vm->server ? 0 : -1;
}

/* What may be refused first, the guest's memory last. */
static int open_all(struct vm *vm, struct gw_error *err)
{
	vm->mailbox = mailbox_new(err);
	if (!vm->mailbox || open_sockets(vm, err) < 0)
		return -1;
	vm->serial = serial_open(vm->options.serial, err);
	if (!vm->serial)
		return fail_in(err, "--serial");
	vm->options.guest.console = serial_print;
	vm->options.guest.console_state = vm->serial;
	vm->controls = controls_new(&vm->options, vm->mailbox, &vm->events, err);
	if (!vm->controls || open_server(vm, err) < 0)
		return -1;
	if (vm->options.monitor && !vm->monitor_listener) {
		vm->sessions[0] = monitor_session_stdio(vm->controls, err);
		if (!vm->sessions[0])
			return -1;
	}
	return 0;
}

static void close_all(struct vm *vm)
{
	for (uint32_t i = 0; i < SESSIONS_MAX; i++)
		monitor_session_free(vm->sessions[i]);
	if (vm->server)
		qmp_server_flush(vm->server, LAST_WORDS_MS);
	qmp_server_free(vm->server);
	controls_free(vm->controls);
	serial_free(vm->serial);
	listener_free(vm->monitor_listener);
	listener_free(vm->qmp_listener);
	mailbox_free(vm->mailbox);
}

/* ---- one turn ---- */

static struct monitor_session **free_session(struct vm *vm)
{
	for (uint32_t i = 0; i < SESSIONS_MAX; i++)
		if (!vm->sessions[i])
			return &vm->sessions[i];
	return NULL;
}

static struct pollfd watch_listener(const struct listener *listener)
{
	return (struct pollfd){ .fd = listener ? listener_fd(listener) : -1,
				.events = POLLIN };
}

static nfds_t watch(struct vm *vm, bool told_to_stop, struct pollfd fds[POLL_MAX],
		    int *timeout_ms)
{
	*timeout_ms = -1;
	fds[POLL_STOP] = (struct pollfd){
		.fd = told_to_stop ? -1 : interrupt_fd(vm->stop),
		.events = POLLIN,
	};
	fds[POLL_MAILBOX] =
		(struct pollfd){ .fd = mailbox_fd(vm->mailbox), .events = POLLIN };
	fds[POLL_QMP] = watch_listener(vm->qmp_listener);
	fds[POLL_MONITOR] =
		watch_listener(free_session(vm) ? vm->monitor_listener : NULL);
	for (uint32_t i = 0; i < SESSIONS_MAX; i++) {
		struct pollfd *pair = fds + POLL_SESSIONS + (size_t)2 * i;

		pair[0] = pair[1] = (struct pollfd){ .fd = -1 };
		if (!vm->sessions[i])
			continue;
		monitor_session_watch(vm->sessions[i], pair);
		if (monitor_session_ready(vm->sessions[i]))
			*timeout_ms = 0;
	}
	return POLL_CLIENTS + qmp_server_watch(vm->server, fds + POLL_CLIENTS);
}

/* The connection, or -1. */
static int accept_one(struct vm *vm, struct listener *listener)
{
	struct gw_error err;
	int fd = listener_accept(listener, 0, &err);

	if (fd == -1 && err.kind != GW_CANCELLED) {
		log_line(vm->options.log, LOG_LEVEL_WARNING, "%s", err.text);
		interrupt_sleep(vm->stop, NAP_NS);
	}
	return fd;
}

static void admit(struct vm *vm, const struct pollfd fds[POLL_MAX])
{
	struct monitor_session **session = free_session(vm);
	struct gw_error err;
	int fd;

	if (fds[POLL_QMP].revents) {
		fd = accept_one(vm, vm->qmp_listener);
		if (fd >= 0)
			qmp_server_admit(vm->server, fd);
	}
	if (!fds[POLL_MONITOR].revents || !session)
		return;
	fd = accept_one(vm, vm->monitor_listener);
	if (fd < 0)
		return;
	*session = monitor_session_accept(vm->controls, fd, &err);
	if (!*session)
		log_line(vm->options.log, LOG_LEVEL_WARNING, "%s", err.text);
}

static void serve_sessions(struct vm *vm, const struct pollfd fds[POLL_MAX])
{
	for (uint32_t i = 0; i < SESSIONS_MAX; i++) {
		if (vm->sessions[i] &&
		    !monitor_session_serve(vm->sessions[i],
					   fds + POLL_SESSIONS + (size_t)2 * i))
			monitor_session_free(MOVE(vm->sessions[i]));
	}
}

static void turn(struct vm *vm, bool *told_to_stop)
{
	struct pollfd fds[POLL_MAX];
	int timeout_ms;
	nfds_t count = watch(vm, *told_to_stop, fds, &timeout_ms);

	if (poll(fds, count, timeout_ms) < 0) {
		if (errno != EINTR)
			interrupt_sleep(NULL, NAP_NS);
		return;
	}
	if (fds[POLL_STOP].revents) {
		*told_to_stop = true;
		controls_quit(vm->controls, "host-signal");
	}
	mailbox_read(vm->mailbox);
	qmp_server_serve(vm->server, fds + POLL_CLIENTS,
			 (uint32_t)(count - POLL_CLIENTS));
	serve_sessions(vm, fds);
	admit(vm, fds);
}

/* After this no thread of a migration is left. */
static int run(struct vm *vm, struct gw_error *err)
{
	bool told_to_stop = false;

	if (controls_begin(vm->controls, err) < 0)
		return -1;
	while (!controls_ended(vm->controls))
		turn(vm, &told_to_stop);
	return 0;
}

int vm_run(const struct vm_options *options, const struct interrupt *stop,
	   enum vm_end *end, struct gw_error *err)
{
	struct vm vm = { .options = *options, .stop = stop };
	int failed;

	vm.events = (struct events){ tell_event, &vm };
	failed = open_all(&vm, err);
	if (failed == 0)
		failed = run(&vm, err);
	if (failed == 0)
		failed = controls_end(vm.controls, end, err);
	close_all(&vm);
	return failed;
}
