/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* method.h - where the wire's method bits meet the codecs. */
#ifndef MIGRATE_METHOD_H
#define MIGRATE_METHOD_H

#include "codec/codec.h"
#include "wire/multifd_packet.h"

enum multifd_method method_of_codec(enum codec_id codec);

/* NULL and GW_UNSUPPORTED for methods that we know by name only. */
const struct codec *codec_of_method(enum multifd_method method, struct gw_error *err);

#endif
