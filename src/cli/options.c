/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* options.c - a subcommand's options as a table: parsed, checked and explained from it. */
#include "cli/options.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/units.h"

static void show_help(const struct command_help *help, const struct option_spec *specs)
{
	printf("usage: %s %s\n%s\n\n", help->name, help->usage, help->purpose);
	for (const struct option_spec *spec = specs; spec->name; spec++) {
		char left[48];
		size_t end;

		snprintf(left, sizeof(left), "--%s%s%s", spec->name,
			 spec->argument ? " " : "", spec->argument ? spec->argument : "");
		end = strcspn(spec->help, "\n");
		printf("  %-25s %.*s\n", left, (int)end, spec->help);
		if (spec->help[end])
			printf("  %-25s %s\n", "", spec->help + end + 1);
	}
	printf("  %-25s %s\n", "--help", "this text");
}

/* False for what is no whole number of 64 bits. */
static bool parse_number(const char *text, uint64_t *value)
{
	size_t digits = strspn(text, "0123456789");

	if (digits == 0 || text[digits] != '\0')
		return false;
	errno = 0;
	*value = strtoull(text, NULL, 10);
	return errno == 0;
}

static int refuse(const struct option_spec *spec, const char *text, struct gw_error *err)
{
	char least[24], most[24];

	if (spec->type == OPTION_NUMBER) {
		snprintf(least, sizeof(least), "%" PRIu64, spec->least);
		snprintf(most, sizeof(most), "%" PRIu64, spec->most);
		return fail(err, GW_USAGE, "--%s %.40s: %s to %s are allowed", spec->name,
			    text, least, most);
	}
	return fail(err, GW_USAGE, "--%s %.40s: %s to %s%s are allowed", spec->name, text,
		    units_print_size(least, spec->least),
		    units_print_size(most, spec->most),
		    spec->type == OPTION_RATE ? " a second" : "");
}

static int append(const struct option_spec *spec, const char *text, struct gw_error *err)
{
	struct option_list *list = spec->value;

	if (list->count == OPTION_LIST_MAX)
		return fail(err, GW_USAGE, "--%s %.40s: at most %u of them are allowed",
			    spec->name, text, OPTION_LIST_MAX);
	list->items[list->count++] = text;
	return 0;
}

static int set(const struct option_spec *spec, const char *text, struct gw_error *err)
{
	uint64_t value = 0;
	int parsed = 0;

	/* In the table only flags are without an argument. */
	assert(text || spec->type == OPTION_FLAG || spec->type == OPTION_CLEAR);
	switch (spec->type) {
	case OPTION_TEXT:
		*(const char **)spec->value = text;
		return 0;
	case OPTION_FLAG:
	case OPTION_CLEAR:
		*(bool *)spec->value = spec->type == OPTION_FLAG;
		return 0;
	case OPTION_LIST:
		return append(spec, text, err);
	case OPTION_SIZE:
		parsed = units_parse_size(text, &value, err);
		break;
	case OPTION_RATE:
		parsed = units_parse_rate(text, &value, err);
		break;
	case OPTION_NUMBER:
		if (!parse_number(text, &value))
			return refuse(spec, text, err);
		break;
	}
	if (parsed < 0)
		return fail_in(err, "--%s", spec->name);
	if (value < spec->least || value > spec->most)
		return refuse(spec, text, err);
	*(uint64_t *)spec->value = value;
	return 0;
}

static const struct option_spec *find(const struct option_spec *specs, const char *name,
				      size_t length)
{
	for (const struct option_spec *spec = specs; spec->name; spec++)
		if (strlen(spec->name) == length && memcmp(spec->name, name, length) == 0)
			return spec;
	return NULL;
}

/* The option at argv[*i], whose value may be the argument after it. */
static int take(const struct command_help *help, const struct option_spec *specs,
		int argc, char **argv, int *i, struct gw_error *err)
{
	const char *name = argv[*i] + 2, *text = NULL;
	size_t length = strcspn(name, "=");
	const struct option_spec *spec = find(specs, name, length);

	if (strncmp(argv[*i], "--", 2) != 0 || !spec)
		return fail(err, GW_USAGE, "%.40s: no such option; %s --help lists them",
			    argv[*i], help->name);
	if (name[length] == '=')
		text = name + length + 1;
	if (!spec->argument && text)
		return fail(err, GW_USAGE, "%.40s: --%s takes no value", argv[*i],
			    spec->name);
	if (spec->argument && !text) {
		if (++*i == argc)
			return fail(err, GW_USAGE, "--%s: needs a value, %s", spec->name,
				    spec->argument);
		text = argv[*i];
	}
	return set(spec, text, err);
}

int options_parse(const struct command_help *help, const struct option_spec *specs,
		  int argc, char **argv, char ***rest, int *rest_count,
		  enum options_result *result, struct gw_error *err)
{
	int kept = 0;
	bool only_rest = false;

	*result = OPTIONS_OK;
	for (int i = 0; i < argc; i++) {
		if (only_rest || argv[i][0] != '-' || argv[i][1] == '\0') {
			argv[kept++] = argv[i];
		} else if (strcmp(argv[i], "--") == 0) {
			only_rest = true;
		} else if (strcmp(argv[i], "-h") == 0 || strcmp(argv[i], "--help") == 0) {
			show_help(help, specs);
			*result = OPTIONS_HELP_SHOWN;
			return 0;
		} else if (take(help, specs, argc, argv, &i, err) < 0) {
			return -1;
		}
	}
	*rest = argv;
	*rest_count = kept;
	return 0;
}

int options_parse_all(const struct command_help *help, const struct option_spec *specs,
		      int argc, char **argv, enum options_result *result,
		      struct gw_error *err)
{
	char **rest;
	int rest_count;

	if (options_parse(help, specs, argc, argv, &rest, &rest_count, result, err) < 0)
		return -1;
	if (*result == OPTIONS_OK && rest_count > 0)
		return fail(err, GW_USAGE, "%.40s: no argument is expected", rest[0]);
	return 0;
}
