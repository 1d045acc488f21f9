/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* demo.c - a guest moves from one process of ours to another, and what that took. */
#include "demo/demo.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "demo/beat_log.h"
#include "demo/demo_destination.h"
#include "demo/demo_source.h"
#include "migrate/sender.h"

/* The guest runs on so long before it is asked how it is. */
#define RUN_ON_MS 200

/* What the destination has to say for itself when the source has given up. */
#define LAST_WORD_MS 2000

struct child {
	const char *name;
	pid_t pid;
	struct link link;
};

struct demo {
	const struct demo_options *options;
	const struct codec *codec;
	int level;
	const struct interrupt *stop;
	struct result *result;
	struct child source;
	struct child destination;
	json_t *left;	 /* the source's result */
	json_t *arrived; /* the destination's first message after the migration */
	json_t *proof;	 /* its last */
	bool cancelled;	 /* the source was told to stop */
	bool gave_up;	 /* the destination was */
};

/* ---- the two processes ---- */

static int run_child(const struct demo *demo, bool source, struct link *link)
{
	struct gw_error err;
	int failed;

	/* What a terminal or timeout(1) sends to all of a group is the parent's to handle;
	 * without it there is nobody to report to. */
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	failed = source ? demo_source(demo->options, demo->codec, demo->level, link, &err)
			: demo_destination(demo->options, link, &err);
	if (failed < 0) {
		struct gw_error ignored;

		(void)link_send(link,
				json_pack("{ss ss si si}", "event", "hopeless", "error",
					  err.text, "kind", (int)err.kind, "sys",
					  err.sys),
				&ignored);
	}
	link_close(link);
	return failed < 0;
}

static int start_child(struct demo *demo, struct child *child, bool source,
		       struct gw_error *err)
{
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		return fail_sys(err, errno, "socketpair");
	fflush(NULL);
	child->pid = fork();
	if (child->pid < 0) {
		close(ends[0]);
		close(ends[1]);
		return fail_sys(err, errno, "fork");
	}
	if (child->pid == 0) {
		struct link link;

		link_close(&demo->source.link);
		link_close(&demo->destination.link);
		close(ends[0]);
		link_init(&link, ends[1]);
		/* NOLINTNEXTLINE(concurrency-mt-unsafe): its threads are joined by now */
		exit(run_child(demo, source, &link));
	}
	close(ends[1]);
	link_init(&child->link, ends[0]);
	return 0;
}

static void end_child(struct child *child)
{
	link_close(&child->link);
	if (child->pid > 0) {
		/* It ends by itself when its link does, unless it hangs. */
		for (int i = 0; i < 200; i++) {
			if (waitpid(child->pid, NULL, WNOHANG) != 0) {
				child->pid = 0;
				return;
			}
			interrupt_sleep(NULL, 10 * NS_PER_MS);
		}
		kill(child->pid, SIGKILL);
		waitpid(child->pid, NULL, 0);
	}
	child->pid = 0;
}

/* ---- what they say ---- */

static int64_t get(const json_t *message, const char *key)
{
	return json_integer_value(json_object_get(message, key));
}

static const char *get_text(const json_t *message, const char *key)
{
	const char *text = json_string_value(json_object_get(message, key));

	return text ? text : "";
}

static bool is_event(const json_t *message, const char *event)
{
	return strcmp(get_text(message, "event"), event) == 0;
}

/* The next message of a child that has something to say before the migration. */
static json_t *expect(const struct demo *demo, struct child *child, const char *event,
		      struct gw_error *err)
{
	json_t *message = NULL;

	if (link_has_line(&child->link) ||
	    interrupt_poll(demo->stop, child->link.fd, POLLIN, -1, err) > 0)
		message = link_receive(&child->link, -1, err);
	else if (err->kind == GW_CANCELLED)
		fail(err, GW_CANCELLED, "cancelled before the migration began");
	if (!message) {
		if (err->kind != GW_CANCELLED)
			fail_in(err, "%s process", child->name);
		return NULL;
	}
	if (is_event(message, event))
		return message;
	fail(err,
	     is_event(message, "hopeless") ? (enum gw_error_kind)get(message, "kind")
					   : GW_SYSTEM,
	     "%s process: %s", child->name, get_text(message, "error"));
	err->sys = (int)get(message, "sys");
	json_decref(message);
	return NULL;
}

static void show_progress(const struct demo *demo, const json_t *now)
{
	double total = (double)get(now, "total_pages"),
	       left = (double)get(now, "remaining_pages");
	double rate = (double)get(now, "bytes_per_s");
	char line[160], eta[24] = "";

	if (!demo->options->progress)
		return;
	if (rate > 0)
		snprintf(eta, sizeof(eta), "  ETA %.1f s",
			 left * (double)PAGE_BYTES / rate);
	snprintf(line, sizeof(line),
		 "%-5s %-7s round %" PRId64 "  %3.0f %%  %" PRId64
		 " MiB sent  dirty %" PRId64 " MiB/s%s",
		 demo->codec->name, get_text(now, "state"), get(now, "round"),
		 total > 0 ? 100 * (total - left) / total : 0,
		 get(now, "wire_bytes") >> 20,
		 get(now, "dirty_pages_per_s") * (int64_t)PAGE_BYTES >> 20, eta);
	demo->options->progress(demo->options->people, line);
}

static void show_note(const struct demo *demo, const json_t *note)
{
	char line[320];

	if (!demo->options->note)
		return;
	snprintf(line, sizeof(line), "%s: %s", demo->codec->name, get_text(note, "text"));
	demo->options->note(demo->options->people, line);
}

/* Takes over `message`. */
static void hear(struct demo *demo, struct child *child, json_t *message)
{
	if (is_event(message, "progress")) {
		show_progress(demo, message);
		json_decref(message);
	} else if (is_event(message, "note")) {
		show_note(demo, message);
		json_decref(message);
	} else if (child == &demo->source) {
		json_decref(demo->left);
		demo->left = message;
	} else {
		json_decref(demo->arrived);
		demo->arrived = message;
	}
}

static json_t *death(const char *name)
{
	char text[64];

	snprintf(text, sizeof(text), "the %s process ended", name);
	return json_pack("{ss ss}", "event", "dead", "error", text);
}

static void cancel_once(struct child *child, bool *cancelled)
{
	struct gw_error ignored;

	if (!*cancelled)
		(void)link_send(&child->link, json_pack("{ss}", "command", "cancel"),
				&ignored);
	*cancelled = true;
}

/* How long a destination whose source has ended may be at it: it may hold everything and be
 * taking its checksum, unless the source knows better. */
static int last_word_ms(const struct demo *demo)
{
	return get(demo->left, "guest") == GUEST_AT_SOURCE &&
			       is_event(demo->left, "result")
		       ? LAST_WORD_MS
		       : demo->options->patience_ms;
}

/* Until both have said how it ended.  A destination whose source is gone ends by itself, unless
 * it never met it. */
static void listen_to_both(struct demo *demo)
{
	struct child *children[2] = { &demo->source, &demo->destination };
	bool ours = !demo->options->to;
	uint64_t left_ns = 0;

	while (!demo->left || (ours && !demo->arrived)) {
		struct pollfd fds[2];

		for (int i = 0; i < 2; i++) {
			bool heard = i == 0 ? demo->left != NULL : demo->arrived || !ours;

			fds[i] = (struct pollfd){ .fd = heard ? -1 : children[i]->link.fd,
						  .events = POLLIN };
		}
		if (demo->stop && interrupt_raised(demo->stop))
			cancel_once(&demo->source, &demo->cancelled);
		if (demo->left && left_ns == 0)
			left_ns = clock_now_ns();
		if (demo->left &&
		    clock_now_ns() - left_ns > (uint64_t)last_word_ms(demo) * NS_PER_MS)
			cancel_once(&demo->destination, &demo->gave_up);
		if (poll(fds, 2, 100) <= 0)
			continue;
		for (int i = 0; i < 2; i++) {
			struct gw_error err;
			json_t *message;

			if (fds[i].fd < 0 || !fds[i].revents)
				continue;
			do {
				message = link_receive(&children[i]->link, 1000, &err);
				hear(demo, children[i],
				     message ? message : death(children[i]->name));
			} while (message && link_has_line(&children[i]->link));
		}
	}
}

/* ---- what it comes to ---- */

static double get_ms(const json_t *message, const char *key)
{
	return (double)get(message, key) / 1e6;
}

static void fill_in_times(struct result *result, const json_t *split,
			  const json_t *phases)
{
	result->split = (struct result_split){
		.stop_ms = get_ms(split, "stop_ns"),
		.last_sync_ms = get_ms(split, "last_sync_ns"),
		.last_pages_ms = get_ms(split, "last_pages_ns"),
		.state_ms = get_ms(split, "state_ns"),
		.resume_ms = get_ms(split, "resume_ns"),
	};
	result->phases = (struct result_phases){
		.sync_ms = get_ms(phases, "sync_ns"),
		.scan_ms = get_ms(phases, "scan_ns"),
		.zero_ms = get_ms(phases, "zero_ns"),
		.engine_ms = get_ms(phases, "engine_ns"),
		.send_ms = get_ms(phases, "send_ns"),
		.wait_ms = get_ms(phases, "wait_ns"),
	};
}

static void fill_in_source(struct demo *demo)
{
	struct result *result = demo->result;
	const json_t *left = demo->left;
	static const char *const states[] = { "completed", "failed", "cancelled" };

	result->status = "failed";
	for (unsigned i = 0; i < 3; i++)
		if (strcmp(get_text(left, "state"), states[i]) == 0)
			result->status = states[i];
	result->total_ms = get_ms(left, "total_ns");
	result->setup_ms = get_ms(left, "setup_ns");
	result->downtime_ms = get_ms(left, "downtime_ns");
	fill_in_times(result, json_object_get(left, "split"),
		      json_object_get(left, "phases"));
	result->throttle_percent = (uint32_t)get(left, "throttle_percent");
	result->send_cpu_s = (double)get(left, "cpu_ns") / 1e9;
	result_engine_read(&result->sent, json_object_get(left, "engine"));
	result->wire_bytes = (uint64_t)get(left, "wire_bytes");
	result->normal_pages = (uint64_t)get(left, "normal_pages");
	result->zero_pages = (uint64_t)get(left, "zero_pages");
	result->rounds = (uint32_t)get(left, "rounds");
	result->heartbeat_at_pause = (uint64_t)get(left, "heartbeat");
	snprintf(result->error, sizeof(result->error), "%s", get_text(left, "error"));
}

static void fill_in_destination(struct demo *demo)
{
	struct result *result = demo->result;
	const json_t *arrived = demo->arrived, *proof = demo->proof;
	int64_t verify_ns = get(arrived, "verify_ns");
	struct gw_error why = { 0 };
	bool same, sound, beats, spoken;

	result->verify_ms = (double)verify_ns / 1e6;
	result->recv_cpu_s = (double)get(arrived, "cpu_ns") / 1e9;
	result->receiver_known = true;
	result_engine_read(&result->received, json_object_get(arrived, "engine"));
	if (get(arrived, "started_at_ns") > 0 && get(demo->left, "paused_at_ns") > 0)
		result->downtime_ms = (double)(get(arrived, "started_at_ns") - verify_ns -
					       get(demo->left, "paused_at_ns")) /
				      1e6;
	/* The source waits while the destination takes its checksum. */
	result->total_ms -= result->verify_ms;
	if (result->split.resume_ms > result->verify_ms)
		result->split.resume_ms -= result->verify_ms;
	result->heartbeat_after = (uint64_t)get(proof, "heartbeat");
	result->heartbeat_gap_ms = (double)get(proof, "gap_ns") / 1e6;
	same = get_text(arrived, "checksum")[0] &&
	       strcmp(get_text(arrived, "checksum"), get_text(demo->left, "checksum")) ==
		       0;
	sound = json_is_true(json_object_get(proof, "sound"));
	beats = get(proof, "heartbeat_before") == get(demo->left, "heartbeat") &&
		result->heartbeat_after > result->heartbeat_at_pause;
	spoken = beat_log_join(json_object_get(demo->left, "console"),
			       json_object_get(proof, "console"), &why) == 0;
	result->verified = same && sound && beats && spoken ? VERDICT_YES : VERDICT_NO;
	if (result->error[0])
		return;
	if (!same)
		snprintf(result->error, sizeof(result->error),
			 "checksum of RAM: %.32s at the source, %.32s at the destination",
			 get_text(demo->left, "checksum"), get_text(arrived, "checksum"));
	else if (!sound)
		snprintf(result->error, sizeof(result->error),
			 "the guest's own check: %.200s", get_text(proof, "error"));
	else if (!beats)
		snprintf(result->error, sizeof(result->error),
			 "heartbeat: %" PRIu64 " at pause, %" PRIu64 " after",
			 result->heartbeat_at_pause, result->heartbeat_after);
	else if (!spoken)
		snprintf(result->error, sizeof(result->error),
			 "the guest's console: %.200s", why.text);
}

/* It has the guest, as far as the source knows. */
static enum demo_end conclude_arrival(struct demo *demo)
{
	struct result *result = demo->result;

	if (demo->options->to)
		return DEMO_DONE;
	if (demo->proof && is_event(demo->proof, "result")) {
		fill_in_destination(demo);
		return DEMO_DONE;
	}
	snprintf(result->error, sizeof(result->error), "%s",
		 demo->proof ? get_text(demo->proof, "error")
			     : "the destination process ended");
	return DEMO_LOST;
}

static enum demo_end conclude_at_source(struct demo *demo)
{
	struct result *result = demo->result;

	/* Why the destination gave up says more than that it did. */
	if (demo->arrived && !is_event(demo->arrived, "arrived") && !demo->cancelled &&
	    !demo->gave_up)
		snprintf(result->error, sizeof(result->error), "%s%.230s",
			 is_event(demo->arrived, "dead") ? "" : "destination: ",
			 get_text(demo->arrived, "error"));
	if (!json_is_true(json_object_get(demo->left, "runs_on"))) {
		size_t used = strlen(result->error);

		snprintf(result->error + used, sizeof(result->error) - used,
			 "%sthe guest at the source does not run on",
			 used > 0 ? "; " : "");
		return DEMO_UNKNOWN;
	}
	return strcmp(result->status, "cancelled") == 0 ? DEMO_CANCELLED : DEMO_FAILED;
}

static enum demo_end conclude(struct demo *demo)
{
	enum guest_whereabouts guest = (enum guest_whereabouts)get(demo->left, "guest");

	fill_in_source(demo);
	if (!is_event(demo->left, "result")) {
		if (demo->arrived && is_event(demo->arrived, "arrived"))
			return conclude_arrival(demo);
		return demo->options->to ? DEMO_UNKNOWN : DEMO_LOST;
	}
	snprintf(demo->result->tracker, sizeof(demo->result->tracker), "%s",
		 get_text(demo->left, "tracker"));
	switch (guest) {
	case GUEST_AT_DESTINATION:
		return conclude_arrival(demo);
	case GUEST_AT_SOURCE:
		return conclude_at_source(demo);
	case GUEST_UNKNOWN:
		break;
	}
	return DEMO_UNKNOWN;
}

static int begin(struct demo *demo, struct gw_error *err)
{
	const char *uri = demo->options->to;
	json_t *ready = NULL, *listening = NULL;
	int failed = start_child(demo, &demo->source, true, err);

	if (failed == 0 && !uri)
		failed = start_child(demo, &demo->destination, false, err);
	if (failed == 0 && !uri) {
		listening = expect(demo, &demo->destination, "listening", err);
		failed = listening ? 0 : -1;
		uri = get_text(listening, "uri");
	}
	if (failed == 0) {
		ready = expect(demo, &demo->source, "ready", err);
		failed = ready ? 0 : -1;
	}
	if (failed == 0)
		failed = link_send(&demo->source.link,
				   json_pack("{ss ss}", "command", "migrate", "uri", uri),
				   err);
	json_decref(ready);
	json_decref(listening);
	return failed;
}

int demo_run(const struct demo_options *options, const struct codec *codec, int level,
	     const struct interrupt *stop, struct result *result, enum demo_end *end,
	     struct gw_error *err)
{
	struct demo demo = {
		.options = options,
		.codec = codec,
		.level = level,
		.stop = stop,
		.result = result,
		.source = { .name = "source", .link = { .fd = -1 } },
		.destination = { .name = "destination", .link = { .fd = -1 } },
	};
	int failed;

	*result = (struct result){
		.guest = guest_kind_name(options->guest.kind),
		.method = codec->name,
		.sent = { .name = "none" },
		.received = { .name = "none" },
		.level = level,
		.channels = options->channels,
		.ram_bytes = options->guest.memory_bytes,
		.status = "none",
	};
	failed = begin(&demo, err);
	if (failed == 0) {
		listen_to_both(&demo);
		if (demo.arrived && is_event(demo.arrived, "arrived")) {
			struct gw_error ignored;

			interrupt_sleep(NULL, RUN_ON_MS * NS_PER_MS);
			(void)link_send(&demo.destination.link,
					json_pack("{ss}", "command", "finish"), &ignored);
			demo.proof = link_receive(&demo.destination.link, -1, &ignored);
		}
		*end = conclude(&demo);
	}
	end_child(&demo.source);
	end_child(&demo.destination);
	json_decref(demo.left);
	json_decref(demo.arrived);
	json_decref(demo.proof);
	return failed;
}
