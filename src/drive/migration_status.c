/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* migration_status.c - what an answer to query-migrate says. */
#include "drive/migration_status.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"

#define MIB 0x1p20

static int64_t number(const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);

	if (!json_is_integer(value) || json_integer_value(value) < 0)
		return STATUS_UNKNOWN;
	return json_integer_value(value);
}

static void text(char *out, unsigned room, const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);

	printable(out, room, json_is_string(value) ? json_string_value(value) : "",
		  (unsigned)json_string_length(value));
}

static double bandwidth(const json_t *ram)
{
	const json_t *value = json_object_get(ram, "mbps");

	return json_is_number(value) ? json_number_value(value) : -1;
}

static uint64_t amount(const json_t *object, const char *key)
{
	int64_t value = number(object, key);

	return value < 0 ? 0 : (uint64_t)value;
}

static void parse_own(struct migration_status *status, const json_t *own)
{
	const json_t *seen = json_object_get(own, "convergence");
	char verdict[16];

	text(status->guest, sizeof(status->guest), own, "guest");
	text(status->engine, sizeof(status->engine), json_object_get(own, "engine"),
	     "name");
	if (!json_is_object(seen))
		return;
	text(verdict, sizeof(verdict), seen, "verdict");
	status->has_convergence = true;
	status->convergence.verdict = strcmp(verdict, "no") == 0    ? CONVERGENCE_NO
				      : strcmp(verdict, "yes") == 0 ? CONVERGENCE_YES
								    : CONVERGENCE_UNKNOWN;
	status->convergence.dirty_bytes_per_s = amount(seen, "dirty-bytes-per-second");
	status->convergence.bytes_per_s = amount(seen, "bytes-per-second");
	status->convergence.remaining_bytes = amount(seen, "remaining-bytes");
	status->convergence.downtime_would_do_ms = amount(seen, "downtime-would-do");
}

void migration_status_parse(struct migration_status *status, const json_t *answer)
{
	const json_t *ram = json_object_get(answer, "ram");

	*status = (struct migration_status){
		.total_ms = number(answer, "total-time"),
		.setup_ms = number(answer, "setup-time"),
		.downtime_ms = number(answer, "downtime"),
		.expected_downtime_ms = number(answer, "expected-downtime"),
		.throttle_percent = number(answer, "cpu-throttle-percentage"),
		.transferred_bytes = number(ram, "transferred"),
		.remaining_bytes = number(ram, "remaining"),
		.total_bytes = number(ram, "total"),
		.zero_pages = number(ram, "duplicate"),
		.normal_pages = number(ram, "normal"),
		.page_bytes = number(ram, "page-size"),
		.dirty_pages_per_s = number(ram, "dirty-pages-rate"),
		.pages_per_second = number(ram, "pages-per-second"),
		.syncs = number(ram, "dirty-sync-count"),
		.mbps = bandwidth(ram),
	};
	text(status->state, sizeof(status->state), answer, "status");
	if (!status->state[0])
		snprintf(status->state, sizeof(status->state), "none");
	text(status->error, sizeof(status->error), answer, "error-desc");
	parse_own(status, json_object_get(answer, "x-godwit"));
}

bool migration_status_is(const struct migration_status *status, const char *state)
{
	return strcmp(status->state, state) == 0;
}

bool migration_status_ended(const struct migration_status *status)
{
	return migration_status_is(status, "completed") ||
	       migration_status_is(status, "failed") ||
	       migration_status_is(status, "cancelled") ||
	       migration_status_is(status, "none");
}

double migration_status_percent(const struct migration_status *status)
{
	double total = (double)status->total_bytes;
	double left = (double)status->remaining_bytes;

	if (migration_status_is(status, "completed"))
		return 100;
	if (total <= 0 || left < 0)
		return -1;
	return left < total ? 100 * (total - left) / total : 0;
}

static double dirty_bytes_per_s(const struct migration_status *status)
{
	if (status->dirty_pages_per_s < 0 || status->page_bytes < 0)
		return -1;
	return (double)status->dirty_pages_per_s * (double)status->page_bytes;
}

double migration_status_eta_s(const struct migration_status *status)
{
	double dirty = dirty_bytes_per_s(status);
	double net = status->mbps * 1e6 / 8 - (dirty > 0 ? dirty : 0);

	if (status->remaining_bytes < 0 || status->mbps <= 0 || net <= 0)
		return -1;
	return (double)status->remaining_bytes / net;
}

const char *migration_status_line(const struct migration_status *status,
				  const char *method, char *line, unsigned room)
{
	char percent[24] = "  -", rate[32] = "-", dirty[32] = "-", eta[32] = "-";
	char throttle[48] = "", round[24] = "-";

	if (migration_status_percent(status) >= 0)
		snprintf(percent, sizeof(percent), "%3.0f",
			 migration_status_percent(status));
	if (status->mbps >= 0)
		snprintf(rate, sizeof(rate), "%.1f", status->mbps * 1e6 / 8 / MIB);
	if (dirty_bytes_per_s(status) >= 0)
		snprintf(dirty, sizeof(dirty), "%.1f", dirty_bytes_per_s(status) / MIB);
	if (migration_status_eta_s(status) >= 0)
		snprintf(eta, sizeof(eta), "%.1f s", migration_status_eta_s(status));
	if (status->syncs >= 0)
		snprintf(round, sizeof(round), "%" PRId64, status->syncs);
	if (status->throttle_percent > 0)
		snprintf(throttle, sizeof(throttle), "  throttle %" PRId64 " %%",
			 status->throttle_percent);
	snprintf(line, room,
		 "%-5s %-9s round %-3s %s %%  %s MiB/s  dirty %s MiB/s%s  ETA %s", method,
		 status->state, round, percent, rate, dirty, throttle, eta);
	return line;
}
