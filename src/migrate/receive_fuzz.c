/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* receive_fuzz.c - whole receive streams: main and its page channels at once. */
#include "migrate/receive_input_for_tests.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct received_input received;
	bool failed;

	receive_input(data, size, &received);
	failed = received.result < 0;
	if (failed && received.err.text[0] == '\0')
		abort();
	if (received.started != (!failed && received.has_guest))
		abort();
	if ((received.report.state == MIGRATION_COMPLETED) == failed)
		abort();
	if (received.memory_bytes > INPUT_MEMORY_MAX)
		abort();
	return 0;
}
