/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* meter.h - what one side of a relay does and uses, while it runs and in all.
 *
 * Owned by the job's thread. */
#ifndef SENDRECV_METER_H
#define SENDRECV_METER_H

#include "drive/qmp_peer.h"
#include "relay/relay.h"
#include "sendrecv/transfer.h"

struct meter {
	struct qmp_peer *peer; /* NULL: QEMU's CPU is not known */
	struct peer_vcpus vcpus;
	double qemu_cpu_s, godwit_cpu_s; /* when it began */
	uint64_t begun_ns;
	/* As of the look before. */
	uint64_t looked_ns;
	double wire_bytes, guest_bytes;
	struct relay_figures last; /* good when the relay is gone as well */
};

void meter_begin(struct meter *meter, struct qmp_peer *peer);

/* `relay` may be NULL: then as of before. */
void meter_look(struct meter *meter, const struct relay *relay,
		struct transfer_progress *progress);

/* What this side has used since the beginning. */
void meter_side(const struct meter *meter, struct transfer_side *side);
double meter_span_s(const struct meter *meter);

#endif
