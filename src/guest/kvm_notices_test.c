/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* kvm_notices_test.c - a KVM guest that lost something says so, one that goes astray is stopped. */
#include "guest/kvm_machine.h"

#include "guest/kvm_verdict.h"
#include "guest/stamp.h"
#include "tests/check.h"

/* Behind the harness, which it needs. */
#include "guest/kvm_machine_for_tests.h"

static uint64_t *msr(struct vcpu_state *vcpu, uint32_t index)
{
	for (uint32_t i = 0; i < vcpu->msr_count; i++) {
		if (vcpu->msr_indices[i] == index)
			return &vcpu->msr_values[i];
	}
	CHECK_FAIL("no MSR 0x%x in the state", index);
}

static void spoil_r12(struct vcpu_state *vcpu)
{
	vcpu->regs.r12 ^= 1;
}

static void spoil_rax(struct vcpu_state *vcpu)
{
	vcpu->regs.rax ^= UINT64_C(1) << 63;
}

static void spoil_rsp(struct vcpu_state *vcpu)
{
	vcpu->regs.rsp ^= 8;
}

static void spoil_flags(struct vcpu_state *vcpu)
{
	vcpu->regs.rflags ^= 1;
}

static void spoil_xmm(struct vcpu_state *vcpu)
{
	vcpu->xsave[160 + 7 * 16 + 9] ^= 0x10;
}

static void spoil_x87(struct vcpu_state *vcpu)
{
	vcpu->xsave[32 + 3 * 16] ^= 1;
}

static void spoil_mxcsr(struct vcpu_state *vcpu)
{
	vcpu->xsave[25] ^= 0x20;
}

static void spoil_cr2(struct vcpu_state *vcpu)
{
	vcpu->sregs.cr2 ^= 0x1000;
}

static void spoil_cr8(struct vcpu_state *vcpu)
{
	vcpu->sregs.cr8 ^= 2;
	if (vcpu->has_lapic)
		vcpu->lapic[8] ^= 0x20;
}

static void spoil_dr1(struct vcpu_state *vcpu)
{
	vcpu->debugregs.db[1] ^= 4;
}

static void spoil_ds(struct vcpu_state *vcpu)
{
	vcpu->sregs.ds.selector ^= 8;
}

static void spoil_fs_base(struct vcpu_state *vcpu)
{
	vcpu->sregs.fs.base ^= 0x100;
}

static void spoil_kernel_gs(struct vcpu_state *vcpu)
{
	*msr(vcpu, 0xc0000102) ^= 1;
}

static void spoil_lstar(struct vcpu_state *vcpu)
{
	*msr(vcpu, 0xc0000082) ^= 0x40;
}

/* Of a vCPU that sleeps: each of its registers holds what it expects to find there. */
static const struct {
	const char *noticed;
	void (*spoil)(struct vcpu_state *vcpu);
} spoilers[] = {
	{ "register rax", spoil_rax },
	{ "register rsp", spoil_rsp },
	{ "register r12", spoil_r12 },
	{ "register rflags", spoil_flags },
	{ "register xmm7 word 1", spoil_xmm },
	{ "register st3 mantissa", spoil_x87 },
	{ "register mxcsr", spoil_mxcsr },
	{ "register cr2", spoil_cr2 },
	{ "register cr8", spoil_cr8 },
	{ "register dr1", spoil_dr1 },
	{ "register ds", spoil_ds },
	{ "register fs base", spoil_fs_base },
	{ "register kernel gs base", spoil_kernel_gs },
	{ "register lstar", spoil_lstar },
};

/* A guest of two vCPUs, saved while the second one sleeps. */
static struct kvm_saved *save_asleep(struct ram *ram)
{
	struct kvm_state state = state_of(2, WRITE_SEQUENTIAL);
	struct kvm_machine *machine;

	need_kvm();
	ram_open(ram, RAM_BYTES);
	state.dirty_rate_bytes = UINT64_C(1) << 20;
	machine = boot(ram, &state);
	for (int i = 0; i < 1000; i++) {
		struct kvm_saved *saved;

		run_for(machine, 1, 5);
		saved = save(machine);
		if (saved->vcpus[1].mp_state == KVM_MP_STATE_HALTED) {
			kvm_machine_free(machine);
			return saved;
		}
		free(saved);
	}
	CHECK_FAIL("the vCPU never sleeps");
}

static void run_for_checks(struct kvm_machine *machine, const uint8_t *host,
			   uint32_t vcpu, uint64_t more)
{
	uint64_t from = kvm_verdict_checks(host, vcpu);

	for (int i = 0; i < 1000 && kvm_verdict_checks(host, vcpu) < from + more; i++)
		run_for(machine, 2, 0);
	CHECK(kvm_verdict_checks(host, vcpu) >= from + more);
}

TEST(register_that_was_lost_on_the_way_is_noticed)
{
	struct ram ram;
	struct kvm_saved *saved = save_asleep(&ram);
	struct kvm_machine *machine;

	for (size_t i = 0; i < sizeof(spoilers) / sizeof(spoilers[0]); i++) {
		struct ram copy;
		struct vcpu_state sound = saved->vcpus[1];

		ram_open(&copy, RAM_BYTES);
		memcpy(copy.blocks[0]->host, ram.blocks[0]->host, RAM_BYTES);
		spoilers[i].spoil(&saved->vcpus[1]);
		machine = restore(&copy, saved);
		CHECK_OK(kvm_machine_prove(machine, &err), &err);
		run_for_checks(machine, copy.blocks[0]->host, 1, 2);
		if (kvm_machine_prove(machine, &err) == 0)
			CHECK_FAIL("%s: not noticed", spoilers[i].noticed);
		CHECK_EQ(err.kind, GW_PEER);
		CHECK_CONTAINS(err.text, "vCPU 1: ");
		CHECK_CONTAINS(err.text, spoilers[i].noticed);
		CHECK_CONTAINS(err.text, "(the first of 1)");
		kvm_machine_free(machine);
		ram_deinit(&copy);
		saved->vcpus[1] = sound;
	}
	/* It was the spoiling: as it was, it goes on without a word. */
	machine = restore(&ram, saved);
	run_for_checks(machine, ram.blocks[0]->host, 1, 2);
	CHECK_OK(kvm_machine_prove(machine, &err), &err);
	kvm_machine_free(machine);
	free(saved);
	ram_deinit(&ram);
}

TEST(spoiled_page_is_noticed)
{
	struct ram ram;
	struct kvm_state state = state_of(1, WRITE_SEQUENTIAL);
	struct kvm_machine *machine;
	uint8_t *host;

	need_kvm();
	ram_open(&ram, RAM_BYTES);
	machine = boot(&ram, &state);
	run_for(machine, 2, 20);
	host = ram.blocks[0]->host;
	CHECK_OK(kvm_machine_prove(machine, &err), &err);
	host[SET_OFFSET + 3 * PAGE_BYTES + 2048] ^= 1;
	CHECK_EQ(kvm_machine_prove(machine, &err), -1);
	CHECK_EQ(err.kind, GW_PEER);
	CHECK_CONTAINS(err.text, "block ram: page at ");
	CHECK_CONTAINS(err.text, "torn");
	host[SET_OFFSET + 3 * PAGE_BYTES + 2048] ^= 1;
	CHECK_OK(kvm_machine_prove(machine, &err), &err);
	heartbeat_write(host + RAM_BYTES - PAGE_BYTES, 1);
	CHECK_EQ(kvm_machine_prove(machine, &err), -1);
	CHECK_CONTAINS(err.text, "heartbeat in RAM is 1");
	kvm_machine_free(machine);
	ram_deinit(&ram);
}

/* Makes the guest's second vCPU go on with these bytes. */
static void derail(const void *code, size_t length, const char *expected)
{
	struct ram ram;
	struct kvm_saved *saved = save_asleep(&ram);
	struct kvm_machine *machine;

	memcpy(ram.blocks[0]->host + KVM_LOW_BYTES, code, length);
	saved->vcpus[1].regs.rip = KVM_LOW_BYTES;
	saved->vcpus[1].regs.rsp = KVM_AREAS + AREA_BYTES + AREA_STACK_END;
	saved->vcpus[1].mp_state = KVM_MP_STATE_RUNNABLE;
	machine = restore(&ram, saved);
	CHECK_OK(kvm_machine_run(machine, &err), &err);
	for (int i = 0; i < 1000; i++) {
		sleep_ms(5);
		if (kvm_machine_pause(machine, &err) < 0)
			break;
		CHECK_OK(kvm_machine_run(machine, &err), &err);
	}
	for (int i = 0; i < 2; i++) {
		CHECK_EQ(kvm_machine_pause(machine, &err), -1);
		CHECK_EQ(err.kind, GW_SYSTEM);
		CHECK_CONTAINS(err.text, expected);
	}
	CHECK_EQ(kvm_machine_run(machine, &err), -1);
	CHECK_CONTAINS(err.text, expected);
	CHECK_EQ(kvm_machine_prove(machine, &err), -1);
	CHECK_CONTAINS(err.text, expected);
	CHECK(!kvm_machine_save(machine, &err));
	kvm_machine_free(machine);
	free(saved);
	ram_deinit(&ram);
}

/* The others go on, and what there is to prove is as it should be. */
TEST(vcpu_that_does_nothing_any_more_is_noticed)
{
	struct ram ram;
	struct kvm_saved *saved = save_asleep(&ram);
	struct kvm_machine *machine;

	/* jmp to itself */
	memcpy(ram.blocks[0]->host + KVM_LOW_BYTES, "\xeb\xfe", 2);
	saved->vcpus[1].regs.rip = KVM_LOW_BYTES;
	saved->vcpus[1].regs.rflags = 2;
	saved->vcpus[1].mp_state = KVM_MP_STATE_RUNNABLE;
	machine = restore(&ram, saved);
	CHECK_EQ(kvm_machine_counters(machine).checks, 0);
	run_for_checks(machine, ram.blocks[0]->host, 0, 2);
	CHECK_EQ(kvm_machine_counters(machine).checks, 0);
	CHECK_OK(kvm_machine_prove(machine, &err), &err);
	kvm_machine_free(machine);
	free(saved);
	ram_deinit(&ram);
}

TEST(exception_in_the_guest_stops_it)
{
	/* ud2 */
	derail("\x0f\x0b", 2, "vCPU 1: exception 6, its stack 0x200000 0x8");
}

TEST(unknown_port_stops_the_guest)
{
	/* out %al, $0x80 */
	derail("\xe6\x80", 2, "vCPU 1: wrote to port 0x80");
	/* in $0x80, %eax */
	derail("\xe5\x80", 2, "vCPU 1: 4 bytes at once to port 0x80, 1 is known");
}

/* The heart and the serial port have one owner. */
TEST(port_of_another_vcpu_stops_the_guest)
{
	/* mov $0x3fd, %dx; in %dx, %al */
	derail("\x66\xba\xfd\x03\xec", 5, "vCPU 1: read port 0x3fd");
	/* mov $0x5f0, %dx; out %al, %dx */
	derail("\x66\xba\xf0\x05\xee", 5, "vCPU 1: wrote to port 0x5f0");
}

TEST_MAIN(TEST_OF(register_that_was_lost_on_the_way_is_noticed),
	  TEST_OF(spoiled_page_is_noticed),
	  TEST_OF(vcpu_that_does_nothing_any_more_is_noticed),
	  TEST_OF(exception_in_the_guest_stops_it), TEST_OF(unknown_port_stops_the_guest),
	  TEST_OF(port_of_another_vcpu_stops_the_guest))
