/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* cmd_demo.c - godwit demo: migrate a guest here, show what happened. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "channel/address.h"
#include "cli/accelerator_arguments.h"
#include "cli/columns.h"
#include "cli/command.h"
#include "cli/guest_arguments.h"
#include "cli/options.h"
#include "codec/engine.h"
#include "demo/demo.h"
#include "wire/multifd_init.h"
#include "wire/stream_header.h"

#define COMMAND "godwit demo"
#define METHODS_MAX 16u
#define OWN_DIRECTORY "/tmp/godwit-demo-XXXXXX"

struct choice {
	const struct codec *codec;
	int level;
};

/* Everything that the command line says, and what `demo` points to beside it. */
struct settings {
	struct demo_options demo;
	struct guest_arguments guest;
	struct accelerator_arguments accelerator;
	const char *methods, *dialect, *uri;
	uint64_t channels;
	struct command_common common;
	struct choice choices[METHODS_MAX];
	unsigned choice_count;
	struct fill *filling;
	FILE *json_file;
	struct log log;
	bool live; /* somebody watches: progress is shown */
	char own_uri[sizeof(OWN_DIRECTORY) + 32];
};

static void settings_free(struct settings *settings)
{
	fill_free(settings->filling);
	command_close_json(&settings->json_file);
}

/* ---- the command line ---- */

/* "zlib:6", up to a comma. */
static int parse_method(const char *text, struct choice *choice, struct gw_error *err)
{
	size_t length = strcspn(text, ",:"), digits;
	const char *level = text + length;
	char name[32];

	/* No method has a name so long that the cut matters. */
	snprintf(name, sizeof(name), "%.*s", (int)length, text);
	choice->codec = codec_by_name(name, err);
	if (!choice->codec)
		return fail_in(err, "--methods");
	choice->level = choice->codec->level_default;
	if (*level++ != ':')
		return 0;
	if (choice->codec->level_max == 0)
		return fail(err, GW_USAGE, "--methods: %s:%.20s: %s has no levels", name,
			    level, name);
	digits = strspn(level, "0123456789");
	if (digits == 0 || digits > 4 || digits != strcspn(level, ","))
		return fail(err, GW_USAGE,
			    "--methods: %s level \"%.20s\": %d to %d are allowed", name,
			    level, choice->codec->level_min, choice->codec->level_max);
	choice->level = (int)strtol(level, NULL, 10);
	if (codec_check_level(choice->codec, choice->level, err) < 0)
		return fail_in(err, "--methods");
	return 0;
}

/* "none,zlib:6,zstd" */
static int parse_methods(struct settings *settings, struct gw_error *err)
{
	const char *text = settings->methods;

	for (;;) {
		if (settings->choice_count == METHODS_MAX)
			return fail(err, GW_USAGE,
				    "--methods %.40s...: at most %u of them",
				    settings->methods, METHODS_MAX);
		if (parse_method(text, &settings->choices[settings->choice_count], err) <
		    0)
			return -1;
		settings->choice_count++;
		text += strcspn(text, ",");
		if (*text++ == '\0')
			return 0;
	}
}

/* Whether `accelerator` computes this; what is only a place in the table yet does not. */
static bool is_computed(enum codec_id codec, enum accelerator accelerator)
{
	for (const struct engine *const *at = engines_of(codec, ENCODE); *at; at++)
		if ((*at)->open && engine_allowed(*at, accelerator))
			return true;
	return codec == CODEC_NONE;
}

/* All that the accelerator computes.  Another's destination usually takes one migration, and main
 * knows no method. */
static void default_methods(struct settings *settings)
{
	bool only_none = settings->demo.to || settings->channels == 0;

	for (unsigned i = 0; i < CODEC_COUNT; i++) {
		const struct codec *codec = codec_by_id((enum codec_id)i);

		if (codec->id != CODEC_NONE &&
		    (only_none ||
		     !is_computed(codec->id, settings->accelerator.accelerator)))
			continue;
		settings->choices[settings->choice_count++] =
			(struct choice){ codec, codec->level_default };
	}
}

/* ---- what people see ---- */

static void show_line(void *state, const char *line)
{
	bool live = *(const bool *)state;

	if (live)
		fprintf(stderr, "\r\033[K%s", line);
}

static void clear_line(bool live)
{
	if (live)
		fputs("\r\033[K", stderr);
}

static void show_note(void *state, const char *line)
{
	clear_line(*(const bool *)state);
	fprintf(stderr, COMMAND ": %s\n", line);
}

/* Which guest, and why no better one. */
static void print_guest(const struct settings *settings)
{
	const char *why = settings->guest.why_not_kvm.text;

	printf("guest: %s%s%s\n", guest_kind_name(settings->demo.guest.kind),
	       why[0] ? "; no kvm: " : "", why);
}

/* What devices did, and what was done without them. */
static void print_engine(const char *what, const struct result_engine *engine)
{
	char line[256];

	if (result_engine_describe(engine, line, sizeof(line)))
		printf("        %s by %s\n", what, line);
}

static void print_result(const struct result *result)
{
	static const char *const verdicts[] = {
		[VERDICT_NONE] = "unknown", [VERDICT_YES] = "yes", [VERDICT_NO] = "no"
	};
	const struct columns row = {
		.method = result->method,
		.level = result->level,
		.total_ms = result->total_ms,
		.downtime_ms = result->downtime_ms,
		.throughput_mbps = result_throughput_mbps(result),
		.pages_per_second = result_pages_per_second(result),
		.send_cpu_percent = result_cpu_percent(result, result->send_cpu_s),
		.recv_cpu_percent =
			result->receiver_known
				? result_cpu_percent(result, result->recv_cpu_s)
				: -1,
		.wire_bytes = (double)result->wire_bytes,
		.ratio = result_ratio(result),
		.verdict = strcmp(result->status, "completed") == 0
				   ? verdicts[result->verified]
				   : result->status,
	};

	columns_print(stdout, &row);
	if (result->heartbeat_after > 0)
		printf("        %u rounds; heartbeat %" PRIu64 " at pause, %" PRIu64
		       " after; %.1f ms between two beats, %.1f of them the checksum's\n",
		       result->rounds, result->heartbeat_at_pause,
		       result->heartbeat_after, result->heartbeat_gap_ms,
		       result->verify_ms);
	print_engine("sent", &result->sent);
	print_engine("received", &result->received);
	fflush(stdout);
}

static int explain_end(const struct result *result, enum demo_end end)
{
	static const char *const where[] = {
		[DEMO_FAILED] = "the guest runs on at the source",
		[DEMO_CANCELLED] = "the guest runs on at the source",
		[DEMO_UNKNOWN] =
			("the source holds the guest, paused; the destination may "
			 "run it"),
		[DEMO_LOST] = "neither side holds the guest",
	};
	static const enum exit_code codes[] = {
		[DEMO_DONE] = EXIT_DONE,	   [DEMO_FAILED] = EXIT_FAILED,
		[DEMO_CANCELLED] = EXIT_CANCELLED, [DEMO_UNKNOWN] = EXIT_UNKNOWN,
		[DEMO_LOST] = EXIT_UNKNOWN,
	};

	if (end != DEMO_DONE) {
		fprintf(stderr, COMMAND ": %s: %s; %s\n", result->method, result->error,
			where[end]);
	} else if (result->verified == VERDICT_NO) {
		fprintf(stderr,
			COMMAND ": %s: not verified: %s; the destination runs the guest "
				"as it is\n",
			result->method, result->error);
		return EXIT_UNKNOWN;
	}
	return codes[end];
}

/* ---- the run ---- */

static void stop(void *interrupt)
{
	interrupt_raise(interrupt);
}

static int run_all(struct settings *settings, const struct interrupt *stopped,
		   struct gw_error *err)
{
	json_t *results = json_array();
	bool table = !command_json_is_output(&settings->common);
	int code = EXIT_DONE;

	for (unsigned i = 0; i < settings->choice_count && code == EXIT_DONE; i++) {
		const struct choice *choice = &settings->choices[i];
		struct result result;
		enum demo_end end;
		int failed = demo_run(&settings->demo, choice->codec, choice->level,
				      stopped, &result, &end, err);

		clear_line(settings->live);
		if (failed < 0) {
			json_decref(results);
			command_blame_path(err);
			return command_failed(COMMAND, err);
		}
		json_array_append_new(results, result_json(&result));
		if (table && i == 0) {
			print_guest(settings);
			columns_print_heading(stdout);
		}
		if (table)
			print_result(&result);
		code = explain_end(&result, end);
	}
	if (!settings->common.json) {
		json_decref(results);
		return code;
	}
	if (command_write_json(settings->common.json, &settings->json_file, results,
			       err) < 0)
		return command_failed(COMMAND, err);
	return code;
}

static int parse(struct settings *to, int argc, char **argv, enum options_result *shown,
		 struct gw_error *err)
{
	static const struct command_help help = {
		.name = COMMAND,
		.usage = "[OPTION...]",
		.purpose = "Migrates a running guest from one process to another, once "
			   "for each method,\nand shows what that took.",
	};
	struct demo_options *demo = &to->demo;
	/* clang-format off */
	const struct option_spec specs[] = {
		GUEST_ROWS(&to->guest, "1G"),
		{ "methods", "M[:LEVEL],...", "none zlib:0-9 zstd:0-20 qpl uadk qatzip:1-9\n"
		  "(all that the accelerator computes)",
		  OPTION_TEXT, &to->methods, 0, 0 },
		ACCELERATOR_ROWS(&to->accelerator),
		{ "channels", "N", "page channels beside the main one; 0: none (2)",
		  OPTION_NUMBER, &to->channels, 0, MULTIFD_CHANNELS_MAX },
		{ "max-bandwidth", "RATE", "over all channels together; 0: unlimited (0)",
		  OPTION_RATE, &demo->max_bandwidth, 0, UINT64_C(1) << 50 },
		{ "downtime-limit", "MS", "pause the guest when the rest fits (300)",
		  OPTION_NUMBER, &demo->downtime_limit_ms, 0, 2000000 },
		{ "auto-converge", NULL, "slow the guest down until it fits",
		  OPTION_FLAG, &demo->auto_converge, 0, 0 },
		{ "uri", "URI", "where to meet: tcp:127.0.0.1:0, unix:PATH",
		  OPTION_TEXT, &to->uri, 0, 0 },
		{ "to", "URI", "send to another destination, such as a QEMU",
		  OPTION_TEXT, &demo->to, 0, 0 },
		{ "machine", "TYPE", "as the stream names it; none: no device state",
		  OPTION_TEXT, &demo->machine, 0, 0 },
		{ "dialect", "NAME", "what the destination is: qemu-7.2 ... (the newest)",
		  OPTION_TEXT, &to->dialect, 0, 0 },
		{ "no-return-path", NULL, "the destination cannot answer",
		  OPTION_CLEAR, &demo->return_path, 0, 0 },
		{ "dump-ram", "DIR", "write the source's RAM at switchover to files",
		  OPTION_TEXT, &demo->dump_directory, 0, 0 },
		{ "flip-byte", NULL, "spoil a byte at the destination: must not verify",
		  OPTION_FLAG, &demo->flip_byte, 0, 0 },
		COMMAND_CLOSING_ROWS(&to->common, "without a byte of progress", "the figures"),
	};
	/* clang-format on */

	return options_parse_all(&help, specs, argc, argv, shown, err);
}

static int check_names(struct settings *settings, struct gw_error *err)
{
	struct demo_options *demo = &settings->demo;

	if (demo->machine &&
	    (demo->machine[0] == '\0' || strlen(demo->machine) > STREAM_NAME_MAX))
		return fail(err, GW_USAGE,
			    "--machine \"%.40s\": 1 to %u characters are allowed",
			    demo->machine, STREAM_NAME_MAX);
	demo->dialect = settings->dialect ? dialect_by_name(settings->dialect, err)
					  : dialect_newest();
	return demo->dialect ? 0 : fail_in(err, "--dialect");
}

static int check_uri(const char *option, const char *uri, struct address *address,
		     struct gw_error *err)
{
	if (address_parse(address, uri, err) < 0)
		return fail_in(err, "%s", option);
	if (!address_is_socket(address))
		return fail(err, GW_USAGE,
			    "%s %s: several channels need tcp: or unix:", option, uri);
	return 0;
}

static int check_peer(struct settings *settings, struct gw_error *err)
{
	struct demo_options *demo = &settings->demo;
	struct address address;

	demo->uri = settings->uri;
	if (settings->uri && check_uri("--uri", settings->uri, &address, err) < 0)
		return -1;
	if (!demo->to)
		return 0;
	if (check_uri("--to", demo->to, &address, err) < 0)
		return -1;
	if (address.kind == ADDRESS_TCP && strcmp(address.port, "0") == 0)
		return fail(err, GW_USAGE, "--to %s: port 0 is for listening only",
			    demo->to);
	if (settings->uri)
		return fail(err, GW_USAGE, "--uri %s: is not allowed with --to",
			    settings->uri);
	if (demo->flip_byte)
		return fail(err, GW_USAGE, "--flip-byte: is not allowed with --to");
	return 0;
}

static int check_methods(const struct settings *settings, struct gw_error *err)
{
	for (unsigned i = 0; settings->channels == 0 && i < settings->choice_count; i++)
		if (settings->choices[i].codec->id != CODEC_NONE)
			return fail(
				err, GW_USAGE,
				"--channels 0: pages travel on main as they are, not by "
				"%s",
				settings->choices[i].codec->name);
	return 0;
}

static int check(struct settings *settings, struct gw_error *err)
{
	struct demo_options *demo = &settings->demo;

	if (accelerator_arguments_check(&settings->accelerator, err) < 0)
		return -1;
	if (!settings->methods)
		default_methods(settings);
	else if (parse_methods(settings, err) < 0)
		return -1;
	if (check_methods(settings, err) < 0 ||
	    guest_arguments_check(&settings->guest, err) < 0 ||
	    check_names(settings, err) < 0 || check_peer(settings, err) < 0)
		return -1;
	demo->guest = settings->guest.options;
	demo->accelerator = settings->accelerator.accelerator;
	demo->accelerator_jobs = (uint32_t)settings->accelerator.jobs;
	settings->filling = fill_new(settings->guest.fill, err);
	if (!settings->filling) {
		fail_in(err, "--fill");
		return command_blame_path(err);
	}
	demo->fill = settings->filling;
	demo->channels = (uint32_t)settings->channels;
	demo->patience_ms = (int)settings->common.patience_s * 1000;
	if (command_check_dump(demo->dump_directory, err) < 0)
		return -1;
	return command_open_json(settings->common.json, &settings->json_file, err);
}

/* Meets in a directory of its own. */
static int run_here(struct settings *settings, const struct interrupt *stopped,
		    struct gw_error *err)
{
	char directory[] = OWN_DIRECTORY;
	int code;

	if (!mkdtemp(directory)) {
		fail_sys(err, errno, "make a directory in /tmp");
		return command_failed(COMMAND, err);
	}
	snprintf(settings->own_uri, sizeof(settings->own_uri), "unix:%s/migration",
		 directory);
	settings->demo.uri = settings->own_uri;
	code = run_all(settings, stopped, err);
	/* A destination that was killed has left it. */
	unlink(settings->own_uri + strlen("unix:"));
	rmdir(directory);
	return code;
}

static int run(struct settings *settings, struct gw_error *err)
{
	OWNED(interrupt) struct interrupt *stopped = interrupt_new(err);
	int code;

	if (!stopped)
		return command_failed(COMMAND, err);
	command_log(&settings->log, settings->common.verbose);
	command_on_signal(stop, stopped);
	settings->live = isatty(STDERR_FILENO);
	settings->demo.log = &settings->log;
	settings->demo.progress = show_line;
	settings->demo.note = show_note;
	settings->demo.people = &settings->live;
	code = settings->demo.to || settings->demo.uri ? run_all(settings, stopped, err)
						       : run_here(settings, stopped, err);
	command_default_signals();
	return code;
}

int cmd_demo(int argc, char **argv)
{
	struct settings settings = {
		.demo = {
			.threads = 2,
			.downtime_limit_ms = 300,
			.return_path = true,
		},
		.guest = GUEST_ARGUMENTS(UINT64_C(1) << 30),
		.accelerator = ACCELERATOR_ARGUMENTS,
		.channels = 2,
		.common = { .patience_s = COMMAND_PATIENCE_S },
	};
	enum options_result shown = OPTIONS_OK;
	struct gw_error err;
	int code = EXIT_DONE;

	if (parse(&settings, argc, argv, &shown, &err) < 0)
		code = command_failed(COMMAND, &err);
	else if (shown == OPTIONS_OK)
		code = check(&settings, &err) < 0 ? command_failed(COMMAND, &err)
						  : run(&settings, &err);
	settings_free(&settings);
	return code;
}
