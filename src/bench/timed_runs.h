/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* timed_runs.h - one pass of one engine over a workload, by the clock. */
#ifndef BENCH_TIMED_RUNS_H
#define BENCH_TIMED_RUNS_H

#include "bench/comparison.h"

/* With `payloads` what it encodes is kept there, after what is timed.  With `measurement` a run
 * is added; NULL: to warm up. */
int timed_encode(const struct engine *engine, int level, const struct workload *workload,
		 struct payloads *payloads, struct measurement *measurement,
		 struct gw_error *err);

/* Each packet's pages are compared with the source, after what is timed. */
int timed_decode(const struct engine *engine, const struct workload *workload,
		 const struct payloads *payloads, struct measurement *measurement,
		 struct gw_error *err);

#endif
