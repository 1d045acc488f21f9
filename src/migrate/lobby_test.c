/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* lobby_test.c - connections are told apart by their first bytes, and strangers shown out. */
#include "migrate/lobby.h"

#include <pthread.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "tests/check.h"
#include "wire/stream.h"

#define PATIENCE_MS 300

struct fixture {
	char directory[32];
	struct address at;
	struct interrupt *interrupt;
	struct listener *listener;
	struct channel *guests[300];
	unsigned guest_count;
	struct arrivals arrivals;
	struct gw_error err;
};

static void set_up(struct fixture *f)
{
	char uri[64];

	memset(f, 0, sizeof(*f));
	strcpy(f->directory, "/tmp/godwit-lobby-XXXXXX");
	CHECK(mkdtemp(f->directory));
	snprintf(uri, sizeof(uri), "unix:%s/s", f->directory);
	CHECK_OK(address_parse(&f->at, uri, &f->err), &f->err);
	f->interrupt = interrupt_new(&f->err);
	f->listener = listener_open(&f->at, 300, f->interrupt, &f->err);
	CHECK(f->interrupt && f->listener);
}

static void tear_down(struct fixture *f)
{
	for (unsigned i = 0; i < f->guest_count; i++)
		channel_free(f->guests[i]);
	listener_free(f->listener);
	interrupt_free(f->interrupt);
	rmdir(f->directory);
}

static struct channel *arrive(struct fixture *f, const void *bytes, size_t length)
{
	struct channel *guest = channel_connect(&f->at, NULL, 1000, &f->err);

	CHECK(guest);
	if (length > 0)
		CHECK_OK(channel_write_bytes(guest, bytes, length, &f->err), &f->err);
	f->guests[f->guest_count++] = guest;
	return guest;
}

static void arrive_main(struct fixture *f)
{
	static const uint8_t head[] = { 'Q', 'E', 'V', 'M', 0, 0, 0, 3 };

	arrive(f, head, sizeof(head));
}

static void arrive_page_channel(struct fixture *f, uint8_t id, uint8_t uuid)
{
	struct multifd_init init = { .id = id, .uuid = { uuid } };
	uint8_t bytes[MULTIFD_INIT_BYTES];

	multifd_init_write(bytes, &init);
	arrive(f, bytes, sizeof(bytes));
}

static int admit(struct fixture *f, uint32_t channels)
{
	const struct lobby_options options = {
		.channel_count = channels,
		.patience_ms = PATIENCE_MS,
	};

	return lobby_admit(f->listener, &options, f->interrupt, &f->arrivals, &f->err);
}

TEST(any_order_of_arrival_is_sorted_out)
{
	struct fixture f;
	uint8_t magic[4];

	set_up(&f);
	arrive_page_channel(&f, 2, 7);
	arrive_page_channel(&f, 0, 7);
	arrive_main(&f);
	arrive_page_channel(&f, 1, 7);
	CHECK_OK(admit(&f, 3), &f.err);
	CHECK(f.arrivals.main && f.arrivals.pages[0] && f.arrivals.pages[1] &&
	      f.arrivals.pages[2]);
	CHECK_EQ(f.arrivals.uuid[0], 7);
	/* Main is whole. */
	CHECK_OK(channel_read_exactly(f.arrivals.main, magic, 4, &f.err), &f.err);
	CHECK(memcmp(magic, "QEVM", 4) == 0);
	arrivals_close(&f.arrivals, 3);
	tear_down(&f);
}

TEST(strangers_and_silence_stop_nobody)
{
	struct fixture f;

	set_up(&f);
	for (int i = 0; i < 40; i++)
		arrive(&f, "", 0);
	arrive(&f, "GET / HTTP/1.0\r\n\r\n", 18);
	arrive(&f, "\x11\x22", 2);
	channel_finish(arrive(&f, "", 0));
	arrive_main(&f);
	arrive_main(&f); /* a second one is shown out */
	arrive_page_channel(&f, 0, 0);
	CHECK_OK(admit(&f, 1), &f.err);
	arrivals_close(&f.arrivals, 1);
	tear_down(&f);
}

TEST(an_init_packet_may_come_in_pieces)
{
	struct multifd_init init = { .id = 0 };
	uint8_t bytes[MULTIFD_INIT_BYTES];
	struct fixture f;
	struct channel *slow;

	set_up(&f);
	multifd_init_write(bytes, &init);
	slow = arrive(&f, bytes, 63);
	arrive_main(&f);
	CHECK_EQ(admit(&f, 1), -1);
	CHECK_CONTAINS(f.err.text,
		       "main channel arrived, 0 of 1 page channels within 300 ms");
	(void)slow;
	tear_down(&f);

	set_up(&f);
	arrive(&f, bytes, 64);
	arrive_main(&f);
	CHECK_OK(admit(&f, 1), &f.err);
	arrivals_close(&f.arrivals, 1);
	tear_down(&f);
}

TEST(an_id_past_the_last_is_another_number_of_channels)
{
	struct fixture f;

	set_up(&f);
	arrive_main(&f);
	arrive_page_channel(&f, 2, 0);
	CHECK_EQ(admit(&f, 2), -1);
	CHECK_EQ(f.err.kind, GW_PEER);
	CHECK_CONTAINS(f.err.text, "2");
	tear_down(&f);
}

TEST(a_page_channel_too_many_is_refused_though_all_are_there)
{
	struct fixture f;

	set_up(&f);
	arrive_main(&f);
	arrive_page_channel(&f, 0, 0);
	arrive_page_channel(&f, 1, 0);
	arrive_page_channel(&f, 2, 0);
	CHECK_EQ(admit(&f, 2), -1);
	CHECK_EQ(f.err.kind, GW_PEER);
	CHECK_CONTAINS(f.err.text, "2");
	tear_down(&f);
}

TEST(nobody_is_let_in_after_all_are_there)
{
	struct channel *late;
	struct fixture f;

	set_up(&f);
	arrive_main(&f);
	arrive_page_channel(&f, 0, 0);
	CHECK_OK(admit(&f, 1), &f.err);
	late = channel_connect(&f.at, NULL, 1000, &f.err);
	CHECK(!late);
	arrivals_close(&f.arrivals, 1);
	tear_down(&f);
}

TEST(where_one_more_may_come_the_newest_silent_one_is_kept_and_the_listener_goes_on)
{
	int silent = 0;
	const struct lobby_options options = {
		.channel_count = 1,
		.patience_ms = PATIENCE_MS,
		.silent = &silent,
	};
	struct channel *newest;
	struct fixture f;
	char byte;

	set_up(&f);
	arrive(&f, "", 0);
	arrive_main(&f);
	newest = arrive(&f, "", 0);
	arrive_page_channel(&f, 0, 0);
	CHECK_OK(lobby_admit(f.listener, &options, f.interrupt, &f.arrivals, &f.err),
		 &f.err);
	CHECK(silent > 0);
	CHECK_OK(channel_write_bytes(newest, "n", 1, &f.err), &f.err);
	CHECK_EQ(read(silent, &byte, 1), 1);
	close(silent);
	arrivals_close(&f.arrivals, 1);
	/* The next source; nobody is silent this time. */
	arrive_main(&f);
	arrive_page_channel(&f, 0, 0);
	CHECK_OK(lobby_admit(f.listener, &options, f.interrupt, &f.arrivals, &f.err),
		 &f.err);
	CHECK_EQ(silent, -1);
	arrivals_close(&f.arrivals, 1);
	tear_down(&f);
}

TEST(advice_ends_errors_about_the_number_of_channels)
{
	const struct lobby_options options = {
		.channel_count = 1,
		.patience_ms = PATIENCE_MS,
		.advice = "count again",
	};
	struct fixture f;

	set_up(&f);
	arrive_main(&f);
	CHECK_EQ(lobby_admit(f.listener, &options, f.interrupt, &f.arrivals, &f.err), -1);
	CHECK_CONTAINS(f.err.text, "0 of 1 page channels within 300 ms of the first "
				   "connection; count again");
	arrive_page_channel(&f, 1, 0);
	CHECK_EQ(lobby_admit(f.listener, &options, f.interrupt, &f.arrivals, &f.err), -1);
	CHECK_STR(f.err.text, "multifd init: channel id 1 of 1 channels; count again");
	tear_down(&f);
}

TEST(an_id_that_comes_twice_is_refused)
{
	struct fixture f;

	set_up(&f);
	arrive_page_channel(&f, 1, 0);
	arrive_page_channel(&f, 1, 0);
	CHECK_EQ(admit(&f, 2), -1);
	CHECK_STR(f.err.text, "multifd init packet: channel id 1 came twice");
	tear_down(&f);
}

TEST(page_channels_of_two_sources_are_refused)
{
	struct fixture f;

	set_up(&f);
	arrive_page_channel(&f, 0, 1);
	arrive_page_channel(&f, 1, 2);
	CHECK_EQ(admit(&f, 2), -1);
	CHECK_CONTAINS(f.err.text, "has another uuid than the others");
	tear_down(&f);
}

TEST(a_missing_main_is_named)
{
	struct fixture f;

	set_up(&f);
	arrive_page_channel(&f, 0, 0);
	CHECK_EQ(admit(&f, 1), -1);
	CHECK_EQ(f.err.kind, GW_PEER);
	CHECK_CONTAINS(f.err.text,
		       "main channel missing, 1 of 1 page channels within 300 ms");
	tear_down(&f);
}

TEST(without_multifd_main_alone_is_enough)
{
	struct fixture f;

	set_up(&f);
	arrive_page_channel(&f, 0, 0);
	arrive_main(&f);
	CHECK_OK(admit(&f, 0), &f.err);
	CHECK(f.arrivals.main);
	arrivals_close(&f.arrivals, 0);
	tear_down(&f);
}

TEST(two_hundred_and_fifty_five_channels_fit)
{
	struct fixture f;

	set_up(&f);
	for (unsigned i = 0; i < MULTIFD_CHANNELS_MAX; i++)
		arrive_page_channel(&f, (uint8_t)i, 0);
	arrive_main(&f);
	CHECK_OK(admit(&f, MULTIFD_CHANNELS_MAX), &f.err);
	arrivals_close(&f.arrivals, MULTIFD_CHANNELS_MAX);
	tear_down(&f);
}

static void *come_again(void *state)
{
	struct fixture *f = state;

	interrupt_sleep(NULL, 100 * NS_PER_MS);
	channel_cut(f->guests[0]);
	interrupt_sleep(NULL, 100 * NS_PER_MS);
	arrive_page_channel(f, 0, 8);
	arrive_page_channel(f, 1, 8);
	arrive_main(f);
	return NULL;
}

TEST(a_source_that_gives_up_half_way_makes_room_for_the_next)
{
	const struct lobby_options options = { .channel_count = 2, .patience_ms = 30000 };
	struct fixture f;
	pthread_t thread;

	set_up(&f);
	arrive_main(&f);
	arrive_page_channel(&f, 1, 7);
	CHECK_EQ(pthread_create(&thread, NULL, come_again, &f), 0);
	CHECK_OK(lobby_admit(f.listener, &options, f.interrupt, &f.arrivals, &f.err),
		 &f.err);
	pthread_join(thread, NULL);
	CHECK_EQ(f.arrivals.uuid[0], 8);
	CHECK(f.arrivals.main && f.arrivals.pages[0] && f.arrivals.pages[1]);
	arrivals_close(&f.arrivals, 2);
	tear_down(&f);
}

TEST(a_source_that_is_through_before_it_is_let_in_has_not_given_up)
{
	static const uint8_t head[] = { 'Q', 'E', 'V', 'M', 0, 0, 0, 3 };
	struct fixture f;
	uint8_t magic[4];

	set_up(&f);
	/* A small guest fits into the sockets, and without a return path nobody waits. */
	channel_finish(arrive(&f, head, sizeof(head)));
	arrive_page_channel(&f, 0, 7);
	arrive_page_channel(&f, 1, 7);
	CHECK_OK(admit(&f, 2), &f.err);
	CHECK_OK(channel_read_exactly(f.arrivals.main, magic, 4, &f.err), &f.err);
	CHECK(memcmp(magic, "QEVM", 4) == 0);
	arrivals_close(&f.arrivals, 2);
	tear_down(&f);
}

TEST(an_interrupt_ends_the_wait)
{
	struct fixture f;

	set_up(&f);
	interrupt_raise(f.interrupt);
	CHECK_EQ(admit(&f, 1), -1);
	CHECK_EQ(f.err.kind, GW_CANCELLED);
	tear_down(&f);
}

TEST_MAIN(
	TEST_OF(any_order_of_arrival_is_sorted_out),
	TEST_OF(strangers_and_silence_stop_nobody),
	TEST_OF(an_init_packet_may_come_in_pieces),
	TEST_OF(an_id_past_the_last_is_another_number_of_channels),
	TEST_OF(a_page_channel_too_many_is_refused_though_all_are_there),
	TEST_OF(nobody_is_let_in_after_all_are_there),
	TEST_OF(where_one_more_may_come_the_newest_silent_one_is_kept_and_the_listener_goes_on),
	TEST_OF(advice_ends_errors_about_the_number_of_channels),
	TEST_OF(an_id_that_comes_twice_is_refused),
	TEST_OF(page_channels_of_two_sources_are_refused),
	TEST_OF(a_missing_main_is_named), TEST_OF(without_multifd_main_alone_is_enough),
	TEST_OF(two_hundred_and_fifty_five_channels_fit),
	TEST_OF(a_source_that_gives_up_half_way_makes_room_for_the_next),
	TEST_OF(a_source_that_is_through_before_it_is_let_in_has_not_given_up),
	TEST_OF(an_interrupt_ends_the_wait))
