/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* comparison.c - engines of one format and level beside their reference, over one workload. */
#include "bench/comparison.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"
#include "bench/reference.h"
#include "bench/statistics.h"
#include "bench/timed_runs.h"

/* ---- rows ---- */

static void free_measurement(struct measurement *measurement)
{
	free(measurement->runs);
	free(measurement->cpu_us);
	free(measurement->wall_us);
}

void comparison_free(struct comparison *c)
{
	if (!c)
		return;
	for (uint32_t i = 0; i < c->row_count; i++) {
		struct row *row = &c->rows[i];

		free(row->payloads.bytes);
		free(row->payloads.ends);
		free_measurement(&row->encode);
		free_measurement(&row->decode);
	}
	free(c);
}

const struct row *comparison_reference(const struct comparison *comparison)
{
	return comparison->rows[0].is_reference ? &comparison->rows[0] : NULL;
}

const struct row *row_encoding(const struct row *row)
{
	return row->payloads_of ? row->payloads_of : row;
}

uint64_t row_payload_bytes(const struct row *row)
{
	return row_encoding(row)->payloads.length;
}

static int allocate(struct measurement *measurement, const struct comparison *c,
		    uint32_t runs)
{
	size_t packets = (size_t)runs * c->workload->packet_count;

	measurement->runs = calloc(runs, sizeof(*measurement->runs));
	measurement->cpu_us = calloc(packets, sizeof(*measurement->cpu_us));
	measurement->wall_us = calloc(packets, sizeof(*measurement->wall_us));
	return measurement->runs && measurement->cpu_us && measurement->wall_us ? 0 : -1;
}

static int add_row(struct comparison *c, const struct row *wanted, uint32_t runs,
		   struct gw_error *err)
{
	struct row *row = &c->rows[c->row_count];
	bool encodes = !wanted->payloads_of;

	assert(c->row_count < COMPARISON_ROWS_MAX);
	*row = *wanted;
	c->row_count++;
	if (encodes)
		row->payloads.ends =
			calloc(c->workload->packet_count, sizeof(*row->payloads.ends));
	if ((encodes && (!row->payloads.ends || allocate(&row->encode, c, runs) < 0)) ||
	    allocate(&row->decode, c, runs) < 0)
		return fail_sys(err, ENOMEM, "rows of %s", c->codec->name);
	return 0;
}

static bool is_allowed(const struct engine *engine,
		       const struct comparison_options *options)
{
	for (uint32_t i = 0; i < options->accelerator_count; i++) {
		if (engine_allowed(engine, options->accelerators[i]))
			return true;
	}
	return false;
}

static bool takes_part(const struct engine *engine, enum direction direction, int level,
		       const struct comparison_options *options)
{
	struct gw_error reason;

	if (direction == ENCODE &&
	    (level < engine->level_min || level > engine->level_max))
		return false;
	return is_allowed(engine, options) && engine->probe(engine, &reason) == 0;
}

void comparison_left_out(enum codec_id codec, const struct comparison_options *options,
			 void (*tell)(void *state, const struct engine *engine,
				      const char *reason),
			 void *state)
{
	for (const struct engine *const *at = engines_of(codec, ENCODE); *at; at++) {
		struct gw_error reason;

		if (is_allowed(*at, options) && (*at)->probe(*at, &reason) < 0)
			tell(state, *at, reason.text);
	}
}

static int add_reference(struct comparison *c, uint32_t runs, struct gw_error *err)
{
	const struct engine *reference = reference_of(c->codec->id, &c->no_reference);
	struct row row = { .encoder = reference,
			   .decoder = reference,
			   .is_reference = true };

	return reference ? add_row(c, &row, runs, err) : 0;
}

/* Each encoder with the decoder that would be chosen. */
static int add_encoders(struct comparison *c, const struct comparison_options *options,
			struct gw_error *err)
{
	const struct engine *decoder =
		engine_choose(c->codec->id, DECODE, 0, options->accelerators[0], err);

	if (!decoder)
		return -1;
	for (const struct engine *const *at = engines_of(c->codec->id, ENCODE); *at;
	     at++) {
		struct row row = { .encoder = *at, .decoder = decoder };

		if (takes_part(*at, ENCODE, c->level, options) &&
		    add_row(c, &row, options->runs, err) < 0)
			return -1;
	}
	return 0;
}

/* The decoders that would not be chosen, with the payloads of the encoder that would. */
static int add_decoders(struct comparison *c, const struct row *best,
			const struct comparison_options *options, struct gw_error *err)
{
	for (const struct engine *const *at = engines_of(c->codec->id, DECODE); *at;
	     at++) {
		struct row row = { .encoder = best->encoder,
				   .decoder = *at,
				   .payloads_of = best };

		if (*at != best->decoder && takes_part(*at, DECODE, c->level, options) &&
		    add_row(c, &row, options->runs, err) < 0)
			return -1;
	}
	return 0;
}

static int add_rows(struct comparison *c, const struct comparison_options *options,
		    struct gw_error *err)
{
	uint32_t first;

	if (add_reference(c, options->runs, err) < 0)
		return -1;
	first = c->row_count;
	if (add_encoders(c, options, err) < 0)
		return -1;
	if (c->row_count == first)
		return fail(err, GW_UNSUPPORTED,
			    "no usable engine encodes %s at level %d", c->codec->name,
			    c->level);
	return add_decoders(c, &c->rows[first], options, err);
}

/* ---- runs ---- */

static int fail_row(struct gw_error *err, const struct comparison *c,
		    const struct row *row, enum direction direction)
{
	return fail_in(err, "%s level %d, %s by %s", c->codec->name, c->level,
		       direction == ENCODE ? "encoded" : "decoded",
		       (direction == ENCODE ? row->encoder : row->decoder)->name);
}

/* Each row in turn; in the first round to warm up, which is when payloads are kept. */
static int run_round(struct comparison *c, enum direction direction, bool warm_up,
		     struct gw_error *err)
{
	for (uint32_t i = 0; i < c->row_count; i++) {
		struct row *row = &c->rows[i];
		int failed = 0;

		if (direction == DECODE)
			failed = timed_decode(row->decoder, c->workload,
					      &row_encoding(row)->payloads,
					      warm_up ? NULL : &row->decode, err);
		else if (!row->payloads_of)
			failed = timed_encode(row->encoder, c->level, c->workload,
					      warm_up ? &row->payloads : NULL,
					      warm_up ? NULL : &row->encode, err);
		if (failed < 0)
			return fail_row(err, c, row, direction);
	}
	return 0;
}

static int run_rounds(struct comparison *c, enum direction direction,
		      const struct comparison_options *options, struct gw_error *err)
{
	uint64_t start_ns = clock_now_ns();

	for (uint32_t run = 0; run <= options->runs; run++) {
		bool enough = options->limit_ns > 0 &&
			      clock_now_ns() - start_ns > options->limit_ns;

		if (run > 1 && enough)
			break;
		if (options->progress)
			options->progress(options->progress_state, c, direction, run);
		if (run_round(c, direction, run == 0, err) < 0)
			return -1;
	}
	return 0;
}

struct comparison *comparison_run(enum codec_id codec, int level,
				  const struct workload *workload,
				  const struct comparison_options *options,
				  struct gw_error *err)
{
	OWNED(comparison) struct comparison *c = calloc(1, sizeof(*c));

	assert(options->runs >= 1 && options->runs <= COMPARISON_RUNS_MAX &&
	       options->accelerator_count >= 1);
	if (!c) {
		fail_sys(err, ENOMEM, "benchmark");
		return NULL;
	}
	c->codec = codec_by_id(codec);
	c->level = level;
	c->workload = workload;
	if (add_rows(c, options, err) < 0 || run_rounds(c, ENCODE, options, err) < 0 ||
	    run_rounds(c, DECODE, options, err) < 0)
		return NULL;
	return MOVE(c);
}

/* ---- what it comes to ---- */

struct figures_of_direction measurement_figures(const struct measurement *measurement,
						const struct workload *workload)
{
	double megabytes = (double)workload_normal_bytes(workload) / 1e6;
	size_t packets = measurement->packet_count;
	double cpu[COMPARISON_RUNS_MAX], wall[COMPARISON_RUNS_MAX];

	assert(measurement->run_count > 0);
	for (uint32_t i = 0; i < measurement->run_count; i++) {
		cpu[i] = megabytes / measurement->runs[i].cpu_s;
		wall[i] = megabytes / measurement->runs[i].wall_s;
	}
	return (struct figures_of_direction){
		.mb_per_cpu_s = statistics_median(cpu, measurement->run_count),
		.mb_per_wall_s = statistics_median(wall, measurement->run_count),
		.cpu_p50_us = statistics_percentile(measurement->cpu_us, packets, 50),
		.cpu_p99_us = statistics_percentile(measurement->cpu_us, packets, 99),
		.wall_p50_us = statistics_percentile(measurement->wall_us, packets, 50),
		.wall_p99_us = statistics_percentile(measurement->wall_us, packets, 99),
	};
}

double row_ratio(const struct comparison *c, const struct row *row)
{
	return (double)workload_normal_bytes(c->workload) /
	       (double)row_payload_bytes(row);
}

struct against_reference row_against_reference(const struct comparison *c,
					       const struct row *row)
{
	const struct row *reference = comparison_reference(c);
	struct against_reference against = { -1, -1, -1 };

	if (!reference)
		return against;
	against.bytes =
		(double)row_payload_bytes(row) / (double)row_payload_bytes(reference);
	against.decode =
		measurement_figures(&row->decode, c->workload).mb_per_cpu_s /
		measurement_figures(&reference->decode, c->workload).mb_per_cpu_s;
	if (row->encode.run_count > 0)
		against.encode =
			measurement_figures(&row->encode, c->workload).mb_per_cpu_s /
			measurement_figures(&reference->encode, c->workload).mb_per_cpu_s;
	return against;
}
