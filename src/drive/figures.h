/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* figures.h - what a driven migration took, as far as its two sides tell.
 *
 * A plain value.  What is not known is FIGURE_UNKNOWN, "-" for people and null in JSON. */
#ifndef DRIVE_FIGURES_H
#define DRIVE_FIGURES_H

#include "drive/migration_status.h"
#include "drive/tuning.h"

#define FIGURE_UNKNOWN (-1.0)

struct figures {
	struct tuned tuned;
	char status[32]; /* of the source, QEMU's name */
	char engine[32]; /* of the source; "": it tells none */
	double total_ms, downtime_ms, setup_ms;
	double throughput_mbps, pages_per_second;
	double send_cpu_s, recv_cpu_s, send_cpu_percent, recv_cpu_percent;
	double wire_bytes, ram_bytes, zero_pages, normal_pages, rounds;
	double ratio; /* bytes of pages with contents over bytes on the wire */
};

/* CPU over the time that it was watched. */
struct cpu_use {
	double send_s, recv_s; /* FIGURE_UNKNOWN */
	double span_s;
};

double figure_told(int64_t value); /* a count that may be STATUS_UNKNOWN */
/* From before to after, where both are known. */
double figure_used(double before, double after);
/* `amount` times `factor` over `per`, where both are known. */
double figure_over(double amount, double factor, double per);

/* `status` is the source's last one; `version` the source's. */
void figures_fill(struct figures *figures, const struct migration_status *status,
		  const struct tuned *tuned, const struct qmp_version *version,
		  const struct cpu_use *cpu);

/* The object of the design's --json; a new reference, NULL when memory is out. */
json_t *figures_json(const struct figures *figures);

#endif
