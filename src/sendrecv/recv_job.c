/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* recv_job.c - a guest from the network, into a QEMU on this host. */
#include "sendrecv/recv_job.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "sendrecv/recv_parts.h"

#define BACKLOG 512 /* connections of one migration, and strangers */

/* ---- options ---- */

void recv_options_init(struct recv_options *options)
{
	*options = (struct recv_options){
		.common = { .qemu_channels = TRANSFER_UNSET,
			    .door = { .mode = -1, .uid = (uid_t)-1, .gid = (gid_t)-1 },
			    .patience_ms = 30000,
			    .poll_ms = 1000 },
	};
}

static bool is_of_this_host(const struct address *address)
{
	return address->kind == ADDRESS_UNIX || strncmp(address->host, "127.", 4) == 0 ||
	       strcmp(address->host, "localhost") == 0 ||
	       strcmp(address->host, "::1") == 0;
}

static int check_listen(const struct recv_options *options, struct gw_error *err)
{
	const char *option = options->from_qemu ? "--from-qemu" : "--listen";
	struct address address;

	if (!options->listen)
		return fail(err, GW_USAGE, "--listen URI or --from-qemu URI is expected");
	if (address_parse(&address, options->listen, err) < 0)
		return fail_in(err, "%s", option);
	if (address.kind != ADDRESS_TCP && address.kind != ADDRESS_UNIX)
		return fail(err, GW_USAGE, "%s %.200s: tcp: and unix: are allowed",
			    option, options->listen);
	if (!is_of_this_host(&address) && !options->insecure)
		return fail(err, GW_USAGE,
			    "%s %.200s: whoever reaches that address could send a guest, "
			    "and read one on its way; where only trusted hosts do, say "
			    "--insecure",
			    option, options->listen);
	return 0;
}

int recv_options_check(const struct recv_options *options, struct gw_error *err)
{
	const struct transfer_options *common = &options->common;
	enum accelerator known;

	if (!common->qmp == !common->door.path)
		return fail(err, GW_USAGE,
			    "either --qmp SOCKET of the QEMU that takes the guest, or "
			    "--socket PATH where one listens that somebody else drives");
	if (!common->qmp && options->resume_at_once)
		return fail(err, GW_USAGE,
			    "--resume-at-once: needs --qmp, who drives QEMU says when "
			    "its guest runs");
	if (common->accelerator &&
	    accelerator_by_name(common->accelerator, &known, err) < 0)
		return fail_in(err, "--accelerator");
	return check_listen(options, err);
}

/* ---- what is said ---- */

void recv_say(const struct recv_job *job, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	transfer_say(&job->options->common, format, args);
	va_end(args);
}

void recv_tell(struct recv_job *job, json_t *word)
{
	words_tell(job->in.main_link, word);
}

/* ---- before ---- */

static int plan(struct recv_job *job, struct gw_error *err)
{
	const struct transfer_options *common = &job->options->common;

	job->codec = codec_by_id(CODEC_NONE);
	if (common->accelerator &&
	    accelerator_by_name(common->accelerator, &job->accelerator, err) < 0)
		return -1;
	if (address_parse(&job->listen, job->options->listen, err) < 0)
		return -1;
	job->relay_interrupt = interrupt_new(err);
	if (!job->relay_interrupt)
		return -1;
	job->words = words_new(err);
	return job->words ? 0 : -1;
}

static int open_listener(struct recv_job *job, struct gw_error *err)
{
	const struct reception_options options = {
		.formats = legs_formats(),
		.patience_ms = job->options->common.patience_ms,
		.log = job->options->common.log,
	};

	job->listener = listener_open(&job->listen, BACKLOG, job->stop, err);
	if (!job->listener || (job->listen.kind == ADDRESS_UNIX &&
			       guardian_remove(job->guardian, job->listen.path, err) < 0))
		return -1;
	recv_say(job, "listening on %s", listener_uri(job->listener));
	if (job->options->from_qemu)
		return 0;
	job->reception = reception_new(job->listener, &options, job->stop, err);
	return job->reception ? 0 : -1;
}

static int await_somebody(struct recv_job *job, struct gw_error *err)
{
	int came;

	if (job->options->from_qemu)
		return recv_await_qemu(job, err) < 0 ? -1 : 0;
	do {
		came = recv_await_session(job, err);
	} while (came == 0);
	return came < 0 ? -1 : 0;
}

static int get_ready(struct recv_job *job, struct gw_error *err)
{
	if (plan(job, err) < 0 || recv_meet_qemu(job, err) < 0)
		return -1;
	if (job->options->from_qemu && recv_plan_for_qemu(job, err) < 0)
		return -1;
	if (open_listener(job, err) < 0)
		return -1;
	return await_somebody(job, err);
}

/* ---- the run ---- */

static const struct dialect *dialect_here(const struct recv_job *job)
{
	struct gw_error ignored;

	return job->expand_zero_pages ? dialect_by_name("8.2", &ignored)
				      : dialect_newest();
}

static int start_preempt(struct recv_job *job, struct gw_error *err)
{
	struct preempt_options options = {
		.reception = job->reception,
		.to = job->door,
		.guardian = job->guardian,
		.interrupt = job->relay_interrupt,
		.patience_ms = job->options->common.patience_ms,
		.log = job->options->common.log,
	};

	if (!job->reception)
		return 0;
	memcpy(options.session, job->session, sizeof(options.session));
	job->preempt = preempt_start(&options, err);
	return job->preempt ? 0 : -1;
}

static int start_relay(struct recv_job *job, struct gw_error *err)
{
	const struct transfer_options *common = &job->options->common;
	const struct relay_options options = {
		.from = legs_end(&job->in),
		.to = legs_end(&job->out),
		.guarded = true,
		.aligned = true,
		.dialect = dialect_here(job),
		.codec = codec_by_id(CODEC_NONE),
		.accelerator = job->accelerator,
		.engine_jobs = (uint32_t)common->accelerator_jobs,
		.downtime_limit_ms = job->here.known ? job->here.downtime_limit_ms : 300,
		.patience_ms = common->patience_ms,
		.words = job->words,
		.log = common->log,
	};

	job->relay = relay_start(&options, job->relay_interrupt, err);
	return job->relay ? start_preempt(job, err) : -1;
}

static void go_along(struct recv_job *job, struct transfer_report *report)
{
	if (job->peer)
		qmp_peer_set_interrupt(job->peer, job->leave);
	recv_follow(job);
	recv_conclude(job, report);
}

static void restore_settings(struct recv_job *job)
{
	struct gw_error err;

	if (!job->peer || qmp_peer_process_is_gone(job->peer))
		return;
	/* What was interrupted before is to be put back all the same. */
	qmp_peer_set_interrupt(job->peer, job->leave);
	if (kept_settings_restore(&job->kept, job->peer, &err) < 0 &&
	    !qmp_peer_process_is_gone(job->peer))
		recv_say(job, "the destination's settings are not as they were: %s",
			 err.text);
}

static void clean_up(struct recv_job *job)
{
	if (job->relay_interrupt)
		interrupt_raise(job->relay_interrupt);
	if (job->relay)
		relay_cancel(job->relay);
	preempt_stop(job->preempt);
	relay_stop(job->relay);
	legs_close(&job->in);
	legs_close(&job->out);
	reception_free(job->reception);
	listener_free(job->listener);
	door_remove_place(&job->place);
	restore_settings(job);
	kept_settings_deinit(&job->kept);
	words_free(job->words);
	interrupt_free(job->relay_interrupt);
	json_decref(job->farewell);
	qmp_peer_free(job->peer);
	free(job);
}

/* Before the relay ran: QEMU's connections, if there are any, end as it can bear. */
static int explain_no_begin(struct recv_job *job, struct gw_error *err)
{
	struct gw_error why = *err;

	recv_tell(job, json_pack("{ss ss}", "say", "abort", "why", why.text));
	if (job->relay)
		relay_cancel(job->relay);
	relay_stop(MOVE(job->relay));
	guardian_abort(job->guardian, job->leave);
	if (why.kind == GW_USAGE || !job->listener)
		return -1;
	fail(err, why.kind, "%.200s; %s", why.text,
	     job->began
		     ? "the guest is at the source, and QEMU here has to be started anew"
		     : "no guest came, QEMU here is as it was");
	err->sys = why.sys;
	return -1;
}

int recv_run(const struct recv_options *options, struct guardian *guardian,
	     const struct interrupt *stop, const struct interrupt *leave,
	     struct transfer_report *report, struct gw_error *err)
{
	struct recv_job *job = calloc(1, sizeof(*job));
	int failed;

	if (!job)
		return fail_sys(err, ENOMEM, "recv");
	job->options = options;
	job->guardian = guardian;
	job->stop = stop;
	job->leave = leave;
	transfer_report_init(report);
	failed = get_ready(job, err);
	if (failed == 0)
		failed = start_relay(job, err);
	if (failed == 0)
		go_along(job, report);
	else
		explain_no_begin(job, err);
	clean_up(job);
	return failed;
}
