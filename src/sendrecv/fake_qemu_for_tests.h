/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* fake_qemu_for_tests.h - what answers QMP as a QEMU would, in a thread of its own.
 *
 * A test fills it in, starts it, talks to `peer`, and looks at it again once it was stopped.  For
 * tests, which include tests/check.h before. */
#ifndef SENDRECV_FAKE_QEMU_FOR_TESTS_H
#define SENDRECV_FAKE_QEMU_FOR_TESTS_H

#include <pthread.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "drive/qmp_peer.h"
#include "qmp/qmp_server.h"

struct fake_moment {
	const char *run_state;
	const char *migration; /* NULL: none */
};

struct fake_qemu {
	/* Each query-status goes on to the next; the last one stays. */
	struct fake_moment moments[8];
	unsigned moment_count;
	const char *after_cont; /* run state; NULL: cont is refused */
	json_t *capabilities;	/* name: on; postcopy-preempt needs postcopy-ram */
	json_t *parameters;
	const char *refused;	   /* a parameter or capability that is not to be set */
	const char *not_a_command; /* is refused */

	unsigned moment, stops, conts, sets;
	struct qmp_peer *peer;

	struct qmp_server *server;
	pthread_t thread;
	int listener, bell[2];
	char directory[32], path[64];
};

/* ---- commands ---- */

static inline int fake_refuses(const struct fake_qemu *fake, const char *command,
			       struct gw_error *err)
{
	if (fake->not_a_command && strcmp(fake->not_a_command, command) == 0)
		return fail(err, GW_USAGE, "not now");
	return 0;
}

static inline const struct fake_moment *fake_now(const struct fake_qemu *fake)
{
	return &fake->moments[fake->moment];
}

static inline int fake_query_status(void *state, const json_t *arguments, json_t **result,
				    struct gw_error *err)
{
	struct fake_qemu *fake = state;
	const char *name = fake_now(fake)->run_state;

	if (fake_refuses(fake, "query-status", err) < 0)
		return -1;
	*result = json_pack("{ss sb}", "status", name, "running",
			    strcmp(name, "running") == 0);
	if (fake->moment + 1 < fake->moment_count)
		fake->moment++;
	return 0;
}

static inline int fake_query_migrate(void *state, const json_t *arguments,
				     json_t **result, struct gw_error *err)
{
	struct fake_qemu *fake = state;

	if (fake_now(fake)->migration)
		*result = json_pack("{ss}", "status", fake_now(fake)->migration);
	return 0;
}

static inline int fake_stop(void *state, const json_t *arguments, json_t **result,
			    struct gw_error *err)
{
	struct fake_qemu *fake = state;

	fake->stops++;
	return 0;
}

static inline int fake_cont(void *state, const json_t *arguments, json_t **result,
			    struct gw_error *err)
{
	struct fake_qemu *fake = state;

	if (!fake->after_cont)
		return fail(err, GW_USAGE, "cannot");
	fake->conts++;
	/* Two looks later. */
	fake->moments[0] = fake->moments[1] = *fake_now(fake);
	fake->moments[2] = (struct fake_moment){ fake->after_cont, "completed" };
	fake->moment = 0;
	fake->moment_count = 3;
	return 0;
}

static inline int fake_capabilities(void *state, const json_t *arguments, json_t **result,
				    struct gw_error *err)
{
	struct fake_qemu *fake = state;
	const char *name;
	json_t *on;

	if (fake_refuses(fake, "query-migrate-capabilities", err) < 0)
		return -1;
	*result = json_array();
	json_object_foreach (fake->capabilities, name, on)
		json_array_append_new(*result, json_pack("{ss sO}", "capability", name,
							 "state", on));
	return 0;
}

static inline int fake_set_capabilities(void *state, const json_t *arguments,
					json_t **result, struct gw_error *err)
{
	struct fake_qemu *fake = state;
	json_t *then = json_copy(fake->capabilities), *one;
	bool refused = false;
	size_t i;

	fake->sets++;
	json_array_foreach (json_object_get(arguments, "capabilities"), i, one) {
		const char *name = json_string_value(json_object_get(one, "capability"));

		refused |= fake->refused && strcmp(name, fake->refused) == 0;
		json_object_set(then, name, json_object_get(one, "state"));
	}
	refused |= json_is_true(json_object_get(then, "postcopy-preempt")) &&
		   !json_is_true(json_object_get(then, "postcopy-ram"));
	if (refused) {
		json_decref(then);
		return fail(err, GW_USAGE, "not these %zu", i);
	}
	json_decref(fake->capabilities);
	fake->capabilities = then;
	return 0;
}

static inline int fake_parameters(void *state, const json_t *arguments, json_t **result,
				  struct gw_error *err)
{
	struct fake_qemu *fake = state;

	if (fake_refuses(fake, "query-migrate-parameters", err) < 0)
		return -1;
	*result = json_deep_copy(fake->parameters);
	return 0;
}

static inline int fake_set_parameters(void *state, const json_t *arguments,
				      json_t **result, struct gw_error *err)
{
	struct fake_qemu *fake = state;
	json_t *copy;

	fake->sets++;
	if (fake->refused && json_object_get(arguments, fake->refused))
		return fail(err, GW_USAGE, "%s is refused", fake->refused);
	copy = json_deep_copy(arguments);
	json_object_update(fake->parameters, copy);
	json_decref(copy);
	return 0;
}

static const struct qmp_command fake_commands[] = {
	{ "query-status", NULL, fake_query_status },
	{ "query-migrate", NULL, fake_query_migrate },
	{ "stop", NULL, fake_stop },
	{ "cont", NULL, fake_cont },
	{ "query-migrate-capabilities", NULL, fake_capabilities },
	{ "migrate-set-capabilities", NULL, fake_set_capabilities },
	{ "query-migrate-parameters", NULL, fake_parameters },
	{ "migrate-set-parameters", NULL, fake_set_parameters },
	{ 0 },
};

/* ---- the thread ---- */

static inline void *fake_serve(void *state)
{
	struct fake_qemu *fake = state;
	struct pollfd fds[QMP_SERVER_CLIENTS_MAX + 2];

	for (;;) {
		uint32_t count = qmp_server_watch(fake->server, fds);

		fds[count] = (struct pollfd){ .fd = fake->listener, .events = POLLIN };
		fds[count + 1] = (struct pollfd){ .fd = fake->bell[0], .events = POLLIN };
		if (poll(fds, count + 2, -1) < 0)
			continue;
		if (fds[count + 1].revents)
			return NULL;
		qmp_server_serve(fake->server, fds, count);
		if (fds[count].revents)
			qmp_server_admit(fake->server,
					 accept(fake->listener, NULL, NULL));
	}
}

static inline void fake_listen(struct fake_qemu *fake)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX };

	snprintf(fake->directory, sizeof(fake->directory), "/tmp/godwit-fake-XXXXXX");
	CHECK(mkdtemp(fake->directory));
	snprintf(fake->path, sizeof(fake->path), "%s/qmp", fake->directory);
	memcpy(name.sun_path, fake->path, sizeof(fake->path));
	fake->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	CHECK(fake->listener >= 0);
	CHECK_EQ(bind(fake->listener, (const struct sockaddr *)&name, sizeof(name)), 0);
	CHECK_EQ(listen(fake->listener, 1), 0);
}

static inline void fake_open(struct fake_qemu *fake)
{
	const struct qmp_server_options options = { .commands = fake_commands,
						    .state = fake,
						    .major = 7,
						    .minor = 2,
						    .package = "" };
	struct gw_error err;

	fake_listen(fake);
	CHECK_EQ(pipe(fake->bell), 0);
	fake->server = qmp_server_new(&options, &err);
	CHECK(fake->server);
}

static inline void fake_start(struct fake_qemu *fake)
{
	struct gw_error err;

	fake_open(fake);
	CHECK_EQ(pthread_create(&fake->thread, NULL, fake_serve, fake), 0);
	fake->peer = qmp_peer_new("destination", fake->path, NULL, &err);
	CHECK(fake->peer);
}

static inline void fake_close(struct fake_qemu *fake)
{
	qmp_server_free(fake->server);
	fake->server = NULL;
	close(fake->listener);
	close(fake->bell[0]);
	close(fake->bell[1]);
	unlink(fake->path);
	rmdir(fake->directory);
}

/* `peer` stays, to nobody. */
static inline void fake_fall_silent(struct fake_qemu *fake)
{
	CHECK_EQ(write(fake->bell[1], "", 1), 1);
	CHECK_EQ(pthread_join(fake->thread, NULL), 0);
	fake_close(fake);
}

static inline void fake_end(struct fake_qemu *fake)
{
	if (fake->server)
		fake_fall_silent(fake);
	qmp_peer_free(fake->peer);
	json_decref(fake->capabilities);
	json_decref(fake->parameters);
}

#endif
