/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* monitor.c - the human monitor: a line in, text out, over a vm's controls. */
#include "vm/monitor.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "vm/monitor_line.h"

/* One command on its way. */
struct session {
	struct controls *controls;
	FILE *out;
	bool *waits;
};

struct command {
	const char *name;
	const char *alias;     /* may be NULL */
	const char *flags;     /* of one letter each, before the arguments: "d" */
	const char *arguments; /* as the help shows them */
	const char *help;
	uint32_t least, most; /* words after the flags */
	/* `words` are the arguments; `flags` tells for each of the letters above. */
	int (*run)(const struct session *session, const char *const *words,
		   uint32_t count, const bool *flags, struct gw_error *err);
	uint32_t on_or_off; /* which argument has to be that, from 1 */
};

#define FLAGS_MAX 8u

static const struct command *find(const struct command *table, const char *name)
{
	for (const struct command *command = table; command->name; command++)
		if (strcmp(command->name, name) == 0 ||
		    (command->alias && strcmp(command->alias, name) == 0))
			return command;
	return NULL;
}

static void describe(FILE *out, const char *before, const struct command *command)
{
	fprintf(out, "%s%s%s%s %s -- %s\r\n", before, command->name,
		command->alias ? "|" : "", command->alias ? command->alias : "",
		command->arguments, command->help);
}

static void print_owned(const struct session *session, char *text)
{
	if (text)
		fputs(text, session->out);
	free(text);
}

/* ---- info ---- */

static int info_status(const struct session *session, const char *const *words,
		       uint32_t count, const bool *flags, struct gw_error *err)
{
	const char *status = controls_status(session->controls);
	bool running = controls_running(session->controls);

	(void)words, (void)count, (void)flags, (void)err;
	fprintf(session->out, "VM status: %s", running ? "running" : "paused");
	if (!running && strcmp(status, "paused") != 0)
		fprintf(session->out, " (%s)", status);
	fputs("\r\n", session->out);
	return 0;
}

static int info_name(const struct session *session, const char *const *words,
		     uint32_t count, const bool *flags, struct gw_error *err)
{
	const char *name = controls_name(session->controls);

	(void)words, (void)count, (void)flags, (void)err;
	if (name)
		fprintf(session->out, "%s\r\n", name);
	return 0;
}

static int info_version(const struct session *session, const char *const *words,
			uint32_t count, const bool *flags, struct gw_error *err)
{
	(void)words, (void)count, (void)flags, (void)err;
	fprintf(session->out, "%d.%d.%d (%s)\r\n", VM_SPEAKS_MAJOR, VM_SPEAKS_MINOR,
		VM_SPEAKS_MICRO, controls_package(session->controls));
	return 0;
}

static int info_migrate(const struct session *session, const char *const *words,
			uint32_t count, const bool *flags, struct gw_error *err)
{
	(void)words, (void)count, (void)flags, (void)err;
	print_owned(session, migration_info_text(controls_migration(session->controls)));
	return 0;
}

static int info_parameters(const struct session *session, const char *const *words,
			   uint32_t count, const bool *flags, struct gw_error *err)
{
	(void)words, (void)count, (void)flags, (void)err;
	print_owned(session, parameters_text(controls_parameters(session->controls)));
	return 0;
}

static int info_capabilities(const struct session *session, const char *const *words,
			     uint32_t count, const bool *flags, struct gw_error *err)
{
	(void)words, (void)count, (void)flags, (void)err;
	print_owned(session, capabilities_text(controls_capabilities(session->controls)));
	return 0;
}

static const struct command infos[] = {
	{ "migrate", NULL, "", "", "show migration status", 0, 0, info_migrate },
	{ "migrate_capabilities", NULL, "", "", "show current migration capabilities", 0,
	  0, info_capabilities },
	{ "migrate_parameters", NULL, "", "", "show current migration parameters", 0, 0,
	  info_parameters },
	{ "name", NULL, "", "", "show the current VM name", 0, 0, info_name },
	{ "status", NULL, "", "", "show the current VM status (running|paused)", 0, 0,
	  info_status },
	{ "version", NULL, "", "", "show the version of godwit", 0, 0, info_version },
	{ 0 },
};

/* ---- the guest ---- */

static int run_stop(const struct session *session, const char *const *words,
		    uint32_t count, const bool *flags, struct gw_error *err)
{
	(void)words, (void)count, (void)flags;
	return controls_stop(session->controls, err);
}

static int run_cont(const struct session *session, const char *const *words,
		    uint32_t count, const bool *flags, struct gw_error *err)
{
	(void)words, (void)count;
	return controls_cont(session->controls, flags[0], err);
}

static int run_quit(const struct session *session, const char *const *words,
		    uint32_t count, const bool *flags, struct gw_error *err)
{
	(void)words, (void)count, (void)flags, (void)err;
	controls_quit(session->controls, "host-qmp-quit");
	return 0;
}

/* ---- migration ---- */

static int run_migrate(const struct session *session, const char *const *words,
		       uint32_t count, const bool *flags, struct gw_error *err)
{
	(void)count;
	if (controls_migrate(session->controls, words[0], err) < 0)
		return -1;
	*session->waits = !flags[0];
	return 0;
}

static int run_incoming(const struct session *session, const char *const *words,
			uint32_t count, const bool *flags, struct gw_error *err)
{
	(void)count, (void)flags;
	return controls_migrate_incoming(session->controls, words[0], true, err);
}

static int run_cancel(const struct session *session, const char *const *words,
		      uint32_t count, const bool *flags, struct gw_error *err)
{
	(void)words, (void)count, (void)flags;
	return controls_migrate_cancel(session->controls, err);
}

static int fail_value(const char *word, struct gw_error *err)
{
	char shown[128];

	return fail(err, GW_USAGE, "invalid parameter value: %s",
		    printable(shown, sizeof(shown), word, (unsigned)strlen(word)));
}

static int run_continue(const struct session *session, const char *const *words,
			uint32_t count, const bool *flags, struct gw_error *err)
{
	(void)count, (void)flags;
	if (!controls_is_migration_status(words[0]))
		return fail_value(words[0], err);
	return controls_migrate_continue(session->controls, words[0], err);
}

static int run_set_parameter(const struct session *session, const char *const *words,
			     uint32_t count, const bool *flags, struct gw_error *err)
{
	struct parameters wanted = *controls_parameters(session->controls);
	enum parameter_id id = parameter_by_name(words[0]);

	(void)count, (void)flags;
	if (id == PARAMETER_COUNT)
		return fail_value(words[0], err);
	if (parameters_parse(&wanted, id, words[1], err) < 0)
		return -1;
	return controls_set_parameters(session->controls, &wanted, err);
}

static int run_set_capability(const struct session *session, const char *const *words,
			      uint32_t count, const bool *flags, struct gw_error *err)
{
	struct capabilities wanted = *controls_capabilities(session->controls);
	enum capability_id id = capability_by_name(words[0]);
	bool on = strcmp(words[1], "on") == 0;

	(void)count, (void)flags;
	if (id == CAPABILITY_COUNT)
		return fail_value(words[0], err);
	wanted.on[id] = on;
	return controls_set_capabilities(session->controls, &wanted, err);
}

static int run_info(const struct session *session, const char *const *words,
		    uint32_t count, const bool *flags, struct gw_error *err);
static int run_help(const struct session *session, const char *const *words,
		    uint32_t count, const bool *flags, struct gw_error *err);

static const struct command commands[] = {
	{ "cont", "c", "f", "[-f]",
	  "resume emulation\r\n\t\t\t -f even of a guest that was migrated: only when "
	  "it is known not to run at the other place",
	  0, 0, run_cont },
	{ "help", "?", "", "[cmd]", "show the help", 0, 2, run_help },
	{ "info", NULL, "", "[subcommand]",
	  "show various information about the system state", 0, MONITOR_WORDS_MAX,
	  run_info },
	{ "migrate", NULL, "d", "[-d] uri",
	  "migrate to URI (using -d to not wait for completion)", 1, 1, run_migrate },
	{ "migrate_cancel", NULL, "", "", "cancel the current VM migration", 0, 0,
	  run_cancel },
	{ "migrate_continue", NULL, "", "state",
	  "Continue migration from the given paused state", 1, 1, run_continue },
	{ "migrate_incoming", NULL, "", "uri",
	  "Continue an incoming migration from an --incoming defer", 1, 1, run_incoming },
	{ "migrate_set_capability", NULL, "", "capability state",
	  "Enable/Disable the usage of a capability for migration", 2, 2,
	  run_set_capability, 2 },
	{ "migrate_set_parameter", NULL, "", "parameter value",
	  "Set the parameter for migration", 2, 2, run_set_parameter },
	{ "quit", "q", "", "", "quit the vm", 0, 0, run_quit },
	{ "stop", "s", "", "", "stop emulation", 0, 0, run_stop },
	{ 0 },
};

/* ---- a line ---- */

static void unknown(const struct session *session, const char *before, const char *name)
{
	char shown[256];

	fprintf(session->out, "unknown command: '%s%s'\r\n", before,
		printable(shown, sizeof(shown), name, (unsigned)strlen(name)));
}

static int refuse(const struct session *session, const char *before,
		  const struct command *command, const char *why)
{
	fprintf(session->out, "%s: %s\r\nTry \"help %s%s\" for more information\r\n",
		command->name, why, before, command->name);
	return -1;
}

/* Takes the flags in front: what follows them, or -1 after saying what is wrong. */
static int take_flags(const struct session *session, const char *before,
		      const struct command *command, const char *const *words,
		      uint32_t count, bool flags[FLAGS_MAX])
{
	uint32_t at = 0;

	for (; at < count && command->flags[0] && words[at][0] == '-'; at++) {
		const char *flag =
			words[at][1] ? strchr(command->flags, words[at][1]) : NULL;
		char why[64], shown[32];

		if (!flag || words[at][2]) {
			snprintf(why, sizeof(why), "unsupported option %s",
				 printable(shown, sizeof(shown), words[at],
					   (unsigned)strlen(words[at])));
			return refuse(session, before, command, why);
		}
		flags[flag - command->flags] = true;
	}
	return (int)at;
}

/* Of what comes before it QEMU complains first. */
static bool is_on_or_off(const struct command *command, const char *const *words,
			 uint32_t count)
{
	uint32_t which = command->on_or_off;

	if (which == 0 || count + 1 < which)
		return true;
	return count >= which && (strcmp(words[which - 1], "on") == 0 ||
				  strcmp(words[which - 1], "off") == 0);
}

static void run_one(const struct session *session, const char *before,
		    const struct command *command, const char *const *words,
		    uint32_t count)
{
	bool flags[FLAGS_MAX] = { false };
	struct gw_error err;
	int taken = take_flags(session, before, command, words, count, flags);

	if (taken < 0)
		return;
	words += taken;
	count -= (uint32_t)taken;
	if (!is_on_or_off(command, words, count)) {
		fprintf(session->out,
			"Expected 'on' or 'off'\r\nTry \"help %s\" for more "
			"information\r\n",
			command->name);
		return;
	}
	if (count < command->least)
		refuse(session, before, command, "string expected");
	else if (count > command->most)
		refuse(session, before, command,
		       "extraneous characters at the end of line");
	else if (command->run(session, words, count, flags, &err) < 0)
		fprintf(session->out, "Error: %s\r\n", err.text);
}

static int run_info(const struct session *session, const char *const *words,
		    uint32_t count, const bool *flags, struct gw_error *err)
{
	const struct command *command = count > 0 ? find(infos, words[0]) : NULL;

	(void)flags, (void)err;
	if (count == 0)
		for (command = infos; command->name; command++)
			describe(session->out, "info ", command);
	else if (command)
		run_one(session, "info ", command, words + 1, count - 1);
	else
		unknown(session, "info ", words[0]);
	return 0;
}

static int run_help(const struct session *session, const char *const *words,
		    uint32_t count, const bool *flags, struct gw_error *err)
{
	bool of_info = count > 0 && strcmp(words[0], "info") == 0;
	const char *name = count > 0 ? words[count - 1] : NULL;
	const struct command *found;

	(void)flags;
	if (of_info && count == 1)
		return run_info(session, NULL, 0, NULL, err);
	if (count == 0) {
		for (found = commands; found->name; found++)
			describe(session->out, "", found);
		return 0;
	}
	found = find(of_info ? infos : commands, name);
	if (found && (of_info || count == 1))
		describe(session->out, of_info ? "info " : "", found);
	else
		unknown(session, of_info ? "info " : "", name);
	return 0;
}

void monitor_execute(struct controls *controls, const char *text, size_t length,
		     FILE *out, bool *waits)
{
	const struct session session = { controls, out, waits };
	struct monitor_line line;
	const struct command *command;
	struct gw_error err;

	*waits = false;
	if (monitor_line_parse(&line, text, length, &err) < 0) {
		fprintf(out, "Error: %s\r\n", err.text);
		return;
	}
	if (line.count == 0)
		return;
	command = find(commands, line.words[0]);
	if (command)
		run_one(&session, "", command, line.words + 1, line.count - 1);
	else
		unknown(&session, "", line.words[0]);
}

void monitor_conclude(const struct controls *controls, FILE *out)
{
	const struct migration_info *info = controls_migration(controls);

	if (info->has_error)
		fprintf(out, "Error: %s\r\n", info->error.text);
	else if (info->state == MIGRATION_CANCELLED)
		fputs("Error: cancelled\r\n", out);
}

char *monitor_execute_detached(struct controls *controls, const char *line,
			       struct gw_error *err)
{
	char *text = NULL;
	size_t length = 0;
	FILE *out = open_memstream(&text, &length);
	bool waits;

	if (!out) {
		fail_sys(err, errno, "monitor");
		return NULL;
	}
	monitor_execute(controls, line, strlen(line), out, &waits);
	if (waits)
		fputs("terminal does not allow synchronous migration, continuing "
		      "detached\r\n",
		      out);
	if (fclose(out) == EOF) {
		free(text);
		fail_sys(err, ENOMEM, "monitor");
		return NULL;
	}
	return text;
}
