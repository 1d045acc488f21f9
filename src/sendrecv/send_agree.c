/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* send_agree.c - before a byte of the guest moves: what both QEMUs are, and whether it can work. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "sendrecv/send_parts.h"

/* A relay holds the rate by itself; QEMU is to give as fast as it is taken from. */
#define QEMU_BANDWIDTH (UINT64_C(1) << 40)

/* Have to be alike on both sides. */
static const char *const common_capabilities[] = {
	"postcopy-ram",
	"postcopy-preempt",
	"switchover-ack",
	"x-ignore-shared",
	"validate-uuid",
	"dirty-bitmaps",
	"xbzrle",
	"late-block-activate",
	"postcopy-blocktime",
	NULL,
};

/* ---- the QEMU here ---- */

static int open_door(struct send_job *job, struct gw_error *err)
{
	const struct transfer_options *common = &job->options->common;
	const struct door_options options = {
		.channel_count = job->qemu_channels,
		.preempt =
			!job->source || qemu_facts_knows(&job->here, "postcopy-preempt"),
		.patience_ms = common->patience_ms,
		.log = common->log,
	};
	struct door_wish wish = common->door;

	if (job->source)
		legs_wish_for_user(job->source, &wish);
	if (door_make_place(&wish, &job->place, err) < 0)
		return -1;
	if (job->place.directory[0] &&
	    guardian_remove(job->guardian, job->place.directory, err) < 0)
		return -1;
	job->door = door_open(&job->place, &wish, &options, job->leave, err);
	if (!job->door)
		return -1;
	return job->place.directory[0]
		       ? 0
		       : guardian_remove(job->guardian, job->place.path, err);
}

int send_meet_source(struct send_job *job, struct gw_error *err)
{
	const char *path = job->options->common.qmp;

	if (!path)
		return open_door(job, err);
	job->source = qmp_peer_new("source", path, job->stop, err);
	if (!job->source || qemu_facts_read(job->source, &job->here, err) < 0 ||
	    kept_settings_read(&job->kept, job->source, err) < 0)
		return -1;
	/* One that sleeps is woken by its QEMU alone, which has to be let go for that. */
	job->runs = job->here.running || strcmp(job->here.run_state, "suspended") == 0;
	if (job->downtime_limit_ms == TRANSFER_UNSET)
		job->downtime_limit_ms = job->here.downtime_limit_ms;
	return 0;
}

/* ---- settings ---- */

static void plan_tuning(const struct send_job *job, struct tuning *tuning)
{
	const struct send_options *options = job->options;

	tuning_init(tuning);
	tuning->channels = job->qemu_channels;
	/* One-sided or not, what compresses is the relay. */
	tuning->method = job->qemu_channels > 0 ? "none" : NULL;
	tuning->max_bandwidth = QEMU_BANDWIDTH;
	tuning->downtime_limit_ms = options->downtime_limit_ms == TRANSFER_UNSET
					    ? TUNING_UNSET
					    : options->downtime_limit_ms;
	tuning->return_path = true;
	tuning->sets = options->sets;
	tuning->set_count = options->set_count;
	tuning->caps = options->caps;
	tuning->cap_count = options->cap_count;
}

static int ask_for_postcopy(struct send_job *job, struct gw_error *err)
{
	if (job->options->postcopy_after_s == TRANSFER_UNSET)
		return 0;
	return qmp_peer_execute(job->source, "migrate-set-capabilities",
				json_pack("{s[{ss sb}]}", "capabilities", "capability",
					  "postcopy-ram", "state", true),
				NULL, err);
}

int send_tune_source(struct send_job *job, struct gw_error *err)
{
	struct tuning tuning;

	plan_tuning(job, &tuning);
	if (tuning_apply(&tuning, job->source, job->options->common.log, &job->tuned,
			 err) < 0 ||
	    ask_for_postcopy(job, err) < 0 ||
	    qemu_facts_read(job->source, &job->here, err) < 0)
		return -1;
	job->downtime_limit_ms = job->tuned.downtime_limit_ms;
	if (strcmp(job->tuned.method, "none") != 0)
		return fail(err, GW_USAGE,
			    "source: multifd-compression is %s, only none can be relayed",
			    job->tuned.method);
	/* Without it the source takes what it has written for arrived. */
	if (!qemu_facts_has_on(&job->here, "return-path"))
		return fail(err, GW_USAGE,
			    "source: return-path is off, it has to be on: by it the "
			    "destination says that it has the guest");
	return open_door(job, err);
}

/* ---- the other godwit ---- */

static json_t *about_us(const struct send_job *job)
{
	return json_pack("{so sI sI ss}", "qemu", qemu_facts_json(&job->here), "channels",
			 (json_int_t)job->channels, "qemu-channels",
			 (json_int_t)job->qemu_channels, "method", job->codec->name);
}

static int say_hello(struct send_job *job, struct hello *theirs, struct gw_error *err)
{
	struct hello ours = {
		.role = LINK_MAIN,
		.formats = legs_formats(),
		.about = about_us(job),
	};

	memcpy(ours.session, job->session, sizeof(ours.session));
	job->out.main_link =
		session_connect(&job->to, &ours, job->stop,
				job->options->common.patience_ms, theirs, err);
	json_decref(ours.about);
	return job->out.main_link ? 0 : -1;
}

/* Every line for people here, all refusals for those there. */
static int explain_preflight(struct send_job *job, struct gw_error *err)
{
	const struct preflight *flight = &job->preflight;
	json_t *lines = json_array();

	for (uint32_t i = 0; i < flight->count; i++) {
		const struct preflight_line *line = &flight->lines[i];

		send_say(job, "%s", line->text);
		if (line->weight == PREFLIGHT_REFUSE)
			json_array_append_new(lines, json_string(line->text));
	}
	if (flight->refusals == 0) {
		json_decref(lines);
		return 0;
	}
	send_tell(job, json_pack("{ss so}", "say", "refuse", "why", lines));
	return fail(err, GW_PEER,
		    "the destination cannot take the guest (%" PRIu32 " reason%s, above)",
		    flight->refusals, flight->refusals == 1 ? "" : "s");
}

static int compare(struct send_job *job, const struct hello *theirs, bool one_sided,
		   struct gw_error *err)
{
	const struct preflight_plan plan = {
		.qemu_channels = job->qemu_channels,
		.postcopy = job->options->postcopy_after_s != TRANSFER_UNSET ||
			    qemu_facts_has_on(&job->here, "postcopy-ram"),
		.format = job->codec->id,
		.formats_there = theirs ? theirs->formats : ~0u,
		.one_sided = one_sided,
	};
	struct qemu_facts there = { .channels = -1 };

	if (theirs)
		qemu_facts_parse(&there, json_object_get(theirs->about, "qemu"));
	preflight_compare(&job->here, &there, &plan, &job->preflight);
	return explain_preflight(job, err);
}

static json_t *capabilities_there(const struct send_job *job)
{
	json_t *wanted = json_object();

	for (uint32_t i = 0; common_capabilities[i]; i++)
		if (qemu_facts_knows(&job->here, common_capabilities[i]))
			json_object_set_new(wanted, common_capabilities[i],
					    json_boolean(qemu_facts_has_on(
						    &job->here, common_capabilities[i])));
	return wanted;
}

/* "refuse" has its reasons as a list. */
static int fail_refused(const json_t *word, struct gw_error *err)
{
	const json_t *why = json_array_get(json_object_get(word, "why"), 0);
	char text[400];

	return fail(err, GW_PEER, "the other godwit refuses: %s",
		    printable(text, sizeof(text),
			      json_is_string(why) ? json_string_value(why) : "no reason",
			      json_is_string(why) ? (unsigned)json_string_length(why)
						  : 9));
}

static int prepare_there(struct send_job *job, struct gw_error *err)
{
	const struct transfer_options *common = &job->options->common;
	struct channel *channel = session_link_channel(job->out.main_link);
	json_t *word,
		*prepare = json_pack("{ss sI sI ss sb sb sI so sb}", "say", "prepare",
				     "channels", (json_int_t)job->channels,
				     "qemu-channels", (json_int_t)job->qemu_channels,
				     "method", job->codec->name, "driven",
				     job->source != NULL, "expand-zero-pages",
				     job->preflight.expand_zero_pages, "downtime-limit",
				     (json_int_t)job->downtime_limit_ms, "capabilities",
				     capabilities_there(job), "running", job->runs);
	int failed;

	channel_set_read_patience(channel, 2 * common->patience_ms);
	if (control_write(job->out.main_link, prepare, err) < 0)
		return -1;
	word = words_await(job->out.main_link, err);
	if (!word)
		return -1;
	if (strcmp(control_word(word), "prepared") == 0)
		failed = 0;
	else if (strcmp(control_word(word), "refuse") == 0)
		failed = fail_refused(word, err);
	else if (strcmp(control_word(word), "abort") == 0)
		failed = transfer_fail_told(err, "destination", word);
	else
		failed = fail(err, GW_PEER, "neither \"prepared\" nor \"refuse\"");
	json_decref(word);
	return failed;
}

static int agree(struct send_job *job, struct hello *theirs, struct gw_error *err)
{
	if (compare(job, theirs, false, err) < 0)
		return -1;
	if (prepare_there(job, err) < 0)
		return fail_in(err, "%s", job->to.uri);
	return legs_connect_pages(&job->out, &job->to, job->channels, job->session,
				  legs_formats(), job->stop,
				  job->options->common.patience_ms, err);
}

int send_agree(struct send_job *job, struct gw_error *err)
{
	struct hello theirs;
	int failed;

	if (job->options->to_qemu)
		return compare(job, NULL, true, err);
	if (say_hello(job, &theirs, err) < 0)
		return -1;
	failed = agree(job, &theirs, err);
	hello_deinit(&theirs);
	return failed;
}
