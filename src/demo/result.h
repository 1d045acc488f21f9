/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* result.h - the figures of one migration, under the names that the field uses. */
#ifndef DEMO_RESULT_H
#define DEMO_RESULT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "demo/result_engine.h"

enum verdict {
	VERDICT_NONE, /* nobody could compare */
	VERDICT_YES,
	VERDICT_NO,
};

/* Where the downtime went. */
struct result_split {
	double stop_ms;
	double last_sync_ms;
	double last_pages_ms;
	double state_ms;
	double resume_ms; /* without the checksum pass */
};

/* Where the source's time went: the migration thread's harvests, the rest over all channels. */
struct result_phases {
	double sync_ms;
	double scan_ms;
	double zero_ms;
	double engine_ms;
	double send_ms;
	double wait_ms;
};

struct result {
	const char *guest; /* its kind */
	const char *method;
	struct result_engine sent;
	struct result_engine received; /* only where receiver_known */
	int level;
	uint32_t channels;
	const char *status; /* of the source, QEMU's name */
	double total_ms;
	double downtime_ms; /* from pause to resume; the checksum pass in between is not in it */
	double setup_ms;
	double verify_ms;  /* that pass */
	double send_cpu_s; /* of the process, its guest's threads left out */
	double recv_cpu_s;
	bool receiver_known; /* the destination was ours, and told its figures */
	uint64_t wire_bytes;
	uint64_t ram_bytes;
	uint64_t zero_pages;
	uint64_t normal_pages;
	uint32_t rounds;
	enum verdict verified;
	uint64_t heartbeat_at_pause; /* the guest's count when it stopped */
	uint64_t heartbeat_after;    /* some time after it ran on */
	double heartbeat_gap_ms; /* the longest that it felt; the checksum pass is in it */
	char tracker[16];
	struct result_split split;
	struct result_phases phases;
	uint32_t throttle_percent; /* the most that auto-converge had to */
	char error[256];	   /* empty when there was none */
};

/* The object of the design's --json; a new reference. */
json_t *result_json(const struct result *result);

double
result_throughput_mbps(const struct result *result); /* wire bits over total time */
double result_pages_per_second(const struct result *result);
double result_cpu_percent(const struct result *result, double cpu_s);
double
result_ratio(const struct result *result); /* page bytes with contents over wire bytes */

#endif
