/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* send_end_test.c - the source has completed: may its guest ever run again? */
#include "sendrecv/send_parts.h"

#include <string.h>

#include "tests/check.h"

#include "sendrecv/fake_qemu_for_tests.h"

static struct gw_error err;

static void on_look(void *state, const struct transfer_progress *progress)
{
}

static void on_event(void *state, const json_t *event)
{
}

static void on_say(void *state, const char *sentence)
{
}

static const struct transfer_observer observer = { NULL, on_look, on_event, on_say };

struct ending {
	struct fake_qemu fake;
	struct send_options options;
	struct send_job job;
	struct transfer_report report;
	struct interrupt *leave;
};

/* A guest that ran has left; the source is at rest. */
static void begin(struct ending *ending, const char *migration)
{
	memset(ending, 0, sizeof(*ending));
	ending->fake.moments[0] = (struct fake_moment){ "postmigrate", migration };
	ending->fake.moment_count = 1;
	ending->fake.after_cont = "running";
	fake_start(&ending->fake);
	ending->leave = interrupt_new(&err);
	CHECK(ending->leave);
	send_options_init(&ending->options);
	ending->options.common.observer = &observer;
	ending->options.common.patience_ms = 100;
	ending->job.options = &ending->options;
	ending->job.leave = ending->leave;
	ending->job.source = ending->fake.peer;
	ending->job.codec = codec_by_id(CODEC_ZSTD);
	ending->job.runs = true;
	meter_begin(&ending->job.meter, NULL);
	CHECK_OK(send_poll(&ending->job, &err), &err);
	transfer_report_init(&ending->report);
}

static void end(struct ending *ending)
{
	json_decref(ending->job.answer);
	json_decref(ending->job.verdict);
	transfer_report_deinit(&ending->report);
	interrupt_free(ending->leave);
	fake_end(&ending->fake);
}

/* What becomes of it after that verdict. */
static void check_verdict(json_t *verdict, bool postcopy, enum transfer_end expected,
			  unsigned conts, const char *where)
{
	struct ending ending;

	begin(&ending, "completed");
	ending.job.verdict = verdict;
	ending.job.postcopy_told = postcopy;
	send_conclude(&ending.job, NULL, &ending.report);
	fake_fall_silent(&ending.fake);
	CHECK_EQ(ending.report.end, expected);
	CHECK_EQ(ending.fake.conts, conts);
	CHECK_CONTAINS(ending.report.where, where);
	end(&ending);
}

TEST(what_never_ran_there_runs_here_again)
{
	check_verdict(json_pack("{ss sb}", "say", "gone", "never-ran", 1), false,
		      TRANSFER_FAILED, 1, "the guest runs on at the source");
}

TEST(what_may_have_run_there_does_not_run_here)
{
	check_verdict(json_pack("{ss sb}", "say", "gone", "never-ran", 0), false,
		      TRANSFER_UNKNOWN, 0, "where its disks have not been written since");
	check_verdict(json_pack("{ss}", "say", "gone"), false, TRANSFER_UNKNOWN, 0,
		      "the source holds the guest as it left");
	check_verdict(json_pack("{ss si}", "say", "gone", "never-ran", 1), false,
		      TRANSFER_UNKNOWN, 0, "the source holds the guest as it left");
}

TEST(after_postcopy_nothing_brings_it_back)
{
	check_verdict(json_pack("{ss sb}", "say", "gone", "never-ran", 1), true,
		      TRANSFER_UNKNOWN, 0, "has to be started anew");
	check_verdict(json_pack("{ss ss}", "say", "held", "why", "no"), true,
		      TRANSFER_UNKNOWN, 0, "never cont the source");
}

TEST(what_is_held_there_is_told_with_the_command)
{
	check_verdict(json_pack("{ss ss}", "say", "held", "why", "no"), false,
		      TRANSFER_UNKNOWN, 0, "cont there lets it run");
	check_verdict(json_pack("{ss sb}", "say", "resumed", "running", 1), false,
		      TRANSFER_DONE, 0, "the guest runs at the destination");
}

TEST(no_verdict_leaves_both_paused)
{
	struct ending ending;

	begin(&ending, "completed");
	ending.job.broke = true;
	fail(&ending.job.why, GW_PEER, "the link was cut");
	send_conclude(&ending.job, NULL, &ending.report);
	fake_fall_silent(&ending.fake);
	CHECK_EQ(ending.report.end, TRANSFER_UNKNOWN);
	CHECK_EQ(ending.fake.conts, 0);
	CHECK_CONTAINS(ending.report.error, "the link was cut");
	CHECK_CONTAINS(ending.report.where, ending.fake.path);
	end(&ending);
}

TEST(a_failure_in_postcopy_does_not_advise_cont)
{
	struct ending ending;

	begin(&ending, "failed");
	ending.job.runs = false;
	ending.job.broke = true;
	ending.job.postcopy_told = true;
	fail(&ending.job.why, GW_PEER, "the link was cut");
	send_conclude(&ending.job, NULL, &ending.report);
	fake_fall_silent(&ending.fake);
	CHECK_EQ(ending.report.end, TRANSFER_UNKNOWN);
	CHECK_EQ(ending.fake.conts, 0);
	CHECK_CONTAINS(ending.report.where, "never cont it");
	end(&ending);
}

TEST(leaving_claims_nothing_of_the_source)
{
	struct ending ending;
	struct gw_error left;

	begin(&ending, "active");
	fail(&left, GW_CANCELLED, "cancelled");
	send_conclude(&ending.job, &left, &ending.report);
	CHECK_EQ(ending.report.end, TRANSFER_UNKNOWN);
	CHECK_CONTAINS(ending.report.error, "left while the migration was active");
	CHECK_CONTAINS(ending.report.where, ending.fake.path);
	end(&ending);
}

TEST_MAIN(TEST_OF(what_never_ran_there_runs_here_again),
	  TEST_OF(what_may_have_run_there_does_not_run_here),
	  TEST_OF(after_postcopy_nothing_brings_it_back),
	  TEST_OF(what_is_held_there_is_told_with_the_command),
	  TEST_OF(no_verdict_leaves_both_paused),
	  TEST_OF(a_failure_in_postcopy_does_not_advise_cont),
	  TEST_OF(leaving_claims_nothing_of_the_source))
