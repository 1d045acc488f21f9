/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* method.c - where the wire's method bits meet the codecs. */
#include "migrate/method.h"

#include <assert.h>

static const enum multifd_method methods[] = {
	[CODEC_NONE] = MULTIFD_NONE, [CODEC_ZLIB] = MULTIFD_ZLIB,
	[CODEC_ZSTD] = MULTIFD_ZSTD, [CODEC_QPL] = MULTIFD_QPL,
	[CODEC_UADK] = MULTIFD_UADK, [CODEC_QATZIP] = MULTIFD_QATZIP,
};

static_assert(sizeof(methods) / sizeof(methods[0]) == CODEC_COUNT, "one method a codec");

enum multifd_method method_of_codec(enum codec_id codec)
{
	return methods[codec];
}

const struct codec *codec_of_method(enum multifd_method method)
{
	unsigned i = 0;

	while (methods[i] != method) {
		i++;
		assert(i < CODEC_COUNT);
	}
	return codec_by_id((enum codec_id)i);
}
