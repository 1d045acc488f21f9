/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* outcome.c - the first failure of a migration wins. */
#include "migrate/outcome.h"

enum { OUTCOME_OPEN, OUTCOME_CLAIMED, OUTCOME_SET };

void outcome_init(struct outcome *outcome, struct interrupt *interrupt)
{
	outcome->interrupt = interrupt;
	atomic_init(&outcome->phase, OUTCOME_OPEN);
}

void outcome_fail(struct outcome *outcome, const struct gw_error *error)
{
	int open = OUTCOME_OPEN;

	if (error->kind == GW_CANCELLED)
		return;
	if (atomic_compare_exchange_strong(&outcome->phase, &open, OUTCOME_CLAIMED)) {
		outcome->error = *error;
		atomic_store(&outcome->phase, OUTCOME_SET);
	}
	interrupt_raise(outcome->interrupt);
}

bool outcome_failed(const struct outcome *outcome)
{
	return atomic_load(&outcome->phase) == OUTCOME_SET;
}

int outcome_error(const struct outcome *outcome, const struct gw_error *otherwise,
		  struct gw_error *err)
{
	*err = outcome_failed(outcome) ? outcome->error : *otherwise;
	/* Where a cancel was noticed says nothing. */
	if (err->kind == GW_CANCELLED)
		return fail(err, GW_CANCELLED, "cancelled");
	return -1;
}
