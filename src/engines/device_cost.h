/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* device_cost.h - processor time of devices beside that of software.
 *
 * No library tells whether the device computed; processor time does: with a device it is far
 * below that of any software. */
#ifndef ENGINES_DEVICE_COST_H
#define ENGINES_DEVICE_COST_H

#include "engines/sample.h"
#include "engines/self_test.h"

/* Fills in test->costs, for each usable device of the roster that software stands beside.
 * Errors: an engine that failed; pairs tell more. */
int device_cost_run(struct self_test *test, const struct roster *roster,
		    struct sample *sample, struct gw_error *err);

#endif
