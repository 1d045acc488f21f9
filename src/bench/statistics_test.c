/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* statistics_test.c - medians and percentiles of series whose answers are known. */
#include "tests/check.h"

#include "bench/statistics.h"

TEST(median_is_the_middle_or_the_mean_of_two)
{
	double one[] = { 7 }, two[] = { 4, 1 }, three[] = { 9, -1, 2 };
	double four[] = { 8, 1, 4, 2 }, same[] = { 5, 5, 5, 5, 5 };

	CHECK(statistics_median(one, 1) == 7);
	CHECK(statistics_median(two, 2) == 2.5);
	CHECK(statistics_median(three, 3) == 2);
	CHECK(statistics_median(four, 4) == 3);
	CHECK(statistics_median(same, 5) == 5);
}

TEST(percentile_is_a_value_that_was_measured)
{
	double values[200], few[] = { 30, 10, 20 };

	for (size_t i = 0; i < 200; i++)
		values[i] = (double)(200 - i);
	CHECK(statistics_percentile(values, 200, 1) == 2);
	CHECK(statistics_percentile(values, 200, 50) == 100);
	CHECK(statistics_percentile(values, 200, 99) == 198);
	CHECK(statistics_percentile(values, 200, 100) == 200);
	CHECK(statistics_percentile(few, 3, 1) == 10);
	CHECK(statistics_percentile(few, 3, 50) == 20);
	CHECK(statistics_percentile(few, 3, 99) == 30);
	CHECK(statistics_percentile(few, 1, 99) == 10);
}

TEST_MAIN(TEST_OF(median_is_the_middle_or_the_mean_of_two),
	  TEST_OF(percentile_is_a_value_that_was_measured))
