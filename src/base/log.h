/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* log.h - what the library has to say, handed to whoever runs it.
 *
 * The library never writes to stderr.  A log comes in with the options and is handed down; NULL
 * is a log that nobody reads.  Lines start with the thing ("channel 3: ...").  Per page nothing
 * is logged, per packet LOG_DEBUG, per round LOG_INFO. */
#ifndef BASE_LOG_H
#define BASE_LOG_H

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

struct log {
	enum log_level level; /* more detail than this is not formatted */
	/* May be called from any thread, several at once. */
	void (*line)(void *state, enum log_level level, const char *text);
	void *state;
};

void log_line(const struct log *log, enum log_level level, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#endif
