/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* kvm_state_fuzz.c - hostile state of a KVM machine. */
#include "guest/kvm_state.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is accepted is a machine that can be, and comes out again as it was. */
static void check_accepted(const struct kvm_state *state, const uint8_t *data,
			   size_t consumed)
{
	uint8_t bytes[KVM_STATE_BYTES];
	struct writer out = writer_over(bytes, sizeof(bytes));
	uint64_t next = kvm_state_heartbeat_offset(state) - state->working_set_bytes;
	struct gw_error err;

	if (kvm_state_check(state, &err) < 0 || consumed != sizeof(bytes))
		abort();
	kvm_state_encode(state, &out);
	if (out.overrun || memcmp(bytes, data, consumed) != 0)
		abort();
	if (next < KVM_LOW_BYTES)
		abort();
	for (uint32_t i = 0; i < state->vcpu_count; i++) {
		struct process_share share = kvm_state_share(state, i);

		if (share.first_page * PAGE_BYTES != next || share.page_count == 0)
			abort();
		next += share.page_count * PAGE_BYTES;
	}
	if (next != state->memory_bytes - PAGE_BYTES)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cursor in = cursor_over(data, size);
	struct kvm_state state;
	struct gw_error err;

	err.text[0] = '\0';
	if (kvm_state_decode(&in, &state, &err) == 0)
		check_accepted(&state, data, cursor_offset(&in));
	else if (err.kind != GW_PEER || err.text[0] == '\0')
		abort();
	return 0;
}
