/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* zlib_decode_fuzz.c - hostile payloads for codec zlib. */
#include "codec/decode_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	return fuzz_decode(CODEC_ZLIB, data, size);
}
