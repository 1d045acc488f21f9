/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* engines.c - the engines there are, and which one serves. */
#include "codec/engine.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "codec/engine_list.h"
#include "codec/unit_engine.h"

#define UNIT_ENGINE(name_, codec_)                                      \
	.name = (name_), .codec = (codec_), .probe = unit_engine_probe, \
	.open = unit_engine_open, .submit = unit_engine_submit,         \
	.reap = unit_engine_reap, .close = unit_engine_close,           \
	.payload_room = unit_engine_payload_room

#define SOFTWARE(library, codec_)                                 \
	UNIT_ENGINE(#library, codec_), .coder = &coder_##library, \
				       .accelerator = ACCELERATOR_NONE

/* Beside it, software for what it does not take. */
#define DEVICE(name_, codec_, accelerator_)                     \
	UNIT_ENGINE(#name_, codec_), .device = &device_##name_, \
				     .accelerator = (accelerator_)

#define LEVELS(least, most) .level_min = (least), .level_max = (most)

static const struct engine qatzip_zlib = { DEVICE(qatzip, CODEC_ZLIB, ACCELERATOR_QATZIP),
					   LEVELS(1, 9) };
static const struct engine simulated_zlib = {
	DEVICE(simulated, CODEC_ZLIB, ACCELERATOR_SIMULATED), LEVELS(1, 9)
};

/* QAT can find sequences for libzstd to write (ZSTD_registerSequenceProducer): its place. */
static int sequence_producer_probe(const struct engine *engine, struct gw_error *err)
{
	return fail(err, GW_UNSUPPORTED,
		    "a sequence producer for libzstd (QAT-ZSTD-Plugin) is not built into "
		    "godwit");
}

static const struct engine qatzip_zstd = { .name = "qatseqprod",
					   .codec = CODEC_ZSTD,
					   .accelerator = ACCELERATOR_QATZIP,
					   LEVELS(1, 12),
					   .probe = sequence_producer_probe };

static const struct engine qpl_qpl = { DEVICE(qpl, CODEC_QPL, ACCELERATOR_QPL) };
static const struct engine isal_qpl = { SOFTWARE(isal, CODEC_QPL) };
static const struct engine libdeflate_qpl = { SOFTWARE(libdeflate, CODEC_QPL) };
static const struct engine zlib_qpl = { SOFTWARE(zlib, CODEC_QPL), .reference = true };
static const struct engine simulated_qpl = { DEVICE(simulated, CODEC_QPL,
						    ACCELERATOR_SIMULATED) };

static const struct engine uadk_uadk = { DEVICE(uadk, CODEC_UADK, ACCELERATOR_UADK) };
static const struct engine isal_uadk = { SOFTWARE(isal, CODEC_UADK) };
static const struct engine libdeflate_uadk = { SOFTWARE(libdeflate, CODEC_UADK) };
static const struct engine zlib_uadk = { SOFTWARE(zlib, CODEC_UADK), .reference = true };
static const struct engine simulated_uadk = { DEVICE(simulated, CODEC_UADK,
						     ACCELERATOR_SIMULATED) };

static const struct engine qatzip_qatzip = {
	DEVICE(qatzip, CODEC_QATZIP, ACCELERATOR_QATZIP), LEVELS(1, 9)
};
/* Its level 3 is hardly smaller than its level 2: libdeflate does that better. */
static const struct engine isal_qatzip = { SOFTWARE(isal, CODEC_QATZIP), LEVELS(1, 2) };
static const struct engine libdeflate_qatzip = { SOFTWARE(libdeflate, CODEC_QATZIP),
						 LEVELS(1, 9) };
static const struct engine zlib_qatzip = { SOFTWARE(zlib, CODEC_QATZIP), LEVELS(1, 9),
					   .reference = true };
static const struct engine simulated_qatzip = {
	DEVICE(simulated, CODEC_QATZIP, ACCELERATOR_SIMULATED), LEVELS(1, 9)
};

/* In order of preference, as `godwit bench engines` measures (docs/benchmarks.md). */
/* clang-format off */
static const struct engine *const none[] = { NULL };
static const struct engine *const zlib_encoders[] = {
	&qatzip_zlib, &engine_isal_zlib, &engine_zlib, &simulated_zlib, NULL };
static const struct engine *const zlib_decoders[] = {
	&engine_isal_zlib, &engine_zlib, NULL };
static const struct engine *const zstd_encoders[] = { &qatzip_zstd, &engine_zstd, NULL };
static const struct engine *const zstd_decoders[] = { &engine_zstd, NULL };
static const struct engine *const qpl_encoders[] = {
	&qpl_qpl, &isal_qpl, &zlib_qpl, &simulated_qpl, NULL };
static const struct engine *const qpl_decoders[] = {
	&qpl_qpl, &libdeflate_qpl, &isal_qpl, &zlib_qpl, &simulated_qpl, NULL };
static const struct engine *const uadk_encoders[] = {
	&uadk_uadk, &isal_uadk, &libdeflate_uadk, &zlib_uadk, &simulated_uadk, NULL };
static const struct engine *const uadk_decoders[] = {
	&uadk_uadk, &libdeflate_uadk, &isal_uadk, &zlib_uadk, &simulated_uadk, NULL };
static const struct engine *const qatzip_encoders[] = {
	&qatzip_qatzip, &isal_qatzip, &libdeflate_qatzip, &zlib_qatzip, &simulated_qatzip,
	NULL };
static const struct engine *const qatzip_decoders[] = {
	&qatzip_qatzip, &libdeflate_qatzip, &isal_qatzip, &zlib_qatzip, &simulated_qatzip,
	NULL };
/* clang-format on */

static const struct engine *const *const engines[][2] = {
	[CODEC_NONE] = { [ENCODE] = none, [DECODE] = none },
	[CODEC_ZLIB] = { [ENCODE] = zlib_encoders, [DECODE] = zlib_decoders },
	[CODEC_ZSTD] = { [ENCODE] = zstd_encoders, [DECODE] = zstd_decoders },
	[CODEC_QPL] = { [ENCODE] = qpl_encoders, [DECODE] = qpl_decoders },
	[CODEC_UADK] = { [ENCODE] = uadk_encoders, [DECODE] = uadk_decoders },
	[CODEC_QATZIP] = { [ENCODE] = qatzip_encoders, [DECODE] = qatzip_decoders },
};
static_assert(sizeof(engines) / sizeof(engines[0]) == CODEC_COUNT,
	      "two lists per codec_id");

const struct engine *const *engines_of(enum codec_id codec, enum direction direction)
{
	assert((unsigned)codec < CODEC_COUNT);
	return engines[codec][direction];
}

bool engine_allowed(const struct engine *engine, enum accelerator accelerator)
{
	switch (accelerator) {
	case ACCELERATOR_AUTO:
		return engine->accelerator != ACCELERATOR_SIMULATED;
	case ACCELERATOR_REFERENCE:
		return engine->reference;
	default:
		return engine->accelerator == accelerator;
	}
}

static bool any_allowed(enum codec_id codec, enum direction direction,
			enum accelerator accelerator)
{
	for (const struct engine *const *at = engines_of(codec, direction); *at; at++) {
		if (engine_allowed(*at, accelerator))
			return true;
	}
	return false;
}

/* "accelerator uadk has no engine for the format zlib; it has none, qatzip, ..." */
static int fail_none(enum codec_id codec, enum accelerator accelerator,
		     struct gw_error *err)
{
	char there[128] = "";
	size_t used = 0;

	for (unsigned i = ACCELERATOR_NONE; i < ACCELERATOR_COUNT; i++) {
		if (any_allowed(codec, ENCODE, (enum accelerator)i))
			used += (size_t)snprintf(there + used, sizeof(there) - used,
						 "%s%s", used > 0 ? ", " : "",
						 accelerator_name((enum accelerator)i));
		assert(used < sizeof(there));
	}
	return fail(err, GW_UNSUPPORTED,
		    "accelerator %s has no engine for the format %s; it has %s",
		    accelerator_name(accelerator), codec_by_id(codec)->name, there);
}

/* 0 if it can be used here and, to encode, has the level; else -1 and why not. */
static int check_engine(const struct engine *engine, enum direction direction, int level,
			struct gw_error *err)
{
	if (direction == ENCODE &&
	    (level < engine->level_min || level > engine->level_max))
		return fail(err, GW_UNSUPPORTED, "level %d: it has %d to %d", level,
			    engine->level_min, engine->level_max);
	return engine->probe(engine, err);
}

/* The first that can be used; else -1 and every reason. */
static int choose(const struct engine *const *list, enum direction direction, int level,
		  enum accelerator accelerator, const struct engine **chosen,
		  struct gw_error *err)
{
	char reasons[sizeof(err->text)] = "";
	size_t used = 0;

	for (; *list; list++) {
		const struct engine *engine = *list;
		struct gw_error reason;

		if (!engine_allowed(engine, accelerator))
			continue;
		if (check_engine(engine, direction, level, &reason) == 0) {
			*chosen = engine;
			return 0;
		}
		snprintf(reasons + used, sizeof(reasons) - used, "%s%s: %.160s",
			 used > 0 ? "; " : "", engine->name, reason.text);
		used = strlen(reasons);
	}
	return fail(err, GW_UNSUPPORTED, "%s", reasons);
}

const struct engine *engine_choose(enum codec_id codec, enum direction direction,
				   int level, enum accelerator accelerator,
				   struct gw_error *err)
{
	const struct engine *chosen = NULL;

	assert(codec != CODEC_NONE);
	if (direction == ENCODE && codec_check_level(codec_by_id(codec), level, err) < 0)
		return NULL;
	if (!any_allowed(codec, direction, accelerator)) {
		if (direction == ENCODE) {
			fail_none(codec, accelerator, err);
			return NULL;
		}
		accelerator = ACCELERATOR_NONE;
	}
	if (choose(engines_of(codec, direction), direction, level, accelerator, &chosen,
		   err) < 0) {
		fail_in(err, "format %s, accelerator %s", codec_by_id(codec)->name,
			accelerator_name(accelerator));
		return NULL;
	}
	return chosen;
}

int accelerator_check(enum accelerator accelerator, struct gw_error *err)
{
	static const struct device *const devices[] = { &device_qpl, &device_qatzip,
							&device_uadk, &device_simulated };

	for (unsigned i = 0; i < sizeof(devices) / sizeof(devices[0]); i++) {
		if (devices[i]->accelerator == accelerator)
			return device_probe(devices[i], err) < 0
				       ? fail_in(err, "accelerator %s",
						 accelerator_name(accelerator))
				       : 0;
	}
	return 0; /* no device */
}

size_t job_source_bytes(const struct job *job)
{
	size_t bytes = 0;

	for (uint32_t i = 0; i < job->source_count; i++)
		bytes += job->source[i].length;
	return bytes;
}

size_t job_destination_bytes(const struct job *job)
{
	size_t bytes = 0;

	for (uint32_t i = 0; i < job->destination_count; i++)
		bytes += job->destination[i].length;
	return bytes;
}

int engine_run(const struct engine *engine, void *state, struct job *job,
	       struct gw_error *err)
{
	if (engine->submit(state, job, err) < 0)
		return -1;
	return engine->reap(state, true, err) < 0 ? -1 : 0;
}
