/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* multifd_init.c - the 64 bytes that open every page channel. */
#include "wire/multifd_init.h"

#include <assert.h>

#include "base/cursor.h"
#include "base/writer.h"

int multifd_init_read(const uint8_t bytes[MULTIFD_INIT_BYTES], uint32_t channel_count,
		      struct multifd_init *init, struct gw_error *err)
{
	struct cursor in = cursor_over(bytes, MULTIFD_INIT_BYTES);
	uint32_t magic = cursor_be32(&in), version = cursor_be32(&in);

	if (magic != MULTIFD_MAGIC)
		return fail(err, GW_PEER, "multifd init: magic 0x%08x, expected 0x%08x",
			    magic, MULTIFD_MAGIC);
	if (version != MULTIFD_VERSION)
		return fail(err, GW_PEER, "multifd init: version %u, only %u is known",
			    version, MULTIFD_VERSION);
	cursor_copy(&in, init->uuid, sizeof(init->uuid));
	init->id = cursor_u8(&in);
	/* QEMU lets id == channel_count pass and indexes past its array. */
	if (init->id >= channel_count)
		return fail(err, GW_PEER, "multifd init: channel id %u of %u channels",
			    init->id, channel_count);
	return 0;
}

void multifd_init_write(uint8_t bytes[MULTIFD_INIT_BYTES],
			const struct multifd_init *init)
{
	struct writer out = writer_over(bytes, MULTIFD_INIT_BYTES);

	writer_be32(&out, MULTIFD_MAGIC);
	writer_be32(&out, MULTIFD_VERSION);
	writer_bytes(&out, init->uuid, sizeof(init->uuid));
	writer_u8(&out, init->id);
	writer_zeros(&out, MULTIFD_INIT_BYTES - out.used);
	assert(!out.overrun);
}
