/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* wp_async.c - what we assume of asynchronous write-protection and PAGEMAP_SCAN (Linux 6.7).
 *
 * Bare system calls, so that a kernel can be judged without the rest of the tree. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "ram/linux_uffd.h"
#include "tests/check.h"

#define PAGE 4096u
#define HUGE (2u << 20)
#define LENGTH (4u * HUGE)

static int uffd = -1, pagemap = -1;
static uint8_t *memory, *mapped;
static struct page_region regions[LENGTH / PAGE];

static void tear_down(void)
{
	if (mapped)
		munmap(mapped, LENGTH + HUGE);
	mapped = NULL;
	if (uffd >= 0)
		close(uffd);
	if (pagemap >= 0)
		close(pagemap);
	uffd = pagemap = -1;
}

/* Fresh memory on a huge page's boundary, of huge pages when `advice` says so. */
static void set_up(int advice)
{
	struct uffdio_api api = { .api = UFFD_API, .features = UFFD_FEATURE_WP_ASYNC };

	tear_down();
	uffd = (int)syscall(SYS_userfaultfd,
			    O_CLOEXEC | O_NONBLOCK | UFFD_USER_MODE_ONLY);
	if (uffd < 0)
		SKIP("no userfaultfd for us");
	if (ioctl(uffd, UFFDIO_API, &api) < 0)
		SKIP("kernel has no UFFD_FEATURE_WP_ASYNC (linux 6.7)");
	pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	CHECK(pagemap >= 0);
	mapped = mmap(NULL, LENGTH + HUGE, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(mapped != MAP_FAILED);
	memory = mapped + -(uintptr_t)mapped % HUGE;
	madvise(memory, LENGTH, advice);
}

static void watch(void)
{
	struct uffdio_register all = {
		.range = { (uintptr_t)memory, LENGTH },
		.mode = UFFDIO_REGISTER_MODE_WP,
	};
	struct uffdio_writeprotect protect = {
		.range = { (uintptr_t)memory, LENGTH },
		.mode = UFFDIO_WRITEPROTECT_MODE_WP,
	};

	CHECK_EQ(ioctl(uffd, UFFDIO_REGISTER, &all), 0);
	CHECK_EQ(ioctl(uffd, UFFDIO_WRITEPROTECT, &protect), 0);
}

/* The regions written since the last scan, at most `room` of them, from *at on. */
static int scan(size_t *at, size_t room)
{
	struct pm_scan_arg arg = {
		.size = sizeof(arg),
		.flags = PM_SCAN_WP_MATCHING | PM_SCAN_CHECK_WPASYNC,
		.start = (uintptr_t)memory + *at,
		.end = (uintptr_t)memory + LENGTH,
		.vec = (uintptr_t)regions,
		.vec_len = room,
		.category_mask = PAGE_IS_WRITTEN,
		.return_mask = PAGE_IS_WRITTEN,
	};
	int count = ioctl(pagemap, PAGEMAP_SCAN, &arg);

	if (count < 0)
		CHECK_FAIL("PAGEMAP_SCAN: %s", strerror(errno));
	*at = arg.walk_end - (uintptr_t)memory;
	return count;
}

static void expect_nothing(void)
{
	size_t at = 0;

	CHECK_EQ(scan(&at, 64), 0);
	CHECK_EQ(at, LENGTH);
}

/* Just this page, and then it is watched again. */
static void expect_page(size_t page)
{
	size_t at = 0;

	CHECK_EQ(scan(&at, 64), 1);
	CHECK_EQ(regions[0].start - (uintptr_t)memory, page * PAGE);
	CHECK_EQ(regions[0].end - regions[0].start, PAGE);
	expect_nothing();
}

TEST(a_write_is_reported_once)
{
	set_up(MADV_NOHUGEPAGE);
	memset(memory, 1, LENGTH);
	watch();
	expect_nothing();
	for (int round = 0; round < 2; round++) {
		memory[5 * PAGE]++;
		memory[5 * PAGE + 9]++;
		expect_page(5);
	}
	tear_down();
}

TEST(a_write_to_an_unpopulated_page_is_reported)
{
	set_up(MADV_NOHUGEPAGE);
	watch();
	expect_nothing();
	memory[700 * PAGE] = 1;
	expect_page(700);
	memory[700 * PAGE] = 2;
	expect_page(700);
	tear_down();
}

TEST(a_write_to_a_page_that_was_only_read_is_reported)
{
	set_up(MADV_HUGEPAGE);
	CHECK_EQ(madvise(memory, LENGTH, MADV_POPULATE_READ), 0);
	watch();
	CHECK_EQ(*(volatile uint8_t *)&memory[800 * PAGE], 0);
	expect_nothing();
	memory[800 * PAGE] = 1;
	expect_page(800);
	tear_down();
}

static size_t huge_bytes(void)
{
	FILE *smaps = fopen("/proc/self/smaps", "re");
	char line[256], wanted[32];
	unsigned long long kib = 0;
	bool ours = false;

	CHECK(smaps);
	snprintf(wanted, sizeof(wanted), "%lx-", (unsigned long)(uintptr_t)memory);
	while (fgets(line, sizeof(line), smaps)) {
		if (strncmp(line, wanted, strlen(wanted)) == 0)
			ours = true;
		if (ours && sscanf(line, "AnonHugePages: %llu", &kib) == 1)
			break;
	}
	fclose(smaps);
	return (size_t)kib << 10;
}

TEST(a_write_splits_a_huge_page_and_marks_4_kib)
{
	set_up(MADV_HUGEPAGE);
	memset(memory, 1, LENGTH);
	if (huge_bytes() != LENGTH)
		SKIP("kernel gives no huge pages");
	watch();
	CHECK_EQ(huge_bytes(), LENGTH);
	memory[513 * PAGE] = 2;
	CHECK_EQ(huge_bytes(), LENGTH - HUGE);
	expect_page(513);
	/* Its neighbours are watched one by one. */
	memory[514 * PAGE] = 2;
	expect_page(514);
	tear_down();
}

/* A descriptor for user mode only will do, for nobody is asked. */
TEST(a_write_by_the_kernel_is_reported)
{
	int zero = open("/dev/zero", O_RDONLY | O_CLOEXEC);

	set_up(MADV_HUGEPAGE);
	memset(memory, 1, LENGTH);
	watch();
	CHECK_EQ(read(zero, memory + 77 * PAGE, 10), 10);
	close(zero);
	expect_page(77);
	tear_down();
}

TEST(a_discarded_page_is_reported)
{
	set_up(MADV_NOHUGEPAGE);
	memset(memory, 1, LENGTH);
	watch();
	CHECK_EQ(madvise(memory + 33 * PAGE, PAGE, MADV_DONTNEED), 0);
	expect_page(33);
	memory[33 * PAGE] = 1;
	expect_page(33);
	tear_down();
}

TEST(a_scan_that_runs_out_of_room_goes_on_where_it_stopped)
{
	size_t at = 0, pages = 0;

	set_up(MADV_NOHUGEPAGE);
	memset(memory, 1, LENGTH);
	watch();
	for (size_t page = 0; page < LENGTH / PAGE; page += 2)
		memory[page * PAGE]++;
	while (at < LENGTH) {
		int count = scan(&at, 7);

		CHECK(count <= 7);
		for (int i = 0; i < count; i++) {
			CHECK_EQ(regions[i].start - (uintptr_t)memory, 2 * pages * PAGE);
			pages++;
		}
	}
	CHECK_EQ(pages, LENGTH / PAGE / 2);
	tear_down();
}

TEST(memory_that_is_not_watched_cannot_be_scanned_for_writes)
{
	struct uffdio_range all = { 0 };
	struct pm_scan_arg arg = {
		.size = sizeof(arg),
		.flags = PM_SCAN_WP_MATCHING | PM_SCAN_CHECK_WPASYNC,
		.vec = (uintptr_t)regions,
		.vec_len = 1,
		.category_mask = PAGE_IS_WRITTEN,
		.return_mask = PAGE_IS_WRITTEN,
	};

	set_up(MADV_NOHUGEPAGE);
	watch();
	all.start = (uintptr_t)memory;
	all.len = LENGTH;
	CHECK_EQ(ioctl(uffd, UFFDIO_UNREGISTER, &all), 0);
	arg.start = (uintptr_t)memory;
	arg.end = arg.start + LENGTH;
	CHECK_EQ(ioctl(pagemap, PAGEMAP_SCAN, &arg), -1);
	CHECK_EQ(errno, EPERM);
	tear_down();
}

#define COUNTED_PAGES 64u
#define SCANS 3000

static bool stop_writing;

/* Each page's first word counts up, all in turn. */
static void *count_up(void *state)
{
	for (uint64_t i = 1; !__atomic_load_n(&stop_writing, __ATOMIC_ACQUIRE); i++) {
		for (size_t page = 0; page < COUNTED_PAGES; page++)
			__atomic_store_n((uint64_t *)(memory + page * PAGE), i,
					 __ATOMIC_RELEASE);
	}
	return NULL;
}

/* Reporting a page and watching it again is one step: a copy that follows the reports alone ends
 * up equal, however the writer and the scans fall. */
TEST(no_write_is_lost_between_report_and_watch)
{
	static uint64_t copy[COUNTED_PAGES];
	pthread_t writer;

	set_up(MADV_NOHUGEPAGE);
	memset(memory, 0, LENGTH);
	memset(copy, 0, sizeof(copy));
	watch();
	stop_writing = false;
	CHECK_EQ(pthread_create(&writer, NULL, count_up, NULL), 0);
	for (int i = 0; i <= SCANS; i++) {
		size_t at = 0;
		int count;

		if (i == SCANS) {
			__atomic_store_n(&stop_writing, true, __ATOMIC_RELEASE);
			pthread_join(writer, NULL);
		}
		count = scan(&at, COUNTED_PAGES);
		CHECK_EQ(at, LENGTH);
		for (int j = 0; j < count; j++) {
			for (uint64_t page =
				     (regions[j].start - (uintptr_t)memory) / PAGE;
			     page < (regions[j].end - (uintptr_t)memory) / PAGE; page++)
				copy[page] = __atomic_load_n(
					(uint64_t *)(memory + page * PAGE),
					__ATOMIC_ACQUIRE);
		}
	}
	for (size_t page = 0; page < COUNTED_PAGES; page++)
		CHECK_EQ(copy[page], *(uint64_t *)(memory + page * PAGE));
	CHECK(copy[0] > 0);
	tear_down();
}

TEST_MAIN(TEST_OF(a_write_is_reported_once),
	  TEST_OF(a_write_to_an_unpopulated_page_is_reported),
	  TEST_OF(a_write_to_a_page_that_was_only_read_is_reported),
	  TEST_OF(a_write_splits_a_huge_page_and_marks_4_kib),
	  TEST_OF(a_write_by_the_kernel_is_reported),
	  TEST_OF(a_discarded_page_is_reported),
	  TEST_OF(a_scan_that_runs_out_of_room_goes_on_where_it_stopped),
	  TEST_OF(memory_that_is_not_watched_cannot_be_scanned_for_writes),
	  TEST_OF(no_write_is_lost_between_report_and_watch))
