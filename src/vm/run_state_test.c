/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* run_state_test.c - where the guest may run, in every state and after every command. */
#include "vm/run_state.h"

#include <time.h>

#include "guest/kvm_layout.h"
#include "tests/check.h"

static char told[256];

static void tell(void *state, const char *name, json_t *data)
{
	(void)state;
	CHECK(!data);
	snprintf(told + strlen(told), sizeof(told) - strlen(told), "%s ", name);
}

static const struct events events = { tell, NULL };

/* A guest that was booted, paused. */
static struct guest *make_guest_of(enum guest_kind kind)
{
	const struct guest_options options = {
		.kind = kind,
		.memory_bytes = GUEST_MEMORY_MIN,
		.vcpus = 1,
		.working_set_bytes = GUEST_MEMORY_MIN / 8,
		.tracker = "auto",
	};
	struct gw_error err;
	struct fill *fill = fill_new("zeros", &err);
	struct guest *guest = guest_new(&options, &err);

	if (!fill || !guest || guest_boot(guest, fill, 1, &err) < 0)
		CHECK_FAIL("%s", err.text);
	fill_free(fill);
	told[0] = '\0';
	return guest;
}

static struct guest *make_guest(void)
{
	return make_guest_of(GUEST_PROCESS);
}

/* One whose code is none: whoever pauses it, sooner or later, is told that it has failed. */
static struct guest *make_broken_guest(void)
{
	struct guest *guest = make_guest_of(GUEST_KVM);
	uint8_t *memory = guest_ram(guest)->blocks[0]->host;

	/* out %al, %dx */
	memset(memory + KVM_PAYLOAD, 0xee, KVM_PAYLOAD_BYTES_MAX);
	return guest;
}

static void is(const struct run_state *run, const char *name, bool runs)
{
	CHECK_STR(run_state_name(run), name);
	CHECK_EQ(guest_running(run->guest), runs);
}

static void refuses_to_run(struct run_state *run, const char *text)
{
	struct gw_error err = { 0 };

	CHECK_EQ(run_state_cont(run, false, &err), -1);
	CHECK_STR(err.text, text);
	CHECK(!guest_running(run->guest));
}

TEST(it_stops_and_goes_on)
{
	OWNED(guest) struct guest *guest = make_guest();
	struct run_state run;
	struct gw_error err;

	run_state_init(&run, guest, &events, false, true);
	is(&run, "prelaunch", false);
	CHECK_EQ(run_state_stop(&run, &err), 0);
	is(&run, "prelaunch", false);
	for (int i = 0; i < 2; i++) {
		CHECK_EQ(run_state_cont(&run, false, &err), 0);
		is(&run, "running", true);
	}
	for (int i = 0; i < 2; i++) {
		CHECK_EQ(run_state_stop(&run, &err), 0);
		is(&run, "paused", false);
	}
	CHECK_EQ(run_state_cont(&run, false, &err), 0);
	CHECK_STR(told, "RESUME STOP RESUME ");
}

TEST(a_failed_migration_gives_back_what_it_took)
{
	OWNED(guest) struct guest *guest = make_guest();
	struct run_state run;
	struct gw_error err;

	run_state_init(&run, guest, &events, false, false);
	CHECK_EQ(run_state_finish_migrate(&run, &err), 0);
	is(&run, "finish-migrate", false);
	refuses_to_run(&run, "Migration is not finalized yet");
	CHECK_EQ(run_state_return(&run, &err), 0);
	is(&run, "prelaunch", false);
	CHECK_STR(told, "");

	CHECK_EQ(run_state_cont(&run, false, &err), 0);
	CHECK_EQ(run_state_finish_migrate(&run, &err), 0);
	is(&run, "finish-migrate", false);
	CHECK_EQ(run_state_return(&run, &err), 0);
	is(&run, "running", true);
	CHECK_STR(told, "RESUME STOP RESUME ");
}

TEST(stop_during_a_migration_holds_when_it_failed)
{
	OWNED(guest) struct guest *guest = make_guest();
	struct run_state run;
	struct gw_error err;

	run_state_init(&run, guest, &events, false, true);
	CHECK_EQ(run_state_cont(&run, false, &err), 0);
	CHECK_EQ(run_state_finish_migrate(&run, &err), 0);
	CHECK_EQ(run_state_stop(&run, &err), 0);
	is(&run, "finish-migrate", false);
	CHECK_EQ(run_state_return(&run, &err), 0);
	is(&run, "paused", false);
}

TEST(a_guest_that_left_runs_only_by_force)
{
	OWNED(guest) struct guest *guest = make_guest();
	struct run_state run;
	struct gw_error err;

	run_state_init(&run, guest, &events, false, true);
	CHECK_EQ(run_state_cont(&run, false, &err), 0);
	CHECK_EQ(run_state_finish_migrate(&run, &err), 0);
	run_state_left(&run, GUEST_AT_DESTINATION, "tcp:there:1");
	is(&run, "postmigrate", false);
	refuses_to_run(&run,
		       "The guest was migrated to tcp:there:1; to run it here, make "
		       "sure that it does not run there, then cont with x-force true "
		       "(in the monitor: cont -f)");
	CHECK_EQ(run_state_stop(&run, &err), 0);
	is(&run, "postmigrate", false);
	CHECK_EQ(run_state_cont(&run, true, &err), 0);
	is(&run, "running", true);
	/* It is as any other from then on. */
	CHECK_EQ(run_state_stop(&run, &err), 0);
	CHECK_EQ(run_state_cont(&run, false, &err), 0);
	is(&run, "running", true);
}

TEST(a_guest_that_may_have_left_runs_only_by_force)
{
	OWNED(guest) struct guest *guest = make_guest();
	struct run_state run;
	struct gw_error err;

	run_state_init(&run, guest, &events, false, true);
	CHECK_EQ(run_state_cont(&run, false, &err), 0);
	CHECK_EQ(run_state_finish_migrate(&run, &err), 0);
	run_state_left(&run, GUEST_UNKNOWN, "unix:/there");
	is(&run, "postmigrate", false);
	refuses_to_run(&run,
		       "The guest may run at unix:/there, which did not say; to run it "
		       "here, make sure that it does not run there, then cont with "
		       "x-force true (in the monitor: cont -f)");
}

TEST(nothing_runs_before_it_arrived)
{
	OWNED(guest) struct guest *guest = make_guest();
	struct run_state run;
	struct gw_error err;

	run_state_init(&run, guest, &events, true, false);
	is(&run, "inmigrate", false);
	CHECK_EQ(run_state_cont(&run, false, &err), 0);
	CHECK(run.wanted);
	is(&run, "inmigrate", false);
	CHECK_EQ(run_state_cont(&run, true, &err), 0);
	is(&run, "inmigrate", false);
	CHECK_EQ(run_state_stop(&run, &err), 0);
	CHECK(!run.wanted);
	is(&run, "inmigrate", false);
	CHECK_STR(told, "");
}

TEST(a_guest_that_failed_is_paused_for_good)
{
	OWNED(guest) struct guest *guest = NULL;
	struct run_state run;
	struct gw_error err;

	if (guest_best_kind(&err) != GUEST_KVM)
		SKIP("no /dev/kvm for guests");
	guest = make_broken_guest();
	run_state_init(&run, guest, &events, false, true);
	CHECK_EQ(run_state_cont(&run, false, &err), 0);
	for (;;) {
		const struct timespec moment = { .tv_nsec = 10000000 };

		nanosleep(&moment, NULL);
		told[0] = '\0';
		if (run_state_finish_migrate(&run, &err) < 0)
			break;
		CHECK_EQ(run_state_return(&run, &err), 0);
	}
	is(&run, "paused", false);
	CHECK_STR(told, "STOP ");
	CHECK_CONTAINS(err.text, "wrote to port 0x0");
	refuses_to_run(&run, err.text);
	is(&run, "paused", false);
	/* The next migration takes it for what it is, and gives back the same. */
	CHECK_EQ(run_state_finish_migrate(&run, &err), 0);
	CHECK_EQ(run_state_return(&run, &err), 0);
	is(&run, "paused", false);
}

TEST_MAIN(TEST_OF(it_stops_and_goes_on),
	  TEST_OF(a_failed_migration_gives_back_what_it_took),
	  TEST_OF(stop_during_a_migration_holds_when_it_failed),
	  TEST_OF(a_guest_that_left_runs_only_by_force),
	  TEST_OF(a_guest_that_may_have_left_runs_only_by_force),
	  TEST_OF(nothing_runs_before_it_arrived),
	  TEST_OF(a_guest_that_failed_is_paused_for_good))
