/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* zstd_decode_fuzz.c - hostile payloads for codec zstd. */
#include "codec/decode_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_course course;

	fuzz_decode(fuzz_engine(CODEC_ZSTD, "zstd"), data, size, &course);
	return 0;
}
