/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* statistics.h - the middle and the tail of a series of measurements.
 *
 * The values are sorted in place; there is at least one. */
#ifndef BENCH_STATISTICS_H
#define BENCH_STATISTICS_H

#include <stddef.h>

/* Of an even number of values the mean of the two in the middle. */
double statistics_median(double *values, size_t count);

/* The smallest value that `percent` (1 to 100) of them do not exceed (nearest rank). */
double statistics_percentile(double *values, size_t count, unsigned percent);

#endif
