/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* inlet_outlet_test.c - packets in, across an exchange, and out again as other packets. */
#include "relay/outlet.h"

#include <assert.h>
#include <pthread.h>

#include "base/clock.h"
#include "base/queue.h"
#include "channel/fault.h"
#include "migrate/method.h"
#include "tests/check.h"

#define PAGE ((size_t)PAGE_BYTES)
#define LANES_MAX 4u

static struct gw_error err;

/* ---- one relay: ports, inlets, an exchange, outlets ---- */

struct side {
	struct interrupt *interrupt;
	struct outcome outcome;
	struct exchange *exchange;
	struct window *window; /* of the inlets, or NULL */
	struct inlet *inlets[LANES_MAX];
	struct outlet *outlets[LANES_MAX];
	uint32_t inlet_count, outlet_count, parcels;
	uint64_t next_packet;
	uint64_t delivered_bytes;
	struct queue *failures; /* of bool: one each time that failed() is called */
};

static void note_delivered(void *state, uint64_t bytes)
{
	struct side *side = state;

	__atomic_add_fetch(&side->delivered_bytes, bytes, __ATOMIC_SEQ_CST);
}

static void note_failed(void *state)
{
	struct side *side = state;
	bool yes = true;

	exchange_close(side->exchange);
	if (side->window)
		window_close(side->window);
	queue_give(side->failures, &yes);
}

static void open_side(struct side *side, uint32_t inlets, uint32_t outlets)
{
	*side = (struct side){ .parcels = 2 * (inlets + outlets) };
	side->interrupt = interrupt_new(&err);
	side->exchange = exchange_new(inlets, outlets, side->parcels, &err);
	side->failures = queue_new(sizeof(bool), 2 * LANES_MAX, &err);
	CHECK(side->interrupt && side->exchange && side->failures);
	outcome_init(&side->outcome, side->interrupt);
}

static void add_inlet(struct side *side, const struct port *port)
{
	struct inlet_options options = {
		.index = side->inlet_count,
		.name = "lane",
		.exchange = side->exchange,
		.window = side->window,
		.outcome = &side->outcome,
		.failed = note_failed,
		.state = side,
		.accelerator = ACCELERATOR_NONE,
	};
	struct inlet *inlet = inlet_start(&options, port, &err);

	CHECK(inlet);
	side->inlets[side->inlet_count++] = inlet;
}

static struct outlet_options outlet_options(struct side *side, enum codec_id codec)
{
	return (struct outlet_options){
		.index = side->outlet_count,
		.name = "way out",
		.exchange = side->exchange,
		.outcome = &side->outcome,
		.failed = note_failed,
		.delivered = note_delivered,
		.state = side,
		.dialect = dialect_newest(),
		.codec = codec_by_id(codec),
		.level = codec_by_id(codec)->level_default,
		.engine = codec == CODEC_NONE
				  ? NULL
				  : engine_choose(codec, ENCODE,
						  codec_by_id(codec)->level_default,
						  ACCELERATOR_NONE, &err),
		.next_packet = &side->next_packet,
	};
}

static void add_outlet(struct side *side, const struct port *port,
		       const struct outlet_options *options)
{
	struct outlet *outlet = outlet_start(options, port, &err);

	CHECK(outlet);
	side->outlets[side->outlet_count++] = outlet;
}

static void add_plain_outlet(struct side *side, const struct port *port,
			     enum codec_id codec)
{
	struct outlet_options options = outlet_options(side, codec);

	add_outlet(side, port, &options);
}

/* All have to have ended, or to be about to. */
static void close_side(struct side *side)
{
	for (uint32_t i = 0; i < side->inlet_count; i++)
		inlet_stop(side->inlets[i]);
	for (uint32_t i = 0; i < side->outlet_count; i++)
		outlet_stop(side->outlets[i]);
	exchange_free(side->exchange);
	window_free(side->window);
	queue_free(side->failures);
	interrupt_free(side->interrupt);
}

/* Every parcel is back: none was lost on a way that is seldom taken. */
static void check_parcels(struct side *side)
{
	for (uint32_t i = 0; i < side->parcels; i++)
		CHECK(exchange_borrow(side->exchange));
}

static void await_failure(struct side *side)
{
	bool yes;

	CHECK_EQ(queue_take(side->failures, &yes, 10000), QUEUE_ITEM);
}

static void check_error(struct side *side, enum gw_error_kind kind, const char *text)
{
	struct gw_error none = { 0 }, error;

	await_failure(side);
	outcome_error(&side->outcome, &none, &error);
	CHECK_STR(error.text, text);
	CHECK_EQ(error.kind, kind);
}

/* Joins the outlets, which is when they are done. */
static void join_outlets(struct side *side, bool done)
{
	for (uint32_t i = 0; i < side->outlet_count; i++) {
		while (done && !outlet_is_done(side->outlets[i]) &&
		       !outcome_failed(&side->outcome))
			nanosleep(&(struct timespec){ .tv_nsec = NS_PER_MS }, NULL);
		CHECK_EQ(outlet_is_done(side->outlets[i]), done);
	}
}

/* ---- connections ---- */

struct wire {
	struct port near, far; /* who writes, who reads */
};

static struct wire open_wire(bool link)
{
	struct channel *pair[2];
	struct wire wire = { .near.aligned = true };

	CHECK_OK(channel_pair(pair, NULL, &err), &err);
	if (!link) {
		wire.near.channel = pair[0];
		wire.far.channel = pair[1];
		return wire;
	}
	wire.near.link = session_link_new(pair[0], &err);
	wire.far.link = session_link_new(pair[1], &err);
	CHECK(wire.near.link && wire.far.link);
	return wire;
}

static void interrupt_wire(struct wire *wire, const struct interrupt *interrupt)
{
	channel_set_interrupt(wire->far.channel, interrupt);
}

static void end_wire(struct wire *wire)
{
	if (wire->near.channel)
		channel_finish(wire->near.channel);
	else
		CHECK_OK(port_finish(&wire->near, &err), &err);
}

static void close_wire(struct wire *wire)
{
	channel_free(wire->near.channel);
	channel_free(wire->far.channel);
	session_link_free(wire->near.link);
	session_link_free(wire->far.link);
}

/* ---- a QEMU that sends, a QEMU that receives ---- */

static struct layout_block ram_block = { "pc.ram", UINT64_MAX };
static const struct layout ram_layout = { &ram_block, 1, 1, UINT64_MAX };

/* Text rather than noise, so that every codec has something to do. */
static void fill_page(uint8_t *page, uint64_t number, uint32_t epoch)
{
	for (size_t i = 0; i + 8 <= PAGE; i += 8)
		store_be64(page + i, number * 1000 + epoch + i % 64);
}

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

/* Pages `first` and so on: `normal` with contents, then `zero`. */
static struct multifd_packet pages_packet(uint64_t first, uint32_t normal, uint32_t zero)
{
	struct multifd_packet packet = { .normal_pages = normal,
					 .zero_pages = zero,
					 .payload_bytes = normal * 4096u };

	for (uint32_t i = 0; i < normal + zero; i++)
		packet.offsets[i] = (first + i) * PAGE;
	return packet;
}

static void write_pages(struct port *to, uint64_t first, uint32_t normal, uint32_t zero,
			uint32_t epoch)
{
	static _Thread_local uint8_t payload[MULTIFD_PACKET_PAGES * PAGE_BYTES];
	struct multifd_packet packet = pages_packet(first, normal, zero);

	for (uint32_t i = 0; i < normal; i++)
		fill_page(payload + i * PAGE, first + i, epoch);
	write_packet(to, &packet, payload);
}

struct received {
	struct multifd_packet packet;
	struct layout_block block;
	uint8_t payload[MULTIFD_PAYLOAD_BYTES_MAX];
};

/* Without CHECK: also from threads.  1, 0 the end, -1. */
static int read_packet(struct port *from, struct received *got, struct gw_error *error)
{
	uint8_t header[MULTIFD_PACKET_BYTES];
	uint32_t came;
	int more = port_read_header(from, header, got->payload, &came, error);

	if (more <= 0)
		return more;
	if (multifd_packet_read_named(header, &got->block, &got->packet, error) < 0)
		return -1;
	if (came == PORT_NOT_YET && got->packet.payload_bytes > 0 &&
	    port_read_payload(from, got->payload, got->packet.payload_bytes, error) < 0)
		return -1;
	return 1;
}

static struct received got;

static void check_next(struct port *from)
{
	int more = read_packet(from, &got, &err);

	CHECK_OK(more, &err);
	CHECK_EQ(more, 1);
}

static void check_sync(struct port *from)
{
	check_next(from);
	CHECK(got.packet.sync);
	CHECK_EQ(got.packet.normal_pages + got.packet.zero_pages, 0);
	CHECK_EQ(got.packet.method, MULTIFD_NONE);
}

static void check_pages(struct port *from, uint64_t first, uint32_t normal, uint32_t zero,
			uint32_t epoch)
{
	uint8_t page[PAGE_BYTES];

	check_next(from);
	CHECK(!got.packet.sync);
	CHECK_EQ(got.packet.normal_pages, normal);
	CHECK_EQ(got.packet.zero_pages, zero);
	CHECK_STR(got.block.name, "pc.ram");
	for (uint32_t i = 0; i < normal + zero; i++)
		CHECK_EQ(got.packet.offsets[i], (first + i) * PAGE);
	for (uint32_t i = 0; i < normal; i++) {
		fill_page(page, first + i, epoch);
		CHECK(memcmp(got.payload + i * PAGE, page, PAGE) == 0);
	}
}

/* ---- one lane, method none on both sides ---- */

struct lane {
	struct side side;
	struct wire in, out;
};

static void open_lane(struct lane *lane)
{
	open_side(&lane->side, 1, 1);
	lane->in = open_wire(false);
	lane->out = open_wire(false);
	interrupt_wire(&lane->in, lane->side.interrupt);
}

static void start_lane(struct lane *lane)
{
	add_plain_outlet(&lane->side, &lane->out.near, CODEC_NONE);
	add_inlet(&lane->side, &lane->in.far);
}

static void close_lane(struct lane *lane)
{
	close_side(&lane->side);
	close_wire(&lane->in);
	close_wire(&lane->out);
}

TEST(packets_go_through_in_order_and_counted)
{
	struct lane lane;
	const struct counters *in, *out;

	open_lane(&lane);
	start_lane(&lane);
	lane.side.next_packet = 5;
	write_sync(&lane.in.near);
	write_pages(&lane.in.near, 10, 3, 2, 1);
	write_pages(&lane.in.near, 40, 1, 0, 1);
	write_sync(&lane.in.near);
	end_wire(&lane.in);
	check_sync(&lane.out.far);
	CHECK_EQ(got.packet.number, 5);
	check_pages(&lane.out.far, 10, 3, 2, 1);
	CHECK_EQ(got.packet.number, 6);
	check_pages(&lane.out.far, 40, 1, 0, 1);
	check_sync(&lane.out.far);
	CHECK_EQ(got.packet.number, 8);
	join_outlets(&lane.side, true);
	in = inlet_counters(lane.side.inlets[0]);
	out = outlet_counters(lane.side.outlets[0]);
	CHECK_EQ(counter_read(&in->packets), 4);
	CHECK_EQ(counter_read(&out->packets), 4);
	CHECK_EQ(counter_read(&in->normal_pages), 4);
	CHECK_EQ(counter_read(&out->normal_pages), 4);
	CHECK_EQ(counter_read(&in->zero_pages), 2);
	CHECK_EQ(counter_read(&out->zero_pages), 2);
	CHECK_EQ(counter_read(&in->syncs), 2);
	CHECK_EQ(counter_read(&out->syncs), 2);
	CHECK_EQ(counter_read(&in->methods[CODEC_NONE].payload_bytes), 4 * PAGE);
	CHECK_EQ(counter_read(&out->methods[CODEC_NONE].pages), 4);
	CHECK_EQ(counter_read(&out->methods[CODEC_NONE].packets), 2);
	CHECK_EQ(lane.side.delivered_bytes, 4 * PAGE + 2 * MULTIFD_PACKET_BYTES);
	CHECK(!inlet_engine(lane.side.inlets[0]));
	check_parcels(&lane.side);
	close_lane(&lane);
}

/* QEMU before 9.0. */
TEST(a_sync_on_a_packet_with_pages_comes_behind_them)
{
	uint8_t payload[PAGE_BYTES];
	struct multifd_packet packet = pages_packet(7, 1, 0);
	struct multifd_packet empty = { .block = -1, .payload_bytes = 0 };
	struct lane lane;

	open_lane(&lane);
	start_lane(&lane);
	fill_page(payload, 7, 0);
	packet.sync = true;
	write_packet(&lane.in.near, &packet, payload);
	write_packet(&lane.in.near, &empty, NULL); /* comes out nowhere */
	write_pages(&lane.in.near, 8, 1, 0, 0);
	end_wire(&lane.in);
	check_pages(&lane.out.far, 7, 1, 0, 0);
	check_sync(&lane.out.far);
	check_pages(&lane.out.far, 8, 1, 0, 0);
	join_outlets(&lane.side, true);
	close_lane(&lane);
}

/* ---- to a QEMU that speaks otherwise ---- */

static void check_zero_contents(uint32_t normal, uint32_t zero)
{
	CHECK_EQ(got.packet.normal_pages, normal + zero);
	CHECK_EQ(got.packet.zero_pages, 0);
	for (size_t i = normal * PAGE; i < (normal + zero) * PAGE; i++)
		CHECK_EQ(got.payload[i], 0);
}

TEST(zero_pages_have_contents_for_who_knows_no_others)
{
	struct outlet_options options;
	struct lane lane;

	open_lane(&lane);
	options = outlet_options(&lane.side, CODEC_NONE);
	options.dialect = dialect_by_name("qemu-8.2", &err);
	add_outlet(&lane.side, &lane.out.near, &options);
	add_inlet(&lane.side, &lane.in.far);
	write_pages(&lane.in.near, 0, 5, 20, 3);
	end_wire(&lane.in);
	check_next(&lane.out.far);
	check_zero_contents(5, 20);
	CHECK_EQ(got.payload[4 * PAGE + 7], (4 * 1000 + 3) & 0xff);
	join_outlets(&lane.side, true);
	/* What was taken in, whatever became of it. */
	CHECK_EQ(lane.side.delivered_bytes, 5 * PAGE + MULTIFD_PACKET_BYTES);
	close_lane(&lane);
}

TEST(a_packet_full_of_zeros_has_room_for_their_contents)
{
	struct outlet_options options;
	struct lane lane;

	open_lane(&lane);
	channel_set_read_patience(lane.out.far.channel, -1);
	options = outlet_options(&lane.side, CODEC_NONE);
	options.dialect = dialect_by_name("qemu-7.2", &err);
	add_outlet(&lane.side, &lane.out.near, &options);
	add_inlet(&lane.side, &lane.in.far);
	write_pages(&lane.in.near, 0, 0, 128, 3);
	end_wire(&lane.in);
	check_next(&lane.out.far);
	check_zero_contents(0, 128);
	CHECK_EQ(got.packet.offsets[127], 127 * PAGE);
	join_outlets(&lane.side, true);
	close_lane(&lane);
}

/* Zero pages that two epochs ask for: the second may have been data in between. */
static void check_zeros(enum codec_id codec, bool link, uint32_t zeros_later)
{
	struct lane lane;

	open_lane(&lane);
	close_wire(&lane.out);
	lane.out = open_wire(link);
	add_plain_outlet(&lane.side, &lane.out.near, codec);
	add_inlet(&lane.side, &lane.in.far);
	write_sync(&lane.in.near);
	write_pages(&lane.in.near, 0, 0, 2, 0);
	write_sync(&lane.in.near);
	write_pages(&lane.in.near, 0, 0, 2, 0);
	end_wire(&lane.in);
	check_sync(&lane.out.far);
	for (uint32_t round = 0; round < 2; round++) {
		check_next(&lane.out.far);
		CHECK_EQ(got.packet.zero_pages, round == 0 ? 2 : zeros_later);
		CHECK_EQ(got.packet.normal_pages + got.packet.zero_pages, 2);
		/* QEMU 9.0 and later look at it where there is no payload, too. */
		CHECK_EQ(got.packet.method, method_of_codec(codec));
		if (round == 0)
			check_sync(&lane.out.far);
	}
	join_outlets(&lane.side, true);
	close_lane(&lane);
}

TEST(zero_pages_are_named_as_the_method_asks)
{
	check_zeros(CODEC_ZLIB, false, 2);
	check_zeros(CODEC_QPL, false, 2);
	/* QEMU's receiver of uadk would keep what was there before. */
	check_zeros(CODEC_UADK, false, 0);
	check_zeros(CODEC_UADK, true, 2);
}

/* ---- an engine that works while its channel writes ---- */

#define SLOW_BYTES 100u

static struct {
	struct job *inside;
	uint32_t submitted;
	struct channel *wire;
	uint64_t written_at_submit;
	uint32_t overlapped; /* packets written while another was inside */
	uint32_t fails_at;
	uint8_t payloads[JOB_SLOTS][SLOW_BYTES];
} slow;

static void *slow_open(const struct engine *engine, const struct engine_options *options,
		       struct gw_error *error)
{
	return &slow;
}

static int slow_submit(void *state, struct job *job, struct gw_error *error)
{
	assert(!slow.inside);
	slow.inside = job;
	slow.submitted++;
	slow.written_at_submit = channel_bytes_written(slow.wire);
	return 0;
}

static int slow_reap(void *state, bool wait, struct gw_error *error)
{
	struct job *job = slow.inside;

	assert(job);
	if (!wait)
		return 0;
	if (slow.submitted == slow.fails_at)
		return fail(error, GW_UNSUPPORTED, "slow engine");
	slow.overlapped +=
		(uint32_t)((channel_bytes_written(slow.wire) - slow.written_at_submit) /
			   (MULTIFD_PACKET_BYTES + SLOW_BYTES));
	memset(slow.payloads[job->slot], (int)slow.submitted, SLOW_BYTES);
	job->pieces[0] = (struct span){ slow.payloads[job->slot], SLOW_BYTES };
	job->piece_count = 1;
	slow.inside = NULL;
	return 1;
}

static void slow_close(void *state)
{
}

static const struct engine slow_engine = {
	.name = "slow",
	.codec = CODEC_ZLIB,
	.open = slow_open,
	.submit = slow_submit,
	.reap = slow_reap,
	.close = slow_close,
};

static void start_slow_outlet(struct lane *lane, uint32_t fails_at)
{
	struct outlet_options options = outlet_options(&lane->side, CODEC_ZLIB);

	memset(&slow, 0, sizeof(slow));
	slow.wire = lane->out.near.channel;
	slow.fails_at = fails_at;
	options.engine = &slow_engine;
	add_outlet(&lane->side, &lane->out.near, &options);
}

/* Puts what an inlet would have read. */
static void put_parcel(struct side *side, uint64_t page)
{
	struct parcel *parcel = exchange_borrow(side->exchange);

	CHECK(parcel);
	parcel->packet = pages_packet(page, 1, 0);
	parcel->block = ram_block;
	exchange_put(side->exchange, parcel);
}

TEST(while_the_engine_works_on_one_parcel_the_one_before_is_written)
{
	struct lane lane;

	open_lane(&lane);
	/* All are there before the outlet is. */
	for (uint64_t i = 0; i < 4; i++)
		put_parcel(&lane.side, i);
	CHECK(exchange_sync(lane.side.exchange));
	exchange_end(lane.side.exchange);
	start_slow_outlet(&lane, 0);
	for (uint8_t i = 0; i < 4; i++) {
		check_next(&lane.out.far);
		CHECK_EQ(got.packet.offsets[0], i * PAGE);
		CHECK_EQ(got.packet.payload_bytes, SLOW_BYTES);
		CHECK_EQ(got.payload[0], i + 1);
	}
	/* Behind the one that was still in the engine. */
	check_sync(&lane.out.far);
	join_outlets(&lane.side, true);
	CHECK_EQ(slow.overlapped, 3);
	CHECK_EQ(lane.side.delivered_bytes, 4 * (PAGE + MULTIFD_PACKET_BYTES));
	check_parcels(&lane.side);
	close_lane(&lane);
}

TEST(with_nothing_to_do_what_is_in_the_engine_is_written)
{
	struct lane lane;

	open_lane(&lane);
	start_slow_outlet(&lane, 0);
	for (uint64_t i = 0; i < 3; i++) {
		put_parcel(&lane.side, i);
		check_next(&lane.out.far);
		CHECK_EQ(got.packet.offsets[0], i * PAGE);
	}
	exchange_end(lane.side.exchange);
	join_outlets(&lane.side, true);
	close_lane(&lane);
}

TEST(at_the_end_what_is_in_the_engine_is_written)
{
	struct lane lane;

	open_lane(&lane);
	put_parcel(&lane.side, 0);
	put_parcel(&lane.side, 1);
	exchange_end(lane.side.exchange);
	start_slow_outlet(&lane, 0);
	join_outlets(&lane.side, true);
	end_wire(&lane.out);
	check_next(&lane.out.far);
	check_next(&lane.out.far);
	CHECK_EQ(got.packet.offsets[0], PAGE);
	CHECK_EQ(read_packet(&lane.out.far, &got, &err), 0);
	close_lane(&lane);
}

TEST(an_engine_that_fails_ends_the_relay)
{
	struct lane lane;

	open_lane(&lane);
	start_slow_outlet(&lane, 2);
	put_parcel(&lane.side, 0);
	put_parcel(&lane.side, 1);
	check_error(&lane.side, GW_UNSUPPORTED, "way out 0: slow engine");
	CHECK(!exchange_borrow(lane.side.exchange));
	join_outlets(&lane.side, false);
	close_lane(&lane);
}

/* ---- what is refused ---- */

static void refuse(const void *bytes, size_t length, enum gw_error_kind kind,
		   const char *text)
{
	struct lane lane;

	open_lane(&lane);
	start_lane(&lane);
	write_sync(&lane.in.near);
	CHECK_OK(channel_write_bytes(lane.in.near.channel, bytes, length, &err), &err);
	end_wire(&lane.in);
	check_error(&lane.side, kind, text);
	await_failure(&lane.side); /* the outlet's, since the exchange is closed */
	CHECK(interrupt_raised(lane.side.interrupt));
	join_outlets(&lane.side, false);
	close_lane(&lane);
}

TEST(broken_packets_are_refused_by_place)
{
	uint8_t bytes[MULTIFD_PACKET_BYTES + 64] = { 0 };
	struct multifd_packet packet = pages_packet(7, 1, 0);

	refuse("x", 1, GW_PEER,
	       "lane 0: packet 1: header from byte 1: closed after 0 of 11 bytes");
	multifd_packet_write(bytes, dialect_newest(), &ram_layout, &packet);
	refuse(bytes, sizeof(bytes), GW_PEER,
	       "lane 0: packet 1: payload: closed after 64 of 4096 bytes");
	packet.method = MULTIFD_ZSTD;
	packet.payload_bytes = 64;
	multifd_packet_write(bytes, dialect_newest(), &ram_layout, &packet);
	refuse(bytes, sizeof(bytes), GW_PEER,
	       "lane 0: packet 1: zstd: decompressStream answered \"Unknown frame "
	       "descriptor\" after 0 of 4096 bytes in a payload of 64");
	packet.offsets[0] = 1;
	multifd_packet_write(bytes, dialect_newest(), &ram_layout, &packet);
	refuse(bytes, sizeof(bytes), GW_PEER,
	       "lane 0: packet 1: multifd packet: offset 0x1, expected a multiple of "
	       "0x1000");
	store_be32(bytes + 8, MULTIFD_FLAG_DEVICE_STATE);
	refuse(bytes, 276, GW_UNSUPPORTED,
	       "lane 0: packet 1: multifd packet: device state, which is not supported: "
	       "set x-migration-multifd-transfer=off on the vfio-pci device");
}

TEST(a_links_payload_is_as_long_as_its_header_says)
{
	struct multifd_packet packet = pages_packet(7, 2, 0);
	uint8_t header[MULTIFD_PACKET_BYTES], payload[3 * PAGE_BYTES] = { 0 };
	static const size_t lengths[] = { 0, PAGE_BYTES, 3 * PAGE_BYTES };
	char text[96];

	for (size_t i = 0; i < 3; i++) {
		struct iovec iov[2] = { { header, sizeof(header) },
					{ payload, lengths[i] } };
		struct lane lane;

		open_lane(&lane);
		close_wire(&lane.in);
		lane.in = open_wire(true);
		start_lane(&lane);
		multifd_packet_write(header, dialect_newest(), &ram_layout, &packet);
		CHECK_OK(port_write(&lane.in.near, iov, 2, &err), &err);
		snprintf(text, sizeof(text),
			 "lane 0: packet 0: payload of %zu bytes, its header says 8192",
			 lengths[i]);
		check_error(&lane.side, GW_PEER, text);
		close_lane(&lane);
	}
}

TEST(a_channel_that_ends_before_the_others_is_noticed)
{
	struct wire out = open_wire(false), in[2];
	struct side side;

	open_side(&side, 2, 1);
	add_plain_outlet(&side, &out.near, CODEC_NONE);
	for (int i = 0; i < 2; i++) {
		in[i] = open_wire(false);
		interrupt_wire(&in[i], side.interrupt);
		write_sync(&in[i].near);
		add_inlet(&side, &in[i].far);
	}
	end_wire(&in[0]);
	check_sync(&out.far);
	write_sync(&in[1].near);
	check_error(&side, GW_PEER,
		    "lane 1: packet 1: a SYNC, which another one of them ended without");
	CHECK(exchange_ended_early(side.exchange));
	close_side(&side);
	close_wire(&in[0]);
	close_wire(&in[1]);
	close_wire(&out);
}

TEST(a_receiver_that_is_gone_is_told_by_place)
{
	struct lane lane;

	open_lane(&lane);
	start_lane(&lane);
	channel_free(MOVE(lane.out.far.channel));
	write_sync(&lane.in.near);
	check_error(&lane.side, GW_PEER,
		    "way out 0: the other side closed the connection");
	close_lane(&lane);
}

TEST(an_interrupt_ends_the_wait_for_packets_without_an_error)
{
	struct lane lane;

	open_lane(&lane);
	start_lane(&lane);
	write_sync(&lane.in.near);
	check_sync(&lane.out.far);
	interrupt_raise(lane.side.interrupt);
	await_failure(&lane.side);
	await_failure(&lane.side);
	CHECK(!outcome_failed(&lane.side.outcome));
	join_outlets(&lane.side, false);
	close_lane(&lane);
}

TEST(what_need_not_be_waited_for_is_not_read_after_an_interrupt)
{
	struct lane lane;

	open_lane(&lane);
	write_sync(&lane.in.near);
	interrupt_raise(lane.side.interrupt);
	add_inlet(&lane.side, &lane.in.far);
	await_failure(&lane.side);
	CHECK_EQ(channel_bytes_read(lane.in.far.channel), 0);
	close_lane(&lane);
}

/* ---- connections that misbehave ---- */

#define RECORD_HEAD(link_) ((link_) ? SESSION_HEAD_BYTES : 0)

/* A SYNC, two pages, a SYNC: where each ends. */
static void find_ends(bool link, uint64_t ends[3])
{
	ends[0] = RECORD_HEAD(link) + MULTIFD_PACKET_BYTES;
	ends[1] = 2 * ends[0] + 2 * PAGE;
	ends[2] = ends[1] + ends[0];
}

static void open_faulty_lane(struct lane *lane, bool link, enum fault_kind kind,
			     uint64_t at_byte)
{
	const struct fault_plan plan = { .kind = kind, .at_byte = at_byte };
	struct port *far = &lane->in.far;

	open_lane(lane);
	far->channel = channel_fault(far->channel, &plan, lane->side.interrupt, &err);
	CHECK(far->channel);
	if (link) {
		far->link = session_link_new(MOVE(far->channel), &err);
		lane->in.near.link = session_link_new(MOVE(lane->in.near.channel), &err);
		CHECK(far->link && lane->in.near.link);
	}
	/* All of it first: a cut is felt by who writes, too. */
	write_sync(&lane->in.near);
	write_pages(&lane->in.near, 5, 2, 0, 0);
	write_sync(&lane->in.near);
	end_wire(&lane->in);
	start_lane(lane);
}

/* So many of the three came out, and as they went in. */
static void check_arrived(struct lane *lane, uint32_t count)
{
	end_wire(&lane->out);
	if (count > 0)
		check_sync(&lane->out.far);
	if (count > 1)
		check_pages(&lane->out.far, 5, 2, 0, 0);
	if (count > 2)
		check_sync(&lane->out.far);
	CHECK_EQ(read_packet(&lane->out.far, &got, &err), 0);
}

static void cut_at(bool link, uint64_t at_byte)
{
	uint32_t whole = 0;
	uint64_t ends[3];
	struct lane lane;

	find_ends(link, ends);
	while (whole < 3 && at_byte >= ends[whole])
		whole++;
	open_faulty_lane(&lane, link, FAULT_CUT, at_byte);
	/* A link has to say that it ends. */
	if (!link && (at_byte == ends[0] || at_byte == ends[1])) {
		join_outlets(&lane.side, true);
		check_arrived(&lane, whole);
	} else {
		await_failure(&lane.side);
		CHECK(outcome_failed(&lane.side.outcome));
		CHECK_EQ(lane.side.outcome.error.kind, GW_PEER);
		CHECK_CONTAINS(lane.side.outcome.error.text, "closed ");
	}
	close_lane(&lane);
}

TEST(a_cut_inside_a_packet_is_an_error_and_between_two_an_end)
{
	for (int link = 0; link < 2; link++) {
		uint64_t ends[3];

		find_ends(link, ends);
		for (uint64_t at = 1; at < ends[2]; at += 211)
			cut_at(link, at);
		for (uint32_t i = 0; i < 2; i++) {
			cut_at(link, ends[i] - 1);
			cut_at(link, ends[i]);
			cut_at(link, ends[i] + 1);
		}
	}
}

TEST(no_flipped_bit_gets_past_a_link)
{
	uint64_t ends[3];

	find_ends(true, ends);
	for (uint64_t at = 0; at < ends[2]; at += 61) {
		struct lane lane;

		open_faulty_lane(&lane, true, FAULT_FLIP, at);
		await_failure(&lane.side);
		CHECK(outcome_failed(&lane.side.outcome));
		CHECK(lane.side.outcome.error.kind == GW_PEER ||
		      lane.side.outcome.error.kind == GW_UNSUPPORTED);
		CHECK_CONTAINS(lane.side.outcome.error.text, "record ");
		close_lane(&lane);
	}
}

TEST(packets_may_come_byte_by_byte)
{
	for (int link = 0; link < 2; link++) {
		struct lane lane;

		open_faulty_lane(&lane, link, FAULT_SPLIT, 0);
		join_outlets(&lane.side, true);
		check_arrived(&lane, 3);
		close_lane(&lane);
	}
}

/* ---- the window ---- */

static uint64_t still_clock(void)
{
	return 0;
}

TEST(payloads_wait_for_the_window)
{
	const uint64_t each = 2 * PAGE + MULTIFD_PACKET_BYTES;
	struct lane lane;

	open_lane(&lane);
	lane.side.window = window_new(2 * each, 300, still_clock, &err);
	start_lane(&lane);
	for (uint64_t i = 0; i < 5; i++)
		write_pages(&lane.in.near, 10 * i, 2, 0, 0);
	write_pages(&lane.in.near, 900, 0, 1, 0);
	end_wire(&lane.in);
	for (uint64_t i = 0; i < 5; i++) {
		check_pages(&lane.out.far, 10 * i, 2, 0, 0);
		CHECK(window_delivered(lane.side.window, (i + 1) * each));
	}
	/* A packet counts, even if it has nothing behind its header. */
	check_pages(&lane.out.far, 900, 0, 1, 0);
	CHECK_EQ(window_in_flight(lane.side.window), MULTIFD_PACKET_BYTES);
	join_outlets(&lane.side, true);
	CHECK_EQ(lane.side.delivered_bytes, 5 * each + MULTIFD_PACKET_BYTES);
	CHECK(window_most_in_flight(lane.side.window) <= 2 * each);
	close_lane(&lane);
}

TEST(without_room_in_the_window_nothing_is_taken)
{
	struct lane lane;

	open_lane(&lane);
	lane.side.window = window_new(PAGE, 300, still_clock, &err);
	start_lane(&lane);
	write_pages(&lane.in.near, 0, 1, 0, 0);
	write_pages(&lane.in.near, 1, 1, 0, 0);
	check_pages(&lane.out.far, 0, 1, 0, 0);
	CHECK_EQ(channel_wait(lane.out.far.channel, 30, &err), 0);
	CHECK_EQ(channel_bytes_read(lane.in.far.channel),
		 2 * MULTIFD_PACKET_BYTES + PAGE);
	window_close(lane.side.window);
	await_failure(&lane.side);
	CHECK(!outcome_failed(&lane.side.outcome));
	close_lane(&lane);
}

/* ---- two relays, one behind the other, from a QEMU to a QEMU ---- */

#define GUEST_PAGES 96u
#define EPOCHS 6u

struct journey {
	struct side first, second;
	struct wire in[LANES_MAX], middle[LANES_MAX], out[LANES_MAX];
	uint32_t ins, middles, outs;
	bool link;		   /* in the middle */
	pthread_barrier_t barrier; /* the destination's, over its channels */
	uint8_t memory[GUEST_PAGES][PAGE_BYTES];
	uint32_t written[GUEST_PAGES]; /* the epoch of its last write, from 1; 0: zero */
	uint64_t seed;
};

struct reader {
	struct journey *journey;
	struct port *port;
	pthread_t thread;
	struct received got;
	struct gw_error error;
	int ended; /* as read_packet() */
	uint32_t syncs;
};

static void apply(struct journey *j, const struct received *packet)
{
	uint32_t normal = packet->packet.normal_pages;

	for (uint32_t i = 0; i < normal + packet->packet.zero_pages; i++) {
		uint8_t *page = j->memory[packet->packet.offsets[i] / PAGE];

		if (i < normal)
			memcpy(page, packet->payload + i * PAGE, PAGE);
		else
			memset(page, 0, PAGE);
	}
}

static void *read_all(void *state)
{
	struct reader *reader = state;

	while ((reader->ended = read_packet(reader->port, &reader->got, &reader->error)) >
	       0) {
		apply(reader->journey, &reader->got);
		if (!reader->got.packet.sync)
			continue;
		reader->syncs++;
		pthread_barrier_wait(&reader->journey->barrier);
	}
	return NULL;
}

/* Each page at most once an epoch, by any channel: contents, or zeros, or not. */
static void write_epoch(struct journey *j, uint32_t epoch)
{
	for (uint64_t page = 0; page < GUEST_PAGES;) {
		struct port *to = &j->in[check_random(&j->seed) % j->ins].near;
		uint32_t normal = (uint32_t)(check_random(&j->seed) % 5);
		uint32_t zero = (uint32_t)(check_random(&j->seed) % 3);

		if (page + normal + zero > GUEST_PAGES)
			break;
		if (normal + zero > 0)
			write_pages(to, page, normal, zero, epoch);
		for (uint32_t i = 0; i < normal + zero; i++)
			j->written[page + i] = i < normal ? epoch : 0;
		page += normal + zero + check_random(&j->seed) % 4;
	}
	for (uint32_t i = 0; i < j->ins; i++)
		write_sync(&j->in[i].near);
}

static void open_journey(struct journey *j, enum codec_id codec)
{
	open_side(&j->first, j->ins, j->middles);
	open_side(&j->second, j->middles, j->outs);
	pthread_barrier_init(&j->barrier, NULL, j->outs);
	for (uint32_t i = 0; i < j->outs; i++) {
		j->out[i] = open_wire(false);
		add_plain_outlet(&j->second, &j->out[i].near, CODEC_NONE);
	}
	for (uint32_t i = 0; i < j->middles; i++) {
		j->middle[i] = open_wire(j->link);
		add_inlet(&j->second, &j->middle[i].far);
		add_plain_outlet(&j->first, &j->middle[i].near, codec);
	}
	for (uint32_t i = 0; i < j->ins; i++) {
		j->in[i] = open_wire(false);
		add_inlet(&j->first, &j->in[i].far);
	}
}

/* A relay is through when its outlets are; then what they wrote to ends. */
static void end_journey(struct journey *j)
{
	for (uint32_t i = 0; i < j->ins; i++)
		end_wire(&j->in[i]);
	join_outlets(&j->first, true);
	for (uint32_t i = 0; i < j->middles; i++)
		end_wire(&j->middle[i]);
	join_outlets(&j->second, true);
	for (uint32_t i = 0; i < j->outs; i++)
		end_wire(&j->out[i]);
}

static void check_memory(const struct journey *j)
{
	uint8_t page[PAGE_BYTES];

	for (uint32_t i = 0; i < GUEST_PAGES; i++) {
		memset(page, 0, PAGE);
		if (j->written[i] > 0)
			fill_page(page, i, j->written[i]);
		CHECK(memcmp(j->memory[i], page, PAGE) == 0);
	}
}

static void close_journey(struct journey *j)
{
	check_parcels(&j->first);
	check_parcels(&j->second);
	/* A link carries just what was taken in. */
	if (j->link)
		CHECK_EQ(j->first.delivered_bytes, j->second.delivered_bytes);
	close_side(&j->first);
	close_side(&j->second);
	for (uint32_t i = 0; i < LANES_MAX; i++) {
		close_wire(&j->in[i]);
		close_wire(&j->middle[i]);
		close_wire(&j->out[i]);
	}
	pthread_barrier_destroy(&j->barrier);
}

static void travel(uint32_t ins, uint32_t middles, uint32_t outs, enum codec_id codec,
		   bool link, uint64_t seed)
{
	static struct journey j;
	static struct reader readers[LANES_MAX];

	memset(&j, 0, sizeof(j));
	j.ins = ins;
	j.middles = middles;
	j.outs = outs;
	j.seed = seed;
	j.link = link;
	open_journey(&j, codec);
	for (uint32_t i = 0; i < outs; i++) {
		readers[i] = (struct reader){ .journey = &j, .port = &j.out[i].far };
		CHECK_EQ(pthread_create(&readers[i].thread, NULL, read_all, &readers[i]),
			 0);
	}
	for (uint32_t epoch = 1; epoch <= EPOCHS; epoch++)
		write_epoch(&j, epoch);
	end_journey(&j);
	for (uint32_t i = 0; i < outs; i++) {
		pthread_join(readers[i].thread, NULL);
		CHECK_OK(readers[i].ended, &readers[i].error);
		CHECK_EQ(readers[i].syncs, EPOCHS);
	}
	check_memory(&j);
	for (uint32_t i = 0; i < middles; i++)
		if (codec == CODEC_NONE)
			CHECK(!inlet_engine(j.second.inlets[i]));
	close_journey(&j);
}

static uint64_t choose_seed(void)
{
	const char *given = getenv("CHECK_SEED");
	uint64_t seed = given ? strtoull(given, NULL, 0) : clock_now_ns();

	printf("CHECK_SEED=%" PRIu64 "\n", seed);
	return seed;
}

TEST(a_guest_arrives_by_every_method_over_channels_and_links)
{
	uint64_t seed = choose_seed();

	for (enum codec_id codec = CODEC_NONE; codec < CODEC_COUNT; codec++) {
		travel(2, 2, 2, codec, false, check_random(&seed));
		travel(2, 2, 2, codec, true, check_random(&seed));
	}
}

TEST(numbers_of_channels_may_differ_at_each_hop)
{
	static const uint32_t counts[][3] = { { 1, 1, 1 }, { 1, 4, 1 }, { 4, 1, 4 },
					      { 2, 3, 1 }, { 1, 2, 3 }, { 3, 2, 4 } };
	uint64_t seed = choose_seed();

	for (size_t i = 0; i < 6; i++)
		travel(counts[i][0], counts[i][1], counts[i][2], CODEC_ZSTD, true,
		       check_random(&seed));
}

/* ---- methods that change from packet to packet ---- */

static void write_raw_qpl(struct port *to, uint64_t first, uint32_t count)
{
	static uint8_t payload[MULTIFD_PAYLOAD_BYTES_MAX];
	struct multifd_packet packet = pages_packet(first, count, 0);

	packet.method = MULTIFD_QPL;
	packet.payload_bytes = count * 4100u;
	for (uint32_t i = 0; i < count; i++) {
		store_be32(payload + i * 4u, 4096);
		fill_page(payload + count * 4u + i * PAGE, first + i, 0);
	}
	write_packet(to, &packet, payload);
}

static void check_mixture(bool link)
{
	struct lane lane;

	open_lane(&lane);
	close_wire(&lane.in);
	lane.in = open_wire(link);
	start_lane(&lane);
	/* Longer than the pages that come of it, where none was seen before. */
	write_raw_qpl(&lane.in.near, 0, 128);
	check_pages(&lane.out.far, 0, 128, 0, 0);
	write_pages(&lane.in.near, 150, 4, 3, 0);
	check_pages(&lane.out.far, 150, 4, 3, 0);
	write_pages(&lane.in.near, 60, 4, 0, 0);
	check_pages(&lane.out.far, 60, 4, 0, 0);
	write_raw_qpl(&lane.in.near, 70, 3);
	check_pages(&lane.out.far, 70, 3, 0, 0);
	write_raw_qpl(&lane.in.near, 80, 3);
	check_pages(&lane.out.far, 80, 3, 0, 0);
	CHECK(inlet_engine(lane.side.inlets[0]));
	end_wire(&lane.in);
	join_outlets(&lane.side, true);
	CHECK_EQ(
		counter_read(
			&inlet_counters(lane.side.inlets[0])->methods[CODEC_QPL].packets),
		3);
	check_parcels(&lane.side);
	close_lane(&lane);
}

TEST(each_packets_method_is_its_own)
{
	check_mixture(false);
	check_mixture(true);
}

TEST_MAIN(TEST_OF(packets_go_through_in_order_and_counted),
	  TEST_OF(a_sync_on_a_packet_with_pages_comes_behind_them),
	  TEST_OF(zero_pages_have_contents_for_who_knows_no_others),
	  TEST_OF(a_packet_full_of_zeros_has_room_for_their_contents),
	  TEST_OF(zero_pages_are_named_as_the_method_asks),
	  TEST_OF(while_the_engine_works_on_one_parcel_the_one_before_is_written),
	  TEST_OF(with_nothing_to_do_what_is_in_the_engine_is_written),
	  TEST_OF(at_the_end_what_is_in_the_engine_is_written),
	  TEST_OF(an_engine_that_fails_ends_the_relay),
	  TEST_OF(broken_packets_are_refused_by_place),
	  TEST_OF(a_links_payload_is_as_long_as_its_header_says),
	  TEST_OF(a_channel_that_ends_before_the_others_is_noticed),
	  TEST_OF(a_receiver_that_is_gone_is_told_by_place),
	  TEST_OF(an_interrupt_ends_the_wait_for_packets_without_an_error),
	  TEST_OF(what_need_not_be_waited_for_is_not_read_after_an_interrupt),
	  TEST_OF(a_cut_inside_a_packet_is_an_error_and_between_two_an_end),
	  TEST_OF(no_flipped_bit_gets_past_a_link),
	  TEST_OF(packets_may_come_byte_by_byte), TEST_OF(payloads_wait_for_the_window),
	  TEST_OF(without_room_in_the_window_nothing_is_taken),
	  TEST_OF(a_guest_arrives_by_every_method_over_channels_and_links),
	  TEST_OF(numbers_of_channels_may_differ_at_each_hop),
	  TEST_OF(each_packets_method_is_its_own))
