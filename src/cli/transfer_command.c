/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* transfer_command.c - what `send` and `recv` share as commands: options, run, end. */
#include "cli/transfer_command.h"

#include <string.h>

int transfer_command_either(const char *one, const char *one_value, const char *other,
			    const char *other_value, struct gw_error *err)
{
	const char *one_takes = strchr(one, ' '), *other_takes = strchr(other, ' ');
	int one_name = (int)(one_takes - one), other_name = (int)(other_takes - other);

	if (!one_value && !other_value)
		return fail(err, GW_USAGE, "%s or %s is expected", one, other);
	if (one_value && other_value)
		return fail(err, GW_USAGE, "%.*s %.40s: is not allowed with %.*s",
			    other_name, other, other_value, one_name, one);
	return 0;
}

int transfer_command_check(struct transfer_command *command,
			   struct transfer_options *options, struct gw_error *err)
{
	struct accelerator_arguments *accelerator = &command->accelerator;

	if (accelerator_arguments_check(accelerator, err) < 0)
		return -1;
	options->accelerator = accelerator_name(accelerator->accelerator);
	options->accelerator_jobs = accelerator->jobs;
	options->patience_ms = (int)command->common.patience_s * 1000;
	if (command_json_is_output(&command->common) &&
	    display_is_output(command->json_stream))
		return fail(err, GW_USAGE,
			    "--json -: standard output is that of --json-stream");
	return 0;
}

/* ---- the end ---- */

static int explain_end(struct display *display, const struct transfer_report *report)
{
	static const enum exit_code codes[] = {
		[TRANSFER_DONE] = EXIT_DONE,
		[TRANSFER_FAILED] = EXIT_FAILED,
		[TRANSFER_CANCELLED] = EXIT_CANCELLED,
		[TRANSFER_UNKNOWN] = EXIT_UNKNOWN,
	};
	char sentence[sizeof(report->error) + sizeof(report->where) + 4];

	if (report->end == TRANSFER_DONE) {
		display_tell(display, report->where);
	} else {
		snprintf(sentence, sizeof(sentence), "%s; %s", report->error,
			 report->where);
		display_sentence(display, sentence);
	}
	return codes[report->end];
}

static int finish(struct transfer_command *command, const struct transfer_report *report)
{
	struct display *display = &command->display.display;
	struct gw_error err;
	int code;

	display_clear(display);
	if (!command_json_is_output(&command->common) &&
	    !display_is_output(command->json_stream))
		transfer_print_report(report);
	code = explain_end(display, report);
	/* Told, but where the guest is matters more than what became of a file. */
	if (command->common.json &&
	    command_write_json(command->common.json, &command->json_file,
			       transfer_report_json(report), &err) < 0)
		display_print(display, err.text);
	return code;
}

/* ---- the run ---- */

/* Nothing moved, and all is as it was. */
static int fail_early(struct transfer_command *command, struct gw_error *err)
{
	struct display *display = &command->display.display;

	display_clear(display);
	display_tell(display, err->text);
	command_blame_path(err);
	return command_failed(command->name, err);
}

static int transfer(struct transfer_command *command, const struct transfer_job *job,
		    struct guardian *guardian, struct command_interrupts *interrupts)
{
	struct transfer_report report;
	struct gw_error err;
	int failed, code;

	display_begin(&command->display.display);
	command_on_signal(command_interrupt, interrupts);
	failed = job->run(job->options, guardian, interrupts->stop, interrupts->leave,
			  &report, &err);
	command_default_signals();
	if (failed < 0)
		return fail_early(command, &err);
	code = finish(command, &report);
	transfer_report_deinit(&report);
	return code;
}

static int run(struct transfer_command *command, const struct transfer_job *job)
{
	struct gw_error err;
	/* It forks, and nothing here has made a thread yet. */
	OWNED(guardian) struct guardian *guardian = guardian_start(&err);
	OWNED(interrupt) struct interrupt *stop = guardian ? interrupt_new(&err) : NULL;
	OWNED(interrupt) struct interrupt *leave = stop ? interrupt_new(&err) : NULL;
	struct command_interrupts interrupts = { stop, leave };

	if (!leave)
		return command_failed(command->name, &err);
	return transfer(command, job, guardian, &interrupts);
}

int transfer_command_run(struct transfer_command *command, const struct transfer_job *job)
{
	struct display *display = &command->display.display;
	struct gw_error err;
	int code;

	if (display_open(display, command->name, command->json_stream, &err) < 0 ||
	    command_open_json(command->common.json, &command->json_file, &err) < 0) {
		code = command_failed(command->name, &err);
	} else {
		transfer_display_init(&command->display);
		display_log(display, &command->log, command->common.verbose);
		job->common->poll_ms = display_poll_ms(display);
		job->common->log = &command->log;
		job->common->observer = &command->display.observer;
		code = run(command, job);
	}
	command_close_json(&command->json_file);
	display_close(display);
	return code;
}
