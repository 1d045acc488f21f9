/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* process_state_fuzz.c - hostile device state of a process guest. */
#include "guest/process_state.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is accepted must fit the RAM, and be what comes out again. */
static void check_accepted(const struct process_state *state, const struct ram *ram,
			   const uint8_t *data, size_t consumed)
{
	uint8_t bytes[PROCESS_STATE_BYTES_MAX];
	char text[PROCESS_DESCRIPTION_BYTES_MAX];
	struct writer out = writer_over(bytes, sizeof(bytes));
	struct gw_error err;

	if (process_state_check(state, ram, &err) < 0)
		abort();
	process_state_encode(state, &out);
	if (out.overrun || out.used != consumed || memcmp(bytes, data, consumed) != 0)
		abort();
	if (process_state_describe(state, text) != strlen(text))
		abort();
	for (uint32_t i = 0; i < state->writer_count; i++) {
		struct process_share share = process_share(state, i);
		uint64_t last = share.first_page + share.page_count;

		if (share.page_count == 0 ||
		    state->writers[i].position >= share.page_count)
			abort();
		if (last > ram_find(ram, state->block, strlen(state->block))->page_count)
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* Never read or written: only where they are and how long matters. */
	struct ram_block blocks[] = {
		{ .name = "pc.ram", .length_bytes = 256 * PAGE_BYTES, .page_count = 256 },
		{ .name = "one", .length_bytes = PAGE_BYTES, .page_count = 1 },
	};
	struct ram_block *list[] = { &blocks[0], &blocks[1] };
	const struct ram ram = { .blocks = list, .block_count = 2 };
	struct cursor in = cursor_over(data, size);
	struct process_state state;
	struct gw_error err;

	err.text[0] = '\0';
	if (process_state_decode(&in, &ram, &state, &err) == 0)
		check_accepted(&state, &ram, data, cursor_offset(&in));
	else if (err.kind != GW_PEER || err.text[0] == '\0')
		abort();
	return 0;
}
