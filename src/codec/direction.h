/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* direction.h - which way the bytes go through a codec. */
#ifndef CODEC_DIRECTION_H
#define CODEC_DIRECTION_H

enum direction { ENCODE, DECODE };

#endif
