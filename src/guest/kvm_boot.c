/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* kvm_boot.c - what a KVM guest begins with. */
#include "guest/kvm_boot.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>

#include "guest/random.h"

/* Assembled from guest/payload/payload.S. */
extern const uint8_t kvm_payload_start[] __attribute__((visibility("hidden")));
extern const uint8_t kvm_payload_end[] __attribute__((visibility("hidden")));

#define GIB (UINT64_C(1) << 30)
#define LARGE_BYTES (UINT64_C(2) << 20)

#define PAGE_USABLE 0x7u /* present, to be written, by user mode too */
#define PAGE_LARGE 0x80u

/* What time may earn at most: what the host kept a vCPU from for longer is not made up for. */
#define DEBT_TICKS 10u
#define TICKS_PER_S 100u
#define COST_SCALE 256u

static_assert(KVM_PAGE_TABLES + (KVM_MEMORY_MAX / GIB + 2) * PAGE_BYTES <=
		      KVM_PAGE_TABLES_END,
	      "room for the tables of all memory");
static_assert(KVM_AREAS + GUEST_VCPUS_MAX * AREA_BYTES <= KVM_LOW_BYTES,
	      "room for all vCPUs");
static_assert(PARAM_CHECKS + KVM_CHECKS_MAX * CHECK_BYTES <= KVM_IDT,
	      "room for all checks");

/* The guest reads these as its CPU does. */
static void put(uint8_t *at, uint64_t value)
{
	value = htole64(value);
	memcpy(at, &value, sizeof(value));
}

static uint64_t payload_offset(uint32_t entry)
{
	uint64_t offset;

	memcpy(&offset, kvm_payload_start + entry, sizeof(offset));
	return le64toh(offset);
}

static void put_gate(uint8_t *host, uint32_t vector, uint64_t handler)
{
	uint8_t *gate = host + KVM_IDT + 16 * vector;

	/* Present, an interrupt gate. */
	put(gate, (handler & 0xffff) | (uint64_t)SELECTOR_KERNEL_CODE << 16 |
			  UINT64_C(0x8e) << 40 | (handler >> 16 & 0xffff) << 48);
	put(gate + 8, handler >> 32);
}

static void put_payload(uint8_t *host)
{
	size_t length = (size_t)(kvm_payload_end - kvm_payload_start);

	assert(length <= KVM_PAYLOAD_BYTES_MAX);
	memcpy(host + KVM_PAYLOAD, kvm_payload_start, length);
	for (uint32_t i = 0; i < KVM_EXCEPTIONS; i++)
		put_gate(host, i,
			 KVM_PAYLOAD + payload_offset(PAYLOAD_FAULTS) +
				 i * PAYLOAD_FAULT_BYTES);
	put_gate(host, VECTOR_RESUME, KVM_PAYLOAD + payload_offset(PAYLOAD_RESUME));
	put_gate(host, VECTOR_TIMER, KVM_PAYLOAD + payload_offset(PAYLOAD_TIMER));
}

static void put_page_tables(uint8_t *host, uint64_t memory_bytes)
{
	uint8_t *root = host + KVM_PAGE_TABLES, *gibs = root + PAGE_BYTES;

	put(root, (KVM_PAGE_TABLES + PAGE_BYTES) | PAGE_USABLE);
	for (uint64_t i = 0; i * GIB < memory_bytes; i++) {
		uint8_t *table = gibs + (i + 1) * PAGE_BYTES;

		put(gibs + 8 * i, (KVM_PAGE_TABLES + (i + 2) * PAGE_BYTES) | PAGE_USABLE);
		for (uint64_t n = 0; n < GIB / LARGE_BYTES; n++) {
			uint64_t address = i * GIB + n * LARGE_BYTES;

			put(table + 8 * n,
			    kvm_state_physical(address) | PAGE_USABLE | PAGE_LARGE);
		}
	}
}

static void put_parameters(uint8_t *host, const struct kvm_state *state,
			   const struct kvm_registers *registers, uint64_t tick)
{
	put(host + PARAM_TICK, tick);
	put(host + PARAM_DEBT, DEBT_TICKS * tick);
	put(host + PARAM_MICROSECOND, tick * TICKS_PER_S / 1000000);
	put(host + PARAM_RANDOM, state->pattern == WRITE_RANDOM);
	put(host + PARAM_HEARTBEAT, kvm_state_heartbeat_offset(state));
	put(host + PARAM_XSAVE_MASK, registers->xcr0);
	put(host + PARAM_CHECK_COUNT, registers->check_count);
	put(host + PARAM_MSR_COUNT, registers->msr_count);
	for (uint32_t i = 0; i < registers->msr_count; i++)
		put(host + PARAM_MSRS + 8 * i,
		    registers->msrs[i] | (uint64_t)(BLOCK_MSRS + 8 * i) << 32);
	for (uint32_t i = 0; i < registers->check_count; i++) {
		const struct kvm_check *check = &registers->checks[i];
		uint8_t *at = host + PARAM_CHECKS + CHECK_BYTES * i;

		put(at + CHECK_PLACE, check->place | (check->in_area ? 1 : 0));
		put(at + CHECK_BASE, check->base);
		put(at + CHECK_PATTERN, check->pattern);
		put(at + CHECK_COMPARE, check->compare);
	}
}

static void put_descriptors(uint8_t *area, uint64_t address)
{
	uint8_t *gdt = area + AREA_GDT;

	put(gdt + SELECTOR_KERNEL_CODE, 0x00af9b000000ffff);
	put(gdt + SELECTOR_KERNEL_DATA, 0x00cf93000000ffff);
	put(gdt + (SELECTOR_USER_DATA & ~7), 0x00cff3000000ffff);
	put(gdt + (SELECTOR_USER_CODE & ~7), 0x00affb000000ffff);
	/* Busy, as TR has it. */
	put(gdt + SELECTOR_TASK,
	    0x67 | (address + AREA_TASK) << 16 | UINT64_C(0x8b) << 40);
	for (uint32_t i = 0; i <= SELECTOR_SPARE_MASK; i += 8)
		put(gdt + (SELECTOR_SPARE & ~7) + i, 0x00cff3000000ffff);
	/* The stack that interrupts of user mode begin with. */
	put(area + AREA_TASK + 4, address + AREA_STACK_END);
}

static void put_area(uint8_t *host, const struct kvm_state *state, uint32_t index,
		     uint64_t tick, uint64_t seed)
{
	struct process_share share = kvm_state_share(state, index);
	uint64_t address = KVM_AREAS + (uint64_t)index * AREA_BYTES;
	uint64_t cost = UINT64_MAX, credit_max = DEBT_TICKS * tick * COST_SCALE;
	uint8_t *area = host + address;
	uint64_t generator = random_mix(seed + index);

	/* The product is below 2^63, see KVM_TSC_KHZ_MAX. */
	if (state->dirty_rate_bytes > 0)
		cost = tick * TICKS_PER_S * COST_SCALE * PAGE_BYTES * state->vcpu_count /
		       state->dirty_rate_bytes;
	put(area + AREA_SELF, address);
	put(area + AREA_STACK, address + AREA_STACK_END);
	put(area + AREA_INDEX, index);
	put(area + AREA_FIRST, share.first_page * PAGE_BYTES);
	put(area + AREA_PAGE_COUNT, share.page_count);
	put(area + AREA_GENERATOR, seed + index);
	put(area + AREA_STAMPING, UINT64_MAX);
	put(area + AREA_COST, cost > 0 ? cost : 1);
	put(area + AREA_CREDIT_MAX,
	    state->dirty_rate_bytes > 0 && cost > credit_max ? cost : credit_max);
	put(area + AREA_LINE_WAIT, KVM_BEATS_PER_LINE);
	put(area + AREA_CHECK_GENERATOR, generator);
	put_descriptors(area, address);
}

void kvm_boot_memory(uint8_t *host, const struct kvm_state *state,
		     const struct kvm_registers *registers, uint32_t tsc_khz,
		     uint64_t seed)
{
	uint64_t tick = tsc_khz * UINT64_C(1000) / TICKS_PER_S;

	memset(host, 0, KVM_LOW_BYTES);
	put_parameters(host, state, registers, tick);
	put_payload(host);
	put_page_tables(host, state->memory_bytes);
	for (uint32_t i = 0; i < state->vcpu_count; i++)
		put_area(host, state, i, tick, seed);
}

static struct kvm_segment segment(uint32_t selector, uint32_t type, uint32_t privilege)
{
	return (struct kvm_segment){
		.limit = UINT32_MAX,
		.selector = (uint16_t)selector,
		.type = (uint8_t)type,
		.present = 1,
		.dpl = (uint8_t)privilege,
		.db = type == 3,
		.s = 1,
		.l = type == 11,
		.g = 1,
	};
}

int kvm_boot_vcpu(int vcpu_fd, uint32_t index, const struct kvm_registers *registers,
		  struct gw_error *err)
{
	uint64_t area = KVM_AREAS + (uint64_t)index * AREA_BYTES;
	struct kvm_mp_state runnable = { .mp_state = KVM_MP_STATE_RUNNABLE };
	struct kvm_xcrs xcrs = { .nr_xcrs = 1, .xcrs = { { .value = registers->xcr0 } } };
	struct kvm_regs regs = {
		.rip = KVM_PAYLOAD + payload_offset(PAYLOAD_ENTRY),
		.rsp = area + AREA_STACK_END,
		.rflags = 0x2,
	};
	struct kvm_sregs sregs;

	if (ioctl(vcpu_fd, KVM_GET_SREGS, &sregs) < 0)
		return fail_sys(err, errno, "KVM_GET_SREGS");
	sregs.cs = segment(SELECTOR_KERNEL_CODE, 11, 0);
	sregs.ss = segment(SELECTOR_KERNEL_DATA, 3, 0);
	sregs.ds = sregs.es = sregs.fs = sregs.gs = segment(SELECTOR_USER_DATA, 3, 3);
	sregs.gs.base = area;
	sregs.tr = (struct kvm_segment){ .base = area + AREA_TASK,
					 .limit = 0x67,
					 .selector = SELECTOR_TASK,
					 .type = 11,
					 .present = 1 };
	sregs.gdt.base = area + AREA_GDT;
	sregs.gdt.limit = 8 * KVM_GDT_ENTRIES - 1;
	sregs.idt.base = KVM_IDT;
	sregs.idt.limit = 0xfff;
	sregs.cr0 = KVM_CR0;
	sregs.cr3 = KVM_PAGE_TABLES;
	sregs.cr4 = registers->cr4;
	sregs.efer = KVM_EFER;
	if (ioctl(vcpu_fd, KVM_SET_SREGS, &sregs) < 0)
		return fail_sys(err, errno, "KVM_SET_SREGS");
	if (registers->xcr0 && ioctl(vcpu_fd, KVM_SET_XCRS, &xcrs) < 0)
		return fail_sys(err, errno, "KVM_SET_XCRS");
	if (ioctl(vcpu_fd, KVM_SET_REGS, &regs) < 0)
		return fail_sys(err, errno, "KVM_SET_REGS");
	/* All of them, not only the first, which would have to start the others. */
	if (ioctl(vcpu_fd, KVM_SET_MP_STATE, &runnable) < 0)
		return fail_sys(err, errno, "KVM_SET_MP_STATE");
	return 0;
}
