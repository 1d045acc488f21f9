/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* figures.c - what a driven migration took. */
#include "drive/figures.h"

#include <stdio.h>
#include <string.h>

double figure_told(int64_t value)
{
	return value < 0 ? FIGURE_UNKNOWN : (double)value;
}

double figure_used(double before, double after)
{
	return before < 0 || after < 0 ? FIGURE_UNKNOWN
	       : after > before	       ? after - before
				       : 0;
}

double figure_over(double amount, double factor, double per)
{
	return amount < 0 || per <= 0 ? FIGURE_UNKNOWN : amount * factor / per;
}

/* QEMU before 8.1 counts what multifd compresses by its size before that; 8.1 leaves out the packets'
 * headers and counts the last packet again with each SYNC. */
static bool counts_the_wire(const struct qmp_version *version, const struct tuned *tuned)
{
	return version->major > 8 || (version->major == 8 && version->minor >= 2) ||
	       strcmp(tuned->method, "none") == 0;
}

void figures_fill(struct figures *figures, const struct migration_status *status,
		  const struct tuned *tuned, const struct qmp_version *version,
		  const struct cpu_use *cpu)
{
	double normal = figure_told(status->normal_pages),
	       zero = figure_told(status->zero_pages);
	double pages = normal < 0 || zero < 0 ? FIGURE_UNKNOWN : normal + zero;
	/* Our own counts right, whatever version it speaks as. */
	bool wire_known = status->has_convergence || counts_the_wire(version, tuned);
	double wire =
		wire_known ? figure_told(status->transferred_bytes) : FIGURE_UNKNOWN;
	double total_ms = figure_told(status->total_ms);

	*figures = (struct figures){
		.tuned = *tuned,
		.total_ms = total_ms,
		.downtime_ms = figure_told(status->downtime_ms),
		.setup_ms = figure_told(status->setup_ms),
		.throughput_mbps = figure_over(wire, 8 / 1e3, total_ms),
		.pages_per_second = figure_over(pages, 1e3, total_ms),
		.send_cpu_s = cpu->send_s,
		.recv_cpu_s = cpu->recv_s,
		.send_cpu_percent = figure_over(cpu->send_s, 100, cpu->span_s),
		.recv_cpu_percent = figure_over(cpu->recv_s, 100, cpu->span_s),
		.wire_bytes = wire,
		.ram_bytes = figure_told(status->total_bytes),
		.zero_pages = zero,
		.normal_pages = normal,
		.rounds = figure_told(status->syncs),
		.ratio = status->page_bytes < 0
				 ? FIGURE_UNKNOWN
				 : figure_over(normal, (double)status->page_bytes, wire),
	};
	snprintf(figures->status, sizeof(figures->status), "%s", status->state);
	snprintf(figures->engine, sizeof(figures->engine), "%s", status->engine);
}

static json_t *real(double value)
{
	return value < 0 ? json_null() : json_real(value);
}

static json_t *whole(double value)
{
	return value < 0 ? json_null() : json_integer((json_int_t)value);
}

json_t *figures_json(const struct figures *figures)
{
	json_t *engine = figures->engine[0] ? json_string(figures->engine) : json_null();

	/* The proof is the two sides' own affair. */
	return json_pack(
		"{ss so si sI so so so so so so so so so so so so so so so so ss}",
		"method", figures->tuned.method, "engine", engine, "level",
		(int)figures->tuned.level, "channels",
		(json_int_t)figures->tuned.channels, "total_ms", real(figures->total_ms),
		"downtime_ms", real(figures->downtime_ms), "setup_ms",
		real(figures->setup_ms), "throughput_mbps",
		real(figures->throughput_mbps), "pages_per_second",
		real(figures->pages_per_second), "send_cpu_percent",
		real(figures->send_cpu_percent), "recv_cpu_percent",
		real(figures->recv_cpu_percent), "send_cpu_seconds",
		real(figures->send_cpu_s), "recv_cpu_seconds", real(figures->recv_cpu_s),
		"wire_bytes", whole(figures->wire_bytes), "ram_bytes",
		whole(figures->ram_bytes), "zero_pages", whole(figures->zero_pages),
		"normal_pages", whole(figures->normal_pages), "rounds",
		whole(figures->rounds), "ratio", real(figures->ratio), "verified",
		json_null(), "status", figures->status);
}
