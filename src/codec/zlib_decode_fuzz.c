/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* zlib_decode_fuzz.c - hostile payloads for codec zlib, by both of its decoders.
 *
 * They need not refuse the same; packets that both call good have the same pages. */
#include "codec/decode_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_course zlib, isal;

	fuzz_decode(fuzz_engine(CODEC_ZLIB, "zlib"), data, size, &zlib);
	fuzz_decode(fuzz_engine(CODEC_ZLIB, "isal"), data, size, &isal);
	for (uint32_t i = 0; i < zlib.packets && i < isal.packets; i++) {
		if (zlib.sums[i] != isal.sums[i])
			abort();
	}
	return 0;
}
