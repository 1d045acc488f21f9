/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* relay_test.c - whole relays: two halves between two QEMUs, or one half and what it is told. */
#include "relay/relay.h"

#include <pthread.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/own.h"
#include "session/hello.h"
#include "tests/check.h"
#include "tests/golden/golden.h"
#include "wire/multifd_init.h"

#define LANES_MAX 4u
#define PAGES_MAX 256u
#define PATIENCE_MS 30000
#define A_WHILE_MS 50 /* in which what must not come would have come */
#define A_WHILE_NS (A_WHILE_MS * NS_PER_MS)

static struct gw_error err;

/* ---- QEMUs and a session, by both of their ends ---- */

/* Near is the relay's, far is what QEMU itself holds. */
struct qemu {
	struct channel *near, *far;
	struct channel *near_pages[LANES_MAX], *far_pages[LANES_MAX];
	uint32_t count;
};

enum { AT_SOURCE, AT_DESTINATION };

struct session {
	struct session_link *main[2];
	struct session_link *pages[2][LANES_MAX];
	uint32_t count;
};

static void open_connection(struct channel **near, struct channel **far)
{
	struct channel *ends[2];

	CHECK_OK(channel_pair(ends, NULL, &err), &err);
	*near = ends[0];
	*far = ends[1];
}

static void open_qemu(struct qemu *qemu, uint32_t count)
{
	*qemu = (struct qemu){ .count = count };
	open_connection(&qemu->near, &qemu->far);
	for (uint32_t i = 0; i < count; i++)
		open_connection(&qemu->near_pages[i], &qemu->far_pages[i]);
}

static void close_qemu(struct qemu *qemu)
{
	channel_free(qemu->near);
	channel_free(qemu->far);
	for (uint32_t i = 0; i < qemu->count; i++) {
		channel_free(qemu->near_pages[i]);
		channel_free(qemu->far_pages[i]);
	}
}

static void finish_qemu(struct qemu *qemu)
{
	channel_finish(qemu->far);
	for (uint32_t i = 0; i < qemu->count; i++)
		channel_finish(qemu->far_pages[i]);
}

static void open_links(struct session_link **one, struct session_link **other)
{
	struct channel *near, *far;

	open_connection(&near, &far);
	*one = session_link_new(near, &err);
	*other = session_link_new(far, &err);
	CHECK(*one && *other);
}

static void open_session(struct session *session, uint32_t count)
{
	*session = (struct session){ .count = count };
	open_links(&session->main[0], &session->main[1]);
	for (uint32_t i = 0; i < count; i++)
		open_links(&session->pages[0][i], &session->pages[1][i]);
}

static void close_end(struct session *session, int end)
{
	session_link_free(MOVE(session->main[end]));
	for (uint32_t i = 0; i < session->count; i++)
		session_link_free(MOVE(session->pages[end][i]));
}

static struct relay_end qemu_end(const struct qemu *qemu)
{
	return (struct relay_end){
		.main = qemu->near,
		.pages = qemu->near_pages,
		.count = qemu->count,
	};
}

static struct relay_end session_end(const struct session *session, int end)
{
	return (struct relay_end){
		.main_link = session->main[end],
		.page_links = session->pages[end],
		.count = session->count,
	};
}

/* ---- a half ---- */

struct half {
	struct interrupt *interrupt;
	struct queue *words;
	struct relay *relay;
};

static struct relay_options options_for(struct relay_end from, struct relay_end to)
{
	return (struct relay_options){
		.from = from,
		.to = to,
		.dialect = dialect_newest(),
		.codec = codec_by_id(CODEC_NONE),
		.accelerator = ACCELERATOR_NONE,
		.downtime_limit_ms = 300,
		.patience_ms = PATIENCE_MS,
	};
}

static void start_half(struct half *half, const struct relay_options *options)
{
	struct relay_options with_words = *options;

	half->interrupt = interrupt_new(&err);
	half->words = queue_new(sizeof(json_t *), 4, &err);
	CHECK(half->interrupt && half->words);
	with_words.words = half->words;
	half->relay = relay_start(&with_words, half->interrupt, &err);
	if (!half->relay)
		CHECK_FAIL("relay: %s", err.text);
}

static void stop_half(struct half *half)
{
	json_t *word;

	relay_cancel(half->relay);
	relay_stop(half->relay);
	while (queue_take(half->words, &word, 0) == QUEUE_ITEM)
		json_decref(word);
	queue_free(half->words);
	interrupt_free(half->interrupt);
}

static void nap(void)
{
	nanosleep(&(struct timespec){ .tv_nsec = NS_PER_MS }, NULL);
}

static void await_ended(const struct half *half)
{
	uint64_t until_ns = clock_now_ns() + 20 * NS_PER_S;

	while (!relay_ended(half->relay)) {
		if (relay_failed(half->relay)) {
			relay_error(half->relay, &err);
			CHECK_FAIL("relay: %s", err.text);
		}
		CHECK(clock_now_ns() < until_ns);
		nap();
	}
}

static void await_failure(const struct half *half, enum gw_error_kind kind,
			  const char *text)
{
	uint64_t until_ns = clock_now_ns() + 20 * NS_PER_S;

	while (!relay_failed(half->relay)) {
		CHECK(clock_now_ns() < until_ns);
		nap();
	}
	CHECK_EQ(relay_error(half->relay, &err), -1);
	CHECK_CONTAINS(err.text, text);
	CHECK_EQ(err.kind, kind);
}

/* ---- both halves between two QEMUs ---- */

struct road {
	struct qemu source, destination;
	struct session session;
	struct half here, there;
};

static void open_road(struct road *road, uint32_t from, uint32_t links, uint32_t to,
		      enum codec_id codec)
{
	struct relay_options options;

	open_qemu(&road->source, from);
	open_session(&road->session, links);
	open_qemu(&road->destination, to);
	options = options_for(session_end(&road->session, AT_DESTINATION),
			      qemu_end(&road->destination));
	options.guarded = true;
	options.aligned = true;
	start_half(&road->there, &options);
	options = options_for(qemu_end(&road->source),
			      session_end(&road->session, AT_SOURCE));
	options.codec = codec_by_id(codec);
	options.level = options.codec->level_default;
	start_half(&road->here, &options);
}

static void close_road(struct road *road)
{
	stop_half(&road->here);
	close_end(&road->session, AT_SOURCE);
	stop_half(&road->there);
	close_end(&road->session, AT_DESTINATION);
	close_qemu(&road->source);
	close_qemu(&road->destination);
}

/* ---- packets ---- */

static struct layout_block ram_block = { "ram", UINT64_MAX };
static const struct layout ram_layout = { &ram_block, 1, 1, UINT64_MAX };

static void write_packet(struct port *to, const struct multifd_packet *packet,
			 const uint8_t *payload)
{
	uint8_t header[MULTIFD_PACKET_BYTES];
	struct iovec iov[2] = { { header, sizeof(header) },
				{ (void *)payload, packet->payload_bytes } };

	multifd_packet_write(header, dialect_newest(), &ram_layout, packet);
	CHECK_OK(port_write(to, iov, 2, &err), &err);
}

static void write_sync(struct port *to)
{
	static const struct multifd_packet sync = { .sync = true, .block = -1 };

	write_packet(to, &sync, NULL);
}

static struct port qemu_port(struct channel *channel)
{
	return (struct port){ .channel = channel };
}

static struct port link_port(struct session_link *link)
{
	return (struct port){ .link = link };
}

/* `count` pages from the page `first`, each byte of which is `value`. */
static void write_pages(struct port *to, uint32_t first, uint32_t count, uint8_t value)
{
	static uint8_t payload[MULTIFD_PACKET_PAGES * PAGE_BYTES];
	struct multifd_packet packet = { .normal_pages = count,
					 .payload_bytes = count * 4096u };

	memset(payload, value, packet.payload_bytes);
	for (uint32_t i = 0; i < count; i++)
		packet.offsets[i] = (uint64_t)(first + i) * PAGE_BYTES;
	write_packet(to, &packet, payload);
}

/* What a QEMU without compression makes of its page channels. */
struct memory {
	uint8_t pages[PAGES_MAX][PAGE_BYTES];
	uint32_t normal, zero, syncs;
};

static void put_pages(struct memory *memory, const struct multifd_packet *packet,
		      const uint8_t *payload)
{
	for (uint32_t i = 0; i < packet->normal_pages + packet->zero_pages; i++) {
		uint64_t at = packet->offsets[i] / PAGE_BYTES;

		CHECK(at < PAGES_MAX);
		if (i < packet->normal_pages)
			memcpy(memory->pages[at], payload + (size_t)i * PAGE_BYTES,
			       PAGE_BYTES);
		else
			memset(memory->pages[at], 0, PAGE_BYTES);
	}
	memory->normal += packet->normal_pages;
	memory->zero += packet->zero_pages;
	memory->syncs += packet->sync;
}

/* The next packet: false for the end of the channel. */
static bool land_packet(struct channel *from, struct memory *memory, bool *sync)
{
	static uint8_t payload[MULTIFD_PAYLOAD_BYTES_MAX];
	uint8_t header[MULTIFD_PACKET_BYTES];
	struct port port = qemu_port(from);
	struct multifd_packet packet;
	struct layout_block block;
	uint32_t came;
	int more = port_read_header(&port, header, payload, &came, &err);

	CHECK_OK(more, &err);
	if (more == 0)
		return false;
	CHECK_OK(multifd_packet_read_named(header, &block, &packet, &err), &err);
	if (packet.payload_bytes > 0)
		CHECK_OK(port_read_payload(&port, payload, packet.payload_bytes, &err),
			 &err);
	put_pages(memory, &packet, payload);
	*sync = packet.sync;
	return true;
}

/* All up to the next SYNC, with it. */
static void land_epoch(struct channel *from, struct memory *memory)
{
	bool sync = false;

	while (!sync)
		CHECK(land_packet(from, memory, &sync));
}

static void check_nothing(struct channel *from)
{
	int more = channel_wait(from, A_WHILE_MS, &err);

	CHECK_OK(more, &err);
	CHECK_EQ(more, 0);
}

static void check_bytes(struct channel *from, const uint8_t *bytes, size_t length)
{
	static uint8_t came[GOLDEN_BYTES_MAX];

	CHECK_OK(channel_read_exactly(from, came, length, &err), &err);
	CHECK(memcmp(came, bytes, length) == 0);
}

static void check_end(struct channel *from)
{
	uint8_t byte;
	ptrdiff_t got = channel_read_some(from, &byte, 1, &err);

	CHECK_OK(got, &err);
	CHECK_EQ(got, 0);
}

/* Its connections are gone, with or without what was still unread. */
static void check_cut(struct channel *from)
{
	uint8_t bytes[4096];
	ptrdiff_t got;

	channel_set_read_patience(from, 10000);
	do
		got = channel_read_some(from, bytes, sizeof(bytes), &err);
	while (got > 0);
	if (got < 0)
		CHECK_STR(err.text, "the other side closed the connection");
}

/* A QEMU gets rid of all that it has to say, whether anybody wants it or not. */
static void check_read_on(struct channel *to)
{
	static const uint8_t more[100000];

	for (int i = 0; i < 10; i++)
		CHECK_OK(channel_write_bytes(to, more, sizeof(more), &err), &err);
	CHECK_EQ(channel_wait(to, 0, &err), 0);
}

/* ---- main, both ways ---- */

#define TALK_BYTES ((size_t)3 << 20)

/* One direction of one connection of main, in a thread of its own. */
struct talk {
	struct channel *at;
	uint32_t seed;
	bool writes, good;
	pthread_t thread;
};

static uint8_t talk_byte(uint32_t *random)
{
	*random = *random * 1664525 + 1013904223;
	return (uint8_t)(*random >> 24);
}

static bool talk_write(struct talk *talk, uint32_t random)
{
	static _Thread_local uint8_t piece[20000];
	struct gw_error error;

	for (size_t left = TALK_BYTES; left > 0;) {
		size_t some = 1 + random % sizeof(piece);

		if (some > left)
			some = left;
		for (size_t i = 0; i < some; i++)
			piece[i] = talk_byte(&random);
		if (channel_write_bytes(talk->at, piece, some, &error) < 0)
			return false;
		left -= some;
	}
	channel_finish(talk->at);
	return true;
}

static bool talk_read(struct talk *talk, uint32_t random)
{
	static _Thread_local uint8_t piece[20000];
	size_t left = TALK_BYTES;
	struct gw_error error;
	ptrdiff_t got;

	while (left > 0) {
		size_t some = 1 + random % sizeof(piece);

		if (some > left)
			some = left;
		if (channel_read_exactly(talk->at, piece, some, &error) < 0)
			return false;
		for (size_t i = 0; i < some; i++)
			if (piece[i] != talk_byte(&random))
				return false;
		left -= some;
	}
	got = channel_read_some(talk->at, piece, 1, &error);
	return got == 0;
}

static void *run_talk(void *state)
{
	struct talk *talk = state;

	talk->good =
		talk->writes ? talk_write(talk, talk->seed) : talk_read(talk, talk->seed);
	return NULL;
}

TEST(main_goes_both_ways_at_once_verbatim)
{
	struct relay_figures figures;
	struct road road;
	struct talk talks[4];

	open_road(&road, 0, 0, 0, CODEC_NONE);
	talks[0] = (struct talk){ road.source.far, 1, .writes = true };
	talks[1] = (struct talk){ road.destination.far, 1, .writes = false };
	talks[2] = (struct talk){ road.destination.far, 2, .writes = true };
	talks[3] = (struct talk){ road.source.far, 2, .writes = false };
	for (int i = 0; i < 4; i++)
		CHECK_EQ(pthread_create(&talks[i].thread, NULL, run_talk, &talks[i]), 0);
	for (int i = 0; i < 4; i++)
		pthread_join(talks[i].thread, NULL);
	for (int i = 0; i < 4; i++)
		CHECK(talks[i].good);
	await_ended(&road.here);
	await_ended(&road.there);
	relay_figures(road.here.relay, &figures);
	CHECK_EQ(figures.guest_bytes, TALK_BYTES);
	CHECK(figures.wire_bytes > 2 * TALK_BYTES);
	CHECK(!figures.shut && !figures.setup_ended);
	close_road(&road);
}

TEST(what_the_destination_says_is_told_in_figures)
{
	static const uint8_t shut[] = { 0, 1, 0, 4, 0, 0, 0, 7 };
	struct relay_figures figures;
	struct road road;

	open_road(&road, 0, 0, 0, CODEC_NONE);
	CHECK_OK(channel_write_bytes(road.destination.far, shut, sizeof(shut), &err),
		 &err);
	check_bytes(road.source.far, shut, sizeof(shut));
	relay_figures(road.here.relay, &figures);
	CHECK(figures.shut);
	CHECK_EQ(figures.shut_value, 7);
	relay_figures(road.there.relay, &figures);
	CHECK(figures.shut);
	CHECK_EQ(figures.shut_value, 7);
	close_road(&road);
}

/* ---- pages ---- */

static struct memory sent, landed;

static void check_epoch(struct road *road, uint8_t value)
{
	memset(&landed, 0, sizeof(landed));
	for (uint32_t i = 0; i < road->destination.count; i++)
		land_epoch(road->destination.far_pages[i], &landed);
	CHECK_EQ(landed.normal, 8 * road->source.count);
	CHECK_EQ(landed.syncs, road->destination.count);
	for (uint32_t i = 0; i < 8 * road->source.count; i++)
		CHECK(landed.pages[i][i] == value &&
		      memcmp(landed.pages[i], landed.pages[i] + 1, PAGE_BYTES - 1) == 0);
}

static void check_pages(uint32_t from, uint32_t links, uint32_t to, enum codec_id codec)
{
	struct relay_figures figures;
	struct road road;

	open_road(&road, from, links, to, codec);
	for (uint8_t epoch = 1; epoch <= 3; epoch++) {
		for (uint32_t i = 0; i < from; i++) {
			struct port port = qemu_port(road.source.far_pages[i]);

			write_pages(&port, 8 * i, 5, epoch);
			write_pages(&port, 8 * i + 5, 3, epoch);
			write_sync(&port);
		}
		check_epoch(&road, epoch);
	}
	finish_qemu(&road.source);
	check_end(road.destination.far);
	await_ended(&road.here);
	await_ended(&road.there);
	/* A QEMU must not see a page channel end. */
	for (uint32_t i = 0; i < to; i++)
		CHECK_EQ(channel_wait(road.destination.far_pages[i], 0, &err), 0);
	relay_figures(road.there.relay, &figures);
	CHECK_EQ(figures.normal_pages, 24 * from);
	relay_figures(road.here.relay, &figures);
	CHECK_EQ(figures.normal_pages, 24 * from);
	CHECK(figures.memory_bytes > 0 && figures.most_in_flight >= 5 * PAGE_BYTES);
	CHECK((codec == CODEC_NONE) == (figures.engine[0] == '\0'));
	close_road(&road);
}

TEST(pages_cross_any_numbers_of_channels_in_any_format)
{
	check_pages(1, 1, 1, CODEC_NONE);
	check_pages(3, 1, 2, CODEC_ZSTD);
	check_pages(1, 3, 1, CODEC_ZLIB);
	check_pages(2, 4, 4, CODEC_QPL);
}

/* ---- what real QEMUs wrote ---- */

static uint8_t golden[GOLDEN_BYTES_MAX];

/* A page channel goes out, behind its init packet, and into `sent`. */
static void play_pages(const char *version, uint32_t i, struct channel *to)
{
	struct gw_error error;
	char name[64];
	size_t length, at = MULTIFD_INIT_BYTES;

	snprintf(name, sizeof(name), "qemu-%s-none-multifd.multifd%u", version, i);
	length = golden_load(name, golden);
	CHECK_OK(channel_write_bytes(to, golden + at, length - at, &error), &error);
	while (at < length) {
		struct multifd_packet packet;
		struct layout_block block;

		CHECK_OK(multifd_packet_read_named(golden + at, &block, &packet, &error),
			 &error);
		at += MULTIFD_PACKET_BYTES;
		put_pages(&sent, &packet, golden + at);
		at += packet.payload_bytes;
	}
}

static void check_golden(const char *version, uint32_t links, enum codec_id codec)
{
	struct road road;
	char name[64];
	size_t length;
	uint32_t syncs;

	memset(&sent, 0, sizeof(sent));
	memset(&landed, 0, sizeof(landed));
	open_road(&road, 2, links, 2, codec);
	for (uint32_t i = 0; i < 2; i++)
		play_pages(version, i, road.source.far_pages[i]);
	snprintf(name, sizeof(name), "qemu-%s-none-multifd.main", version);
	length = golden_load(name, golden);
	CHECK_OK(channel_write_bytes(road.source.far, golden, length, &err), &err);
	finish_qemu(&road.source);
	check_bytes(road.destination.far, golden, length);
	check_end(road.destination.far);
	syncs = sent.syncs / 2;
	CHECK(syncs > 1);
	for (uint32_t i = 0; i < 2 * syncs; i++)
		land_epoch(road.destination.far_pages[i % 2], &landed);
	CHECK_EQ(landed.normal + landed.zero, sent.normal + sent.zero);
	CHECK(memcmp(landed.pages, sent.pages, sizeof(sent.pages)) == 0);
	CHECK_EQ(sent.pages[200][16], 0x11);
	await_ended(&road.there);
	close_road(&road);
}

TEST(what_real_qemus_wrote_arrives_whole)
{
	check_golden("7.2", 1, CODEC_ZSTD);
	check_golden("7.2", 2, CODEC_NONE);
	check_golden("11.1", 3, CODEC_ZLIB);
	check_golden("11.1", 2, CODEC_NONE);
}

/* ---- the destination's half alone ---- */

struct far_half {
	struct session session; /* its source end is the test's */
	struct qemu qemu;
	struct half half;
};

static void open_far_half(struct far_half *far, uint32_t links, bool guarded,
			  int patience_ms)
{
	struct relay_options options;

	open_session(&far->session, links);
	open_qemu(&far->qemu, links);
	options = options_for(session_end(&far->session, AT_DESTINATION),
			      qemu_end(&far->qemu));
	options.guarded = guarded;
	options.aligned = guarded;
	options.patience_ms = patience_ms;
	start_half(&far->half, &options);
}

static void close_far_half(struct far_half *far)
{
	stop_half(&far->half);
	close_end(&far->session, AT_SOURCE);
	close_end(&far->session, AT_DESTINATION);
	close_qemu(&far->qemu);
}

static void say_main(struct session_link *link, const void *bytes, size_t length)
{
	CHECK_OK(session_link_write_bytes(link, SESSION_STREAM, bytes, length, &err),
		 &err);
}

static void say_end(struct session_link *link)
{
	CHECK_OK(session_link_write_bytes(link, SESSION_END, NULL, 0, &err), &err);
}

static void say_word(struct session_link *link, const char *word)
{
	CHECK_OK(control_write(link, json_pack("{ss}", "say", word), &err), &err);
}

/* Behind the first word `low` from `at` on. */
static size_t word_end(const uint8_t *bytes, size_t length, size_t at, uint16_t low)
{
	while (load_be64(bytes + at) != low) {
		at++;
		CHECK(at + 8 <= length);
	}
	return at + 8;
}

#define FLUSH 0x200
#define EOS 0x10

static size_t flush_end(const uint8_t *bytes, size_t length, size_t at)
{
	return word_end(bytes, length, at, FLUSH);
}

/* So many are in the recording: with the setup and the end. */
static void check_gate(const char *recording, uint16_t mark, uint32_t barriers)
{
	struct far_half far;
	size_t length = golden_load(recording, golden), at = 0;

	open_far_half(&far, 2, true, PATIENCE_MS);
	say_main(far.session.main[AT_SOURCE], golden, length);
	for (uint32_t barrier = 0; barrier < barriers; barrier++) {
		size_t next = word_end(golden, length, at, mark);

		check_bytes(far.qemu.far, golden + at, next - at);
		at = next;
		for (uint32_t i = 0; i < 2; i++) {
			struct port port = link_port(far.session.pages[AT_SOURCE][i]);

			check_nothing(far.qemu.far);
			write_sync(&port);
		}
	}
	check_bytes(far.qemu.far, golden + at, length - at);
	close_far_half(&far);
}

#define GOLDEN_BARRIERS 3

TEST(what_is_behind_a_barrier_waits_for_every_sync)
{
	check_gate("qemu-11.1-none-multifd.main", FLUSH, GOLDEN_BARRIERS);
	check_gate("qemu-7.2-none-multifd.main", EOS, 3);
}

TEST(without_a_guardian_nothing_waits)
{
	struct far_half far;
	size_t length = golden_load("qemu-11.1-none-multifd.main", golden);

	open_far_half(&far, 2, false, PATIENCE_MS);
	say_main(far.session.main[AT_SOURCE], golden, length);
	check_bytes(far.qemu.far, golden, length);
	close_far_half(&far);
}

TEST(page_channels_that_end_before_a_barrier_are_a_failure)
{
	struct far_half far;
	size_t length = golden_load("qemu-11.1-none-multifd.main", golden);

	open_far_half(&far, 2, true, PATIENCE_MS);
	say_main(far.session.main[AT_SOURCE], golden, length);
	for (uint32_t i = 0; i < 2; i++)
		say_end(far.session.pages[AT_SOURCE][i]);
	await_failure(&far.half, GW_PEER,
		      "main: barrier 1, but the page channels ended before it");
	close_far_half(&far);
}

TEST(it_has_ended_when_main_and_all_page_channels_have)
{
	struct far_half far;

	open_far_half(&far, 2, true, PATIENCE_MS);
	say_end(far.session.pages[AT_SOURCE][0]);
	say_end(far.session.main[AT_SOURCE]);
	check_end(far.qemu.far);
	interrupt_sleep(NULL, A_WHILE_NS);
	CHECK(!relay_ended(far.half.relay));
	say_end(far.session.pages[AT_SOURCE][1]);
	await_ended(&far.half);
	CHECK(!relay_failed(far.half.relay));
	close_far_half(&far);
	open_far_half(&far, 1, true, PATIENCE_MS);
	say_end(far.session.pages[AT_SOURCE][0]);
	interrupt_sleep(NULL, A_WHILE_NS);
	CHECK(!relay_ended(far.half.relay));
	close_far_half(&far);
}

/* Also behind main's end: the last ones come there. */
TEST(words_are_delivered_in_order_but_for_alive)
{
	static const char *const words[] = { "one", "two", "three" };
	struct far_half far;
	json_t *word;

	open_far_half(&far, 0, true, PATIENCE_MS);
	say_word(far.session.main[AT_SOURCE], "one");
	say_word(far.session.main[AT_SOURCE], "alive");
	say_word(far.session.main[AT_SOURCE], "two");
	say_end(far.session.main[AT_SOURCE]);
	say_word(far.session.main[AT_SOURCE], "three");
	for (int i = 0; i < 3; i++) {
		CHECK_EQ(queue_take(far.half.words, &word, 10000), QUEUE_ITEM);
		CHECK_STR(control_word(word), words[i]);
		json_decref(word);
	}
	/* More than the queue holds is too much, and no failure. */
	for (int i = 0; i < 9; i++)
		say_word(far.session.main[AT_SOURCE], "many");
	session_link_free(MOVE(far.session.main[AT_SOURCE]));
	interrupt_sleep(NULL, A_WHILE_NS);
	for (int i = 0; i < 4; i++) {
		CHECK_EQ(queue_take(far.half.words, &word, 10000), QUEUE_ITEM);
		json_decref(word);
	}
	CHECK_EQ(queue_take(far.half.words, &word, 0), QUEUE_TIMED_OUT);
	close_far_half(&far);
}

static void check_out_of_place(enum session_record type, size_t length, const char *text)
{
	static const uint8_t body[SESSION_PACKET_BYTES_MIN] = { '{', '}' };
	struct record_head head;
	struct far_half far;

	open_far_half(&far, 0, true, PATIENCE_MS);
	CHECK_OK(session_link_write_bytes(far.session.main[AT_SOURCE], type, body, length,
					  &err),
		 &err);
	await_failure(&far.half, GW_PEER, text);
	relay_cancel(far.half.relay);
	relay_stop(MOVE(far.half.relay));
	/* Whoever looks for a last word there now is told, too. */
	CHECK_EQ(session_link_read_head(far.session.main[AT_DESTINATION], &head, &err),
		 -1);
	CHECK_STR(err.text, "an earlier record could not be read");
	queue_free(far.half.words);
	close_end(&far.session, AT_SOURCE);
	close_end(&far.session, AT_DESTINATION);
	close_qemu(&far.qemu);
	interrupt_free(far.half.interrupt);
}

TEST(records_out_of_place_are_refused)
{
	check_out_of_place(SESSION_HELLO, 2,
			   "the other godwit: a record of type 1 is out of place");
	check_out_of_place(SESSION_PACKET, SESSION_PACKET_BYTES_MIN,
			   "the other godwit: a record of type 4 is out of place");
	check_out_of_place(SESSION_ACK, SESSION_ACK_BYTES_MIN,
			   "the other godwit: a record of type 5 is out of place");
}

TEST(bytes_behind_the_end_of_main_are_refused)
{
	struct far_half far;

	open_far_half(&far, 0, true, PATIENCE_MS);
	say_end(far.session.main[AT_SOURCE]);
	say_main(far.session.main[AT_SOURCE], "more", 4);
	await_failure(&far.half, GW_PEER, "the other godwit: bytes of main behind its");
	close_far_half(&far);
}

/* ---- the source's half alone ---- */

struct near_half {
	struct qemu qemu;
	struct session session; /* its destination end is the test's */
	struct half half;
};

static void open_near_half(struct near_half *near, uint32_t links, int patience_ms)
{
	struct relay_options options;

	open_qemu(&near->qemu, links);
	open_session(&near->session, links);
	options = options_for(qemu_end(&near->qemu),
			      session_end(&near->session, AT_SOURCE));
	options.patience_ms = patience_ms;
	start_half(&near->half, &options);
}

static void close_near_half(struct near_half *near)
{
	stop_half(&near->half);
	close_end(&near->session, AT_SOURCE);
	close_end(&near->session, AT_DESTINATION);
	close_qemu(&near->qemu);
}

static void acknowledge(struct near_half *near, uint64_t page_bytes,
			uint64_t stream_bytes)
{
	struct session_ack ack = { .page_bytes = page_bytes,
				   .stream_bytes = stream_bytes };
	uint8_t bytes[SESSION_ACK_BYTES_MAX];
	uint32_t length = session_ack_write(bytes, &ack);

	CHECK_OK(session_link_write_bytes(near->session.main[AT_DESTINATION], SESSION_ACK,
					  bytes, length, &err),
		 &err);
}

static uint64_t in_flight(const struct near_half *near)
{
	struct relay_figures figures;

	relay_figures(near->half.relay, &figures);
	return figures.in_flight;
}

static void await_in_flight(const struct near_half *near, uint64_t bytes)
{
	uint64_t until_ns = clock_now_ns() + 20 * NS_PER_S;

	while (in_flight(near) != bytes) {
		CHECK(clock_now_ns() < until_ns);
		nap();
	}
}

/* Two pages on their way, and ten bytes of main. */
#define TWO_PAGES_BYTES (2 * (uint64_t)PAGE_BYTES + MULTIFD_PACKET_BYTES)

static void send_a_little(struct near_half *near)
{
	uint8_t body[SESSION_PACKET_BYTES_MAX];
	struct record_head head;
	struct port port;

	open_near_half(near, 1, PATIENCE_MS);
	port = qemu_port(near->qemu.far_pages[0]);
	write_pages(&port, 0, 2, 1);
	golden_load("qemu-11.1-none-multifd.main", golden);
	CHECK_OK(channel_write_bytes(near->qemu.far, golden, 10, &err), &err);
	do {
		CHECK_EQ(session_link_read_within(near->session.main[AT_DESTINATION],
						  10000, body, sizeof(body), &head, &err),
			 1);
	} while (head.type != SESSION_STREAM);
	CHECK_EQ(head.length, 10);
	await_in_flight(near, TWO_PAGES_BYTES);
}

TEST(acknowledgements_move_the_windows)
{
	struct near_half near;

	send_a_little(&near);
	acknowledge(&near, PAGE_BYTES, 5);
	await_in_flight(&near, TWO_PAGES_BYTES - PAGE_BYTES);
	acknowledge(&near, TWO_PAGES_BYTES, 10);
	await_in_flight(&near, 0);
	CHECK(!relay_failed(near.half.relay));
	close_near_half(&near);
}

static void check_lie(uint64_t page_bytes, uint64_t stream_bytes)
{
	struct near_half near;

	send_a_little(&near);
	acknowledge(&near, PAGE_BYTES, 5);
	acknowledge(&near, page_bytes, stream_bytes);
	await_failure(&near.half, GW_PEER, "more than was sent or fewer than before");
	check_cut(near.qemu.far);
	close_near_half(&near);
}

TEST(acknowledgements_that_cannot_be_are_refused)
{
	check_lie(TWO_PAGES_BYTES + 1, 10);
	check_lie(TWO_PAGES_BYTES, 11);
	check_lie(PAGE_BYTES - 1, 10);
	check_lie(TWO_PAGES_BYTES, 4);
	check_lie(UINT64_MAX, UINT64_MAX);
}

/* The next packet of a connection: false when none comes. */
static bool next_packet(struct near_half *near, int timeout_ms)
{
	static uint8_t body[SESSION_PACKET_BYTES_MAX];
	struct record_head head;
	int got = session_link_read_within(near->session.pages[AT_DESTINATION][0],
					   timeout_ms, body, sizeof(body), &head, &err);

	CHECK_OK(got, &err);
	return got > 0;
}

/* The least window is two of the largest packets, which are 15 of 16 pages and their headers. */
#define IN_WINDOW 15u
#define SIXTEEN_PAGES_BYTES (16 * PAGE_BYTES + MULTIFD_PACKET_BYTES)

TEST(no_more_is_taken_than_the_window_lets)
{
	struct near_half near;
	struct port port;

	open_near_half(&near, 1, PATIENCE_MS);
	port = qemu_port(near.qemu.far_pages[0]);
	for (uint32_t i = 0; i < IN_WINDOW; i++) {
		write_pages(&port, 0, 16, 1);
		CHECK(next_packet(&near, 10000));
	}
	write_pages(&port, 0, 16, 1);
	write_pages(&port, 0, 16, 1);
	CHECK(!next_packet(&near, A_WHILE_MS));
	CHECK_EQ(in_flight(&near), IN_WINDOW * SIXTEEN_PAGES_BYTES);
	acknowledge(&near, SIXTEEN_PAGES_BYTES, 0);
	CHECK(next_packet(&near, 10000));
	CHECK(!next_packet(&near, A_WHILE_MS));
	acknowledge(&near, 2 * SIXTEEN_PAGES_BYTES, 0);
	CHECK(next_packet(&near, 10000));
	close_near_half(&near);
}

/* ---- it breaks ---- */

TEST(the_silence_of_the_other_half_is_a_failure)
{
	struct near_half near;
	struct far_half far;

	open_near_half(&near, 1, 300);
	await_failure(&near.half, GW_PEER, "the other godwit: ");
	check_cut(near.qemu.far);
	check_read_on(near.qemu.far_pages[0]);
	close_near_half(&near);
	open_far_half(&far, 1, true, 300);
	await_failure(&far.half, GW_PEER, "the other godwit: ");
	check_nothing(far.qemu.far);
	check_nothing(far.qemu.far_pages[0]);
	close_far_half(&far);
}

enum stage { AT_FIRST, IN_MAIN, IN_A_BARRIER, AFTER_PAGES, STAGE_COUNT };

static void play_source(struct channel *main, struct channel *const *pages,
			enum stage stage)
{
	size_t length = golden_load("qemu-11.1-none-multifd.main", golden);

	if (stage >= IN_MAIN)
		CHECK_OK(channel_write_bytes(main, golden, stage == IN_MAIN ? 30 : length,
					     &err),
			 &err);
	for (uint32_t i = 0; i < 2 && stage == AFTER_PAGES; i++) {
		struct port port = qemu_port(pages[i]);

		write_sync(&port);
		write_pages(&port, 10 * i, 5, 1);
	}
}

/* As much as is to come out at this stage. */
static void await_stage(struct road *road, enum stage stage)
{
	size_t length = golden_load("qemu-11.1-none-multifd.main", golden);
	size_t first = flush_end(golden, length, 0);

	if (stage == IN_MAIN)
		check_bytes(road->destination.far, golden, 30);
	else if (stage == IN_A_BARRIER)
		check_bytes(road->destination.far, golden, first);
	else if (stage == AFTER_PAGES)
		check_bytes(road->destination.far, golden,
			    flush_end(golden, length, first));
}

static void check_drained_but_open(struct channel *channel)
{
	uint8_t bytes[4096];
	int more;

	while ((more = channel_wait(channel, A_WHILE_MS, &err)) > 0)
		if (channel_read_some(channel, bytes, sizeof(bytes), &err) <= 0)
			CHECK_FAIL("it has ended");
	CHECK_OK(more, &err);
}

/* The network goes, at every stage. */
TEST(a_cut_ends_main_of_the_source_and_nothing_of_the_destination)
{
	for (enum stage stage = AT_FIRST; stage < STAGE_COUNT; stage++) {
		struct road road;

		open_road(&road, 2, 2, 2, CODEC_NONE);
		play_source(road.source.far, road.source.far_pages, stage);
		await_stage(&road, stage);
		channel_cut(session_link_channel(road.session.main[AT_SOURCE]));
		await_failure(&road.here, GW_PEER, "the other");
		await_failure(&road.there, GW_PEER, "the other");
		check_cut(road.source.far);
		for (uint32_t i = 0; i < 2; i++)
			check_read_on(road.source.far_pages[i]);
		check_drained_but_open(road.destination.far);
		for (uint32_t i = 0; i < 2; i++)
			check_drained_but_open(road.destination.far_pages[i]);
		CHECK(!relay_ended(road.here.relay) && !relay_ended(road.there.relay));
		close_road(&road);
	}
}

/* One that is told by its page connections, and a QEMU that goes without a word. */
TEST(a_cut_page_connection_or_a_lost_qemu_ends_all)
{
	struct road road;

	open_road(&road, 2, 2, 2, CODEC_NONE);
	channel_cut(session_link_channel(road.session.pages[AT_SOURCE][1]));
	await_failure(&road.there, GW_PEER, "connection 1: packet 0: the other side");
	check_drained_but_open(road.destination.far);
	close_road(&road);
	open_road(&road, 1, 1, 1, CODEC_NONE);
	channel_cut(road.destination.far_pages[0]);
	{
		struct port port = qemu_port(road.source.far_pages[0]);

		write_pages(&port, 0, 1, 1);
	}
	await_failure(&road.there, GW_PEER, "QEMU's page channel 0: ");
	close_road(&road);
}

/* A QEMU that was cut off has not come to its end, and nobody is told that it has. */
TEST(a_cancel_at_the_source_is_no_end)
{
	for (int i = 0; i < 20; i++) {
		static uint8_t body[SESSION_PACKET_BYTES_MAX];
		struct near_half near;
		struct record_head head;

		open_near_half(&near, 0, PATIENCE_MS);
		CHECK_OK(channel_write_bytes(near.qemu.far, "abc", 3, &err), &err);
		if (i % 2 == 0)
			interrupt_sleep(NULL, 2 * NS_PER_MS);
		relay_cancel(near.half.relay);
		check_cut(near.qemu.far);
		interrupt_sleep(NULL, 5 * NS_PER_MS);
		CHECK(!relay_ended(near.half.relay));
		CHECK(!relay_failed(near.half.relay));
		CHECK_EQ(relay_error(near.half.relay, &err), -1);
		CHECK_EQ(err.kind, GW_CANCELLED);
		relay_stop(near.half.relay);
		near.half.relay = NULL;
		close_end(&near.session, AT_SOURCE);
		while (session_link_read_within(near.session.main[AT_DESTINATION], 10000,
						body, sizeof(body), &head, &err) > 0)
			CHECK(head.type != SESSION_END);
		close_end(&near.session, AT_DESTINATION);
		close_qemu(&near.qemu);
		queue_free(near.half.words);
		interrupt_free(near.half.interrupt);
	}
}

/* ---- cancelled, whatever it is at ---- */

/* Longer than its last record may take, on a busy machine. */
#define JOIN_NS (5 * NS_PER_S)

static void check_joins(struct half *half)
{
	uint64_t start_ns = clock_now_ns();

	interrupt_sleep(NULL, A_WHILE_NS);
	stop_half(half);
	CHECK(clock_now_ns() - start_ns < JOIN_NS);
}

/* As much as goes into it, by a QEMU or a godwit that then waits. */
static void stuff(struct channel *channel, uint32_t pages)
{
	struct port port = qemu_port(channel);

	channel_set_write_patience(channel, 100);
	for (;;) {
		static uint8_t payload[MULTIFD_PACKET_PAGES * PAGE_BYTES];
		struct multifd_packet packet = { .normal_pages = pages,
						 .payload_bytes = pages * 4096u };
		uint8_t header[MULTIFD_PACKET_BYTES];
		struct iovec iov[2] = { { header, sizeof(header) },
					{ payload, packet.payload_bytes } };

		for (uint32_t i = 0; i < pages; i++)
			packet.offsets[i] = i * PAGE_BYTES;
		multifd_packet_write(header, dialect_newest(), &ram_layout, &packet);
		if (port_write(&port, iov, 2, &err) < 0)
			return;
	}
}

/* Nobody reads the connections: it is in the middle of records. */
TEST(cancelled_while_the_network_takes_nothing)
{
	struct near_half near;

	open_near_half(&near, 2, PATIENCE_MS);
	stuff(near.qemu.far_pages[0], 100);
	stuff(near.qemu.far_pages[1], 1);
	CHECK(!relay_failed(near.half.relay));
	check_joins(&near.half);
	close_end(&near.session, AT_SOURCE);
	close_end(&near.session, AT_DESTINATION);
	close_qemu(&near.qemu);
}

TEST(cancelled_while_a_qemu_takes_nothing)
{
	struct road road;

	open_road(&road, 1, 2, 1, CODEC_ZSTD);
	stuff(road.source.far_pages[0], 100);
	CHECK(!relay_failed(road.there.relay) && !relay_failed(road.here.relay));
	check_joins(&road.there);
	check_joins(&road.here);
	close_end(&road.session, AT_SOURCE);
	close_end(&road.session, AT_DESTINATION);
	close_qemu(&road.source);
	close_qemu(&road.destination);
	open_road(&road, 0, 0, 0, CODEC_NONE);
	stuff(road.source.far, 100);
	CHECK(!relay_failed(road.there.relay) && !relay_failed(road.here.relay));
	check_joins(&road.here);
	check_joins(&road.there);
	close_end(&road.session, AT_SOURCE);
	close_end(&road.session, AT_DESTINATION);
	close_qemu(&road.source);
	close_qemu(&road.destination);
}

/* All is read, and nothing is acknowledged. */
TEST(cancelled_while_main_waits_for_its_window)
{
	static uint8_t body[SESSION_PACKET_BYTES_MAX];
	static const uint8_t piece[20000];
	struct record_head head = { .length = 1 };
	struct near_half near;
	size_t came = 0, said = 0;
	int got;

	open_near_half(&near, 0, PATIENCE_MS);
	for (; said < 60 * sizeof(piece); said += sizeof(piece)) {
		CHECK_OK(channel_write_bytes(near.qemu.far, piece, sizeof(piece), &err),
			 &err);
		while ((got = session_link_read_within(near.session.main[AT_DESTINATION],
						       came < 1000000 ? 1 : A_WHILE_MS,
						       body, sizeof(body), &head, &err)) >
		       0)
			came += head.type == SESSION_STREAM ? head.length : 0;
		CHECK_OK(got, &err);
	}
	CHECK(came > 900000 && came < said);
	check_joins(&near.half);
	close_end(&near.session, AT_SOURCE);
	close_end(&near.session, AT_DESTINATION);
	close_qemu(&near.qemu);
}

TEST(cancelled_in_a_barrier)
{
	struct far_half far;
	size_t length = golden_load("qemu-11.1-none-multifd.main", golden);

	open_far_half(&far, 2, true, PATIENCE_MS);
	say_main(far.session.main[AT_SOURCE], golden, length);
	{
		struct port port = link_port(far.session.pages[AT_SOURCE][0]);

		write_sync(&port);
	}
	check_joins(&far.half);
	close_end(&far.session, AT_SOURCE);
	close_end(&far.session, AT_DESTINATION);
	close_qemu(&far.qemu);
}

/* ---- somebody who never pauses ---- */

struct chatter {
	struct session_link *link;
	enum session_record type;
	pthread_t thread;
};

static void *run_chatter(void *state)
{
	struct chatter *chatter = state;
	const char *text = chatter->type == SESSION_CONTROL ? "{}" : "";
	struct gw_error error;

	while (session_link_write_bytes(chatter->link, chatter->type, text, strlen(text),
					&error) == 0)
		;
	return NULL;
}

static void check_chatter(enum session_record type)
{
	struct far_half far;
	struct chatter chatters[2];

	open_far_half(&far, 0, true, PATIENCE_MS);
	for (int i = 0; i < 2; i++) {
		chatters[i] = (struct chatter){ far.session.main[AT_SOURCE], type, 0 };
		CHECK_EQ(pthread_create(&chatters[i].thread, NULL, run_chatter,
					&chatters[i]),
			 0);
	}
	check_joins(&far.half);
	channel_cut(session_link_channel(far.session.main[AT_DESTINATION]));
	for (int i = 0; i < 2; i++)
		pthread_join(chatters[i].thread, NULL);
	close_end(&far.session, AT_SOURCE);
	close_end(&far.session, AT_DESTINATION);
	close_qemu(&far.qemu);
}

TEST(cancelled_while_somebody_talks_without_a_pause)
{
	check_chatter(SESSION_CONTROL);
	check_chatter(SESSION_STREAM);
	check_chatter(SESSION_END);
}

/* More than it looks at: all of them are there, so no wait would see the interrupt. */
#define MANY_RECORDS 2000u

TEST(what_has_come_by_the_end_is_not_read_for_ever)
{
	static uint8_t records[MANY_RECORDS * SESSION_HEAD_BYTES];
	struct relay_options options;
	struct far_half far;

	open_session(&far.session, 0);
	open_qemu(&far.qemu, 0);
	for (uint32_t i = 0; i < MANY_RECORDS; i++)
		record_write_head(records + i * SESSION_HEAD_BYTES, SESSION_STREAM, i,
				  NULL, 0);
	CHECK_OK(channel_write_bytes(session_link_channel(far.session.main[AT_SOURCE]),
				     records, sizeof(records), &err),
		 &err);
	far.half.interrupt = interrupt_new(&err);
	CHECK(far.half.interrupt);
	interrupt_raise(far.half.interrupt);
	options = options_for(session_end(&far.session, AT_DESTINATION),
			      qemu_end(&far.qemu));
	far.half.relay = relay_start(&options, far.half.interrupt, &err);
	CHECK(far.half.relay);
	relay_stop(far.half.relay);
	CHECK(session_link_expected(far.session.main[AT_DESTINATION]) < 100);
	interrupt_free(far.half.interrupt);
	close_end(&far.session, AT_SOURCE);
	close_end(&far.session, AT_DESTINATION);
	close_qemu(&far.qemu);
}

TEST(a_godwit_that_goes_without_an_end_has_failed)
{
	struct far_half far;

	open_far_half(&far, 0, true, PATIENCE_MS);
	close_end(&far.session, AT_SOURCE);
	await_failure(&far.half, GW_PEER,
		      "the other godwit closed the connection in mid-migration");
	close_far_half(&far);
}

/* ---- what cannot be followed ---- */

static size_t strange_section(void)
{
	size_t length = golden_load("qemu-11.1-none-multifd.main", golden);
	size_t start = 0;

	/* The ram section gets another name. */
	while (memcmp(golden + start, "ram", 3) != 0) {
		start++;
		CHECK(start + 3 < length);
	}
	memcpy(golden + start, "rom", 3);
	return length;
}

TEST(sections_that_cannot_be_followed_go_without_page_channels)
{
	struct near_half near;
	struct road road;
	size_t length = strange_section();

	open_near_half(&near, 1, PATIENCE_MS);
	CHECK_OK(channel_write_bytes(near.qemu.far, golden, length, &err), &err);
	await_failure(&near.half, GW_UNSUPPORTED, "--qemu-channels 0");
	close_near_half(&near);
	open_road(&road, 0, 0, 0, CODEC_NONE);
	CHECK_OK(channel_write_bytes(road.source.far, golden, length, &err), &err);
	check_bytes(road.destination.far, golden, length);
	CHECK(!relay_failed(road.here.relay) && !relay_failed(road.there.relay));
	close_road(&road);
}

/* ---- one-sided ---- */

static void check_one_sided(bool guarded)
{
	struct relay_figures figures;
	struct qemu source, destination;
	struct relay_options options;
	struct half half;
	size_t length, first;

	open_qemu(&source, 2);
	open_qemu(&destination, 3);
	options = options_for(qemu_end(&source), qemu_end(&destination));
	options.guarded = guarded;
	options.aligned = guarded;
	start_half(&half, &options);
	length = golden_load("qemu-11.1-none-multifd.main", golden);
	first = flush_end(golden, length, 0);
	CHECK_OK(channel_write_bytes(source.far, golden, length, &err), &err);
	check_bytes(destination.far, golden, first);
	if (guarded)
		check_nothing(destination.far);
	for (uint32_t i = 0; i < 2; i++) {
		struct port port = qemu_port(source.far_pages[i]);

		write_sync(&port);
		write_pages(&port, 8 * i, 8, 1);
		for (int barrier = 1; barrier < GOLDEN_BARRIERS; barrier++)
			write_sync(&port);
	}
	check_bytes(destination.far, golden + first, length - first);
	finish_qemu(&source);
	memset(&landed, 0, sizeof(landed));
	for (uint32_t i = 0; i < 3 * GOLDEN_BARRIERS; i++)
		land_epoch(destination.far_pages[i % 3], &landed);
	CHECK_EQ(landed.normal, 16);
	await_ended(&half);
	relay_figures(half.relay, &figures);
	CHECK_EQ(figures.in_flight, 0);
	CHECK(figures.most_in_flight > 8 * PAGE_BYTES);
	stop_half(&half);
	close_qemu(&source);
	close_qemu(&destination);
}

TEST(one_godwit_between_two_qemus)
{
	check_one_sided(true);
	check_one_sided(false);
}

TEST(page_channels_on_one_side_only_are_refused)
{
	struct interrupt *interrupt = interrupt_new(&err);
	struct qemu source, destination;
	struct relay_options options;

	for (uint32_t from = 0; from < 2; from++) {
		open_qemu(&source, from);
		open_qemu(&destination, 1 - from);
		options = options_for(qemu_end(&source), qemu_end(&destination));
		CHECK(!relay_start(&options, interrupt, &err));
		CHECK_CONTAINS(err.text, "page channels");
		CHECK_EQ(err.kind, GW_USAGE);
		close_qemu(&source);
		close_qemu(&destination);
	}
	interrupt_free(interrupt);
}

TEST_MAIN(TEST_OF(main_goes_both_ways_at_once_verbatim),
	  TEST_OF(what_the_destination_says_is_told_in_figures),
	  TEST_OF(pages_cross_any_numbers_of_channels_in_any_format),
	  TEST_OF(what_real_qemus_wrote_arrives_whole),
	  TEST_OF(what_is_behind_a_barrier_waits_for_every_sync),
	  TEST_OF(without_a_guardian_nothing_waits),
	  TEST_OF(page_channels_that_end_before_a_barrier_are_a_failure),
	  TEST_OF(it_has_ended_when_main_and_all_page_channels_have),
	  TEST_OF(words_are_delivered_in_order_but_for_alive),
	  TEST_OF(records_out_of_place_are_refused),
	  TEST_OF(bytes_behind_the_end_of_main_are_refused),
	  TEST_OF(acknowledgements_move_the_windows),
	  TEST_OF(acknowledgements_that_cannot_be_are_refused),
	  TEST_OF(no_more_is_taken_than_the_window_lets),
	  TEST_OF(the_silence_of_the_other_half_is_a_failure),
	  TEST_OF(a_cut_ends_main_of_the_source_and_nothing_of_the_destination),
	  TEST_OF(a_cut_page_connection_or_a_lost_qemu_ends_all),
	  TEST_OF(a_cancel_at_the_source_is_no_end),
	  TEST_OF(cancelled_while_the_network_takes_nothing),
	  TEST_OF(cancelled_while_a_qemu_takes_nothing), TEST_OF(cancelled_in_a_barrier),
	  TEST_OF(cancelled_while_main_waits_for_its_window),
	  TEST_OF(what_has_come_by_the_end_is_not_read_for_ever),
	  TEST_OF(a_godwit_that_goes_without_an_end_has_failed),
	  TEST_OF(cancelled_while_somebody_talks_without_a_pause),
	  TEST_OF(sections_that_cannot_be_followed_go_without_page_channels),
	  TEST_OF(one_godwit_between_two_qemus),
	  TEST_OF(page_channels_on_one_side_only_are_refused))
