/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* engine_list.h - every engine's table, for engines.c alone. */
#ifndef CODEC_ENGINE_LIST_H
#define CODEC_ENGINE_LIST_H

#include "codec/engine.h"

extern const struct engine engine_zlib; /* zlib by zlib */
extern const struct engine engine_zstd; /* zstd by libzstd */

#endif
