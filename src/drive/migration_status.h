/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* migration_status.h - what an answer to query-migrate says, whoever gave it.
 *
 * Pure: JSON in, a plain value out.  Answers are hostile: a member of the wrong type or sign
 * counts as not told.  QEMU 7.2 to 11.1 and our own vm differ in what they tell, not in names. */
#ifndef DRIVE_MIGRATION_STATUS_H
#define DRIVE_MIGRATION_STATUS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "migrate/convergence.h"

/* In place of what was not told. */
#define STATUS_UNKNOWN INT64_C(-1)

struct migration_status {
	char state[32]; /* QEMU's name, printable; "none" when idle */
	char error[256];
	int64_t total_ms, setup_ms, downtime_ms, expected_downtime_ms;
	int64_t throttle_percent;
	/* Of "ram". */
	int64_t transferred_bytes, remaining_bytes, total_bytes;
	int64_t zero_pages, normal_pages;
	int64_t page_bytes;
	int64_t dirty_pages_per_s, pages_per_second;
	int64_t syncs; /* dirty-sync-count: rounds begun */
	double mbps;   /* 10^6 bits a second; < 0: not told */
	/* Of "x-godwit". */
	bool has_convergence;
	struct convergence convergence;
	char guest[16];	 /* source, destination, unknown; "" when not told */
	char engine[32]; /* who computes the method; "" when not told */
};

void migration_status_parse(struct migration_status *status, const json_t *answer);

bool migration_status_is(const struct migration_status *status, const char *state);

/* completed, failed or cancelled; none as well: a migration that was begun is not forgotten. */
bool migration_status_ended(const struct migration_status *status);

/* Of all memory, what need not be sent as things stand: 0 to 100; < 0: not known. */
double migration_status_percent(const struct migration_status *status);

/* When all was sent at this rate while the guest goes on writing; < 0: not known, or never. */
double migration_status_eta_s(const struct migration_status *status);

/* "zstd  active  round 3   43 %  117.0 MiB/s  dirty 12.0 MiB/s  ETA 3.4 s"; returns `line`. */
const char *migration_status_line(const struct migration_status *status,
				  const char *method, char *line, unsigned room);

#endif
