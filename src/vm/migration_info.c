/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* migration_info.c - what query-migrate answers.
 *
 * Which keys there are in which state: recorded from QEMU 7.2. */
#include "vm/migration_info.h"

#include <string.h>

#include "base/clock.h"
#include "base/pages.h"
#include "channel/address.h"

static json_t *ms_json(uint64_t ns)
{
	return json_real((double)(ns / 1000) / 1e3);
}

static void put_ms(json_t *json, const char *key, uint64_t ns)
{
	json_object_set_new(json, key, ms_json(ns));
}

static void put_integer(json_t *json, const char *key, uint64_t value)
{
	json_object_set_new(json, key, json_integer((json_int_t)value));
}

static void put_text(json_t *json, const char *key, const char *text)
{
	json_t *value = json_string(text);
	char shown[4 * sizeof(((struct gw_error *)0)->text)];

	/* A text that was cut, or that quotes a stranger, may be no UTF-8. */
	if (!value)
		value = json_string(
			printable(shown, sizeof(shown), text, (unsigned)strlen(text)));
	json_object_set_new(json, key, value);
}

static double mbps(const struct migration_info *info)
{
	const struct sender_progress *progress = &info->progress;
	uint64_t total_ns = info->report.total_ns;

	if (info->state != MIGRATION_COMPLETED || !info->ended)
		return (double)progress->wire_bytes_per_s * 8 / 1e6;
	return total_ns > 0 ? (double)progress->wire_bytes * 8e3 / (double)total_ns : 0;
}

static uint64_t expected_downtime_ms(const struct migration_info *info)
{
	uint64_t expected_ns = info->progress.expected_downtime_ns;

	return expected_ns == UINT64_MAX ? info->downtime_limit_ms
					 : expected_ns / NS_PER_MS;
}

static json_t *ram_json(const struct migration_info *info)
{
	const struct sender_progress *progress = &info->progress;
	json_t *ram = json_object();

	put_integer(ram, "transferred", progress->wire_bytes);
	put_integer(ram, "remaining", progress->remaining_pages * PAGE_BYTES);
	put_integer(ram, "total", progress->total_pages * PAGE_BYTES);
	put_integer(ram, "duplicate", progress->zero_pages);
	put_integer(ram, "skipped", 0);
	put_integer(ram, "normal", progress->normal_pages);
	put_integer(ram, "normal-bytes", progress->normal_pages * PAGE_BYTES);
	put_integer(ram, "dirty-pages-rate", progress->dirty_pages_per_s);
	json_object_set_new(ram, "mbps", json_real(mbps(info)));
	put_integer(ram, "dirty-sync-count", progress->dirty_syncs);
	put_integer(ram, "postcopy-requests", 0);
	put_integer(ram, "page-size", PAGE_BYTES);
	put_integer(ram, "multifd-bytes", progress->wire_bytes - progress->main_bytes);
	put_integer(ram, "pages-per-second", progress->pages_per_s);
	put_integer(ram, "precopy-bytes", progress->main_bytes);
	put_integer(ram, "downtime-bytes", 0);
	put_integer(ram, "postcopy-bytes", 0);
	put_integer(ram, "dirty-sync-missed-zero-copy", 0);
	return ram;
}

static json_t *convergence_json(const struct convergence *convergence)
{
	static const char *const verdicts[] = {
		[CONVERGENCE_UNKNOWN] = "unknown",
		[CONVERGENCE_YES] = "yes",
		[CONVERGENCE_NO] = "no",
	};
	json_t *json = json_object();

	put_text(json, "verdict", verdicts[convergence->verdict]);
	put_integer(json, "dirty-bytes-per-second", convergence->dirty_bytes_per_s);
	put_integer(json, "bytes-per-second", convergence->bytes_per_s);
	put_integer(json, "remaining-bytes", convergence->remaining_bytes);
	put_integer(json, "downtime-would-do", convergence->downtime_would_do_ms);
	return json;
}

static json_t *phases_json(const struct phases *phases)
{
	json_t *json = json_object();

	put_ms(json, "scan", phases->scan_ns);
	put_ms(json, "zero", phases->zero_ns);
	put_ms(json, "engine", phases->engine_ns);
	put_ms(json, "send", phases->send_ns);
	put_ms(json, "wait", phases->wait_ns);
	return json;
}

static json_t *engine_json(const char *name, const struct engine_counters *counters)
{
	json_t *json = json_object();

	put_text(json, "name", name);
	put_integer(json, "units", counters->units);
	put_integer(json, "device-units", counters->device_units);
	put_integer(json, "fallback-units", counters->fallback_units);
	put_integer(json, "retries", counters->retries);
	put_integer(json, "device-failures", counters->device_failures);
	put_integer(json, "raw-pages", counters->raw_pages);
	put_integer(json, "bytes-in", counters->bytes_in);
	put_integer(json, "bytes-out", counters->bytes_out);
	return json;
}

static json_t *downtime_split_json(const struct downtime_split *split)
{
	json_t *json = json_object();

	put_ms(json, "stop", split->stop_ns);
	put_ms(json, "last-sync", split->last_sync_ns);
	put_ms(json, "last-pages", split->last_pages_ns);
	put_ms(json, "state", split->state_ns);
	put_ms(json, "resume", split->resume_ns);
	return json;
}

static const char *guest_name(enum guest_whereabouts guest)
{
	static const char *const names[] = {
		[GUEST_AT_SOURCE] = "source",
		[GUEST_AT_DESTINATION] = "destination",
		[GUEST_UNKNOWN] = "unknown",
	};

	return names[guest];
}

static void put_engine(json_t *json, const char *name,
		       const struct engine_counters *counters)
{
	if (name)
		json_object_set_new(json, "engine", engine_json(name, counters));
}

static json_t *source_json(const struct migration_info *info)
{
	const struct sender_progress *progress = &info->progress;
	const struct sender_report *report = &info->report;
	const struct counters *counters =
		info->ended ? &report->counters : &progress->counters;
	json_t *json = json_object();
	json_t *phases = phases_json(&counters->phases);

	put_integer(json, "round", progress->round);
	put_integer(json, "bytes-per-second", progress->bytes_per_s);
	json_object_set_new(json, "convergence",
			    convergence_json(info->ended ? &report->convergence
							 : &progress->convergence));
	json_object_set_new(json, "phases", phases);
	put_engine(json, info->ended ? report->engine : progress->engine,
		   &counters->engine);
	if (!info->ended)
		return json;
	put_ms(phases, "sync", report->sync_ns);
	put_text(json, "guest", guest_name(report->guest));
	put_integer(json, "cpu-throttle-most", report->throttle_percent_most);
	if (report->paused_at_ns != 0)
		json_object_set_new(json, "downtime-split",
				    downtime_split_json(&report->downtime_split));
	return json;
}

/* NULL when there is nothing. */
static json_t *own_json(const struct migration_info *info)
{
	json_t *json;

	if (!info->incoming)
		return info->state > MIGRATION_SETUP ? source_json(info) : NULL;
	if (!info->decoder)
		return NULL;
	json = json_object();
	put_engine(json, info->decoder, &info->decoded);
	return json;
}

static bool has_figures(const struct migration_info *info)
{
	return !info->incoming && info->state != MIGRATION_NONE &&
	       info->state != MIGRATION_SETUP && info->state != MIGRATION_FAILED &&
	       info->state != MIGRATION_CANCELLED;
}

static void put_figures(json_t *json, const struct migration_info *info)
{
	const struct sender_progress *progress = &info->progress;
	const struct sender_report *report = &info->report;

	put_integer(json, "total-time",
		    (info->ended ? report->total_ns : progress->elapsed_ns) / NS_PER_MS);
	put_integer(json, "setup-time",
		    (info->ended ? report->setup_ns : progress->setup_ns) / NS_PER_MS);
	if (info->state == MIGRATION_COMPLETED)
		put_integer(json, "downtime", report->downtime_ns / NS_PER_MS);
	else
		put_integer(json, "expected-downtime", expected_downtime_ms(info));
	json_object_set_new(json, "ram", ram_json(info));
	if (!info->ended && progress->throttle_percent > 0)
		put_integer(json, "cpu-throttle-percentage", progress->throttle_percent);
}

/* NULL for what listens on no socket. */
static json_t *socket_json(const char *uri)
{
	struct address address;
	struct gw_error err;
	json_t *json;

	if (address_parse(&address, uri, &err) < 0 ||
	    (address.kind != ADDRESS_TCP && address.kind != ADDRESS_UNIX))
		return NULL;
	json = json_object();
	if (address.kind == ADDRESS_UNIX) {
		put_text(json, "type", "unix");
		put_text(json, "path", address.path);
		return json;
	}
	put_text(json, "type", "inet");
	put_text(json, "host", address.host);
	put_text(json, "port", address.port);
	json_object_set_new(json, strchr(address.host, ':') ? "ipv6" : "ipv4",
			    json_true());
	return json;
}

/* A destination that waits for somebody to connect has none, as in QEMU 7.2. */
static bool has_status(const struct migration_info *info)
{
	return info->state != MIGRATION_NONE &&
	       (!info->incoming || info->state != MIGRATION_SETUP);
}

json_t *migration_info_json(const struct migration_info *info)
{
	json_t *json = json_object(), *socket, *own;

	if (has_status(info))
		put_text(json, "status", migration_state_name(info->state));
	if (info->has_error)
		put_text(json, "error-desc", info->error.text);
	socket = info->listening[0] ? socket_json(info->listening) : NULL;
	if (socket)
		json_object_set_new(json, "socket-address", json_pack("[o]", socket));
	if (has_figures(info))
		put_figures(json, info);
	own = own_json(info);
	if (own)
		json_object_set_new(json, "x-godwit", own);
	return json;
}
