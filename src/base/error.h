/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* error.h - why a call failed.
 *
 * `struct gw_error *err` comes last and is never NULL.  On success it is untouched, on failure
 * always set.  The fail functions return -1 so that a caller can `return fail(...)`. */
#ifndef BASE_ERROR_H
#define BASE_ERROR_H

#include "godwit.h"

int fail(struct gw_error *err, enum gw_error_kind kind, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Only the text of errno value `sys`, with a small first letter; kind is GW_SYSTEM. */
int fail_errno(struct gw_error *err, int sys);

/* Appends ": " and the text of errno value `sys`; kind is GW_SYSTEM. */
int fail_sys(struct gw_error *err, int sys, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Puts "<place>: " in front of an error that is already set; keeps its kind. */
int fail_in(struct gw_error *err, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Copies a peer's bytes for printing: anything but graphic ASCII and blanks becomes \xNN, the
 * result always ends with NUL and is cut to `room`.  Returns `out`. */
const char *printable(char *out, unsigned room, const void *bytes, unsigned length);

#endif
