/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* display.c - what people and programs see of a migration under way. */
#include "cli/display.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/command.h"

/* A line that someone watches changes ten times a second, one that is kept once. */
#define LIVE_POLL_MS 100
#define PLAIN_POLL_MS 250
#define PLAIN_LINE_NS NS_PER_S

bool display_is_output(const char *path)
{
	return path && strcmp(path, "-") == 0;
}

int display_open(struct display *display, const char *command, const char *path,
		 struct gw_error *err)
{
	*display = (struct display){
		.command = command,
		.lock = PTHREAD_MUTEX_INITIALIZER,
		.live = isatty(STDERR_FILENO),
		.stream_path = path,
	};
	if (!path)
		return 0;
	display->stream = display_is_output(path) ? stdout : fopen(path, "we");
	if (display->stream)
		return 0;
	fail_sys(err, errno, "--json-stream %s", path);
	return command_blame_path(err);
}

void display_close(struct display *display)
{
	command_close_json(&display->stream);
}

void display_begin(struct display *display)
{
	display->begun_ns = clock_now_ns();
}

int display_poll_ms(const struct display *display)
{
	return display->live ? LIVE_POLL_MS : PLAIN_POLL_MS;
}

/* ---- with the lock ---- */

static void clear_line(struct display *display)
{
	if (display->live && display->shown)
		fputs("\r\033[K", stderr);
	display->shown = false;
}

static void print_sentence(struct display *display, const char *sentence)
{
	clear_line(display);
	command_say(display->command, sentence);
}

static void show_line(struct display *display, const char *line, const char *state)
{
	uint64_t now_ns = clock_now_ns();

	if (display->live) {
		fprintf(stderr, "\r\033[K%s", line);
		display->shown = true;
		return;
	}
	if (strcmp(display->state, state) == 0 &&
	    now_ns - display->shown_ns < PLAIN_LINE_NS)
		return;
	snprintf(display->state, sizeof(display->state), "%s", state);
	display->shown_ns = now_ns;
	fprintf(stderr, "%s\n", line);
}

static void stream(struct display *display, json_t *json)
{
	double at_ms = (double)(clock_now_ns() - display->begun_ns) / 1e6;
	struct gw_error err;

	if (display->stream && json && !display->stream_failed) {
		json_object_set_new(json, "at_ms", json_real(at_ms));
		/* More digits than 15 show how binary fractions differ from decimal ones. */
		if (json_dumpf(json, display->stream,
			       JSON_COMPACT | JSON_REAL_PRECISION(15)) < 0 ||
		    fputc('\n', display->stream) == EOF ||
		    fflush(display->stream) == EOF) {
			display->stream_failed = true;
			fail_sys(&err, errno, "--json-stream %s", display->stream_path);
			print_sentence(display, err.text);
		}
	}
	json_decref(json);
}

/* ---- without ---- */

void display_line(struct display *display, const char *line, const char *state)
{
	pthread_mutex_lock(&display->lock);
	show_line(display, line, state);
	pthread_mutex_unlock(&display->lock);
}

void display_clear(struct display *display)
{
	pthread_mutex_lock(&display->lock);
	clear_line(display);
	pthread_mutex_unlock(&display->lock);
}

void display_stream(struct display *display, json_t *json)
{
	pthread_mutex_lock(&display->lock);
	stream(display, json);
	pthread_mutex_unlock(&display->lock);
}

void display_event(struct display *display, const json_t *event)
{
	display_stream(display, json_pack("{ss sO}", "kind", "event", "event", event));
}

void display_print(struct display *display, const char *sentence)
{
	pthread_mutex_lock(&display->lock);
	print_sentence(display, sentence);
	pthread_mutex_unlock(&display->lock);
}

void display_tell(struct display *display, const char *sentence)
{
	display_stream(display,
		       json_pack("{ss ss}", "kind", "message", "text", sentence));
}

void display_sentence(struct display *display, const char *sentence)
{
	display_tell(display, sentence);
	display_print(display, sentence);
}

static void on_log_line(void *display, enum log_level level, const char *text)
{
	(void)level;
	display_sentence(display, text);
}

void display_log(struct display *display, struct log *log, bool verbose)
{
	command_log(log, verbose);
	log->line = on_log_line;
	log->state = display;
}
