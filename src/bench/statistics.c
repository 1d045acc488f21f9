/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* statistics.c - the middle and the tail of a series of measurements. */
#include "bench/statistics.h"

#include <assert.h>
#include <stdlib.h>

static int compare(const void *a, const void *b)
{
	double left = *(const double *)a, right = *(const double *)b;

	return (left > right) - (left < right);
}

double statistics_median(double *values, size_t count)
{
	assert(count > 0);
	qsort(values, count, sizeof(*values), compare);
	return (values[(count - 1) / 2] + values[count / 2]) / 2;
}

double statistics_percentile(double *values, size_t count, unsigned percent)
{
	assert(count > 0 && percent >= 1 && percent <= 100);
	qsort(values, count, sizeof(*values), compare);
	return values[(count * percent + 99) / 100 - 1];
}
