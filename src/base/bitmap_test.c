/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bitmap_test.c - against a model that is a bool a bit. */
#include "base/bitmap.h"

#include <pthread.h>

#include "tests/check.h"

enum { MOST_BITS = 400, MOST_WORDS = (MOST_BITS + 63) / 64 };

struct model {
	uint64_t words[MOST_WORDS + 1]; /* one beyond, never to be touched */
	bool bits[MOST_BITS];
	size_t bit_count;
};

#define GUARD UINT64_C(0x5a5a5a5a5a5a5a5a)

static size_t model_next(const struct model *model, size_t from, bool wanted)
{
	while (from < model->bit_count && model->bits[from] != wanted)
		from++;
	return from < model->bit_count ? from : model->bit_count;
}

/* NULL, or what differs. */
static const char *difference(const struct model *model)
{
	size_t count = 0;

	for (size_t i = 0; i < model->bit_count; i++) {
		count += model->bits[i];
		if (bitmap_test(model->words, i) != model->bits[i])
			return "bitmap_test";
		if (bitmap_test_shared(model->words, i) != model->bits[i])
			return "bitmap_test_shared";
	}
	if (bitmap_count(model->words, model->bit_count) != count)
		return "bitmap_count";
	for (size_t from = 0; from <= model->bit_count; from++) {
		if (bitmap_next_set(model->words, model->bit_count, from) !=
		    model_next(model, from, true))
			return "bitmap_next_set";
		if (bitmap_next_clear(model->words, model->bit_count, from) !=
		    model_next(model, from, false))
			return "bitmap_next_clear";
	}
	return model->words[bitmap_words(model->bit_count)] == GUARD ? NULL
								     : "the word after";
}

static void step(struct model *model, uint64_t *state)
{
	size_t first = check_random(state) % (model->bit_count + 1);
	size_t count = check_random(state) % (model->bit_count - first + 1);
	bool set = check_random(state) % 2;

	if (first < model->bit_count && check_random(state) % 3 == 0) {
		CHECK_EQ(bitmap_set_shared(model->words, first), model->bits[first]);
		model->bits[first] = true;
		return;
	}
	if (set)
		bitmap_set_range(model->words, first, count);
	else
		bitmap_clear_range(model->words, first, count);
	for (size_t i = first; i < first + count; i++)
		model->bits[i] = set;
}

TEST(agrees_with_the_model_after_any_steps)
{
	for (uint64_t seed = 1; seed <= 150; seed++) {
		struct model model = { 0 };
		uint64_t state = seed;
		const char *what = NULL;

		model.bit_count = check_random(&state) % MOST_BITS + 1;
		model.words[bitmap_words(model.bit_count)] = GUARD;
		for (int i = 0; i < 30 && !what; i++) {
			step(&model, &state);
			what = difference(&model);
		}
		if (what)
			CHECK_FAIL("seed %" PRIu64 ": %s differs with %zu bits", seed,
				   what, model.bit_count);
	}
}

TEST(words_hold_their_bits)
{
	CHECK_EQ(bitmap_words(0), 0);
	CHECK_EQ(bitmap_words(1), 1);
	CHECK_EQ(bitmap_words(64), 1);
	CHECK_EQ(bitmap_words(65), 2);
}

TEST(searches_of_nothing_find_nothing)
{
	uint64_t words[2] = { 0, 0 };

	CHECK_EQ(bitmap_next_set(words, 0, 0), 0);
	CHECK_EQ(bitmap_next_clear(words, 0, 0), 0);
	CHECK_EQ(bitmap_next_set(words, 128, 0), 128);
	CHECK_EQ(bitmap_next_set(words, 128, 1000), 128);
	CHECK_EQ(bitmap_next_clear(words, 128, 1000), 128);
	bitmap_set_range(words, 0, 128);
	CHECK_EQ(bitmap_next_clear(words, 128, 0), 128);
	/* The unused bits of the last word are clear, and still not found. */
	bitmap_clear_range(words, 0, 128);
	bitmap_set_range(words, 0, 100);
	CHECK_EQ(bitmap_next_clear(words, 100, 0), 100);
}

/* Threads that set the same bits: each bit is new to exactly one of them. */
enum { THREADS = 4, SHARED_BITS = 64 * 64 };

struct setter {
	pthread_t thread;
	uint64_t *words;
	uint64_t seed;
	size_t new_bits;
};

static void *set_all(void *opaque)
{
	struct setter *setter = opaque;
	/* An odd step visits every bit once. */
	size_t step = (size_t)check_random(&setter->seed) | 1;

	for (size_t i = 0; i < SHARED_BITS; i++)
		if (!bitmap_set_shared(setter->words, i * step % SHARED_BITS))
			setter->new_bits++;
	return NULL;
}

TEST(a_bit_set_by_several_threads_is_new_to_one)
{
	static uint64_t words[SHARED_BITS / 64];
	struct setter setters[THREADS];
	size_t new_bits = 0;

	for (size_t i = 0; i < THREADS; i++) {
		setters[i] = (struct setter){ .words = words, .seed = i + 1 };
		CHECK_EQ(pthread_create(&setters[i].thread, NULL, set_all, &setters[i]),
			 0);
	}
	for (size_t i = 0; i < THREADS; i++) {
		pthread_join(setters[i].thread, NULL);
		new_bits += setters[i].new_bits;
	}
	CHECK_EQ(new_bits, SHARED_BITS);
	CHECK_EQ(bitmap_count(words, SHARED_BITS), SHARED_BITS);
}

TEST_MAIN(TEST_OF(agrees_with_the_model_after_any_steps), TEST_OF(words_hold_their_bits),
	  TEST_OF(searches_of_nothing_find_nothing),
	  TEST_OF(a_bit_set_by_several_threads_is_new_to_one))
