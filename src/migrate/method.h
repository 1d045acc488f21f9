/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* method.h - where the wire's method bits meet the codecs. */
#ifndef MIGRATE_METHOD_H
#define MIGRATE_METHOD_H

#include "codec/codec.h"
#include "wire/multifd_packet.h"

enum multifd_method method_of_codec(enum codec_id codec);

/* Of a method that a packet's parser has let through. */
const struct codec *codec_of_method(enum multifd_method method);

#endif
