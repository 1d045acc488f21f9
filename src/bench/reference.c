/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* reference.c - the reference of each format. */
#include "bench/reference.h"

#include <assert.h>

static const struct engine *const references[] = {
	[CODEC_NONE] = NULL,
	[CODEC_ZLIB] = &reference_zlib,
	[CODEC_ZSTD] = &reference_zstd,
#ifdef GODWIT_HAVE_QPL
	[CODEC_QPL] = &reference_qpl,
#else
	[CODEC_QPL] = NULL,
#endif
	[CODEC_UADK] = &reference_uadk,
	[CODEC_QATZIP] = &reference_qatzip,
};
static_assert(sizeof(references) / sizeof(references[0]) == CODEC_COUNT,
	      "one row per codec_id");

const struct engine *reference_of(enum codec_id codec, struct gw_error *err)
{
	const struct engine *reference;

	assert((unsigned)codec < CODEC_COUNT && codec != CODEC_NONE);
	reference = references[codec];
	if (!reference) {
		fail(err, GW_UNSUPPORTED,
		     "this godwit was built without QPL's headers (Debian: libqpl-dev)");
		return NULL;
	}
	return reference->probe(reference, err) < 0 ? NULL : reference;
}
