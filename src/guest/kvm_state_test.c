/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* kvm_state_test.c - a machine's state travels, or is refused by what is wrong with it. */
#include "guest/kvm_state.h"

#include "tests/check.h"

static struct gw_error err;

static struct kvm_state usual(void)
{
	return (struct kvm_state){
		.memory_bytes = UINT64_C(64) << 20,
		.vcpu_count = 3,
		.working_set_bytes = 10 * PAGE_BYTES,
		.dirty_rate_bytes = 1000000,
		.pattern = WRITE_RANDOM,
		.heartbeat = 77,
		.heartbeat_ns = 123456789,
	};
}

TEST(state_travels_field_by_field)
{
	struct kvm_state state = usual(), seen;
	uint8_t bytes[KVM_STATE_BYTES];
	struct writer out = writer_over(bytes, sizeof(bytes));
	struct cursor in;

	kvm_state_encode(&state, &out);
	CHECK(!out.overrun);
	CHECK_EQ(out.used, KVM_STATE_BYTES);
	in = cursor_over(bytes, sizeof(bytes));
	CHECK_OK(kvm_state_decode(&in, &seen, &err), &err);
	CHECK(cursor_at_end(&in));
	CHECK_EQ(seen.memory_bytes, state.memory_bytes);
	CHECK_EQ(seen.vcpu_count, state.vcpu_count);
	CHECK_EQ(seen.working_set_bytes, state.working_set_bytes);
	CHECK_EQ(seen.dirty_rate_bytes, state.dirty_rate_bytes);
	CHECK_EQ(seen.pattern, state.pattern);
	CHECK_EQ(seen.heartbeat, state.heartbeat);
	CHECK_EQ(seen.heartbeat_ns, state.heartbeat_ns);
}

TEST(shares_are_the_working_set)
{
	struct kvm_state state = usual();
	uint64_t next = (state.memory_bytes - 11 * PAGE_BYTES) / PAGE_BYTES;

	for (uint32_t i = 0; i < state.vcpu_count; i++) {
		struct process_share share = kvm_state_share(&state, i);

		CHECK_EQ(share.first_page, next);
		CHECK(share.page_count >= 3);
		next += share.page_count;
	}
	CHECK_EQ(next * PAGE_BYTES, kvm_state_heartbeat_offset(&state));
}

TEST(hole_is_where_devices_are)
{
	CHECK_EQ(kvm_state_physical(0), 0);
	CHECK_EQ(kvm_state_physical((UINT64_C(3) << 30) - 1), (UINT64_C(3) << 30) - 1);
	CHECK_EQ(kvm_state_physical(UINT64_C(3) << 30), UINT64_C(4) << 30);
	CHECK_EQ(kvm_state_physical(UINT64_C(7) << 30), UINT64_C(8) << 30);
}

/* As an option and as what a peer sent. */
static void refused(const struct kvm_state *state, const char *why)
{
	uint8_t bytes[KVM_STATE_BYTES];
	struct writer out = writer_over(bytes, sizeof(bytes));
	struct kvm_state seen = { .heartbeat = 5 };
	struct cursor in;

	CHECK_EQ(kvm_state_check(state, &err), -1);
	CHECK_EQ(err.kind, GW_USAGE);
	CHECK_CONTAINS(err.text, why);
	kvm_state_encode(state, &out);
	in = cursor_over(bytes, sizeof(bytes));
	CHECK_EQ(kvm_state_decode(&in, &seen, &err), -1);
	CHECK_EQ(err.kind, GW_PEER);
	CHECK_CONTAINS(err.text, why);
	CHECK_EQ(seen.heartbeat, 5);
}

TEST(impossible_machines_are_refused)
{
	struct kvm_state state = usual();

	state.memory_bytes = GUEST_MEMORY_MIN - PAGE_BYTES;
	refused(&state, "KVM guest: memory of 8384512 bytes, whole pages of 8388608 to ");
	state.memory_bytes = KVM_MEMORY_MAX + PAGE_BYTES;
	refused(&state, "memory of 137438957568 bytes");
	state.memory_bytes = GUEST_MEMORY_MIN + 1;
	refused(&state, "memory of 8388609 bytes");
	state = usual();
	state.vcpu_count = 0;
	refused(&state, "KVM guest: 0 vCPUs, 1 to 64 are allowed");
	state.vcpu_count = GUEST_VCPUS_MAX + 1;
	refused(&state, "KVM guest: 65 vCPUs");
	state = usual();
	state.working_set_bytes = state.memory_bytes - KVM_LOW_BYTES;
	refused(&state, "KVM guest: working set of 65011712 bytes, whole pages of 12288 "
			"to 65007616 are allowed");
	state.working_set_bytes = 2 * PAGE_BYTES;
	refused(&state, "working set of 8192 bytes");
	state.working_set_bytes = 10 * PAGE_BYTES + 8;
	refused(&state, "working set of 40968 bytes");
	state = usual();
	state.dirty_rate_bytes = PROCESS_RATE_MAX_BYTES + 1;
	refused(&state, "KVM guest: dirty rate 1099511627777 bytes/s");
	state = usual();
	state.pattern = (enum write_pattern)2;
	refused(&state, "KVM guest: pattern 2, 0 and 1 are known");
	state = usual();
	state.heartbeat = PROCESS_COUNT_MAX + 1;
	refused(&state, "KVM guest: heartbeat 4611686018427387905");
}

TEST(largest_machine_is_allowed)
{
	struct kvm_state state = usual();

	state.memory_bytes = KVM_MEMORY_MAX;
	state.vcpu_count = GUEST_VCPUS_MAX;
	state.working_set_bytes = KVM_MEMORY_MAX - KVM_LOW_BYTES - PAGE_BYTES;
	state.dirty_rate_bytes = PROCESS_RATE_MAX_BYTES;
	state.heartbeat = PROCESS_COUNT_MAX;
	CHECK_OK(kvm_state_check(&state, &err), &err);
}

TEST(state_that_is_cut_or_of_another_version_is_refused)
{
	struct kvm_state state = usual();
	uint8_t bytes[KVM_STATE_BYTES];
	struct writer out = writer_over(bytes, sizeof(bytes));
	struct cursor in;

	kvm_state_encode(&state, &out);
	for (size_t length = 0; length < sizeof(bytes); length++) {
		in = cursor_over(bytes, length);
		CHECK_EQ(kvm_state_decode(&in, &state, &err), -1);
		CHECK_EQ(err.kind, GW_PEER);
		CHECK_CONTAINS(err.text, "KVM guest's state: cut short");
	}
	bytes[3] = 2;
	in = cursor_over(bytes, sizeof(bytes));
	CHECK_EQ(kvm_state_decode(&in, &state, &err), -1);
	CHECK_STR(err.text, "KVM guest: state version 2, 1 is known");
}

TEST_MAIN(TEST_OF(state_travels_field_by_field), TEST_OF(shares_are_the_working_set),
	  TEST_OF(hole_is_where_devices_are), TEST_OF(impossible_machines_are_refused),
	  TEST_OF(largest_machine_is_allowed),
	  TEST_OF(state_that_is_cut_or_of_another_version_is_refused))
