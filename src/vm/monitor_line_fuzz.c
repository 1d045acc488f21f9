/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* monitor_line_fuzz.c - any line is words within their bounds, or an error that can be printed. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "vm/monitor_line.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_words(const struct monitor_line *line)
{
	const char *end = line->text + sizeof(line->text);

	assert(line->count <= MONITOR_WORDS_MAX);
	for (uint32_t i = 0; i < line->count; i++) {
		const char *word = line->words[i];

		assert(word >= line->text && word < end);
		assert(memchr(word, '\0', (size_t)(end - word)));
		for (; *word; word++)
			assert((unsigned char)*word >= ' ' || *word == '\t');
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* Its own block, so that a read past the end is seen. */
	char *text = malloc(size + 1);
	struct monitor_line *line = malloc(sizeof(*line));
	struct gw_error err = { 0 };

	if (text && line) {
		if (size > 0)
			memcpy(text, data, size);
		if (monitor_line_parse(line, text, size, &err) == 0) {
			check_words(line);
		} else {
			assert(err.kind == GW_USAGE);
			assert(memchr(err.text, '\0', sizeof(err.text)) && *err.text);
			for (const char *at = err.text; *at; at++)
				assert(*at >= ' ' && *at < 0x7f);
		}
	}
	free(line);
	free(text);
	return 0;
}
