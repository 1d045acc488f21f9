/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bench_columns.h - engines beside their reference, as a table. */
#ifndef CLI_BENCH_COLUMNS_H
#define CLI_BENCH_COLUMNS_H

#include <stdio.h>

#include "bench/comparison.h"

void bench_columns_print_heading(FILE *to);
void bench_columns_print(FILE *to, const struct comparison *comparison);

#endif
