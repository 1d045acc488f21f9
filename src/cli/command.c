/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* command.c - what subcommands share. */
#include "cli/command.h"

#include <ctype.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

bool command_json_is_output(const struct command_common *common)
{
	return common->json && strcmp(common->json, "-") == 0;
}

void command_say(const char *command, const char *sentence)
{
	char line[2048];
	int length = snprintf(line, sizeof(line) - 1, "%s: %s", command, sentence);

	if (length < 0)
		return;
	if (length > (int)sizeof(line) - 2)
		length = (int)sizeof(line) - 2;
	for (char *c = line; *c; c++)
		if (iscntrl((unsigned char)*c))
			*c = '?';
	line[length] = '\n';
	line[length + 1] = '\0';
	/* In one write, for whoever reads what is there. */
	fputs(line, stderr);
}

int command_failed(const char *command, const struct gw_error *err)
{
	command_say(command, err->text);
	switch (err->kind) {
	case GW_USAGE:
		return EXIT_USAGE;
	case GW_CANCELLED:
		return EXIT_CANCELLED;
	default:
		return EXIT_FAILED;
	}
}

static void print_line(void *state, enum log_level level, const char *text)
{
	(void)state;
	(void)level;
	fprintf(stderr, "%s\n", text);
}

void command_log(struct log *log, bool verbose)
{
	*log = (struct log){
		.level = verbose ? LOG_LEVEL_INFO : LOG_LEVEL_WARNING,
		.line = print_line,
	};
}

/* A signal has no other way to reach what it should stop. */
/* NOLINTBEGIN(cppcoreguidelines-avoid-non-const-global-variables): for that reason */
static void (*stop_call)(void *state);
static void *stop_state;
/* NOLINTEND(cppcoreguidelines-avoid-non-const-global-variables) */

static void on_signal(int number)
{
	(void)number;
	stop_call(stop_state);
}

static void handle_signals(void (*handler)(int number))
{
	struct sigaction action = { .sa_handler = handler };
	struct sigaction before;

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	/* Under nohup(1) it is to go on when the terminal is closed. */
	if (sigaction(SIGHUP, NULL, &before) == 0 && before.sa_handler != SIG_IGN)
		sigaction(SIGHUP, &action, NULL);
}

void command_on_signal(void (*stop)(void *state), void *state)
{
	stop_call = stop;
	stop_state = state;
	handle_signals(on_signal);
}

void command_interrupt(void *interrupts)
{
	const struct command_interrupts *both = interrupts;

	interrupt_raise(interrupt_raised(both->stop) ? both->leave : both->stop);
}

void command_default_signals(void)
{
	handle_signals(SIG_DFL);
}

int command_blame_path(struct gw_error *err)
{
	static const int mistakes[] = { ENOENT, ENOTDIR, EISDIR, EACCES, EPERM,
					EROFS,	ELOOP,	 EEXIST, ENXIO,	 ENAMETOOLONG };

	for (size_t i = 0; i < sizeof(mistakes) / sizeof(mistakes[0]); i++)
		if (err->kind == GW_SYSTEM && err->sys == mistakes[i])
			err->kind = GW_USAGE;
	return -1;
}

int command_open_json(const char *path, FILE **file, struct gw_error *err)
{
	*file = NULL;
	if (!path)
		return 0;
	*file = strcmp(path, "-") == 0 ? stdout : fopen(path, "we");
	if (*file)
		return 0;
	fail_sys(err, errno, "--json %s", path);
	return command_blame_path(err);
}

void command_close_json(FILE **file)
{
	if (*file && *file != stdout)
		fclose(*file);
	*file = NULL;
}

int command_write_json(const char *path, FILE **file, json_t *json, struct gw_error *err)
{
	int failed = 0;

	if (!json)
		return fail_sys(err, ENOMEM, "--json %s", path);
	if (json_dumpf(json, *file, JSON_INDENT(2)) < 0 || fputc('\n', *file) == EOF ||
	    fflush(*file) == EOF)
		failed = fail_sys(err, errno, "--json %s", path);
	json_decref(json);
	command_close_json(file);
	return failed;
}

int command_check_dump(const char *directory, struct gw_error *err)
{
	if (!directory)
		return 0;
	if ((mkdir(directory, 0700) == 0 || errno == EEXIST) &&
	    access(directory, W_OK | X_OK) == 0)
		return 0;
	fail_sys(err, errno, "--dump-ram %s", directory);
	return command_blame_path(err);
}
