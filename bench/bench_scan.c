/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bench_scan.c - how fast dirty bits become batches.
 *
 *	bench_scan [GIB [THREADS]]
 *
 * A bitmap over GIB of guest RAM (16) is filled at several densities and handed out through
 * claimer_fill(), without looking for zero pages: no page of the guest is touched.  Rates are
 * pages handed out per second and core; "scanned" counts the clean ones passed over, too.  One
 * line a density and number of threads, the best of several rounds. */
#include <pthread.h>
#include <stdio.h>
#include <sys/mman.h>

#include "base/bitmap.h"
#include "base/clock.h"
#include "ram/batcher.h"

#define ROUNDS 5
#define THREADS_MAX 64u

struct density {
	const char *name;
	size_t every;	  /* one page of so many, evenly */
	uint32_t percent; /* or by chance, when `every` is 0 */
};

static const struct density densities[] = {
	{ "all dirty", 1, 0 },
	{ "every 2nd page", 2, 0 },
	{ "every 64th page", 64, 0 },
	{ "1 % by chance", 0, 1 },
};

struct worker {
	struct batcher *batcher;
	pthread_barrier_t *start;
	uint64_t pages;
	uint64_t begin_ns;
	uint64_t end_ns;
};

static void fill(uint64_t *words, size_t page_count, const struct density *density)
{
	uint64_t random = 1;

	if (density->every == 1) {
		bitmap_set_range(words, 0, page_count);
		return;
	}
	for (size_t page = 0; page < page_count; page++) {
		random = random * UINT64_C(6364136223846793005) + 1442695040888963407;
		if (density->every > 0 ? page % density->every == 0
				       : (random >> 33) % 100 < density->percent)
			bitmap_set_range(words, page, 1);
	}
}

static void *hand_out(void *state)
{
	struct worker *worker = state;
	struct claimer claimer;
	struct batch batch;

	pthread_barrier_wait(worker->start);
	worker->begin_ns = clock_now_ns();
	claimer_init(&claimer, worker->batcher);
	for (;;) {
		batch_reset(&batch);
		if (!claimer_fill(&claimer, &batch, false))
			break;
		worker->pages += batch_count(&batch);
	}
	worker->end_ns = clock_now_ns();
	return NULL;
}

/* One round over what is marked; returns how long it took, 0 when it went wrong. */
static uint64_t run_round(struct batcher *batcher, uint32_t threads)
{
	struct worker workers[THREADS_MAX] = { 0 };
	pthread_t handles[THREADS_MAX];
	pthread_barrier_t start;
	uint64_t dirty_pages = batcher_dirty_pages(batcher), pages = 0;
	uint64_t begin_ns = UINT64_MAX, end_ns = 0;

	pthread_barrier_init(&start, NULL, threads);
	batcher_begin_round(batcher);
	for (uint32_t i = 0; i < threads; i++) {
		workers[i] = (struct worker){ .batcher = batcher, .start = &start };
		if (pthread_create(&handles[i], NULL, hand_out, &workers[i]))
			return 0;
	}
	for (uint32_t i = 0; i < threads; i++) {
		pthread_join(handles[i], NULL);
		pages += workers[i].pages;
		if (workers[i].begin_ns < begin_ns)
			begin_ns = workers[i].begin_ns;
		if (workers[i].end_ns > end_ns)
			end_ns = workers[i].end_ns;
	}
	pthread_barrier_destroy(&start);
	return pages == dirty_pages ? end_ns - begin_ns : 0;
}

static int measure(struct batcher *batcher, size_t page_count,
		   const struct density *density, uint32_t threads)
{
	uint64_t best_ns = UINT64_MAX, dirty_pages = 0;
	double core_s;

	for (int round = 0; round < ROUNDS; round++) {
		uint64_t took_ns;

		fill(batcher_bitmap(batcher, 0), page_count, density);
		dirty_pages = batcher_dirty_pages(batcher);
		took_ns = run_round(batcher, threads);
		if (took_ns == 0)
			return -1;
		if (took_ns < best_ns)
			best_ns = took_ns;
	}
	core_s = (double)best_ns / (double)NS_PER_S * threads;
	printf("%-16s %7u %12llu %10.3f %16.1f %18.1f\n", density->name, threads,
	       (unsigned long long)dirty_pages, (double)best_ns / (double)NS_PER_MS,
	       (double)dirty_pages / core_s / 1e6, (double)page_count / core_s / 1e6);
	return 0;
}

int main(int argc, char **argv)
{
	uint64_t length_bytes = (argc > 1 ? strtoull(argv[1], NULL, 10) : 16) << 30;
	uint32_t threads_max = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10)
					: (uint32_t)sysconf(_SC_NPROCESSORS_ONLN);
	struct batcher *batcher = NULL;
	struct gw_error err = { 0 };
	struct ram ram;
	int failed = 0;
	/* Addresses only. */
	void *host = mmap(NULL, length_bytes, PROT_NONE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	ram_init(&ram);
	if (host == MAP_FAILED || ram_add(&ram, "ram", host, length_bytes, &err) < 0 ||
	    !(batcher = batcher_new(&ram, &err))) {
		fprintf(stderr, "bench_scan: %s\n", err.text[0] ? err.text : "no memory");
		return 1;
	}
	if (threads_max > THREADS_MAX)
		threads_max = THREADS_MAX;
	printf("%-16s %7s %12s %10s %16s %18s\n", "density", "threads", "dirty pages",
	       "ms", "M pages/s/core", "M scanned/s/core");
	for (size_t i = 0; i < sizeof(densities) / sizeof(densities[0]); i++) {
		for (uint32_t threads = 1; threads <= threads_max && !failed;
		     threads *= 2)
			failed = measure(batcher, ram_total_pages(&ram), &densities[i],
					 threads);
	}
	if (failed)
		fprintf(stderr, "bench_scan: pages were lost or handed out twice\n");
	batcher_free(batcher);
	ram_deinit(&ram);
	munmap(host, length_bytes);
	return failed ? 1 : 0;
}
