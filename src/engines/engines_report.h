/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* engines_report.h - all that is known of engines and devices, for programs. */
#ifndef ENGINES_ENGINES_REPORT_H
#define ENGINES_ENGINES_REPORT_H

#include <jansson.h>

#include "engines/roster.h"
#include "engines/self_test.h"
#include "engines/survey.h"

/* A new reference, or NULL without memory; `test` is NULL when there was none. */
json_t *engines_report_json(const struct roster *roster, const struct survey *surveys,
			    const struct host *host, const struct self_test *test);

#endif
