/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vcpu_state_fuzz.c - hostile device state of a vCPU. */
#include "guest/vcpu_state.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is accepted must contradict nothing, and be what comes out again. */
static void check_accepted(const struct vcpu_state *state, const uint8_t *data,
			   size_t consumed)
{
	static uint8_t bytes[VCPU_STATE_BYTES_MAX];
	static char text[VCPU_DESCRIPTION_BYTES_MAX];
	struct writer out = writer_over(bytes, sizeof(bytes));
	struct gw_error err;

	if (vcpu_state_check(state, &err) < 0)
		abort();
	vcpu_state_encode(state, &out);
	if (out.overrun || out.used != consumed || memcmp(bytes, data, consumed) != 0)
		abort();
	if (vcpu_state_describe(state, 0, text) != strlen(text))
		abort();
	/* KVM's area may be longer than what arrived: it must find zeros there. */
	for (uint32_t i = state->xsave_bytes; i < KVM_XSAVE_BYTES_MAX; i++) {
		if (state->xsave[i] != 0)
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct vcpu_state state;
	struct cursor in = cursor_over(data, size);
	struct gw_error err;

	err.text[0] = '\0';
	if (vcpu_state_decode(&in, &state, &err) == 0)
		check_accepted(&state, data, cursor_offset(&in));
	else if (err.kind != GW_PEER || err.text[0] == '\0')
		abort();
	return 0;
}
