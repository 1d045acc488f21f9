/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* qmp_dispatch.c - one request of a QMP client to its answer. */
#include "qmp/qmp_dispatch.h"

#include <assert.h>
#include <string.h>

#define CLASS_GENERIC "GenericError"
#define CLASS_NOT_FOUND "CommandNotFound"

struct request {
	const char *command;
	const json_t *arguments; /* an object, or NULL */
	json_t *id;		 /* borrowed, any type, or NULL */
};

/* Whom the commands of the server itself answer. */
struct asker {
	const struct qmp_server_options *options;
	bool *negotiated;
};

static const struct qmp_argument no_arguments[] = { { 0 } };

static const struct qmp_argument capabilities_arguments[] = {
	{ "enable", QMP_ARRAY, .optional = true },
	{ 0 },
};

/* A text that quotes a client may have been cut within a character. */
static json_t *text_json(const char *text)
{
	char shown[sizeof(((struct gw_error *)NULL)->text)];
	json_t *json = json_string(text);

	return json ? json
		    : json_string(printable(shown, sizeof(shown), text,
					    (unsigned)strlen(text)));
}

static json_t *error_json(const char *class, const char *text, json_t *id)
{
	json_t *answer = json_object();
	json_t *error = json_object();

	/* Each call takes NULL and says -1, so that one check at the end is enough. */
	if ((id && json_object_set(answer, "id", id) < 0) ||
	    json_object_set_new(error, "class", json_string(class)) < 0 ||
	    json_object_set_new(error, "desc", text_json(text)) < 0 ||
	    json_object_set(answer, "error", error) < 0) {
		json_decref(answer);
		answer = NULL;
	}
	json_decref(error);
	return answer;
}

/* Takes over `result`. */
static json_t *return_json(json_t *result, json_t *id)
{
	json_t *answer = json_object();

	if (json_object_set_new(answer, "return", result ? result : json_object()) < 0 ||
	    (id && json_object_set(answer, "id", id) < 0)) {
		json_decref(answer);
		return NULL;
	}
	return answer;
}

json_t *qmp_refuse(const char *text)
{
	return error_json(CLASS_GENERIC, text, NULL);
}

static json_t *version_json(const struct qmp_server_options *options)
{
	return json_pack("{s:{s:i,s:i,s:i},s:s}", "qemu", "micro", options->micro,
			 "minor", options->minor, "major", options->major, "package",
			 options->package ? options->package : "");
}

json_t *qmp_greeting(const struct qmp_server_options *options)
{
	/* No capability is offered: there are no commands out of band. */
	return json_pack("{s:{s:o,s:[]}}", "QMP", "version", version_json(options),
			 "capabilities");
}

static int run_qmp_capabilities(void *state, const json_t *arguments, json_t **result,
				struct gw_error *err)
{
	const struct asker *asker = state;
	const json_t *enable = json_object_get(arguments, "enable");

	for (size_t i = 0; i < json_array_size(enable); i++) {
		const char *name = json_string_value(json_array_get(enable, i));

		if (!name)
			return fail(err, GW_USAGE,
				    "Invalid parameter type for 'enable[%zu]', "
				    "expected: string",
				    i);
		/* QEMU has no name for an item of a list. */
		if (strcmp(name, "oob") != 0)
			return fail(err, GW_USAGE,
				    "Parameter 'null' does not accept value '%s'", name);
	}
	if (json_array_size(enable) > 0)
		return fail(err, GW_UNSUPPORTED, "Capability oob not available");
	*asker->negotiated = true;
	return 0;
}

static int run_query_version(void *state, const json_t *arguments, json_t **result,
			     struct gw_error *err)
{
	const struct asker *asker = state;

	*result = version_json(asker->options);
	return *result ? 0
		       : fail(err, GW_SYSTEM, "query-version: cannot allocate memory");
}

static int run_query_commands(void *state, const json_t *arguments, json_t **result,
			      struct gw_error *err);

static const struct qmp_command own_commands[] = {
	{ "qmp_capabilities", capabilities_arguments, run_qmp_capabilities },
	{ "query-commands", no_arguments, run_query_commands },
	{ "query-version", no_arguments, run_query_version },
	{ 0 },
};

static int add_names(json_t *list, const struct qmp_command *commands)
{
	for (; commands->name; commands++)
		if (json_array_append_new(list,
					  json_pack("{s:s}", "name", commands->name)) < 0)
			return -1;
	return 0;
}

static int run_query_commands(void *state, const json_t *arguments, json_t **result,
			      struct gw_error *err)
{
	const struct asker *asker = state;

	*result = json_array();
	if (add_names(*result, own_commands) < 0 ||
	    add_names(*result, asker->options->commands) < 0)
		return fail(err, GW_SYSTEM, "query-commands: cannot allocate memory");
	return 0;
}

static const struct qmp_command *find_command(const struct qmp_command *commands,
					      const char *name)
{
	for (; commands->name; commands++)
		if (strcmp(commands->name, name) == 0)
			return commands;
	return NULL;
}

static int parse_member(struct request *request, const char *name, json_t *value,
			struct gw_error *err)
{
	if (strcmp(name, "execute") == 0) {
		request->command = json_string_value(value);
		if (!request->command)
			return fail(err, GW_USAGE,
				    "QMP input member 'execute' must be a string");
	} else if (strcmp(name, "arguments") == 0) {
		if (!json_is_object(value))
			return fail(err, GW_USAGE,
				    "QMP input member 'arguments' must be an object");
		request->arguments = value;
	} else if (strcmp(name, "id") != 0) {
		return fail(err, GW_USAGE, "QMP input member '%s' is unexpected", name);
	}
	return 0;
}

static int parse_request(struct request *request, const json_t *json,
			 struct gw_error *err)
{
	/* jansson's iterator is not const, but looks only. */
	json_t *members = (json_t *)json;
	const char *name;
	json_t *value;

	*request = (struct request){ .id = json_object_get(json, "id") };
	if (!json_is_object(json))
		return fail(err, GW_USAGE, "QMP input must be a JSON object");
	json_object_foreach (members, name, value) {
		if (parse_member(request, name, value, err) < 0)
			return -1;
	}
	if (!request->command)
		return fail(err, GW_USAGE, "QMP input lacks member 'execute'");
	return 0;
}

static bool has_type(const json_t *value, enum qmp_type type)
{
	switch (type) {
	case QMP_STRING:
		return json_is_string(value);
	case QMP_BOOL:
		return json_is_boolean(value);
	case QMP_INTEGER:
		return json_is_integer(value);
	case QMP_OBJECT:
		return json_is_object(value);
	case QMP_ARRAY:
		return json_is_array(value);
	case QMP_ANY:
		return true;
	}
	return false;
}

static int check_argument(const struct qmp_argument *argument, const json_t *value,
			  struct gw_error *err)
{
	static const char *const type_names[] = {
		[QMP_STRING] = "string",   [QMP_BOOL] = "boolean",
		[QMP_INTEGER] = "integer", [QMP_OBJECT] = "object",
		[QMP_ARRAY] = "array",	   [QMP_ANY] = "any",
	};

	if (!value)
		return argument->optional
			       ? 0
			       : fail(err, GW_USAGE, "Parameter '%s' is missing",
				      argument->name);
	if (!has_type(value, argument->type))
		return fail(err, GW_USAGE,
			    "Invalid parameter type for '%s', expected: %s",
			    argument->name, type_names[argument->type]);
	return 0;
}

static bool is_argument(const struct qmp_argument *arguments, const char *name)
{
	for (; arguments->name; arguments++)
		if (strcmp(arguments->name, name) == 0)
			return true;
	return false;
}

/* What the table has comes first, as in QEMU, then what it has not. */
static int check_arguments(const struct qmp_argument *known, const json_t *arguments,
			   struct gw_error *err)
{
	json_t *members = (json_t *)arguments;
	const char *name;
	json_t *value;

	for (const struct qmp_argument *at = known; at->name; at++)
		if (check_argument(at, json_object_get(arguments, at->name), err) < 0)
			return -1;
	json_object_foreach (members, name, value) {
		if (!is_argument(known, name))
			return fail(err, GW_USAGE, "Parameter '%s' is unexpected", name);
	}
	return 0;
}

static int run_command(const struct qmp_command *command, void *state,
		       const json_t *given, json_t **result, struct gw_error *err)
{
	json_t *none = given ? NULL : json_object();
	const json_t *arguments = given ? given : none;
	int status = 0;

	if (!arguments)
		return fail(err, GW_SYSTEM, "%s: cannot allocate memory", command->name);
	if (command->arguments)
		status = check_arguments(command->arguments, arguments, err);
	if (status == 0)
		status = command->run(state, arguments, result, err);
	json_decref(none);
	return status;
}

json_t *qmp_dispatch(const struct qmp_server_options *options, bool *negotiated,
		     const json_t *asked)
{
	struct asker asker = { .options = options };
	const struct qmp_command *command, *own;
	struct request request;
	json_t *result = NULL;
	struct gw_error err;

	asker.negotiated = negotiated;
	if (parse_request(&request, asked, &err) < 0)
		return error_json(CLASS_GENERIC, err.text, request.id);
	assert(request.command);
	own = find_command(own_commands, request.command);
	command = own ? own : find_command(options->commands, request.command);
	if (!*negotiated && own != own_commands) {
		return error_json(CLASS_NOT_FOUND,
				  "Expecting capabilities negotiation with "
				  "'qmp_capabilities'",
				  request.id);
	}
	if (*negotiated && own == own_commands) {
		return error_json(CLASS_NOT_FOUND,
				  "Capabilities negotiation is already complete, "
				  "command ignored",
				  request.id);
	}
	if (!command) {
		fail(&err, GW_UNSUPPORTED, "The command %s has not been found",
		     request.command);
		return error_json(CLASS_NOT_FOUND, err.text, request.id);
	}
	if (run_command(command, own ? &asker : options->state, request.arguments,
			&result, &err) < 0) {
		json_decref(result);
		return error_json(CLASS_GENERIC, err.text, request.id);
	}
	return return_json(result, request.id);
}
