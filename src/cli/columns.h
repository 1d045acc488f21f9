/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* columns.h - the figures of migrations as the table that the field uses. */
#ifndef CLI_COLUMNS_H
#define CLI_COLUMNS_H

#include <stdio.h>

/* A row; what is < 0 is not known and shown as "-". */
struct columns {
	const char *method;
	int level;
	double total_ms, downtime_ms;
	double throughput_mbps, pages_per_second;
	double send_cpu_percent, recv_cpu_percent;
	double wire_bytes, ratio;
	const char *verdict; /* the last column */
};

void columns_print_heading(FILE *to);
void columns_print(FILE *to, const struct columns *row);

#endif
