/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* return_path_fuzz.c - any bytes as a return path: what is read is written back alike. */
#include <stdlib.h>

#include "wire/return_path.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUIRE(condition)        \
	do {                      \
		if (!(condition)) \
			abort();  \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cursor in = cursor_over(data, size);
	struct return_path_message message;
	struct gw_error err = { 0 };
	int result;

	for (;;) {
		uint64_t offset = cursor_offset(&in);
		uint8_t written[8];
		struct writer out = writer_over(written, sizeof(written));

		result = return_path_read(&in, &message, &err);
		if (result != 1)
			break;
		return_path_write(&out, &message);
		REQUIRE(!out.overrun);
		REQUIRE(cursor_offset(&in) - offset == out.used);
		REQUIRE(memcmp(data + offset, written, out.used) == 0);
	}
	if (result == 0)
		REQUIRE(cursor_offset(&in) == size);
	else
		REQUIRE(err.kind == GW_PEER || err.kind == GW_UNSUPPORTED);
	return 0;
}
