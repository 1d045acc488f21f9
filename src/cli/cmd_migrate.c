/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* cmd_migrate.c - godwit migrate: any guest that answers QMP, with progress and an end. */
#include <stdio.h>
#include <string.h>

#include "cli/columns.h"
#include "cli/command.h"
#include "cli/display.h"
#include "cli/options.h"
#include "drive/drive.h"

#define COMMAND "godwit migrate"
#define CHANNELS_MAX 255u
#define LEVEL_MAX 20u
#define DOWNTIME_MAX_MS 2000000u

struct settings {
	struct drive_options drive;
	struct option_list sets, caps;
	const char *json, *json_stream;
	FILE *json_file;
	bool verbose;
	struct display display;
	struct log log;
};

/* ---- what people and programs see ---- */

static void on_poll(void *state, const struct migration_status *status,
		    const char *method, const json_t *answer)
{
	char line[256];

	display_stream(state,
		       json_pack("{ss sO}", "kind", "poll", "query-migrate", answer));
	migration_status_line(status, method, line, sizeof(line));
	display_line(state, line, status->state);
}

static void on_event(void *state, const json_t *event)
{
	display_event(state, event);
}

static void on_sentence(void *state, const char *sentence)
{
	display_sentence(state, sentence);
}

/* ---- the end ---- */

static void print_result(const struct drive_report *report)
{
	const struct figures *figures = &report->figures;
	bool done = report->end == DRIVE_DONE;
	const struct columns row = {
		.method = figures->tuned.method,
		.level = (int)figures->tuned.level,
		.total_ms = figures->total_ms,
		.downtime_ms = figures->downtime_ms,
		.throughput_mbps = figures->throughput_mbps,
		.pages_per_second = figures->pages_per_second,
		.send_cpu_percent = figures->send_cpu_percent,
		.recv_cpu_percent = figures->recv_cpu_percent,
		.wire_bytes = figures->wire_bytes,
		.ratio = figures->ratio,
		/* Nobody compares what two others moved. */
		.verdict = done ? "-" : figures->status,
	};

	columns_print_heading(stdout);
	columns_print(stdout, &row);
	if (done)
		printf("        %.0f rounds; %s\n",
		       figures->rounds < 0 ? 0 : figures->rounds, report->where);
	fflush(stdout);
}

static json_t *report_json(const struct drive_report *report)
{
	json_t *json = figures_json(&report->figures);

	json_object_set_new(json, "where", json_string(report->where));
	if (report->error[0])
		json_object_set_new(json, "error", json_string(report->error));
	json_object_set_new(json, "query-migrate",
			    report->last ? json_incref(report->last) : json_null());
	return json_pack("[o]", json);
}

static int explain_end(struct settings *settings, const struct drive_report *report)
{
	static const enum exit_code codes[] = {
		[DRIVE_DONE] = EXIT_DONE,
		[DRIVE_FAILED] = EXIT_FAILED,
		[DRIVE_CANCELLED] = EXIT_CANCELLED,
		[DRIVE_UNKNOWN] = EXIT_UNKNOWN,
	};
	char sentence[sizeof(report->error) + sizeof(report->where) + 4];

	if (report->end == DRIVE_DONE) {
		display_tell(&settings->display, report->where);
	} else {
		snprintf(sentence, sizeof(sentence), "%s; %s", report->error,
			 report->where);
		display_sentence(&settings->display, sentence);
	}
	return codes[report->end];
}

static int finish(struct settings *settings, const struct drive_report *report)
{
	int code;

	display_clear(&settings->display);
	if (!display_is_output(settings->json) &&
	    !display_is_output(settings->json_stream))
		print_result(report);
	code = explain_end(settings, report);
	if (settings->json) {
		struct gw_error err;

		/* Told, but where the guest is matters more than what became of a file. */
		if (command_write_json(settings->json, &settings->json_file,
				       report_json(report), &err) < 0)
			display_print(&settings->display, err.text);
	}
	return code;
}

/* ---- the run ---- */

static int migrate(struct settings *settings, struct command_interrupts *interrupts)
{
	const struct drive_observer observer = {
		.state = &settings->display,
		.polled = on_poll,
		.event = on_event,
		.say = on_sentence,
	};
	struct drive_report report;
	struct gw_error err;
	int code;

	settings->drive.observer = &observer;
	display_begin(&settings->display);
	command_on_signal(command_interrupt, interrupts);
	if (drive_run(&settings->drive, interrupts->stop, interrupts->leave, &report,
		      &err) < 0) {
		command_default_signals();
		display_tell(&settings->display, err.text);
		command_blame_path(&err);
		return command_failed(COMMAND, &err);
	}
	command_default_signals();
	code = finish(settings, &report);
	drive_report_deinit(&report);
	return code;
}

static int run(struct settings *settings)
{
	struct gw_error err;
	OWNED(interrupt) struct interrupt *stop = interrupt_new(&err);
	OWNED(interrupt) struct interrupt *leave = stop ? interrupt_new(&err) : NULL;
	struct command_interrupts interrupts = { stop, leave };

	if (!leave)
		return command_failed(COMMAND, &err);
	settings->drive.poll_ms = display_poll_ms(&settings->display);
	display_log(&settings->display, &settings->log, settings->verbose);
	settings->drive.log = &settings->log;
	return migrate(settings, &interrupts);
}

/* ---- the command line ---- */

static int parse(struct settings *to, int argc, char **argv, enum options_result *shown,
		 struct gw_error *err)
{
	static const struct command_help help = {
		.name = COMMAND,
		.usage = "--qmp SOCKET [OPTION...] URI",
		.purpose = "Migrates a guest that answers QMP, such as a QEMU's, to URI: "
			   "tcp:HOST:PORT,\nunix:PATH, or what else it knows.  Settings "
			   "that are not given stay as they are.",
	};
	struct drive_options *drive = &to->drive;
	struct tuning *tuning = &drive->tuning;
	/* clang-format off */
	const struct option_spec specs[] = {
		{ "qmp", "SOCKET", "the guest's QMP: a UNIX socket",
		  OPTION_TEXT, &drive->qmp, 0, 0 },
		{ "incoming-qmp", "SOCKET", "the destination's: set it up alike, tell it\n"
		  "migrate-incoming URI, and ask it at the end",
		  OPTION_TEXT, &drive->incoming_qmp, 0, 0 },
		{ "channels", "N", "page channels beside the main one; 0: no multifd",
		  OPTION_NUMBER, &tuning->channels, 0, CHANNELS_MAX },
		{ "method", "NAME", "none, zlib, zstd, qpl, uadk or qatzip",
		  OPTION_TEXT, &tuning->method, 0, 0 },
		{ "level", "N", "of that method",
		  OPTION_NUMBER, &tuning->level, 0, LEVEL_MAX },
		{ "accelerator", "NAME", "who computes it, of guests of ours: auto, none,\n"
		  "qpl, qatzip, uadk, reference, simulated",
		  OPTION_TEXT, &tuning->accelerator, 0, 0 },
		{ "max-bandwidth", "RATE", "over all channels together; 0: unlimited",
		  OPTION_RATE, &tuning->max_bandwidth, 0, UINT64_C(1) << 50 },
		{ "downtime-limit", "MS", "pause the guest when the rest fits",
		  OPTION_NUMBER, &tuning->downtime_limit_ms, 0, DOWNTIME_MAX_MS },
		{ "set", "NAME=VALUE", "any parameter, as QMP names it; may be repeated",
		  OPTION_LIST, &to->sets, 0, 0 },
		{ "cap", "NAME=on|off", "any capability; may be repeated",
		  OPTION_LIST, &to->caps, 0, 0 },
		{ "continue", NULL, "do not wait at pre-switchover",
		  OPTION_FLAG, &drive->go_on, 0, 0 },
		{ "json", "FILE", "the figures as JSON; - is standard output",
		  OPTION_TEXT, &to->json, 0, 0 },
		{ "json-stream", "FILE", "each look and event, a line of JSON each",
		  OPTION_TEXT, &to->json_stream, 0, 0 },
		{ "verbose", NULL, "say more",
		  OPTION_FLAG, &to->verbose, 0, 0 },
		{ 0 },
	};
	/* clang-format on */
	char **rest;
	int rest_count;

	if (options_parse(&help, specs, argc, argv, &rest, &rest_count, shown, err) < 0)
		return -1;
	if (*shown != OPTIONS_OK)
		return 0;
	if (!drive->qmp)
		return fail(err, GW_USAGE, "--qmp SOCKET is expected: the guest's QMP");
	if (rest_count == 0)
		return fail(err, GW_USAGE,
			    "URI is expected: where to, such as tcp:HOST:PORT");
	if (rest_count > 1)
		return fail(err, GW_USAGE, "%.40s: one URI is expected", rest[1]);
	drive->uri = rest[0];
	return 0;
}

/* Those that the destination can answer on. */
static bool uri_has_return_path(const char *uri)
{
	return strncmp(uri, "tcp:", 4) == 0 || strncmp(uri, "unix:", 5) == 0 ||
	       strncmp(uri, "vsock:", 6) == 0;
}

static int check(struct settings *settings, struct gw_error *err)
{
	struct tuning *tuning = &settings->drive.tuning;

	tuning->sets = settings->sets.items;
	tuning->set_count = settings->sets.count;
	tuning->caps = settings->caps.items;
	tuning->cap_count = settings->caps.count;
	tuning->return_path = uri_has_return_path(settings->drive.uri);
	if (display_is_output(settings->json) && display_is_output(settings->json_stream))
		return fail(err, GW_USAGE,
			    "--json -: standard output is that of --json-stream");
	if (tuning_check(tuning, err) < 0 ||
	    display_open(&settings->display, COMMAND, settings->json_stream, err) < 0)
		return -1;
	return command_open_json(settings->json, &settings->json_file, err);
}

int cmd_migrate(int argc, char **argv)
{
	struct settings settings = { .json = NULL };
	enum options_result shown = OPTIONS_OK;
	struct gw_error err;
	int code = EXIT_DONE;

	tuning_init(&settings.drive.tuning);
	if (parse(&settings, argc, argv, &shown, &err) < 0)
		code = command_failed(COMMAND, &err);
	else if (shown == OPTIONS_OK)
		code = check(&settings, &err) < 0 ? command_failed(COMMAND, &err)
						  : run(&settings);
	command_close_json(&settings.json_file);
	display_close(&settings.display);
	return code;
}
