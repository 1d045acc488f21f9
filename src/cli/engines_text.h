/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* engines_text.h - engines and devices for people, on standard output. */
#ifndef CLI_ENGINES_TEXT_H
#define CLI_ENGINES_TEXT_H

#include "engines/roster.h"
#include "engines/self_test.h"
#include "engines/survey.h"

void engines_text_roster(const struct roster *roster);
void engines_text_surveys(const struct survey surveys[SURVEY_KINDS],
			  const struct host *host);

/* Of a self-test: before it, for each pair, after it. */
void engines_text_heading(void);
void engines_text_pair(void *state, const struct self_test_pair *pair);
void engines_text_costs(const struct self_test *test);

#endif
