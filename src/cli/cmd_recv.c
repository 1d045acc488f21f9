/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* cmd_recv.c - godwit recv: a migration from the network, into a QEMU on this host. */
#include "cli/command.h"
#include "cli/options.h"
#include "cli/transfer_command.h"
#include "sendrecv/recv_job.h"

#define COMMAND "godwit recv"

struct settings {
	struct recv_options recv;
	const char *from_qemu;
	struct transfer_command command;
};

static int run_job(const void *options, struct guardian *guardian,
		   const struct interrupt *stop, const struct interrupt *leave,
		   struct transfer_report *report, struct gw_error *err)
{
	return recv_run(options, guardian, stop, leave, report, err);
}

/* ---- the command line ---- */

static int parse(struct settings *to, int argc, char **argv, enum options_result *shown,
		 struct gw_error *err)
{
	static const struct command_help help = {
		.name = COMMAND,
		.usage = "--qmp SOCKET|--socket PATH --listen URI|--from-qemu URI\n"
			 "                   [OPTION...]",
		.purpose =
			"Receives one migration into a QEMU on this host that waits for "
			"it: from\ngodwit send, or straight from a QEMU.",
	};
	struct recv_options *recv = &to->recv;
	struct transfer_options *common = &recv->common;
	/* clang-format off */
	const struct option_spec specs[] = {
		{ "qmp", "SOCKET", "the QMP of a QEMU started with -incoming defer:\n"
		  "it is set up, held until the source is done, let go",
		  OPTION_TEXT, &common->qmp, 0, 0 },
		{ "socket", "PATH", "instead: where a QEMU listens for its migration,\n"
		  "which somebody else drives",
		  OPTION_TEXT, &common->door.path, 0, 0 },
		{ "listen", "URI", "wait here for godwit send: tcp:HOST:PORT, unix:PATH",
		  OPTION_TEXT, &recv->listen, 0, 0 },
		{ "from-qemu", "URI", "wait here for a QEMU, whatever its method",
		  OPTION_TEXT, &to->from_qemu, 0, 0 },
		{ "channels", "N", "that QEMU's page channels (as of QEMU here, or 2)",
		  OPTION_NUMBER, &common->channels, 1, MULTIFD_CHANNELS_MAX },
		{ "resume-at-once", NULL, "let QEMU start the guest by itself when it has it",
		  OPTION_FLAG, &recv->resume_at_once, 0, 0 },
		{ "insecure", NULL, "listen beyond this host: anybody may connect, and\n"
		  "nothing is encrypted",
		  OPTION_FLAG, &recv->insecure, 0, 0 },
		ACCELERATOR_ROWS(&to->command.accelerator),
		TRANSFER_CLOSING_ROWS(&to->command),
	};
	/* clang-format on */

	return options_parse_all(&help, specs, argc, argv, shown, err);
}

static int check(struct settings *settings, struct gw_error *err)
{
	struct recv_options *recv = &settings->recv;

	if (transfer_command_either("--qmp SOCKET", recv->common.qmp, "--socket PATH",
				    recv->common.door.path, err) < 0 ||
	    transfer_command_either("--listen URI", recv->listen, "--from-qemu URI",
				    settings->from_qemu, err) < 0)
		return -1;
	if (recv->resume_at_once && !recv->common.qmp)
		return fail(err, GW_USAGE,
			    "--resume-at-once: is only allowed with --qmp");
	/* Between two godwits the sending one says. */
	if (recv->common.channels > 0 && !settings->from_qemu)
		return fail(err, GW_USAGE,
			    "--channels: is only allowed with --from-qemu");
	if (settings->from_qemu) {
		recv->listen = settings->from_qemu;
		recv->from_qemu = true;
	}
	if (transfer_command_check(&settings->command, &recv->common, err) < 0)
		return -1;
	return recv_options_check(recv, err);
}

int cmd_recv(int argc, char **argv)
{
	struct settings settings = { .command = TRANSFER_COMMAND(COMMAND) };
	const struct transfer_job job = {
		.run = run_job,
		.options = &settings.recv,
		.common = &settings.recv.common,
	};
	enum options_result shown = OPTIONS_OK;
	struct gw_error err;

	recv_options_init(&settings.recv);
	if (parse(&settings, argc, argv, &shown, &err) < 0)
		return command_failed(COMMAND, &err);
	if (shown == OPTIONS_HELP_SHOWN)
		return EXIT_DONE;
	if (check(&settings, &err) < 0)
		return command_failed(COMMAND, &err);
	return transfer_command_run(&settings.command, &job);
}
