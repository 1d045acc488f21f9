/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* result_engine.h - who computed one side's payloads, and what that took: from the process that
 * knows to the parent, to JSON, to people. */
#ifndef DEMO_RESULT_ENGINE_H
#define DEMO_RESULT_ENGINE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "codec/engine_counters.h"

struct result_engine {
	char name[16]; /* "none" where nobody had to */
	struct engine_counters counters;
};

json_t *result_engine_counters_json(const struct engine_counters *counted);

/* NULL for `name`: nobody had to.  New references; `read` takes what `tell` made. */
json_t *result_engine_tell(const char *name, const struct engine_counters *counted);
void result_engine_read(struct result_engine *engine, const json_t *told);

/* "qpl: 1200 units by the device, 30 retries, 12 by software, 3 raw pages".  False: no device had
 * a part in it or should have had, and `out` is left alone. */
bool result_engine_describe(const struct result_engine *engine, char *out, size_t room);

#endif
