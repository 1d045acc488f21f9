/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* engine_list.h - the stream engines' tables, for engines.c alone. */
#ifndef CODEC_ENGINE_LIST_H
#define CODEC_ENGINE_LIST_H

#include "codec/engine.h"

extern const struct engine engine_zlib;	     /* zlib by zlib */
extern const struct engine engine_isal_zlib; /* zlib by ISA-L */
extern const struct engine engine_zstd;	     /* zstd by libzstd */

#endif
