/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* queue_test.c - order, bounds, and what closing does to those who wait. */
#include "base/queue.h"

#include <pthread.h>

#include "tests/check.h"

static struct queue *make_queue(size_t item_bytes, size_t capacity)
{
	struct gw_error err = { 0 };
	struct queue *queue = queue_new(item_bytes, capacity, &err);

	if (!queue)
		CHECK_FAIL("%s", err.text);
	return queue;
}

TEST(items_come_out_in_the_order_they_went_in)
{
	OWNED(queue) struct queue *queue = make_queue(sizeof(int), 3);
	int given = 0, expected = 0, taken;

	/* Round the ring several times, at every fill level. */
	for (int fill = 1; fill <= 3; fill++) {
		for (int turn = 0; turn < 5; turn++) {
			for (int i = 0; i < fill; i++, given++)
				CHECK(queue_give(queue, &given));
			for (int i = 0; i < fill; i++, expected++) {
				CHECK_EQ(queue_take(queue, &taken, -1), QUEUE_ITEM);
				CHECK_EQ(taken, expected);
			}
		}
	}
	CHECK_EQ(queue_take(queue, &taken, 0), QUEUE_TIMED_OUT);
	CHECK_EQ(queue_take(queue, &taken, 5), QUEUE_TIMED_OUT);
}

TEST(items_are_copied_whole)
{
	struct thing {
		char text[33];
	} in = { "a thing of an odd number of byt" }, out = { "" };
	OWNED(queue) struct queue *queue = make_queue(sizeof(in), 2);

	CHECK(queue_give(queue, &in));
	memset(&in, 0, sizeof(in));
	CHECK_EQ(queue_take(queue, &out, 0), QUEUE_ITEM);
	CHECK_STR(out.text, "a thing of an odd number of byt");
}

TEST(a_closed_queue_refuses_givers_and_empties_for_takers)
{
	OWNED(queue) struct queue *queue = make_queue(sizeof(int), 4);
	int item = 1;

	CHECK(queue_give(queue, &item));
	item = 2;
	CHECK(queue_give(queue, &item));
	queue_close(queue);
	queue_close(queue); /* again is fine */
	CHECK(!queue_give(queue, &item));
	CHECK_EQ(queue_take(queue, &item, -1), QUEUE_ITEM);
	CHECK_EQ(item, 1);
	CHECK_EQ(queue_take(queue, &item, 0), QUEUE_ITEM);
	CHECK_EQ(item, 2);
	CHECK_EQ(queue_take(queue, &item, -1), QUEUE_CLOSED);
	CHECK_EQ(queue_take(queue, &item, 0), QUEUE_CLOSED);
}

TEST(freeing_nothing_is_fine)
{
	queue_free(NULL);
}

enum { GIVERS = 3, TAKERS = 3, EACH = 3000 };

struct party {
	pthread_t thread;
	struct queue *queue;
	uint32_t giver;
	size_t count;
	uint64_t sum;
	bool in_order;
	bool given;
	enum queue_taken taken;
};

struct parcel {
	uint32_t giver;
	uint32_t number;
};

static void *give_each(void *opaque)
{
	struct party *party = opaque;

	for (uint32_t number = 0; number < EACH; number++) {
		struct parcel parcel = { party->giver, number };

		if (!queue_give(party->queue, &parcel))
			return NULL;
		party->count++;
	}
	return NULL;
}

static void *take_each(void *opaque)
{
	struct party *party = opaque;
	uint32_t next[GIVERS] = { 0 };
	struct parcel parcel;

	party->in_order = true;
	while (queue_take(party->queue, &parcel, -1) == QUEUE_ITEM) {
		if (parcel.number < next[parcel.giver])
			party->in_order = false;
		next[parcel.giver] = parcel.number + 1;
		party->count++;
		party->sum += (uint64_t)parcel.giver * EACH + parcel.number;
	}
	return NULL;
}

static void start(struct party *party, struct queue *queue, void *(*run)(void *))
{
	party->queue = queue;
	CHECK_EQ(pthread_create(&party->thread, NULL, run, party), 0);
}

/* Nothing is lost, doubled or, for one giver and one taker, overtaken. */
TEST(several_givers_and_takers_share_one_queue)
{
	static const size_t capacities[] = { 1, 2, 64 };

	for (size_t c = 0; c < sizeof(capacities) / sizeof(capacities[0]); c++) {
		OWNED(queue)
		struct queue *queue = make_queue(sizeof(struct parcel), capacities[c]);
		struct party givers[GIVERS] = { 0 }, takers[TAKERS] = { 0 };
		const uint64_t all = GIVERS * EACH;
		uint64_t count = 0, sum = 0;

		for (uint32_t i = 0; i < GIVERS; i++) {
			givers[i].giver = i;
			start(&givers[i], queue, give_each);
		}
		for (int i = 0; i < TAKERS; i++)
			start(&takers[i], queue, take_each);
		for (int i = 0; i < GIVERS; i++) {
			pthread_join(givers[i].thread, NULL);
			CHECK_EQ(givers[i].count, EACH);
		}
		queue_close(queue);
		for (int i = 0; i < TAKERS; i++) {
			pthread_join(takers[i].thread, NULL);
			CHECK(takers[i].in_order);
			count += takers[i].count;
			sum += takers[i].sum;
		}
		CHECK_EQ(count, all);
		CHECK_EQ(sum, all * (all - 1) / 2);
	}
}

static void *give_one(void *opaque)
{
	struct party *party = opaque;
	struct parcel parcel = { party->giver, 0 };

	party->given = queue_give(party->queue, &parcel);
	return NULL;
}

static void *take_one(void *opaque)
{
	struct party *party = opaque;
	struct parcel parcel;

	party->taken = queue_take(party->queue, &parcel, -1);
	return NULL;
}

TEST(closing_wakes_every_giver_and_taker)
{
	OWNED(queue) struct queue *full = make_queue(sizeof(struct parcel), 1);
	OWNED(queue) struct queue *empty = make_queue(sizeof(struct parcel), 1);
	struct party givers[GIVERS] = { 0 }, takers[TAKERS] = { 0 };
	struct parcel parcel = { 7, 7 };

	CHECK(queue_give(full, &parcel));
	for (int i = 0; i < GIVERS; i++) {
		givers[i].given = true;
		start(&givers[i], full, give_one);
	}
	for (int i = 0; i < TAKERS; i++)
		start(&takers[i], empty, take_one);
	usleep(10000); /* most of them wait by now; those that do not are refused */
	queue_close(full);
	queue_close(empty);
	for (int i = 0; i < GIVERS; i++) {
		pthread_join(givers[i].thread, NULL);
		CHECK(!givers[i].given);
	}
	for (int i = 0; i < TAKERS; i++) {
		pthread_join(takers[i].thread, NULL);
		CHECK_EQ(takers[i].taken, QUEUE_CLOSED);
	}
	/* What was in it is still there, and only that. */
	CHECK_EQ(queue_take(full, &parcel, 0), QUEUE_ITEM);
	CHECK_EQ(parcel.giver, 7);
	CHECK_EQ(queue_take(full, &parcel, 0), QUEUE_CLOSED);
}

TEST(a_taker_that_waits_gets_what_comes)
{
	OWNED(queue) struct queue *queue = make_queue(sizeof(struct parcel), 1);
	struct party taker = { .taken = QUEUE_CLOSED };
	struct parcel parcel = { 0, 0 };

	start(&taker, queue, take_one);
	usleep(5000);
	CHECK(queue_give(queue, &parcel));
	pthread_join(taker.thread, NULL);
	CHECK_EQ(taker.taken, QUEUE_ITEM);
}

TEST_MAIN(TEST_OF(items_come_out_in_the_order_they_went_in),
	  TEST_OF(items_are_copied_whole),
	  TEST_OF(a_closed_queue_refuses_givers_and_empties_for_takers),
	  TEST_OF(freeing_nothing_is_fine),
	  TEST_OF(several_givers_and_takers_share_one_queue),
	  TEST_OF(closing_wakes_every_giver_and_taker),
	  TEST_OF(a_taker_that_waits_gets_what_comes))
