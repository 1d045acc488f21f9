/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vcpu_state_test.c - a vCPU that arrived is the one that left, register by register. */
#include "guest/vcpu_state.h"

#include "tests/check.h"

#include "guest/kvm_vm_for_tests.h"
#include "wire/vmdesc.h"

/* Where groups begin: version and count, then each its name, version and length. */
enum {
	AT_VERSION = 0,
	AT_COUNT = 4,
	AT_MP = 8,
	GROUP_HEADER = 24,
	AT_REGS = AT_MP + GROUP_HEADER + 4,
	AT_SREGS = AT_REGS + GROUP_HEADER + 18 * 8,
};

static struct gw_error err;
static struct vcpu_state left, arrived, again;
static uint8_t bytes[VCPU_STATE_BYTES_MAX];

/* No vCPU's, but all that fits into the format, each value another one. */
static void make_state(struct vcpu_state *state)
{
	uint64_t seed = 5;
	uint8_t *at = (uint8_t *)&state->regs;

	memset(state, 0, sizeof(*state));
	state->mp_state = 7;
	for (size_t i = 0; i < sizeof(state->regs); i++)
		at[i] = (uint8_t)check_random(&seed);
	at = (uint8_t *)&state->sregs;
	for (size_t i = 0; i < sizeof(state->sregs); i++)
		at[i] = (uint8_t)check_random(&seed);
	for (struct kvm_segment *segment = &state->sregs.cs; segment <= &state->sregs.ldt;
	     segment++)
		segment->padding = 0;
	memset(state->sregs.gdt.padding, 0, sizeof(state->sregs.gdt.padding));
	memset(state->sregs.idt.padding, 0, sizeof(state->sregs.idt.padding));
	state->sregs.flags = KVM_SREGS2_FLAGS_PDPTRS_VALID;
	for (int i = 0; i < 4; i++)
		state->debugregs.db[i] = check_random(&seed);
	state->debugregs.dr6 = check_random(&seed);
	state->debugregs.dr7 = check_random(&seed);
	state->events.exception.nr = 14;
	state->events.exception.error_code = 0x12345678;
	state->events.interrupt.nr = 0xef;
	state->events.nmi.pending = 1;
	state->events.sipi_vector = 0x9a;
	state->events.flags = 0xd;
	state->events.exception_payload = check_random(&seed);
	state->xcr_count = 1;
	state->xcr_values[0] = 0xe7;
	state->xcr0_mask = 0xe7;
	state->xsave_bytes = 2688;
	for (size_t i = 0; i < state->xsave_bytes; i++)
		state->xsave[i] = (uint8_t)(check_random(&seed) | 1);
	memset(state->xsave + 464, 0, 112);
	state->xsave[512] = 0xe7;
	state->msr_count = 3;
	for (uint32_t i = 0; i < state->msr_count; i++) {
		state->msr_indices[i] = 0xc0000081 + i;
		state->msr_values[i] = check_random(&seed);
	}
	state->has_lapic = true;
	for (uint32_t i = 0; i < VCPU_LAPIC_REGS; i++)
		state->lapic[i] = (uint32_t)check_random(&seed);
}

/* Of values that were zeroed first: what is between their members is equal too. */
static bool same(const void *one, const void *other, size_t length)
{
	return memcmp(one, other, length) == 0;
}

static size_t encode(const struct vcpu_state *state)
{
	struct writer out = writer_over(bytes, sizeof(bytes));

	vcpu_state_encode(state, &out);
	CHECK(!out.overrun);
	return out.used;
}

static int decode(size_t length, struct vcpu_state *state)
{
	struct cursor in = cursor_over(bytes, length);
	int done = vcpu_state_decode(&in, state, &err);

	if (done == 0)
		CHECK(cursor_at_end(&in));
	else
		CHECK_EQ(err.kind, GW_PEER);
	return done;
}

TEST(decoding_gives_what_was_encoded)
{
	make_state(&left);
	CHECK_OK(decode(encode(&left), &arrived), &err);
	CHECK(same(&left, &arrived, sizeof(left)));
	left.has_lapic = false;
	memset(left.lapic, 0, sizeof(left.lapic));
	left.msr_count = 0;
	memset(left.msr_indices, 0, sizeof(left.msr_indices));
	memset(left.msr_values, 0, sizeof(left.msr_values));
	CHECK_OK(decode(encode(&left), &arrived), &err);
	CHECK(same(&left, &arrived, sizeof(left)));
}

TEST(the_largest_state_fits)
{
	make_state(&left);
	left.xcr_count = VCPU_XCRS_MAX;
	left.msr_count = KVM_FEATURE_MSRS_MAX;
	left.xsave_bytes = KVM_XSAVE_BYTES_MAX;
	left.xsave[KVM_XSAVE_BYTES_MAX - 1] = 1;
	CHECK_OK(decode(encode(&left), &arrived), &err);
	CHECK(same(&left, &arrived, sizeof(left)));
}

TEST(each_truncated_prefix_is_refused)
{
	size_t length;

	make_state(&left);
	length = encode(&left);
	for (size_t shorter = 0; shorter < length; shorter++) {
		CHECK_EQ(decode(shorter, &arrived), -1);
		CHECK_CONTAINS(err.text, "vCPU state: cut short");
	}
}

static void expect_refused(size_t length, const char *text)
{
	CHECK_EQ(decode(length, &arrived), -1);
	CHECK_STR(err.text, text);
	make_state(&left);
	encode(&left);
}

TEST(groups_are_known_by_name_version_and_length)
{
	size_t length, lapic;

	make_state(&left);
	length = encode(&left);
	lapic = length - GROUP_HEADER - VCPU_LAPIC_REGS * 4;
	store_be32(bytes + AT_VERSION, 2);
	expect_refused(length, "vCPU state: version 2, 1 is known");
	memcpy(bytes + AT_REGS, "nested", 6);
	expect_refused(length, "vCPU state: group \"nested\" is unknown here");
	bytes[AT_REGS + 15] = 'x';
	expect_refused(length, "vCPU state: group \"regs\" is unknown here");
	memset(bytes + AT_REGS, '\n', 16);
	CHECK_EQ(decode(length, &arrived), -1);
	CHECK_CONTAINS(err.text, "group \"\\x0a\\x0a");
	encode(&left);
	store_be32(bytes + AT_REGS + 16, 3);
	expect_refused(length, "vCPU state: group regs of version 3, 1 is known");
	store_be32(bytes + AT_REGS + 20, 143);
	expect_refused(length,
		       "vCPU state: group regs of 143 bytes, its fields take 144");
	memcpy(bytes + AT_REGS, "mp\0\0", 4);
	expect_refused(length, "vCPU state: group mp twice, or after mp");
	/* One more than there is room for, and one fewer than is needed. */
	memcpy(bytes + length, bytes + lapic, length - lapic);
	store_be32(bytes + AT_COUNT, 10);
	expect_refused(2 * length - lapic,
		       "vCPU state: group lapic twice, or after lapic");
	store_be32(bytes + AT_COUNT, 7);
	CHECK_EQ(decode(lapic, &arrived), -1);
	CHECK_CONTAINS(err.text, "vCPU state: group msrs is missing");
	encode(&left);
	memmove(bytes + AT_REGS, bytes + AT_SREGS, length - AT_SREGS);
	expect_refused(length, "vCPU state: group regs is missing");
	store_be32(bytes + AT_COUNT, 0);
	expect_refused(8, "vCPU state: group mp is missing");
}

TEST(each_count_is_bounded)
{
	static const char header[16] = "xcrs", xsave[16] = "xsave", msrs[16] = "msrs";
	size_t length;
	uint8_t *at;

	make_state(&left);
	length = encode(&left);
	at = memmem(bytes, length, header, sizeof(header));
	CHECK(at);
	store_be32(at + GROUP_HEADER, VCPU_XCRS_MAX + 1);
	expect_refused(length, "vCPU state: xcr_numbers of 17, at most 16");
	at = memmem(bytes, length, xsave, sizeof(xsave));
	CHECK(at);
	store_be32(at + GROUP_HEADER + 8, KVM_XSAVE_BYTES_MAX + 1);
	expect_refused(length, "vCPU state: xsave of 16385, at most 16384");
	at = memmem(bytes, length, msrs, sizeof(msrs));
	CHECK(at);
	store_be32(at + GROUP_HEADER, UINT32_MAX);
	expect_refused(length, "vCPU state: msr_indices of 4294967295, at most 128");
}

TEST(xsave_area_is_in_standard_format)
{
	make_state(&left);
	left.xsave_bytes = 575;
	expect_refused(encode(&left),
		       "vCPU state: XSAVE area of 575 bytes, at least 576");
	left.xsave[left.xsave_bytes - 1] = 0;
	expect_refused(encode(&left),
		       "vCPU state: XSAVE area of 2688 bytes, but the last is 0");
	left.xsave[512] = 0xff;
	expect_refused(encode(&left),
		       "vCPU state: XSAVE components 0xff of a vCPU that may "
		       "have 0xe7");
	left.xsave[527] = 0x80;
	expect_refused(encode(&left), "vCPU state: XSAVE area is not in standard format");
	left.sregs.flags = 0;
	expect_refused(encode(&left), "vCPU state: PDPTRs that are said not to be there");
}

TEST(description_accounts_for_each_byte)
{
	static char text[VCPU_DESCRIPTION_BYTES_MAX],
		whole[VCPU_DESCRIPTION_BYTES_MAX + 64];
	static struct vmdesc desc;

	make_state(&left);
	for (int run = 0; run < 4; run++) {
		left.has_lapic = run % 2;
		left.msr_count = run < 2 ? KVM_FEATURE_MSRS_MAX : 0;
		CHECK_EQ(vcpu_state_describe(&left, UINT32_MAX, text), strlen(text));
		snprintf(whole, sizeof(whole), "{\"page_size\":4096,\"devices\":[%s]}",
			 text);
		CHECK_OK(vmdesc_parse(whole, strlen(whole), &desc, &err), &err);
		CHECK_EQ(desc.device_count, 1);
		CHECK_STR(desc.devices[0].name, VCPU_STATE_NAME);
		CHECK_EQ(desc.devices[0].instance, UINT32_MAX);
		CHECK_EQ(desc.devices[0].body_bytes, encode(&left));
	}
}

static struct test_vm here, there;
static struct kvm_features features;

static void set_msr(int vcpu_fd, uint32_t index, uint64_t value)
{
	union {
		struct kvm_msrs head;
		uint8_t room[sizeof(struct kvm_msrs) + sizeof(struct kvm_msr_entry)];
	} msr = { .head.nmsrs = 1 };

	msr.head.entries[0] = (struct kvm_msr_entry){ .index = index, .data = value };
	CHECK_EQ(ioctl(vcpu_fd, KVM_SET_MSRS, &msr), 1);
}

/* Two VMs with a vCPU each that was told the same. */
static void open_both(bool lapic)
{
	struct kvm_enable_cap split = { .cap = KVM_CAP_SPLIT_IRQCHIP, .args = { 24 } };
	int done;

	test_vm_close(&here);
	test_vm_close(&there);
	test_vm_open(&here);
	test_vm_open(&there);
	done = kvm_features_of_host(here.kvm_fd, &features, &err);
	if (done < 0 && err.kind == GW_UNSUPPORTED)
		SKIP("no /dev/kvm with all that a state holds (linux 5.17)");
	CHECK_OK(done, &err);
	for (int i = 0; i < 2; i++) {
		struct test_vm *vm = i == 0 ? &here : &there;

		if (lapic)
			CHECK_EQ(ioctl(vm->vm_fd, KVM_ENABLE_CAP, &split), 0);
		test_vcpu_add(vm);
		CHECK_OK(kvm_features_tell(&features, vm->vcpu_fds[0], 0, &err), &err);
	}
}

/* Makes as much of a vCPU's state as can be different from a fresh one's. */
static void fill_vcpu(struct test_vm *vm)
{
	int fd = vm->vcpu_fds[0];
	struct kvm_regs regs;
	struct kvm_sregs2 sregs;
	struct kvm_xsave xsave = { 0 };
	uint8_t *area = (uint8_t *)xsave.region;
	struct kvm_debugregs debugregs;
	struct kvm_vcpu_events events;
	uint64_t address = 0x20000;

	test_batch_write(vm, 0, &address, 1);
	for (size_t i = 0; i < sizeof(regs) / 8; i++)
		((uint64_t *)&regs)[i] = UINT64_C(0x0101010101010101) * (i + 1);
	regs.rip = TEST_CODE;
	regs.rflags = 0xad7;
	CHECK_EQ(ioctl(fd, KVM_SET_REGS, &regs), 0);
	CHECK_EQ(ioctl(fd, KVM_GET_SREGS2, &sregs), 0);
	sregs.fs.base = 0x1234567000;
	sregs.gs.base = 0x2345678000;
	sregs.gdt.base = 0x3000;
	sregs.gdt.limit = 0x7f;
	sregs.idt.base = 0x4000;
	sregs.idt.limit = 0xfff;
	sregs.cr2 = 0xdead000;
	sregs.cr8 = 3;
	CHECK_EQ(ioctl(fd, KVM_SET_SREGS2, &sregs), 0);
	xsave.region[0] = 0x27f;  /* FCW */
	xsave.region[6] = 0x1fa0; /* MXCSR */
	for (int i = 0; i < 8; i++)
		memset(area + 32 + 16 * i, 0x70 + i, 10);
	for (int i = 0; i < 16; i++)
		memset(area + 160 + 16 * i, 0x10 + i, 16);
	area[512] = 3; /* x87 and SSE */
	CHECK_EQ(ioctl(fd, KVM_SET_XSAVE, &xsave), 0);
	CHECK_EQ(ioctl(fd, KVM_GET_DEBUGREGS, &debugregs), 0);
	for (uint64_t i = 0; i < 4; i++)
		debugregs.db[i] = 0x1000 * (i + 1);
	CHECK_EQ(ioctl(fd, KVM_SET_DEBUGREGS, &debugregs), 0);
	CHECK_EQ(ioctl(fd, KVM_GET_VCPU_EVENTS, &events), 0);
	events.nmi.pending = 1;
	events.nmi.masked = 1;
	events.interrupt.shadow = KVM_X86_SHADOW_INT_STI;
	CHECK_EQ(ioctl(fd, KVM_SET_VCPU_EVENTS, &events), 0);
	set_msr(fd, 0x174, 0x10);
	set_msr(fd, 0x175, 0xffff800000001000);
	set_msr(fd, 0x176, 0xffff800000002000);
	set_msr(fd, 0xc0000081, 0x23001000000000);
	set_msr(fd, 0xc0000082, 0xffff800000003000);
	set_msr(fd, 0xc0000083, 0xffff800000004000);
	set_msr(fd, 0xc0000084, 0x47700);
	set_msr(fd, 0xc0000102, 0xffff800000005000);
	set_msr(fd, 0x277, 0x0007010600070106);
	set_msr(fd, 0x200, 0x80000006);
	set_msr(fd, 0x201, 0x80000800);
	set_msr(fd, 0x2ff, 0xc06);
}

/* A one-shot timer in deadline mode that will not expire in this test's life. */
static void set_timer(int vcpu_fd)
{
	struct kvm_lapic_state lapic;
	uint32_t spurious = 0x1ff, timer = 2u << 17 | 0x40;

	CHECK_EQ(ioctl(vcpu_fd, KVM_GET_LAPIC, &lapic), 0);
	memcpy(lapic.regs + 0xf0, &spurious, sizeof(spurious));
	memcpy(lapic.regs + 0x320, &timer, sizeof(timer));
	CHECK_EQ(ioctl(vcpu_fd, KVM_SET_LAPIC, &lapic), 0);
	set_msr(vcpu_fd, 0x6e0, UINT64_MAX >> 2);
}

static uint64_t *msr_in(struct vcpu_state *state, uint32_t index)
{
	for (uint32_t i = 0; i < state->msr_count; i++) {
		if (state->msr_indices[i] == index)
			return &state->msr_values[i];
	}
	CHECK_FAIL("no MSR 0x%x", index);
}

static void expect_equal(void)
{
	/* The TSC goes on while nothing runs, and a KVM that cannot give a guest one of its own
	 * moves the deadline by as much as they are apart.  Without the timer in its mode, which came
	 * with the LAPIC, there would be no deadline. */
	*msr_in(&again, 0x10) = *msr_in(&left, 0x10);
	CHECK_EQ(*msr_in(&again, 0x6e0) != 0, *msr_in(&left, 0x6e0) != 0);
	*msr_in(&again, 0x6e0) = *msr_in(&left, 0x6e0);
	CHECK_EQ(again.mp_state, left.mp_state);
	CHECK(memcmp(&again.regs, &left.regs, sizeof(left.regs)) == 0);
	CHECK(memcmp(&again.sregs, &left.sregs, sizeof(left.sregs)) == 0);
	CHECK(memcmp(&again.debugregs, &left.debugregs, sizeof(left.debugregs)) == 0);
	CHECK(memcmp(&again.events, &left.events, sizeof(left.events)) == 0);
	CHECK_EQ(again.xcr_count, left.xcr_count);
	CHECK_EQ(again.xcr_values[0], left.xcr_values[0]);
	CHECK_EQ(again.xsave_bytes, left.xsave_bytes);
	CHECK(memcmp(again.xsave, left.xsave, sizeof(left.xsave)) == 0);
	CHECK_EQ(again.msr_count, left.msr_count);
	for (uint32_t i = 0; i < left.msr_count; i++) {
		CHECK_EQ(again.msr_indices[i], left.msr_indices[i]);
		if (again.msr_values[i] != left.msr_values[i])
			CHECK_FAIL("MSR 0x%x: 0x%" PRIx64 ", left as 0x%" PRIx64,
				   left.msr_indices[i], again.msr_values[i],
				   left.msr_values[i]);
	}
	CHECK_EQ(again.has_lapic, left.has_lapic);
	for (uint32_t i = 0; i < VCPU_LAPIC_REGS; i++) {
		if (again.lapic[i] != left.lapic[i])
			CHECK_FAIL("LAPIC 0x%x: 0x%x, left as 0x%x", i * 16,
				   again.lapic[i], left.lapic[i]);
	}
	CHECK(same(&again, &left, sizeof(left)));
}

static void move(void)
{
	CHECK_OK(vcpu_state_read(here.vcpu_fds[0], &features, &left, &err), &err);
	CHECK_OK(decode(encode(&left), &arrived), &err);
	CHECK(same(&arrived, &left, sizeof(left)));
	CHECK_OK(vcpu_state_write(there.vcpu_fds[0], &features, &arrived, &err), &err);
	CHECK_OK(vcpu_state_read(there.vcpu_fds[0], &features, &again, &err), &err);
}

TEST(a_vcpu_arrives_as_it_left)
{
	open_both(true);
	fill_vcpu(&here);
	set_timer(here.vcpu_fds[0]);
	move();
	CHECK(left.has_lapic);
	CHECK_EQ(left.regs.r15, UINT64_C(0x1010101010101010));
	CHECK_EQ(left.events.nmi.masked, 1);
	CHECK(*msr_in(&left, 0x6e0) != 0);
	CHECK_EQ(*msr_in(&left, 0xc0000084), 0x47700);
	CHECK_EQ(left.xsave[160], 0x10); /* xmm0 */
	CHECK_EQ(left.xsave[160 + 15 * 16], 0x1f);
	expect_equal();
	test_vm_close(&here);
	test_vm_close(&there);
}

/* It was to write two more pages: it does so where it arrives. */
TEST(a_vcpu_goes_on_where_it_arrives)
{
	uint64_t addresses[] = { 0x20000, 0x21000 };

	open_both(true);
	CHECK_EQ(test_batch_set(&here, 0, addresses, 2), 0);
	CHECK_EQ(test_batch_set(&there, 0, addresses, 2), 0);
	move();
	expect_equal();
	CHECK_EQ(test_vcpu_run(&there, 0), KVM_EXIT_IO);
	CHECK_EQ(there.low[0x20000], 1);
	CHECK_EQ(there.low[0x21000], 1);
	test_vm_close(&here);
	test_vm_close(&there);
}

TEST(a_lapic_is_there_at_both_ends_or_at_none)
{
	struct kvm_enable_cap split = { .cap = KVM_CAP_SPLIT_IRQCHIP, .args = { 24 } };

	open_both(false);
	fill_vcpu(&here);
	move();
	CHECK(!left.has_lapic);
	expect_equal();
	test_vm_close(&there);
	test_vm_open(&there);
	CHECK_EQ(ioctl(there.vm_fd, KVM_ENABLE_CAP, &split), 0);
	test_vcpu_add(&there);
	CHECK_OK(kvm_features_tell(&features, there.vcpu_fds[0], 0, &err), &err);
	CHECK_EQ(vcpu_state_write(there.vcpu_fds[0], &features, &left, &err), -1);
	CHECK_EQ(err.kind, GW_UNSUPPORTED);
	CHECK_STR(err.text, "vCPU state: group lapic is missing, and this vCPU has one");
	CHECK_OK(vcpu_state_read(there.vcpu_fds[0], &features, &left, &err), &err);
	CHECK_EQ(vcpu_state_write(here.vcpu_fds[0], &features, &left, &err), -1);
	CHECK_EQ(err.kind, GW_UNSUPPORTED);
	CHECK_STR(err.text, "vCPU state: group lapic, but this vCPU has none");
	test_vm_close(&here);
	test_vm_close(&there);
}

TEST(what_a_vcpu_cannot_be_given_is_named)
{
	uint64_t told;

	open_both(true);
	CHECK_OK(vcpu_state_read(here.vcpu_fds[0], &features, &left, &err), &err);
	arrived = left;
	*msr_in(&arrived, 0xc0000082) = UINT64_C(1) << 63; /* not canonical */
	CHECK_EQ(vcpu_state_write(there.vcpu_fds[0], &features, &arrived, &err), -1);
	CHECK_EQ(err.kind, GW_UNSUPPORTED);
	CHECK_STR(err.text, "vCPU state: KVM does not take MSR 0xc0000082 (LSTAR) of "
			    "0x8000000000000000");
	arrived = left;
	arrived.msr_count--;
	CHECK_EQ(vcpu_state_write(there.vcpu_fds[0], &features, &arrived, &err), -1);
	CHECK_EQ(err.kind, GW_PEER);
	CHECK_STR(err.text, "vCPU state: MSR 0x6e0 (TSC_DEADLINE) is missing");
	arrived = left;
	arrived.msr_indices[1] = 0xc0010015;
	CHECK_EQ(vcpu_state_write(there.vcpu_fds[0], &features, &arrived, &err), -1);
	CHECK_EQ(err.kind, GW_PEER);
	CHECK_STR(err.text,
		  "vCPU state: MSR 0xc0010015 (HWCR) is not what was announced");
	arrived = left;
	arrived.sregs.cr4 |= UINT64_C(1) << 40;
	CHECK_EQ(vcpu_state_write(there.vcpu_fds[0], &features, &arrived, &err), -1);
	CHECK_EQ(err.kind, GW_UNSUPPORTED);
	CHECK_CONTAINS(err.text, "vCPU state: KVM does not take segment registers");
	arrived = left;
	told = UINT64_C(1) << 62;
	memcpy(arrived.xsave + 512, &told, sizeof(told));
	CHECK_EQ(vcpu_state_write(there.vcpu_fds[0], &features, &arrived, &err), -1);
	CHECK_EQ(err.kind, GW_UNSUPPORTED);
	CHECK_CONTAINS(err.text, "vCPU state: XSAVE components 0x4000000000000000");
	test_vm_close(&here);
	test_vm_close(&there);
}

TEST_MAIN(TEST_OF(decoding_gives_what_was_encoded), TEST_OF(the_largest_state_fits),
	  TEST_OF(each_truncated_prefix_is_refused),
	  TEST_OF(groups_are_known_by_name_version_and_length),
	  TEST_OF(each_count_is_bounded), TEST_OF(xsave_area_is_in_standard_format),
	  TEST_OF(description_accounts_for_each_byte), TEST_OF(a_vcpu_arrives_as_it_left),
	  TEST_OF(a_vcpu_goes_on_where_it_arrives),
	  TEST_OF(a_lapic_is_there_at_both_ends_or_at_none),
	  TEST_OF(what_a_vcpu_cannot_be_given_is_named))
