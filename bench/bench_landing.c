/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bench_landing.c - how fast pages land in memory that was never touched.
 *
 *	bench_landing [GIB [CHANNELS]]
 *
 * GIB (1) of packets of 128 pages are copied into fresh memory by CHANNELS threads (1), each
 * taking the next 512 pages in turn as our sender hands them out: into small pages as they come,
 * into huge pages as they come, prepared by the channels, and with the thread that runs ahead.
 * One line a way, the best of several rounds; CPU is of all threads. */
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "base/clock.h"
#include "ram/landing.h"

#define ROUNDS 3
#define CHANNELS_MAX 64u
#define PACKET_PAGES 128u
#define TURN_PAGES 512u

enum way { SMALL_PAGES, HUGE_PAGES, PREPARED, AHEAD, WAY_COUNT };

static const char *const way_names[WAY_COUNT] = {
	[SMALL_PAGES] = "faults, small pages",
	[HUGE_PAGES] = "faults, huge pages",
	[PREPARED] = "landing",
	[AHEAD] = "landing, ahead",
};

struct work {
	const struct ram_block *block;
	struct landing *landing; /* NULL: faults */
	size_t next_turn;	 /* shared */
};

static uint8_t packet[PACKET_PAGES * PAGE_BYTES];

static void *receive(void *state)
{
	struct work *work = state;

	for (;;) {
		size_t first = TURN_PAGES *
			       __atomic_fetch_add(&work->next_turn, 1, __ATOMIC_RELAXED);

		if (first >= work->block->page_count)
			return NULL;
		for (size_t page = first; page < first + TURN_PAGES;
		     page += PACKET_PAGES) {
			if (work->landing)
				landing_prepare(work->landing, 0, page, PACKET_PAGES);
			memcpy(work->block->host + page * PAGE_BYTES, packet,
			       sizeof(packet));
		}
	}
}

static int run_once(enum way way, uint64_t length_bytes, uint32_t channels,
		    uint64_t *took_ns, uint64_t *cpu_ns, struct gw_error *err)
{
	pthread_t threads[CHANNELS_MAX];
	struct work work = { 0 };
	struct ram ram;
	int failed = -1;

	ram_init(&ram);
	if (ram_allocate(&ram, "ram", length_bytes, err) < 0)
		return -1;
	work.block = ram.blocks[0];
	if (way == SMALL_PAGES)
		madvise(work.block->host, length_bytes, MADV_NOHUGEPAGE);
	*took_ns = clock_now_ns();
	*cpu_ns = clock_read_ns(CLOCK_PROCESS_CPUTIME_ID);
	if (way >= PREPARED) {
		work.landing = landing_new(&ram, way == AHEAD, true, err);
		if (!work.landing)
			goto out;
	}
	for (uint32_t i = 0; i < channels; i++)
		pthread_create(&threads[i], NULL, receive, &work);
	for (uint32_t i = 0; i < channels; i++)
		pthread_join(threads[i], NULL);
	*took_ns = clock_now_ns() - *took_ns;
	*cpu_ns = clock_read_ns(CLOCK_PROCESS_CPUTIME_ID) - *cpu_ns;
	failed = 0;
out:
	landing_free(work.landing);
	ram_deinit(&ram);
	return failed;
}

int main(int argc, char **argv)
{
	uint64_t length_bytes = (argc > 1 ? strtoull(argv[1], NULL, 10) : 1) << 30;
	uint32_t channels = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : 1;
	struct gw_error err;

	if (length_bytes == 0 || channels == 0 || channels > CHANNELS_MAX) {
		fprintf(stderr, "usage: bench_landing [GIB [CHANNELS]]\n");
		return 2;
	}
	memset(packet, 0x5a, sizeof(packet));
	printf("%-20s %8s %10s %10s\n", "way", "channels", "s/GiB", "CPU s/GiB");
	for (enum way way = 0; way < WAY_COUNT; way++) {
		uint64_t best_ns = UINT64_MAX, best_cpu_ns = 0;
		double gib = (double)length_bytes / (double)(1 << 30);

		for (int round = 0; round < ROUNDS; round++) {
			uint64_t took_ns, cpu_ns;

			if (run_once(way, length_bytes, channels, &took_ns, &cpu_ns,
				     &err) < 0) {
				fprintf(stderr, "bench_landing: %s\n", err.text);
				return 1;
			}
			if (took_ns < best_ns) {
				best_ns = took_ns;
				best_cpu_ns = cpu_ns;
			}
		}
		printf("%-20s %8u %10.3f %10.3f\n", way_names[way], channels,
		       (double)best_ns / (double)NS_PER_S / gib,
		       (double)best_cpu_ns / (double)NS_PER_S / gib);
	}
	return 0;
}
