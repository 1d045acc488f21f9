/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tuning.h - capabilities and parameters of a migration, told to a peer and read back.
 *
 * What is set stays set: nothing here puts it back. */
#ifndef DRIVE_TUNING_H
#define DRIVE_TUNING_H

#include <stdbool.h>
#include <stdint.h>

#include "base/log.h"
#include "drive/qmp_peer.h"

#define TUNING_UNSET UINT64_MAX
#define TUNING_ITEMS_MAX 96u

/* What is wanted; the texts are borrowed.  tuning_init() is a wish for nothing. */
struct tuning {
	const char *method;	 /* NULL: as it is */
	const char *accelerator; /* likewise; of guests of ours alone */
	uint64_t
		level; /* of that method; these: TUNING_UNSET leaves things as they are */
	uint64_t channels; /* 0: no multifd */
	uint64_t max_bandwidth;
	uint64_t downtime_limit_ms;
	bool return_path;	 /* the URI is of a kind that has one */
	const char *const *sets; /* "NAME=VALUE", over all of the above */
	uint32_t set_count;
	const char *const *caps; /* "NAME=on", likewise */
	uint32_t cap_count;
};

void tuning_init(struct tuning *tuning);

/* Of what needs no peer: GW_USAGE. */
int tuning_check(const struct tuning *tuning, struct gw_error *err);

/* What is in force once all is set. */
struct tuned {
	char method[32]; /* "none" without multifd */
	int64_t level;	 /* 0 where the method has none */
	uint32_t channels;
	uint64_t downtime_limit_ms;
};

/* Sets and reads back.  GW_PEER: refused, with the peer's words, or "max-bandwidth: 7 was set, 9
 * reads back".  The levels that QEMU before 9.0 takes and ignores are a warning. */
int tuning_apply(const struct tuning *tuning, struct qmp_peer *peer,
		 const struct log *log, struct tuned *tuned, struct gw_error *err);

/* As of now: someone else may have changed it. */
int tuning_downtime_limit(struct qmp_peer *peer, uint64_t *limit_ms,
			  struct gw_error *err);

/* `text` as a value of the type that query-migrate-parameters shows at present; NULL for a name
 * that it does not show: then by looks, and the peer has the last word.  A new reference; NULL with
 * GW_USAGE. */
json_t *tuning_value(const char *name, const char *text, const json_t *shown,
		     struct gw_error *err);

#endif
