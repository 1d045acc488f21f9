/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* send_channel_test.c - what a page channel does while its engine works. */
#include "tests/check.h"

#include <assert.h>

#include "migrate/send_channel.h"

#define PACKETS 5u
#define PAYLOAD_BYTES 100u
#define SENT_BYTES (MULTIFD_PACKET_BYTES + PAYLOAD_BYTES)

/* ---- an engine that is done only when it is waited for, or at once ---- */

static struct {
	bool at_once;
	uint32_t fails_at;    /* the job that cannot be encoded, from 1; 0: none */
	struct channel *wire; /* where its channel writes to */
	struct job *inside;
	uint32_t submitted;
	uint32_t overlapped; /* packets that were written while another was inside */
	uint64_t written_at_submit;
	uint8_t payloads[JOB_SLOTS][PAYLOAD_BYTES];
} slow;

static int slow_probe(const struct engine *engine, struct gw_error *err)
{
	return 0;
}

static void *slow_open(const struct engine *engine, const struct engine_options *options,
		       struct gw_error *err)
{
	return &slow;
}

static int slow_submit(void *state, struct job *job, struct gw_error *err)
{
	assert(!slow.inside);
	slow.inside = job;
	slow.submitted++;
	slow.written_at_submit = channel_bytes_written(slow.wire);
	return 0;
}

static int slow_reap(void *state, bool wait, struct gw_error *err)
{
	struct job *job = slow.inside;

	assert(job);
	if (!wait && !slow.at_once)
		return 0;
	if (slow.submitted == slow.fails_at)
		return fail(err, GW_UNSUPPORTED, "slow engine");
	slow.overlapped +=
		(uint32_t)((channel_bytes_written(slow.wire) - slow.written_at_submit) /
			   SENT_BYTES);
	memset(slow.payloads[job->slot], (int)slow.submitted, PAYLOAD_BYTES);
	job->pieces[0] = (struct span){ slow.payloads[job->slot], PAYLOAD_BYTES };
	job->piece_count = 1;
	job->produced_bytes = PAYLOAD_BYTES;
	slow.inside = NULL;
	return 1;
}

static void slow_close(void *state)
{
}

static const struct engine slow_engine = {
	.name = "slow",
	.codec = CODEC_ZLIB,
	.probe = slow_probe,
	.open = slow_open,
	.submit = slow_submit,
	.reap = slow_reap,
	.close = slow_close,
};

/* ---- a channel, and who reads what it sends ---- */

struct line {
	struct ram ram;
	struct layout_block block;
	struct layout layout;
	struct interrupt *interrupt;
	struct outcome outcome;
	struct queue *inbox;
	struct channel *reads;
	struct send_channel *channel;
	struct send_channel_options options;
	uint64_t next_packet;
};

/* `pages` of them, none of them zero. */
static void line_open(struct line *line, enum codec_id codec, uint32_t pages)
{
	struct channel *ends[2];
	struct gw_error err;

	*line = (struct line){ .block = { .name = "ram" }, .next_packet = 7 };
	line->layout = (struct layout){ &line->block, 1, 1, UINT64_MAX };
	line->interrupt = interrupt_new(&err);
	line->inbox = queue_new(sizeof(struct sender_event), 4, &err);
	outcome_init(&line->outcome, line->interrupt);
	ram_init(&line->ram);
	CHECK_OK(ram_allocate(&line->ram, "ram", pages * PAGE_BYTES, &err), &err);
	memset(line->ram.blocks[0]->host, 'x', pages * PAGE_BYTES);
	line->block.length_bytes = pages * PAGE_BYTES;
	CHECK_OK(channel_pair(ends, NULL, &err), &err);
	line->reads = ends[1];
	slow.wire = ends[0];
	line->options = (struct send_channel_options){
		.dialect = dialect_by_name("qemu-10.0", &err),
		.layout = &line->layout,
		.batcher = batcher_new(&line->ram, &err),
		.codec = codec_by_id(codec),
		.engine = &slow_engine,
		.next_packet = &line->next_packet,
		.inbox = line->inbox,
		.outcome = &line->outcome,
	};
	line->channel = send_channel_start(&line->options, ends[0], &err);
	CHECK(line->channel);
}

static void line_close(struct line *line)
{
	send_channel_stop(line->channel, false);
	channel_free(line->reads);
	batcher_free(line->options.batcher);
	ram_deinit(&line->ram);
	queue_free(line->inbox);
	interrupt_free(line->interrupt);
}

static void zero(struct line *line, uint32_t first, uint32_t count)
{
	memset(line->ram.blocks[0]->host + first * PAGE_BYTES, 0, count * PAGE_BYTES);
}

/* All pages, and what the channel says of it. */
static void run_round(struct line *line, enum sender_event_type expected)
{
	struct sender_event event;

	batcher_mark_all(line->options.batcher);
	batcher_begin_round(line->options.batcher);
	send_channel_round(line->channel);
	CHECK_EQ(queue_take(line->inbox, &event, 10000), QUEUE_ITEM);
	CHECK_EQ(event.type, expected);
}

/* The next packet and, if it has one, its payload's number. */
static uint32_t read_packet(struct line *line, struct multifd_packet *packet)
{
	uint8_t header[MULTIFD_PACKET_BYTES], payload[PAYLOAD_BYTES] = { 0 };
	struct gw_error err;

	CHECK_OK(channel_read_exactly(line->reads, header, sizeof(header), &err), &err);
	CHECK_OK(multifd_packet_read(header, &line->layout, packet, &err), &err);
	if (packet->normal_pages > 0) {
		CHECK_EQ(packet->payload_bytes, PAYLOAD_BYTES);
		CHECK_OK(channel_read_exactly(line->reads, payload, PAYLOAD_BYTES, &err),
			 &err);
	}
	return payload[0];
}

/* ---- one round of PACKETS packets ---- */

static void send_packets(bool at_once)
{
	struct multifd_packet packet;
	struct line line;

	memset(&slow, 0, sizeof(slow));
	slow.at_once = at_once;
	line_open(&line, CODEC_ZLIB, PACKETS * BATCH_PAGES_MAX);
	run_round(&line, EVENT_SYNCED);
	CHECK_EQ(slow.submitted, PACKETS);
	CHECK_EQ(send_channel_counters(line.channel)->methods[CODEC_ZLIB].packets,
		 PACKETS);
	/* All of them, in order, before the SYNC. */
	for (uint32_t i = 0; i < PACKETS; i++) {
		CHECK_EQ(read_packet(&line, &packet), i + 1);
		CHECK_EQ(packet.number, 7 + i);
		CHECK_EQ(packet.normal_pages, BATCH_PAGES_MAX);
		CHECK_EQ(packet.offsets[0], i * BATCH_PAGES_MAX * PAGE_BYTES);
	}
	read_packet(&line, &packet);
	CHECK(packet.sync);
	line_close(&line);
}

TEST(while_the_engine_works_on_one_packet_the_one_before_is_sent)
{
	send_packets(false);
	/* The last one has none behind it. */
	CHECK_EQ(slow.overlapped, PACKETS - 1);
}

TEST(what_is_done_at_once_is_sent_at_once)
{
	send_packets(true);
	CHECK_EQ(slow.overlapped, 0);
}

/* ---- what needs no engine ---- */

/* It has nothing to wait for, and leaves what the engine has in hand alone. */
TEST(packet_of_zeros_overtakes_the_one_in_the_engine)
{
	/* Of 128 pages each: 0 and 3 with contents. */
	static const struct {
		uint32_t batch, payload;
	} expected[] = { { 1, 0 }, { 2, 0 }, { 0, 1 }, { 3, 2 } };
	struct multifd_packet packet;
	struct line line;

	memset(&slow, 0, sizeof(slow));
	line_open(&line, CODEC_ZLIB, 4 * BATCH_PAGES_MAX);
	zero(&line, BATCH_PAGES_MAX, 2 * BATCH_PAGES_MAX);
	run_round(&line, EVENT_SYNCED);
	for (uint32_t i = 0; i < 4; i++) {
		bool data = expected[i].payload > 0;

		CHECK_EQ(read_packet(&line, &packet), expected[i].payload);
		CHECK_EQ(packet.number, 7 + i);
		CHECK_EQ(packet.normal_pages, data ? BATCH_PAGES_MAX : 0);
		CHECK_EQ(packet.zero_pages, data ? 0 : BATCH_PAGES_MAX);
		for (uint32_t j = 0; j < BATCH_PAGES_MAX; j++)
			CHECK_EQ(packet.offsets[j],
				 (expected[i].batch * BATCH_PAGES_MAX + j) * PAGE_BYTES);
	}
	read_packet(&line, &packet);
	CHECK(packet.sync);
	line_close(&line);
}

static void check_zeros_in_rounds(enum codec_id codec, uint32_t zeros_later)
{
	struct multifd_packet packet;
	struct line line;

	memset(&slow, 0, sizeof(slow));
	line_open(&line, codec, 2);
	zero(&line, 0, 1);
	for (uint32_t round = 0; round < 3; round++) {
		uint32_t zeros = round == 0 ? 1 : zeros_later;

		run_round(&line, EVENT_SYNCED);
		read_packet(&line, &packet);
		CHECK_EQ(packet.zero_pages, zeros);
		CHECK_EQ(packet.normal_pages, 2 - zeros);
		read_packet(&line, &packet);
		CHECK(packet.sync);
	}
	line_close(&line);
}

/* QEMU's receiver of uadk would keep what was in such a page before. */
TEST(uadk_has_zero_pages_in_its_first_round_only)
{
	check_zeros_in_rounds(CODEC_ZLIB, 1);
	check_zeros_in_rounds(CODEC_UADK, 0);
}

/* ---- it does not go well ---- */

static void check_failure_at(uint32_t job)
{
	struct gw_error none = { 0 }, err;
	struct line line;

	memset(&slow, 0, sizeof(slow));
	slow.fails_at = job;
	line_open(&line, CODEC_ZLIB, PACKETS * BATCH_PAGES_MAX);
	run_round(&line, EVENT_WAKE);
	outcome_error(&line.outcome, &none, &err);
	CHECK_EQ(err.kind, GW_UNSUPPORTED);
	CHECK_STR(err.text, "channel 0: slow engine");
	CHECK(interrupt_raised(line.interrupt));
	/* Those before it are sent, and nothing of it. */
	CHECK_EQ(send_channel_counters(line.channel)->packets, job - 1);
	line_close(&line);
}

TEST(an_engine_that_fails_ends_the_channel)
{
	for (uint32_t job = 1; job <= PACKETS; job++)
		check_failure_at(job);
}

/* ---- counters ---- */

TEST(every_counter_is_in_the_sum)
{
	uint64_t values[sizeof(struct counters) / sizeof(uint64_t)];
	unsigned count = sizeof(values) / sizeof(values[0]);
	struct counters one, sum = { 0 };

	for (unsigned i = 0; i < count; i++)
		values[i] = i + 1;
	memcpy(&one, values, sizeof(one));
	counters_sum(&sum, &one);
	counters_sum(&sum, &one);
	memcpy(values, &sum, sizeof(sum));
	for (unsigned i = 0; i < count; i++)
		CHECK_EQ(values[i], 2 * (i + 1));
}

TEST_MAIN(TEST_OF(while_the_engine_works_on_one_packet_the_one_before_is_sent),
	  TEST_OF(what_is_done_at_once_is_sent_at_once),
	  TEST_OF(packet_of_zeros_overtakes_the_one_in_the_engine),
	  TEST_OF(uadk_has_zero_pages_in_its_first_round_only),
	  TEST_OF(an_engine_that_fails_ends_the_channel),
	  TEST_OF(every_counter_is_in_the_sum))
