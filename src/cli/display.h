/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* display.h - what people and programs see of a migration under way.
 *
 * People: on standard error a live line where somebody watches, otherwise a line a second and at each
 * change of state; and sentences.  Programs: --json-stream, a line of JSON each.  Any thread. */
#ifndef CLI_DISPLAY_H
#define CLI_DISPLAY_H

#include <jansson.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/error.h"
#include "base/log.h"

struct display {
	const char *command; /* "godwit send" */
	pthread_mutex_t lock;
	bool live;
	bool shown; /* the live line is */
	uint64_t shown_ns;
	uint64_t begun_ns;
	char state[32]; /* as last shown */
	FILE *stream;	/* --json-stream; NULL: none */
	const char *stream_path;
	bool stream_failed;
};

/* `path` of --json-stream: "-" is standard output, NULL none. */
int display_open(struct display *display, const char *command, const char *path,
		 struct gw_error *err);
void display_close(struct display *display); /* also when it was never opened */

/* From here on time counts. */
void display_begin(struct display *display);

/* How often it is worth a look. */
int display_poll_ms(const struct display *display);

/* Warnings, or with `verbose` everything but debugging, as sentences. */
void display_log(struct display *display, struct log *log, bool verbose);

/* How it stands.  `state` is QEMU's name of what it is in. */
void display_line(struct display *display, const char *line, const char *state);
void display_clear(struct display *display);

/* One line, whatever is in it. */
void display_sentence(struct display *display, const char *sentence); /* both see it */
void display_print(struct display *display, const char *sentence);    /* people only */
void display_tell(struct display *display, const char *sentence);     /* programs only */

/* Adds at_ms; takes over `json`.  A full disk does not stop a migration: it is told, once. */
void display_stream(struct display *display, json_t *json);
void display_event(struct display *display, const json_t *event);

/* "-" */
bool display_is_output(const char *path);

#endif
