/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* migration_info.h - all there is to know of one migration, as `query-migrate` and
 * `info migrate` tell it.
 *
 * A plain value, owned by the vm's thread, filled in from what the migration's thread sends. */
#ifndef VM_MIGRATION_INFO_H
#define VM_MIGRATION_INFO_H

#include <jansson.h>

#include "migrate/capabilities.h"
#include "migrate/parameters.h"
#include "migrate/sender.h"

struct migration_info {
	/* MIGRATION_NONE: there was none; query-migrate answers {}. */
	enum migration_state state;
	bool incoming;
	bool has_error;
	struct gw_error error; /* of a failure: error-desc */
	/* Source. */
	struct sender_progress progress; /* the last one told; final once it ended */
	bool ended;
	struct sender_report report; /* once it ended */
	/* Told as expected-downtime while nothing was measured, as QEMU does. */
	uint64_t downtime_limit_ms;
	/* Destination, while it listens. */
	char listening[512]; /* URI; "" when it does not */
	/* Destination, once it ended. */
	const char *decoder; /* the engine's name; NULL: nobody had to decode */
	struct engine_counters decoded;
};

/* query-migrate, in QEMU 7.2's shape: status, total-time, setup-time, downtime or
 * expected-downtime, error-desc, cpu-throttle-percentage, ram {...}, socket-address.
 *
 * What is ours alone is under "x-godwit", for a source that got past setup:
 *
 *	round               the pass over memory, from 1
 *	bytes-per-second    of guest memory, as measured
 *	convergence         verdict (unknown, yes, no) and, as of the last look,
 *	                    dirty-bytes-per-second, bytes-per-second, remaining-bytes,
 *	                    downtime-would-do (ms)
 *	phases              scan, zero, engine, send, wait: ms, summed over the channels;
 *	                    once it ended also sync
 *	engine              who computes the method: name; units done, of these device-units and
 *	                    fallback-units (by software in a device's stead); retries (its queue
 *	                    was full), device-failures; raw-pages, bytes-in, bytes-out
 *	once it ended:
 *	guest               source, destination, unknown: who runs it
 *	cpu-throttle-most   percent
 *	downtime-split      stop, last-sync, last-pages, state, resume: ms; if it was paused
 *
 * and for a destination that ended: engine, likewise.
 *
 * NULL when memory is out. */
json_t *migration_info_json(const struct migration_info *info);

/* query-migrate-parameters, query-migrate-capabilities; NULL when memory is out.  A number that
 * JSON's integers cannot hold here (2^63 and up, as -1 makes one) is told as the largest. */
json_t *parameters_json(const struct parameters *parameters);
json_t *capabilities_json(const struct capabilities *capabilities);

/* What the human monitor prints, in QEMU 7.2's wording; lines end with CRLF.  The caller frees;
 * NULL when memory is out.  More than QEMU 7.2 tells: "Migration status: none", the levels, and
 * behind its own lines the engine, the verdict on convergence, where the downtime went and, after
 * a failure in the last moments, who has the guest. */
char *migration_info_text(const struct migration_info *info);
char *parameters_text(const struct parameters *parameters);
char *capabilities_text(const struct capabilities *capabilities);

/* From QMP: {"max-bandwidth": 1, ...} into `parameters`, all or none; {"capabilities": [...]}
 * likewise.  GW_USAGE, GW_UNSUPPORTED with QEMU's texts. */
int parameters_from_json(struct parameters *parameters, const json_t *arguments,
			 struct gw_error *err);
int capabilities_from_json(struct capabilities *capabilities, const json_t *arguments,
			   struct gw_error *err);

#endif
