/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* outcome.h - the first failure of a migration wins.
 *
 * Shared by all threads of one side.  Whoever fails first leaves its error here and raises the
 * interrupt, so that every other thread stops waiting; what those then report is a consequence
 * and is dropped. */
#ifndef MIGRATE_OUTCOME_H
#define MIGRATE_OUTCOME_H

#include <stdatomic.h>
#include <stdbool.h>

#include "base/interrupt.h"

struct outcome {
	struct interrupt *interrupt; /* borrowed */
	atomic_int phase;
	struct gw_error error;
};

void outcome_init(struct outcome *outcome, struct interrupt *interrupt);

/* Any thread.  GW_CANCELLED errors are consequences of the interrupt and are not recorded. */
void outcome_fail(struct outcome *outcome, const struct gw_error *error);

/* After all other threads are joined, or when the caller only wants to know if there is one:
 * copies the first failure; `otherwise` is what the caller itself saw, of a cancel just that.  Always returns -1. */
int outcome_error(const struct outcome *outcome, const struct gw_error *otherwise,
		  struct gw_error *err);

bool outcome_failed(const struct outcome *outcome);

#endif
