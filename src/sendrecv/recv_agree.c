/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* recv_agree.c - before a byte of the guest moves: who comes, and can the QEMU here take it? */
#include <stdio.h>
#include <string.h>

#include "migrate/lobby.h"
#include "sendrecv/recv_parts.h"

#define CAPS_MAX 32u
#define CAP_BYTES 64u
#define REASONS_MAX 96u

/* ---- the QEMU here ---- */

int recv_meet_qemu(struct recv_job *job, struct gw_error *err)
{
	const struct transfer_options *common = &job->options->common;

	if (!common->qmp)
		return 0;
	job->peer = qmp_peer_new("destination", common->qmp, job->stop, err);
	if (!job->peer || qemu_facts_read(job->peer, &job->here, err) < 0 ||
	    kept_settings_read(&job->kept, job->peer, err) < 0)
		return -1;
	if (!job->here.listens)
		return fail(err, GW_USAGE,
			    "destination: its guest is %s; QEMU has to be started with "
			    "-incoming defer",
			    job->here.run_state);
	return 0;
}

/* For a socket that QEMU is to make. */
static int make_place(struct recv_job *job, struct gw_error *err)
{
	struct door_wish wish = job->options->common.door;

	legs_wish_for_user(job->peer, &wish);
	if (door_make_place(&wish, &job->place, err) < 0 ||
	    guardian_remove(job->guardian, job->place.directory, err) < 0)
		return -1;
	return door_give_place(&job->place, &wish, err);
}

static void add_cap(const struct recv_job *job, const char *name, bool on,
		    char texts[CAPS_MAX][CAP_BYTES], struct tuning *tuning)
{
	/* What it does not know is off there, and the preflight has said what has to be on. */
	if (!qemu_facts_knows(&job->here, name) || tuning->cap_count == CAPS_MAX ||
	    strlen(name) > CAP_BYTES - 5)
		return;
	snprintf(texts[tuning->cap_count++], CAP_BYTES, "%s=%s", name, on ? "on" : "off");
}

/* `capabilities`: name to boolean, or NULL. */
static int tune(struct recv_job *job, json_t *capabilities, struct gw_error *err)
{
	char texts[CAPS_MAX][CAP_BYTES];
	const char *caps[CAPS_MAX];
	struct tuning tuning;
	struct tuned tuned;
	const char *name;
	json_t *on;

	tuning_init(&tuning);
	tuning.channels = job->qemu_channels;
	tuning.method = job->qemu_channels > 0 ? "none" : NULL;
	tuning.return_path = true;
	json_object_foreach (capabilities, name, on)
		add_cap(job, name, json_is_true(on), texts, &tuning);
	for (uint32_t i = 0; i < tuning.cap_count; i++)
		caps[i] = texts[i];
	tuning.caps = caps;
	return tuning_apply(&tuning, job->peer, job->options->common.log, &tuned, err);
}

/* From here on this QEMU is taken: it listens once. */
static int make_listen(struct recv_job *job, bool hold, struct gw_error *err)
{
	if (!job->peer) {
		char uri[sizeof(job->place.uri)];

		snprintf(uri, sizeof(uri), "unix:%s", job->options->common.door.path);
		return address_parse(&job->door, uri, err);
	}
	if (make_place(job, err) < 0)
		return -1;
	if (hold && destination_hold(job->peer, err) < 0)
		return -1;
	job->holds = hold;
	job->began = true;
	if (qmp_peer_execute(job->peer, "migrate-incoming",
			     json_pack("{ss}", "uri", job->place.uri), NULL, err) < 0)
		return -1;
	return address_parse(&job->door, job->place.uri, err);
}

/* Once it is connected to, a QEMU answers nobody until it has read the first bytes of main. */
static int connect_qemu(struct recv_job *job, bool hold, struct gw_error *err)
{
	meter_begin(&job->meter, job->peer);
	if (make_listen(job, hold, err) < 0)
		return -1;
	job->began = true;
	return legs_connect_qemu(&job->out, &job->door, job->qemu_channels, job->uuid,
				 job->guardian, job->stop,
				 job->options->common.patience_ms, err);
}

/* ---- the other godwit ---- */

static int answer_hello(struct recv_job *job, const struct hello *theirs,
			struct gw_error *err)
{
	struct hello ours = {
		.role = LINK_MAIN,
		.protocol = theirs->protocol,
		.formats = legs_formats(),
		.about = json_pack("{so}", "qemu", qemu_facts_json(&job->here)),
	};
	int failed;

	memcpy(ours.session, theirs->session, sizeof(ours.session));
	memcpy(job->session, theirs->session, sizeof(job->session));
	failed = hello_write(job->in.main_link, &ours, err);
	json_decref(ours.about);
	return failed;
}

static const char *text_of(const json_t *json, char *text, unsigned room)
{
	if (!json_is_string(json))
		return "no reason";
	return printable(text, room, json_string_value(json),
			 (unsigned)json_string_length(json));
}

/* Its preflight found us unfit, and its lines are for people here as well. */
static int fail_refused(const struct recv_job *job, const json_t *word,
			struct gw_error *err)
{
	const json_t *lines = json_object_get(word, "why"), *line;
	char text[400];
	size_t i;

	json_array_foreach (lines, i, line) {
		if (i < REASONS_MAX)
			recv_say(job, "%s", text_of(line, text, sizeof(text)));
	}
	return fail(err, GW_PEER, "the guest does not fit QEMU here");
}

static int read_number(const json_t *word, const char *name, json_int_t most,
		       uint32_t *value, struct gw_error *err)
{
	const json_t *number = json_object_get(word, name);
	json_int_t seen = json_integer_value(number);

	if (!json_is_integer(number))
		return fail(err, GW_PEER, "prepare: %s is no whole number", name);
	if (seen < 0 || seen > most)
		return fail(err, GW_PEER,
			    "prepare: %s is %" JSON_INTEGER_FORMAT
			    ", 0 to %" JSON_INTEGER_FORMAT " are allowed",
			    name, seen, most);
	*value = (uint32_t)seen;
	return 0;
}

static int read_prepare(struct recv_job *job, const json_t *word, struct gw_error *err)
{
	uint64_t own = job->options->common.qemu_channels;
	const json_t *method = json_object_get(word, "method");

	if (strcmp(control_word(word), "abort") == 0)
		return transfer_fail_told(err, "source", word);
	if (strcmp(control_word(word), "prepare") != 0)
		return fail(err, GW_PEER, "neither \"prepare\" nor \"refuse\"");
	if (read_number(word, "channels", MULTIFD_CHANNELS_MAX, &job->channels, err) <
		    0 ||
	    read_number(word, "qemu-channels", MULTIFD_CHANNELS_MAX, &job->qemu_channels,
			err) < 0)
		return -1;
	if ((job->channels == 0) != (job->qemu_channels == 0))
		return fail(err, GW_PEER,
			    "prepare: %u connections for %u channels of QEMU",
			    job->channels, job->qemu_channels);
	if (own != TRANSFER_UNSET && job->qemu_channels > 0)
		job->qemu_channels = (uint32_t)own;
	job->codec = codec_by_name(
		json_is_string(method) ? json_string_value(method) : "", err);
	if (!job->codec)
		return fail_in(err, "prepare");
	job->driven = json_is_true(json_object_get(word, "driven"));
	/* Of the QEMU here nobody knows better. */
	job->expand_zero_pages =
		job->peer ? job->here.major < 9
			  : json_is_true(json_object_get(word, "expand-zero-pages"));
	return 0;
}

/* So that people there see why. */
static void tell_refusal(struct recv_job *job, const struct gw_error *why)
{
	char text[sizeof(why->text)];

	printable(text, sizeof(text), why->text, (unsigned)strlen(why->text));
	recv_tell(job, json_pack("{ss s[s]}", "say", "refuse", "why", text));
}

static int prepare(struct recv_job *job, struct gw_error *err)
{
	json_t *word = words_await(job->in.main_link, err);
	int failed;

	if (!word)
		return -1;
	if (strcmp(control_word(word), "refuse") == 0) {
		fail_refused(job, word, err);
		json_decref(word);
		return -1;
	}
	failed = read_prepare(job, word, err);
	if (failed == 0 && job->peer)
		failed = tune(job, json_object_get(word, "capabilities"), err);
	json_decref(word);
	if (failed < 0) {
		tell_refusal(job, err);
		return -1;
	}
	return control_write(job->in.main_link, json_pack("{ss}", "say", "prepared"),
			     err);
}

static int hex_digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int read_channels(struct recv_job *job, const json_t *word, struct gw_error *err)
{
	const char *uuid = json_string_value(json_object_get(word, "uuid"));

	if (strcmp(control_word(word), "abort") == 0)
		return transfer_fail_told(err, "source", word);
	if (strcmp(control_word(word), "channels") != 0)
		return fail(err, GW_PEER, "the source gave up before its QEMU came");
	for (size_t i = 0; i < 16; i++) {
		int high = uuid && strlen(uuid) == 32 ? hex_digit(uuid[2 * i]) : -1;
		int low = high < 0 ? -1 : hex_digit(uuid[2 * i + 1]);

		if (low < 0)
			return fail(err, GW_PEER, "channels: uuid is no 32 hex digits");
		job->uuid[i] = (uint8_t)(high << 4 | low);
	}
	return 0;
}

static int await_channels(struct recv_job *job, struct gw_error *err)
{
	json_t *word = words_await(job->in.main_link, err);
	int failed;

	if (!word)
		return -1;
	failed = read_channels(job, word, err);
	json_decref(word);
	return failed;
}

static int receive_session(struct recv_job *job, struct gw_error *err)
{
	int patience_ms = job->options->common.patience_ms;
	struct hello theirs;
	int failed;

	job->in.main_link = reception_main(job->reception, &theirs, err);
	if (!job->in.main_link)
		return -1;
	failed = answer_hello(job, &theirs, err);
	hello_deinit(&theirs);
	channel_set_read_patience(session_link_channel(job->in.main_link),
				  2 * patience_ms);
	if (failed < 0 || prepare(job, err) < 0)
		return -1;
	if (legs_receive_pages(&job->in, job->reception, job->channels, job->session,
			       patience_ms, err) < 0)
		return -1;
	return await_channels(job, err);
}

/* QEMU is as it was; the next one may come. */
static int forget_session(struct recv_job *job, const struct gw_error *why,
			  struct gw_error *err)
{
	recv_say(job, "a migration came to nothing: %s", why->text);
	legs_close(&job->in);
	if (!job->peer)
		return 0;
	if (kept_settings_restore(&job->kept, job->peer, err) < 0)
		return fail_in(err, "the settings are not as they were");
	return qemu_facts_read(job->peer, &job->here, err) < 0 ? -1 : 0;
}

int recv_await_session(struct recv_job *job, struct gw_error *err)
{
	bool hold;

	if (receive_session(job, err) < 0) {
		struct gw_error why = *err;

		if (!job->in.main_link || why.kind == GW_CANCELLED)
			return -1;
		return forget_session(job, &why, err);
	}
	hold = job->peer && job->driven && !job->options->resume_at_once;
	return connect_qemu(job, hold, err) < 0 ? -1 : 1;
}

/* ---- a QEMU that comes by itself ---- */

int recv_plan_for_qemu(struct recv_job *job, struct gw_error *err)
{
	const struct transfer_options *common = &job->options->common;

	if (qemu_facts_has_on(&job->here, "postcopy-preempt"))
		return fail(err, GW_UNSUPPORTED,
			    "destination: postcopy-preempt is on, --from-qemu takes no "
			    "preempt channel: set it to off on both sides");
	job->channels = (uint32_t)common->channels;
	if (job->channels == 0)
		job->channels = job->here.channels > 0 ? (uint32_t)job->here.channels
						       : TRANSFER_CHANNELS_DEFAULT;
	job->qemu_channels = common->qemu_channels == TRANSFER_UNSET
				     ? job->channels
				     : (uint32_t)common->qemu_channels;
	job->codec = codec_by_id(CODEC_NONE);
	job->expand_zero_pages = !job->peer || job->here.major < 9;
	return job->peer ? tune(job, NULL, err) : 0;
}

int recv_await_qemu(struct recv_job *job, struct gw_error *err)
{
	const struct lobby_options options = {
		.channel_count = job->channels,
		.patience_ms = job->options->common.patience_ms,
		.log = job->options->common.log,
	};
	struct arrivals arrivals;

	if (lobby_admit(job->listener, &options, job->stop, &arrivals, err) < 0)
		return -1;
	job->in.main = arrivals.main;
	for (uint32_t i = 0; i < job->channels; i++)
		job->in.pages[i] = arrivals.pages[i];
	job->in.count = job->channels;
	memcpy(job->uuid, arrivals.uuid, sizeof(job->uuid));
	return connect_qemu(job, false, err) < 0 ? -1 : 1;
}
