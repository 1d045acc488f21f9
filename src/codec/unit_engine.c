/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* unit_engine.c - engines that cut a packet into units, each computed by a device or a coder. */
#include "codec/unit_engine.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"

static const enum unit_form forms[CODEC_COUNT] = {
	[CODEC_ZLIB] = UNIT_BLOCKS,
	[CODEC_QPL] = UNIT_DEFLATE,
	[CODEC_UADK] = UNIT_ZLIB,
	[CODEC_QATZIP] = UNIT_MEMBERS,
};

int unit_engine_probe(const struct engine *engine, struct gw_error *err)
{
	if (engine->device)
		return device_probe(engine->device, err);
	return engine->coder->probe(err);
}

/* What software does where the engine names no coder: the fastest that has form and level. */
static int open_coder(struct unit_engine *u, struct gw_error *err)
{
	static const struct coder *const by_speed[][3] = {
		[ENCODE] = { &coder_isal, &coder_libdeflate, &coder_zlib },
		[DECODE] = { &coder_libdeflate, &coder_isal, &coder_zlib },
	};
	const struct coder *const *coders = by_speed[u->direction];

	if (u->engine->coder) {
		u->coder = u->engine->coder;
		u->coder_state = u->coder->open(u->form, u->direction, u->level, err);
		return u->coder_state ? 0 : -1;
	}
	for (unsigned i = 0; i < 3 && !u->coder_state; i++) {
		u->coder = coders[i];
		u->coder_state = u->coder->open(u->form, u->direction, u->level, err);
		if (!u->coder_state && err->kind != GW_UNSUPPORTED)
			return -1;
	}
	return u->coder_state ? 0 : -1;
}

/* A device that has been found, but has nothing left for this channel, is as one that fails:
 * software computes.  A destination opens it when the first packet is there already. */
static int open_device(struct unit_engine *u, struct gw_error *err)
{
	const struct device *device = u->engine->device;

	if (!device)
		return 0;
	assert((u->direction == ENCODE ? device->encodes : device->decodes) &
	       1u << u->form);
	assert(device->unit_bytes == 0 || (device->unit_bytes >= UNIT_MEMBER_BYTES &&
					   device->unit_bytes <= JOB_BYTES_MAX));
	assert(device->page_room == 0 || device->page_room >= PAGE_BYTES);
	u->device_state = device->open(u->form, u->direction, u->level, u->jobs, err);
	if (!u->device_state) {
		log_line(u->standing->log, LOG_LEVEL_WARNING,
			 "%s: %s: software computes for this channel", device->name,
			 err->text);
		return 0;
	}
	if (device->verify & 1u << u->form)
		u->checker_state = coder_isal.open(u->form, DECODE, 0, err);
	return (device->verify & 1u << u->form) && !u->checker_state ? -1 : 0;
}

void *unit_engine_open(const struct engine *engine, const struct engine_options *options,
		       struct gw_error *err)
{
	struct unit_engine *u;

	if (options->direction == ENCODE &&
	    codec_check_level(codec_by_id(engine->codec), options->level, err) < 0)
		return NULL;
	u = calloc(1, sizeof(*u));
	if (!u) {
		fail_sys(err, ENOMEM, "%s engine", engine->name);
		return NULL;
	}
	u->engine = engine;
	u->direction = options->direction;
	u->form = forms[engine->codec];
	u->level = options->direction == ENCODE ? options->level : 0;
	u->jobs = options->jobs > 0 ? options->jobs : ACCELERATOR_JOBS_DEFAULT;
	u->patience_ns = (uint64_t)(options->patience_ms > 0 ? options->patience_ms
							     : DEVICE_PATIENCE_MS) *
			 1000000;
	u->interrupt = options->interrupt;
	u->standing = options->standing ? options->standing : &u->own_standing;
	u->counters = options->counters ? options->counters : &u->own_counters;
	if (open_coder(u, err) < 0 || open_device(u, err) < 0 ||
	    unit_memory_init(u, err) < 0) {
		unit_engine_close(u);
		return NULL;
	}
	return u;
}

/* "qpl page 3 of 128: zlib: inflate answered -3", "uadk page 3 of 128: zlib: Adler-32 is wrong" */
static int fail_unit(const struct unit_engine *u, struct gw_error *err)
{
	const struct unit *unit = u->broken;
	const char *codec = codec_by_id(u->engine->codec)->name;
	const char *why = unit->why ? unit->why : "output does not fit";
	char answered[32] = "";
	enum gw_error_kind kind = u->direction == DECODE ? GW_PEER : GW_UNSUPPORTED;

	if (unit->code != 0)
		snprintf(answered, sizeof(answered), " answered %d", unit->code);
	if (unit_is_page(u->form))
		fail(err, kind, "%s page %td of %u: %s: %s%s", codec, unit - u->units,
		     u->unit_count, u->coder->name, why, answered);
	else
		fail(err, kind,
		     "%s payload of %zu bytes for %zu bytes of pages: %s: %s%s", codec,
		     unit->source.length, unit->room.length, u->coder->name, why,
		     answered);
	return -1;
}

int unit_engine_submit(void *state, struct job *job, struct gw_error *err)
{
	struct unit_engine *u = state;

	assert(!u->job && job->slot < JOB_SLOTS);
	u->job = job;
	u->next = 0;
	u->broken = NULL;
	if (unit_payload_plan(u, err) < 0)
		return -1;
	if (u->engine->device)
		return unit_ladder_turn(u, false, err);
	unit_ladder_compute(u);
	u->next = u->unit_count;
	return 0;
}

int unit_engine_reap(void *state, bool wait, struct gw_error *err)
{
	struct unit_engine *u = state;

	assert(u->job);
	if (u->engine->device && unit_ladder_turn(u, wait, err) < 0)
		return -1;
	if (u->broken && u->inside == 0)
		return fail_unit(u, err);
	if (u->inside > 0 || u->next < u->unit_count)
		return 0;
	unit_payload_finish(u);
	u->job = NULL;
	return 1;
}

void unit_engine_close(void *state)
{
	struct unit_engine *u = state;

	if (!u)
		return;
	if (u->device_state && !u->engine->device->close(u->device_state))
		unit_memory_abandon(&u->memory);
	unit_memory_destroy(&u->memory);
	if (u->coder)
		u->coder->close(u->coder_state);
	coder_isal.close(u->checker_state);
	free(u);
}

uint8_t *unit_engine_payload_room(void *state)
{
	const struct unit_engine *u = state;

	return u->memory.incoming;
}
