/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* transfer.c - what `send` and `recv` tell of a migration, for people and for programs. */
#include "sendrecv/transfer.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "drive/figures.h"

#define MIB 0x1p20
#define CODEC_LEVEL_MAX 99
/* More is nonsense, and no integer. */
#define FIGURE_MAX 0x1p62

void transfer_report_init(struct transfer_report *report)
{
	static const struct transfer_side side = {
		.qemu_cpu_s = FIGURE_UNKNOWN,
		.godwit_cpu_s = FIGURE_UNKNOWN,
		.memory_bytes = FIGURE_UNKNOWN,
	};

	*report = (struct transfer_report){
		.end = TRANSFER_UNKNOWN,
		.figures = {
			.total_ms = FIGURE_UNKNOWN,
			.downtime_ms = FIGURE_UNKNOWN,
			.setup_ms = FIGURE_UNKNOWN,
			.expected_downtime_ms = FIGURE_UNKNOWN,
			.blackout_ms = FIGURE_UNKNOWN,
			.throughput_mbps = FIGURE_UNKNOWN,
			.pages_per_second = FIGURE_UNKNOWN,
			.wire_bytes = FIGURE_UNKNOWN,
			.guest_bytes = FIGURE_UNKNOWN,
			.ram_bytes = FIGURE_UNKNOWN,
			.zero_pages = FIGURE_UNKNOWN,
			.normal_pages = FIGURE_UNKNOWN,
			.rounds = FIGURE_UNKNOWN,
			.ratio = FIGURE_UNKNOWN,
			.most_in_flight_bytes = FIGURE_UNKNOWN,
			.span_s = FIGURE_UNKNOWN,
			.send = side,
			.recv = side,
		},
	};
}

void transfer_report_deinit(struct transfer_report *report)
{
	json_decref(report->last);
	report->last = NULL;
}

void transfer_say(const struct transfer_options *options, const char *format,
		  va_list args)
{
	char text[512];

	vsnprintf(text, sizeof(text), format, args);
	options->observer->say(options->observer->state, text);
}

/* ---- for programs ---- */

static bool put_text(json_t *object, const char *key, const char *text)
{
	return json_object_set_new(object, key,
				   text[0] ? json_string(text) : json_null()) == 0;
}

static bool put_real(json_t *object, const char *key, double value)
{
	return json_object_set_new(object, key,
				   value < 0 ? json_null() : json_real(value)) == 0;
}

static bool put_whole(json_t *object, const char *key, double value)
{
	return json_object_set_new(object, key,
				   value < 0 ? json_null()
					     : json_integer((json_int_t)value)) == 0;
}

/* Of QEMU and godwit together. */
static double both_s(const struct transfer_side *side)
{
	return side->qemu_cpu_s < 0 || side->godwit_cpu_s < 0
		       ? FIGURE_UNKNOWN
		       : side->qemu_cpu_s + side->godwit_cpu_s;
}

static double percent(double cpu_s, double span_s)
{
	return cpu_s < 0 || span_s <= 0 ? FIGURE_UNKNOWN : 100 * cpu_s / span_s;
}

static bool put_setup(json_t *json, const struct transfer_figures *figures)
{
	return put_text(json, "method", figures->method) &&
	       put_text(json, "engine", figures->send.engine) &&
	       put_text(json, "engine_there", figures->recv.engine) &&
	       put_whole(json, "level", figures->level) &&
	       put_whole(json, "channels", figures->channels) &&
	       put_whole(json, "qemu_channels", figures->qemu_channels) &&
	       json_object_set_new(json, "verified", json_null()) == 0 &&
	       put_text(json, "status", figures->status);
}

static bool put_course(json_t *json, const struct transfer_figures *figures)
{
	return put_real(json, "total_ms", figures->total_ms) &&
	       put_real(json, "downtime_ms", figures->downtime_ms) &&
	       put_real(json, "setup_ms", figures->setup_ms) &&
	       put_real(json, "expected_downtime_ms", figures->expected_downtime_ms) &&
	       put_real(json, "blackout_ms", figures->blackout_ms) &&
	       put_real(json, "throughput_mbps", figures->throughput_mbps) &&
	       put_real(json, "pages_per_second", figures->pages_per_second) &&
	       put_whole(json, "wire_bytes", figures->wire_bytes) &&
	       put_whole(json, "guest_bytes", figures->guest_bytes) &&
	       put_whole(json, "ram_bytes", figures->ram_bytes) &&
	       put_whole(json, "zero_pages", figures->zero_pages) &&
	       put_whole(json, "normal_pages", figures->normal_pages) &&
	       put_whole(json, "rounds", figures->rounds) &&
	       put_real(json, "ratio", figures->ratio) &&
	       put_whole(json, "most_in_flight_bytes", figures->most_in_flight_bytes);
}

static bool put_sides(json_t *json, const struct transfer_figures *figures)
{
	const struct transfer_side *send = &figures->send, *recv = &figures->recv;

	return put_real(json, "send_cpu_percent",
			percent(both_s(send), figures->span_s)) &&
	       put_real(json, "recv_cpu_percent",
			percent(both_s(recv), figures->span_s)) &&
	       put_real(json, "send_cpu_seconds", both_s(send)) &&
	       put_real(json, "recv_cpu_seconds", both_s(recv)) &&
	       put_real(json, "send_qemu_cpu_seconds", send->qemu_cpu_s) &&
	       put_real(json, "send_godwit_cpu_seconds", send->godwit_cpu_s) &&
	       put_real(json, "recv_qemu_cpu_seconds", recv->qemu_cpu_s) &&
	       put_real(json, "recv_godwit_cpu_seconds", recv->godwit_cpu_s) &&
	       put_whole(json, "send_memory_bytes", send->memory_bytes) &&
	       put_whole(json, "recv_memory_bytes", recv->memory_bytes);
}

json_t *transfer_figures_json(const struct transfer_figures *figures)
{
	json_t *json = json_object();

	if (put_setup(json, figures) && put_course(json, figures) &&
	    put_sides(json, figures))
		return json;
	json_decref(json);
	return NULL;
}

/* ---- for the other side ---- */

json_t *transfer_side_json(const struct transfer_side *side)
{
	return json_pack("{ss sf sf sf}", "engine", side->engine, "qemu-cpu-seconds",
			 side->qemu_cpu_s, "godwit-cpu-seconds", side->godwit_cpu_s,
			 "memory-bytes", side->memory_bytes);
}

static double number(const json_t *json, const char *name)
{
	const json_t *value = json_object_get(json, name);

	double told = json_is_number(value) ? json_number_value(value) : FIGURE_UNKNOWN;

	return told >= 0 && told <= FIGURE_MAX ? told : FIGURE_UNKNOWN;
}

void transfer_side_parse(struct transfer_side *side, const json_t *json)
{
	const json_t *engine = json_object_get(json, "engine");

	*side = (struct transfer_side){
		.qemu_cpu_s = number(json, "qemu-cpu-seconds"),
		.godwit_cpu_s = number(json, "godwit-cpu-seconds"),
		.memory_bytes = number(json, "memory-bytes"),
	};
	if (json_is_string(engine))
		printable(side->engine, sizeof(side->engine), json_string_value(engine),
			  (unsigned)json_string_length(engine));
}

void transfer_figures_parse(struct transfer_figures *figures, const json_t *json)
{
	const json_t *level = json_object_get(json, "level");

	if (json_is_integer(level) && json_integer_value(level) >= 0 &&
	    json_integer_value(level) <= CODEC_LEVEL_MAX)
		figures->level = (int)json_integer_value(level);
	figures->total_ms = number(json, "total_ms");
	figures->downtime_ms = number(json, "downtime_ms");
	figures->setup_ms = number(json, "setup_ms");
	figures->expected_downtime_ms = number(json, "expected_downtime_ms");
	figures->blackout_ms = number(json, "blackout_ms");
	figures->throughput_mbps = number(json, "throughput_mbps");
	figures->pages_per_second = number(json, "pages_per_second");
	figures->ram_bytes = number(json, "ram_bytes");
	figures->zero_pages = number(json, "zero_pages");
	figures->normal_pages = number(json, "normal_pages");
	figures->rounds = number(json, "rounds");
	figures->most_in_flight_bytes = number(json, "most_in_flight_bytes");
}

int transfer_fail_told(struct gw_error *err, const char *side, const json_t *word)
{
	const json_t *why = json_object_get(word, "why");
	char text[sizeof(err->text)] = "the other godwit gave up";

	if (json_is_string(why))
		printable(text, sizeof(text), json_string_value(why),
			  (unsigned)json_string_length(why));
	fail(err, GW_PEER, "%s", text);
	/* It may have named itself. */
	if (strncmp(text, side, strlen(side)) == 0)
		return -1;
	return fail_in(err, "%s", side);
}

/* ---- for people ---- */

static const char *rate(char *out, size_t room, double bytes_per_s)
{
	if (bytes_per_s < 0)
		return "-";
	snprintf(out, room, "%.1f", bytes_per_s / MIB);
	return out;
}

static double dirty_bytes_per_s(const struct migration_status *status)
{
	if (status->dirty_pages_per_s < 0 || status->page_bytes < 0)
		return -1;
	return (double)status->dirty_pages_per_s * (double)status->page_bytes;
}

/* "zstd (qatzip)  active  round 3   43 %", as far as it is known. */
static void write_course(const struct transfer_progress *progress, char *out, size_t room)
{
	const struct migration_status *status = &progress->status;
	char who[64] = "", state[48] = "", round[32] = "", done[24] = "";

	if (progress->engine[0])
		snprintf(who, sizeof(who), " (%s)", progress->engine);
	if (!migration_status_is(status, "none"))
		snprintf(state, sizeof(state), "  %s", status->state);
	if (status->syncs >= 0)
		snprintf(round, sizeof(round), "  round %-3" PRId64, status->syncs);
	if (migration_status_percent(status) >= 0)
		snprintf(done, sizeof(done), " %3.0f %%",
			 migration_status_percent(status));
	snprintf(out, room, "%s%s%s%s%s", progress->method, who, state, round, done);
}

/* "  dirty 12.0 MiB/s  throttle 20 %  ETA 3.4 s", likewise. */
static void write_outlook(const struct migration_status *status, char *out, size_t room)
{
	char dirty[48] = "", throttle[48] = "", eta[32] = "", shown[32];

	if (dirty_bytes_per_s(status) >= 0)
		snprintf(dirty, sizeof(dirty), "  dirty %s MiB/s",
			 rate(shown, sizeof(shown), dirty_bytes_per_s(status)));
	if (status->throttle_percent > 0)
		snprintf(throttle, sizeof(throttle), "  throttle %" PRId64 " %%",
			 status->throttle_percent);
	if (migration_status_eta_s(status) >= 0)
		snprintf(eta, sizeof(eta), "  ETA %.1f s",
			 migration_status_eta_s(status));
	snprintf(out, room, "%s%s%s", dirty, throttle, eta);
}

const char *transfer_progress_line(const struct transfer_progress *progress, char *line,
				   unsigned room)
{
	double guest = progress->guest_bytes_per_s, wire = progress->wire_bytes_per_s;
	char course[160], outlook[128], a[32], b[32], ratio[32] = "";

	write_course(progress, course, sizeof(course));
	write_outlook(&progress->status, outlook, sizeof(outlook));
	if (guest > 0 && wire > 0)
		snprintf(ratio, sizeof(ratio), " (%.1fx)", guest / wire);
	snprintf(line, room, "%s  guest %s MiB/s  wire %s MiB/s%s%s", course,
		 rate(a, sizeof(a), guest), rate(b, sizeof(b), wire), ratio, outlook);
	return line;
}
