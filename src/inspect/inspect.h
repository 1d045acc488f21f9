/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* inspect.h - a destination without a guest.
 *
 * Takes a migration, live or recorded, from anything that speaks the wire, believes nothing, and
 * keeps what it saw. */
#ifndef INSPECT_INSPECT_H
#define INSPECT_INSPECT_H

#include <jansson.h>

#include "channel/listener.h"
#include "codec/accelerator.h"
#include "migrate/receiver.h"

struct inspect_options {
	uint32_t channel_count; /* 0: no multifd */
	const struct dialect *dialect;
	uint64_t memory_limit_bytes;
	enum accelerator accelerator; /* who decodes, where it can */
	uint32_t accelerator_jobs;    /* 0: default */
	int patience_ms;
	const char *dump_directory; /* NULL: RAM is not written out */
	const struct log *log;
};

struct inspection {
	struct inspect_options options;
	struct ram ram;
	struct receiver *receiver;
	struct receiver_report report;
};

/* NULL and *err.  Free with inspection_free(). */
struct inspection *inspection_new(const struct inspect_options *options,
				  struct gw_error *err);
void inspection_free(struct inspection *inspection);
DEFINE_OWNED(inspection)

/* One of the two, once. */
int inspection_listen(struct inspection *inspection, struct listener *listener,
		      struct gw_error *err);
int inspection_read(struct inspection *inspection, const struct address *recorded,
		    struct gw_error *err);

/* What was seen, as far as it got; a new reference, or NULL without memory. */
json_t *inspection_json(const struct inspection *inspection);

#endif
