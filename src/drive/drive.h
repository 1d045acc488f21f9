/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* drive.h - the migration of a guest that answers QMP: told, begun, watched to its end.
 *
 * Runs in the caller's thread.  The observer is called from it, in the order things happen. */
#ifndef DRIVE_DRIVE_H
#define DRIVE_DRIVE_H

#include "drive/figures.h"

struct drive_observer {
	void *state;
	/* Each answer to query-migrate of the source, parsed and as it came. */
	void (*polled)(void *state, const struct migration_status *status,
		       const char *method, const json_t *answer);
	void (*event)(void *state, const json_t *event); /* of the source */
	/* A sentence for people. */
	void (*say)(void *state, const char *sentence);
};

struct drive_options {
	const char *qmp;
	const char *incoming_qmp; /* NULL: the destination is somebody else's care */
	const char *uri;
	struct tuning tuning;
	bool go_on; /* through pre-switchover by ourselves */
	int poll_ms;
	const struct log *log;
	const struct drive_observer *observer;
};

enum drive_end {
	DRIVE_DONE,
	DRIVE_FAILED,	 /* and the guest is at the source as it was before */
	DRIVE_CANCELLED, /* likewise */
	DRIVE_UNKNOWN,	 /* nothing is known to run */
};

struct drive_report {
	enum drive_end end;
	struct figures figures;
	char error[256]; /* why; "" after DRIVE_DONE */
	/* What each side holds and, where someone has to do something, the command. */
	char where[768];
	json_t *last; /* the last answer to query-migrate; NULL when there was none */
};

void drive_report_deinit(struct drive_report *report);

/* `stop` cancels the migration and follows it to its end; `leave` ends every wait.  Return: -1 when
 * the migration did not begin and the guest is as it was; else 0 with *report, which is the
 * caller's. */
int drive_run(const struct drive_options *options, const struct interrupt *stop,
	      const struct interrupt *leave, struct drive_report *report,
	      struct gw_error *err);

#endif
