/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* populate.c - what we assume of MADV_POPULATE_WRITE (Linux 5.14) on the receiver.
 *
 * Bare system calls, so that a kernel can be judged without the rest of the tree. */
#include <errno.h>
#include <sys/resource.h>

#include "ram/linux_uffd.h"
#include "tests/check.h"

#define PAGE 4096u
#define HUGE (2u << 20)
#define LENGTH (2u * HUGE)

static uint8_t *memory, *mapped;

static void tear_down(void)
{
	if (mapped)
		munmap(mapped, LENGTH + HUGE);
	mapped = NULL;
}

static void set_up(int advice)
{
	tear_down();
	mapped = mmap(NULL, LENGTH + HUGE, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	CHECK(mapped != MAP_FAILED);
	memory = mapped + -(uintptr_t)mapped % HUGE;
	madvise(memory, LENGTH, advice);
}

static void populate(size_t offset, size_t length)
{
	if (madvise(memory + offset, length, MADV_POPULATE_WRITE) == 0)
		return;
	if (errno == EINVAL)
		SKIP("kernel has no MADV_POPULATE_WRITE (linux 5.14)");
	CHECK_FAIL("MADV_POPULATE_WRITE: %s", strerror(errno));
}

static size_t resident(void)
{
	static unsigned char states[LENGTH / PAGE];
	size_t count = 0;

	CHECK_EQ(mincore(memory, LENGTH, states), 0);
	for (size_t page = 0; page < LENGTH / PAGE; page++)
		count += states[page] & 1;
	return count;
}

static long faults(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_minflt;
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

/* By plain stores: what a sanitizer keeps beside them would take faults of its own. */
__attribute__((no_sanitize("thread", "address"))) static void touch(size_t length)
{
	for (size_t i = 0; i < length; i += PAGE)
		*(volatile uint8_t *)(memory + i) = 1;
}

TEST(populated_pages_take_no_fault_when_written)
{
	long before;

	set_up(MADV_NOHUGEPAGE);
	populate(0, HUGE);
	CHECK_EQ(resident(), HUGE / PAGE);
	before = faults();
	touch(HUGE);
	/* Others of this process may take some, but not one a page. */
	CHECK(faults() - before < HUGE / PAGE / 4);
	tear_down();
}

TEST(populating_part_of_a_huge_page_gives_a_huge_page)
{
	set_up(MADV_HUGEPAGE);
	populate(HUGE, HUGE);
	CHECK_EQ(resident(), HUGE / PAGE);
	if (huge_bytes() == 0)
		SKIP("kernel gives no huge pages");
	CHECK_EQ(huge_bytes(), HUGE);
	set_up(MADV_HUGEPAGE);
	populate(5 * PAGE, PAGE);
	CHECK_EQ(resident(), HUGE / PAGE);
	CHECK_EQ(huge_bytes(), HUGE);
	tear_down();
}

TEST(populating_changes_nothing_that_is_there)
{
	set_up(MADV_HUGEPAGE);
	memory[3 * PAGE] = 7;
	memory[HUGE + 9] = 8;
	populate(0, LENGTH);
	CHECK_EQ(memory[3 * PAGE], 7);
	CHECK_EQ(memory[HUGE + 9], 8);
	CHECK_EQ(memory[0], 0);
	tear_down();
}

TEST_MAIN(TEST_OF(populated_pages_take_no_fault_when_written),
	  TEST_OF(populating_part_of_a_huge_page_gives_a_huge_page),
	  TEST_OF(populating_changes_nothing_that_is_there))
