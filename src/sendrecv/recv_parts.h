/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* recv_parts.h - what the files of the receiving job share; nobody else includes it. */
#ifndef SENDRECV_RECV_PARTS_H
#define SENDRECV_RECV_PARTS_H

#include "drive/tuning.h"
#include "sendrecv/destination_hold.h"
#include "sendrecv/kept_settings.h"
#include "sendrecv/legs.h"
#include "sendrecv/meter.h"
#include "sendrecv/preempt.h"
#include "sendrecv/qemu_facts.h"
#include "sendrecv/recv_job.h"
#include "sendrecv/words.h"

#define QEMU_HAS_ENDED "QEMU has ended"

struct recv_job {
	const struct recv_options *options;
	struct guardian *guardian;
	const struct interrupt *stop, *leave;

	enum accelerator accelerator;
	struct address listen;
	struct listener *listener;
	struct reception *reception;

	/* The QEMU here; NULL when somebody else drives it. */
	struct qmp_peer *peer;
	struct qemu_facts here;
	struct kept_settings kept;
	struct door_place place; /* where it listens */
	struct address door;
	bool holds; /* it was told not to run the guest by itself */

	/* What the other godwit has announced. */
	uint8_t session[SESSION_ID_BYTES];
	const struct codec *codec; /* for display: each packet says its own */
	uint32_t channels, qemu_channels;
	bool driven, expand_zero_pages;
	uint8_t uuid[16];

	/* The road. */
	struct legs in, out;
	struct interrupt *relay_interrupt;
	struct queue *words;
	struct relay *relay;
	struct preempt *preempt;
	struct meter meter;

	/* What has been seen. */
	uint64_t next_poll_ns;
	bool began;	    /* QEMU was told to listen, or reached */
	bool completed;	    /* the source has, and */
	bool run;	    /* its guest ran */
	bool broke;	    /* the relay failed, or the other side gave up: `why` */
	bool aborted_there; /* and it knows, and the guest */
	bool safe_there;    /* is at the source and well, */
	bool lost_there;    /* or was lost with it */
	bool cancelled;
	bool let_go;   /* in post-copy */
	bool told_run; /* QEMU here was told to run the guest, whatever it answered */
	bool refused_cancel; /* in post-copy, and was told so */
	bool bye;
	struct gw_error why;
	bool complete; /* QEMU here has all, as of `state` */
	enum held_state state;
	json_t *farewell; /* the source's figures are in it */
};

/* recv_agree.c: until the relay can start.  1: it can; 0: that session came to nothing, the next one
 * may come (the reason was said); -1. */
int recv_meet_qemu(struct recv_job *job, struct gw_error *err);
int recv_await_session(struct recv_job *job, struct gw_error *err);
/* The same for a QEMU that comes by itself (--from-qemu), planned before. */
int recv_plan_for_qemu(struct recv_job *job, struct gw_error *err);
int recv_await_qemu(struct recv_job *job, struct gw_error *err);

/* recv_follow.c: until the source has completed, or something broke. */
void recv_follow(struct recv_job *job);
void recv_hear_words(struct recv_job *job);
/* The rest of a record of main when no relay reads there any more; words are heard. */
int recv_pass_over(struct recv_job *job, const struct record_head *head);
/* It did, or was told to, or may by itself. */
bool recv_may_have_run(const struct recv_job *job);
/* `cont`, told to the source at once, and looked after. */
int recv_let_go(struct recv_job *job, struct gw_error *err);
/* The relay's failure, or why QEMU here is to blame for it. */
void recv_blame(struct recv_job *job);

/* recv_end.c: lets the guest run, or tells why not. */
void recv_conclude(struct recv_job *job, struct transfer_report *report);

void recv_say(const struct recv_job *job, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Takes over `word`; what cannot be said any more is not. */
void recv_tell(struct recv_job *job, json_t *word);

#endif
