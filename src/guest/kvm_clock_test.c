/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* kvm_clock_test.c - a guest's clock goes on from where it was. */
#include "guest/kvm_clock.h"

#include "tests/check.h"

#include "guest/kvm_vm_for_tests.h"
#include "wire/vmdesc.h"

static struct test_vm here, there;
static struct gw_error err;

TEST(clock_goes_on_from_what_was_read)
{
	struct kvm_clock left = { .ns = UINT64_C(86400000000000) }, arrived, later;
	uint8_t bytes[KVM_CLOCK_BYTES] = { 0 };
	struct writer out = writer_over(bytes, sizeof(bytes));
	struct cursor in = cursor_over(bytes, sizeof(bytes));

	test_vm_close(&here);
	test_vm_close(&there);
	test_vm_open(&here);
	test_vm_open(&there);
	CHECK_OK(kvm_clock_write(here.vm_fd, &left, &err), &err);
	CHECK_OK(kvm_clock_read(here.vm_fd, &left, &err), &err);
	CHECK(left.ns >= UINT64_C(86400000000000));
	kvm_clock_encode(&left, &out);
	CHECK(!out.overrun);
	CHECK_EQ(out.used, KVM_CLOCK_BYTES);
	CHECK_OK(kvm_clock_decode(&in, &arrived, &err), &err);
	CHECK(cursor_at_end(&in));
	CHECK_EQ(arrived.ns, left.ns);
	CHECK_OK(kvm_clock_write(there.vm_fd, &arrived, &err), &err);
	CHECK_OK(kvm_clock_read(there.vm_fd, &later, &err), &err);
	CHECK(later.ns >= left.ns);
	test_vm_close(&here);
	test_vm_close(&there);
}

static int decode(uint32_t version, uint64_t ns, size_t length, struct kvm_clock *clock)
{
	uint8_t bytes[KVM_CLOCK_BYTES] = { 0 };
	struct cursor in = cursor_over(bytes, length);

	store_be32(bytes, version);
	store_be64(bytes + 4, ns);
	return kvm_clock_decode(&in, clock, &err);
}

TEST(each_truncated_prefix_and_bound_is_refused)
{
	struct kvm_clock clock;

	for (size_t length = 0; length < KVM_CLOCK_BYTES; length++) {
		CHECK_EQ(decode(KVM_CLOCK_VERSION, 5, length, &clock), -1);
		CHECK_EQ(err.kind, GW_PEER);
		CHECK_CONTAINS(err.text, "KVM clock: cut short");
	}
	CHECK_EQ(decode(2, 5, KVM_CLOCK_BYTES, &clock), -1);
	CHECK_EQ(err.kind, GW_PEER);
	CHECK_STR(err.text, "KVM clock: version 2, 1 is known");
	CHECK_EQ(decode(1, KVM_CLOCK_NS_MAX, KVM_CLOCK_BYTES, &clock), 0);
	CHECK_EQ(decode(1, KVM_CLOCK_NS_MAX + 1, KVM_CLOCK_BYTES, &clock), -1);
	CHECK_EQ(err.kind, GW_PEER);
	CHECK_CONTAINS(err.text, "4611686018427387905 ns, at most 4611686018427387904");
}

TEST(description_accounts_for_each_byte)
{
	static struct vmdesc desc;
	char text[KVM_CLOCK_DESCRIPTION_BYTES_MAX], whole[2048];
	uint32_t length = kvm_clock_describe(text);

	CHECK_EQ(length, strlen(text));
	snprintf(whole, sizeof(whole), "{\"devices\":[%s]}", text);
	CHECK_OK(vmdesc_parse(whole, strlen(whole), &desc, &err), &err);
	CHECK_EQ(desc.device_count, 1);
	CHECK_STR(desc.devices[0].name, KVM_CLOCK_NAME);
	CHECK_EQ(desc.devices[0].body_bytes, KVM_CLOCK_BYTES);
}

TEST_MAIN(TEST_OF(clock_goes_on_from_what_was_read),
	  TEST_OF(each_truncated_prefix_and_bound_is_refused),
	  TEST_OF(description_accounts_for_each_byte))
