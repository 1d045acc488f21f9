/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* cmd_inspect.c - godwit inspect: what a migration stream holds. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/accelerator_arguments.h"
#include "cli/command.h"
#include "cli/options.h"
#include "cli/units.h"
#include "inspect/inspect.h"

#define COMMAND "godwit inspect"

static void print_blocks(const struct inspection *inspection)
{
	char size[16], name[4 * 64];

	for (uint32_t i = 0; i < inspection->ram.block_count; i++) {
		const struct ram_block *block = inspection->ram.blocks[i];

		printf("block      %-28s %9s\n",
		       printable(name, sizeof(name), block->name,
				 (unsigned)strlen(block->name)),
		       units_print_size(size, block->length_bytes));
	}
}

static void print_pages(const struct receiver_report *report)
{
	const struct counters *counters = &report->counters;
	char size[16];

	for (unsigned i = 0; i < CODEC_COUNT; i++) {
		const struct method_counters *method = &counters->methods[i];

		if (method->packets > 0)
			printf("method     %-6s %9" PRIu64 " pages in %" PRIu64
			       " packets, %s of payload%s%s\n",
			       codec_by_id((enum codec_id)i)->name, method->pages,
			       method->packets,
			       units_print_size(size, method->payload_bytes),
			       report->engines[i] ? ", decoded by " : "",
			       report->engines[i] ? report->engines[i] : "");
	}
	printf("main       %10" PRIu64 " pages, %" PRIu64 " zero pages\n",
	       report->main_normal_pages, report->main_zero_pages);
	printf("packets    %10" PRIu64 " with %" PRIu64 " zero pages and %" PRIu64
	       " SYNCs\n",
	       counters->packets, counters->zero_pages, counters->syncs);
}

static void print_devices(const struct receiver_report *report)
{
	char size[16], name[4 * 64];

	if (!report->devices_known) {
		printf("devices    %s, their sizes are not told\n",
		       units_print_size(size, report->device_bytes));
		return;
	}
	for (uint32_t i = 0; i < report->vmdesc.device_count; i++) {
		const struct vmdesc_device *device = &report->vmdesc.devices[i];

		printf("device     %-40s %3u %8" PRIu64 " bytes\n",
		       printable(name, sizeof(name), device->name,
				 (unsigned)strlen(device->name)),
		       device->instance, device->body_bytes);
	}
}

static void print_report(const struct inspection *inspection)
{
	const struct receiver_report *report = &inspection->report;
	char size[16], name[4 * 64];

	printf("machine    %s\n", printable(name, sizeof(name), report->machine,
					    (unsigned)strlen(report->machine)));
	printf("dialect    %s\n",
	       report->dialect ? report->dialect->name : "not told by the machine type");
	if (inspection->options.channel_count > 0)
		printf("channels   main and %u, barriers once a %s\n",
		       inspection->options.channel_count,
		       report->barrier_per_section ? "section" : "round");
	else
		printf("channels   main\n");
	printf("way back   %s\n", report->return_path ? "open" : "none");
	print_blocks(inspection);
	printf("rounds     %u sections after the setup, %u barriers\n", report->parts,
	       report->barriers);
	print_pages(report);
	print_devices(report);
	printf("total      %s in %.0f ms\n", units_print_size(size, report->wire_bytes),
	       (double)report->total_ns / (double)NS_PER_MS);
}

static void stop(void *inspection)
{
	receiver_cancel(((struct inspection *)inspection)->receiver);
}

static int listen_and_inspect(struct inspection *inspection, const char *uri,
			      struct gw_error *err)
{
	OWNED(listener) struct listener *listener = NULL;
	struct address address;

	if (address_parse(&address, uri, err) < 0)
		return fail_in(err, "--listen");
	listener = listener_open(&address, (int)inspection->options.channel_count + 1,
				 receiver_interrupt(inspection->receiver), err);
	if (!listener) {
		fail_in(err, "--listen");
		return command_blame_path(err);
	}
	fprintf(stderr, COMMAND ": listening on %s\n", listener_uri(listener));
	return inspection_listen(inspection, listener, err);
}

static int read_and_inspect(struct inspection *inspection, const char *path,
			    struct gw_error *err)
{
	struct address address;
	char uri[512];

	if (strcmp(path, "-") == 0) {
		snprintf(uri, sizeof(uri), "fd:0");
	} else {
		if (strlen(path) > sizeof(uri) - sizeof("file:"))
			return fail(err, GW_USAGE, "%.40s...: %zu bytes, at most %zu",
				    path, strlen(path), sizeof(uri) - sizeof("file:"));
		if (access(path, R_OK) < 0) {
			fail_sys(err, errno, "%s", path);
			return command_blame_path(err);
		}
		snprintf(uri, sizeof(uri), "file:%s", path);
	}
	if (address_parse(&address, uri, err) < 0)
		return -1;
	return inspection_read(inspection, &address, err);
}

/* Everything that the command line says, and what `inspect` points to beside it. */
struct settings {
	struct inspect_options inspect;
	const char *listen, *path, *dialect;
	uint64_t channels;
	struct accelerator_arguments accelerator;
	struct command_common common;
	struct log log;
};

static int parse(struct settings *to, int argc, char **argv, enum options_result *shown,
		 struct gw_error *err)
{
	static const struct command_help help = {
		.name = COMMAND,
		.usage =
			"[OPTION...] FILE|-\n       " COMMAND " [OPTION...] --listen URI",
		.purpose = "Reads a recorded main stream, or takes a live migration from "
			   "anything that\nspeaks QEMU's format, and reports what it "
			   "holds.",
	};
	/* clang-format off */
	const struct option_spec specs[] = {
		{ "listen", "URI", "wait for a migration: tcp:HOST:PORT or unix:PATH",
		  OPTION_TEXT, &to->listen, 0, 0 },
		{ "channels", "N", "page channels (multifd-channels); 0: no multifd (2)",
		  OPTION_NUMBER, &to->channels, 0, MULTIFD_CHANNELS_MAX },
		{ "dialect", "NAME", "what the source is: qemu-7.2 ... (by machine type)",
		  OPTION_TEXT, &to->dialect, 0, 0 },
		{ "dump-ram", "DIR", "write each RAM block's final content to a file",
		  OPTION_TEXT, &to->inspect.dump_directory, 0, 0 },
		{ "max-memory", "SIZE", "refuse guests with more (64G)",
		  OPTION_SIZE, &to->inspect.memory_limit_bytes, PAGE_BYTES,
		  UINT64_C(1) << 46 },
		ACCELERATOR_ROWS(&to->accelerator),
		COMMAND_CLOSING_ROWS(&to->common,
			"for missing connections and stalled bytes", "the report"),
	};
	/* clang-format on */
	char **rest;
	int rest_count;

	if (options_parse(&help, specs, argc, argv, &rest, &rest_count, shown, err) < 0)
		return -1;
	if (*shown == OPTIONS_HELP_SHOWN)
		return 0;
	if (to->listen && rest_count > 0)
		return fail(err, GW_USAGE, "%.40s: no file is allowed with --listen",
			    rest[0]);
	if (!to->listen && rest_count == 0)
		return fail(err, GW_USAGE, "a FILE, - or --listen URI is expected");
	if (rest_count > 1)
		return fail(err, GW_USAGE, "%.40s: one file is expected", rest[1]);
	to->path = to->listen ? NULL : rest[0];
	return 0;
}

static int check(struct settings *settings, struct gw_error *err)
{
	struct inspect_options *inspect = &settings->inspect;

	inspect->channel_count = settings->listen ? (uint32_t)settings->channels : 0;
	if (accelerator_arguments_check(&settings->accelerator, err) < 0)
		return -1;
	inspect->accelerator = settings->accelerator.accelerator;
	inspect->accelerator_jobs = (uint32_t)settings->accelerator.jobs;
	inspect->patience_ms = (int)settings->common.patience_s * 1000;
	if (settings->dialect) {
		inspect->dialect = dialect_by_name(settings->dialect, err);
		if (!inspect->dialect)
			return fail_in(err, "--dialect");
	}
	return command_check_dump(inspect->dump_directory, err);
}

static int run(struct settings *settings, struct gw_error *err)
{
	OWNED(inspection) struct inspection *inspection = NULL;
	FILE *json_file = NULL;
	struct gw_error json_err;
	int failed, code;

	command_log(&settings->log, settings->common.verbose);
	settings->inspect.log = &settings->log;
	if (command_open_json(settings->common.json, &json_file, err) < 0)
		return command_failed(COMMAND, err);
	inspection = inspection_new(&settings->inspect, err);
	if (!inspection) {
		command_close_json(&json_file);
		return command_failed(COMMAND, err);
	}
	command_on_signal(stop, inspection);
	failed = settings->listen ? listen_and_inspect(inspection, settings->listen, err)
				  : read_and_inspect(inspection, settings->path, err);
	command_default_signals();
	code = failed < 0 ? command_failed(COMMAND, err) : EXIT_DONE;
	if (code == EXIT_USAGE) {
		command_close_json(&json_file);
		return code;
	}
	if (settings->common.json &&
	    command_write_json(settings->common.json, &json_file,
			       inspection_json(inspection), &json_err) < 0)
		return command_failed(COMMAND, &json_err);
	if (failed == 0 && !command_json_is_output(&settings->common))
		print_report(inspection);
	return code;
}

int cmd_inspect(int argc, char **argv)
{
	struct settings settings = {
		.inspect = { .memory_limit_bytes = UINT64_C(64) << 30 },
		.channels = 2,
		.accelerator = ACCELERATOR_ARGUMENTS,
		.common = { .patience_s = COMMAND_PATIENCE_S },
	};
	enum options_result shown = OPTIONS_OK;
	struct gw_error err;

	if (parse(&settings, argc, argv, &shown, &err) < 0)
		return command_failed(COMMAND, &err);
	if (shown == OPTIONS_HELP_SHOWN)
		return EXIT_DONE;
	if (check(&settings, &err) < 0)
		return command_failed(COMMAND, &err);
	return run(&settings, &err);
}
