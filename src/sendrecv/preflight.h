/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* preflight.h - can this guest go from that QEMU to this one?  Asked before a byte of it moves.
 *
 * Pure: two sets of facts in, lines out.  Each mismatch is a line with both values and, where there
 * is one, the fix; what is merely worth knowing is a line as well. */
#ifndef SENDRECV_PREFLIGHT_H
#define SENDRECV_PREFLIGHT_H

#include "sendrecv/qemu_facts.h"

#define PREFLIGHT_LINES_MAX 96u

enum preflight_weight {
	PREFLIGHT_NOTE, /* "disks are not moved: drive0 (/srv/disk.img) ..." */
	PREFLIGHT_REFUSE, /* "machine: pc-q35-7.2 at the source, pc-q35-11.1 at the destination" */
};

struct preflight_line {
	enum preflight_weight weight;
	char text[400];
};

/* What is asked for beyond two QEMUs that fit. */
struct preflight_plan {
	uint32_t qemu_channels; /* of the source QEMU; 0: no multifd */
	bool postcopy;		/* --postcopy-after, or the capability is on */
	uint32_t format;	/* enum codec_id, for the network */
	uint32_t
		formats_there; /* that the other godwit decodes, as bits; ~0: not asked */
	bool one_sided;	       /* no godwit at the other end */
};

struct preflight {
	uint32_t count, refusals;
	struct preflight_line lines[PREFLIGHT_LINES_MAX];
	/* What the relay has to do, so that they understand each other. */
	bool flush_before_eos;	    /* main_scan.h */
	bool drop_switchover_start; /* likewise */
	bool expand_zero_pages;	    /* outlet.h: the destination is before 9.0 */
	/* Barrier mode that the source is expected to have: -1 not known, 0 per section, 1 per round;
	 * and that of the destination. */
	int source_per_round, destination_per_round;
};

/* Either side's facts may be unknown (`known` false): then what depends on them is not compared, and
 * one line says so.  Compared: target, machine type, RAM, vCPUs, UUID, capabilities that are on at the
 * source and not known at the destination, both states (the destination has to wait with -incoming
 * defer), versions (older destination with the same machine type is fine), formats, barrier modes
 * (per round to per section cannot be bridged: fix is the same versioned machine type on both sides),
 * post-copy with multifd before 10.1, VFIO. */
void preflight_compare(const struct qemu_facts *source,
		       const struct qemu_facts *destination,
		       const struct preflight_plan *plan, struct preflight *result);

#endif
