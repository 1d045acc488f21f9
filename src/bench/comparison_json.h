/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* comparison_json.h - what was compared, where, and every run of it. */
#ifndef BENCH_COMPARISON_JSON_H
#define BENCH_COMPARISON_JSON_H

#include <jansson.h>

#include "bench/comparison.h"

/* All return NULL when there is no memory; the caller's. */
json_t *comparison_json(const struct comparison *comparison);
json_t *workload_json(const struct workload *workload, const char *path,
		      uint32_t packet_pages);

#endif
