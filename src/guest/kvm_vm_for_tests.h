/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* kvm_vm_for_tests.h - a VM with vCPUs in 64-bit mode that count in the pages they are told.
 *
 * Memory is identity mapped, in 2 MiB pages, as far as 4 MiB beyond what tests use:
 *
 *	0                      TEST_DATA                 TEST_DATA + data_pages
 *	| page tables, code, lists | pages for tests     |
 *	  slot 0, never logged       slots 1 and on, made by the test
 *
 * A batch is a list of addresses; the vCPU adds 1 to the 64-bit word at each and then says so
 * on a port.  The page tables are in a slot of their own because the processor marks what it
 * used in them, which KVM counts as writing.
 *
 * For tests, which include tests/check.h before. */
#ifndef GUEST_KVM_VM_FOR_TESTS_H
#define GUEST_KVM_VM_FOR_TESTS_H

#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/pages.h"

#define TEST_VCPUS_MAX 4u
#define TEST_DATA (UINT64_C(2) << 20)
#define TEST_BATCH_MAX 4096u
#define TEST_PORT 0x10

struct test_vm {
	int kvm_fd, vm_fd;
	uint32_t vcpu_count;
	int vcpu_fds[TEST_VCPUS_MAX];
	struct kvm_run *runs[TEST_VCPUS_MAX];
	size_t run_bytes;
	uint8_t *low; /* slot 0: TEST_DATA bytes */
};

enum { TEST_PML4 = 0x1000, TEST_PDPT = 0x2000, TEST_PD = 0x3000, TEST_CODE = 0x8000 };

/* The list of one vCPU's batch. */
static inline uint64_t test_list_at(uint32_t vcpu)
{
	return 0x10000 + vcpu * TEST_BATCH_MAX * sizeof(uint64_t);
}

static inline void test_vm_close(struct test_vm *vm)
{
	for (uint32_t i = 0; i < vm->vcpu_count; i++) {
		munmap(vm->runs[i], vm->run_bytes);
		close(vm->vcpu_fds[i]);
	}
	if (vm->low)
		munmap(vm->low, TEST_DATA);
	if (vm->vm_fd >= 0)
		close(vm->vm_fd);
	if (vm->kvm_fd >= 0)
		close(vm->kvm_fd);
	*vm = (struct test_vm){ .kvm_fd = -1, .vm_fd = -1 };
}

static inline void *test_map(int fd, size_t length)
{
	int flags = fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE : MAP_SHARED;
	void *at = mmap(NULL, length, PROT_READ | PROT_WRITE, flags, fd, 0);

	if (at == MAP_FAILED)
		CHECK_FAIL("map %zu bytes: %s", length, strerror(errno));
	return at;
}

static inline void test_map_slot(const struct test_vm *vm, uint32_t id,
				 uint64_t guest_phys, void *host, uint64_t length,
				 uint32_t flags)
{
	struct kvm_userspace_memory_region region = {
		.slot = id,
		.flags = flags,
		.guest_phys_addr = guest_phys,
		.memory_size = length,
		.userspace_addr = (uintptr_t)host,
	};

	if (ioctl(vm->vm_fd, KVM_SET_USER_MEMORY_REGION, &region) < 0)
		CHECK_FAIL("slot %u: %s", id, strerror(errno));
}

/* A VM with slot 0 and no vCPU yet. */
static inline void test_vm_open(struct test_vm *vm)
{
	static const uint8_t code[] = {
		0x48, 0xad,	       /* next: lods (%rsi), %rax */
		0x48, 0xff,	 0x00, /* incq (%rax) */
		0x48, 0xff,	 0xc9, /* dec %rcx */
		0x75, 0xf6,	       /* jnz next */
		0xe6, TEST_PORT,       /* out %al, $TEST_PORT */
		0xf4,		       /* hlt */
	};
	uint64_t *directory;

	*vm = (struct test_vm){ .kvm_fd = open("/dev/kvm", O_RDWR | O_CLOEXEC),
				.vm_fd = -1 };
	if (vm->kvm_fd < 0)
		SKIP("no /dev/kvm that we may open");
	vm->vm_fd = ioctl(vm->kvm_fd, KVM_CREATE_VM, 0);
	if (vm->vm_fd < 0) {
		test_vm_close(vm);
		SKIP("no /dev/kvm that makes virtual machines");
	}
	vm->run_bytes = (size_t)ioctl(vm->kvm_fd, KVM_GET_VCPU_MMAP_SIZE, 0);
	vm->low = test_map(-1, TEST_DATA);
	memcpy(vm->low + TEST_CODE, code, sizeof(code));
	directory = (uint64_t *)(vm->low + TEST_PML4);
	directory[0] = TEST_PDPT | 3;
	directory = (uint64_t *)(vm->low + TEST_PDPT);
	directory[0] = TEST_PD | 3;
	directory = (uint64_t *)(vm->low + TEST_PD);
	for (uint64_t i = 0; i < 512; i++) /* present, writable, 2 MiB */
		directory[i] = i << 21 | 0x83;
	test_map_slot(vm, 0, 0, vm->low, TEST_DATA, 0);
}

static inline struct kvm_segment test_segment(bool code)
{
	return (struct kvm_segment){
		.limit = 0xffffffff,
		.selector = code ? 0x8 : 0x10,
		.type = code ? 11 : 3, /* accessed */
		.present = 1,
		.db = !code,
		.s = 1,
		.l = code,
		.g = 1,
	};
}

/* A vCPU in 64-bit mode, which has nothing to do yet. */
static inline uint32_t test_vcpu_add(struct test_vm *vm)
{
	uint32_t vcpu = vm->vcpu_count;
	int fd = ioctl(vm->vm_fd, KVM_CREATE_VCPU, vcpu);
	struct kvm_sregs sregs;

	CHECK(vcpu < TEST_VCPUS_MAX);
	if (fd < 0)
		CHECK_FAIL("vCPU %u: %s", vcpu, strerror(errno));
	vm->vcpu_fds[vcpu] = fd;
	vm->runs[vcpu] = test_map(fd, vm->run_bytes);
	vm->vcpu_count++;
	CHECK_EQ(ioctl(fd, KVM_GET_SREGS, &sregs), 0);
	sregs.cr0 = 0x80050033; /* PG AM WP NE ET MP PE */
	sregs.cr3 = TEST_PML4;
	sregs.cr4 = 0x620;  /* PAE, SSE */
	sregs.efer = 0xd00; /* LME LMA NXE */
	sregs.cs = test_segment(true);
	sregs.ds = sregs.es = sregs.fs = sregs.gs = sregs.ss = test_segment(false);
	CHECK_EQ(ioctl(fd, KVM_SET_SREGS, &sregs), 0);
	return vcpu;
}

/* What the vCPU is to write next; run it with test_vcpu_run().  Any thread: no CHECK. */
static inline int test_batch_set(struct test_vm *vm, uint32_t vcpu,
				 const uint64_t *addresses, uint32_t count)
{
	struct kvm_regs regs = {
		.rip = TEST_CODE,
		.rflags = 2,
		.rsi = test_list_at(vcpu),
		.rcx = count,
	};

	memcpy(vm->low + test_list_at(vcpu), addresses, count * sizeof(addresses[0]));
	return ioctl(vm->vcpu_fds[vcpu], KVM_SET_REGS, &regs);
}

/* Runs to the next exit that is not a signal's, and returns its reason: KVM_EXIT_IO, unless
 * something stands in the way.  Likewise. */
static inline uint32_t test_vcpu_run(struct test_vm *vm, uint32_t vcpu)
{
	int done;

	do
		done = ioctl(vm->vcpu_fds[vcpu], KVM_RUN, 0);
	while (done < 0 && (errno == EINTR || errno == EAGAIN));
	return done < 0 && errno != EFAULT ? UINT32_MAX : vm->runs[vcpu]->exit_reason;
}

/* Has one batch written. */
static inline void test_batch_write(struct test_vm *vm, uint32_t vcpu,
				    const uint64_t *addresses, uint32_t count)
{
	uint32_t reason;

	CHECK(count > 0 && count <= TEST_BATCH_MAX);
	CHECK_EQ(test_batch_set(vm, vcpu, addresses, count), 0);
	reason = test_vcpu_run(vm, vcpu);
	if (reason != KVM_EXIT_IO)
		CHECK_FAIL("vCPU %u: exit %u (%s), suberror %u", vcpu, reason,
			   strerror(errno), vm->runs[vcpu]->internal.suberror);
	CHECK_EQ(vm->runs[vcpu]->io.port, TEST_PORT);
}

#endif
