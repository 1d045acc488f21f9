/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* info_text.c - what the human monitor prints of a migration.
 *
 * Lines and their order: recorded from QEMU 7.2, without its list of "globals", which are
 * switches of QEMU's own.  Figures are those that query-migrate tells. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "vm/migration_info.h"

/* A text that grows, line by line. */
struct text {
	FILE *file;
	char *bytes;
	size_t length;
};

static bool text_open(struct text *text)
{
	text->file = open_memstream(&text->bytes, &text->length);
	return text->file;
}

/* NULL when a line found no memory. */
static char *text_close(struct text *text)
{
	bool failed = ferror(text->file);

	if (fclose(text->file) == 0 && !failed)
		return text->bytes;
	free(text->bytes);
	return NULL;
}

__attribute__((format(printf, 2, 3))) static void text_line(struct text *text,
							    const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vfprintf(text->file, format, args);
	va_end(args);
	fputs("\r\n", text->file);
}

/* ---- info migrate ---- */

struct figure {
	const char *label;
	const char *key;
	const char *unit;
	unsigned shift;
	bool unless_zero;
};

static const struct figure times[] = {
	{ "expected downtime", "expected-downtime", " ms" },
	{ "downtime", "downtime", " ms" },
	{ "setup", "setup-time", " ms" },
};

static const struct figure of_ram[] = {
	{ "transferred ram", "transferred", " kbytes", 10 },
	{ "throughput", "mbps", " mbps" },
	{ "remaining ram", "remaining", " kbytes", 10 },
	{ "total ram", "total", " kbytes", 10 },
	{ "duplicate", "duplicate", " pages" },
	{ "skipped", "skipped", " pages" },
	{ "normal", "normal", " pages" },
	{ "normal bytes", "normal-bytes", " kbytes", 10 },
	{ "dirty sync count", "dirty-sync-count", "" },
	{ "page size", "page-size", " kbytes", 10 },
	{ "multifd bytes", "multifd-bytes", " kbytes", 10 },
	{ "pages-per-second", "pages-per-second", "" },
	{ "dirty pages rate", "dirty-pages-rate", " pages", 0, true },
	{ "precopy ram", "precopy-bytes", " kbytes", 10, true },
};

static const struct figure throttle[] = {
	{ "cpu throttle percentage", "cpu-throttle-percentage", "" },
};

static void print_figures(struct text *text, const json_t *json,
			  const struct figure *figures, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const struct figure *figure = &figures[i];
		const json_t *value = json_object_get(json, figure->key);
		json_int_t number = json_integer_value(value);

		if (!value || (figure->unless_zero && number == 0))
			continue;
		if (json_is_real(value))
			text_line(text, "%s: %0.2f%s", figure->label,
				  json_real_value(value), figure->unit);
		else
			text_line(text, "%s: %" JSON_INTEGER_FORMAT "%s", figure->label,
				  number >> figure->shift, figure->unit);
	}
}

#define PRINT_FIGURES(text_, json_, figures_) \
	print_figures(text_, json_, figures_, sizeof(figures_) / sizeof((figures_)[0]))

static json_int_t integer(const json_t *json, const char *key)
{
	return json_integer_value(json_object_get(json, key));
}

static void print_engine(struct text *text, const json_t *engine)
{
	json_int_t there = integer(engine, "device-units");
	json_int_t here = integer(engine, "fallback-units");
	json_int_t retries = integer(engine, "retries");
	json_int_t failures = integer(engine, "device-failures");
	char device[160] = "";

	if (!engine)
		return;
	/* Software alone has none of these. */
	if (there + here + retries + failures > 0)
		snprintf(device, sizeof(device),
			 " (device %" JSON_INTEGER_FORMAT
			 ", software in its stead %" JSON_INTEGER_FORMAT
			 ", retries %" JSON_INTEGER_FORMAT
			 ", device failures %" JSON_INTEGER_FORMAT ")",
			 there, here, retries, failures);
	text_line(text,
		  "engine: %s, %" JSON_INTEGER_FORMAT " units%s, %" JSON_INTEGER_FORMAT
		  " raw pages, %" JSON_INTEGER_FORMAT " kbytes in, %" JSON_INTEGER_FORMAT
		  " kbytes out",
		  json_string_value(json_object_get(engine, "name")),
		  integer(engine, "units"), device, integer(engine, "raw-pages"),
		  integer(engine, "bytes-in") >> 10, integer(engine, "bytes-out") >> 10);
}

static void print_own(struct text *text, const struct migration_info *info)
{
	const struct downtime_split *split = &info->report.downtime_split;
	const struct convergence *convergence =
		info->ended ? &info->report.convergence : &info->progress.convergence;
	char verdict[256];

	if (convergence->verdict != CONVERGENCE_UNKNOWN)
		text_line(text, "%s",
			  convergence_explain(convergence, verdict, sizeof(verdict)));
	if (info->ended && info->state == MIGRATION_COMPLETED)
		text_line(text,
			  "downtime split: stop %.2f ms, last sync %.2f ms, last pages "
			  "%.2f ms, state %.2f ms, resume %.2f ms",
			  (double)split->stop_ns / 1e6, (double)split->last_sync_ns / 1e6,
			  (double)split->last_pages_ns / 1e6,
			  (double)split->state_ns / 1e6, (double)split->resume_ns / 1e6);
	if (info->ended && info->report.guest == GUEST_UNKNOWN)
		text_line(text, "guest: paused here; the destination may run it");
}

static void print_migration(struct text *text, const struct migration_info *info,
			    const json_t *json)
{
	const json_t *status = json_object_get(json, "status");
	const char *name = status ? json_string_value(status) : "none";
	uint64_t total_ns =
		info->ended ? info->report.total_ns : info->progress.elapsed_ns;

	if (info->has_error)
		text_line(text, "Migration status: %s (%s)", name, info->error.text);
	else if (status || !info->listening[0])
		text_line(text, "Migration status: %s", name);
	if (status)
		text_line(text, "total time: %" PRIu64 " ms", total_ns / NS_PER_MS);
	PRINT_FIGURES(text, json, times);
	PRINT_FIGURES(text, json_object_get(json, "ram"), of_ram);
	PRINT_FIGURES(text, json, throttle);
	if (json_object_get(json, "socket-address")) {
		text_line(text, "socket address: [");
		text_line(text, "\t%s", info->listening);
		text_line(text, "]");
	}
	print_engine(text, json_object_get(json_object_get(json, "x-godwit"), "engine"));
	if (!info->incoming)
		print_own(text, info);
}

char *migration_info_text(const struct migration_info *info)
{
	json_t *json = migration_info_json(info);
	struct text text;

	if (!json || !text_open(&text)) {
		json_decref(json);
		return NULL;
	}
	print_migration(&text, info, json);
	json_decref(json);
	return text_close(&text);
}

/* ---- info migrate_parameters, info migrate_capabilities ---- */

static const char *const units[PARAMETER_COUNT] = {
	[PARAMETER_ANNOUNCE_INITIAL] = " ms",
	[PARAMETER_ANNOUNCE_MAX] = " ms",
	[PARAMETER_ANNOUNCE_STEP] = " ms",
	[PARAMETER_MAX_BANDWIDTH] = " bytes/second",
	[PARAMETER_DOWNTIME_LIMIT] = " ms",
	[PARAMETER_X_CHECKPOINT_DELAY] = " ms",
	[PARAMETER_XBZRLE_CACHE_SIZE] = " bytes",
	[PARAMETER_AVAIL_SWITCHOVER_BANDWIDTH] = " bytes/second",
};

static void print_parameter(struct text *text, const struct parameters *parameters,
			    enum parameter_id id)
{
	const struct parameter_spec *spec = &parameter_specs[id];
	uint64_t number = parameter(parameters, id);

	if (spec->type == PARAMETER_TEXT)
		text_line(text, "%s: '%s'", spec->name, parameters->values[id].text);
	else if (spec->type == PARAMETER_BOOL)
		text_line(text, "%s: %s", spec->name, number ? "on" : "off");
	else if (spec->type == PARAMETER_ENUM)
		text_line(text, "%s: %s", spec->name, parameter_enum_name(id, number));
	else
		text_line(text, "%s: %" PRIu64 "%s", spec->name, number,
			  units[id] ? units[id] : "");
}

char *parameters_text(const struct parameters *parameters)
{
	struct text text;

	if (!text_open(&text))
		return NULL;
	for (unsigned id = 0; id < PARAMETER_COUNT; id++) {
		/* QEMU's order is the table's but for this one. */
		if (id != PARAMETER_TLS_AUTHZ)
			print_parameter(&text, parameters, (enum parameter_id)id);
		if (id == PARAMETER_MAX_POSTCOPY_BANDWIDTH)
			print_parameter(&text, parameters, PARAMETER_TLS_AUTHZ);
	}
	return text_close(&text);
}

char *capabilities_text(const struct capabilities *capabilities)
{
	struct text text;

	if (!text_open(&text))
		return NULL;
	for (unsigned id = 0; id < CAPABILITY_COUNT; id++)
		text_line(&text, "%s: %s", capability_specs[id].name,
			  capabilities->on[id] ? "on" : "off");
	return text_close(&text);
}
