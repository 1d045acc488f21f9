/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* engines.c - the engines there are, and which one serves. */
#include "codec/engine.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "codec/engine_list.h"

static const struct engine *const none[] = { NULL };
static const struct engine *const zlib[] = { &engine_zlib, NULL };
static const struct engine *const zstd[] = { &engine_zstd, NULL };

static const struct engine *const *const engines[] = {
	[CODEC_NONE] = none,
	[CODEC_ZLIB] = zlib,
	[CODEC_ZSTD] = zstd,
};
static_assert(sizeof(engines) / sizeof(engines[0]) == CODEC_COUNT,
	      "one list per codec_id");

const struct engine *const *engines_of(enum codec_id codec)
{
	assert((unsigned)codec < CODEC_COUNT);
	return engines[codec];
}

const struct engine *engine_choose(enum codec_id codec, struct gw_error *err)
{
	const char *name = codec_by_id(codec)->name;
	char reasons[sizeof(err->text)] = "";
	size_t used = 0;

	for (const struct engine *const *at = engines_of(codec); *at; at++) {
		struct gw_error reason;

		if ((*at)->probe(&reason) == 0)
			return *at;
		snprintf(reasons + used, sizeof(reasons) - used, "%s%s: %.120s",
			 used > 0 ? "; " : "", (*at)->name, reason.text);
		used = strlen(reasons);
	}
	fail(err, GW_UNSUPPORTED, "no engine for codec %s%s%s", name,
	     used > 0 ? ": " : "", reasons);
	return NULL;
}

int engine_run(const struct engine *engine, void *state, struct job *job,
	       struct gw_error *err)
{
	struct job *done;

	job->done = false;
	if (engine->submit(state, &job, 1, err) < 0)
		return -1;
	while (!job->done) {
		if (engine->reap(state, &done, 1, true, err) < 0)
			return -1;
	}
	return 0;
}
