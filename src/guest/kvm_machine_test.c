/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* kvm_machine_test.c - a KVM guest that runs, stands still, travels and is tracked. */
#include "guest/kvm_machine.h"

#include <pthread.h>

#include "guest/kvm_verdict.h"
#include "guest/proof.h"
#include "guest/stamp.h"
#include "tests/check.h"

/* Behind the harness, which it needs. */
#include "guest/kvm_machine_for_tests.h"

static void checksum(const struct ram *ram, char text[PROOF_CHECKSUM_CHARS])
{
	CHECK_OK(proof_checksum(ram, 1, text, &err), &err);
}

static void works(uint32_t vcpus, enum write_pattern pattern)
{
	struct ram ram;
	struct kvm_state state = state_of(vcpus, pattern);
	struct kvm_machine *machine;
	struct proof_range all = { SET_OFFSET, SET_BYTES, UINT64_MAX,
				   PROOF_ALL_FINISHED };
	uint64_t stamped = 0, checks = 0;
	const uint8_t *host;

	need_kvm();
	ram_open(&ram, RAM_BYTES);
	memset(ram.blocks[0]->host, OUTSIDE, RAM_BYTES);
	machine = boot(&ram, &state);
	CHECK_EQ(kvm_machine_counters(machine).pages_written, 0);
	/* Each vCPU has gone through its share, if they go through it in order. */
	run_for(machine, 12, 2 * SET_BYTES / PAGE_BYTES);
	CHECK_OK(kvm_machine_prove(machine, &err), &err);
	host = ram.blocks[0]->host;
	CHECK(proof_stamps(ram.blocks[0], &all, &stamped, &err) <= 0);
	CHECK(stamped > SET_BYTES / PAGE_BYTES / 2);
	CHECK(heartbeat_read(host + RAM_BYTES - PAGE_BYTES) >=
	      kvm_machine_heartbeat(machine));
	CHECK_EQ(kvm_machine_heartbeat(machine), kvm_machine_counters(machine).beats);
	for (uint32_t i = 0; i < vcpus; i++) {
		checks = kvm_verdict_checks(host, i);
		CHECK(checks >= 1);
	}
	for (size_t at = KVM_LOW_BYTES; at < SET_OFFSET; at++)
		CHECK_EQ(host[at], OUTSIDE);
	CHECK(strncmp(console, "beat 1\n", 7) == 0);
	kvm_machine_free(machine);
	ram_deinit(&ram);
}

TEST(guest_of_one_vcpu_beats_and_stamps)
{
	works(1, WRITE_SEQUENTIAL);
}

TEST(guest_of_two_vcpus_beats_and_stamps)
{
	works(2, WRITE_RANDOM);
}

TEST(guest_of_four_vcpus_beats_and_stamps)
{
	works(4, WRITE_SEQUENTIAL);
}

TEST(paused_guest_writes_nothing)
{
	struct ram ram;
	struct kvm_state state = state_of(2, WRITE_RANDOM);
	struct kvm_machine *machine;

	need_kvm();
	ram_open(&ram, RAM_BYTES);
	machine = boot(&ram, &state);
	for (int round = 0; round < 5; round++) {
		char one[PROOF_CHECKSUM_CHARS], two[PROOF_CHECKSUM_CHARS];
		struct guest_counters counters;

		run_for(machine, 2, 50);
		checksum(&ram, one);
		counters = kvm_machine_counters(machine);
		CHECK_OK(kvm_machine_prove(machine, &err), &err);
		sleep_ms(30);
		CHECK_OK(kvm_machine_pause(machine, &err), &err); /* paused already */
		checksum(&ram, two);
		CHECK_STR(two, one);
		CHECK_EQ(kvm_machine_counters(machine).beats, counters.beats);
		CHECK_EQ(kvm_machine_counters(machine).pages_written,
			 counters.pages_written);
	}
	kvm_machine_free(machine);
	ram_deinit(&ram);
}

TEST(guest_without_a_rate_only_beats)
{
	struct ram ram;
	struct kvm_state state = state_of(2, WRITE_RANDOM);
	struct kvm_machine *machine;

	need_kvm();
	ram_open(&ram, RAM_BYTES);
	state.dirty_rate_bytes = 0;
	machine = boot(&ram, &state);
	run_for(machine, 10, 0);
	CHECK_EQ(kvm_machine_counters(machine).pages_written, 0);
	CHECK_OK(kvm_machine_prove(machine, &err), &err);
	kvm_machine_free(machine);
	ram_deinit(&ram);
}

/* Where a PC has none, devices are. */
TEST(memory_goes_on_behind_the_hole)
{
	struct ram ram;
	struct kvm_state state = state_of(2, WRITE_SEQUENTIAL);
	struct kvm_machine *machine;

	need_kvm();
	state.memory_bytes = KVM_HOLE_START + SET_BYTES / 2 + PAGE_BYTES;
	ram_open(&ram, state.memory_bytes);
	machine = boot(&ram, &state);
	run_for(machine, 5, 2 * SET_BYTES / PAGE_BYTES);
	CHECK_OK(kvm_machine_prove(machine, &err), &err);
	CHECK(stamp_check(ram.blocks[0]->host + KVM_HOLE_START - PAGE_BYTES,
			  KVM_HOLE_START - PAGE_BYTES, UINT64_MAX, &err) != 0);
	CHECK(stamp_check(ram.blocks[0]->host + KVM_HOLE_START, KVM_HOLE_START,
			  UINT64_MAX, &err) != 0);
	kvm_machine_free(machine);
	ram_deinit(&ram);
}

/* Lines "beat 1", "beat 2", ... and maybe the beginning of one more. */
static uint32_t check_lines(void)
{
	const char *at = console;
	uint32_t count = 0;

	for (;;) {
		char line[32];
		size_t length =
			(size_t)snprintf(line, sizeof(line), "beat %u\n", count + 1);

		if (strncmp(at, line, length) != 0) {
			if (strncmp(at, line, strlen(at)) != 0)
				CHECK_FAIL("line %u begins \"%.20s\"", count + 1, at);
			return count;
		}
		at += length;
		count++;
	}
}

/* All but what counts time. */
static void check_same_registers(const struct vcpu_state *a, const struct vcpu_state *b)
{
	CHECK(memcmp(&a->regs, &b->regs, sizeof(a->regs)) == 0);
	CHECK(memcmp(&a->sregs, &b->sregs, sizeof(a->sregs)) == 0);
	CHECK(memcmp(&a->debugregs, &b->debugregs, sizeof(a->debugregs)) == 0);
	CHECK_EQ(a->mp_state, b->mp_state);
	CHECK_EQ(a->xsave_bytes, b->xsave_bytes);
	CHECK(memcmp(a->xsave, b->xsave, a->xsave_bytes) == 0);
	CHECK_EQ(a->msr_count, b->msr_count);
	for (uint32_t i = 0; i < a->msr_count; i++) {
		uint32_t index = a->msr_indices[i];

		CHECK_EQ(b->msr_indices[i], index);
		if (index != 0x10 && index != 0x3b)
			CHECK_EQ(a->msr_values[i], b->msr_values[i]);
	}
}

static void travel(uint32_t vcpus, uint32_t hops)
{
	struct ram here, there;
	struct kvm_state state = state_of(vcpus, WRITE_RANDOM);
	struct kvm_machine *machine;

	need_kvm();
	ram_open(&here, RAM_BYTES);
	machine = boot(&here, &state);
	for (uint32_t hop = 0; hop < hops; hop++) {
		struct kvm_saved *saved, *again;

		run_for(machine, 7, 300);
		CHECK_OK(kvm_machine_prove(machine, &err), &err);
		saved = save(machine);
		CHECK_EQ(saved->machine.heartbeat, kvm_machine_heartbeat(machine));
		ram_open(&there, RAM_BYTES);
		memcpy(there.blocks[0]->host, here.blocks[0]->host, RAM_BYTES);
		kvm_machine_free(machine);
		ram_deinit(&here);

		machine = restore(&there, saved);
		again = save(machine);
		for (uint32_t i = 0; i < vcpus; i++)
			check_same_registers(&saved->vcpus[i], &again->vcpus[i]);
		CHECK_OK(kvm_machine_prove(machine, &err), &err);
		CHECK_EQ(kvm_machine_counters(machine).beats, 0);
		CHECK_EQ(kvm_machine_counters(machine).pages_written, 0);
		run_for(machine, 7, 300);
		CHECK(kvm_machine_counters(machine).arrival_gap_ns > 0);
		CHECK_OK(kvm_machine_prove(machine, &err), &err);
		CHECK_EQ(kvm_machine_heartbeat(machine),
			 saved->machine.heartbeat + kvm_machine_counters(machine).beats);
		free(saved);
		free(again);
		here = there;
	}
	CHECK(check_lines() >= hops);
	kvm_machine_free(machine);
	ram_deinit(&here);
}

TEST(guest_of_one_vcpu_goes_on_where_it_arrives)
{
	travel(1, 4);
}

TEST(guest_of_two_vcpus_goes_on_where_it_arrives)
{
	travel(2, 4);
}

TEST(guest_of_four_vcpus_goes_on_where_it_arrives)
{
	travel(4, 2);
}

TEST(throttled_guest_does_less_and_stays_sound)
{
	struct ram ram;
	struct kvm_state state = state_of(2, WRITE_RANDOM);
	struct kvm_machine *machine;
	struct guest_counters before, after;

	need_kvm();
	ram_open(&ram, RAM_BYTES);
	machine = machine_open(&ram, false);
	kvm_machine_throttle(machine, 10); /* before it has vCPUs, too */
	CHECK_OK(kvm_machine_boot(machine, &state, 7, &err), &err);
	run_for(machine, 3, 10);
	kvm_machine_throttle(machine, 0);
	run_for(machine, 3, 10);
	kvm_machine_throttle(machine, 99);
	before = kvm_machine_counters(machine);
	CHECK_OK(kvm_machine_run(machine, &err), &err);
	sleep_ms(500);
	CHECK_OK(kvm_machine_pause(machine, &err), &err);
	after = kvm_machine_counters(machine);
	/* No timing: even a machine that hurries through the rest has no more slices. */
	CHECK(after.pages_written - before.pages_written < RATE / PAGE_BYTES / 4);
	/* At once, also while a vCPU rests. */
	CHECK_OK(kvm_machine_run(machine, &err), &err);
	kvm_machine_throttle(machine, 50);
	kvm_machine_throttle(machine, 0);
	run_for(machine, 10, 100);
	CHECK_OK(kvm_machine_prove(machine, &err), &err);
	kvm_machine_free(machine);
	ram_deinit(&ram);
}

/* Follows a running guest as a migration does; in the end the copy is the guest. */
static void track(bool ring, const char *name)
{
	struct ram ram;
	struct kvm_state state = state_of(2, WRITE_RANDOM);
	struct kvm_machine *machine;
	struct dirty_tracker *tracker;
	uint8_t *copy = malloc(RAM_BYTES), *host;
	uint64_t bitmap[RAM_BYTES / PAGE_BYTES / 64], found = 0;

	need_kvm();
	ram_open(&ram, RAM_BYTES);
	host = ram.blocks[0]->host;
	machine = machine_open(&ram, ring);
	CHECK_OK(kvm_machine_boot(machine, &state, 7, &err), &err);
	run_for(machine, 2, 20);
	tracker = kvm_machine_track(machine, &err);
	if (!tracker)
		CHECK_FAIL("%s", err.text);
	CHECK_STR(dirty_name(tracker), name);
	CHECK_OK(kvm_machine_run(machine, &err), &err);
	CHECK_OK(dirty_start(tracker, &err), &err);
	memcpy(copy, host, RAM_BYTES);
	for (int round = 0; round < 6; round++) {
		if (round < 5)
			sleep_ms(20);
		else
			CHECK_OK(kvm_machine_pause(machine, &err), &err);
		memset(bitmap, 0, sizeof(bitmap));
		CHECK_OK(dirty_harvest(tracker, ram.blocks[0], bitmap, &found, &err),
			 &err);
		for (size_t page = 0; page < RAM_BYTES / PAGE_BYTES; page++) {
			if (bitmap[page / 64] >> page % 64 & 1)
				memcpy(copy + page * PAGE_BYTES, host + page * PAGE_BYTES,
				       PAGE_BYTES);
		}
	}
	CHECK(found > 0);
	for (size_t page = 0; page < RAM_BYTES / PAGE_BYTES; page++) {
		if (memcmp(copy + page * PAGE_BYTES, host + page * PAGE_BYTES,
			   PAGE_BYTES) != 0)
			CHECK_FAIL("page %zu was written unseen", page);
	}
	run_for(machine, 3, 20);
	dirty_free(tracker);
	run_for(machine, 3, 20);
	CHECK_OK(kvm_machine_prove(machine, &err), &err);
	kvm_machine_free(machine);
	ram_deinit(&ram);
	free(copy);
}

TEST(dirty_log_sees_what_the_guest_writes)
{
	track(false, "dirty-log");
}

TEST(dirty_ring_sees_what_the_guest_writes)
{
	track(true, "dirty-ring");
}

struct harvester {
	const struct ram_block *block;
	struct dirty_tracker *tracker;
	bool done;
	bool failed;
	struct gw_error err;
};

static void *harvest_on(void *state)
{
	struct harvester *harvester = state;
	uint64_t bitmap[RAM_BYTES / PAGE_BYTES / 64] = { 0 }, found = 0;

	while (!harvester->failed && !__atomic_load_n(&harvester->done, __ATOMIC_RELAXED))
		harvester->failed = dirty_harvest(harvester->tracker, harvester->block,
						  bitmap, &found, &harvester->err) < 0;
	return NULL;
}

/* As when somebody stops a guest while it is migrated. */
static void pause_while_tracked(bool ring)
{
	static uint8_t areas[8 * AREA_BYTES];
	struct ram ram;
	struct kvm_state state = state_of(8, WRITE_RANDOM);
	struct kvm_machine *machine;
	struct harvester harvester = { 0 };
	pthread_t thread;

	need_kvm();
	ram_open(&ram, RAM_BYTES);
	state.dirty_rate_bytes *= 1000; /* none sleeps */
	machine = machine_open(&ram, ring);
	CHECK_OK(kvm_machine_boot(machine, &state, 7, &err), &err);
	harvester.block = ram.blocks[0];
	harvester.tracker = kvm_machine_track(machine, &err);
	CHECK(harvester.tracker);
	CHECK_OK(dirty_start(harvester.tracker, &err), &err);
	CHECK_EQ(pthread_create(&thread, NULL, harvest_on, &harvester), 0);
	for (int round = 0; round < 20; round++) {
		CHECK_OK(kvm_machine_run(machine, &err), &err);
		sleep_ms(1);
		CHECK_OK(kvm_machine_pause(machine, &err), &err);
		memcpy(areas, ram.blocks[0]->host + KVM_AREAS, sizeof(areas));
		sleep_ms(3);
		CHECK(memcmp(areas, ram.blocks[0]->host + KVM_AREAS, sizeof(areas)) == 0);
	}
	__atomic_store_n(&harvester.done, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	if (harvester.failed)
		CHECK_FAIL("%s", harvester.err.text);
	dirty_free(harvester.tracker);
	CHECK_OK(kvm_machine_prove(machine, &err), &err);
	kvm_machine_free(machine);
	ram_deinit(&ram);
}

TEST(guest_is_paused_while_another_thread_gets_its_dirty_log)
{
	pause_while_tracked(false);
}

TEST(guest_is_paused_while_another_thread_collects_its_dirty_rings)
{
	pause_while_tracked(true);
}

TEST(guest_can_be_freed_at_any_time)
{
	struct ram ram;
	struct kvm_state state = state_of(4, WRITE_RANDOM);
	struct kvm_machine *machine;

	kvm_machine_free(NULL);
	need_kvm();
	ram_open(&ram, RAM_BYTES);
	kvm_machine_free(machine_open(&ram, true));
	kvm_machine_free(boot(&ram, &state));
	machine = boot(&ram, &state);
	CHECK_OK(kvm_machine_run(machine, &err), &err);
	kvm_machine_free(machine);
	machine = boot(&ram, &state);
	kvm_machine_throttle(machine, 99);
	run_for(machine, 1, 0);
	CHECK_OK(kvm_machine_run(machine, &err), &err);
	kvm_machine_free(machine);
	ram_deinit(&ram);
}

TEST(guest_that_cannot_be_is_refused)
{
	struct ram ram;
	struct kvm_state state = state_of(0, WRITE_RANDOM);
	struct kvm_machine *machine;

	need_kvm();
	ram_open(&ram, RAM_BYTES);
	machine = machine_open(&ram, false);
	CHECK_EQ(kvm_machine_boot(machine, &state, 7, &err), -1);
	CHECK_EQ(err.kind, GW_USAGE);
	CHECK_STR(err.text, "KVM guest: 0 vCPUs, 1 to 64 are allowed");
	kvm_machine_free(machine);
	machine = machine_open(&ram, false);
	state = state_of(1, WRITE_RANDOM);
	state.memory_bytes *= 2;
	CHECK_EQ(kvm_machine_boot(machine, &state, 7, &err), -1);
	CHECK_STR(err.text,
		  "KVM guest: it has 33554432 bytes of memory, here are 16777216");
	kvm_machine_free(machine);
	ram_deinit(&ram);
}

/* Before a byte of memory has come, though no rule of ours speaks against them. */
TEST(features_that_kvm_does_not_take_are_refused)
{
	struct ram ram;
	struct kvm_machine *machine;
	struct kvm_features told;

	need_kvm();
	ram_open(&ram, RAM_BYTES);
	machine = machine_open(&ram, false);
	told = *kvm_machine_features(machine);
	for (uint32_t i = 0; i < told.cpuid_count; i++) {
		/* Virtual addresses of 50 bits. */
		if (told.cpuid[i].function == 0x80000008)
			told.cpuid[i].eax = (told.cpuid[i].eax & ~0xff00u) | 50u << 8;
	}
	CHECK_EQ(kvm_machine_accept(machine, &told, &err), -1);
	CHECK_EQ(err.kind, GW_UNSUPPORTED);
	CHECK_CONTAINS(err.text, "vCPU 0: KVM does not take its CPUID");
	told = *kvm_machine_features(machine);
	CHECK_OK(kvm_machine_accept(machine, &told, &err), &err);
	kvm_machine_free(machine);
	ram_deinit(&ram);
}

TEST_MAIN(TEST_OF(guest_of_one_vcpu_beats_and_stamps),
	  TEST_OF(guest_of_two_vcpus_beats_and_stamps),
	  TEST_OF(guest_of_four_vcpus_beats_and_stamps),
	  TEST_OF(paused_guest_writes_nothing), TEST_OF(guest_without_a_rate_only_beats),
	  TEST_OF(memory_goes_on_behind_the_hole),
	  TEST_OF(guest_of_one_vcpu_goes_on_where_it_arrives),
	  TEST_OF(guest_of_two_vcpus_goes_on_where_it_arrives),
	  TEST_OF(guest_of_four_vcpus_goes_on_where_it_arrives),
	  TEST_OF(throttled_guest_does_less_and_stays_sound),
	  TEST_OF(dirty_log_sees_what_the_guest_writes),
	  TEST_OF(dirty_ring_sees_what_the_guest_writes),
	  TEST_OF(guest_is_paused_while_another_thread_gets_its_dirty_log),
	  TEST_OF(guest_is_paused_while_another_thread_collects_its_dirty_rings),
	  TEST_OF(guest_can_be_freed_at_any_time),
	  TEST_OF(guest_that_cannot_be_is_refused),
	  TEST_OF(features_that_kvm_does_not_take_are_refused))
