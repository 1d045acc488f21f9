/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* main.c - godwit: a table of subcommands. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/command.h"

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *purpose;
} commands[] = {
	{ "bench", cmd_bench, "measure what engines cost on this host" },
	{ "demo", cmd_demo,
	  "migrate a guest from one process to another, show what happened" },
	{ "engines", cmd_engines,
	  "who can compute which format on this host, and what is missing" },
	{ "inspect", cmd_inspect,
	  "report what a migration stream holds, recorded or live" },
	{ "migrate", cmd_migrate,
	  "migrate any guest that answers QMP, a QEMU's included" },
	{ "recv", cmd_recv, "receive what send sends, into a QEMU that waits for it" },
	{ "send", cmd_send, "migrate a QEMU's guest through godwit's channels" },
	{ "vm", cmd_vm, "run a guest of godwit's own, controlled as a QEMU is" },
};

#define COMMAND_COUNT (sizeof(commands) / sizeof(commands[0]))

static void show_help(FILE *to)
{
	fputs("usage: godwit COMMAND [OPTION...]\n"
	      "Moves the memory of running virtual machines, on QEMU's migration "
	      "stream.\n\n",
	      to);
	for (size_t i = 0; i < COMMAND_COUNT; i++)
		fprintf(to, "  %-10s %s\n", commands[i].name, commands[i].purpose);
	fputs("\ngodwit COMMAND --help explains each; godwit --version tells the "
	      "version.\n",
	      to);
}

/* Where one of them is closed, what is opened next would be taken for it.  What takes its place fails
 * as it did: nothing is read from it, nothing written. */
static void hold_standard_descriptors(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0 &&
		    open("/dev/null",
			 (fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) | O_CLOEXEC) < 0)
			return;
}

int main(int argc, char **argv)
{
	struct gw_error err;

	hold_standard_descriptors();
	/* A peer that leaves is an error value, not the end of the process. */
	signal(SIGPIPE, SIG_IGN);
	if (argc < 2) {
		show_help(stderr);
		return EXIT_USAGE;
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
		show_help(stdout);
		return EXIT_DONE;
	}
	if (strcmp(argv[1], "--version") == 0) {
		puts("godwit " GODWIT_VERSION);
		return EXIT_DONE;
	}
	for (size_t i = 0; i < COMMAND_COUNT; i++)
		if (strcmp(argv[1], commands[i].name) == 0)
			return commands[i].run(argc - 2, argv + 2);
	fail(&err, GW_USAGE, "%.40s: no such command; godwit --help lists them", argv[1]);
	return command_failed("godwit", &err);
}
