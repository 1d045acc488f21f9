/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* zero_test.c - is this page zero? */
#include "ram/zero.h"

#include "base/pages.h"
#include "tests/check.h"

static _Alignas(4096) uint8_t pages[3 * PAGE_BYTES];

TEST(one_bit_anywhere_makes_a_page_not_zero)
{
	uint8_t *page = pages + PAGE_BYTES;

	CHECK(page_is_zero(page));
	for (size_t i = 0; i < PAGE_BYTES; i++) {
		page[i] = (uint8_t)(1u << (i % 8));
		CHECK(!page_is_zero(page));
		page[i] = 0;
	}
	CHECK(page_is_zero(page));
}

TEST(neighbours_do_not_matter)
{
	memset(pages, 0xff, sizeof(pages));
	memset(pages + PAGE_BYTES, 0, PAGE_BYTES);
	CHECK(page_is_zero(pages + PAGE_BYTES));
	CHECK(!page_is_zero(pages));
	CHECK(!page_is_zero(pages + PAGE_BYTES + 1));
	CHECK(!page_is_zero(pages + PAGE_BYTES - 1));
}

TEST_MAIN(TEST_OF(one_bit_anywhere_makes_a_page_not_zero),
	  TEST_OF(neighbours_do_not_matter))
