/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* options.h - a subcommand's options as a table: parsed, checked and explained from it. */
#ifndef CLI_OPTIONS_H
#define CLI_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

enum option_type {
	OPTION_TEXT,   /* const char ** */
	OPTION_SIZE,   /* uint64_t *, within least and most */
	OPTION_RATE,   /* uint64_t *, bytes a second, likewise */
	OPTION_NUMBER, /* uint64_t *, likewise */
	OPTION_FLAG,   /* bool *, set to true */
	OPTION_CLEAR,  /* bool *, set to false */
	OPTION_LIST,   /* struct option_list *, one more each time it is given */
};

#define OPTION_LIST_MAX 64u

/* In the order given; the texts are the command line's. */
struct option_list {
	uint32_t count;
	const char *items[OPTION_LIST_MAX];
};

struct option_spec {
	const char *name;     /* without the dashes */
	const char *argument; /* as the help spells it; NULL for flags */
	const char *help;     /* a line, or two */
	enum option_type type;
	void *value; /* where the result goes; holds the default before */
	uint64_t least;
	uint64_t most;
};

struct command_help {
	const char *name;  /* "godwit demo" */
	const char *usage; /* what follows the name */
	const char *purpose;
};

enum options_result { OPTIONS_OK, OPTIONS_HELP_SHOWN };

/* `specs` ends with a NULL name.  What is no option is left in *rest, in order.  --help prints
 * the help on standard output.  GW_USAGE: "--channels 0: 1 to 255 are allowed". */
int options_parse(const struct command_help *help, const struct option_spec *specs,
		  int argc, char **argv, char ***rest, int *rest_count,
		  enum options_result *result, struct gw_error *err);

/* The same where all have to be options. */
int options_parse_all(const struct command_help *help, const struct option_spec *specs,
		      int argc, char **argv, enum options_result *result,
		      struct gw_error *err);

#endif
