/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* return_scan_fuzz.c - any bytes as main's way back: whole and byte by byte give the same, and
 * where there is no post-copy, what the pull parser reads. */
#include <stdlib.h>

#include "relay/return_scan.h"
#include "wire/return_path.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUIRE(condition)        \
	do {                      \
		if (!(condition)) \
			abort();  \
	} while (0)

/* Messages up to SHUT, the end, or the first that is refused. */
static void check_read(const struct return_scan *scan, const uint8_t *data, size_t size)
{
	struct cursor in = cursor_over(data, size);
	struct return_path_message message = { .type = RETURN_PONG };
	uint64_t messages = 0;
	struct gw_error err;
	int result;

	while ((result = return_path_read(&in, &message, &err)) == 1) {
		messages++;
		if (message.type == RETURN_SHUT)
			break;
	}
	REQUIRE(scan->messages >= messages);
	if (result == 0)
		REQUIRE(!scan->lost && !scan->shut && scan->messages == messages);
	if (result == 1)
		REQUIRE(!scan->lost && scan->shut && scan->messages == messages &&
			scan->shut_value == message.value);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct return_scan whole, slow;

	return_scan_init(&whole);
	return_scan_init(&slow);
	return_scan_feed(&whole, data, size);
	for (size_t at = 0; at < size; at++)
		return_scan_feed(&slow, data + at, 1);
	REQUIRE(whole.shut == slow.shut && whole.shut_value == slow.shut_value);
	REQUIRE(whole.lost == slow.lost && whole.messages == slow.messages);
	REQUIRE(!(whole.shut && whole.lost));
	check_read(&whole, data, size);
	return 0;
}
