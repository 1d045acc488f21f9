/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* timed_runs.c - one pass of one engine over a workload, by the clock. */
#include "bench/timed_runs.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/pages.h"

/* What pages hold before they are decoded. */
#define UNTOUCHED 0xa5

/* `measurement` is NULL to warm up. */
static int timed_job(const struct engine *engine, void *state, struct job *job,
		     struct run *run, struct measurement *measurement,
		     struct gw_error *err)
{
	uint64_t wall = clock_now_ns(), cpu = clock_read_ns(CLOCK_THREAD_CPUTIME_ID);
	int failed = engine_run(engine, state, job, err);

	cpu = clock_read_ns(CLOCK_THREAD_CPUTIME_ID) - cpu;
	wall = clock_now_ns() - wall;
	run->cpu_s += (double)cpu / (double)NS_PER_S;
	run->wall_s += (double)wall / (double)NS_PER_S;
	if (measurement) {
		measurement->cpu_us[measurement->packet_count] =
			(double)cpu / (double)NS_PER_US;
		measurement->wall_us[measurement->packet_count] =
			(double)wall / (double)NS_PER_US;
		measurement->packet_count++;
	}
	return failed;
}

static int keep(struct payloads *payloads, const struct job *job, uint32_t packet,
		struct gw_error *err)
{
	for (uint32_t i = 0; i < job->piece_count; i++) {
		const struct span *piece = &job->pieces[i];

		if (piece->length > payloads->room - payloads->length) {
			size_t room = 2 * payloads->room + CODEC_PAYLOAD_MAX;
			uint8_t *bytes = realloc(payloads->bytes, room);

			if (!bytes)
				return fail_sys(err, ENOMEM, "%zu bytes of payloads",
						room);
			payloads->bytes = bytes;
			payloads->room = room;
		}
		memcpy(payloads->bytes + payloads->length, piece->bytes, piece->length);
		payloads->length += piece->length;
	}
	payloads->ends[packet] = payloads->length;
	return 0;
}

static int encode_packets(const struct engine *engine, void *state,
			  const struct workload *workload, struct payloads *payloads,
			  struct measurement *measurement, struct run *run,
			  struct gw_error *err)
{
	for (uint32_t i = 0; i < workload->packet_count; i++) {
		const struct workload_packet *packet = &workload->packets[i];
		struct job job = {
			.slot = i % JOB_SLOTS,
			.source = &workload->runs[packet->first_run],
			.source_count = packet->run_count,
		};

		if (timed_job(engine, state, &job, run, measurement, err) < 0)
			return fail_in(err, "packet %u", i);
		run->payload_bytes += job.produced_bytes;
		if (payloads && keep(payloads, &job, i, err) < 0)
			return -1;
	}
	return 0;
}

static int check_packet(const struct workload *workload,
			const struct workload_packet *packet, const struct job *job,
			struct gw_error *err)
{
	if (job->produced_bytes != packet->page_count * PAGE_BYTES)
		return fail(err, GW_SYSTEM, "%zu bytes came out of %u pages",
			    job->produced_bytes, packet->page_count);
	for (uint32_t i = 0; i < packet->run_count; i++) {
		const struct span *run = &workload->runs[packet->first_run + i];

		if (memcmp(run->bytes, job->destination[i].bytes, run->length) != 0)
			return fail(err, GW_SYSTEM,
				    "a page came out different from what went in");
	}
	return 0;
}

static int decode_packets(const struct engine *engine, void *state,
			  const struct workload *workload,
			  const struct payloads *payloads,
			  struct measurement *measurement, struct run *run,
			  struct gw_error *err)
{
	uint8_t *incoming = engine->payload_room(state);

	if (!incoming)
		return fail_sys(err, ENOMEM, "a payload");
	for (uint32_t i = 0; i < workload->packet_count; i++) {
		const struct workload_packet *packet = &workload->packets[i];
		size_t start = i > 0 ? payloads->ends[i - 1] : 0;
		struct span payload = { incoming, payloads->ends[i] - start };
		struct job job = {
			.slot = i % JOB_SLOTS,
			.source = &payload,
			.source_count = 1,
			.destination = &workload->rooms[packet->first_run],
			.destination_count = packet->run_count,
		};

		/* A channel reads it to there, untimed as a channel's reading is. */
		memcpy(incoming, payloads->bytes + start, payload.length);
		if (timed_job(engine, state, &job, run, measurement, err) < 0 ||
		    check_packet(workload, packet, &job, err) < 0)
			return fail_in(err, "packet %u", i);
		run->payload_bytes += payload.length;
	}
	return 0;
}

static void *open_state(const struct engine *engine, enum direction direction, int level,
			struct engine_counters *counters, struct gw_error *err)
{
	struct engine_options options = {
		.direction = direction,
		.level = level,
		.counters = counters,
	};

	return engine->open(engine, &options, err);
}

/* Engines count from what they are given. */
static struct engine_counters *counters_of(struct measurement *measurement)
{
	return measurement ? &measurement->counters : NULL;
}

int timed_encode(const struct engine *engine, int level, const struct workload *workload,
		 struct payloads *payloads, struct measurement *measurement,
		 struct gw_error *err)
{
	struct run run = { 0 };
	void *state = open_state(engine, ENCODE, level, counters_of(measurement), err);
	int failed;

	if (!state)
		return -1;
	failed =
		encode_packets(engine, state, workload, payloads, measurement, &run, err);
	engine->close(state);
	if (failed == 0 && measurement)
		measurement->runs[measurement->run_count++] = run;
	return failed;
}

int timed_decode(const struct engine *engine, const struct workload *workload,
		 const struct payloads *payloads, struct measurement *measurement,
		 struct gw_error *err)
{
	struct run run = { 0 };
	void *state;
	int failed;

	/* What a decoder before wrote must not pass for this one's. */
	memset(workload->landing, UNTOUCHED, workload->image_bytes);
	state = open_state(engine, DECODE, 0, counters_of(measurement), err);
	if (!state)
		return -1;
	failed =
		decode_packets(engine, state, workload, payloads, measurement, &run, err);
	engine->close(state);
	if (failed == 0 && measurement)
		measurement->runs[measurement->run_count++] = run;
	return failed;
}
