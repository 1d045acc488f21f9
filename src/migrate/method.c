/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* method.c - where the wire's method bits meet the codecs. */
#include "migrate/method.h"

#include <assert.h>

static const enum multifd_method methods[] = {
	[CODEC_NONE] = MULTIFD_NONE,
	[CODEC_ZLIB] = MULTIFD_ZLIB,
	[CODEC_ZSTD] = MULTIFD_ZSTD,
};

static_assert(sizeof(methods) / sizeof(methods[0]) == CODEC_COUNT, "one method a codec");

enum multifd_method method_of_codec(enum codec_id codec)
{
	return methods[codec];
}

const struct codec *codec_of_method(enum multifd_method method, struct gw_error *err)
{
	for (unsigned i = 0; i < CODEC_COUNT; i++)
		if (methods[i] == method)
			return codec_by_id((enum codec_id)i);
	fail(err, GW_UNSUPPORTED, "multifd packet: method %s is not supported",
	     multifd_method_name(method));
	return NULL;
}
