/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* cmd_migrate.c - godwit migrate: any guest that answers QMP, with progress and an end. */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/columns.h"
#include "cli/command.h"
#include "cli/options.h"
#include "drive/drive.h"

#define COMMAND "godwit migrate"
#define CHANNELS_MAX 255u
#define LEVEL_MAX 20u
#define DOWNTIME_MAX_MS 2000000u

/* A line that someone watches changes ten times a second, one that is kept once. */
#define LIVE_POLL_MS 100
#define PLAIN_POLL_MS 250
#define PLAIN_LINE_NS NS_PER_S

/* What people and programs see meanwhile. */
struct display {
	bool live; /* somebody watches: one line that changes */
	bool shown;
	uint64_t shown_ns;
	uint64_t begun_ns;
	char state[32]; /* as last shown */
	FILE *stream;	/* --json-stream; NULL: none */
	const char *stream_path;
	bool stream_failed;
};

struct settings {
	struct drive_options drive;
	struct option_list sets, caps;
	const char *json, *json_stream;
	FILE *json_file;
	bool verbose;
	struct display display;
	struct log log;
};

/* The first interrupt asks for a cancel, the second one to leave. */
struct interrupts {
	struct interrupt *stop, *leave;
};

static void on_interrupt(void *state)
{
	const struct interrupts *interrupts = state;

	interrupt_raise(interrupt_raised(interrupts->stop) ? interrupts->leave
							   : interrupts->stop);
}

/* ---- what people see ---- */

static void clear_line(struct display *display)
{
	if (display->live && display->shown)
		fputs("\r\033[K", stderr);
	display->shown = false;
}

/* One line, whatever is in it. */
static void print_sentence(struct display *display, const char *sentence)
{
	clear_line(display);
	fputs(COMMAND ": ", stderr);
	for (const char *c = sentence; *c; c++)
		fputc(iscntrl((unsigned char)*c) ? '?' : *c, stderr);
	fputc('\n', stderr);
}

static void show_status(struct display *display, const struct migration_status *status,
			const char *method)
{
	uint64_t now_ns = clock_now_ns();
	char line[256];

	migration_status_line(status, method, line, sizeof(line));
	if (display->live) {
		fprintf(stderr, "\r\033[K%s", line);
		display->shown = true;
		return;
	}
	if (strcmp(display->state, status->state) == 0 &&
	    now_ns - display->shown_ns < PLAIN_LINE_NS)
		return;
	snprintf(display->state, sizeof(display->state), "%s", status->state);
	display->shown_ns = now_ns;
	fprintf(stderr, "%s\n", line);
}

/* ---- --json-stream ---- */

/* A line; takes over `json`.  A full disk does not stop a migration: it is told, once. */
static void stream(struct display *display, json_t *json)
{
	if (display->stream && json && !display->stream_failed) {
		double at_ms = (double)(clock_now_ns() - display->begun_ns) / 1e6;

		json_object_set_new(json, "at_ms", json_real(at_ms));
		/* More digits than 15 show how binary fractions differ from decimal ones. */
		if (json_dumpf(json, display->stream,
			       JSON_COMPACT | JSON_REAL_PRECISION(15)) < 0 ||
		    fputc('\n', display->stream) == EOF ||
		    fflush(display->stream) == EOF) {
			struct gw_error err;

			display->stream_failed = true;
			fail_sys(&err, errno, "--json-stream %s", display->stream_path);
			print_sentence(display, err.text);
		}
	}
	json_decref(json);
}

static void on_poll(void *state, const struct migration_status *status,
		    const char *method, const json_t *answer)
{
	struct display *display = state;

	stream(display, json_pack("{ss sO}", "kind", "poll", "query-migrate", answer));
	show_status(display, status, method);
}

static void on_event(void *state, const json_t *event)
{
	stream(state, json_pack("{ss sO}", "kind", "event", "event", event));
}

static void stream_sentence(struct display *display, const char *sentence)
{
	stream(display, json_pack("{ss ss}", "kind", "message", "text", sentence));
}

static void on_sentence(void *state, const char *sentence)
{
	stream_sentence(state, sentence);
	print_sentence(state, sentence);
}

static void on_log_line(void *state, enum log_level level, const char *text)
{
	(void)level;
	on_sentence(state, text);
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
		stream_sentence(&settings->display, report->where);
	} else {
		snprintf(sentence, sizeof(sentence), "%s; %s", report->error,
			 report->where);
		on_sentence(&settings->display, sentence);
	}
	return codes[report->end];
}

static bool to_stdout(const char *path)
{
	return path && strcmp(path, "-") == 0;
}

static int finish(struct settings *settings, const struct drive_report *report)
{
	int code;

	clear_line(&settings->display);
	if (!to_stdout(settings->json) && !to_stdout(settings->json_stream))
		print_result(report);
	code = explain_end(settings, report);
	if (settings->json) {
		struct gw_error err;

		/* Told, but where the guest is matters more than what became of a file. */
		if (command_write_json(settings->json, &settings->json_file,
				       report_json(report), &err) < 0)
			print_sentence(&settings->display, err.text);
	}
	return code;
}

/* ---- the run ---- */

static int migrate(struct settings *settings, struct interrupts *interrupts)
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
	settings->display.begun_ns = clock_now_ns();
	command_on_signal(on_interrupt, interrupts);
	if (drive_run(&settings->drive, interrupts->stop, interrupts->leave, &report,
		      &err) < 0) {
		command_default_signals();
		stream_sentence(&settings->display, err.text);
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
	struct interrupts interrupts = { stop, leave };

	if (!leave)
		return command_failed(COMMAND, &err);
	settings->display.live = isatty(STDERR_FILENO);
	settings->drive.poll_ms = settings->display.live ? LIVE_POLL_MS : PLAIN_POLL_MS;
	command_log(&settings->log, settings->verbose);
	settings->log.line = on_log_line;
	settings->log.state = &settings->display;
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

static int open_stream(struct settings *settings, struct gw_error *err)
{
	struct display *display = &settings->display;

	if (!settings->json_stream)
		return 0;
	display->stream_path = settings->json_stream;
	display->stream = to_stdout(settings->json_stream)
				  ? stdout
				  : fopen(settings->json_stream, "we");
	if (display->stream)
		return 0;
	fail_sys(err, errno, "--json-stream %s", settings->json_stream);
	return command_blame_path(err);
}

static int check(struct settings *settings, struct gw_error *err)
{
	struct tuning *tuning = &settings->drive.tuning;

	tuning->sets = settings->sets.items;
	tuning->set_count = settings->sets.count;
	tuning->caps = settings->caps.items;
	tuning->cap_count = settings->caps.count;
	tuning->return_path = uri_has_return_path(settings->drive.uri);
	if (to_stdout(settings->json) && to_stdout(settings->json_stream))
		return fail(err, GW_USAGE,
			    "--json -: standard output is that of --json-stream");
	if (tuning_check(tuning, err) < 0 || open_stream(settings, err) < 0)
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
	command_close_json(&settings.display.stream);
	return code;
}
