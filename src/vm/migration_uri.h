/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* migration_uri.h - where a migration goes to or comes from, as it is told.
 *
 * Pure functions of hostile values.  Error texts are QEMU 7.2's where it has one. */
#ifndef VM_MIGRATION_URI_H
#define VM_MIGRATION_URI_H

#include <jansson.h>
#include <stdbool.h>

#include "channel/address.h"

/* Longer ones than an address can have are refused as an address. */
#define MIGRATION_URI_BYTES 1024

/* tcp:, unix: and fd: are there; GW_UNSUPPORTED names what only QEMU has. */
int migration_uri_parse(const char *uri, bool incoming, struct address *address,
			struct gw_error *err);

/* The URI in the arguments of `migrate` or `migrate-incoming`: "uri", or that form of "channels"
 * (QEMU 8.2) that says the same. */
int migration_uri_find(const json_t *arguments, char uri[MIGRATION_URI_BYTES],
		       struct gw_error *err);

#endif
