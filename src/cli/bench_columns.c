/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bench_columns.c - engines beside their reference, as a table. */
#include "cli/bench_columns.h"

#define CELL_BYTES 16

void bench_columns_print_heading(FILE *to)
{
	fprintf(to, "%-6s %5s %-10s %-10s %5s | %-21s | %-21s | %s\n", "", "", "", "", "",
		"encode", "decode", "times reference");
	fprintf(to,
		"%-6s %5s %-10s %-10s %5s | %7s %6s %6s | %7s %6s %6s | %6s %6s %5s\n",
		"format", "level", "encoder", "decoder", "ratio", "MB/s", "p50 us",
		"p99 us", "MB/s", "p50 us", "p99 us", "encode", "decode", "bytes");
}

/* "-": not known. */
static const char *times(char out[CELL_BYTES], double value)
{
	if (value < 0)
		snprintf(out, CELL_BYTES, "-");
	else
		snprintf(out, CELL_BYTES, "%.2f", value);
	return out;
}

/* Others' work on a busy host does not show in processor time, nor does a device's. */
static void print_direction(FILE *to, const struct engine *engine,
			    const struct measurement *measurement,
			    const struct workload *workload)
{
	bool device = engine->accelerator != ACCELERATOR_NONE;
	struct figures_of_direction figures;

	if (measurement->run_count == 0) {
		fprintf(to, " | %7s %6s %6s", "-", "-", "-");
		return;
	}
	figures = measurement_figures(measurement, workload);
	fprintf(to, " | %7.0f %6.0f %6.0f", figures.mb_per_cpu_s,
		device ? figures.wall_p50_us : figures.cpu_p50_us,
		device ? figures.wall_p99_us : figures.cpu_p99_us);
}

static void print_row(FILE *to, const struct comparison *c, const struct row *row)
{
	struct against_reference against = row_against_reference(c, row);
	char encode[CELL_BYTES], decode[CELL_BYTES], bytes[CELL_BYTES];

	fprintf(to, "%-6s %5d %-10s %-10s %5.2f", c->codec->name, c->level,
		row->encoder->name, row->decoder->name, row_ratio(c, row));
	print_direction(to, row->encoder, &row->encode, c->workload);
	print_direction(to, row->decoder, &row->decode, c->workload);
	fprintf(to, " | %6s %6s %5s\n", times(encode, against.encode),
		times(decode, against.decode), times(bytes, against.bytes));
}

void bench_columns_print(FILE *to, const struct comparison *comparison)
{
	for (uint32_t i = 0; i < comparison->row_count; i++)
		print_row(to, comparison, &comparison->rows[i]);
}
