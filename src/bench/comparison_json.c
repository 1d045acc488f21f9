/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* comparison_json.c - what was compared, where, and every run of it. */
#include "bench/comparison_json.h"

static json_t *runs_json(const struct measurement *measurement)
{
	json_t *runs = json_array();

	for (uint32_t i = 0; i < measurement->run_count; i++) {
		const struct run *run = &measurement->runs[i];

		json_array_append_new(runs,
				      json_pack("{s:f, s:f, s:I}", "cpu_s", run->cpu_s,
						"wall_s", run->wall_s, "payload_bytes",
						(json_int_t)run->payload_bytes));
	}
	return runs;
}

/* Of all runs together. */
static json_t *counters_json(const struct engine_counters *counters)
{
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I}", "units",
			 (json_int_t)counters->units, "device_units",
			 (json_int_t)counters->device_units, "fallback_units",
			 (json_int_t)counters->fallback_units, "retries",
			 (json_int_t)counters->retries, "device_failures",
			 (json_int_t)counters->device_failures, "raw_pages",
			 (json_int_t)counters->raw_pages);
}

static json_t *measurement_json(const struct measurement *measurement,
				const struct workload *workload)
{
	struct figures_of_direction figures;

	if (measurement->run_count == 0)
		return json_null();
	figures = measurement_figures(measurement, workload);
	return json_pack("{s:f, s:f, s:f, s:f, s:f, s:f, s:o, s:o}", "mb_per_cpu_s",
			 figures.mb_per_cpu_s, "mb_per_wall_s", figures.mb_per_wall_s,
			 "cpu_p50_us", figures.cpu_p50_us, "cpu_p99_us",
			 figures.cpu_p99_us, "wall_p50_us", figures.wall_p50_us,
			 "wall_p99_us", figures.wall_p99_us, "runs",
			 runs_json(measurement), "counters",
			 counters_json(&measurement->counters));
}

static json_t *times(double value)
{
	return value < 0 ? json_null() : json_real(value);
}

static json_t *row_json(const struct comparison *c, const struct row *row)
{
	struct against_reference against = row_against_reference(c, row);

	return json_pack(
		"{s:s, s:s, s:s, s:s, s:b, s:b, s:I, s:f, s:o, s:o, s:{s:o, s:o, s:o}}",
		"encoder", row->encoder->name, "encoder_accelerator",
		accelerator_name(row->encoder->accelerator), "decoder",
		row->decoder->name, "decoder_accelerator",
		accelerator_name(row->decoder->accelerator), "reference",
		row->is_reference, "decoded_only", row->payloads_of != NULL,
		"payload_bytes", (json_int_t)row_payload_bytes(row), "ratio",
		row_ratio(c, row), "encode", measurement_json(&row->encode, c->workload),
		"decode", measurement_json(&row->decode, c->workload),
		"against_reference", "encode", times(against.encode), "decode",
		times(against.decode), "bytes", times(against.bytes));
}

json_t *comparison_json(const struct comparison *c)
{
	json_t *rows = json_array();

	for (uint32_t i = 0; i < c->row_count; i++)
		json_array_append_new(rows, row_json(c, &c->rows[i]));
	return json_pack("{s:s, s:i, s:s?, s:o}", "format", c->codec->name, "level",
			 c->level, "no_reference",
			 comparison_reference(c) ? NULL : c->no_reference.text, "rows",
			 rows);
}

json_t *workload_json(const struct workload *workload, const char *path,
		      uint32_t packet_pages)
{
	return json_pack("{s:s, s:I, s:i, s:i, s:I, s:I}", "path", path, "bytes",
			 (json_int_t)workload->image_bytes, "packet_pages",
			 (int)packet_pages, "packets", (int)workload->packet_count,
			 "normal_pages", (json_int_t)workload->normal_pages, "zero_pages",
			 (json_int_t)workload->zero_pages);
}
