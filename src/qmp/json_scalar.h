/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* json_scalar.h - what a string, number or keyword token says.
 *
 * Pure.  Error texts are QEMU 7.2's, but for two of its values that ours cannot hold: NUL in a
 * string, and numbers beyond a double. */
#ifndef QMP_JSON_SCALAR_H
#define QMP_JSON_SCALAR_H

#include <jansson.h>

#include "base/error.h"
#include "qmp/json_lexer.h"

/* The value is the caller's.  Integers beyond 64 bits with a sign become reals. */
json_t *json_scalar_read(const struct json_token *token, struct gw_error *err);

#endif
