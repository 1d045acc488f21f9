/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* golden.h - loads a recorded stream from this folder; README.md says how each was made. */
#ifndef TESTS_GOLDEN_GOLDEN_H
#define TESTS_GOLDEN_GOLDEN_H

#include <stdint.h>
#include <stdio.h>
#include <zstd.h>

#include "tests/check.h"

#ifndef TESTS_DIR
#define TESTS_DIR "tests"
#endif

#define GOLDEN_BYTES_MAX (1u << 18)

/* Unpacks golden/<name>.zst into `bytes` and returns its length; fails the test otherwise. */
static inline size_t golden_load(const char *name, uint8_t bytes[GOLDEN_BYTES_MAX])
{
	static uint8_t packed[GOLDEN_BYTES_MAX];
	char path[512];
	size_t length;
	FILE *file;

	snprintf(path, sizeof(path), "%s/golden/%s.zst", TESTS_DIR, name);
	file = fopen(path, "rb");
	if (!file)
		CHECK_FAIL("%s cannot be opened", path);
	length = fread(packed, 1, sizeof(packed), file);
	fclose(file);
	length = ZSTD_decompress(bytes, GOLDEN_BYTES_MAX, packed, length);
	if (ZSTD_isError(length))
		CHECK_FAIL("%s: %s", path, ZSTD_getErrorName(length));
	return length;
}

#endif
