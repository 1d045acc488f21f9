/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* cmd_vm.c - godwit vm: run a guest of our own, told what to do over QMP and a monitor. */
#include <stdio.h>
#include <string.h>

#include "cli/accelerator_arguments.h"
#include "cli/command.h"
#include "cli/guest_arguments.h"
#include "vm/vm.h"
#include "wire/stream_header.h"

#define COMMAND "godwit vm"
#define FILL_THREADS 2

struct settings {
	struct guest_arguments guest;
	struct accelerator_arguments accelerator;
	struct vm_options vm;
	struct option_list set, cap;
	const char *tls_creds, *tls_hostname, *tls_authz;
	uint64_t patience_s;
	bool verbose;
	struct fill *filling;
	struct log log;
};

/* ---- the command line ---- */

static int parse(struct settings *to, int argc, char **argv, enum options_result *shown,
		 struct gw_error *err)
{
	static const struct command_help help = {
		.name = COMMAND,
		.usage = "[OPTION...]",
		.purpose = "Runs a guest of godwit's own, controlled as a QEMU is: "
			   "by QMP and a monitor.",
	};
	struct vm_options *vm = &to->vm;
	/* clang-format off */
	const struct option_spec specs[] = {
		GUEST_ROWS(&to->guest, "256M"),
		{ "incoming", "URI", "wait for a guest: tcp:HOST:PORT, unix:PATH,\n"
		  "fd:N, or defer: until migrate-incoming",
		  OPTION_TEXT, &vm->incoming, 0, 0 },
		{ "qmp", "unix:PATH", "where QMP is answered",
		  OPTION_TEXT, &vm->qmp, 0, 0 },
		{ "monitor", "WHERE", "the human monitor: stdio or unix:PATH",
		  OPTION_TEXT, &vm->monitor, 0, 0 },
		{ "serial", "WHERE", "stdio, null or file:PATH (null)",
		  OPTION_TEXT, &vm->serial, 0, 0 },
		{ "name", "NAME", "what query-name answers",
		  OPTION_TEXT, &vm->name, 0, 0 },
		{ "paused", NULL, "begin paused, or stay so on arrival",
		  OPTION_FLAG, &vm->paused, 0, 0 },
		{ "cap", "NAME=on|off", "as migrate_set_capability; may be repeated",
		  OPTION_LIST, &to->cap, 0, 0 },
		{ "set", "NAME=VALUE", "as migrate_set_parameter; may be repeated",
		  OPTION_LIST, &to->set, 0, 0 },
		ACCELERATOR_ROWS(&to->accelerator),
		{ "machine", "TYPE", "as the stream names it (godwit-kvm, godwit-process)",
		  OPTION_TEXT, &vm->machine, 0, 0 },
		{ "tls-creds", "ID", "reserved",
		  OPTION_TEXT, &to->tls_creds, 0, 0 },
		{ "tls-hostname", "NAME", "reserved",
		  OPTION_TEXT, &to->tls_hostname, 0, 0 },
		{ "tls-authz", "ID", "reserved",
		  OPTION_TEXT, &to->tls_authz, 0, 0 },
		{ "timeout", "SECONDS", "without a byte of progress (30)",
		  OPTION_NUMBER, &to->patience_s, 1, 86400 },
		{ "verbose", NULL, "say what happens meanwhile",
		  OPTION_FLAG, &to->verbose, 0, 0 },
		{ 0 },
	};
	/* clang-format on */

	return options_parse_all(&help, specs, argc, argv, shown, err);
}

/* The part before "=", into `name`; NULL when there is none or it is too long for any name. */
static const char *split(const char *text, char *name, size_t room)
{
	const char *equals = strchr(text, '=');
	size_t length = equals ? (size_t)(equals - text) : room;

	if (length >= room)
		return NULL;
	memcpy(name, text, length);
	name[length] = '\0';
	return equals + 1;
}

static int set_parameter(struct parameters *parameters, const char *text,
			 struct gw_error *err)
{
	char name[64];
	const char *value = split(text, name, sizeof(name));
	enum parameter_id id = value ? parameter_by_name(name) : PARAMETER_COUNT;

	if (!value)
		return fail(err, GW_USAGE, "--set %.60s: NAME=VALUE is expected", text);
	if (id == PARAMETER_COUNT)
		return fail(err, GW_USAGE,
			    "--set %.60s: no such parameter; info migrate_parameters of "
			    "the monitor lists them",
			    text);
	if (parameters_parse(parameters, id, value, err) < 0)
		return fail_in(err, "--set %.60s", text);
	return 0;
}

/* As two parameters, which --set may name as well. */
static int check_accelerator(struct settings *settings, struct parameters *parameters,
			     struct gw_error *err)
{
	struct accelerator_arguments *arguments = &settings->accelerator;

	if (accelerator_arguments_check(arguments, err) < 0)
		return -1;
	if (parameters_set_text(parameters, PARAMETER_COMPRESSION_ACCELERATOR,
				accelerator_name(arguments->accelerator), err) < 0)
		return -1;
	return parameters_set_number(parameters, PARAMETER_COMPRESSION_ACCELERATOR_JOBS,
				     arguments->jobs, err);
}

static int set_capability(struct capabilities *capabilities, const char *text,
			  struct gw_error *err)
{
	char name[64];
	const char *value = split(text, name, sizeof(name));
	enum capability_id id = value ? capability_by_name(name) : CAPABILITY_COUNT;

	if (!value || (strcmp(value, "on") != 0 && strcmp(value, "off") != 0))
		return fail(err, GW_USAGE, "--cap %.60s: NAME=on or NAME=off is expected",
			    text);
	if (id == CAPABILITY_COUNT)
		return fail(err, GW_USAGE,
			    "--cap %.60s: no such capability; info migrate_capabilities "
			    "of the monitor lists them",
			    text);
	capabilities->on[id] = strcmp(value, "on") == 0;
	return 0;
}

static bool is_utf8(const char *text)
{
	json_t *json = json_string(text);

	json_decref(json);
	return json;
}

static int check_migration(struct settings *settings, struct gw_error *err)
{
	struct vm_options *vm = &settings->vm;

	parameters_init(&vm->parameters);
	if (check_accelerator(settings, &vm->parameters, err) < 0)
		return -1;
	for (uint32_t i = 0; i < settings->set.count; i++)
		if (set_parameter(&vm->parameters, settings->set.items[i], err) < 0)
			return -1;
	for (uint32_t i = 0; i < settings->cap.count; i++)
		if (set_capability(&vm->capabilities, settings->cap.items[i], err) < 0)
			return -1;
	if (capabilities_check(&vm->capabilities, err) < 0)
		return fail_in(err, "--cap");
	if (vm->name && !is_utf8(vm->name))
		return fail(err, GW_USAGE, "--name: UTF-8 is allowed, which QMP speaks");
	if (vm->machine &&
	    (vm->machine[0] == '\0' || strlen(vm->machine) > STREAM_NAME_MAX))
		return fail(err, GW_USAGE,
			    "--machine \"%.40s\": 1 to %u characters are allowed",
			    vm->machine, STREAM_NAME_MAX);
	return 0;
}

static int check_reserved(const struct settings *settings, struct gw_error *err)
{
	const struct {
		const char *name, *value;
	} reserved[] = {
		{ "tls-creds", settings->tls_creds },
		{ "tls-hostname", settings->tls_hostname },
		{ "tls-authz", settings->tls_authz },
	};

	for (size_t i = 0; i < sizeof(reserved) / sizeof(reserved[0]); i++)
		if (reserved[i].value)
			return fail(err, GW_UNSUPPORTED,
				    "--%s: godwit does not speak TLS yet",
				    reserved[i].name);
	return 0;
}

static int check_console(const struct vm_options *vm, struct gw_error *err)
{
	bool monitor = vm->monitor && strcmp(vm->monitor, "stdio") == 0;

	if (monitor && strcmp(vm->serial, "stdio") == 0)
		return fail(err, GW_USAGE,
			    "--serial stdio: the monitor has standard output");
	return 0;
}

static int check(struct settings *settings, struct gw_error *err)
{
	struct vm_options *vm = &settings->vm;

	if (check_reserved(settings, err) < 0 || check_console(vm, err) < 0 ||
	    check_migration(settings, err) < 0 ||
	    guest_arguments_check(&settings->guest, err) < 0)
		return -1;
	vm->guest = settings->guest.options;
	vm->patience_ms = (int)settings->patience_s * 1000;
	if (vm->incoming)
		return 0;
	settings->filling = fill_new(settings->guest.fill, err);
	if (!settings->filling) {
		fail_in(err, "--fill");
		return command_blame_path(err);
	}
	vm->fill = settings->filling;
	return 0;
}

/* ---- the run ---- */

/* The second signal is for somebody who will not wait for the first to be heard. */
static void stop(void *interrupt)
{
	command_default_signals();
	interrupt_raise(interrupt);
}

static void show_ready(void *state, const char *listening)
{
	(void)state;
	if (listening[0])
		fprintf(stderr, COMMAND ": listening on %s\n", listening);
}

static void show_guest(const struct settings *settings)
{
	const char *why = settings->guest.why_not_kvm.text;

	if (!settings->guest.kind)
		fprintf(stderr, COMMAND ": guest: %s%s%s\n",
			guest_kind_name(settings->vm.guest.kind),
			why[0] ? "; no kvm: " : "", why);
}

static int explain_end(enum vm_end end)
{
	if (end != VM_UNKNOWN)
		return EXIT_DONE;
	fputs(COMMAND ": the guest was paused here while it may run at the destination, "
		      "which did not say; ask there, by info status\n",
	      stderr);
	return EXIT_UNKNOWN;
}

static int run(struct settings *settings, struct gw_error *err)
{
	OWNED(interrupt) struct interrupt *stopped = interrupt_new(err);
	enum vm_end end = VM_QUIT;
	int failed;

	if (!stopped)
		return command_failed(COMMAND, err);
	command_log(&settings->log, settings->verbose);
	settings->vm.log = &settings->log;
	show_guest(settings);
	command_on_signal(stop, stopped);
	failed = vm_run(&settings->vm, stopped, &end, err);
	command_default_signals();
	if (failed < 0) {
		command_blame_path(err);
		return command_failed(COMMAND, err);
	}
	return explain_end(end);
}

int cmd_vm(int argc, char **argv)
{
	struct settings settings = {
		.guest = GUEST_ARGUMENTS(UINT64_C(256) << 20),
		.vm = {
			.serial = "null",
			.threads = FILL_THREADS,
			.package = "godwit " GODWIT_VERSION,
			.ready = show_ready,
		},
		.accelerator = ACCELERATOR_ARGUMENTS,
		.patience_s = COMMAND_PATIENCE_S,
	};
	enum options_result shown = OPTIONS_OK;
	struct gw_error err;
	int code = EXIT_DONE;

	if (parse(&settings, argc, argv, &shown, &err) < 0)
		code = command_failed(COMMAND, &err);
	else if (shown == OPTIONS_OK)
		code = check(&settings, &err) < 0 ? command_failed(COMMAND, &err)
						  : run(&settings, &err);
	fill_free(settings.filling);
	return code;
}
