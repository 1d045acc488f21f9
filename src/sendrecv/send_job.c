/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* send_job.c - the guest of a QEMU on this host, out through our channels. */
#include "sendrecv/send_job.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "base/deadline.h"
#include "sendrecv/send_parts.h"

#define METHOD_DEFAULT "zstd"
#define KNOCK_MS 50
#define PART_MS 1000

/* ---- options ---- */

void send_options_init(struct send_options *options)
{
	*options = (struct send_options){
		.common = { .qemu_channels = TRANSFER_UNSET,
			    .door = { .mode = -1, .uid = (uid_t)-1, .gid = (gid_t)-1 },
			    .patience_ms = 30000,
			    .poll_ms = 1000 },
		.level = TRANSFER_UNSET,
		.downtime_limit_ms = TRANSFER_UNSET,
		.postcopy_after_s = TRANSFER_UNSET,
	};
}

static const char *method_of(const struct send_options *options)
{
	return options->method ? options->method : METHOD_DEFAULT;
}

static int check_method(const struct send_options *options, struct gw_error *err)
{
	const struct codec *codec = codec_by_name(method_of(options), err);

	if (!codec)
		return fail_in(err, "--method");
	if (options->level == TRANSFER_UNSET)
		return 0;
	if (codec_check_level(codec, (int)options->level, err) < 0)
		return fail_in(err, "--level");
	return 0;
}

static int check_place(const struct send_options *options, struct gw_error *err)
{
	const struct transfer_options *common = &options->common;
	struct address to;

	if (!common->qmp == !common->door.path)
		return fail(err, GW_USAGE,
			    "either --qmp SOCKET of the QEMU whose guest moves, or "
			    "--socket PATH for one that somebody else drives");
	if (!options->to)
		return fail(err, GW_USAGE, "--to URI or --to-qemu URI is expected");
	if (address_parse(&to, options->to, err) < 0)
		return fail_in(err, options->to_qemu ? "--to-qemu" : "--to");
	if (to.kind != ADDRESS_TCP && to.kind != ADDRESS_UNIX)
		return fail(err, GW_USAGE, "--to %.200s: tcp: and unix: are allowed",
			    options->to);
	if (!common->qmp && options->postcopy_after_s != TRANSFER_UNSET)
		return fail(err, GW_USAGE,
			    "--postcopy-after: needs --qmp, who drives QEMU starts "
			    "post-copy");
	return 0;
}

int send_options_check(const struct send_options *options, struct gw_error *err)
{
	enum accelerator known;

	if (check_place(options, err) < 0 || check_method(options, err) < 0)
		return -1;
	if (options->common.accelerator &&
	    accelerator_by_name(options->common.accelerator, &known, err) < 0)
		return fail_in(err, "--accelerator");
	return 0;
}

/* ---- what is said ---- */

void send_say(const struct send_job *job, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	transfer_say(&job->options->common, format, args);
	va_end(args);
}

void send_tell(struct send_job *job, json_t *word)
{
	words_tell(job->out.main_link, word);
}

/* ---- the plan ---- */

static int plan(struct send_job *job, struct gw_error *err)
{
	const struct send_options *options = job->options;
	const struct transfer_options *common = &options->common;

	job->codec = codec_by_name(method_of(options), err);
	if (!job->codec || address_parse(&job->to, options->to, err) < 0)
		return -1;
	job->level = options->level == TRANSFER_UNSET ? job->codec->level_default
						      : (int)options->level;
	if (common->accelerator &&
	    accelerator_by_name(common->accelerator, &job->accelerator, err) < 0)
		return -1;
	job->channels =
		common->channels ? (uint32_t)common->channels : TRANSFER_CHANNELS_DEFAULT;
	job->qemu_channels = common->qemu_channels == TRANSFER_UNSET
				     ? job->channels
				     : (uint32_t)common->qemu_channels;
	/* Without multifd pages travel on main, and there is nothing for page connections. */
	if (job->qemu_channels == 0)
		job->channels = 0;
	job->downtime_limit_ms = options->downtime_limit_ms;
	throttle_init(&job->throttle, options->max_bandwidth);
	if (getrandom(job->session, sizeof(job->session), 0) !=
	    (ssize_t)sizeof(job->session))
		return fail_sys(err, errno, "getrandom");
	job->relay_interrupt = interrupt_new(err);
	if (!job->relay_interrupt)
		return -1;
	job->words = words_new(err);
	return job->words ? 0 : -1;
}

/* ---- QEMU comes ---- */

/* A QEMU that cannot reach the socket says so in its state, and nobody ever comes. */
static int await_knock(struct send_job *job, struct gw_error *err)
{
	for (;;) {
		int here = door_wait(job->door, KNOCK_MS, err);

		if (here != 0)
			return here < 0 ? -1 : 0;
		if (interrupt_raised(job->stop))
			return fail(err, GW_CANCELLED, "cancelled");
		if (!job->source)
			continue;
		if (send_poll(job, err) < 0)
			return -1;
		if (migration_status_ended(&job->last))
			return fail(err, GW_PEER, "source: %s: %.200s", job->last.state,
				    job->last.error);
	}
}

static int let_in(struct send_job *job, struct gw_error *err)
{
	struct door_visitors visitors;

	if (await_knock(job, err) < 0 || door_await(job->door, &visitors, err) < 0)
		return -1;
	legs_take_visitors(&job->from, &visitors, job->qemu_channels);
	memcpy(job->uuid, visitors.uuid, sizeof(job->uuid));
	return 0;
}

static void encode_uuid(const uint8_t uuid[16], char text[33])
{
	for (unsigned i = 0; i < 16; i++)
		snprintf(text + 2 * (size_t)i, 3, "%02x", uuid[i]);
}

/* The other end of the road, which knows now what the QEMU here is called. */
static int go_out(struct send_job *job, struct gw_error *err)
{
	char uuid[33];

	if (job->options->to_qemu)
		return legs_connect_qemu(&job->out, &job->to, job->channels, job->uuid,
					 job->guardian,
					 job->source ? job->stop : job->leave,
					 job->options->common.patience_ms, err);
	encode_uuid(job->uuid, uuid);
	return control_write(job->out.main_link,
			     json_pack("{ss ss}", "say", "channels", "uuid", uuid), err);
}

static const struct dialect *dialect_there(const struct send_job *job)
{
	struct gw_error ignored;

	/* Of a QEMU that nobody asked, what every one of them understands. */
	return job->options->to_qemu && job->preflight.expand_zero_pages
		       ? dialect_by_name("8.2", &ignored)
		       : dialect_newest();
}

static int start_preempt(struct send_job *job, struct gw_error *err)
{
	struct preempt_options options = {
		.door = job->door,
		.to = job->to,
		.to_session = !job->options->to_qemu,
		.interrupt = job->relay_interrupt,
		.patience_ms = job->options->common.patience_ms,
		.log = job->options->common.log,
	};

	memcpy(options.session, job->session, sizeof(options.session));
	job->preempt = preempt_start(&options, err);
	return job->preempt ? 0 : -1;
}

static int start_relay(struct send_job *job, struct gw_error *err)
{
	const struct transfer_options *common = &job->options->common;
	const struct relay_options options = {
		.from = legs_end(&job->from),
		.to = legs_end(&job->out),
		.edits = { .flush_before_eos = job->preflight.flush_before_eos,
			   .drop_switchover_start =
				   job->preflight.drop_switchover_start },
		.guarded = job->options->to_qemu,
		.aligned = job->options->to_qemu && job->to.kind == ADDRESS_UNIX,
		.dialect = dialect_there(job),
		.codec = job->codec,
		.level = job->level,
		.accelerator = job->accelerator,
		.engine_jobs = (uint32_t)common->accelerator_jobs,
		.downtime_limit_ms = job->downtime_limit_ms == TRANSFER_UNSET
					     ? 300
					     : job->downtime_limit_ms,
		.throttle = throttle_rate(&job->throttle) > 0 ? &job->throttle : NULL,
		.patience_ms = common->patience_ms,
		.words = job->words,
		.log = common->log,
	};

	job->relay = relay_start(&options, job->relay_interrupt, err);
	return job->relay ? start_preempt(job, err) : -1;
}

/* ---- the run ---- */

static int get_ready(struct send_job *job, struct gw_error *err)
{
	if (plan(job, err) < 0 || send_meet_source(job, err) < 0)
		return -1;
	if (job->source)
		return send_tune_source(job, err) < 0 ? -1 : send_agree(job, err);
	send_say(job, "listening on %s", job->place.uri);
	return let_in(job, err) < 0 ? -1 : send_agree(job, err);
}

/* Or was the answer lost, and a migration may have begun? */
static bool was_refused(const struct send_job *job)
{
	struct guest_status guest;
	struct gw_error ignored;

	return qmp_peer_guest(job->source, &guest, &ignored) == 0;
}

static int lose(struct send_job *job, const struct gw_error *why)
{
	job->lost = true;
	job->why = *why;
	return 0;
}

/* From here on the first interrupt is a request, and only the second ends waits. */
static int begin(struct send_job *job, struct gw_error *err)
{
	if (interrupt_raised(job->stop))
		return fail(err, GW_CANCELLED, "cancelled");
	meter_begin(&job->meter, job->source);
	if (!job->source)
		return 0;
	qmp_peer_set_interrupt(job->source, job->leave);
	if (qmp_peer_execute(job->source, "migrate",
			     json_pack("{ss}", "uri", job->place.uri), NULL, err) == 0)
		return 0;
	return was_refused(job) ? -1 : lose(job, err);
}

static int connect_all(struct send_job *job, struct gw_error *err)
{
	if (job->source && let_in(job, err) < 0)
		return -1;
	return go_out(job, err) < 0 ? -1 : start_relay(job, err);
}

/* QEMU's connections go, so that it fails and its guest goes on. */
static void give_up(struct send_job *job, const struct gw_error *why)
{
	job->broke = true;
	job->why = *why;
	if (job->relay)
		relay_cancel(job->relay);
	else if (job->from.main)
		/* Its page channels stay for a while: see inlet.h. */
		channel_cut(job->from.main);
	door_close(job->door);
	job->door = NULL;
}

static void go_along(struct send_job *job, struct transfer_report *report)
{
	struct gw_error err;
	bool lost;

	if (job->lost) {
		send_conclude(job, &job->why, report);
		return;
	}
	if (connect_all(job, &err) < 0)
		give_up(job, &err);
	lost = send_follow(job, &err) < 0;
	send_conclude(job, lost ? &err : NULL, report);
}

/* What was said last is to be heard, and where a connection is closed with something unread it may
 * not be.  So page connections go first, by which the other side notices, and main when that has
 * closed it. */
static void part(struct send_job *job)
{
	struct deadline patience = deadline_in(PART_MS);
	struct channel *channel;
	uint8_t bytes[4096];
	struct gw_error ignored;
	int left_ms;

	legs_close_pages(&job->out);
	if (!job->out.main_link)
		return;
	channel = session_link_channel(job->out.main_link);
	channel_finish(channel);
	channel_set_interrupt(channel, job->leave);
	do {
		left_ms = deadline_left_ms(&patience);
		channel_set_read_patience(channel, left_ms);
	} while (left_ms > 0 &&
		 channel_read_some(channel, bytes, sizeof(bytes), &ignored) > 0);
}

static void clean_up(struct send_job *job)
{
	struct gw_error err;

	/* What was interrupted before is to be put back all the same. */
	if (job->source)
		qmp_peer_set_interrupt(job->source, job->leave);
	if (job->relay_interrupt)
		interrupt_raise(job->relay_interrupt);
	if (job->relay)
		relay_cancel(job->relay);
	preempt_stop(job->preempt);
	relay_stop(job->relay);
	legs_close(&job->from);
	/* A QEMU at the other end must not see its page channels end before main. */
	if (job->options->to_qemu && !job->arrived)
		guardian_abort(job->guardian, job->leave);
	else
		guardian_release(job->guardian);
	part(job);
	legs_close(&job->out);
	door_close(job->door);
	door_remove_place(&job->place);
	/* In a post-copy that waits for its recovery nothing can be set. */
	if (job->source && !qmp_peer_process_is_gone(job->source) &&
	    !migration_status_is(&job->last, "postcopy-paused") &&
	    kept_settings_restore(&job->kept, job->source, &err) < 0)
		send_say(job, "the source's settings are not as they were: %s", err.text);
	kept_settings_deinit(&job->kept);
	words_free(job->words);
	interrupt_free(job->relay_interrupt);
	json_decref(job->verdict);
	json_decref(job->answer);
	qmp_peer_free(job->source);
	free(job);
}

/* That the guest was left alone goes without saying for what cannot have reached it. */
static int explain_no_begin(const struct send_job *job, struct gw_error *err)
{
	struct gw_error why = *err;
	bool came = !job->source && job->from.main;

	if (why.kind == GW_USAGE || (!job->source && !came))
		return -1;
	fail(err, why.kind, "%.200s; %s", why.text,
	     came ? "the migration of QEMU here fails, and its guest goes on"
		  : "no migration began, the guest is as it was");
	err->sys = why.sys;
	return -1;
}

int send_run(const struct send_options *options, struct guardian *guardian,
	     const struct interrupt *stop, const struct interrupt *leave,
	     struct transfer_report *report, struct gw_error *err)
{
	struct send_job *job = calloc(1, sizeof(*job));
	int failed;

	if (!job)
		return fail_sys(err, ENOMEM, "send");
	job->options = options;
	job->guardian = guardian;
	job->stop = stop;
	job->leave = leave;
	job->expected_downtime_ms = -1;
	job->there = (struct transfer_side){ .qemu_cpu_s = -1,
					     .godwit_cpu_s = -1,
					     .memory_bytes = -1 };
	migration_status_parse(&job->last, NULL);
	transfer_report_init(report);
	failed = get_ready(job, err);
	if (failed == 0)
		failed = begin(job, err);
	if (failed == 0)
		go_along(job, report);
	else
		explain_no_begin(job, err);
	clean_up(job);
	return failed;
}
