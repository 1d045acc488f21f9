/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* qmp_commands.c - the QMP commands of a vm, over its controls. */
#include "vm/qmp_commands.h"

#include <errno.h>
#include <string.h>

#include "vm/controls.h"
#include "vm/migration_uri.h"
#include "vm/monitor.h"

static const char *text_of(const json_t *arguments, const char *name)
{
	return json_string_value(json_object_get(arguments, name));
}

static bool truth_of(const json_t *arguments, const char *name, bool otherwise)
{
	const json_t *value = json_object_get(arguments, name);

	return value ? json_is_true(value) : otherwise;
}

static int answer(json_t **result, json_t *made, struct gw_error *err)
{
	*result = made;
	return made ? 0 : fail_sys(err, ENOMEM, "answer");
}

/* ---- the guest ---- */

static int run_stop(void *controls, const json_t *arguments, json_t **result,
		    struct gw_error *err)
{
	(void)arguments;
	(void)result;
	return controls_stop(controls, err);
}

static int run_cont(void *controls, const json_t *arguments, json_t **result,
		    struct gw_error *err)
{
	(void)result;
	return controls_cont(controls, truth_of(arguments, "x-force", false), err);
}

static int run_quit(void *controls, const json_t *arguments, json_t **result,
		    struct gw_error *err)
{
	(void)arguments;
	(void)result;
	(void)err;
	controls_quit(controls, "host-qmp-quit");
	return 0;
}

static int query_status(void *controls, const json_t *arguments, json_t **result,
			struct gw_error *err)
{
	(void)arguments;
	return answer(result,
		      json_pack("{ss sb sb}", "status", controls_status(controls),
				"singlestep", false, "running",
				controls_running(controls)),
		      err);
}

static int query_name(void *controls, const json_t *arguments, json_t **result,
		      struct gw_error *err)
{
	const char *name = controls_name(controls);

	(void)arguments;
	return answer(result, name ? json_pack("{ss}", "name", name) : json_object(),
		      err);
}

static int query_uuid(void *controls, const json_t *arguments, json_t **result,
		      struct gw_error *err)
{
	(void)controls;
	(void)arguments;
	return answer(result,
		      json_pack("{ss}", "UUID", "00000000-0000-0000-0000-000000000000"),
		      err);
}

static int query_kvm(void *controls, const json_t *arguments, json_t **result,
		     struct gw_error *err)
{
	(void)arguments;
	return answer(result,
		      json_pack("{sb sb}", "enabled",
				controls_guest_kind(controls) == GUEST_KVM, "present",
				true),
		      err);
}

static int run_monitor(void *controls, const json_t *arguments, json_t **result,
		       struct gw_error *err)
{
	OWNED_MEMORY char *text = NULL;

	if (json_object_get(arguments, "cpu-index"))
		return fail(err, GW_UNSUPPORTED,
			    "cpu-index: no command of this monitor is about a CPU");
	text = monitor_execute_detached(controls, text_of(arguments, "command-line"),
					err);
	return text ? answer(result, json_string(text), err) : -1;
}

/* ---- migration ---- */

static int run_migrate(void *controls, const json_t *arguments, json_t **result,
		       struct gw_error *err)
{
	char uri[MIGRATION_URI_BYTES];

	(void)result;
	if (truth_of(arguments, "blk", false) || truth_of(arguments, "inc", false))
		return fail(err, GW_UNSUPPORTED,
			    "Parameters 'blk' and 'inc': godwit's guests have no disk to "
			    "migrate");
	if (truth_of(arguments, "resume", false))
		return fail(err, GW_USAGE,
			    "Cannot resume if there is no paused migration");
	if (migration_uri_find(arguments, uri, err) < 0)
		return -1;
	return controls_migrate(controls, uri, err);
}

static int run_migrate_incoming(void *controls, const json_t *arguments, json_t **result,
				struct gw_error *err)
{
	char uri[MIGRATION_URI_BYTES];

	(void)result;
	if (migration_uri_find(arguments, uri, err) < 0)
		return -1;
	return controls_migrate_incoming(controls, uri,
					 truth_of(arguments, "exit-on-error", true), err);
}

static int run_migrate_cancel(void *controls, const json_t *arguments, json_t **result,
			      struct gw_error *err)
{
	(void)arguments;
	(void)result;
	return controls_migrate_cancel(controls, err);
}

static int run_migrate_continue(void *controls, const json_t *arguments, json_t **result,
				struct gw_error *err)
{
	(void)result;
	return controls_migrate_continue(controls, text_of(arguments, "state"), err);
}

static int query_migrate(void *controls, const json_t *arguments, json_t **result,
			 struct gw_error *err)
{
	(void)arguments;
	return answer(result, migration_info_json(controls_migration(controls)), err);
}

static int set_parameters(void *controls, const json_t *arguments, json_t **result,
			  struct gw_error *err)
{
	struct parameters wanted = *controls_parameters(controls);

	(void)result;
	if (parameters_from_json(&wanted, arguments, err) < 0)
		return -1;
	return controls_set_parameters(controls, &wanted, err);
}

static int query_parameters(void *controls, const json_t *arguments, json_t **result,
			    struct gw_error *err)
{
	(void)arguments;
	return answer(result, parameters_json(controls_parameters(controls)), err);
}

static int set_capabilities(void *controls, const json_t *arguments, json_t **result,
			    struct gw_error *err)
{
	struct capabilities wanted = *controls_capabilities(controls);

	(void)result;
	if (capabilities_from_json(&wanted, arguments, err) < 0)
		return -1;
	return controls_set_capabilities(controls, &wanted, err);
}

static int query_capabilities(void *controls, const json_t *arguments, json_t **result,
			      struct gw_error *err)
{
	(void)arguments;
	return answer(result, capabilities_json(controls_capabilities(controls)), err);
}

/* ---- what QEMU's users may ask for and godwit does not have ---- */

static int refuse_start_postcopy(void *controls, const json_t *arguments, json_t **result,
				 struct gw_error *err)
{
	(void)controls;
	(void)arguments;
	(void)result;
	return fail(err, GW_UNSUPPORTED,
		    "migrate-start-postcopy: godwit has no post-copy");
}

static int refuse_pause(void *controls, const json_t *arguments, json_t **result,
			struct gw_error *err)
{
	(void)controls;
	(void)arguments;
	(void)result;
	return fail(err, GW_UNSUPPORTED,
		    "migrate-pause: godwit has no post-copy that could be paused");
}

static int refuse_recover(void *controls, const json_t *arguments, json_t **result,
			  struct gw_error *err)
{
	(void)controls;
	(void)arguments;
	(void)result;
	return fail(err, GW_UNSUPPORTED,
		    "migrate-recover: godwit has no post-copy that could be recovered");
}

/* ---- the table ---- */

static const struct qmp_argument no_arguments[] = { { 0 } };
static const struct qmp_argument cont_arguments[] = {
	{ "x-force", QMP_BOOL, true },
	{ 0 },
};
static const struct qmp_argument monitor_arguments[] = {
	{ "command-line", QMP_STRING, false },
	{ "cpu-index", QMP_INTEGER, true },
	{ 0 },
};
static const struct qmp_argument migrate_arguments[] = {
	{ "uri", QMP_STRING, true },
	{ "channels", QMP_ARRAY, true },
	{ "blk", QMP_BOOL, true },
	{ "inc", QMP_BOOL, true },
	{ "detach", QMP_BOOL, true },
	{ "resume", QMP_BOOL, true },
	{ 0 },
};
static const struct qmp_argument incoming_arguments[] = {
	{ "uri", QMP_STRING, true },
	{ "channels", QMP_ARRAY, true },
	{ "exit-on-error", QMP_BOOL, true },
	{ 0 },
};
static const struct qmp_argument continue_arguments[] = {
	{ "state", QMP_STRING, false },
	{ 0 },
};
static const struct qmp_argument recover_arguments[] = {
	{ "uri", QMP_STRING, false },
	{ 0 },
};

const struct qmp_command qmp_commands[] = {
	{ "stop", no_arguments, run_stop },
	{ "cont", cont_arguments, run_cont },
	{ "quit", no_arguments, run_quit },
	{ "query-status", no_arguments, query_status },
	{ "query-name", no_arguments, query_name },
	{ "query-uuid", no_arguments, query_uuid },
	{ "query-kvm", no_arguments, query_kvm },
	{ "human-monitor-command", monitor_arguments, run_monitor },
	{ "migrate", migrate_arguments, run_migrate },
	{ "migrate-incoming", incoming_arguments, run_migrate_incoming },
	{ "migrate_cancel", no_arguments, run_migrate_cancel },
	{ "migrate-continue", continue_arguments, run_migrate_continue },
	{ "query-migrate", no_arguments, query_migrate },
	{ "migrate-set-parameters", NULL, set_parameters },
	{ "query-migrate-parameters", no_arguments, query_parameters },
	{ "migrate-set-capabilities", NULL, set_capabilities },
	{ "query-migrate-capabilities", no_arguments, query_capabilities },
	{ "migrate-start-postcopy", no_arguments, refuse_start_postcopy },
	{ "migrate-pause", no_arguments, refuse_pause },
	{ "migrate-recover", recover_arguments, refuse_recover },
	{ 0 },
};
