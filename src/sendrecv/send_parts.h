/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* send_parts.h - what the files of the sending job share; nobody else includes it. */
#ifndef SENDRECV_SEND_PARTS_H
#define SENDRECV_SEND_PARTS_H

#include "channel/throttle.h"
#include "drive/convergence_feed.h"
#include "drive/tuning.h"
#include "sendrecv/kept_settings.h"
#include "sendrecv/legs.h"
#include "sendrecv/meter.h"
#include "sendrecv/preempt.h"
#include "sendrecv/preflight.h"
#include "sendrecv/send_job.h"
#include "sendrecv/words.h"

struct send_job {
	const struct send_options *options;
	struct guardian *guardian;
	const struct interrupt *stop, *leave;

	/* The plan. */
	const struct codec *codec;
	int level;
	enum accelerator accelerator;
	struct address to;
	uint32_t channels, qemu_channels;
	uint64_t downtime_limit_ms;
	uint8_t session[SESSION_ID_BYTES];
	struct preflight preflight;

	/* The QEMU here; source is NULL when somebody else drives it. */
	struct qmp_peer *source;
	struct qemu_facts here;
	struct kept_settings kept;
	struct tuned tuned;
	struct door_place place;
	struct door *door;
	uint8_t uuid[16];

	/* The road. */
	struct legs from, out;
	struct throttle throttle;
	struct interrupt *relay_interrupt;
	struct queue *words;
	struct relay *relay;
	struct preempt *preempt;
	struct meter meter;

	/* What has been seen. */
	struct migration_status last;
	json_t *answer; /* to query-migrate */
	struct convergence_feed feed;
	uint64_t next_poll_ns;
	double expected_downtime_ms;
	bool runs;	     /* the guest would run, if nobody migrated it */
	uint64_t stopped_ns; /* by the migration; 0: not yet */
	uint64_t ending_ns;  /* since when it is to fail or to cancel; 0: it is not */
	uint64_t resumed_ns; /* the destination was heard to have let it go */
	bool lost; /* QEMU was told to migrate, and never said whether it does: `why` */
	bool refused_cancel; /* in post-copy, and was told so */
	bool cancelled, continued, postcopy_asked, postcopy_told, barriers_checked,
		ended_broken;
	bool arrived;	/* at a QEMU that is told nothing more */
	bool lost_here; /* nobody has the guest any more */
	bool broke;	/* the relay failed, or the other side gave up: `why` */
	struct gw_error why;
	json_t *verdict; /* the other side's last word: resumed, held or gone */
	struct transfer_side there;
};

/* send_agree.c: before a byte of the guest moves.  All: -1 with the reason. */
int send_meet_source(struct send_job *job, struct gw_error *err);
int send_agree(struct send_job *job, struct gw_error *err);
int send_tune_source(struct send_job *job, struct gw_error *err);

/* send_follow.c: until QEMU says that it ended, or the relay does. */
int send_follow(struct send_job *job, struct gw_error *err);
void send_hear_words(struct send_job *job);
/* In post-copy: the destination has what it needs to run, or may have. */
bool send_went_over(const struct send_job *job);
int send_poll(struct send_job *job, struct gw_error *err);

/* send_end.c: who holds the guest.  `lost`: why nothing more is known of the source; or NULL. */
void send_conclude(struct send_job *job, const struct gw_error *lost,
		   struct transfer_report *report);

void send_say(const struct send_job *job, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Takes over `word`; what cannot be said any more is not. */
void send_tell(struct send_job *job, json_t *word);

#endif
