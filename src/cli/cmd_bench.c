/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* cmd_bench.c - godwit bench: what things cost on this host. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/pages.h"
#include "bench/bench_host.h"
#include "bench/comparison.h"
#include "bench/comparison_json.h"
#include "cli/bench_columns.h"
#include "cli/command.h"
#include "cli/options.h"
#include "cli/units.h"
#include "codec/device_simulated.h"

#define COMMAND "godwit bench"
#define DEFAULT_FORMATS "zlib,zstd,qpl,uadk,qatzip"
#define PACKET_PAGES_MAX 128u
#define LEVELS_MAX 32u
#define COMPARISONS_MAX (CODEC_COUNT * LEVELS_MAX)

struct settings {
	const char *path;
	const char *formats, *levels, *simulate, *json;
	struct option_list accelerator_names;
	uint64_t packet_pages, memory_bytes, runs, seconds;

	/* What these come to. */
	uint32_t format_count, level_count, accelerator_count;
	enum codec_id format[CODEC_COUNT];
	int level[LEVELS_MAX]; /* none: each format's default */
	enum accelerator accelerator[OPTION_LIST_MAX];
	struct comparison_options options;
};

struct bench {
	struct bench_host host;
	struct workload *workload;
	uint32_t count;
	struct comparison *comparisons[COMPARISONS_MAX];
};

/* ---- what the command line says ---- */

static int parse(struct settings *to, int argc, char **argv, enum options_result *shown,
		 struct gw_error *err)
{
	static const struct command_help help = {
		.name = COMMAND,
		.usage = "engines [OPTION...] PATH",
		.purpose =
			"Measures each engine of the formats on the bytes of a file or "
			"tree, beside the\nlibrary that QEMU uses, called as QEMU calls "
			"it.",
	};
	/* clang-format off */
	const struct option_spec specs[] = {
		{ "formats", "LIST", "of zlib, zstd, qpl, uadk and qatzip (all)",
		  OPTION_TEXT, &to->formats, 0, 0 },
		{ "levels", "LIST", "such as 1,3,9 (each format's default)",
		  OPTION_TEXT, &to->levels, 0, 0 },
		{ "accelerator", "NAME", "whose engines take part; can be repeated (auto)",
		  OPTION_LIST, &to->accelerator_names, 0, 0 },
		{ "simulate", "SPEC", "beside them a device made of software:\n"
		  "depth=8,busy=50%,...",
		  OPTION_TEXT, &to->simulate, 0, 0 },
		{ "memory", "SIZE", "bytes of the file or tree at most (64M)",
		  OPTION_SIZE, &to->memory_bytes, PAGE_BYTES, UINT64_C(1) << 36 },
		{ "packet-pages", "N", "pages of a packet, zero pages included (128)",
		  OPTION_NUMBER, &to->packet_pages, 1, PACKET_PAGES_MAX },
		{ "runs", "N", "of each, after one to warm up (5)",
		  OPTION_NUMBER, &to->runs, 1, COMPARISON_RUNS_MAX },
		{ "seconds", "S", "begin no further run of a format, level and\n"
		  "direction after so long; 0: do all (0)",
		  OPTION_NUMBER, &to->seconds, 0, 86400 },
		{ "json", "FILE", "every run as JSON; - is standard output",
		  OPTION_TEXT, &to->json, 0, 0 },
		{ 0 },
	};
	/* clang-format on */
	char **rest;
	int rest_count;

	if (options_parse(&help, specs, argc, argv, &rest, &rest_count, shown, err) < 0)
		return -1;
	if (*shown == OPTIONS_HELP_SHOWN)
		return 0;
	if (rest_count == 0 || strcmp(rest[0], "engines") != 0)
		return fail(err, GW_USAGE, "%.40s: engines is what can be measured",
			    rest_count > 0 ? rest[0] : "nothing");
	if (rest_count != 2)
		return fail(err, GW_USAGE, "engines: one PATH is expected, not %d",
			    rest_count - 1);
	to->path = rest[1];
	return 0;
}

static int add_format(struct settings *to, const char *name, struct gw_error *err)
{
	const struct codec *codec = codec_by_name(name, err);

	if (!codec)
		return -1;
	if (codec->id == CODEC_NONE)
		return fail(err, GW_USAGE, "none: nothing is computed for it");
	for (uint32_t i = 0; i < to->format_count; i++) {
		if (to->format[i] == codec->id)
			return fail(err, GW_USAGE, "%s is there twice", name);
	}
	to->format[to->format_count++] = codec->id;
	return 0;
}

static bool has_level(const struct settings *settings, int level)
{
	for (uint32_t i = 0; i < settings->format_count; i++) {
		const struct codec *codec = codec_by_id(settings->format[i]);

		if (level >= codec->level_min && level <= codec->level_max)
			return true;
	}
	return false;
}

static int add_level(struct settings *to, const char *text, struct gw_error *err)
{
	size_t digits = strspn(text, "0123456789");
	int level = digits > 0 && digits < 4 ? (int)strtol(text, NULL, 10) : -1;

	if (text[digits] != '\0' || !has_level(to, level))
		return fail(err, GW_USAGE, "\"%.20s\" is no level of these formats",
			    text);
	if (to->level_count == LEVELS_MAX)
		return fail(err, GW_USAGE, "more than %u", LEVELS_MAX);
	to->level[to->level_count++] = level;
	return 0;
}

static int each_of_list(struct settings *to, const char *list,
			int (*add)(struct settings *to, const char *text,
				   struct gw_error *err),
			struct gw_error *err)
{
	OWNED_MEMORY char *copy = strdup(list);
	char *rest = copy;

	if (!copy)
		return fail_sys(err, ENOMEM, "%.40s", list);
	while (rest) {
		if (add(to, strsep(&rest, ","), err) < 0)
			return -1;
	}
	return 0;
}

static int check_accelerators(struct settings *to, struct gw_error *err)
{
	bool simulated = false;

	for (uint32_t i = 0; i < to->accelerator_names.count; i++) {
		enum accelerator *accelerator = &to->accelerator[to->accelerator_count++];

		if (accelerator_by_name(to->accelerator_names.items[i], accelerator,
					err) < 0)
			return fail_in(err, "--accelerator");
		simulated |= *accelerator == ACCELERATOR_SIMULATED;
	}
	if (to->accelerator_count == 0)
		to->accelerator[to->accelerator_count++] = ACCELERATOR_AUTO;
	if (to->simulate && !simulated && to->accelerator_count < OPTION_LIST_MAX)
		to->accelerator[to->accelerator_count++] = ACCELERATOR_SIMULATED;
	return 0;
}

static void show_progress(void *state, const struct comparison *comparison,
			  enum direction direction, uint32_t run)
{
	const uint64_t *runs = state;

	fprintf(stderr, "\r%s level %d: %s, run %u of %" PRIu64 "\033[K",
		comparison->codec->name, comparison->level,
		direction == ENCODE ? "encode" : "decode", run, *runs);
}

static void end_progress(const struct settings *settings)
{
	if (settings->options.progress)
		fputs("\r\033[K", stderr);
}

static int check(struct settings *to, struct gw_error *err)
{
	struct simulated_device simulated;

	if (each_of_list(to, to->formats, add_format, err) < 0)
		return fail_in(err, "--formats");
	if (to->levels && each_of_list(to, to->levels, add_level, err) < 0)
		return fail_in(err, "--levels");
	if (check_accelerators(to, err) < 0)
		return -1;
	if (to->simulate) {
		if (simulated_device_parse(&simulated, to->simulate, err) < 0)
			return fail_in(err, "--simulate");
		simulated_device_set(&simulated);
	}
	for (uint32_t i = 0; i < to->accelerator_count; i++) {
		if (accelerator_check(to->accelerator[i], err) < 0)
			return -1;
	}
	to->options = (struct comparison_options){
		.accelerators = to->accelerator,
		.accelerator_count = to->accelerator_count,
		.runs = (uint32_t)to->runs,
		.limit_ns = to->seconds * NS_PER_S,
		.progress = isatty(STDERR_FILENO) ? show_progress : NULL,
		.progress_state = &to->runs,
	};
	return 0;
}

/* ---- measuring ---- */

static int compare(struct bench *bench, const struct settings *settings,
		   const struct codec *codec, int level, struct gw_error *err)
{
	struct comparison *comparison = comparison_run(codec->id, level, bench->workload,
						       &settings->options, err);

	end_progress(settings);
	if (!comparison)
		return -1;
	bench->comparisons[bench->count++] = comparison;
	return 0;
}

static int compare_format(struct bench *bench, const struct settings *settings,
			  const struct codec *codec, bool print, struct gw_error *err)
{
	/* A format without levels has one, which goes without saying. */
	const int *levels = settings->level, one = codec->level_default;
	uint32_t count = settings->level_count;

	if (count == 0 || codec->level_max == 0) {
		levels = &one;
		count = 1;
	}
	for (uint32_t i = 0; i < count; i++) {
		if (levels[i] < codec->level_min || levels[i] > codec->level_max)
			continue;
		if (compare(bench, settings, codec, levels[i], err) < 0)
			return -1;
		if (print)
			bench_columns_print(stdout, bench->comparisons[bench->count - 1]);
		fflush(stdout);
	}
	return 0;
}

/* ---- what people see ---- */

static void print_setting(const struct bench *bench, const struct settings *settings)
{
	const struct bench_host *host = &bench->host;
	const struct workload *workload = bench->workload;
	char size[16];

	printf("host    %s, %d processors, %s\n", host->cpu, host->cpus, host->kernel);
	printf("with    zlib %s, libzstd %s, ISA-L %s, libdeflate %s\n", host->zlib,
	       host->libzstd, host->isal, host->libdeflate);
	printf("data    %s, %s", settings->path,
	       units_print_size(size, workload->image_bytes));
	printf(": %" PRIu64 " pages in %u packets, %" PRIu64 " zero pages left out\n\n",
	       workload->normal_pages, workload->packet_count, workload->zero_pages);
}

static void print_left_out(void *state, const struct engine *engine, const char *reason)
{
	bool *begun = state;

	printf("%s%-6s without %s: %s\n", *begun ? "" : "\n",
	       codec_by_id(engine->codec)->name, engine->name, reason);
	*begun = true;
}

static void print_closing(const struct bench *bench, const struct settings *settings)
{
	bool begun = false;

	for (uint32_t i = 0; i < settings->format_count; i++)
		comparison_left_out(settings->format[i], &settings->options,
				    print_left_out, &begun);
	for (uint32_t i = 0; i < bench->count; i++) {
		const struct comparison *comparison = bench->comparisons[i];

		if (!comparison_reference(comparison))
			printf("%s%-6s without reference: %s\n", begun ? "" : "\n",
			       comparison->codec->name, comparison->no_reference.text);
		begun |= !comparison_reference(comparison);
	}
}

static void append_left_out(void *state, const struct engine *engine, const char *reason)
{
	json_array_append_new(state, json_pack("{s:s, s:s, s:s}", "format",
					       codec_by_id(engine->codec)->name, "engine",
					       engine->name, "reason", reason));
}

static json_t *bench_json(const struct bench *bench, const struct settings *settings)
{
	json_t *comparisons = json_array(), *left_out = json_array();

	for (uint32_t i = 0; i < bench->count; i++)
		json_array_append_new(comparisons,
				      comparison_json(bench->comparisons[i]));
	for (uint32_t i = 0; i < settings->format_count; i++)
		comparison_left_out(settings->format[i], &settings->options,
				    append_left_out, left_out);
	return json_pack("{s:o, s:o, s:o, s:o}", "host", bench_host_json(&bench->host),
			 "data",
			 workload_json(bench->workload, settings->path,
				       (uint32_t)settings->packet_pages),
			 "comparisons", comparisons, "left_out", left_out);
}

/* ---- all of it ---- */

static int measure(struct bench *bench, const struct settings *settings,
		   struct gw_error *err)
{
	bool print = !settings->json || strcmp(settings->json, "-") != 0;

	bench_host_init(&bench->host);
	bench->workload = workload_new(settings->path, settings->memory_bytes,
				       (uint32_t)settings->packet_pages, err);
	if (!bench->workload)
		return command_blame_path(err);
	if (print) {
		print_setting(bench, settings);
		bench_columns_print_heading(stdout);
	}
	for (uint32_t i = 0; i < settings->format_count; i++) {
		if (compare_format(bench, settings, codec_by_id(settings->format[i]),
				   print, err) < 0)
			return -1;
	}
	if (print)
		print_closing(bench, settings);
	return 0;
}

static int run(const struct settings *settings, struct gw_error *err)
{
	struct bench *bench = calloc(1, sizeof(*bench));
	FILE *json_file = NULL;
	int failed;

	if (!bench)
		return fail_sys(err, ENOMEM, "benchmark");
	failed = command_open_json(settings->json, &json_file, err);
	if (failed == 0)
		failed = measure(bench, settings, err);
	if (failed == 0 && json_file)
		failed = command_write_json(settings->json, &json_file,
					    bench_json(bench, settings), err);
	command_close_json(&json_file);
	for (uint32_t i = 0; i < bench->count; i++)
		comparison_free(bench->comparisons[i]);
	workload_free(bench->workload);
	free(bench);
	return failed;
}

int cmd_bench(int argc, char **argv)
{
	struct settings settings = {
		.formats = DEFAULT_FORMATS,
		.packet_pages = PACKET_PAGES_MAX,
		.memory_bytes = UINT64_C(64) << 20,
		.runs = 5,
	};
	enum options_result shown = OPTIONS_OK;
	struct gw_error err;

	if (parse(&settings, argc, argv, &shown, &err) < 0)
		return command_failed(COMMAND, &err);
	if (shown == OPTIONS_HELP_SHOWN)
		return EXIT_DONE;
	if (check(&settings, &err) < 0 || run(&settings, &err) < 0)
		return command_failed(COMMAND, &err);
	return EXIT_DONE;
}
