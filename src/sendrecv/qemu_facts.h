/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* qemu_facts.h - what a QEMU is, as far as a migration cares: read over QMP, told to the peer.
 *
 * A plain value.  What is not known stays empty, 0 or -1, in JSON as well; a peer's facts are
 * hostile: members of the wrong type or out of bounds count as not told. */
#ifndef SENDRECV_QEMU_FACTS_H
#define SENDRECV_QEMU_FACTS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "drive/qmp_peer.h"

#define FACTS_CAPABILITIES_MAX 64u
#define FACTS_BLOCKS_MAX 64u

struct capability_fact {
	char name[40];
	bool on;
};

struct block_fact { /* a block device that the guest may write to */
	char device[64];
	char file[256];
};

struct qemu_facts {
	bool known; /* false: no QMP there */
	int major, minor, micro;
	char package[128];
	char machine[64];   /* "pc-q35-7.2", without "-machine" */
	char target[32];    /* "x86_64" */
	uint64_t ram_bytes; /* base and plugged */
	int64_t vcpus;	    /* -1 */
	char uuid[40];
	char run_state[32]; /* query-status */
	bool running;
	char migration[32]; /* query-migrate; "none": idle, "setup": it listens */
	char tls_creds[64];
	char vfio[64];	  /* one of its VFIO devices */
	int64_t channels; /* multifd-channels at present; -1 */
	uint64_t downtime_limit_ms;
	uint32_t capability_count;
	struct capability_fact capabilities[FACTS_CAPABILITIES_MAX];
	uint32_t block_count;
	struct block_fact blocks[FACTS_BLOCKS_MAX];
	bool listens; /* -incoming: query-status says inmigrate */
};

/* Asks for all of it; what the peer does not answer stays not known, but version and status have to
 * be told.  Texts are printable afterwards. */
int qemu_facts_read(struct qmp_peer *peer, struct qemu_facts *facts,
		    struct gw_error *err);

/* A new reference; NULL when memory is out. */
json_t *qemu_facts_json(const struct qemu_facts *facts);
void qemu_facts_parse(struct qemu_facts *facts, const json_t *json); /* NULL: not known */

bool qemu_facts_knows(const struct qemu_facts *facts, const char *capability);
bool qemu_facts_has_on(const struct qemu_facts *facts, const char *capability);
/* 702 for 7.2; 0 when not known. */
int qemu_facts_version(const struct qemu_facts *facts);

#endif
