/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* kvm_verdict_test.c - a guest's memory before it runs, and what is believed of it after.
 *
 * Needs no KVM: what the guest would have written is written here. */
#include "guest/kvm_verdict.h"

#include "guest/kvm_boot.h"
#include "guest/stamp.h"
#include "tests/check.h"

#define RAM_BYTES (UINT64_C(16) << 20)
#define SET_PAGES 8u
#define SET_OFFSET (RAM_BYTES - (SET_PAGES + 1) * PAGE_BYTES)
#define TSC_KHZ 2000000u

static struct gw_error err;
static struct ram ram;
static struct kvm_state state;
static struct kvm_registers registers;
static struct kvm_features features;

static uint64_t word(uint64_t at)
{
	uint64_t value;

	memcpy(&value, ram.blocks[0]->host + at, sizeof(value));
	return le64toh(value);
}

static void set(uint32_t vcpu, uint32_t field, uint64_t value)
{
	value = htole64(value);
	memcpy(ram.blocks[0]->host + KVM_AREAS + vcpu * AREA_BYTES + field, &value,
	       sizeof(value));
}

/* Two vCPUs; the first has stamped two pages, the second one. */
static void guest_open(void)
{
	uint8_t *host;

	ram_init(&ram);
	CHECK_OK(ram_allocate(&ram, GUEST_BLOCK, RAM_BYTES, &err), &err);
	host = ram.blocks[0]->host;
	memset(host, 0x6b, 2 * KVM_LOW_BYTES);
	state = (struct kvm_state){
		.memory_bytes = RAM_BYTES,
		.vcpu_count = 2,
		.working_set_bytes = SET_PAGES * PAGE_BYTES,
		.dirty_rate_bytes = UINT64_C(1) << 20,
		.heartbeat = 9,
	};
	features = (struct kvm_features){ .msr_count = 2, .msrs = { 0xc0000082, 0x174 } };
	kvm_registers_init(&registers, &features);
	kvm_boot_memory(host, &state, &registers, TSC_KHZ, 5);
	stamp_page(host + SET_OFFSET, SET_OFFSET, 1);
	stamp_page(host + SET_OFFSET + PAGE_BYTES, SET_OFFSET + PAGE_BYTES, 2);
	stamp_page(host + SET_OFFSET + 4 * PAGE_BYTES, SET_OFFSET + 4 * PAGE_BYTES, 1);
	set(0, AREA_SEQUENCE, 2);
	set(0, AREA_PAGES, 2);
	set(1, AREA_SEQUENCE, 1);
	set(1, AREA_PAGES, 1);
	heartbeat_write(host + RAM_BYTES - PAGE_BYTES, 9);
}

static int verdict(void)
{
	return kvm_verdict(ram.blocks[0], &state, &registers, &err);
}

TEST(sound_guest_is_believed)
{
	guest_open();
	CHECK_OK(verdict(), &err);
	CHECK_EQ(kvm_verdict_pages(ram.blocks[0]->host, 2), 3);
	/* It has written the beat, and was paused before it told. */
	heartbeat_write(ram.blocks[0]->host + RAM_BYTES - PAGE_BYTES, 10);
	CHECK_OK(verdict(), &err);
	heartbeat_write(ram.blocks[0]->host + RAM_BYTES - PAGE_BYTES, 11);
	CHECK_EQ(verdict(), -1);
	CHECK_EQ(err.kind, GW_PEER);
	CHECK_STR(err.text, "heartbeat in RAM is 11, 9 were told of");
	ram_deinit(&ram);
}

TEST(lost_register_is_named)
{
	guest_open();
	set(1, AREA_MISMATCHES, 3);
	set(1, AREA_MISMATCH_INDEX, 12);
	set(1, AREA_MISMATCH_EXPECTED, 0xabc);
	set(1, AREA_MISMATCH_SEEN, 0xabd);
	CHECK_EQ(verdict(), -1);
	CHECK_EQ(err.kind, GW_PEER);
	CHECK_STR(err.text, "vCPU 1: register r12 is 0xabd, it was left as 0xabc "
			    "(the first of 3)");
	set(1, AREA_MISMATCH_INDEX, registers.check_count - 1);
	CHECK_EQ(verdict(), -1);
	CHECK_CONTAINS(err.text, "register xmm15 word 1 ");
	/* The guest may have written anything. */
	for (uint64_t index = registers.check_count; index != 0; index *= 2) {
		set(1, AREA_MISMATCH_INDEX, index);
		CHECK_EQ(verdict(), -1);
		CHECK_CONTAINS(err.text, "register unknown ");
	}
	ram_deinit(&ram);
}

TEST(each_vcpu_answers_for_its_own_pages)
{
	uint8_t *page;

	guest_open();
	page = ram.blocks[0]->host + SET_OFFSET + 4 * PAGE_BYTES;
	stamp_page(page, SET_OFFSET + 4 * PAGE_BYTES, 2);
	CHECK_EQ(verdict(), -1);
	CHECK_CONTAINS(err.text, "sequence 2, but the machine was at 1");
	set(1, AREA_SEQUENCE, 2);
	CHECK_OK(verdict(), &err);
	ram_deinit(&ram);
}

TEST(page_that_is_being_written_may_be_torn_and_no_other)
{
	guest_open();
	ram.blocks[0]->host[SET_OFFSET + PAGE_BYTES + 3072] ^= 1;
	CHECK_EQ(verdict(), -1);
	CHECK_CONTAINS(err.text, "torn");
	set(0, AREA_STAMPING, SET_OFFSET + PAGE_BYTES);
	CHECK_OK(verdict(), &err);
	/* Not the other vCPU's, and not by an address that is none. */
	set(0, AREA_STAMPING, UINT64_MAX);
	set(1, AREA_STAMPING, SET_OFFSET + PAGE_BYTES);
	CHECK_EQ(verdict(), -1);
	ram_deinit(&ram);
}

TEST(exception_is_told)
{
	guest_open();
	set(0, AREA_FAULT, 14);
	set(0, AREA_FAULT + 8, 2);
	set(0, AREA_FAULT + 16, 0x8123);
	CHECK_EQ(kvm_verdict_fault(ram.blocks[0]->host, 0, &err), -1);
	CHECK_STR(err.text, "exception 14, its stack 0x2 0x8123 0x0");
	ram_deinit(&ram);
}

TEST(nothing_above_low_memory_is_touched)
{
	guest_open();
	for (uint64_t at = KVM_LOW_BYTES; at < 2 * KVM_LOW_BYTES; at++)
		CHECK_EQ(ram.blocks[0]->host[at], 0x6b);
	ram_deinit(&ram);
}

/* Virtual addresses are offsets in the block. */
TEST(page_tables_lead_around_the_hole)
{
	static const uint64_t offsets[] = { 0, UINT64_C(2) << 30, (UINT64_C(3) << 30) - 1,
					    UINT64_C(3) << 30, KVM_MEMORY_MAX - 1 };

	guest_open();
	state.memory_bytes = KVM_MEMORY_MAX;
	kvm_boot_memory(ram.blocks[0]->host, &state, &registers, TSC_KHZ, 5);
	for (size_t i = 0; i < sizeof(offsets) / sizeof(offsets[0]); i++) {
		uint64_t at = offsets[i], entry = word(KVM_PAGE_TABLES);

		CHECK_EQ(entry & 0xfff, 7);
		entry = word((entry & ~UINT64_C(0xfff)) + 8 * (at >> 30));
		CHECK_EQ(entry & 0xfff, 7);
		CHECK(entry >= KVM_PAGE_TABLES && entry < KVM_PAGE_TABLES_END);
		entry = word((entry & ~UINT64_C(0xfff)) + 8 * (at >> 21 & 511));
		CHECK_EQ(entry & 0xfff, 0x87);
		CHECK_EQ((entry & ~UINT64_C(0xfff)) + at % (UINT64_C(2) << 20),
			 kvm_state_physical(at));
	}
	ram_deinit(&ram);
}

TEST(time_buys_as_many_pages_as_the_rate_says)
{
	static const uint64_t rates[] = { 1, 4096, UINT64_C(64) << 20,
					  PROCESS_RATE_MAX_BYTES };

	guest_open();
	for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
		double second = 256.0 * TSC_KHZ * 1000, wanted, bought;

		state.dirty_rate_bytes = rates[i];
		kvm_boot_memory(ram.blocks[0]->host, &state, &registers, TSC_KHZ, 5);
		wanted = (double)rates[i] / (double)PAGE_BYTES / 2;
		bought = second / (double)word(KVM_AREAS + AREA_COST);
		CHECK(bought > wanted * 0.999 && bought < wanted * 1.01);
		/* However slow, one day there is enough for a page. */
		CHECK(word(KVM_AREAS + AREA_CREDIT_MAX) >= word(KVM_AREAS + AREA_COST));
	}
	state.dirty_rate_bytes = 0;
	kvm_boot_memory(ram.blocks[0]->host, &state, &registers, TSC_KHZ, 5);
	CHECK(word(KVM_AREAS + AREA_CREDIT_MAX) < word(KVM_AREAS + AREA_COST));
	ram_deinit(&ram);
}

static void check_table(void)
{
	bool taken[PAGE_BYTES / 8] = { false };

	for (uint32_t i = 0; i < registers.check_count; i++) {
		const struct kvm_check *check = &registers.checks[i];

		CHECK_EQ(check->place % 8, 0);
		CHECK(check->place <= PAGE_BYTES - 8);
		if (taken[check->place / 8])
			CHECK_FAIL("two checks at 0x%x", check->place);
		taken[check->place / 8] = true;
		CHECK(strlen(check->name) > 0);
		/* What is not compared does not matter; what is, is known. */
		CHECK_EQ(check->pattern & ~check->compare, 0);
		CHECK_EQ(check->base & check->pattern, 0);
	}
}

TEST(registers_have_a_place_each)
{
	uint32_t before;

	guest_open();
	CHECK_EQ(registers.xcr0, 0);
	CHECK_EQ(registers.msr_count, 4);
	check_table();
	before = registers.check_count;
	/* As an AMD EPYC has them. */
	features.cpuid_count = 5;
	features.cpuid[0] =
		(struct kvm_cpuid_entry2){ .function = 1, .ecx = 1u << 26 | 1u << 28 };
	for (uint32_t i = 0; i < 4; i++) {
		static const struct kvm_cpuid_entry2 parts[] = {
			{ .index = 2, .eax = 0x100, .ebx = 0x240 },
			{ .index = 5, .eax = 0x40, .ebx = 0x340 },
			{ .index = 6, .eax = 0x200, .ebx = 0x380 },
			{ .index = 7, .eax = 0x400, .ebx = 0x580 },
		};

		features.cpuid[1 + i] = parts[i];
		features.cpuid[1 + i].function = 0xd;
		features.cpuid[1 + i].flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX;
	}
	features.xcr0_mask = 0x2e7;
	kvm_registers_init(&registers, &features);
	CHECK_EQ(registers.xcr0, 0xe7);
	CHECK_EQ(registers.cr4 & 1 << 18, 1 << 18);
	CHECK_EQ(registers.check_count, before + 2 + 32 + 8 + 64 + 128);
	check_table();
	/* What has no room in a block is not enabled, nor what goes with it. */
	features.cpuid[4].ebx = BLOCK_FPU_BYTES_MAX - 0x400 + 8;
	kvm_registers_init(&registers, &features);
	CHECK_EQ(registers.xcr0, 0x7);
	CHECK_EQ(registers.check_count, before + 2 + 32);
	check_table();
	features.xcr0_mask = 0x3;
	kvm_registers_init(&registers, &features);
	CHECK_EQ(registers.xcr0, 0x3);
	CHECK_EQ(registers.check_count, before + 2);
	ram_deinit(&ram);
}

TEST_MAIN(TEST_OF(sound_guest_is_believed), TEST_OF(lost_register_is_named),
	  TEST_OF(each_vcpu_answers_for_its_own_pages),
	  TEST_OF(page_that_is_being_written_may_be_torn_and_no_other),
	  TEST_OF(exception_is_told), TEST_OF(nothing_above_low_memory_is_touched),
	  TEST_OF(page_tables_lead_around_the_hole),
	  TEST_OF(time_buys_as_many_pages_as_the_rate_says),
	  TEST_OF(registers_have_a_place_each))
