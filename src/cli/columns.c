/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* columns.c - the figures of migrations as the table that the field uses. */
#include "cli/columns.h"

#include <stdint.h>

#include "cli/units.h"

#define CELL_BYTES 32

static const char *cell(char out[CELL_BYTES], int decimals, double value)
{
	if (value < 0)
		snprintf(out, CELL_BYTES, "-");
	else
		snprintf(out, CELL_BYTES, "%.*f", decimals, value);
	return out;
}

void columns_print_heading(FILE *to)
{
	fprintf(to, "%-7s %5s %9s %9s %10s %10s %7s %7s %9s %6s %s\n", "method", "level",
		"total", "downtime", "throughput", "pages", "send", "receive", "wire",
		"ratio", "verified");
	fprintf(to, "%-7s %5s %9s %9s %10s %10s %7s %7s %9s %6s\n", "", "", "ms", "ms",
		"Mbit/s", "per s", "CPU %", "CPU %", "bytes", "");
}

void columns_print(FILE *to, const struct columns *row)
{
	char total[CELL_BYTES], downtime[CELL_BYTES], throughput[CELL_BYTES];
	char pages[CELL_BYTES], send[CELL_BYTES], receive[CELL_BYTES], ratio[CELL_BYTES];
	char wire[16] = "-";

	if (row->wire_bytes >= 0)
		units_print_size(wire, (uint64_t)row->wire_bytes);
	fprintf(to, "%-7s %5d %9s %9s %10s %10s %7s %7s %9s %6s %s\n", row->method,
		row->level, cell(total, 0, row->total_ms),
		cell(downtime, 1, row->downtime_ms),
		cell(throughput, 0, row->throughput_mbps),
		cell(pages, 0, row->pages_per_second),
		cell(send, 0, row->send_cpu_percent),
		cell(receive, 0, row->recv_cpu_percent), wire, cell(ratio, 2, row->ratio),
		row->verdict);
}
