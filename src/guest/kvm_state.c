/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* kvm_state.c - what a KVM guest is, beside its RAM, its vCPUs and its devices. */
#include "guest/kvm_state.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

static int check(const struct kvm_state *state, enum gw_error_kind kind,
		 struct gw_error *err)
{
	uint64_t most;

	if (state->memory_bytes < GUEST_MEMORY_MIN ||
	    state->memory_bytes > KVM_MEMORY_MAX || state->memory_bytes % PAGE_BYTES != 0)
		return fail(err, kind,
			    "KVM guest: memory of %" PRIu64
			    " bytes, whole pages of %" PRIu64 " to %" PRIu64
			    " are allowed",
			    state->memory_bytes, GUEST_MEMORY_MIN, KVM_MEMORY_MAX);
	if (state->vcpu_count == 0 || state->vcpu_count > GUEST_VCPUS_MAX)
		return fail(err, kind, "KVM guest: %u vCPUs, 1 to %u are allowed",
			    state->vcpu_count, GUEST_VCPUS_MAX);
	most = kvm_state_heartbeat_offset(state) - KVM_LOW_BYTES;
	if (state->working_set_bytes > most ||
	    state->working_set_bytes % PAGE_BYTES != 0 ||
	    state->working_set_bytes / PAGE_BYTES < state->vcpu_count)
		return fail(err, kind,
			    "KVM guest: working set of %" PRIu64
			    " bytes, whole pages of %" PRIu64 " to %" PRIu64
			    " are allowed",
			    state->working_set_bytes, state->vcpu_count * PAGE_BYTES,
			    most);
	if (state->dirty_rate_bytes > PROCESS_RATE_MAX_BYTES)
		return fail(err, kind,
			    "KVM guest: dirty rate %" PRIu64 " bytes/s, at most %" PRIu64,
			    state->dirty_rate_bytes, PROCESS_RATE_MAX_BYTES);
	if (state->pattern != WRITE_SEQUENTIAL && state->pattern != WRITE_RANDOM)
		return fail(err, kind, "KVM guest: pattern %u, 0 and 1 are known",
			    (unsigned)state->pattern);
	if (state->heartbeat > PROCESS_COUNT_MAX)
		return fail(err, kind,
			    "KVM guest: heartbeat %" PRIu64 ", at most %" PRIu64,
			    state->heartbeat, PROCESS_COUNT_MAX);
	return 0;
}

int kvm_state_check(const struct kvm_state *state, struct gw_error *err)
{
	return check(state, GW_USAGE, err);
}

uint64_t kvm_state_heartbeat_offset(const struct kvm_state *state)
{
	return state->memory_bytes - PAGE_BYTES;
}

struct process_share kvm_state_share(const struct kvm_state *state, uint32_t vcpu)
{
	struct process_state like = {
		.working_set_offset =
			kvm_state_heartbeat_offset(state) - state->working_set_bytes,
		.working_set_bytes = state->working_set_bytes,
		.writer_count = state->vcpu_count,
	};

	return process_share(&like, vcpu);
}

void kvm_state_encode(const struct kvm_state *state, struct writer *out)
{
	writer_be32(out, KVM_STATE_VERSION);
	writer_be64(out, state->memory_bytes);
	writer_be32(out, state->vcpu_count);
	writer_be64(out, state->working_set_bytes);
	writer_be64(out, state->dirty_rate_bytes);
	writer_be32(out, (uint32_t)state->pattern);
	writer_be64(out, state->heartbeat);
	writer_be64(out, state->heartbeat_ns);
}

int kvm_state_decode(struct cursor *in, struct kvm_state *state, struct gw_error *err)
{
	struct kvm_state seen = { 0 };
	uint32_t version = cursor_be32(in);

	if (!in->overrun && version != KVM_STATE_VERSION)
		return fail(err, GW_PEER, "KVM guest: state version %u, %u is known",
			    version, KVM_STATE_VERSION);
	seen.memory_bytes = cursor_be64(in);
	seen.vcpu_count = cursor_be32(in);
	seen.working_set_bytes = cursor_be64(in);
	seen.dirty_rate_bytes = cursor_be64(in);
	seen.pattern = (enum write_pattern)cursor_be32(in);
	seen.heartbeat = cursor_be64(in);
	seen.heartbeat_ns = cursor_be64(in);
	if (in->overrun)
		return cursor_fail(in, err, "KVM guest's state");
	if (check(&seen, GW_PEER, err) < 0)
		return -1;
	*state = seen;
	return 0;
}

uint32_t kvm_state_describe(char text[KVM_STATE_DESCRIPTION_BYTES_MAX])
{
	int length = snprintf(
		text, KVM_STATE_DESCRIPTION_BYTES_MAX,
		"{\"name\":\"%s\",\"instance_id\":%u,\"vmsd_name\":\"%s\",\"version\":%u,"
		"\"fields\":["
		"{\"name\":\"version\",\"type\":\"uint32\",\"size\":4},"
		"{\"name\":\"memory_bytes\",\"type\":\"uint64\",\"size\":8},"
		"{\"name\":\"vcpu_count\",\"type\":\"uint32\",\"size\":4},"
		"{\"name\":\"working_set_bytes\",\"type\":\"uint64\",\"size\":8},"
		"{\"name\":\"dirty_rate_bytes\",\"type\":\"uint64\",\"size\":8},"
		"{\"name\":\"pattern\",\"type\":\"uint32\",\"size\":4},"
		"{\"name\":\"heartbeat\",\"type\":\"uint64\",\"size\":8},"
		"{\"name\":\"heartbeat_ns\",\"type\":\"uint64\",\"size\":8}]}",
		KVM_STATE_NAME, KVM_STATE_INSTANCE, KVM_STATE_NAME, KVM_STATE_VERSION);

	assert(length > 0 && length < (int)KVM_STATE_DESCRIPTION_BYTES_MAX);
	return (uint32_t)length;
}
