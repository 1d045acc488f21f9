/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* block_test.c - named ranges of guest RAM. */
#include "ram/block.h"

#include <stdio.h>

#include "ram/zero.h"
#include "tests/check.h"

/* Never touched, so addresses of nothing will do. */
#define SOMEWHERE ((void *)(uintptr_t)(16 * PAGE_BYTES))

TEST(blocks_are_found_by_name_alone)
{
	struct gw_error err = { 0 };
	struct ram ram;

	ram_init(&ram);
	CHECK_OK(ram_add(&ram, "pc.ram", SOMEWHERE, 2 * PAGE_BYTES, &err), &err);
	CHECK_OK(ram_add(&ram, "pc.rom", (char *)SOMEWHERE + 2 * PAGE_BYTES, PAGE_BYTES,
			 &err),
		 &err);
	CHECK_EQ(ram.block_count, 2);
	CHECK(ram_find(&ram, "pc.ram", 6) == ram.blocks[0]);
	CHECK(ram_find(&ram, "pc.rom-and-more", 6) == ram.blocks[1]);
	CHECK(!ram_find(&ram, "pc.ra", 5));
	CHECK(!ram_find(&ram, "pc.ram\0", 7));
	CHECK(!ram_find(&ram, "", 0));
	CHECK_EQ(ram_total_bytes(&ram), 3 * PAGE_BYTES);
	CHECK_EQ(ram_total_pages(&ram), 3);
	CHECK(ram.blocks[0]->host == SOMEWHERE);
	CHECK(!ram.blocks[0]->allocated);
	ram_deinit(&ram);
	CHECK_EQ(ram.block_count, 0);
}

TEST(bad_memory_is_refused_by_name)
{
	struct gw_error err = { 0 };
	struct ram ram;

	ram_init(&ram);
	CHECK_EQ(ram_add(&ram, "a", (char *)SOMEWHERE + 1, PAGE_BYTES, &err), -1);
	CHECK_EQ(err.kind, GW_USAGE);
	CHECK_STR(err.text,
		  "RAM block a: 4096 bytes at 0x10001, a multiple of 4096 needed");
	CHECK_EQ(ram_add(&ram, "a", NULL, PAGE_BYTES, &err), -1);
	CHECK_EQ(ram_add(&ram, "a", SOMEWHERE, 0, &err), -1);
	CHECK_STR(err.text, "RAM block a: 0 bytes, a multiple of 4096 needed");
	CHECK_EQ(ram_add(&ram, "a", SOMEWHERE, PAGE_BYTES + 1, &err), -1);
	CHECK_STR(err.text, "RAM block a: 4097 bytes, a multiple of 4096 needed");
	CHECK_EQ(ram_add(&ram, "a", SOMEWHERE, -PAGE_BYTES, &err), -1);
	CHECK_CONTAINS(err.text, "RAM block a: 18446744073709547520 bytes");
	CHECK_EQ(ram_allocate(&ram, "a", PAGE_BYTES - 1, &err), -1);
	CHECK_STR(err.text, "RAM block a: 4095 bytes, a multiple of 4096 needed");
	CHECK_EQ(ram.block_count, 0);
	ram_deinit(&ram);
}

TEST(names_have_bounds)
{
	struct gw_error err = { 0 };
	char name[RAM_NAME_MAX + 2];
	struct ram ram;

	ram_init(&ram);
	memset(name, 'n', sizeof(name) - 1);
	name[RAM_NAME_MAX + 1] = '\0';
	CHECK_EQ(ram_add(&ram, name, SOMEWHERE, PAGE_BYTES, &err), -1);
	CHECK_EQ(err.kind, GW_USAGE);
	CHECK_STR(err.text, "RAM block: name of 256 bytes, 1 to 255 allowed");
	CHECK_EQ(ram_add(&ram, "", SOMEWHERE, PAGE_BYTES, &err), -1);
	CHECK_STR(err.text, "RAM block: name of 0 bytes, 1 to 255 allowed");
	name[RAM_NAME_MAX] = '\0';
	CHECK_OK(ram_add(&ram, name, SOMEWHERE, PAGE_BYTES, &err), &err);
	CHECK(ram_find(&ram, name, RAM_NAME_MAX) == ram.blocks[0]);
	ram_deinit(&ram);
}

TEST(no_two_blocks_share_a_name_or_memory)
{
	struct gw_error err = { 0 };
	struct ram ram;

	ram_init(&ram);
	CHECK_OK(ram_add(&ram, "a", SOMEWHERE, 2 * PAGE_BYTES, &err), &err);
	CHECK_EQ(ram_add(&ram, "a", (char *)SOMEWHERE + 2 * PAGE_BYTES, PAGE_BYTES, &err),
		 -1);
	CHECK_EQ(err.kind, GW_USAGE);
	CHECK_STR(err.text, "RAM block a: there is one of that name already");
	CHECK_EQ(ram_allocate(&ram, "a", PAGE_BYTES, &err), -1);
	CHECK_EQ(ram_add(&ram, "b", (char *)SOMEWHERE + PAGE_BYTES, PAGE_BYTES, &err),
		 -1);
	CHECK_EQ(err.kind, GW_USAGE);
	CHECK_STR(err.text, "RAM block b: shares memory with RAM block a");
	CHECK_EQ(ram_add(&ram, "b", (char *)SOMEWHERE - PAGE_BYTES, 4 * PAGE_BYTES, &err),
		 -1);
	CHECK_OK(ram_add(&ram, "b", (char *)SOMEWHERE - PAGE_BYTES, PAGE_BYTES, &err),
		 &err);
	CHECK_OK(ram_add(&ram, "c", (char *)SOMEWHERE + 2 * PAGE_BYTES, PAGE_BYTES, &err),
		 &err);
	ram_deinit(&ram);
}

TEST(block_count_has_a_bound)
{
	struct ram_block *first = NULL;
	struct gw_error err = { 0 };
	struct ram ram;
	char name[16];

	ram_init(&ram);
	for (uint32_t i = 0; i < RAM_BLOCKS_MAX; i++) {
		snprintf(name, sizeof(name), "block %u", i);
		CHECK_OK(ram_add(&ram, name, (char *)SOMEWHERE + i * PAGE_BYTES,
				 PAGE_BYTES, &err),
			 &err);
		if (i == 0)
			first = ram.blocks[0];
	}
	CHECK_EQ(ram_add(&ram, "last", (char *)SOMEWHERE + RAM_BLOCKS_MAX * PAGE_BYTES,
			 PAGE_BYTES, &err),
		 -1);
	CHECK_STR(err.text, "RAM block last: at most 4096 blocks");
	/* Pointers are stable while blocks are added. */
	CHECK(ram_find(&ram, "block 0", 7) == first);
	ram_deinit(&ram);
}

TEST(allocated_memory_is_fresh_and_starts_on_a_huge_page)
{
	struct gw_error err = { 0 };
	struct ram ram;

	ram_init(&ram);
	CHECK_OK(ram_allocate(&ram, "small", PAGE_BYTES, &err), &err);
	CHECK_OK(ram_allocate(&ram, "large", (8 << 20) + PAGE_BYTES, &err), &err);
	for (uint32_t i = 0; i < ram.block_count; i++) {
		struct ram_block *block = ram.blocks[i];

		CHECK(block->allocated);
		CHECK_EQ((uintptr_t)block->host % (2 << 20), 0);
		CHECK(page_is_zero(block->host));
		CHECK(page_is_zero(block->host + block->length_bytes - PAGE_BYTES));
		block->host[0] = 1;
		block->host[block->length_bytes - 1] = 1;
	}
	CHECK_EQ(ram_allocate(&ram, "too much", (UINT64_C(1) << 62), &err), -1);
	CHECK_EQ(err.kind, GW_SYSTEM);
	CHECK_CONTAINS(err.text, "RAM block too much: map 4611686018427387904 bytes: ");
	ram_deinit(&ram);
}

TEST_MAIN(TEST_OF(blocks_are_found_by_name_alone), TEST_OF(bad_memory_is_refused_by_name),
	  TEST_OF(names_have_bounds), TEST_OF(no_two_blocks_share_a_name_or_memory),
	  TEST_OF(block_count_has_a_bound),
	  TEST_OF(allocated_memory_is_fresh_and_starts_on_a_huge_page))
