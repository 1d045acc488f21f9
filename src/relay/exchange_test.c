/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* exchange_test.c - any number of inlets to any number of outlets, and never past a SYNC. */
#include "relay/exchange.h"

#include <pthread.h>

#include "base/clock.h"
#include "tests/check.h"

static struct gw_error err;

static struct exchange *open_exchange(uint32_t inlets, uint32_t outlets, uint32_t parcels)
{
	struct exchange *exchange = exchange_new(inlets, outlets, parcels, &err);

	CHECK(exchange);
	return exchange;
}

static void put(struct exchange *exchange, uint64_t number)
{
	struct parcel *parcel = exchange_borrow(exchange);

	CHECK(parcel);
	parcel->packet.number = number;
	exchange_put(exchange, parcel);
}

static void check_takes(struct exchange *exchange, uint32_t outlet, uint64_t number)
{
	struct parcel *parcel;

	CHECK_EQ(exchange_take(exchange, outlet, false, &parcel), EXCHANGE_PARCEL);
	CHECK_EQ(parcel->packet.number, number);
	exchange_return(exchange, parcel);
}

static void check_gets(struct exchange *exchange, uint32_t outlet,
		       enum exchange_take expected)
{
	struct parcel *parcel;

	CHECK_EQ(exchange_take(exchange, outlet, false, &parcel), expected);
}

/* Long enough for a thread to come to its wait; nothing goes wrong when it was not. */
static void let_it_wait(void)
{
	nanosleep(&(struct timespec){ .tv_nsec = 20 * NS_PER_MS }, NULL);
}

/* ---- one thread ---- */

TEST(parcels_have_room_of_their_own)
{
	struct exchange *exchange = open_exchange(1, 1, 3);
	struct parcel *parcels[3];

	for (int i = 0; i < 3; i++) {
		parcels[i] = exchange_borrow(exchange);
		memset(parcels[i]->pages, 1 + i, PARCEL_ROOM_BYTES);
	}
	for (int i = 0; i < 3; i++) {
		CHECK_EQ(parcels[i]->pages[0], 1 + i);
		CHECK_EQ(parcels[i]->pages[PARCEL_ROOM_BYTES - 1], 1 + i);
	}
	exchange_free(exchange);
}

TEST(each_outlet_gets_the_sync_between_the_epochs)
{
	struct exchange *exchange = open_exchange(1, 3, 8);

	put(exchange, 1);
	put(exchange, 2);
	CHECK(exchange_sync(exchange));
	put(exchange, 3);
	/* 1 and 2 are in front of everybody's SYNC, 3 is behind. */
	check_takes(exchange, 1, 1);
	check_takes(exchange, 0, 2);
	check_gets(exchange, 2, EXCHANGE_SYNC);
	check_takes(exchange, 2, 3);
	check_gets(exchange, 2, EXCHANGE_NOTHING);
	check_gets(exchange, 0, EXCHANGE_SYNC);
	check_gets(exchange, 0, EXCHANGE_NOTHING);
	CHECK(exchange_sync(exchange));
	check_gets(exchange, 1, EXCHANGE_SYNC);
	check_gets(exchange, 1, EXCHANGE_SYNC);
	check_gets(exchange, 0, EXCHANGE_SYNC);
	exchange_end(exchange);
	check_gets(exchange, 0, EXCHANGE_DONE);
	check_gets(exchange, 1, EXCHANGE_DONE);
	check_gets(exchange, 2, EXCHANGE_SYNC);
	check_gets(exchange, 2, EXCHANGE_DONE);
	CHECK(!exchange_ended_early(exchange));
	exchange_free(exchange);
}

TEST(what_is_left_comes_before_the_end)
{
	struct exchange *exchange = open_exchange(2, 1, 3);

	put(exchange, 1);
	exchange_end(exchange);
	check_takes(exchange, 0, 1);
	check_gets(exchange, 0, EXCHANGE_NOTHING);
	exchange_end(exchange);
	check_gets(exchange, 0, EXCHANGE_DONE);
	CHECK(!exchange_ended_early(exchange));
	exchange_free(exchange);
}

TEST(closed_is_closed_for_everybody)
{
	struct exchange *exchange = open_exchange(1, 1, 2);

	put(exchange, 1);
	exchange_close(exchange);
	CHECK(!exchange_borrow(exchange));
	CHECK(!exchange_sync(exchange));
	check_gets(exchange, 0, EXCHANGE_CLOSED);
	exchange_free(exchange);
}

/* ---- an end too early ---- */

static void *sync_in_thread(void *exchange)
{
	return exchange_sync(exchange) ? exchange : NULL;
}

TEST(a_sync_after_anothers_end_is_noticed)
{
	struct exchange *exchange = open_exchange(2, 1, 3);

	exchange_end(exchange);
	CHECK(!exchange_ended_early(exchange));
	CHECK(!exchange_sync(exchange));
	CHECK(exchange_ended_early(exchange));
	exchange_free(exchange);
}

TEST(a_parcel_after_anothers_end_is_noticed)
{
	struct exchange *exchange = open_exchange(2, 1, 3);

	exchange_end(exchange);
	put(exchange, 1);
	CHECK(exchange_ended_early(exchange));
	exchange_free(exchange);
}

TEST(who_waits_at_a_sync_learns_of_anothers_end)
{
	struct exchange *exchange = open_exchange(3, 1, 4);
	pthread_t threads[2];
	void *reached;

	for (int i = 0; i < 2; i++)
		CHECK_EQ(pthread_create(&threads[i], NULL, sync_in_thread, exchange), 0);
	let_it_wait();
	exchange_end(exchange);
	for (int i = 0; i < 2; i++) {
		pthread_join(threads[i], &reached);
		CHECK(!reached);
	}
	CHECK(exchange_ended_early(exchange));
	check_gets(exchange, 0, EXCHANGE_NOTHING);
	exchange_free(exchange);
}

TEST(an_end_right_behind_a_barrier_is_in_time)
{
	for (int i = 0; i < 200; i++) {
		struct exchange *exchange = open_exchange(2, 1, 3);
		pthread_t thread;
		void *reached;

		CHECK_EQ(pthread_create(&thread, NULL, sync_in_thread, exchange), 0);
		CHECK(exchange_sync(exchange));
		exchange_end(exchange);
		pthread_join(thread, &reached);
		CHECK(reached);
		CHECK(!exchange_ended_early(exchange));
		exchange_free(exchange);
	}
}

/* ---- waits ---- */

static void *borrow_in_thread(void *exchange)
{
	return exchange_borrow(exchange);
}

TEST(who_borrows_waits_for_what_is_returned)
{
	struct exchange *exchange = open_exchange(1, 1, 2);
	struct parcel *parcels[2];
	pthread_t thread;
	void *borrowed;

	for (int i = 0; i < 2; i++)
		parcels[i] = exchange_borrow(exchange);
	CHECK_EQ(pthread_create(&thread, NULL, borrow_in_thread, exchange), 0);
	let_it_wait();
	exchange_return(exchange, parcels[1]);
	pthread_join(thread, &borrowed);
	CHECK(borrowed == parcels[1]);
	exchange_free(exchange);
}

static void *take_in_thread(void *exchange)
{
	struct parcel *parcel;

	return exchange_take(exchange, 0, true, &parcel) == EXCHANGE_CLOSED ? NULL
									    : exchange;
}

static void *await_sync_in_thread(void *exchange)
{
	struct parcel *parcel;

	return exchange_take(exchange, 0, true, &parcel) == EXCHANGE_SYNC ? exchange
									  : NULL;
}

TEST(who_waits_for_parcels_is_told_of_a_barrier)
{
	struct exchange *exchange = open_exchange(1, 1, 2);
	pthread_t thread;
	void *told;

	CHECK_EQ(pthread_create(&thread, NULL, await_sync_in_thread, exchange), 0);
	let_it_wait();
	CHECK(exchange_sync(exchange));
	pthread_join(thread, &told);
	CHECK(told);
	exchange_free(exchange);
}

TEST(close_wakes_everybody)
{
	static void *(*const waits[])(void *) = { borrow_in_thread, sync_in_thread,
						  take_in_thread };
	struct exchange *exchange = open_exchange(2, 1, 3);
	pthread_t threads[6];
	void *got;

	for (int i = 0; i < 3; i++)
		CHECK(exchange_borrow(exchange));
	/* Two each, but one alone may be at the barrier. */
	for (int i = 0; i < 6; i++)
		if (i != 4)
			CHECK_EQ(pthread_create(&threads[i], NULL, waits[i % 3],
						exchange),
				 0);
	let_it_wait();
	exchange_close(exchange);
	for (int i = 0; i < 6; i++)
		if (i != 4) {
			pthread_join(threads[i], &got);
			CHECK(!got);
		}
	exchange_free(exchange);
}

/* ---- many threads: each epoch is a set, told apart by SYNCs ---- */

#define EPOCHS 12u
#define BURST 7u /* parcels of an inlet in an epoch, fewer */
#define LANES_MAX 8u

struct lane {
	struct scene *scene;
	pthread_t thread;
	uint32_t index;
	uint64_t random;
	uint64_t sent;	  /* by this inlet */
	uint32_t reached; /* SYNCs of this inlet */
	uint32_t told;	  /* SYNCs to this outlet */
	const char *wrong;
};

struct scene {
	struct exchange *exchange;
	uint32_t inlets, outlets;
	struct lane in[LANES_MAX], out[LANES_MAX];
	uint8_t seen[LANES_MAX][EPOCHS + 1][BURST];
};

static void *fill_lane(void *state)
{
	struct lane *lane = state;
	struct exchange *exchange = lane->scene->exchange;

	for (uint32_t epoch = 0; epoch <= EPOCHS; epoch++) {
		uint32_t count = (uint32_t)(check_random(&lane->random) % BURST);

		for (uint32_t i = 0; i < count; i++) {
			struct parcel *parcel = exchange_borrow(exchange);

			parcel->packet.offsets[0] = lane->index;
			parcel->packet.offsets[1] = epoch;
			parcel->packet.offsets[2] = i;
			exchange_put(exchange, parcel);
			lane->sent++;
		}
		if (epoch == EPOCHS)
			break;
		__atomic_add_fetch(&lane->reached, 1, __ATOMIC_SEQ_CST);
		if (!exchange_sync(exchange))
			lane->wrong = "a SYNC failed";
	}
	return NULL;
}

static void note_sync(struct lane *lane)
{
	const struct scene *scene = lane->scene;

	lane->told++;
	for (uint32_t i = 0; i < scene->inlets; i++)
		if (__atomic_load_n(&scene->in[i].reached, __ATOMIC_SEQ_CST) < lane->told)
			lane->wrong = "a SYNC before an inlet's";
}

static void note_parcel(struct lane *lane, const struct parcel *parcel)
{
	const uint64_t *what = parcel->packet.offsets;

	if (what[1] != lane->told)
		lane->wrong = "a parcel of another epoch";
	__atomic_add_fetch(&lane->scene->seen[what[0]][what[1]][what[2]], 1,
			   __ATOMIC_RELAXED);
}

/* Holds up to two, as outlets do. */
static void *drain_lane(void *state)
{
	struct lane *lane = state;
	struct exchange *exchange = lane->scene->exchange;
	struct parcel *held = NULL, *parcel;

	for (;;) {
		bool wait = !held && check_random(&lane->random) % 4 > 0;

		switch (exchange_take(exchange, lane->index, wait, &parcel)) {
		case EXCHANGE_PARCEL:
			note_parcel(lane, parcel);
			if (held)
				exchange_return(exchange, held);
			held = parcel;
			continue;
		case EXCHANGE_SYNC:
			note_sync(lane);
			break;
		case EXCHANGE_NOTHING:
			if (wait)
				lane->wrong = "nothing, although it waited";
			break;
		case EXCHANGE_CLOSED:
			lane->wrong = "closed";
			return NULL;
		case EXCHANGE_DONE:
			if (held)
				exchange_return(exchange, held);
			return NULL;
		}
		if (held)
			exchange_return(exchange, MOVE(held));
	}
}

static uint64_t count_seen(const struct scene *scene)
{
	uint64_t count = 0;

	for (uint32_t i = 0; i < scene->inlets; i++)
		for (uint32_t epoch = 0; epoch <= EPOCHS; epoch++)
			for (uint32_t k = 0; k < BURST; k++) {
				CHECK(scene->seen[i][epoch][k] <= 1);
				count += scene->seen[i][epoch][k];
			}
	return count;
}

static void start(struct scene *scene, struct lane *lanes, uint32_t count,
		  void *(*run)(void *), uint64_t *seed)
{
	for (uint32_t i = 0; i < count; i++) {
		lanes[i] = (struct lane){ .scene = scene,
					  .index = i,
					  .random = check_random(seed) };
		CHECK_EQ(pthread_create(&lanes[i].thread, NULL, run, &lanes[i]), 0);
	}
}

static void play(uint32_t inlets, uint32_t outlets, uint32_t parcels, uint64_t *seed)
{
	static struct scene scene;
	uint64_t sent = 0;

	memset(&scene, 0, sizeof(scene));
	scene.inlets = inlets;
	scene.outlets = outlets;
	scene.exchange = open_exchange(inlets, outlets, parcels);
	start(&scene, scene.out, outlets, drain_lane, seed);
	start(&scene, scene.in, inlets, fill_lane, seed);
	for (uint32_t i = 0; i < inlets; i++) {
		pthread_join(scene.in[i].thread, NULL);
		sent += scene.in[i].sent;
	}
	/* Only now: what comes behind the last barrier has no other order. */
	for (uint32_t i = 0; i < inlets; i++)
		exchange_end(scene.exchange);
	for (uint32_t i = 0; i < outlets; i++)
		pthread_join(scene.out[i].thread, NULL);
	for (uint32_t i = 0; i < inlets; i++)
		CHECK_STR(scene.in[i].wrong ? scene.in[i].wrong : "", "");
	for (uint32_t i = 0; i < outlets; i++) {
		CHECK_STR(scene.out[i].wrong ? scene.out[i].wrong : "", "");
		CHECK_EQ(scene.out[i].told, EPOCHS);
	}
	CHECK_EQ(count_seen(&scene), sent);
	CHECK(!exchange_ended_early(scene.exchange));
	exchange_free(scene.exchange);
}

TEST(nothing_is_lost_or_doubled_or_crosses_a_sync)
{
	static const uint32_t counts[] = { 1, 2, 3, 4, 8 };
	const char *given = getenv("CHECK_SEED");
	uint64_t seed = given ? strtoull(given, NULL, 0) : clock_now_ns();

	printf("CHECK_SEED=%" PRIu64 "\n", seed);
	for (size_t i = 0; i < 5; i++)
		for (size_t k = 0; k < 5; k++) {
			play(counts[i], counts[k], counts[i] + 1, &seed);
			play(counts[i], counts[k], 2 * (counts[i] + counts[k]), &seed);
		}
}

TEST_MAIN(TEST_OF(parcels_have_room_of_their_own),
	  TEST_OF(each_outlet_gets_the_sync_between_the_epochs),
	  TEST_OF(what_is_left_comes_before_the_end),
	  TEST_OF(closed_is_closed_for_everybody),
	  TEST_OF(a_sync_after_anothers_end_is_noticed),
	  TEST_OF(a_parcel_after_anothers_end_is_noticed),
	  TEST_OF(who_waits_at_a_sync_learns_of_anothers_end),
	  TEST_OF(an_end_right_behind_a_barrier_is_in_time),
	  TEST_OF(who_borrows_waits_for_what_is_returned),
	  TEST_OF(who_waits_for_parcels_is_told_of_a_barrier),
	  TEST_OF(close_wakes_everybody),
	  TEST_OF(nothing_is_lost_or_doubled_or_crosses_a_sync))
