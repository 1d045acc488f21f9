/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* command.h - what subcommands share: how they end, what they say on the way. */
#ifndef CLI_COMMAND_H
#define CLI_COMMAND_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#include "base/error.h"
#include "base/interrupt.h"
#include "base/log.h"
#include "cli/options.h"

enum exit_code {
	EXIT_DONE = 0,
	EXIT_FAILED = 1, /* and the source still runs */
	EXIT_USAGE = 2,
	EXIT_CANCELLED = 3, /* and the source runs */
	EXIT_UNKNOWN = 4,   /* nothing is known to run */
};

/* What every subcommand that takes its time is told, and the last rows of its table of options. */
struct command_common {
	uint64_t patience_s;
	const char *json; /* a path, "-", or NULL */
	bool verbose;
};

/* clang-format off */
#define COMMAND_CLOSING_ROWS(common, patience_for, json_of) \
	{ "timeout", "SECONDS", patience_for " (30)", \
	  OPTION_NUMBER, &(common)->patience_s, 1, 86400 }, \
	{ "json", "FILE", json_of " as JSON; - is standard output", \
	  OPTION_TEXT, &(common)->json, 0, 0 }, \
	{ "verbose", NULL, "say what happens meanwhile", \
	  OPTION_FLAG, &(common)->verbose, 0, 0 }, \
	{ 0 }
/* clang-format on */

#define COMMAND_PATIENCE_S 30

/* Standard output is the JSON's alone. */
bool command_json_is_output(const struct command_common *common);

/* "godwit demo: <sentence>" on standard error, one line whatever is in it. */
void command_say(const char *command, const char *sentence);

/* Likewise, an error; the exit code that its kind calls for. */
int command_failed(const char *command, const struct gw_error *err);

/* Log lines on standard error: warnings, or with `verbose` everything but debugging. */
void command_log(struct log *log, bool verbose);

/* Calls `stop` (which must be safe in a signal handler) at SIGINT, SIGTERM and SIGHUP. */
void command_on_signal(void (*stop)(void *state), void *state);

/* For those whose first signal asks for a cancel, and the next one to leave at once:
 * command_on_signal(command_interrupt, &interrupts). */
struct command_interrupts {
	struct interrupt *stop, *leave;
};
void command_interrupt(void *interrupts);

/* Before `state` goes: signals end the process again. */
void command_default_signals(void);

/* A path that is not there or not allowed is a mistake of whoever gave it: such errors become
 * GW_USAGE.  Return: -1. */
int command_blame_path(struct gw_error *err);

/* Ahead of the work whose end will need it.  "-" is standard output; NULL for `path` gives NULL,
 * too.  Close with command_close_json(). */
int command_open_json(const char *path, FILE **file, struct gw_error *err);
void command_close_json(FILE **file);

/* Takes over `json`; closes the file. */
int command_write_json(const char *path, FILE **file, json_t *json, struct gw_error *err);

/* Makes the directory of --dump-ram unless it is there, ahead of the work likewise. */
int command_check_dump(const char *directory, struct gw_error *err);

/* Arguments after the subcommand's name. */
int cmd_bench(int argc, char **argv);
int cmd_demo(int argc, char **argv);
int cmd_engines(int argc, char **argv);
int cmd_inspect(int argc, char **argv);
int cmd_vm(int argc, char **argv);
int cmd_migrate(int argc, char **argv);
int cmd_send(int argc, char **argv);
int cmd_recv(int argc, char **argv);

#endif
