/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* drive_end.h - who holds the guest at the end, and what is to be done. */
#ifndef DRIVE_DRIVE_END_H
#define DRIVE_DRIVE_END_H

#include "drive/drive.h"

/* What is known when nothing moves any more. */
struct drive_sides {
	struct qmp_peer *source;
	struct qmp_peer *destination; /* NULL: not ours to ask */
	struct guest_status before;   /* the source's guest, when it began */
	struct migration_status last; /* of the source */
};

/* The source says completed, failed or cancelled: asks both.  Fills in end, error and where. */
void drive_conclude(const struct drive_sides *sides, struct drive_report *report);

/* The source does not answer any more, as `why` says, or nobody wants to wait. */
void drive_conclude_lost(const struct drive_sides *sides, const struct gw_error *why,
			 struct drive_report *report);

#endif
