/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* qmp_commands_for_tests.h - a server with a few commands, for its tests and its fuzzer. */
#ifndef QMP_QMP_COMMANDS_FOR_TESTS_H
#define QMP_QMP_COMMANDS_FOR_TESTS_H

#include <string.h>

#include "qmp/qmp_server.h"

struct test_commands {
	struct qmp_server *server; /* who runs them */
	unsigned run;		   /* how many were */
};

static inline int run_stop(void *state, const json_t *arguments, json_t **result,
			   struct gw_error *err)
{
	struct test_commands *commands = state;

	commands->run++;
	qmp_server_event(commands->server, "STOP", NULL);
	return 0;
}

static inline int run_echo(void *state, const json_t *arguments, json_t **result,
			   struct gw_error *err)
{
	struct test_commands *commands = state;

	commands->run++;
	*result = json_deep_copy(arguments);
	return 0;
}

static inline int run_migrate(void *state, const json_t *arguments, json_t **result,
			      struct gw_error *err)
{
	const char *uri = json_string_value(json_object_get(arguments, "uri"));
	struct test_commands *commands = state;

	commands->run++;
	if (strcmp(uri, "busy") == 0)
		return fail(err, GW_USAGE, "There's a migration process in progress");
	return 0;
}

static const struct qmp_argument stop_arguments[] = { { 0 } };

static const struct qmp_argument migrate_arguments[] = {
	{ "uri", QMP_STRING },
	{ "detach", QMP_BOOL, .optional = true },
	{ "count", QMP_INTEGER, .optional = true },
	{ "channels", QMP_ARRAY, .optional = true },
	{ "options", QMP_OBJECT, .optional = true },
	{ "anything", QMP_ANY, .optional = true },
	{ 0 },
};

static const struct qmp_command test_command_table[] = {
	{ "stop", stop_arguments, run_stop },
	{ "migrate", migrate_arguments, run_migrate },
	{ "echo", NULL, run_echo },
	{ 0 },
};

/* `commands` is the caller's and outlives the server. */
static inline struct qmp_server *test_server_new(struct test_commands *commands,
						 const struct log *log,
						 struct gw_error *err)
{
	const struct qmp_server_options options = {
		.commands = test_command_table,
		.state = commands,
		.major = 7,
		.minor = 2,
		.micro = 22,
		.package = "for tests",
		.log = log,
	};

	*commands = (struct test_commands){ .server = qmp_server_new(&options, err) };
	return commands->server;
}

#endif
