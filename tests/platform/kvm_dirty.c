/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* kvm_dirty.c - what we assume of KVM's dirty log and dirty rings. */
#include "tests/check.h"

#include "guest/kvm_vm_for_tests.h"

#define PAGES 200u /* the last word is short */
#define SLOT 3u
#define MANUAL KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE
#define INITIALLY_SET KVM_DIRTY_LOG_INITIALLY_SET
#define RING_ENTRIES 1024u

static struct test_vm vm;
static uint8_t *data;
static uint64_t bits[PAGES / 64 + 1];
static struct kvm_dirty_gfn *entries;

static void tear_down(void)
{
	if (entries)
		munmap(entries, RING_ENTRIES * sizeof(entries[0]));
	entries = NULL;
	test_vm_close(&vm);
	if (data)
		munmap(data, PAGES * PAGE_BYTES);
	data = NULL;
}

static void map_data(uint32_t flags)
{
	test_map_slot(&vm, SLOT, TEST_DATA, data, PAGES * PAGE_BYTES, flags);
}

/* A VM with such a log, or with rings. */
static void set_up(uint64_t manual, bool ring)
{
	struct kvm_enable_cap log = { .cap = KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2,
				      .args = { manual } };
	struct kvm_enable_cap rings = {
		.cap = KVM_CAP_DIRTY_LOG_RING_ACQ_REL,
		.args = { RING_ENTRIES * sizeof(entries[0]) },
	};

	tear_down();
	test_vm_open(&vm);
	if (manual && ioctl(vm.vm_fd, KVM_ENABLE_CAP, &log) < 0)
		SKIP("no /dev/kvm with KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2 (linux 5.7)");
	if (ring && ioctl(vm.vm_fd, KVM_ENABLE_CAP, &rings) < 0)
		SKIP("no /dev/kvm with KVM_CAP_DIRTY_LOG_RING_ACQ_REL (linux 6.1)");
	test_vcpu_add(&vm);
	data = test_map(-1, PAGES * PAGE_BYTES);
	map_data(0);
	if (ring) {
		entries = mmap(NULL, RING_ENTRIES * sizeof(entries[0]),
			       PROT_READ | PROT_WRITE, MAP_SHARED, vm.vcpu_fds[0],
			       KVM_DIRTY_LOG_PAGE_OFFSET * PAGE_BYTES);
		CHECK(entries != MAP_FAILED);
	}
}

static void write_page(uint64_t page)
{
	uint64_t address = TEST_DATA + page * PAGE_BYTES;

	test_batch_write(&vm, 0, &address, 1);
}

static void get_log(void)
{
	struct kvm_dirty_log log = { .slot = SLOT, .dirty_bitmap = bits };

	memset(bits, 0, sizeof(bits));
	CHECK_EQ(ioctl(vm.vm_fd, KVM_GET_DIRTY_LOG, &log), 0);
}

static int clear_log(uint64_t first, uint32_t count)
{
	struct kvm_clear_dirty_log clear = {
		.slot = SLOT,
		.first_page = first,
		.num_pages = count,
		.dirty_bitmap = bits,
	};

	return ioctl(vm.vm_fd, KVM_CLEAR_DIRTY_LOG, &clear);
}

static void expect_log(uint64_t first, uint64_t second, uint64_t third, uint64_t fourth)
{
	get_log();
	CHECK_EQ(bits[0], first);
	CHECK_EQ(bits[1], second);
	CHECK_EQ(bits[2], third);
	CHECK_EQ(bits[3], fourth);
}

TEST(a_write_is_logged_once_and_watched_again)
{
	set_up(0, false);
	write_page(5);
	map_data(KVM_MEM_LOG_DIRTY_PAGES);
	expect_log(0, 0, 0, 0);
	for (int round = 0; round < 2; round++) {
		write_page(5);
		write_page(5);
		write_page(199);
		expect_log(1u << 5, 0, 0, 1u << 7);
		expect_log(0, 0, 0, 0);
	}
	map_data(0);
	write_page(5);
	map_data(KVM_MEM_LOG_DIRTY_PAGES);
	expect_log(0, 0, 0, 0);
	tear_down();
}

TEST(a_manual_log_keeps_its_bits_until_they_are_cleared)
{
	set_up(MANUAL, false);
	map_data(KVM_MEM_LOG_DIRTY_PAGES);
	expect_log(0, 0, 0, 0);
	write_page(64);
	write_page(65);
	expect_log(0, 3, 0, 0);
	expect_log(0, 3, 0, 0);
	/* Only what is asked for: page 65 stays. */
	bits[0] = 1;
	CHECK_EQ(clear_log(64, 64), 0);
	expect_log(0, 2, 0, 0);
	write_page(64);
	expect_log(0, 3, 0, 0);
	tear_down();
}

TEST(what_is_cleared_is_whole_words_or_ends_with_the_slot)
{
	set_up(MANUAL, false);
	map_data(KVM_MEM_LOG_DIRTY_PAGES);
	write_page(0);
	write_page(199);
	memset(bits, 0xff, sizeof(bits));
	CHECK_EQ(clear_log(1, 64), -1);
	CHECK_EQ(errno, EINVAL);
	CHECK_EQ(clear_log(0, 63), -1);
	CHECK_EQ(errno, EINVAL);
	CHECK_EQ(clear_log(192, 9), -1);
	CHECK_EQ(errno, EINVAL);
	CHECK_EQ(clear_log(192, 8), 0);
	expect_log(1, 0, 0, 0);
	memset(bits, 0xff, sizeof(bits));
	CHECK_EQ(clear_log(0, 200), 0);
	expect_log(0, 0, 0, 0);
	tear_down();
}

TEST(a_log_that_is_initially_set_watches_from_the_first_clear_on)
{
	set_up(MANUAL | INITIALLY_SET, false);
	map_data(KVM_MEM_LOG_DIRTY_PAGES);
	expect_log(UINT64_MAX, UINT64_MAX, UINT64_MAX, 0xff);
	write_page(7);
	CHECK_EQ(clear_log(0, 200), 0);
	expect_log(0, 0, 0, 0);
	write_page(7);
	expect_log(1u << 7, 0, 0, 0);
	tear_down();
}

static void expect_entry(uint32_t at, uint64_t page)
{
	CHECK_EQ(__atomic_load_n(&entries[at].flags, __ATOMIC_ACQUIRE),
		 KVM_DIRTY_GFN_F_DIRTY);
	CHECK_EQ(entries[at].slot, SLOT);
	CHECK_EQ(entries[at].offset, page);
}

static void take_entry(uint32_t at)
{
	__atomic_store_n(&entries[at].flags, KVM_DIRTY_GFN_F_RESET, __ATOMIC_RELEASE);
}

/* How many entries are set from `at` on. */
static uint32_t count_entries(uint32_t at)
{
	uint32_t count = 0;

	while (at + count < RING_ENTRIES &&
	       __atomic_load_n(&entries[at + count].flags, __ATOMIC_ACQUIRE) ==
		       KVM_DIRTY_GFN_F_DIRTY)
		count++;
	return count;
}

TEST(a_write_is_in_the_ring_and_watched_again_by_a_reset)
{
	uint32_t count, nines = 0;

	set_up(0, true);
	write_page(9);
	map_data(KVM_MEM_LOG_DIRTY_PAGES);
	CHECK_EQ(count_entries(0), 0);
	write_page(9);
	write_page(9);
	write_page(3);
	/* The same page more than once where KVM emulates what writes. */
	count = count_entries(0);
	while (entries[nines].offset == 9)
		nines++;
	CHECK(nines > 0);
	for (uint32_t i = 0; i < count; i++)
		expect_entry(i, i < nines ? 9 : 3);
	CHECK(count > nines);
	for (uint32_t i = 0; i < nines; i++)
		take_entry(i);
	CHECK_EQ(ioctl(vm.vm_fd, KVM_RESET_DIRTY_RINGS, 0), nines);
	CHECK_EQ(count_entries(0), 0);
	write_page(9);
	CHECK_EQ(entries[nines].offset, 3);
	CHECK(count_entries(nines) > count - nines);
	expect_entry(count, 9);
	tear_down();
}

TEST(a_vm_with_rings_has_no_log)
{
	struct kvm_dirty_log log = { .slot = SLOT, .dirty_bitmap = bits };

	set_up(0, true);
	map_data(KVM_MEM_LOG_DIRTY_PAGES);
	CHECK_EQ(ioctl(vm.vm_fd, KVM_GET_DIRTY_LOG, &log), -1);
	CHECK_EQ(errno, ENXIO);
	tear_down();
}

/* Runs until it stops of its own, taking nothing out: how many entries are set then. */
static uint32_t fill_ring(uint32_t pages_per_run, uint32_t *reason)
{
	uint64_t addresses[PAGES];

	/* The slot is small: each round watches all of it again, by mapping it anew. */
	for (uint32_t i = 0; i < PAGES; i++)
		addresses[i] = TEST_DATA + i * PAGE_BYTES;
	for (uint32_t round = 0; round < 4 * RING_ENTRIES / PAGES; round++) {
		map_data(0);
		map_data(KVM_MEM_LOG_DIRTY_PAGES);
		for (uint32_t i = 0; i < PAGES; i += pages_per_run) {
			CHECK_EQ(test_batch_set(&vm, 0, addresses + i, pages_per_run), 0);
			*reason = test_vcpu_run(&vm, 0);
			if (*reason != KVM_EXIT_IO)
				goto stopped;
		}
	}
stopped:
	return count_entries(0);
}

TEST(a_vcpu_stops_before_its_ring_is_full_and_until_it_is_reset)
{
	uint32_t count, reason;

	set_up(0, true);
	/* Fewer than KVM keeps free: a vCPU that KVM emulates may look only at the start. */
	count = fill_ring(50, &reason);
	CHECK_EQ(reason, KVM_EXIT_DIRTY_RING_FULL);
	CHECK(count < RING_ENTRIES);
	CHECK_EQ(test_vcpu_run(&vm, 0), KVM_EXIT_DIRTY_RING_FULL);
	for (uint32_t i = 0; i < count; i++)
		take_entry(i);
	CHECK_EQ(ioctl(vm.vm_fd, KVM_RESET_DIRTY_RINGS, 0), count);
	CHECK_EQ(test_vcpu_run(&vm, 0), KVM_EXIT_IO);
	tear_down();
}

TEST_MAIN(TEST_OF(a_write_is_logged_once_and_watched_again),
	  TEST_OF(a_manual_log_keeps_its_bits_until_they_are_cleared),
	  TEST_OF(what_is_cleared_is_whole_words_or_ends_with_the_slot),
	  TEST_OF(a_log_that_is_initially_set_watches_from_the_first_clear_on),
	  TEST_OF(a_write_is_in_the_ring_and_watched_again_by_a_reset),
	  TEST_OF(a_vm_with_rings_has_no_log),
	  TEST_OF(a_vcpu_stops_before_its_ring_is_full_and_until_it_is_reset))
