/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* multifd_init.h - the 64 bytes that open every page channel.  Source: QEMU migration/multifd.c. */
#ifndef WIRE_MULTIFD_INIT_H
#define WIRE_MULTIFD_INIT_H

#include <stdint.h>

#include "base/error.h"

#define MULTIFD_MAGIC 0x11223344u
#define MULTIFD_VERSION 1u
#define MULTIFD_INIT_BYTES 64u
#define MULTIFD_CHANNELS_MAX 255u

struct multifd_init {
	uint8_t uuid[16];
	uint8_t id;
};

/* Enforced: magic, version, id < channel_count.  Reserved bytes are ignored, as in QEMU. */
int multifd_init_read(const uint8_t bytes[MULTIFD_INIT_BYTES], uint32_t channel_count,
		      struct multifd_init *init, struct gw_error *err);
void multifd_init_write(uint8_t bytes[MULTIFD_INIT_BYTES],
			const struct multifd_init *init);

#endif
