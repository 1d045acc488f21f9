/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* process_machine_test.c - a guest that runs, stands still, travels and goes on. */
#include "guest/process_machine.h"

#include "base/clock.h"
#include "guest/proof.h"
#include "guest/stamp.h"
#include "tests/check.h"

#define RAM_BYTES (4u << 20)
#define SET_OFFSET (1u << 20)
#define SET_BYTES (2u << 20)
#define SET_PAGES (SET_BYTES / PAGE_BYTES)
#define OUTSIDE 0x6b

static struct gw_error err;
static const struct process_console silent;

static void sleep_ms(unsigned ms)
{
	struct timespec time = { 0, (long)ms * 1000000 };

	nanosleep(&time, NULL);
}

static void ram_open(struct ram *ram)
{
	ram_init(ram);
	CHECK_OK(ram_allocate(ram, "ram", RAM_BYTES, &err), &err);
	memset(ram->blocks[0]->host, OUTSIDE, RAM_BYTES);
}

static struct process_state state_of(const struct ram *ram, uint32_t writers,
				     enum write_pattern pattern, uint64_t rate)
{
	struct process_state state = {
		.block = "ram",
		.heartbeat_offset = 8 * PAGE_BYTES,
		.working_set_offset = SET_OFFSET,
		.working_set_bytes = SET_BYTES,
		.dirty_rate_bytes = rate,
		.pattern = pattern,
		.writer_count = writers,
	};

	CHECK_OK(process_state_init(&state, ram, 5, &err), &err);
	return state;
}

static struct process_machine *start(const struct ram *ram,
				     const struct process_state *state)
{
	struct process_machine *machine = process_machine_new(ram, state, silent, &err);

	if (!machine)
		CHECK_FAIL("%s", err.text);
	CHECK_OK(process_machine_run(machine, &err), &err);
	return machine;
}

/* Waits (10 s at most) until that much more has happened. */
static void await(const struct process_machine *machine, uint64_t beats, uint64_t pages)
{
	struct process_counters from = process_machine_counters(machine);

	for (int i = 0; i < 10000; i++) {
		struct process_counters now = process_machine_counters(machine);

		if (now.beats >= from.beats + beats &&
		    now.pages_written >= from.pages_written + pages)
			return;
		sleep_ms(1);
	}
	CHECK_FAIL("the guest does not go on");
}

static void check_same(const struct process_state *a, const struct process_state *b)
{
	uint8_t bytes[2][PROCESS_STATE_BYTES_MAX];
	struct writer first = writer_over(bytes[0], sizeof(bytes[0]));
	struct writer second = writer_over(bytes[1], sizeof(bytes[1]));

	process_state_encode(a, &first);
	process_state_encode(b, &second);
	CHECK_EQ(first.used, second.used);
	CHECK(memcmp(bytes[0], bytes[1], first.used) == 0);
}

static void checksum(const struct ram *ram, char text[PROOF_CHECKSUM_CHARS])
{
	CHECK_OK(proof_checksum(ram, 1, text, &err), &err);
}

TEST(paused_guest_writes_nothing)
{
	struct ram ram;
	struct process_state state, again;
	struct process_machine *machine;

	ram_open(&ram);
	state = state_of(&ram, 3, WRITE_RANDOM, 400u << 20);
	machine = start(&ram, &state);
	for (int round = 0; round < 5; round++) {
		char one[PROOF_CHECKSUM_CHARS], two[PROOF_CHECKSUM_CHARS];
		struct process_counters counters;

		await(machine, 3, 100);
		process_machine_pause(machine);
		checksum(&ram, one);
		counters = process_machine_counters(machine);
		process_machine_state(machine, &state);
		CHECK_OK(proof_process(&ram, &state, NULL, &err), &err);
		sleep_ms(20);
		process_machine_pause(machine); /* paused already */
		checksum(&ram, two);
		CHECK_STR(two, one);
		CHECK_EQ(process_machine_counters(machine).beats, counters.beats);
		CHECK_EQ(process_machine_counters(machine).pages_written,
			 counters.pages_written);
		CHECK_EQ(state.sequence, counters.pages_written);
		CHECK_EQ(state.heartbeat, counters.beats);
		process_machine_state(machine, &again);
		check_same(&again, &state);
		CHECK_OK(process_machine_run(machine, &err), &err);
		CHECK_OK(process_machine_run(machine, &err), &err); /* runs already */
	}
	process_machine_free(machine);
	ram_deinit(&ram);
}

TEST(guest_writes_its_working_set_and_its_heartbeat_only)
{
	struct ram ram;
	struct process_state state;
	struct process_machine *machine;
	const uint8_t *host;
	uint64_t stamped;

	ram_open(&ram);
	state = state_of(&ram, 4, WRITE_SEQUENTIAL, PROCESS_RATE_MAX_BYTES);
	machine = start(&ram, &state);
	await(machine, 5, 4 * SET_PAGES);
	process_machine_pause(machine);
	process_machine_state(machine, &state);
	process_machine_free(machine);
	CHECK_OK(proof_process(&ram, &state, &stamped, &err), &err);
	CHECK(stamped > 0 && stamped <= SET_PAGES);
	host = ram.blocks[0]->host;
	CHECK_EQ(heartbeat_read(host + 8 * PAGE_BYTES), state.heartbeat);
	for (size_t at = 0; at < RAM_BYTES; at++) {
		if (at / PAGE_BYTES == 8 ||
		    (at >= SET_OFFSET && at < SET_OFFSET + SET_BYTES))
			continue;
		CHECK_EQ(host[at], OUTSIDE);
	}
	ram_deinit(&ram);
}

TEST(sequential_writers_go_through_their_shares_in_order)
{
	struct ram ram;
	struct process_state state;
	struct process_machine *machine;
	uint64_t stamped;

	ram_open(&ram);
	state = state_of(&ram, 1, WRITE_SEQUENTIAL, PROCESS_RATE_MAX_BYTES);
	machine = start(&ram, &state);
	await(machine, 1, 3 * SET_PAGES + 7);
	process_machine_pause(machine);
	process_machine_state(machine, &state);
	CHECK_OK(proof_process(&ram, &state, &stamped, &err), &err);
	CHECK_EQ(stamped, SET_PAGES);
	CHECK_EQ(state.writers[0].position, state.sequence % SET_PAGES);
	for (uint64_t page = 0; page < SET_PAGES; page++) {
		/* The page written longest ago is the next one. */
		uint64_t age = (page + SET_PAGES - state.writers[0].position) % SET_PAGES;
		uint64_t address = SET_OFFSET + page * PAGE_BYTES;
		uint64_t sequence = state.sequence - SET_PAGES + 1 + age;

		CHECK_EQ(stamp_check(ram.blocks[0]->host + address, address, sequence,
				     &err),
			 1);
		CHECK_EQ(stamp_check(ram.blocks[0]->host + address, address, sequence - 1,
				     &err),
			 -1);
	}
	process_machine_free(machine);
	ram_deinit(&ram);
}

TEST(stamped_page_keeps_most_of_what_it_held)
{
	uint8_t page[PAGE_BYTES] __attribute__((aligned(8))), other[PAGE_BYTES];
	uint32_t changed = 0;

	memset(page, OUTSIDE, sizeof(page));
	stamp_page(page, 0, 1);
	memcpy(other, page, sizeof(page));
	for (uint32_t i = 0; i < PAGE_BYTES; i++)
		changed += page[i] != OUTSIDE;
	CHECK(changed > 32 && changed <= 64);
	stamp_page(page, 0, 2);
	CHECK(memcmp(page + 1024, other + 1024, 8) != 0);
	CHECK(memcmp(page + 4088, other + 4088, 8) != 0);
}

TEST(guest_without_a_rate_only_beats)
{
	struct ram ram;
	struct process_state state;
	struct process_machine *machine;

	ram_open(&ram);
	state = state_of(&ram, 2, WRITE_RANDOM, 0);
	machine = start(&ram, &state);
	await(machine, 10, 0);
	process_machine_pause(machine);
	CHECK_OK(process_machine_run(machine, &err), &err);
	await(machine, 10, 0);
	CHECK_EQ(process_machine_counters(machine).pages_written, 0);
	process_machine_free(machine);
	ram_deinit(&ram);
}

/* What a migration does, without one: RAM and state over to another machine. */
static void travel(enum write_pattern pattern)
{
	struct ram here, there;
	struct process_state state, arrived, later;
	struct process_machine *machine;
	uint8_t bytes[PROCESS_STATE_BYTES_MAX];
	struct writer out = writer_over(bytes, sizeof(bytes));
	struct cursor in;
	char one[PROOF_CHECKSUM_CHARS], two[PROOF_CHECKSUM_CHARS];

	ram_open(&here);
	ram_open(&there);
	state = state_of(&here, 3, pattern, 200u << 20);
	machine = start(&here, &state);
	await(machine, 5, 500);
	CHECK_EQ(process_machine_counters(machine).arrival_gap_ns, 0);
	process_machine_pause(machine);
	process_machine_state(machine, &state);
	process_state_encode(&state, &out);
	CHECK(!out.overrun);
	memcpy(there.blocks[0]->host, here.blocks[0]->host, RAM_BYTES);
	process_machine_free(machine);
	checksum(&here, one);
	ram_deinit(&here);

	in = cursor_over(bytes, out.used);
	CHECK_OK(process_state_decode(&in, &there, &arrived, &err), &err);
	checksum(&there, two);
	CHECK_STR(two, one);
	CHECK_OK(proof_process(&there, &arrived, NULL, &err), &err);
	machine = process_machine_new(&there, &arrived, silent, &err);
	CHECK(machine);
	process_machine_state(machine, &later);
	check_same(&later, &arrived);
	CHECK_OK(process_machine_run(machine, &err), &err);
	await(machine, 5, 500);
	process_machine_pause(machine);
	process_machine_state(machine, &later);
	CHECK(later.heartbeat >= arrived.heartbeat + 5);
	CHECK(later.sequence >= arrived.sequence + 500);
	CHECK(later.heartbeat_ns > arrived.heartbeat_ns);
	CHECK(process_machine_counters(machine).arrival_gap_ns > 0);
	CHECK_OK(proof_process(&there, &later, NULL, &err), &err);
	process_machine_free(machine);
	ram_deinit(&there);
}

TEST(sequential_guest_goes_on_where_it_was_after_travelling)
{
	travel(WRITE_SEQUENTIAL);
}

TEST(random_guest_goes_on_where_it_was_after_travelling)
{
	travel(WRITE_RANDOM);
}

/* So the other side goes on as this one would have. */
TEST(writer_takes_one_step_of_its_generator_per_page)
{
	struct ram ram;
	struct process_state state;
	struct process_machine *machine;
	uint64_t seed;

	ram_open(&ram);
	state = state_of(&ram, 1, WRITE_RANDOM, 50u << 20);
	seed = state.writers[0].generator;
	machine = start(&ram, &state);
	for (int round = 0; round < 3; round++) {
		await(machine, 1, 50);
		process_machine_pause(machine);
		process_machine_state(machine, &state);
		CHECK_EQ(state.writers[0].generator,
			 seed + state.sequence * UINT64_C(0x9e3779b97f4a7c15));
		CHECK_OK(process_machine_run(machine, &err), &err);
	}
	process_machine_free(machine);
	ram_deinit(&ram);
}

TEST(gap_between_beats_contains_a_pause)
{
	struct ram ram;
	struct process_state state;
	struct process_machine *machine;

	ram_open(&ram);
	state = state_of(&ram, 1, WRITE_SEQUENTIAL, 1u << 20);
	machine = start(&ram, &state);
	await(machine, 3, 0);
	process_machine_pause(machine);
	sleep_ms(30);
	CHECK_OK(process_machine_run(machine, &err), &err);
	await(machine, 3, 0);
	CHECK(process_machine_counters(machine).longest_gap_ns >= 30 * NS_PER_MS);
	process_machine_free(machine);
	ram_deinit(&ram);
}

TEST(guest_can_be_freed_at_any_time)
{
	struct ram ram;
	struct process_state state;
	struct process_machine *machine;

	process_machine_free(NULL);
	ram_open(&ram);
	state = state_of(&ram, PROCESS_WRITERS_MAX, WRITE_RANDOM, 100u << 20);
	machine = process_machine_new(&ram, &state, silent, &err);
	CHECK(machine);
	process_machine_pause(machine); /* runs not yet */
	process_machine_free(machine);
	machine = start(&ram, &state);
	process_machine_free(machine);
	machine = start(&ram, &state);
	process_machine_pause(machine);
	process_machine_free(machine);
	machine = start(&ram, &state);
	process_machine_pause(machine);
	CHECK_OK(process_machine_run(machine, &err), &err);
	process_machine_free(machine);
	ram_deinit(&ram);
}

TEST(guest_that_cannot_be_in_this_ram_is_refused)
{
	struct ram ram;
	struct process_state state;

	ram_open(&ram);
	state = state_of(&ram, 2, WRITE_RANDOM, 1);
	state.working_set_offset = RAM_BYTES - SET_BYTES + PAGE_BYTES;
	CHECK(!process_machine_new(&ram, &state, silent, &err));
	CHECK_EQ(err.kind, GW_USAGE);
	CHECK_CONTAINS(err.text, "working set of 2097152 bytes at 2101248");
	ram_deinit(&ram);
}

/* Reported, not asserted: this machine may be busy with something else. */
TEST(rates_are_reported_and_never_exceeded)
{
	static const uint64_t rates[] = { 1u << 20, 64u << 20, 512u << 20 };
	struct ram ram;

	ram_open(&ram);
	for (int i = 0; i < 3; i++) {
		struct process_state state = state_of(&ram, 2, WRITE_RANDOM, rates[i]);
		uint64_t start_ns = clock_now_ns();
		struct process_machine *machine = start(&ram, &state);
		struct process_counters counters;
		double seconds, wanted, seen;

		sleep_ms(200);
		counters = process_machine_counters(machine);
		seconds = (double)(clock_now_ns() - start_ns) / (double)NS_PER_S;
		wanted = (double)rates[i] / (1 << 20);
		seen = (double)(counters.pages_written * PAGE_BYTES) / (1 << 20) /
		       seconds;
		printf("%6.1f MiB/s wanted, %6.1f seen, longest gap %.2f ms\n", wanted,
		       seen, (double)counters.longest_gap_ns / (double)NS_PER_MS);
		/* However slow the machine is: only a mistake can write more than is due. */
		CHECK(seen <= wanted * 1.01);
		process_machine_free(machine);
	}
	ram_deinit(&ram);
}

/* However slow the machine is, a writer never does more than its share of the time allows. */
TEST(throttled_guest_does_not_write_more_than_its_share_of_the_rate)
{
	static const uint32_t percents[] = { 5, 20, 50, 90, 99 };
	const uint64_t rate = 64u << 20;
	struct ram ram;

	ram_open(&ram);
	for (int i = 0; i < 5; i++) {
		struct process_state state = state_of(&ram, 1, WRITE_SEQUENTIAL, rate);
		struct process_machine *machine =
			process_machine_new(&ram, &state, silent, &err);
		uint64_t start_ns = clock_now_ns();
		struct process_counters counters;
		double seconds, seen;

		CHECK(machine);
		process_machine_throttle(machine, percents[i]);
		CHECK_OK(process_machine_run(machine, &err), &err);
		sleep_ms(400);
		counters = process_machine_counters(machine);
		seconds = (double)(clock_now_ns() - start_ns) / (double)NS_PER_S;
		seen = (double)(counters.pages_written * PAGE_BYTES);
		printf("%2u %% of 64 MiB/s: %6.2f\n", percents[i],
		       seen / (1 << 20) / seconds);
		/* It may work for up to 20 ms before it stands still for that. */
		CHECK(seen <=
		      (double)rate * (seconds * (100 - percents[i]) / 100 + 0.02));
		CHECK(counters.beats > 0);
		process_machine_free(machine);
	}
	ram_deinit(&ram);
}

static double pages_per_second(const struct process_machine *machine)
{
	uint64_t start_ns = clock_now_ns(), from, to;

	from = process_machine_counters(machine).pages_written;
	sleep_ms(60);
	to = process_machine_counters(machine).pages_written;
	return (double)(to - from) / (double)(clock_now_ns() - start_ns) *
	       (double)NS_PER_S;
}

/* One that is paced by nothing but the processor. */
TEST(throttle_cuts_the_fastest_writer_while_it_runs_and_lets_go_of_it)
{
	struct ram ram;
	struct process_state state;
	struct process_machine *machine;
	double most = 0, least = 1e12;

	ram_open(&ram);
	state = state_of(&ram, 1, WRITE_RANDOM, PROCESS_RATE_MAX_BYTES);
	machine = start(&ram, &state);
	await(machine, 1, 1000);
	/* Again where the host was busy with something else. */
	for (int i = 0; i < 20 && most <= 4 * least; i++) {
		double free_rate, held_rate;

		process_machine_throttle(machine, 0);
		sleep_ms(15);
		free_rate = pages_per_second(machine);
		process_machine_throttle(machine, 98);
		sleep_ms(15);
		held_rate = pages_per_second(machine);
		most = free_rate > most ? free_rate : most;
		least = held_rate < least ? held_rate : least;
	}
	printf("%.0f pages/s, throttled to 2 %%: %.0f\n", most, least);
	CHECK(most > 4 * least);
	process_machine_throttle(machine, 99);
	process_machine_pause(machine);
	process_machine_state(machine, &state);
	CHECK_OK(proof_process(&ram, &state, NULL, &err), &err);
	process_machine_throttle(machine, 0);
	CHECK_OK(process_machine_run(machine, &err), &err);
	await(machine, 3, 1000);
	process_machine_free(machine);
	ram_deinit(&ram);
}

struct heard {
	char text[4096];
	size_t length;
};

static void hear(void *state, const void *bytes, size_t length)
{
	struct heard *heard = state;

	/* Too much is wrong as well, and shows. */
	if (length >= sizeof(heard->text) - heard->length)
		return;
	memcpy(heard->text + heard->length, bytes, length);
	heard->length += length;
	heard->text[heard->length] = '\0';
}

TEST(console_tells_every_hundredth_beat_once_wherever_the_guest_is)
{
	struct heard heard = { 0 };
	const struct process_console console = { hear, &heard };
	struct ram ram;
	struct process_state state;
	const char *line = heard.text;

	ram_open(&ram);
	state = state_of(&ram, 1, WRITE_SEQUENTIAL, 1u << 20);
	for (int i = 0; i < 5; i++) {
		struct process_machine *machine =
			process_machine_new(&ram, &state, console, &err);

		CHECK(machine);
		CHECK_OK(process_machine_run(machine, &err), &err);
		await(machine, 90, 0);
		process_machine_pause(machine);
		CHECK_OK(process_machine_run(machine, &err), &err);
		await(machine, 30, 0);
		process_machine_pause(machine);
		process_machine_state(machine, &state);
		process_machine_free(machine);
	}
	CHECK(state.heartbeat >= 600);
	for (uint64_t i = 1; i <= state.heartbeat / PROCESS_BEATS_PER_LINE; i++) {
		char expected[32];
		int length =
			snprintf(expected, sizeof(expected), "beat %" PRIu64 "\n", i);

		CHECK(strncmp(line, expected, (size_t)length) == 0);
		line += length;
	}
	CHECK_STR(line, "");
	ram_deinit(&ram);
}

TEST_MAIN(TEST_OF(paused_guest_writes_nothing),
	  TEST_OF(guest_writes_its_working_set_and_its_heartbeat_only),
	  TEST_OF(sequential_writers_go_through_their_shares_in_order),
	  TEST_OF(stamped_page_keeps_most_of_what_it_held),
	  TEST_OF(guest_without_a_rate_only_beats),
	  TEST_OF(sequential_guest_goes_on_where_it_was_after_travelling),
	  TEST_OF(random_guest_goes_on_where_it_was_after_travelling),
	  TEST_OF(writer_takes_one_step_of_its_generator_per_page),
	  TEST_OF(gap_between_beats_contains_a_pause),
	  TEST_OF(guest_can_be_freed_at_any_time),
	  TEST_OF(guest_that_cannot_be_in_this_ram_is_refused),
	  TEST_OF(rates_are_reported_and_never_exceeded),
	  TEST_OF(throttled_guest_does_not_write_more_than_its_share_of_the_rate),
	  TEST_OF(throttle_cuts_the_fastest_writer_while_it_runs_and_lets_go_of_it),
	  TEST_OF(console_tells_every_hundredth_beat_once_wherever_the_guest_is))
