/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* cmd_engines.c - godwit engines: who could compute what on this host. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/own.h"
#include "cli/accelerator_arguments.h"
#include "cli/command.h"
#include "cli/engines_text.h"
#include "cli/options.h"
#include "engines/engines_report.h"

#define COMMAND "godwit engines"

struct settings {
	struct command_common common;
	struct accelerator_arguments accelerator;
	const char *root;
	bool self_test;
};

/* All that is found out: too much for a stack. */
struct findings {
	struct host host;
	struct roster roster;
	struct survey surveys[SURVEY_KINDS];
	struct self_test test;
};

static int parse(struct settings *to, int argc, char **argv, enum options_result *shown,
		 struct gw_error *err)
{
	static const struct command_help help = {
		.name = COMMAND,
		.usage = "[OPTION...]",
		.purpose =
			"Shows which engines can compute which formats on this host, its "
			"compression\ndevices, and what is missing until they can be "
			"used.",
	};
	/* clang-format off */
	const struct option_spec specs[] = {
		{ "self-test", NULL, "every encoder against every decoder, on real bytes",
		  OPTION_FLAG, &to->self_test, 0, 0 },
		ACCELERATOR_SIMULATE_ROW(&to->accelerator),
		{ "root", "DIR", "look for devices in its sys, dev and run (/)",
		  OPTION_TEXT, &to->root, 0, 0 },
		{ "json", "FILE", "all of it as JSON; - is standard output",
		  OPTION_TEXT, &to->common.json, 0, 0 },
		{ 0 }
	};
	/* clang-format on */

	return options_parse_all(&help, specs, argc, argv, shown, err);
}

static int check(struct settings *settings, struct gw_error *err)
{
	const char *root = settings->root;

	if (accelerator_arguments_check(&settings->accelerator, err) < 0)
		return -1;
	if (strlen(root) >= sizeof(((struct host *)0)->root))
		return fail(err, GW_USAGE, "--root %.40s...: %zu bytes, at most %zu",
			    root, strlen(root), sizeof(((struct host *)0)->root) - 1);
	if (access(root, R_OK | X_OK) < 0) {
		fail_sys(err, errno, "--root %s", root);
		return command_blame_path(err);
	}
	return 0;
}

static void find_out(struct findings *found, const struct settings *settings)
{
	host_init(&found->host, settings->root);
	roster_take(&found->roster, settings->accelerator.simulate != NULL);
	survey_take(found->surveys, &found->host);
	for (unsigned i = 0; i < SURVEY_KINDS; i++) {
		const struct roster_entry *entry = roster_unusable(
			&found->roster, accelerator_name(found->surveys[i].accelerator));

		if (entry)
			survey_add_probe(&found->surveys[i], entry->why.text);
	}
}

/* What did not match, in one line. */
static int fail_test(const struct self_test *test, struct gw_error *err)
{
	const struct self_test_pair *pair = test->pairs;

	while (pair->passed)
		pair++;
	return fail(err, GW_PEER, "--self-test: %u of %u pairs failed, the first: %s, %s",
		    self_test_failures(test), test->pair_count, pair->codec->name,
		    pair->why.text);
}

static int run_test(struct findings *found, bool text, struct gw_error *err)
{
	if (text)
		engines_text_heading();
	if (self_test_run(&found->test, &found->roster, text ? engines_text_pair : NULL,
			  NULL, err) < 0)
		return fail_in(err, "--self-test");
	if (text)
		engines_text_costs(&found->test);
	if (self_test_failures(&found->test) > 0)
		return fail_test(&found->test, err);
	for (uint32_t i = 0; i < found->test.cost_count; i++) {
		const struct self_test_cost *cost = &found->test.costs[i];

		if (cost->device_units == 0)
			return fail(err, GW_UNSUPPORTED,
				    "--self-test: %s, %s: software computed all %" PRIu64
				    " units, the device none",
				    cost->device->name, cost->codec->name, cost->units);
	}
	return 0;
}

static int run(const struct settings *settings, FILE **json_file, struct gw_error *err)
{
	OWNED_MEMORY struct findings *found = calloc(1, sizeof(*found));
	bool text = !command_json_is_output(&settings->common);
	struct gw_error json_err;
	int failed = 0;

	if (!found)
		return fail_sys(err, ENOMEM, "engines");
	find_out(found, settings);
	if (text) {
		engines_text_roster(&found->roster);
		engines_text_surveys(found->surveys, &found->host);
	}
	if (settings->self_test)
		failed = run_test(found, text, err);
	if (!settings->common.json)
		return failed;
	if (command_write_json(
		    settings->common.json, json_file,
		    engines_report_json(&found->roster, found->surveys, &found->host,
					settings->self_test ? &found->test : NULL),
		    &json_err) < 0 &&
	    failed == 0) {
		*err = json_err;
		return -1;
	}
	return failed;
}

int cmd_engines(int argc, char **argv)
{
	struct settings settings = { .accelerator = ACCELERATOR_ARGUMENTS, .root = "/" };
	enum options_result shown = OPTIONS_OK;
	FILE *json_file = NULL;
	struct gw_error err;
	int code = EXIT_DONE;

	if (parse(&settings, argc, argv, &shown, &err) < 0)
		return command_failed(COMMAND, &err);
	if (shown == OPTIONS_HELP_SHOWN)
		return EXIT_DONE;
	if (check(&settings, &err) < 0 ||
	    command_open_json(settings.common.json, &json_file, &err) < 0)
		return command_failed(COMMAND, &err);
	if (run(&settings, &json_file, &err) < 0) {
		fflush(stdout);
		code = command_failed(COMMAND, &err);
	}
	command_close_json(&json_file);
	return code;
}
