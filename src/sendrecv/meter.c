/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* meter.c - what one side of a relay does and uses, while it runs and in all. */
#include "sendrecv/meter.h"

#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "drive/figures.h"

static double seconds_of(struct timeval time)
{
	return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

static double own_cpu_s(void)
{
	struct rusage usage;

	if (getrusage(RUSAGE_SELF, &usage) < 0)
		return -1;
	return seconds_of(usage.ru_utime) + seconds_of(usage.ru_stime);
}

void meter_begin(struct meter *meter, struct qmp_peer *peer)
{
	*meter = (struct meter){ .peer = peer, .qemu_cpu_s = -1, .last.engine = "" };
	if (peer) {
		qmp_peer_find_vcpus(peer, &meter->vcpus);
		meter->qemu_cpu_s = qmp_peer_cpu_s(peer, &meter->vcpus);
	}
	meter->godwit_cpu_s = own_cpu_s();
	meter->begun_ns = clock_now_ns();
	meter->looked_ns = meter->begun_ns;
}

double meter_span_s(const struct meter *meter)
{
	return (double)(clock_now_ns() - meter->begun_ns) / (double)NS_PER_S;
}

void meter_look(struct meter *meter, const struct relay *relay,
		struct transfer_progress *progress)
{
	uint64_t now_ns = clock_now_ns();
	double since_s = (double)(now_ns - meter->looked_ns) / (double)NS_PER_S;

	if (relay)
		relay_figures(relay, &meter->last);
	progress->engine = meter->last.engine;
	progress->seconds = meter_span_s(meter);
	progress->wire_bytes = (double)meter->last.wire_bytes;
	progress->guest_bytes = (double)meter->last.guest_bytes;
	progress->in_flight_bytes = (double)meter->last.in_flight;
	progress->wire_bytes_per_s = -1;
	progress->guest_bytes_per_s = -1;
	if (since_s > 0) {
		progress->wire_bytes_per_s =
			(progress->wire_bytes - meter->wire_bytes) / since_s;
		progress->guest_bytes_per_s =
			(progress->guest_bytes - meter->guest_bytes) / since_s;
	}
	meter->looked_ns = now_ns;
	meter->wire_bytes = progress->wire_bytes;
	meter->guest_bytes = progress->guest_bytes;
}

void meter_side(const struct meter *meter, struct transfer_side *side)
{
	double qemu_cpu_s = meter->peer ? qmp_peer_cpu_s(meter->peer, &meter->vcpus) : -1;

	*side = (struct transfer_side){
		.qemu_cpu_s = figure_used(meter->qemu_cpu_s, qemu_cpu_s),
		.godwit_cpu_s = figure_used(meter->godwit_cpu_s, own_cpu_s()),
		.memory_bytes = (double)meter->last.memory_bytes,
	};
	snprintf(side->engine, sizeof(side->engine), "%s", meter->last.engine);
}
