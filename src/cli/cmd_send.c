/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* cmd_send.c - godwit send: a QEMU's migration, out through our channels. */
#include <string.h>

#include "cli/command.h"
#include "cli/options.h"
#include "cli/transfer_command.h"
#include "drive/tuning.h"
#include "sendrecv/send_job.h"

#define COMMAND "godwit send"
#define LEVEL_MAX 20u
#define DOWNTIME_MAX_MS 2000000u
#define POSTCOPY_MAX_S 86400u
#define MODE_MAX 0777

struct settings {
	struct send_options send;
	const char *to_qemu, *socket_mode, *socket_owner;
	struct option_list sets, caps;
	struct transfer_command command;
};

static int run_job(const void *options, struct guardian *guardian,
		   const struct interrupt *stop, const struct interrupt *leave,
		   struct transfer_report *report, struct gw_error *err)
{
	return send_run(options, guardian, stop, leave, report, err);
}

/* ---- the command line ---- */

static int parse(struct settings *to, int argc, char **argv, enum options_result *shown,
		 struct gw_error *err)
{
	static const struct command_help help = {
		.name = COMMAND,
		.usage = "--qmp SOCKET|--socket PATH --to URI|--to-qemu URI [OPTION...]",
		.purpose =
			"Migrates the guest of a QEMU on this host: to godwit recv, or "
			"straight to\nanother QEMU.",
	};
	struct send_options *send = &to->send;
	struct transfer_options *common = &send->common;
	/* clang-format off */
	const struct option_spec specs[] = {
		{ "qmp", "SOCKET", "QEMU's QMP: it is set up, started and put back",
		  OPTION_TEXT, &common->qmp, 0, 0 },
		{ "socket", "PATH", "instead: wait here for QEMU's migrate unix:PATH,\n"
		  "which somebody else drives",
		  OPTION_TEXT, &common->door.path, 0, 0 },
		{ "socket-mode", "MODE", "of that socket, octal (0600)",
		  OPTION_TEXT, &to->socket_mode, 0, 0 },
		{ "socket-owner", "OWNER", "of that socket, USER[:GROUP] as QEMU runs (you)",
		  OPTION_TEXT, &to->socket_owner, 0, 0 },
		{ "to", "URI", "where godwit recv listens: tcp:HOST:PORT, unix:PATH",
		  OPTION_TEXT, &send->to, 0, 0 },
		{ "to-qemu", "URI", "where a QEMU does, set to this method and channels",
		  OPTION_TEXT, &to->to_qemu, 0, 0 },
		{ "method", "NAME", "none, zlib, zstd, qpl, uadk or qatzip (zstd)",
		  OPTION_TEXT, &send->method, 0, 0 },
		{ "level", "N", "of that method (1)",
		  OPTION_NUMBER, &send->level, 0, LEVEL_MAX },
		{ "channels", "N", "page channels on the network (2)",
		  OPTION_NUMBER, &common->channels, 1, MULTIFD_CHANNELS_MAX },
		{ "qemu-channels", "N", "QEMU's own; 0: no multifd (as on the network)",
		  OPTION_NUMBER, &common->qemu_channels, 0, MULTIFD_CHANNELS_MAX },
		ACCELERATOR_ROWS(&to->command.accelerator),
		{ "max-bandwidth", "RATE", "on the network, all channels; 0: unlimited (0)",
		  OPTION_RATE, &send->max_bandwidth, 0, UINT64_C(1) << 50 },
		{ "downtime-limit", "MS", "pause the guest when the rest fits (QEMU's)",
		  OPTION_NUMBER, &send->downtime_limit_ms, 0, DOWNTIME_MAX_MS },
		{ "postcopy-after", "SECONDS", "let the guest run there, fetch the rest after",
		  OPTION_NUMBER, &send->postcopy_after_s, 0, POSTCOPY_MAX_S },
		{ "set", "NAME=VALUE", "any parameter of QEMU's; may be repeated",
		  OPTION_LIST, &to->sets, 0, 0 },
		{ "cap", "NAME=on|off", "any capability; may be repeated",
		  OPTION_LIST, &to->caps, 0, 0 },
		TRANSFER_CLOSING_ROWS(&to->command),
	};
	/* clang-format on */

	return options_parse_all(&help, specs, argc, argv, shown, err);
}

static int parse_mode(const char *text, int *mode, struct gw_error *err)
{
	size_t length = strlen(text);
	int value = 0;

	for (size_t i = 0; i < length && i <= 4; i++)
		value = value * 8 + (text[i] - '0');
	if (length == 0 || length > 4 || strspn(text, "01234567") != length ||
	    value > MODE_MAX)
		return fail(err, GW_USAGE,
			    "--socket-mode \"%.40s\": 0 to 0777, octal, are allowed",
			    text);
	*mode = value;
	return 0;
}

static int check_door(struct settings *settings, struct gw_error *err)
{
	struct door_wish *door = &settings->send.common.door;

	if (settings->socket_mode &&
	    parse_mode(settings->socket_mode, &door->mode, err) < 0)
		return -1;
	if (settings->socket_owner &&
	    door_parse_owner(settings->socket_owner, &door->uid, &door->gid, err) < 0)
		return fail_in(err, "--socket-owner");
	return 0;
}

static const char *first(const struct option_list *list)
{
	return list->count > 0 ? list->items[0] : NULL;
}

/* What has a meaning only with one of --qmp and --socket. */
static int check_drive(const struct settings *settings, struct gw_error *err)
{
	const struct transfer_options *common = &settings->send.common;
	const char *set = first(&settings->sets), *cap = first(&settings->caps);

	if (common->qmp && (settings->socket_mode || settings->socket_owner))
		return fail(err, GW_USAGE, "--socket-%s: is only allowed with --socket",
			    settings->socket_mode ? "mode" : "owner");
	if (common->qmp)
		return 0;
	if (set || cap)
		return fail(err, GW_USAGE, "--%s %.80s: is only allowed with --qmp",
			    set ? "set" : "cap", set ? set : cap);
	if (settings->send.postcopy_after_s != TRANSFER_UNSET)
		return fail(err, GW_USAGE,
			    "--postcopy-after: is only allowed with --qmp");
	return 0;
}

/* Of --set and --cap, what needs no QEMU. */
static int check_tuning(const struct send_options *send, struct gw_error *err)
{
	struct tuning tuning;

	tuning_init(&tuning);
	tuning.sets = send->sets;
	tuning.set_count = send->set_count;
	tuning.caps = send->caps;
	tuning.cap_count = send->cap_count;
	return tuning_check(&tuning, err);
}

static int check(struct settings *settings, struct gw_error *err)
{
	struct send_options *send = &settings->send;

	if (transfer_command_either("--qmp SOCKET", send->common.qmp, "--socket PATH",
				    send->common.door.path, err) < 0 ||
	    transfer_command_either("--to URI", send->to, "--to-qemu URI",
				    settings->to_qemu, err) < 0 ||
	    check_drive(settings, err) < 0 || check_door(settings, err) < 0 ||
	    transfer_command_check(&settings->command, &send->common, err) < 0)
		return -1;
	if (settings->to_qemu) {
		send->to = settings->to_qemu;
		send->to_qemu = true;
	}
	send->sets = settings->sets.items;
	send->set_count = settings->sets.count;
	send->caps = settings->caps.items;
	send->cap_count = settings->caps.count;
	return check_tuning(send, err) < 0 ? -1 : send_options_check(send, err);
}

int cmd_send(int argc, char **argv)
{
	struct settings settings = { .command = TRANSFER_COMMAND(COMMAND) };
	const struct transfer_job job = {
		.run = run_job,
		.options = &settings.send,
		.common = &settings.send.common,
	};
	enum options_result shown = OPTIONS_OK;
	struct gw_error err;

	send_options_init(&settings.send);
	if (parse(&settings, argc, argv, &shown, &err) < 0)
		return command_failed(COMMAND, &err);
	if (shown == OPTIONS_HELP_SHOWN)
		return EXIT_DONE;
	if (check(&settings, &err) < 0)
		return command_failed(COMMAND, &err);
	return transfer_command_run(&settings.command, &job);
}
