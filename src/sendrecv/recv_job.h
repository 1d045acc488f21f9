/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* recv_job.h - a guest from the network, into a QEMU on this host. */
#ifndef SENDRECV_RECV_JOB_H
#define SENDRECV_RECV_JOB_H

#include "relay/guardian.h"
#include "sendrecv/transfer.h"

struct recv_options {
	struct transfer_options common;
	const char *listen;
	bool from_qemu;	     /* who connects is a QEMU with `channels` page channels */
	bool resume_at_once; /* QEMU starts its guest by itself */
	bool insecure;	     /* listens beyond this host, and nothing says who connects */
};

void recv_options_init(struct recv_options *options);

/* Of what needs no peer: GW_USAGE; also for an address beyond loopback without `insecure`. */
int recv_options_check(const struct recv_options *options, struct gw_error *err);

/* As send_run(): one migration, then it ends.  Connections that come to nothing before a guest moves
 * (strangers, a refused preflight) are told and waited past.  -1: nothing came, the QEMU is as it
 * was. */
int recv_run(const struct recv_options *options, struct guardian *guardian,
	     const struct interrupt *stop, const struct interrupt *leave,
	     struct transfer_report *report, struct gw_error *err);

#endif
