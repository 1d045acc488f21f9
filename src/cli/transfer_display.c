/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* transfer_display.c - what `send` and `recv` show of a migration, on its way and at its end. */
#include "cli/transfer_display.h"

#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "cli/columns.h"
#include "cli/units.h"

#define STREAM_NS NS_PER_S
#define INDENT "        "

/* ---- meanwhile ---- */

static json_t *told(double value)
{
	return value < 0 ? json_null() : json_real(value);
}

static json_t *counted(int64_t value)
{
	return value < 0 ? json_null() : json_integer(value);
}

static json_t *named(const char *text)
{
	return text && text[0] ? json_string(text) : json_null();
}

static double product(double a, double b)
{
	return a < 0 || b < 0 ? -1 : a * b;
}

static double quotient(double a, double b)
{
	return a < 0 || b <= 0 ? -1 : a / b;
}

static json_t *progress_json(const struct transfer_progress *now)
{
	const struct migration_status *status = &now->status;
	double dirty =
		product((double)status->dirty_pages_per_s, (double)status->page_bytes);

	return json_pack("{ss so so so so so so so so so so so so so so so}", "kind",
			 "progress", "status", named(status->state), "method",
			 named(now->method), "engine", named(now->engine), "seconds",
			 told(now->seconds), "round", counted(status->syncs), "percent",
			 told(migration_status_percent(status)), "remaining_bytes",
			 counted(status->remaining_bytes), "guest_bytes",
			 counted((int64_t)now->guest_bytes), "wire_bytes",
			 counted((int64_t)now->wire_bytes), "guest_bytes_per_second",
			 told(now->guest_bytes_per_s), "wire_bytes_per_second",
			 told(now->wire_bytes_per_s), "dirty_bytes_per_second",
			 told(dirty), "eta_seconds", told(migration_status_eta_s(status)),
			 "in_flight_bytes", counted((int64_t)now->in_flight_bytes),
			 "query-migrate",
			 now->answer ? json_incref(now->answer) : json_null());
}

static bool is_worth_telling(struct transfer_display *display, const char *state)
{
	uint64_t now_ns = clock_now_ns();

	if (display->streamed && strcmp(display->streamed_state, state) == 0 &&
	    now_ns - display->streamed_ns < STREAM_NS)
		return false;
	display->streamed = true;
	display->streamed_ns = now_ns;
	snprintf(display->streamed_state, sizeof(display->streamed_state), "%s", state);
	return true;
}

static void on_look(void *state, const struct transfer_progress *progress)
{
	struct transfer_display *display = state;
	char line[256];

	if (is_worth_telling(display, progress->status.state))
		display_stream(&display->display, progress_json(progress));
	transfer_progress_line(progress, line, sizeof(line));
	display_line(&display->display, line, progress->status.state);
}

static void on_event(void *state, const json_t *event)
{
	display_event(&((struct transfer_display *)state)->display, event);
}

static void on_sentence(void *state, const char *sentence)
{
	display_sentence(&((struct transfer_display *)state)->display, sentence);
}

void transfer_display_init(struct transfer_display *display)
{
	display->streamed = false;
	display->observer = (struct transfer_observer){
		.state = display,
		.looked = on_look,
		.event = on_event,
		.say = on_sentence,
	};
}

/* ---- at the end ---- */

/* A number with its unit, or what stands for one that is not known. */
static const char *with_unit(char out[32], int decimals, double value, const char *unit)
{
	if (value < 0)
		snprintf(out, 32, "-");
	else
		snprintf(out, 32, "%.*f%s%s", decimals, value, unit[0] ? " " : "", unit);
	return out;
}

static const char *size(char out[16], double bytes)
{
	if (bytes < 0)
		return "-";
	return units_print_size(out, (uint64_t)bytes);
}

/* Of QEMU and godwit together, where both are known. */
static double cpu_percent(const struct transfer_side *side, double span_s)
{
	if (side->qemu_cpu_s < 0 || side->godwit_cpu_s < 0)
		return -1;
	return quotient(100 * (side->qemu_cpu_s + side->godwit_cpu_s), span_s);
}

static void print_migration(const struct transfer_figures *figures, bool done)
{
	const struct columns row = {
		.method = figures->method,
		.level = figures->level,
		.total_ms = figures->total_ms,
		.downtime_ms = figures->downtime_ms,
		.throughput_mbps = figures->throughput_mbps,
		.pages_per_second = figures->pages_per_second,
		.send_cpu_percent = cpu_percent(&figures->send, figures->span_s),
		.recv_cpu_percent = cpu_percent(&figures->recv, figures->span_s),
		.wire_bytes = figures->wire_bytes,
		.ratio = figures->ratio,
		/* Nobody compares what two QEMUs hold. */
		.verdict = done ? "-" : figures->status,
	};

	columns_print_heading(stdout);
	columns_print(stdout, &row);
}

static void print_side(const char *name, const struct transfer_side *side)
{
	char qemu[32], godwit[32], memory[16];

	printf("%-7s %-12s %9s %9s %10s\n", name, side->engine[0] ? side->engine : "-",
	       with_unit(qemu, 2, side->qemu_cpu_s, "s"),
	       with_unit(godwit, 2, side->godwit_cpu_s, "s"),
	       size(memory, side->memory_bytes));
}

static void print_sides(const struct transfer_figures *figures)
{
	printf("\n%-7s %-12s %9s %9s %10s\n%-7s %-12s %9s %9s %10s\n", "side", "engine",
	       "QEMU", "godwit", "godwit", "", "", "CPU", "CPU", "buffers");
	print_side("send", &figures->send);
	print_side("receive", &figures->recv);
}

static void print_course(const struct transfer_figures *figures)
{
	char rounds[32], flight[16], real[32], expected[32], blackout[32];

	printf("\n" INDENT "%s rounds over %" PRIu32 " channels, %" PRIu32
	       " of QEMU's; at most %s in flight\n",
	       with_unit(rounds, 0, figures->rounds, ""), figures->channels,
	       figures->qemu_channels, size(flight, figures->most_in_flight_bytes));
	printf(INDENT "downtime %s, expected %s; from pause to go %s\n",
	       with_unit(real, 1, figures->downtime_ms, "ms"),
	       with_unit(expected, 1, figures->expected_downtime_ms, "ms"),
	       with_unit(blackout, 1, figures->blackout_ms, "ms"));
}

void transfer_print_report(const struct transfer_report *report)
{
	bool done = report->end == TRANSFER_DONE;

	print_migration(&report->figures, done);
	print_sides(&report->figures);
	print_course(&report->figures);
	if (done)
		printf(INDENT "%s\n", report->where);
	fflush(stdout);
}

json_t *transfer_report_json(const struct transfer_report *report)
{
	json_t *json = transfer_figures_json(&report->figures);

	json_object_set_new(json, "where", json_string(report->where));
	if (report->error[0])
		json_object_set_new(json, "error", json_string(report->error));
	json_object_set_new(json, "query-migrate",
			    report->last ? json_incref(report->last) : json_null());
	return json_pack("[o]", json);
}
