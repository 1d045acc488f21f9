/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* beat_log.c - what a guest said on its console, here and there. */
#include "demo/beat_log.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BEAT "beat "

void beat_log_init(struct beat_log *log, bool moved_in)
{
	*log = (struct beat_log){ .moved_in = moved_in };
}

/* "beat 12", with nothing before or behind. */
static bool parse_beat(const char *line, uint64_t *beat)
{
	char *end;

	if (strncmp(line, BEAT, strlen(BEAT)) != 0 || line[strlen(BEAT)] < '0' ||
	    line[strlen(BEAT)] > '9')
		return false;
	*beat = strtoull(line + strlen(BEAT), &end, 10);
	return *end == '\0';
}

static void take_line(struct beat_log *log)
{
	uint64_t beat;

	log->line[log->length] = '\0';
	log->length = 0;
	if (log->moved_in && !log->head_ended) {
		memcpy(log->head, log->line, sizeof(log->head));
		log->head_ended = true;
		return;
	}
	/* The guest may have other things to say. */
	if (strncmp(log->line, BEAT, strlen(BEAT)) != 0)
		return;
	if (!parse_beat(log->line, &beat)) {
		if (!log->wrong[0])
			snprintf(log->wrong, sizeof(log->wrong), "\"%s\"", log->line);
		return;
	}
	if (log->beats == 0)
		log->first = beat;
	else if (beat != log->last + 1 && !log->wrong[0])
		snprintf(log->wrong, sizeof(log->wrong),
			 "beat %" PRIu64 " after beat %" PRIu64, beat, log->last);
	log->last = beat;
	__atomic_store_n(&log->beats, log->beats + 1, __ATOMIC_RELAXED);
}

void beat_log_hear(void *state, const void *bytes, size_t length)
{
	struct beat_log *log = state;
	const char *at = bytes;

	for (size_t i = 0; i < length; i++) {
		bool graphic = at[i] >= ' ' && at[i] <= '~';

		if (at[i] == '\n') {
			take_line(log);
		} else if (at[i] != '\r' && log->length < sizeof(log->line) - 1) {
			log->line[log->length] = '?';
			if (graphic)
				log->line[log->length] = at[i];
			log->length++;
		}
	}
}

uint64_t beat_log_beats(const struct beat_log *log)
{
	return __atomic_load_n(&log->beats, __ATOMIC_RELAXED);
}

json_t *beat_log_json(const struct beat_log *log)
{
	return json_pack("{ss ss% sI sI sI ss}", "head", log->head, "tail", log->line,
			 (size_t)log->length, "first", (json_int_t)log->first, "last",
			 (json_int_t)log->last, "beats", (json_int_t)log->beats, "wrong",
			 log->wrong);
}

static const char *text_of(const json_t *log, const char *key)
{
	const char *text = json_string_value(json_object_get(log, key));

	return text ? text : "";
}

static uint64_t number_of(const json_t *log, const char *key)
{
	return (uint64_t)json_integer_value(json_object_get(log, key));
}

int beat_log_join(const json_t *left, const json_t *arrived, struct gw_error *err)
{
	uint64_t across, last = number_of(left, "last"),
			 first = number_of(arrived, "first");
	char line[2 * BEAT_LINE_MAX];

	if (text_of(left, "wrong")[0])
		return fail(err, GW_PEER, "at the source: %s", text_of(left, "wrong"));
	if (text_of(arrived, "wrong")[0])
		return fail(err, GW_PEER, "at the destination: %s",
			    text_of(arrived, "wrong"));
	if (number_of(arrived, "beats") == 0)
		return fail(err, GW_PEER, "silent at the destination");
	snprintf(line, sizeof(line), "%s%s", text_of(left, "tail"),
		 text_of(arrived, "head"));
	if (!parse_beat(line, &across))
		return fail(err, GW_PEER, "\"%s\" across the move", line);
	if (number_of(left, "beats") > 0 && across != last + 1)
		return fail(err, GW_PEER,
			    "beat %" PRIu64 " at the destination after beat %" PRIu64,
			    across, last);
	if (first != across + 1)
		return fail(err, GW_PEER, "beat %" PRIu64 " after beat %" PRIu64, first,
			    across);
	return 0;
}
