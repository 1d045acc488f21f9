/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* serial.h - where a guest's serial port leads.
 *
 *	null		nowhere
 *	stdio		standard output; what nobody reads in time is lost, as on a wire
 *	file:PATH	the end of a file, which is made
 *
 * Owned by the vm; serial_print() comes from the guest's threads. */
#ifndef VM_SERIAL_H
#define VM_SERIAL_H

#include <stddef.h>

#include "base/error.h"
#include "base/own.h"

struct serial;

/* GW_USAGE, or GW_SYSTEM when the file cannot be opened. */
struct serial *serial_open(const char *where, struct gw_error *err);
void serial_free(struct serial *serial); /* NULL is fine; the guest is gone */
DEFINE_OWNED(serial)

/* guest_options' console: `state` is the serial. */
void serial_print(void *state, const void *bytes, size_t length);

#endif
