/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* parameters.h - what can be set of a migration, under QEMU's names, with QEMU's ranges, defaults
 * and error texts.
 *
 * A plain value, copied and owned freely.  The texts are those of QEMU 7.2 (of QEMU 10.2 for what
 * 7.2 does not have).  Two at the end are godwit's own.  Parameters of QEMU that godwit does
 * nothing with are in the table, so that a query has them and a client that writes back what it
 * read is content; to set one to anything but its default is refused by name (GW_UNSUPPORTED).
 *
 * Source: QEMU qapi/migration.json, MigrationParameters. */
#ifndef MIGRATE_PARAMETERS_H
#define MIGRATE_PARAMETERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "codec/accelerator.h"
#include "codec/codec.h"

struct sender_options;
struct capabilities;

/* In the order in which QEMU 7.2 lists them. */
enum parameter_id {
	PARAMETER_ANNOUNCE_INITIAL,
	PARAMETER_ANNOUNCE_MAX,
	PARAMETER_ANNOUNCE_ROUNDS,
	PARAMETER_ANNOUNCE_STEP,
	PARAMETER_COMPRESS_LEVEL,
	PARAMETER_COMPRESS_THREADS,
	PARAMETER_COMPRESS_WAIT_THREAD,
	PARAMETER_DECOMPRESS_THREADS,
	PARAMETER_THROTTLE_TRIGGER_THRESHOLD,
	PARAMETER_CPU_THROTTLE_INITIAL,
	PARAMETER_CPU_THROTTLE_INCREMENT,
	PARAMETER_CPU_THROTTLE_TAILSLOW,
	PARAMETER_MAX_CPU_THROTTLE,
	PARAMETER_TLS_CREDS,
	PARAMETER_TLS_HOSTNAME,
	PARAMETER_TLS_AUTHZ,
	PARAMETER_MAX_BANDWIDTH,
	PARAMETER_DOWNTIME_LIMIT,
	PARAMETER_X_CHECKPOINT_DELAY,
	PARAMETER_BLOCK_INCREMENTAL,
	PARAMETER_MULTIFD_CHANNELS,
	PARAMETER_MULTIFD_COMPRESSION,
	PARAMETER_MULTIFD_ZLIB_LEVEL,
	PARAMETER_MULTIFD_ZSTD_LEVEL,
	PARAMETER_XBZRLE_CACHE_SIZE,
	PARAMETER_MAX_POSTCOPY_BANDWIDTH,
	PARAMETER_AVAIL_SWITCHOVER_BANDWIDTH, /* 8.2 */
	PARAMETER_MULTIFD_QATZIP_LEVEL,	      /* 9.2 */
	/* No QEMU has these: it computes a method with what it was built with. */
	PARAMETER_COMPRESSION_ACCELERATOR,
	PARAMETER_COMPRESSION_ACCELERATOR_JOBS,
	PARAMETER_COUNT,
};

enum parameter_type {
	PARAMETER_UINT8,
	PARAMETER_UINT32,
	PARAMETER_UINT64,
	PARAMETER_SIZE,
	PARAMETER_BOOL,
	PARAMETER_TEXT,
	PARAMETER_ENUM, /* a word; its number is an enum's of codec.h or accelerator.h */
};

#define PARAMETER_TEXT_MAX 255u

struct parameter_value {
	uint64_t number; /* also of a bool and of an enum */
	char text[PARAMETER_TEXT_MAX + 1];
};

struct parameters {
	struct parameter_value values[PARAMETER_COUNT];
};

struct parameter_spec {
	const char *name; /* "max-bandwidth" */
	enum parameter_type type;
	uint64_t least, most, default_number;
	const char *default_text;
	const char
		*expects; /* what QEMU's text says the range is; NULL: any of the type */
	const char *(*enum_name)(uint64_t number); /* of a PARAMETER_ENUM's `most` + 1 */
	bool honoured;				   /* godwit acts on it */
	/* The monitor takes it in MiB unless a suffix says otherwise (max-bandwidth, ...). */
	bool monitor_mib;
};

extern const struct parameter_spec parameter_specs[PARAMETER_COUNT];

void parameters_init(struct parameters *parameters); /* QEMU's defaults */

/* "multifd-channels" or "multifd_channels"; PARAMETER_COUNT when there is none. */
enum parameter_id parameter_by_name(const char *name);

/* "zlib", "auto", ...: the name of a PARAMETER_ENUM's number. */
const char *parameter_enum_name(enum parameter_id id, uint64_t number);

/* All setters check type, range and what other parameters demand (max-cpu-throttle is not below
 * cpu-throttle-initial), and change nothing on failure.  GW_USAGE with QEMU's text, GW_UNSUPPORTED
 * for what godwit does not have.  A negative number is given as QEMU's parser makes it of one. */
int parameters_set_number(struct parameters *parameters, enum parameter_id id,
			  uint64_t number, struct gw_error *err);
int parameters_set_bool(struct parameters *parameters, enum parameter_id id, bool on,
			struct gw_error *err);
int parameters_set_text(struct parameters *parameters, enum parameter_id id,
			const char *text, struct gw_error *err);

/* For several at once: these check the type alone; parameters_check() has to follow. */
int parameters_put_number(struct parameters *parameters, enum parameter_id id,
			  uint64_t number, struct gw_error *err);
int parameters_put_bool(struct parameters *parameters, enum parameter_id id, bool on,
			struct gw_error *err);
int parameters_put_text(struct parameters *parameters, enum parameter_id id,
			const char *text, struct gw_error *err);

/* GW_USAGE, with the text for a value that is of another type than the parameter. */
int parameter_refuse_type(enum parameter_id id, struct gw_error *err);

/* From text as `migrate_set_parameter` of the human monitor takes it (on/off, sizes with
 * suffixes, MiB where that is the monitor's unit).  Errors are what the monitor prints behind
 * "Error: ". */
int parameters_parse(struct parameters *parameters, enum parameter_id id,
		     const char *text, struct gw_error *err);

/* Ranges, what only several together break, and what godwit does not have.  The setters above
 * call it themselves. */
int parameters_check(const struct parameters *parameters, struct gw_error *err);

/* Shorthands for those that godwit honours. */
static inline uint64_t parameter(const struct parameters *parameters,
				 enum parameter_id id)
{
	return parameters->values[id].number;
}

static inline enum accelerator parameters_accelerator(const struct parameters *parameters)
{
	return (enum accelerator)parameter(parameters, PARAMETER_COMPRESSION_ACCELERATOR);
}

static inline uint32_t parameters_accelerator_jobs(const struct parameters *parameters)
{
	return (uint32_t)parameter(parameters, PARAMETER_COMPRESSION_ACCELERATOR_JOBS);
}

/* The level that goes with the method that is set. */
int parameters_level(const struct parameters *parameters);

/* Puts what parameters and capabilities say into sender options; leaves the rest alone. */
void parameters_apply(const struct parameters *parameters,
		      const struct capabilities *capabilities,
		      struct sender_options *options);

#endif
