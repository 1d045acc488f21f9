/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* parameters.c - what can be set of a migration, under QEMU's names. */
#include "migrate/parameters.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/pages.h"
#include "codec/accelerator.h"
#include "migrate/capabilities.h"
#include "migrate/sender.h"

#define ANY_UINT8 0, UINT8_MAX
#define ANY_UINT32 0, UINT32_MAX
#define ANY_UINT64 0, UINT64_MAX

static const char *method_name(uint64_t number)
{
	return codec_by_id((enum codec_id)number)->name;
}

static const char *compression_accelerator_name(uint64_t number)
{
	return accelerator_name((enum accelerator)number);
}

#define BETWEEN(least_, most_) "a value between " #least_ " and " #most_
#define PERCENT(least_, most_) "an integer in the range of " #least_ " to " #most_

/* Ranges and texts: QEMU 7.2 migration/migration.c, migrate_params_check(); the default of each,
 * as a QEMU without a machine answers. */
/* clang-format off */
const struct parameter_spec parameter_specs[PARAMETER_COUNT] = {
	[PARAMETER_ANNOUNCE_INITIAL] = {
		"announce-initial", PARAMETER_SIZE, 0, 100000, 50,
		.expects = BETWEEN(0, 100000) },
	[PARAMETER_ANNOUNCE_MAX] = {
		"announce-max", PARAMETER_SIZE, 0, 100000, 550,
		.expects = BETWEEN(0, 100000) },
	[PARAMETER_ANNOUNCE_ROUNDS] = {
		"announce-rounds", PARAMETER_SIZE, 0, 1000, 5,
		.expects = BETWEEN(0, 1000) },
	/* QEMU refuses 0, whatever its text says. */
	[PARAMETER_ANNOUNCE_STEP] = {
		"announce-step", PARAMETER_SIZE, 1, 10000, 100,
		.expects = BETWEEN(0, 10000) },
	[PARAMETER_COMPRESS_LEVEL] = {
		"compress-level", PARAMETER_UINT8, 0, 9, 1, .expects = BETWEEN(0, 9) },
	[PARAMETER_COMPRESS_THREADS] = {
		"compress-threads", PARAMETER_UINT8, 1, 255, 8,
		.expects = BETWEEN(1, 255) },
	[PARAMETER_COMPRESS_WAIT_THREAD] = {
		"compress-wait-thread", PARAMETER_BOOL, 0, 1, 1 },
	[PARAMETER_DECOMPRESS_THREADS] = {
		"decompress-threads", PARAMETER_UINT8, 1, 255, 2,
		.expects = BETWEEN(1, 255) },
	[PARAMETER_THROTTLE_TRIGGER_THRESHOLD] = {
		"throttle-trigger-threshold", PARAMETER_UINT8, 1, 100, 50,
		.expects = PERCENT(1, 100), .honoured = true },
	[PARAMETER_CPU_THROTTLE_INITIAL] = {
		"cpu-throttle-initial", PARAMETER_UINT8, 1, 99, 20,
		.expects = PERCENT(1, 99), .honoured = true },
	[PARAMETER_CPU_THROTTLE_INCREMENT] = {
		"cpu-throttle-increment", PARAMETER_UINT8, 1, 99, 10,
		.expects = PERCENT(1, 99), .honoured = true },
	[PARAMETER_CPU_THROTTLE_TAILSLOW] = {
		"cpu-throttle-tailslow", PARAMETER_BOOL, 0, 1, 0, .honoured = true },
	[PARAMETER_MAX_CPU_THROTTLE] = {
		"max-cpu-throttle", PARAMETER_UINT8, 0, 99, 99,
		.expects = PERCENT(cpu_throttle_initial, 99), .honoured = true },
	[PARAMETER_TLS_CREDS] = { "tls-creds", PARAMETER_TEXT, .default_text = "" },
	[PARAMETER_TLS_HOSTNAME] = { "tls-hostname", PARAMETER_TEXT, .default_text = "" },
	[PARAMETER_TLS_AUTHZ] = { "tls-authz", PARAMETER_TEXT, .default_text = "" },
	[PARAMETER_MAX_BANDWIDTH] = {
		"max-bandwidth", PARAMETER_SIZE, ANY_UINT64, 128 << 20,
		.honoured = true, .monitor_mib = true },
	[PARAMETER_DOWNTIME_LIMIT] = {
		"downtime-limit", PARAMETER_UINT64, 0, 2000000, 300,
		.expects = PERCENT(0, (2000 * 1000) ms), .honoured = true },
	[PARAMETER_X_CHECKPOINT_DELAY] = {
		"x-checkpoint-delay", PARAMETER_UINT32, ANY_UINT32, 20000 },
	[PARAMETER_BLOCK_INCREMENTAL] = { "block-incremental", PARAMETER_BOOL, 0, 1, 0 },
	[PARAMETER_MULTIFD_CHANNELS] = {
		"multifd-channels", PARAMETER_UINT8, 1, 255, 2,
		.expects = BETWEEN(1, 255), .honoured = true },
	[PARAMETER_MULTIFD_COMPRESSION] = {
		"multifd-compression", PARAMETER_ENUM, 0, CODEC_COUNT - 1, CODEC_NONE,
		.enum_name = method_name, .honoured = true },
	[PARAMETER_MULTIFD_ZLIB_LEVEL] = {
		"multifd-zlib-level", PARAMETER_UINT8, 0, 9, 1,
		.expects = BETWEEN(0, 9), .honoured = true },
	[PARAMETER_MULTIFD_ZSTD_LEVEL] = {
		"multifd-zstd-level", PARAMETER_UINT8, 0, 20, 1,
		.expects = BETWEEN(0, 20), .honoured = true },
	[PARAMETER_XBZRLE_CACHE_SIZE] = {
		"xbzrle-cache-size", PARAMETER_SIZE, PAGE_BYTES, UINT64_MAX, 64 << 20,
		.expects = "a power of two no less than the target page size" },
	[PARAMETER_MAX_POSTCOPY_BANDWIDTH] = {
		"max-postcopy-bandwidth", PARAMETER_SIZE, ANY_UINT64, 0 },
	[PARAMETER_AVAIL_SWITCHOVER_BANDWIDTH] = {
		"avail-switchover-bandwidth", PARAMETER_SIZE, ANY_UINT64, 0,
		.monitor_mib = true },
	[PARAMETER_MULTIFD_QATZIP_LEVEL] = {
		"multifd-qatzip-level", PARAMETER_UINT8, 1, 9, 1,
		.expects = BETWEEN(1, 9), .honoured = true },
	[PARAMETER_COMPRESSION_ACCELERATOR] = {
		"compression-accelerator", PARAMETER_ENUM, 0, ACCELERATOR_COUNT - 1,
		ACCELERATOR_AUTO,
		.expects = "auto, none, qpl, qatzip, uadk, reference or simulated",
		.enum_name = compression_accelerator_name, .honoured = true },
	[PARAMETER_COMPRESSION_ACCELERATOR_JOBS] = {
		"compression-accelerator-jobs", PARAMETER_UINT8,
		1, ACCELERATOR_JOBS_MAX, ACCELERATOR_JOBS_DEFAULT,
		.expects = BETWEEN(1, 128), .honoured = true },
};
/* clang-format on */
static_assert(ACCELERATOR_JOBS_MAX == 128, "as the text says");

void parameters_init(struct parameters *parameters)
{
	*parameters = (struct parameters){ 0 };
	for (unsigned id = 0; id < PARAMETER_COUNT; id++)
		parameters->values[id].number = parameter_specs[id].default_number;
}

/* "max_bandwidth", as QEMU's range texts spell it. */
static void underscored(const char *name, char *out, size_t room)
{
	snprintf(out, room, "%s", name);
	for (char *at = out; *at; at++) {
		if (*at == '-')
			*at = '_';
	}
}

enum parameter_id parameter_by_name(const char *name)
{
	unsigned id = 0;

	for (; id < PARAMETER_COUNT; id++) {
		char other[64];

		underscored(parameter_specs[id].name, other, sizeof(other));
		if (strcmp(parameter_specs[id].name, name) == 0 ||
		    strcmp(other, name) == 0)
			break;
	}
	return (enum parameter_id)id;
}

const char *parameter_enum_name(enum parameter_id id, uint64_t number)
{
	assert(parameter_specs[id].type == PARAMETER_ENUM);
	return parameter_specs[id].enum_name(number);
}

int parameter_refuse_type(enum parameter_id id, struct gw_error *err)
{
	const struct parameter_spec *spec = &parameter_specs[id];
	const char *expected = spec->type == PARAMETER_BOOL   ? "boolean"
			       : spec->type == PARAMETER_ENUM ? "string"
			       : spec->type == PARAMETER_TEXT ? "StrOrNull"
							      : NULL;

	if (!expected)
		return fail(err, GW_USAGE, "Parameter '%s' expects uint64", spec->name);
	return fail(err, GW_USAGE, "Invalid parameter type for '%s', expected: %s",
		    spec->name, expected);
}

static int refuse_unsupported(enum parameter_id id, struct gw_error *err)
{
	const struct parameter_spec *spec = &parameter_specs[id];
	char standard[32];

	if (spec->type == PARAMETER_TEXT)
		snprintf(standard, sizeof(standard), "'%s'", spec->default_text);
	else if (spec->type == PARAMETER_BOOL)
		snprintf(standard, sizeof(standard), "%s",
			 spec->default_number ? "on" : "off");
	else
		snprintf(standard, sizeof(standard), "%" PRIu64, spec->default_number);
	return fail(err, GW_UNSUPPORTED,
		    "Parameter '%s' is not supported by godwit, which accepts only its "
		    "default %s",
		    spec->name, standard);
}

/* ---- one value, by type ---- */

static bool is_number(enum parameter_type type)
{
	return type == PARAMETER_UINT8 || type == PARAMETER_UINT32 ||
	       type == PARAMETER_UINT64 || type == PARAMETER_SIZE;
}

int parameters_put_number(struct parameters *parameters, enum parameter_id id,
			  uint64_t number, struct gw_error *err)
{
	const struct parameter_spec *spec = &parameter_specs[id];

	if (!is_number(spec->type))
		return parameter_refuse_type(id, err);
	if (spec->type == PARAMETER_UINT8 && number > UINT8_MAX)
		return fail(err, GW_USAGE, "Parameter '%s' expects uint8_t", spec->name);
	if (spec->type == PARAMETER_UINT32 && number > UINT32_MAX)
		return fail(err, GW_USAGE, "Parameter '%s' expects uint32_t", spec->name);
	parameters->values[id].number = number;
	return 0;
}

int parameters_put_bool(struct parameters *parameters, enum parameter_id id, bool on,
			struct gw_error *err)
{
	if (parameter_specs[id].type != PARAMETER_BOOL)
		return parameter_refuse_type(id, err);
	parameters->values[id].number = on;
	return 0;
}

static int put_enum(struct parameters *parameters, enum parameter_id id, const char *name,
		    struct gw_error *err)
{
	const struct parameter_spec *spec = &parameter_specs[id];
	char shown[64];

	for (uint64_t number = spec->least; number <= spec->most; number++) {
		if (strcmp(parameter_enum_name(id, number), name) == 0) {
			parameters->values[id].number = number;
			return 0;
		}
	}
	/* QEMU's words; it does not tell what it does accept. */
	return fail(err, GW_USAGE, "Parameter '%s' does not accept value '%s'%s%s",
		    spec->name,
		    printable(shown, sizeof(shown), name, (unsigned)strlen(name)),
		    spec->expects ? ": it expects " : "",
		    spec->expects ? spec->expects : "");
}

int parameters_put_text(struct parameters *parameters, enum parameter_id id,
			const char *text, struct gw_error *err)
{
	if (parameter_specs[id].type == PARAMETER_ENUM)
		return put_enum(parameters, id, text, err);
	if (parameter_specs[id].type != PARAMETER_TEXT)
		return parameter_refuse_type(id, err);
	if (strlen(text) > PARAMETER_TEXT_MAX)
		return refuse_unsupported(id, err);
	strcpy(parameters->values[id].text, text);
	return 0;
}

/* ---- all of them ---- */

static bool in_range(const struct parameters *parameters, enum parameter_id id)
{
	const struct parameter_spec *spec = &parameter_specs[id];
	uint64_t number = parameter(parameters, id), least = spec->least;

	if (id == PARAMETER_MAX_CPU_THROTTLE)
		least = parameter(parameters, PARAMETER_CPU_THROTTLE_INITIAL);
	if (id == PARAMETER_XBZRLE_CACHE_SIZE && (number & (number - 1)) != 0)
		return false;
	return number >= least && number <= spec->most;
}

static bool is_default(const struct parameters *parameters, enum parameter_id id)
{
	const struct parameter_spec *spec = &parameter_specs[id];

	if (spec->type == PARAMETER_TEXT)
		return strcmp(parameters->values[id].text, spec->default_text) == 0;
	return parameter(parameters, id) == spec->default_number;
}

int parameters_check(const struct parameters *parameters, struct gw_error *err)
{
	for (unsigned id = 0; id < PARAMETER_COUNT; id++) {
		const struct parameter_spec *spec = &parameter_specs[id];
		char name[64];

		if (spec->type == PARAMETER_TEXT ||
		    in_range(parameters, (enum parameter_id)id))
			continue;
		underscored(spec->name, name, sizeof(name));
		return fail(err, GW_USAGE, "Parameter '%s' expects %s", name,
			    spec->expects);
	}
	/* Last, so that what QEMU would refuse is refused in its words. */
	for (unsigned id = 0; id < PARAMETER_COUNT; id++) {
		if (!parameter_specs[id].honoured &&
		    !is_default(parameters, (enum parameter_id)id))
			return refuse_unsupported((enum parameter_id)id, err);
	}
	return 0;
}

static int check_and_take(struct parameters *parameters, const struct parameters *wanted,
			  struct gw_error *err)
{
	if (parameters_check(wanted, err) < 0)
		return -1;
	*parameters = *wanted;
	return 0;
}

int parameters_set_number(struct parameters *parameters, enum parameter_id id,
			  uint64_t number, struct gw_error *err)
{
	struct parameters wanted = *parameters;

	if (parameters_put_number(&wanted, id, number, err) < 0)
		return -1;
	return check_and_take(parameters, &wanted, err);
}

int parameters_set_bool(struct parameters *parameters, enum parameter_id id, bool on,
			struct gw_error *err)
{
	struct parameters wanted = *parameters;

	if (parameters_put_bool(&wanted, id, on, err) < 0)
		return -1;
	return check_and_take(parameters, &wanted, err);
}

int parameters_set_text(struct parameters *parameters, enum parameter_id id,
			const char *text, struct gw_error *err)
{
	struct parameters wanted = *parameters;

	if (parameters_put_text(&wanted, id, text, err) < 0)
		return -1;
	return check_and_take(parameters, &wanted, err);
}

/* ---- what becomes of them ---- */

int parameters_level(const struct parameters *parameters)
{
	switch (parameter(parameters, PARAMETER_MULTIFD_COMPRESSION)) {
	case CODEC_ZLIB:
		return (int)parameter(parameters, PARAMETER_MULTIFD_ZLIB_LEVEL);
	case CODEC_ZSTD:
		return (int)parameter(parameters, PARAMETER_MULTIFD_ZSTD_LEVEL);
	case CODEC_QATZIP:
		return (int)parameter(parameters, PARAMETER_MULTIFD_QATZIP_LEVEL);
	default:
		return 0;
	}
}

static uint32_t percent(const struct parameters *parameters, enum parameter_id id)
{
	return (uint32_t)parameter(parameters, id);
}

void parameters_apply(const struct parameters *parameters,
		      const struct capabilities *capabilities,
		      struct sender_options *options)
{
	const bool *on = capabilities->on;

	options->channel_count =
		on[CAPABILITY_MULTIFD]
			? (uint32_t)parameter(parameters, PARAMETER_MULTIFD_CHANNELS)
			: 0;
	options->method =
		(enum codec_id)parameter(parameters, PARAMETER_MULTIFD_COMPRESSION);
	options->level = parameters_level(parameters);
	options->accelerator = parameters_accelerator(parameters);
	options->accelerator_jobs = parameters_accelerator_jobs(parameters);
	options->max_bandwidth = parameter(parameters, PARAMETER_MAX_BANDWIDTH);
	options->downtime_limit_ms = parameter(parameters, PARAMETER_DOWNTIME_LIMIT);
	options->return_path = on[CAPABILITY_RETURN_PATH];
	options->pause_before_switchover = on[CAPABILITY_PAUSE_BEFORE_SWITCHOVER];
	options->switchover_ack = on[CAPABILITY_SWITCHOVER_ACK];
	options->auto_converge = (struct auto_converge){
		.on = on[CAPABILITY_AUTO_CONVERGE],
		.trigger_threshold_percent =
			percent(parameters, PARAMETER_THROTTLE_TRIGGER_THRESHOLD),
		.initial_percent = percent(parameters, PARAMETER_CPU_THROTTLE_INITIAL),
		.increment_percent =
			percent(parameters, PARAMETER_CPU_THROTTLE_INCREMENT),
		.max_percent = percent(parameters, PARAMETER_MAX_CPU_THROTTLE),
		.tailslow = parameter(parameters, PARAMETER_CPU_THROTTLE_TAILSLOW) != 0,
	};
}
