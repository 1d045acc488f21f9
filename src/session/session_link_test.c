/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* session_link_test.c - records over a channel: whole, in order, intact, or refused for good. */
#include "session/session_link.h"

#include <pthread.h>

#include "base/clock.h"
#include "base/interrupt.h"
#include "channel/fault.h"
#include "tests/check.h"

/* ---- a channel in memory, which counts calls and can be slow or refuse ---- */

struct memory {
	uint8_t bytes[8192];
	size_t written, read;
	unsigned write_calls;
	unsigned refuse_call; /* this call of write fails; 0: none */
	size_t piece;	      /* most that one read gives; 0: all there is */
	uint64_t wait_ns;     /* each byte takes so long to come */
};

static ptrdiff_t memory_read(void *state, const struct iovec *into, int count,
			     int timeout_ms, struct gw_error *err)
{
	struct memory *memory = state;
	size_t length = memory->written - memory->read;

	if (length > into->iov_len)
		length = into->iov_len;
	if (memory->piece > 0 && length > memory->piece)
		length = memory->piece;
	memcpy(into->iov_base, memory->bytes + memory->read, length);
	memory->read += length;
	return (ptrdiff_t)length;
}

static ptrdiff_t memory_write(void *state, const struct iovec *from, int count,
			      int timeout_ms, struct gw_error *err)
{
	struct memory *memory = state;
	size_t before = memory->written;

	if (++memory->write_calls == memory->refuse_call)
		return fail(err, GW_SYSTEM, "no more");
	for (int i = 0; i < count; i++) {
		if (from[i].iov_len > sizeof(memory->bytes) - memory->written)
			return fail(err, GW_SYSTEM, "memory is full");
		if (from[i].iov_len > 0)
			memcpy(memory->bytes + memory->written, from[i].iov_base,
			       from[i].iov_len);
		memory->written += from[i].iov_len;
	}
	return (ptrdiff_t)(memory->written - before);
}

static int memory_wait(void *state, int timeout_ms, struct gw_error *err)
{
	struct memory *memory = state;
	uint64_t left_ns = (uint64_t)timeout_ms * NS_PER_MS;

	if (timeout_ms >= 0 && left_ns < memory->wait_ns) {
		interrupt_sleep(NULL, left_ns);
		return 0;
	}
	if (memory->wait_ns > 0)
		interrupt_sleep(NULL, memory->wait_ns);
	return 1;
}

static void memory_nothing(void *state)
{
}

static void memory_set_interrupt(void *state, const struct interrupt *interrupt)
{
}

static const struct channel_ops memory_ops = {
	.name = "memory",
	.read = memory_read,
	.write = memory_write,
	.wait = memory_wait,
	.finish = memory_nothing,
	.cut = memory_nothing,
	.set_interrupt = memory_set_interrupt,
	.close = memory_nothing,
};

static struct session_link *link_over(struct memory *memory)
{
	struct gw_error err = { 0 };
	struct session_link *link =
		session_link_new(channel_new(&memory_ops, memory, &err), &err);

	CHECK(link);
	return link;
}

/* ---- both ends in this process ---- */

struct ends {
	struct session_link *near, *far;
};

static struct ends make_ends(void)
{
	struct gw_error err = { 0 };
	struct channel *channels[2];
	struct ends ends;

	CHECK_OK(channel_pair(channels, NULL, &err), &err);
	ends.near = session_link_new(channels[0], &err);
	ends.far = session_link_new(channels[1], &err);
	CHECK(ends.near && ends.far);
	return ends;
}

static void free_ends(struct ends *ends)
{
	session_link_free(ends->near);
	session_link_free(ends->far);
}

static void say(struct session_link *link, enum session_record type, const char *body)
{
	struct gw_error err = { 0 };

	CHECK_OK(session_link_write_bytes(link, type, body, strlen(body), &err), &err);
}

static void check_next(struct session_link *link, enum session_record type,
		       const char *body)
{
	struct record_head head;
	struct gw_error err = { 0 };
	char text[64] = "";
	struct iovec iov = { .iov_base = text };
	uint64_t before = session_link_expected(link);

	if (session_link_read_head(link, &head, &err) != 1)
		CHECK_FAIL("%s", err.text);
	CHECK_EQ(head.type, type);
	CHECK_EQ(head.sequence, before);
	CHECK_EQ(head.length, strlen(body));
	CHECK_EQ(session_link_expected(link), before);
	iov.iov_len = head.length;
	CHECK_OK(session_link_read_body(link, &iov, 1, &err), &err);
	CHECK_EQ(session_link_expected(link), before + 1);
	CHECK_STR(text, body);
}

TEST(records_arrive_as_they_were_written)
{
	struct ends ends = make_ends();
	struct gw_error err = { 0 };
	struct record_head head;

	say(ends.near, SESSION_HELLO, "{}");
	say(ends.near, SESSION_STREAM, "QEVM");
	CHECK_OK(session_link_write(ends.near, SESSION_END, NULL, 0, &err), &err);
	say(ends.far, SESSION_CONTROL, "the other way has its own numbers");
	check_next(ends.far, SESSION_HELLO, "{}");
	check_next(ends.far, SESSION_STREAM, "QEVM");
	check_next(ends.far, SESSION_END, "");
	check_next(ends.near, SESSION_CONTROL, "the other way has its own numbers");
	session_link_free(ends.near);
	CHECK_EQ(session_link_read_head(ends.far, &head, &err), 0);
	session_link_free(ends.far);
}

TEST(a_record_of_many_pieces_is_one_write)
{
	struct memory memory = { 0 };
	OWNED(session_link) struct session_link *link = link_over(&memory);
	struct iovec body[SESSION_IOVECS_MAX];
	uint8_t pieces[SESSION_IOVECS_MAX][16], whole[sizeof(pieces)];
	struct iovec into = { whole, sizeof(whole) };
	struct gw_error err = { 0 };
	struct record_head head;

	for (int i = 0; i < SESSION_IOVECS_MAX; i++) {
		memset(pieces[i], i, sizeof(pieces[i]));
		body[i] = (struct iovec){ pieces[i], sizeof(pieces[i]) };
	}
	CHECK_OK(session_link_write(link, SESSION_PACKET, body, SESSION_IOVECS_MAX, &err),
		 &err);
	CHECK_EQ(memory.write_calls, 1);
	CHECK_EQ(memory.written, SESSION_HEAD_BYTES + sizeof(pieces));
	CHECK_EQ(session_link_read_head(link, &head, &err), 1);
	CHECK_EQ(head.length, sizeof(pieces));
	memory.piece = 7;
	CHECK_OK(session_link_read_body(link, &into, 1, &err), &err);
	CHECK(memcmp(whole, pieces, sizeof(pieces)) == 0);
}

#define WRITERS 4
#define RECORDS_EACH 300

struct writer_thread {
	struct session_link *link;
	uint8_t id;
	int status;
	struct gw_error err;
	pthread_t thread;
};

/* Records of different lengths, which say who wrote them and the how manieth they are. */
static void *write_many(void *opaque)
{
	struct writer_thread *writer = opaque;
	uint8_t body[SESSION_PACKET_BYTES_MIN + 700];

	for (uint16_t i = 0; i < RECORDS_EACH && writer->status == 0; i++) {
		struct iovec iov[2] = {
			{ body, 5 },
			{ body + 5, SESSION_PACKET_BYTES_MIN + i - 5u },
		};

		memset(body, writer->id, sizeof(body));
		memcpy(body + 1, &i, sizeof(i));
		writer->status = session_link_write(writer->link, SESSION_PACKET, iov, 2,
						    &writer->err);
	}
	return NULL;
}

static void read_many(struct session_link *link, uint16_t seen[WRITERS])
{
	uint8_t body[SESSION_PACKET_BYTES_MIN + 700];

	for (unsigned i = 0; i < WRITERS * RECORDS_EACH; i++) {
		struct gw_error err = { 0 };
		struct record_head head;
		struct iovec iov = { .iov_base = body };
		uint16_t number;

		if (session_link_read_head(link, &head, &err) != 1)
			CHECK_FAIL("%s", err.text);
		iov.iov_len = head.length;
		CHECK_OK(session_link_read_body(link, &iov, 1, &err), &err);
		CHECK(body[0] < WRITERS);
		memcpy(&number, body + 1, sizeof(number));
		CHECK_EQ(number, seen[body[0]]);
		CHECK_EQ(head.length, SESSION_PACKET_BYTES_MIN + number);
		seen[body[0]]++;
		for (uint32_t at = 3; at < head.length; at++)
			CHECK_EQ(body[at], body[0]);
	}
}

TEST(records_of_several_threads_do_not_interleave)
{
	struct ends ends = make_ends();
	struct writer_thread writers[WRITERS] = { 0 };
	uint16_t seen[WRITERS] = { 0 };

	for (uint8_t i = 0; i < WRITERS; i++) {
		writers[i].link = ends.near;
		writers[i].id = i;
		CHECK_EQ(pthread_create(&writers[i].thread, NULL, write_many,
					&writers[i]),
			 0);
	}
	read_many(ends.far, seen);
	for (unsigned i = 0; i < WRITERS; i++) {
		pthread_join(writers[i].thread, NULL);
		CHECK_OK(writers[i].status, &writers[i].err);
		CHECK_EQ(seen[i], RECORDS_EACH);
	}
	free_ends(&ends);
}

TEST(after_a_failed_write_none_is_tried_again)
{
	struct memory memory = { .refuse_call = 2 };
	OWNED(session_link) struct session_link *link = link_over(&memory);
	struct gw_error err = { 0 };

	say(link, SESSION_STREAM, "one");
	CHECK_EQ(session_link_write_bytes(link, SESSION_STREAM, "two", 3, &err), -1);
	CHECK_STR(err.text, "no more");
	CHECK_EQ(session_link_write_bytes(link, SESSION_STREAM, "three", 5, &err), -1);
	CHECK_STR(err.text, "an earlier record could not be written: no more");
	CHECK_EQ(err.kind, GW_SYSTEM);
	CHECK_EQ(memory.write_calls, 2);
	/* What was written before can still be read. */
	check_next(link, SESSION_STREAM, "one");
}

/* What a peer wrote, changed on its way, over a channel of its own. */
static struct session_link *link_with_flip(const struct memory *source, uint64_t at_byte,
					   struct memory *copy)
{
	const struct fault_plan plan = { .kind = FAULT_FLIP, .at_byte = at_byte };
	struct gw_error err = { 0 };
	struct channel *inner, *faulty;
	struct session_link *link;

	*copy = *source;
	copy->read = 0;
	inner = channel_new(&memory_ops, copy, &err);
	CHECK(inner);
	faulty = channel_fault(inner, &plan, NULL, &err);
	CHECK(faulty);
	link = session_link_new(faulty, &err);
	CHECK(link);
	return link;
}

TEST(a_flip_anywhere_ends_the_reading_for_good)
{
	struct memory source = { 0 };
	OWNED(session_link) struct session_link *writer = link_over(&source);

	say(writer, SESSION_STREAM, "first");
	say(writer, SESSION_STREAM, "second");
	for (uint64_t at = 0; at < SESSION_HEAD_BYTES + 5; at++) {
		struct memory copy;
		OWNED(session_link)
		struct session_link *link = link_with_flip(&source, at, &copy);
		struct gw_error err = { 0 };
		struct record_head head;
		char body[SESSION_STREAM_BYTES_MAX];
		struct iovec iov = { .iov_base = body };
		int got = session_link_read_head(link, &head, &err);

		if (got == 1) {
			iov.iov_len = head.length;
			got = session_link_read_body(link, &iov, 1, &err);
		}
		CHECK_EQ(got, -1);
		CHECK(err.kind == GW_PEER || err.kind == GW_UNSUPPORTED);
		CHECK_EQ(session_link_expected(link), 0);
		/* Not even by who would go on. */
		CHECK_EQ(session_link_read_body(link, &iov, 0, &err), -1);
		CHECK_EQ(session_link_read_within(link, 0, body, 64, &head, &err), -1);
		CHECK_STR(err.text, "an earlier record could not be read");
	}
}

TEST(an_end_within_a_record_is_no_end)
{
	static const char stream[] = "four";
	struct memory source = { 0 };
	OWNED(session_link) struct session_link *writer = link_over(&source);

	say(writer, SESSION_STREAM, stream);
	for (size_t length = 0; length < SESSION_HEAD_BYTES + 4; length++) {
		struct memory cut = source;
		OWNED(session_link) struct session_link *link = link_over(&cut);
		struct gw_error err = { 0 };
		struct record_head head;
		char body[4], text[64];
		struct iovec iov = { body, 4 };

		cut.read = 0;
		cut.written = length;
		if (length == 0) {
			CHECK_EQ(session_link_read_head(link, &head, &err), 0);
			continue;
		}
		if (length < SESSION_HEAD_BYTES) {
			CHECK_EQ(session_link_read_head(link, &head, &err), -1);
			snprintf(text, sizeof(text),
				 "record 0: closed after %zu of 24 bytes", length);
		} else {
			CHECK_EQ(session_link_read_head(link, &head, &err), 1);
			CHECK_EQ(session_link_read_body(link, &iov, 1, &err), -1);
			snprintf(text, sizeof(text),
				 "record 0: closed after %zu of 4 bytes",
				 length - SESSION_HEAD_BYTES);
		}
		CHECK_STR(err.text, text);
		CHECK_EQ(err.kind, GW_PEER);
	}
}

/* The raw bytes of two records, for a peer that sends them bit by bit. */
static size_t raw_records(struct memory *memory)
{
	struct session_link *writer = link_over(memory);

	say(writer, SESSION_CONTROL, "abc");
	say(writer, SESSION_STREAM, "de");
	session_link_free(writer);
	return memory->written;
}

TEST(what_has_come_of_a_record_is_kept_for_the_next_call)
{
	struct memory source = { 0 };
	size_t length = raw_records(&source);
	struct gw_error err = { 0 };
	struct channel *ends[2];
	OWNED(session_link) struct session_link *link = NULL;
	struct record_head head;
	char body[8] = "";
	unsigned records = 0;

	CHECK_OK(channel_pair(ends, NULL, &err), &err);
	link = session_link_new(ends[1], &err);
	CHECK(link);
	CHECK_EQ(session_link_read_within(link, 0, body, sizeof(body), &head, &err), 0);
	for (size_t i = 0; i < length; i++) {
		bool whole = i + 1 == SESSION_HEAD_BYTES + 3 || i + 1 == length;
		int got;

		CHECK_OK(channel_write_bytes(ends[0], source.bytes + i, 1, &err), &err);
		got = session_link_read_within(link, 0, body, sizeof(body), &head, &err);
		CHECK_EQ(got, whole ? 1 : 0);
		records += whole;
		CHECK_EQ(session_link_expected(link), records);
	}
	CHECK_STR(body, "dec");
	CHECK_EQ(head.type, SESSION_STREAM);
	CHECK_EQ(head.length, 2);
	channel_free(ends[0]);
	CHECK_EQ(session_link_read_within(link, 0, body, sizeof(body), &head, &err), -1);
	CHECK_STR(err.text, "record 2: the other side closed the connection");
}

/* Each byte is well in time, and all of them would take too long. */
TEST(a_record_has_its_time_in_all_and_not_a_byte)
{
	struct memory memory = { 0 };
	OWNED(session_link) struct session_link *link = NULL;
	struct gw_error err = { 0 };
	struct record_head head;
	char body[8];

	raw_records(&memory);
	memory.piece = 1;
	memory.wait_ns = 20 * NS_PER_MS;
	link = link_over(&memory);
	CHECK_EQ(session_link_read_within(link, 50, body, sizeof(body), &head, &err), 0);
	CHECK(memory.read < 4);
}

TEST(a_record_larger_than_its_room_is_refused_unread)
{
	struct memory memory = { 0 };
	OWNED(session_link) struct session_link *link = NULL;
	struct gw_error err = { 0 };
	struct record_head head;
	char body[2];

	raw_records(&memory);
	link = link_over(&memory);
	CHECK_EQ(session_link_read_within(link, 0, body, sizeof(body), &head, &err), -1);
	CHECK_EQ(err.kind, GW_PEER);
	CHECK_STR(err.text, "record 0: 3 bytes, at most 2 are allowed here");
	CHECK_EQ(memory.read, SESSION_HEAD_BYTES);
}

TEST(a_body_left_unread_ends_the_reading)
{
	struct ends ends = make_ends();
	struct gw_error err = { 0 };
	struct record_head head;

	say(ends.near, SESSION_STREAM, "unwanted");
	say(ends.near, SESSION_STREAM, "next");
	CHECK_EQ(session_link_read_head(ends.far, &head, &err), 1);
	for (int i = 0; i < 2; i++) {
		CHECK_EQ(session_link_read_head(ends.far, &head, &err), -1);
		CHECK_EQ(err.kind, GW_PEER);
		CHECK_STR(err.text, "an earlier record could not be read");
	}
	CHECK_EQ(session_link_expected(ends.far), 0);
	free_ends(&ends);
}

/* ---- interrupted ---- */

static uint8_t packet[SESSION_PACKET_BYTES_MAX];

struct interrupted {
	struct session_link *link;
	int status;
	struct gw_error err;
};

static void *run_interrupted(void *state)
{
	struct interrupted *writer = state;

	writer->status = session_link_write_bytes(writer->link, SESSION_PACKET, packet,
						  sizeof(packet), &writer->err);
	return NULL;
}

/* The record is larger than what a socket holds, so the interrupt comes in the middle of it. */
TEST(an_interrupt_ends_no_record_and_last_words_follow)
{
	static uint8_t came[SESSION_PACKET_BYTES_MAX];
	struct ends ends = make_ends();
	struct gw_error err = { 0 };
	OWNED(interrupt) struct interrupt *interrupt = interrupt_new(&err);
	struct interrupted writer = { .link = ends.near };
	struct iovec body = { came, sizeof(came) };
	struct record_head head;
	pthread_t thread;

	CHECK(interrupt);
	for (size_t i = 0; i < sizeof(packet); i++)
		packet[i] = (uint8_t)(i * 31 >> 8);
	channel_set_interrupt(session_link_channel(ends.near), interrupt);
	CHECK_EQ(pthread_create(&thread, NULL, run_interrupted, &writer), 0);
	CHECK_EQ(session_link_read_head(ends.far, &head, &err), 1);
	interrupt_raise(interrupt);
	CHECK_OK(session_link_read_body(ends.far, &body, 1, &err), &err);
	pthread_join(thread, NULL);
	CHECK(memcmp(came, packet, sizeof(packet)) == 0);
	CHECK(writer.status == 0 || writer.err.kind == GW_CANCELLED);
	say(ends.near, SESSION_CONTROL, "bye");
	check_next(ends.far, SESSION_CONTROL, "bye");
	free_ends(&ends);
}

/* Nobody reads: what has not begun is left, and what has begun is given up in the end. */
TEST(an_interrupted_record_that_nobody_takes_is_given_up)
{
	struct ends ends = make_ends();
	struct gw_error err = { 0 };
	OWNED(interrupt) struct interrupt *interrupt = interrupt_new(&err);

	CHECK(interrupt);
	channel_set_interrupt(session_link_channel(ends.near), interrupt);
	interrupt_raise(interrupt);
	CHECK_EQ(session_link_write_bytes(ends.near, SESSION_PACKET, packet,
					  sizeof(packet), &err),
		 -1);
	CHECK_EQ(err.kind, GW_CANCELLED);
	CHECK_EQ(session_link_write_bytes(ends.near, SESSION_CONTROL, "{}", 2, &err), -1);
	CHECK_STR(err.text, "an earlier record could not be written: cancelled");
	free_ends(&ends);
}

/* All that a connection holds, of nothing in particular; returns how much. */
static size_t fill(struct channel *channel)
{
	static const uint8_t bytes[4096];
	struct gw_error err;

	channel_set_write_patience(channel, 0);
	while (channel_write_bytes(channel, bytes, sizeof(bytes), &err) == 0)
		;
	return channel_bytes_written(channel);
}

struct drain {
	struct channel *from;
	size_t length;
};

static void *run_drain(void *state)
{
	const struct drain *drain = state;
	static uint8_t bytes[1 << 20];
	struct gw_error err;

	interrupt_sleep(NULL, 20 * NS_PER_MS);
	(void)channel_read_exactly(drain->from, bytes, drain->length, &err);
	return NULL;
}

TEST(what_an_interrupt_keeps_from_beginning_breaks_nothing)
{
	struct ends ends = make_ends();
	struct channel *near = session_link_channel(ends.near);
	struct gw_error err = { 0 };
	OWNED(interrupt) struct interrupt *interrupt = interrupt_new(&err);
	struct drain drain = { session_link_channel(ends.far), fill(near) };
	pthread_t thread;

	CHECK(interrupt);
	CHECK(drain.length < 1 << 20);
	channel_set_write_patience(near, 10000);
	channel_set_interrupt(near, interrupt);
	interrupt_raise(interrupt);
	CHECK_EQ(session_link_write_bytes(ends.near, SESSION_STREAM, "no", 2, &err), -1);
	CHECK_EQ(err.kind, GW_CANCELLED);
	CHECK_STR(err.text, "cancelled");
	/* Words wait a while. */
	CHECK_EQ(pthread_create(&thread, NULL, run_drain, &drain), 0);
	say(ends.near, SESSION_CONTROL, "bye");
	pthread_join(thread, NULL);
	check_next(ends.far, SESSION_CONTROL, "bye");
	free_ends(&ends);
}

TEST_MAIN(TEST_OF(records_arrive_as_they_were_written),
	  TEST_OF(a_record_of_many_pieces_is_one_write),
	  TEST_OF(records_of_several_threads_do_not_interleave),
	  TEST_OF(after_a_failed_write_none_is_tried_again),
	  TEST_OF(a_flip_anywhere_ends_the_reading_for_good),
	  TEST_OF(an_end_within_a_record_is_no_end),
	  TEST_OF(what_has_come_of_a_record_is_kept_for_the_next_call),
	  TEST_OF(a_record_has_its_time_in_all_and_not_a_byte),
	  TEST_OF(a_record_larger_than_its_room_is_refused_unread),
	  TEST_OF(a_body_left_unread_ends_the_reading),
	  TEST_OF(an_interrupt_ends_no_record_and_last_words_follow),
	  TEST_OF(an_interrupted_record_that_nobody_takes_is_given_up),
	  TEST_OF(what_an_interrupt_keeps_from_beginning_breaks_nothing))
