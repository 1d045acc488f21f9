/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* road_for_tests.h - the whole path in one process: a scripted guest, real sender, real receiver.
 *
 * For tests, which include tests/check.h before. */
#ifndef MIGRATE_ROAD_FOR_TESTS_H
#define MIGRATE_ROAD_FOR_TESTS_H

#include <pthread.h>

#include "channel/fault.h"
#include "migrate/guests_for_tests.h"
#include "migrate/receiver.h"
#include "migrate/sender.h"

#define BLOCK_BYTES (UINT64_C(3) << 20)
#define SMALL_BYTES (5 * PAGE_BYTES)
#define PATIENCE_MS 10000

/* ---- one migration ---- */

struct road {
	/* what to do */
	uint64_t block_bytes; /* 0: BLOCK_BYTES */
	uint32_t channels;
	enum codec_id method;
	enum accelerator accelerator;	      /* of the source */
	enum accelerator receive_accelerator; /* of the destination */
	uint32_t jobs;
	const char *dialect;
	bool no_return_path;
	bool inspect; /* no guest at the destination */
	uint64_t max_bandwidth;
	uint32_t writes_per_harvest;
	uint32_t busy_harvests;
	struct fault_plan fault;
	uint32_t fault_connection;
	bool fail_start;
	bool fail_save;
	bool fail_resume;
	bool early;	    /* the guest needs a feature ... */
	bool lacks_feature; /* ... that is not there */
	bool pause_before_switchover;
	bool switchover_ack;
	bool no_ack; /* of the destination */
	uint64_t downtime_limit_ms;
	struct auto_converge auto_converge;
	int patience_ms;    /* 0: PATIENCE_MS */
	guest_watch *watch; /* of both guests; its watcher is the road */
	void (*progress)(void *road, const struct sender_progress *progress);
	void *(*meanwhile)(void *road); /* a thread while the sender runs */
	/* what came of it */
	struct scripted_guest source;
	struct landed_guest landed;
	struct ram destination;
	struct arrivals arrivals;
	struct receiver *receiver;
	struct channel *near[MULTIFD_CHANNELS_MAX + 1];
	struct sender *sender;
	struct sender_report sent;
	struct receiver_report received;
	int send_result;
	int receive_result;
	struct gw_error send_error;
	struct gw_error receive_error;
};

static inline void *receive_thread(void *state)
{
	struct road *road = state;
	uint8_t init[MULTIFD_INIT_BYTES];

	/* The lobby's part. */
	for (uint32_t i = 0; i < road->channels; i++) {
		channel_set_read_patience(road->arrivals.pages[i], PATIENCE_MS);
		road->receive_result =
			channel_read_exactly(road->arrivals.pages[i], init, sizeof(init),
					     &road->receive_error);
		if (road->receive_result < 0) {
			arrivals_close(&road->arrivals, road->channels);
			return NULL;
		}
	}
	road->receive_result = receiver_run(road->receiver, &road->arrivals,
					    &road->received, &road->receive_error);
	return NULL;
}

static inline struct channel *connect_near(void *state, uint32_t index,
					   const struct interrupt *interrupt,
					   struct gw_error *err)
{
	struct road *road = state;
	struct channel *channel = MOVE(road->near[index]);

	channel_set_interrupt(channel, interrupt);
	if (road->fault.kind != FAULT_NONE && index == road->fault_connection)
		return channel_fault(channel, &road->fault, interrupt, err);
	return channel;
}

static inline void make_guests(struct road *road)
{
	struct gw_error err;
	struct scripted_guest *guest = &road->source;
	uint64_t block_bytes = road->block_bytes ? road->block_bytes : BLOCK_BYTES;

	ram_init(&guest->ram);
	ram_init(&road->destination);
	CHECK_OK(ram_allocate(&guest->ram, "pc.ram", block_bytes, &err), &err);
	CHECK_OK(ram_allocate(&guest->ram, "vga.vram", SMALL_BYTES, &err), &err);
	if (!road->inspect) {
		CHECK_OK(ram_allocate(&road->destination, "pc.ram", block_bytes, &err),
			 &err);
		CHECK_OK(ram_allocate(&road->destination, "vga.vram", SMALL_BYTES, &err),
			 &err);
	}
	guest->seed = 42;
	guest->writes_per_harvest = road->writes_per_harvest;
	guest->busy_harvests = road->busy_harvests;
	guest->fail_save = road->fail_save;
	guest->fail_resume = road->fail_resume;
	guest->early = road->early;
	guest->watch = road->watch;
	guest->watcher = road;
	road->landed = (struct landed_guest){
		.watch = road->watch,
		.watcher = road,
		.fail_start = road->fail_start,
		.lacks_feature = road->lacks_feature,
	};
	for (uint32_t b = 0; b < guest->ram.block_count; b++)
		for (size_t page = 0; page < guest->ram.blocks[b]->page_count; page++)
			fill_page(guest->ram.blocks[b]->host + page * PAGE_BYTES,
				  &guest->seed);
}

static inline void road_run(struct road *road)
{
	const struct source_machine source = {
		&road->source, guest_save_early, guest_pause,
		guest_save,    guest_resume,	 guest_throttle,
	};
	const struct destination_machine guest = { &road->landed, guest_load,
						   guest_start };
	struct gw_error err;
	struct sender_options sending = {
		.connect = connect_near,
		.connect_state = road,
		.dialect = dialect_by_name(road->dialect, &err),
		.machine = "pc-q35-11.0",
		.channel_count = road->channels,
		.method = road->method,
		.level = codec_by_id(road->method)->level_default,
		.accelerator = road->accelerator,
		.accelerator_jobs = road->jobs,
		.max_bandwidth = road->max_bandwidth,
		/* 0: on until nothing is dirty */
		.downtime_limit_ms = road->downtime_limit_ms,
		.return_path = !road->no_return_path,
		.pause_before_switchover = road->pause_before_switchover,
		.switchover_ack = road->switchover_ack,
		.auto_converge = road->auto_converge,
		.patience_ms = road->patience_ms ? road->patience_ms : PATIENCE_MS,
		.answer_patience_ms = PATIENCE_MS,
		.progress = road->progress,
		.progress_state = road,
	};
	struct receiver_options receiving = {
		.channel_count = road->channels,
		.adopt_blocks = road->inspect,
		.memory_limit_bytes = UINT64_C(1) << 30,
		.guest = road->inspect ? NULL : &guest,
		.switchover_ack = road->switchover_ack && !road->no_ack,
		.accelerator = road->receive_accelerator,
		.accelerator_jobs = road->jobs,
		.patience_ms = PATIENCE_MS,
	};
	struct dirty_tracker *tracker;
	pthread_t thread, meanwhile = 0;

	CHECK(sending.dialect);
	make_guests(road);
	tracker = dirty_new(&scripted_tracker, &road->source, &err);
	CHECK(tracker);
	road->receiver = receiver_new(&receiving, &road->destination, &err);
	CHECK(road->receiver);
	road->sender = sender_new(&sending, &road->source.ram, tracker, &source, &err);
	CHECK(road->sender);
	for (uint32_t i = 0; i <= road->channels; i++) {
		struct channel *ends[2];

		CHECK_OK(channel_pair(ends, NULL, &err), &err);
		road->near[i] = ends[0];
		if (i == 0)
			road->arrivals.main = ends[1];
		else
			road->arrivals.pages[i - 1] = ends[1];
	}
	CHECK_EQ(pthread_create(&thread, NULL, receive_thread, road), 0);
	if (road->meanwhile)
		CHECK_EQ(pthread_create(&meanwhile, NULL, road->meanwhile, road), 0);
	road->send_result = sender_run(road->sender, &road->sent, &road->send_error);
	if (road->meanwhile)
		pthread_join(meanwhile, NULL);
	for (uint32_t i = 0; i <= road->channels; i++)
		channel_free(MOVE(road->near[i]));
	pthread_join(thread, NULL);
	sender_free(road->sender);
	receiver_free(road->receiver);
	dirty_free(tracker);
}

static inline void road_clear(struct road *road)
{
	ram_deinit(&road->source.ram);
	ram_deinit(&road->destination);
}

static inline void check_equal(const struct road *road)
{
	CHECK_EQ(road->destination.block_count, road->source.ram.block_count);
	for (uint32_t b = 0; b < road->source.ram.block_count; b++) {
		const struct ram_block *here = road->source.ram.blocks[b];
		const struct ram_block *there = road->destination.blocks[b];

		CHECK_EQ(here->length_bytes, there->length_bytes);
		for (size_t page = 0; page < here->page_count; page++)
			if (memcmp(here->host + page * PAGE_BYTES,
				   there->host + page * PAGE_BYTES, PAGE_BYTES) != 0)
				CHECK_FAIL("block %s page %zu differs", here->name, page);
	}
}

static inline void check_arrived(const struct road *road)
{
	if (road->receive_result < 0)
		CHECK_FAIL("receive: %s", road->receive_error.text);
	if (road->send_result < 0)
		CHECK_FAIL("send: %s", road->send_error.text);
	CHECK_EQ(road->sent.state, MIGRATION_COMPLETED);
	CHECK_EQ(road->received.state, MIGRATION_COMPLETED);
	CHECK_EQ(road->sent.guest, GUEST_AT_DESTINATION);
	CHECK(road->source.paused);
	CHECK_EQ(road->source.resumed, 0);
	check_equal(road);
	CHECK_EQ(road->sent.counters.normal_pages, road->received.counters.normal_pages);
	CHECK_EQ(road->sent.counters.zero_pages,
		 road->received.counters.zero_pages + road->received.main_zero_pages);
	/* The receiver counts init packets that its lobby read, and so did the channels here. */
	CHECK_EQ(road->sent.wire_bytes + road->channels * MULTIFD_INIT_BYTES,
		 road->received.wire_bytes);
}

/* Whatever happens, there is one guest: here, there, or (after the closing bytes) paused here. */
static inline void check_one_guest(const struct road *road)
{
	bool runs_here = !road->source.paused;
	bool runs_there = road->landed.started;

	CHECK(!(runs_here && runs_there));
	if (road->send_result == 0)
		CHECK(runs_there);
	switch (road->sent.guest) {
	case GUEST_AT_SOURCE:
		CHECK(runs_here && !runs_there);
		break;
	case GUEST_AT_DESTINATION:
		CHECK(runs_there);
		check_equal(road);
		break;
	case GUEST_UNKNOWN:
		CHECK(!runs_here);
		CHECK_EQ(road->send_result, -1);
		break;
	}
	if (runs_there)
		check_equal(road);
	if (road->send_result < 0)
		CHECK(strlen(road->send_error.text) > 8);
}

#endif
