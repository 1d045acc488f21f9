/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* comparison.h - engines of one format and level beside their reference, over one workload.
 *
 * All take turns (A B A B), so that whatever else the host does meets all alike; what each
 * measures first is dropped.  Every decoded page is compared with its source.  Payloads and pages
 * are out of the processor's caches when their turn comes, as in a migration.
 *
 * One thread computes; processor time is that thread's alone. */
#ifndef BENCH_COMPARISON_H
#define BENCH_COMPARISON_H

#include "base/error.h"
#include "base/own.h"
#include "bench/workload.h"
#include "codec/engine.h"

#define COMPARISON_RUNS_MAX 1000u
#define COMPARISON_ROWS_MAX 24u

struct run {
	double cpu_s;
	double wall_s;
	uint64_t payload_bytes;
};

/* One direction of a row. */
struct measurement {
	uint32_t run_count;
	struct run *runs;
	size_t packet_count; /* of all runs */
	double *cpu_us;	     /* of each packet, from submit to reap */
	double *wall_us;
	struct engine_counters counters;
};

/* What a measurement comes to: medians over runs, percentiles over packets.  MB are 10^6 bytes
 * of pages. */
struct figures_of_direction {
	double mb_per_cpu_s;
	double mb_per_wall_s;
	double cpu_p50_us;
	double cpu_p99_us;
	double wall_p50_us;
	double wall_p99_us;
};

/* Payloads of a whole workload. */
struct payloads {
	uint8_t *bytes;
	size_t length;
	size_t room;
	size_t *ends; /* of each packet's */
};

struct row {
	const struct engine *encoder;
	const struct engine *decoder;
	bool is_reference;
	/* Another row's encoder: its payloads are decoded here by another decoder. */
	const struct row *payloads_of;
	struct payloads payloads;
	struct measurement encode; /* no runs with payloads_of */
	struct measurement decode;
};

struct comparison {
	const struct codec *codec;
	int level;
	const struct workload *workload;
	uint32_t row_count; /* the reference, if there is one, first */
	struct row rows[COMPARISON_ROWS_MAX];
	/* Why there is no reference; empty: there is. */
	struct gw_error no_reference;
};

struct comparison_options {
	/* Engines that any of these allows take part. */
	const enum accelerator *accelerators;
	uint32_t accelerator_count;
	uint32_t runs;
	uint64_t limit_ns; /* no further run begins after so long; 0: no limit */
	/* Before each round of runs; NULL: nobody wants to know. */
	void (*progress)(void *state, const struct comparison *comparison,
			 enum direction direction, uint32_t run);
	void *progress_state;
};

/* Measures.  GW_UNSUPPORTED when no engine takes part; any error of an engine, with its name;
 * GW_SYSTEM for pages that came out different. */
struct comparison *comparison_run(enum codec_id codec, int level,
				  const struct workload *workload,
				  const struct comparison_options *options,
				  struct gw_error *err);
void comparison_free(struct comparison *comparison); /* NULL is fine */
DEFINE_OWNED(comparison)

/* Tells each engine of the format that would take part if it were usable, and why it is not. */
void comparison_left_out(enum codec_id codec, const struct comparison_options *options,
			 void (*tell)(void *state, const struct engine *engine,
				      const char *reason),
			 void *state);

/* NULL if there is none. */
const struct row *comparison_reference(const struct comparison *comparison);

const struct row *row_encoding(const struct row *row); /* whose payloads it decodes */

uint64_t row_payload_bytes(const struct row *row);

/* The measurement has a run at least. */
struct figures_of_direction measurement_figures(const struct measurement *measurement,
						const struct workload *workload);

double row_ratio(const struct comparison *comparison, const struct row *row);

/* Times the reference's; below 0: not known. */
struct against_reference {
	double encode; /* speed, by processor time */
	double decode;
	double bytes;
};
struct against_reference row_against_reference(const struct comparison *comparison,
					       const struct row *row);

#endif
