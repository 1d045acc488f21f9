/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* guest_test.c - guests of any kind through the one interface: checked, moved, believed. */
#include "guest/guest.h"

#include <time.h>

#include "guest/proof.h"
#include "tests/check.h"
#include "wire/vmdesc.h"

#define MEMORY (UINT64_C(16) << 20)
#define WORKING_SET (UINT64_C(2) << 20)

static struct gw_error err;

static void sleep_ms(unsigned ms)
{
	struct timespec time = { 0, (long)ms * 1000000 };

	nanosleep(&time, NULL);
}

static struct guest_options usual_options(enum guest_kind kind)
{
	return (struct guest_options){
		.kind = kind,
		.memory_bytes = MEMORY,
		.vcpus = 1,
		.working_set_bytes = WORKING_SET,
		.dirty_rate_bytes = UINT64_C(8) << 20,
		.pattern = WRITE_SEQUENTIAL,
		.seed = 3,
		.tracker = "auto",
	};
}

/* Skips where this host has no such guest. */
static struct guest *make(const struct guest_options *options)
{
	struct guest *guest;

	if (options->kind == GUEST_KVM && guest_best_kind(&err) != GUEST_KVM) {
		/* Read when this function is left. */
		static char reason[sizeof(err.text) + 16];

		snprintf(reason, sizeof(reason), "no /dev/kvm: %s", err.text);
		SKIP(reason);
	}
	guest = guest_new(options, &err);
	if (!guest)
		CHECK_FAIL("%s", err.text);
	return guest;
}

static void boot(struct guest *guest)
{
	struct fill *fill = fill_new("zeros:50,random:50", &err);

	CHECK(fill);
	CHECK_OK(guest_boot(guest, fill, 2, &err), &err);
	fill_free(fill);
}

/* Waits (60 s at most) until it has beaten so often since it is here. */
static void await_beats(const struct guest *guest, uint64_t beats)
{
	for (int i = 0; i < 6000; i++) {
		if (guest_counters(guest).beats >= beats)
			return;
		sleep_ms(10);
	}
	CHECK_FAIL("the guest does not beat");
}

static void checksum(struct guest *guest, char text[PROOF_CHECKSUM_CHARS])
{
	CHECK_OK(proof_checksum(guest_ram(guest), 1, text, &err), &err);
}

/* Feeds what one side saved to the other: each section must take exactly its body. */
static int load_sections(struct guest *there, const struct device_state *saved,
			 bool early)
{
	for (uint32_t i = 0; i < saved->section_count; i++) {
		const struct device_section *section = &saved->sections[i];
		struct cursor in = cursor_over(section->body.bytes, section->body.length);

		if (guest_load(there, section->name, section->instance, section->version,
			       early, &in, &err) < 0)
			return -1;
		CHECK(cursor_at_end(&in) && !in.overrun);
	}
	return 0;
}

static void check_description(const struct device_state *saved)
{
	static struct vmdesc desc;

	CHECK_OK(vmdesc_parse(saved->vmdesc, strlen(saved->vmdesc), &desc, &err), &err);
	CHECK_EQ(desc.device_count, saved->section_count);
	for (uint32_t i = 0; i < desc.device_count; i++) {
		CHECK_STR(desc.devices[i].name, saved->sections[i].name);
		CHECK_EQ(desc.devices[i].instance, saved->sections[i].instance);
		CHECK_EQ(desc.devices[i].body_bytes, saved->sections[i].body.length);
	}
}

/* What a migration does, without one. */
static void travel(enum guest_kind kind, uint32_t vcpus, bool runs)
{
	struct guest_options options = usual_options(kind);
	struct device_state early, saved;
	struct guest *here, *there;
	char one[PROOF_CHECKSUM_CHARS], two[PROOF_CHECKSUM_CHARS];
	uint64_t heartbeat;

	options.vcpus = vcpus;
	here = make(&options);
	there = make(&options);
	boot(here);
	CHECK(!guest_running(here));
	CHECK_OK(guest_run(here, &err), &err);
	CHECK_OK(guest_run(here, &err), &err); /* runs already */
	CHECK(guest_running(here));
	await_beats(here, 20);
	CHECK_OK(guest_save_early(here, &early, &err), &err);
	CHECK_OK(load_sections(there, &early, true), &err);
	CHECK_OK(guest_pause(here, &err), &err);
	CHECK_OK(guest_pause(here, &err), &err);
	CHECK(!guest_running(here));
	CHECK_OK(guest_prove(here, &err), &err);
	CHECK_OK(guest_save(here, runs, &saved, &err), &err);
	check_description(&saved);
	memcpy(guest_ram(there)->blocks[0]->host, guest_ram(here)->blocks[0]->host,
	       MEMORY);
	CHECK_OK(load_sections(there, &saved, false), &err);
	CHECK_OK(guest_assemble(there, &err), &err);
	CHECK_EQ(guest_was_running(there), runs);
	checksum(here, one);
	checksum(there, two);
	CHECK_STR(two, one);
	heartbeat = guest_heartbeat(here);
	CHECK(heartbeat >= 20);
	CHECK_EQ(guest_heartbeat(there), heartbeat);
	guest_free(here);
	CHECK_OK(guest_prove(there, &err), &err);
	CHECK_OK(guest_run(there, &err), &err);
	await_beats(there, 20);
	CHECK_OK(guest_pause(there, &err), &err);
	CHECK(guest_heartbeat(there) >= heartbeat + 20);
	CHECK(guest_counters(there).arrival_gap_ns > 0);
	CHECK_OK(guest_prove(there, &err), &err);
	guest_free(there);
}

TEST(process_guest_goes_on_where_it_was)
{
	travel(GUEST_PROCESS, 1, true);
}

TEST(process_guest_of_many_writers_goes_on_where_it_was)
{
	travel(GUEST_PROCESS, 7, false);
}

TEST(kvm_guest_goes_on_where_it_was)
{
	travel(GUEST_KVM, 1, true);
}

TEST(kvm_guest_of_two_vcpus_goes_on_where_it_was)
{
	travel(GUEST_KVM, 2, false);
}

/* All that harms one guest's own memory is seen by the guest itself. */
static void harm_is_noticed(enum guest_kind kind)
{
	struct guest_options options = usual_options(kind);
	struct guest *guest = make(&options);
	uint8_t *set;

	boot(guest);
	CHECK_OK(guest_run(guest, &err), &err);
	await_beats(guest, 100);
	CHECK_OK(guest_pause(guest, &err), &err);
	CHECK_OK(guest_prove(guest, &err), &err);
	/* The first page of the working set at another address. */
	set = guest_ram(guest)->blocks[0]->host + MEMORY - PAGE_BYTES - WORKING_SET;
	memcpy(set + PAGE_BYTES, set, PAGE_BYTES);
	CHECK_EQ(guest_prove(guest, &err), -1);
	CHECK_EQ(err.kind, GW_PEER);
	guest_free(guest);
}

TEST(process_guest_notices_a_page_at_the_wrong_address)
{
	harm_is_noticed(GUEST_PROCESS);
}

TEST(kvm_guest_notices_a_page_at_the_wrong_address)
{
	harm_is_noticed(GUEST_KVM);
}

/* A write of the guest is in the next harvest. */
static void writes_are_seen(enum guest_kind kind)
{
	struct guest_options options = usual_options(kind);
	struct guest *guest = make(&options);
	const struct ram_block *block = guest_ram(guest)->blocks[0];
	size_t heartbeat_page = block->page_count - 1;
	struct dirty_tracker *tracker;
	uint64_t *bitmap = calloc(block->page_count / 64 + 1, sizeof(*bitmap));
	uint64_t found = 0;

	CHECK(bitmap);
	tracker = guest_tracker(guest, &err);
	if (!tracker) {
		guest_free(guest);
		free(bitmap);
		SKIP(err.text);
	}
	CHECK(guest_tracker(guest, &err) == tracker);
	boot(guest);
	CHECK_OK(dirty_start(tracker, &err), &err);
	CHECK_OK(guest_run(guest, &err), &err);
	await_beats(guest, 20);
	CHECK_OK(guest_pause(guest, &err), &err);
	CHECK_OK(dirty_harvest(tracker, block, bitmap, &found, &err), &err);
	CHECK(found >= 2);
	CHECK(bitmap[heartbeat_page / 64] >> heartbeat_page % 64 & 1);
	found = 0;
	CHECK_OK(dirty_harvest(tracker, block, bitmap, &found, &err), &err);
	CHECK_EQ(found, 0);
	dirty_stop(tracker);
	guest_free(guest);
	free(bitmap);
}

TEST(process_guest_is_tracked)
{
	writes_are_seen(GUEST_PROCESS);
}

TEST(kvm_guest_is_tracked)
{
	writes_are_seen(GUEST_KVM);
}

TEST(throttle_may_be_called_at_any_time)
{
	struct guest_options options = usual_options(GUEST_PROCESS);
	struct guest *guest = make(&options);

	guest_throttle(guest, 50); /* nothing is there to be throttled */
	boot(guest);
	guest_throttle(guest, 99);
	CHECK_OK(guest_run(guest, &err), &err);
	await_beats(guest, 5);
	guest_throttle(guest, 0);
	CHECK_OK(guest_pause(guest, &err), &err);
	guest_throttle(guest, 0);
	guest_free(guest);
}

/* ---- state of others ---- */

static int load(struct guest *guest, const char *name, uint32_t instance,
		uint32_t version, bool early, const void *bytes, size_t length)
{
	struct cursor in = cursor_over(bytes, length);

	return guest_load(guest, name, instance, version, early, &in, &err);
}

TEST(run_state_is_taken_once_and_only_as_it_is_known)
{
	struct guest_options options = usual_options(GUEST_PROCESS);
	struct guest *guest = make(&options);
	const char *name = "godwit/run-state";

	CHECK_EQ(load(guest, name, 1, 1, false, "\1", 1), -1);
	CHECK_STR(err.text,
		  "instance 1 version 1: one, instance 0 version 1, is expected "
		  "at the end");
	CHECK_EQ(load(guest, name, 0, 2, false, "\1", 1), -1);
	CHECK_CONTAINS(err.text, "instance 0 version 2: ");
	CHECK_EQ(load(guest, name, 0, 1, true, "\1", 1), -1);
	CHECK_EQ(err.kind, GW_PEER);
	CHECK_EQ(load(guest, name, 0, 1, false, "\2", 1), -1);
	CHECK_STR(err.text, "run state 2: 0 and 1 are known");
	CHECK_EQ(load(guest, name, 0, 1, false, "", 0), -1);
	CHECK_STR(err.text, "run state: cut short at byte 0");
	CHECK_EQ(err.kind, GW_PEER);
	CHECK_OK(load(guest, name, 0, 1, false, "\1", 1), &err);
	CHECK(guest_was_running(guest));
	CHECK_EQ(load(guest, name, 0, 1, false, "\0", 1), -1);
	CHECK_CONTAINS(err.text, "one, instance 0");
	guest_free(guest);
}

TEST(stream_that_ends_too_early_makes_no_guest)
{
	struct guest_options options = usual_options(GUEST_PROCESS);
	struct guest *here = make(&options), *there = make(&options);
	struct device_state saved;

	boot(here);
	CHECK_OK(guest_save(here, true, &saved, &err), &err);
	CHECK_EQ(saved.section_count, 2);
	CHECK_EQ(guest_assemble(there, &err), -1);
	CHECK_STR(err.text, "the stream ended without \"godwit/process-guest\"");
	CHECK_EQ(err.kind, GW_PEER);
	saved.section_count = 1;
	CHECK_OK(load_sections(there, &saved, false), &err);
	guest_free(there);
	there = make(&options);
	CHECK_OK(load_sections(there, &saved, false), &err);
	CHECK_EQ(guest_assemble(there, &err), -1);
	CHECK_STR(err.text, "the stream ended without \"godwit/run-state\"");
	guest_free(there);
	guest_free(here);
}

TEST(guest_takes_no_section_twice_and_none_of_another_kind)
{
	struct guest_options options = usual_options(GUEST_PROCESS);
	struct guest *here = make(&options), *there = make(&options);
	struct device_state saved;

	boot(here);
	CHECK_OK(guest_save(here, true, &saved, &err), &err);
	CHECK_EQ(load_sections(there, &saved, true), -1);
	CHECK_EQ(err.kind, GW_PEER);
	CHECK_OK(load_sections(there, &saved, false), &err);
	CHECK_EQ(load_sections(there, &saved, false), -1);
	CHECK_STR(err.text,
		  "instance 0 version 1: one \"godwit/process-guest\", instance "
		  "0 version 1, is expected");
	CHECK_EQ(load(there, "godwit/vcpu", 0, 1, false, "", 0), -1);
	CHECK_EQ(err.kind, GW_PEER);
	guest_free(there);
	guest_free(here);
}

/* ---- options ---- */

static void refused(const struct guest_options *options, const char *text)
{
	CHECK_EQ(guest_check(options, &err), -1);
	CHECK_EQ(err.kind, GW_USAGE);
	CHECK_STR(err.text, text);
	CHECK(!guest_new(options, &err));
	CHECK_STR(err.text, text);
}

TEST(options_that_no_guest_can_have_are_named)
{
	struct guest_options options = usual_options(GUEST_PROCESS);

	options.memory_bytes = GUEST_MEMORY_MIN - PAGE_BYTES;
	refused(&options, "--memory 8384512: at least 8388608 are allowed");
	options.memory_bytes = GUEST_MEMORY_MIN;
	CHECK_OK(guest_check(&options, &err), &err);
	options.memory_bytes++;
	refused(&options, "--memory 8388609: a multiple of 4096 is allowed");
	options.memory_bytes--;
	options.working_set_bytes = GUEST_MEMORY_MIN;
	refused(&options,
		"--working-set 8388608: at most 8384512 of this memory are allowed");
	options.working_set_bytes -= PAGE_BYTES;
	CHECK_OK(guest_check(&options, &err), &err);
	options.working_set_bytes--;
	refused(&options, "--working-set 8384511: a multiple of 4096 is allowed");
	options.working_set_bytes = 2 * PAGE_BYTES;
	options.vcpus = 0;
	refused(&options, "--vcpus 0: 1 to 64 are allowed");
	options.vcpus = 65;
	refused(&options, "--vcpus 65: 1 to 64 are allowed");
	options.vcpus = 3;
	refused(&options, "--vcpus 3: 1 a page is allowed, the working set has 2");
	options.vcpus = 2;
	CHECK_OK(guest_check(&options, &err), &err);
	options.dirty_rate_bytes = PROCESS_RATE_MAX_BYTES + 1;
	refused(&options,
		"--dirty-rate 1099511627777: at most 1099511627776 are allowed");
	options.dirty_rate_bytes--;
	options.tracker = "dirty-ring";
	refused(&options, "--tracker dirty-ring: a process guest has auto, wp-async and "
			  "wp-sync");
	options.kind = GUEST_KVM;
	CHECK_OK(guest_check(&options, &err), &err);
	options.tracker = "wp-sync";
	refused(&options, "--tracker wp-sync: a kvm guest has auto, dirty-log and "
			  "dirty-ring");
}

TEST(kinds_have_names)
{
	enum guest_kind kind = GUEST_PROCESS;

	CHECK_OK(guest_kind_by_name("kvm", &kind, &err), &err);
	CHECK_EQ(kind, GUEST_KVM);
	CHECK_OK(guest_kind_by_name("process", &kind, &err), &err);
	CHECK_EQ(kind, GUEST_PROCESS);
	CHECK_EQ(guest_kind_by_name("kvm2", &kind, &err), -1);
	CHECK_STR(err.text, "--guest kvm2: kvm and process are allowed");
	CHECK_STR(guest_kind_name(GUEST_KVM), "kvm");
	CHECK_STR(guest_kind_name(GUEST_PROCESS), "process");
	CHECK_STR(guest_machine_name(GUEST_KVM), "godwit-kvm");
	CHECK_STR(guest_machine_name(GUEST_PROCESS), "godwit-process");
}

TEST(best_kind_has_a_reason_when_it_is_not_kvm)
{
	err.text[0] = '\0';
	if (guest_best_kind(&err) == GUEST_PROCESS)
		CHECK(err.text[0] != '\0');
}

TEST_MAIN(TEST_OF(process_guest_goes_on_where_it_was),
	  TEST_OF(process_guest_of_many_writers_goes_on_where_it_was),
	  TEST_OF(kvm_guest_goes_on_where_it_was),
	  TEST_OF(kvm_guest_of_two_vcpus_goes_on_where_it_was),
	  TEST_OF(process_guest_notices_a_page_at_the_wrong_address),
	  TEST_OF(kvm_guest_notices_a_page_at_the_wrong_address),
	  TEST_OF(process_guest_is_tracked), TEST_OF(kvm_guest_is_tracked),
	  TEST_OF(throttle_may_be_called_at_any_time),
	  TEST_OF(run_state_is_taken_once_and_only_as_it_is_known),
	  TEST_OF(stream_that_ends_too_early_makes_no_guest),
	  TEST_OF(guest_takes_no_section_twice_and_none_of_another_kind),
	  TEST_OF(options_that_no_guest_can_have_are_named), TEST_OF(kinds_have_names),
	  TEST_OF(best_kind_has_a_reason_when_it_is_not_kvm))
