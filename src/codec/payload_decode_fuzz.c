/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* payload_decode_fuzz.c - hostile payloads for the codecs that are cut into units, by all their
 * decoders.
 *
 * The first byte picks the codec; the rest is as in decode_fuzz.h. */
#include "codec/decode_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const names[] = { "isal", "libdeflate", "zlib" };
#define DECODERS (sizeof(names) / sizeof(names[0]))

/* Those that call a packet good agree. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const enum codec_id codecs[] = { CODEC_QPL, CODEC_UADK, CODEC_QATZIP };
	struct fuzz_course first, other;
	enum codec_id codec;

	if (size == 0)
		return 0;
	codec = codecs[data[0] % 3];
	fuzz_decode(fuzz_engine(codec, names[0]), data + 1, size - 1, &first);
	for (size_t i = 1; i < DECODERS; i++) {
		fuzz_decode(fuzz_engine(codec, names[i]), data + 1, size - 1, &other);
		for (uint32_t n = 0; n < first.packets && n < other.packets; n++) {
			if (first.sums[n] != other.sums[n])
				abort();
		}
	}
	return 0;
}
