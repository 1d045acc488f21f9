/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* engine_live_test.c - what engines make of memory that changes while they read it. */
#include "tests/check.h"

#include "codec/engine_test.h"

#include <pthread.h>
#include <sys/mman.h>

/* A guest that writes while we read: plain stores, hidden from the race detector on purpose. */
struct vandal {
	uint8_t *bytes;
	size_t length;
	bool stop;
};

__attribute__((noinline, no_sanitize("thread"))) static void scribble(uint8_t *bytes,
								      size_t length,
								      uint64_t *random)
{
	for (int i = 0; i < 64; i++) {
		volatile uint8_t *at = bytes + check_random(random) % (length - 64);

		for (int n = 0; n < 64; n++)
			at[n] = (uint8_t)(i + n);
	}
}

static void *vandal_run(void *opaque)
{
	struct vandal *vandal = opaque;
	uint64_t random = 29;

	while (!__atomic_load_n(&vandal->stop, __ATOMIC_RELAXED))
		scribble(vandal->bytes, vandal->length, &random);
	return NULL;
}

/* The pages of a guest that writes: between guards, so that no read may go past them. */
#define LIVE_PAGES 16u

static void live_memory(const struct engine *encoder, const struct engine *decoder)
{
	size_t length = LIVE_PAGES * PAGE_BYTES;
	uint8_t *memory = mmap(NULL, length + 2 * PAGE_BYTES, PROT_NONE,
			       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct vandal vandal = { memory + PAGE_BYTES, length, false };
	int packets = getenv("GODWIT_TEST_LONG") ? 100000 : 100, failed = 0;
	void *sender = open_engine(encoder, ENCODE, some_level(encoder));
	void *receiver = open_engine(decoder, DECODE, 0);
	uint64_t random = 31;
	pthread_t thread;

	CHECK(memory != MAP_FAILED);
	CHECK_EQ(mprotect(vandal.bytes, length, PROT_READ | PROT_WRITE), 0);
	fill_pages(&random, LIVE_PAGES);
	memcpy(vandal.bytes, pages, length);
	CHECK_EQ(pthread_create(&thread, NULL, vandal_run, &vandal), 0);
	for (int packet = 0; packet < packets && failed == 0; packet++) {
		struct span run = { vandal.bytes, length };
		struct room into = { landed, length };
		size_t produced;

		failed = encode_spans(encoder, sender, &run, 1, &produced) < 0 ||
			 decode_runs(decoder, receiver, payload, produced, &into, 1) < 0;
	}
	__atomic_store_n(&vandal.stop, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	encoder->close(sender);
	decoder->close(receiver);
	munmap(memory, length + 2 * PAGE_BYTES);
	if (failed)
		CHECK_FAIL("%s to %s: %s", encoder->name, decoder->name, err.text);
}

TEST(memory_that_changes_stays_decodable)
{
	each_encoder(live_memory);
}

/* A guest that writes to every other page only, again and again the same: the page before each
 * of the others is equal to it now, and differs in one byte of 64 then. */
#define FLIP_BYTES 64u

struct flipper {
	uint8_t *bytes;
	uint32_t pages;
	bool stop;
};

__attribute__((noinline, no_sanitize("thread"))) static void flip(uint8_t *page)
{
	volatile uint8_t *at = page;

	for (size_t i = FLIP_BYTES / 2; i < PAGE_BYTES; i += FLIP_BYTES)
		at[i] ^= 0x15;
}

static void *flipper_run(void *opaque)
{
	struct flipper *flipper = opaque;

	while (!__atomic_load_n(&flipper->stop, __ATOMIC_RELAXED)) {
		for (uint32_t page = 0; page < flipper->pages; page += 2)
			flip(flipper->bytes + page * PAGE_BYTES);
	}
	return NULL;
}

/* Of the pages that nobody writes to: how many came out differently. */
static uint32_t changed_pages(const uint8_t *page)
{
	uint32_t changed = 0;

	for (size_t i = 1; i < PAGES_MAX; i += 2)
		changed += memcmp(landed + i * PAGE_BYTES, page, PAGE_BYTES) != 0;
	return changed;
}

static void unchanged_pages(const struct engine *encoder, const struct engine *decoder)
{
	struct flipper flipper = { pages, PAGES_MAX, false };
	void *sender = open_engine(encoder, ENCODE, some_level(encoder));
	void *receiver = open_engine(decoder, DECODE, 0);
	uint8_t page[PAGE_BYTES];
	uint64_t random = 43;
	pthread_t thread;
	uint32_t changed = 0;
	int failed = 0;

	/* Says nothing twice, and yet can be compressed. */
	fill_random(&random, page, PAGE_BYTES);
	for (size_t i = 0; i < PAGE_BYTES; i++)
		page[i] &= 0x1f;
	for (size_t i = 0; i < PAGES_MAX; i++)
		memcpy(pages + i * PAGE_BYTES, page, PAGE_BYTES);
	CHECK_EQ(pthread_create(&thread, NULL, flipper_run, &flipper), 0);
	for (int packet = 0; packet < 50 && failed == 0; packet++) {
		struct span run = { pages, PACKET_BYTES };
		struct room into = { landed, PACKET_BYTES };
		size_t produced;

		failed = encode_spans(encoder, sender, &run, 1, &produced) < 0 ||
			 decode_runs(decoder, receiver, payload, produced, &into, 1) < 0;
		changed += changed_pages(page);
	}
	__atomic_store_n(&flipper.stop, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	encoder->close(sender);
	decoder->close(receiver);
	if (failed)
		CHECK_FAIL("%s to %s: %s", encoder->name, decoder->name, err.text);
	if (changed > 0)
		CHECK_FAIL("%s to %s: %u pages came out differently that never changed",
			   encoder->name, decoder->name, changed);
}

TEST(page_that_never_changes_is_told_right_whatever_others_do)
{
	each_encoder(unchanged_pages);
}

TEST_MAIN(TEST_OF(memory_that_changes_stays_decodable),
	  TEST_OF(page_that_never_changes_is_told_right_whatever_others_do))
