/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* transfer_command.h - what `send` and `recv` share as commands: options, run, end.
 *
 * Filled in by options_parse_all() through the rows here, checked, run. */
#ifndef CLI_TRANSFER_COMMAND_H
#define CLI_TRANSFER_COMMAND_H

#include "cli/accelerator_arguments.h"
#include "cli/command.h"
#include "cli/transfer_display.h"
#include "relay/guardian.h"

struct transfer_command {
	const char *name; /* "godwit send" */
	const char *json_stream;
	struct accelerator_arguments accelerator;
	struct command_common common;
	/* while it runs */
	struct transfer_display display;
	FILE *json_file;
	struct log log;
};

#define TRANSFER_COMMAND(command_name)                                        \
	{                                                                     \
		.name = (command_name), .accelerator = ACCELERATOR_ARGUMENTS, \
		.common = {                                                   \
			.patience_s = COMMAND_PATIENCE_S                      \
		}                                                             \
	}

/* clang-format off */
#define TRANSFER_CLOSING_ROWS(command) \
	{ "json-stream", "FILE", "how it goes, each second, a line of JSON each", \
	  OPTION_TEXT, &(command)->json_stream, 0, 0 }, \
	COMMAND_CLOSING_ROWS(&(command)->common, "for a side that does not answer", \
			     "the figures")
/* clang-format on */

/* Checks what both have, and tells the job's options of it. */
int transfer_command_check(struct transfer_command *command,
			   struct transfer_options *options, struct gw_error *err);

/* One of --NAME and --OTHER is expected; each with what it takes. */
int transfer_command_either(const char *one, const char *one_value, const char *other,
			    const char *other_value, struct gw_error *err);

/* The job, around which the rest is the same: send_run() or recv_run(). */
struct transfer_job {
	int (*run)(const void *options, struct guardian *guardian,
		   const struct interrupt *stop, const struct interrupt *leave,
		   struct transfer_report *report, struct gw_error *err);
	const void *options;
	struct transfer_options *common; /* the part of them that both have */
};

/* Return: the exit code. */
int transfer_command_run(struct transfer_command *command,
			 const struct transfer_job *job);

#endif
