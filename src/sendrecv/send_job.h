/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* send_job.h - the guest of a QEMU on this host, out through our channels. */
#ifndef SENDRECV_SEND_JOB_H
#define SENDRECV_SEND_JOB_H

#include "relay/guardian.h"
#include "sendrecv/transfer.h"

struct send_options {
	struct transfer_options common;
	const char *to;
	bool to_qemu;	    /* `to` is a QEMU, configured for `method` and `channels` */
	const char *method; /* NULL: zstd */
	uint64_t level;	    /* TRANSFER_UNSET: the method's default */
	uint64_t max_bandwidth;	    /* bytes a second on the network; 0: unlimited */
	uint64_t downtime_limit_ms; /* TRANSFER_UNSET: as QEMU has it */
	uint64_t postcopy_after_s;  /* TRANSFER_UNSET: never by us */
	const char *const *sets;    /* "NAME=VALUE" of QEMU's other parameters */
	uint32_t set_count;
	const char *const *caps; /* "NAME=on" */
	uint32_t cap_count;
};

void send_options_init(struct send_options *options);

/* Of what needs no peer: GW_USAGE. */
int send_options_check(const struct send_options *options, struct gw_error *err);

/* In the caller's thread.  `stop` cancels and follows the migration to its end, `leave` ends every
 * wait.  `guardian` was started before there were threads.  -1: no migration began, the guest is as it
 * was; else 0 with *report (transfer_report_deinit()). */
int send_run(const struct send_options *options, struct guardian *guardian,
	     const struct interrupt *stop, const struct interrupt *leave,
	     struct transfer_report *report, struct gw_error *err);

#endif
