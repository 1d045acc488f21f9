/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* relay_fuzz.c - a whole destination half, and any other godwit: main and its page connections.
 *
 * u8 how many page connections (0 to 3, and 0x80: with a guardian), then for each connection, main
 * first, be16 length and that many bytes of records; the last one takes what is left.  A record is
 * u8 type, be24 length and its body: number and checksum are made right.  All of it is there
 * before the relay starts, then every connection ends.
 *
 * Whatever comes, the relay ends or fails by itself, and what reaches QEMU's main is what was said
 * of it. */
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/cursor.h"
#include "relay/relay.h"
#include "session/hello.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define LINKS_MAX 3u
#define GUARDED 0x80u
#define LINK_BYTES_MAX 60000u /* what a socket holds unread */
#define FAR_TOO_LONG_MS 20000u

#define REQUIRE(condition)        \
	do {                      \
		if (!(condition)) \
			abort();  \
	} while (0)

/* ---- a QEMU that takes all and says nothing ---- */

struct sink {
	const struct interrupt *interrupt;
	const uint8_t *expected; /* NULL: whatever it is */
	size_t expected_bytes;
};

static ptrdiff_t sink_read(void *state, const struct iovec *into, int count,
			   int timeout_ms, struct gw_error *err)
{
	const struct sink *sink = state;

	while (interrupt_sleep(sink->interrupt, UINT64_C(1) << 40))
		;
	return fail(err, GW_CANCELLED, "cancelled");
}

static ptrdiff_t sink_write(void *state, const struct iovec *from, int count,
			    int timeout_ms, struct gw_error *err)
{
	struct sink *sink = state;
	ptrdiff_t length = 0;

	for (int i = 0; i < count; i++)
		length += (ptrdiff_t)from[i].iov_len;
	for (int i = 0; i < count && sink->expected; i++) {
		REQUIRE(from[i].iov_len <= sink->expected_bytes);
		REQUIRE(memcmp(from[i].iov_base, sink->expected, from[i].iov_len) == 0);
		sink->expected += from[i].iov_len;
		sink->expected_bytes -= from[i].iov_len;
	}
	return length;
}

static int sink_wait(void *state, int timeout_ms, struct gw_error *err)
{
	return 0;
}

static void sink_nothing(void *state)
{
}

static void sink_set_interrupt(void *state, const struct interrupt *interrupt)
{
	((struct sink *)state)->interrupt = interrupt;
}

static const struct channel_ops sink_ops = {
	.name = "sink",
	.read = sink_read,
	.write = sink_write,
	.wait = sink_wait,
	.finish = sink_nothing,
	.cut = sink_nothing,
	.set_interrupt = sink_set_interrupt,
	.close = sink_nothing,
};

/* ---- the other godwit ---- */

/* One connection's row, and what of it is bytes of main. */
struct row {
	uint8_t records[LINK_BYTES_MAX];
	uint8_t stream[LINK_BYTES_MAX];
	size_t record_bytes, stream_bytes;
};

/* False at the end. */
static bool add_record(struct row *row, struct cursor *in, uint64_t number)
{
	uint8_t *head = row->records + row->record_bytes;
	uint8_t type = cursor_u8(in);
	uint32_t high = cursor_u8(in), length = high << 16 | cursor_be16(in);
	struct iovec body = { .iov_len = length };

	if (in->overrun || type < SESSION_HELLO || type > SESSION_END ||
	    !record_length_fits((enum session_record)type, length) ||
	    length > (size_t)(in->end - in->at) ||
	    length + SESSION_HEAD_BYTES > LINK_BYTES_MAX - row->record_bytes)
		return false;
	body.iov_base = (void *)cursor_take(in, length);
	record_write_head(head, (enum session_record)type, number, &body, 1);
	if (length > 0)
		memcpy(head + SESSION_HEAD_BYTES, body.iov_base, length);
	row->record_bytes += SESSION_HEAD_BYTES + length;
	if (type == SESSION_STREAM && length > 0) {
		memcpy(row->stream + row->stream_bytes, body.iov_base, length);
		row->stream_bytes += length;
	}
	return true;
}

static struct session_link *open_link(struct cursor *in, bool last, struct row *row,
				      struct channel **far)
{
	size_t length = cursor_be16(in), left = (size_t)(in->end - in->at);
	struct channel *ends[2];
	struct session_link *link;
	struct gw_error err;
	struct cursor own;

	if (last || length > left)
		length = left;
	own = cursor_over(in->at, length);
	cursor_skip(in, length);
	row->record_bytes = 0;
	row->stream_bytes = 0;
	for (uint64_t number = 0; add_record(row, &own, number); number++)
		;
	REQUIRE(channel_pair(ends, NULL, &err) == 0);
	REQUIRE(channel_write_bytes(ends[0], row->records, row->record_bytes, &err) == 0);
	channel_finish(ends[0]);
	*far = ends[0];
	link = session_link_new(ends[1], &err);
	REQUIRE(link);
	return link;
}

/* ---- */

static void check_error(const struct relay *relay)
{
	struct gw_error err = { 0 };

	relay_error(relay, &err);
	REQUIRE(err.kind == GW_PEER || err.kind == GW_UNSUPPORTED);
	REQUIRE(memchr(err.text, '\0', sizeof(err.text)) && *err.text);
	for (const char *at = err.text; *at; at++)
		REQUIRE(*at >= ' ' && *at < 0x7f);
}

static void await_end(const struct relay *relay)
{
	for (uint32_t ms = 0; !relay_ended(relay) && !relay_failed(relay); ms++) {
		REQUIRE(ms < FAR_TOO_LONG_MS);
		interrupt_sleep(NULL, 1000000);
	}
	if (relay_failed(relay))
		check_error(relay);
}

/* As whoever has stopped the relay looks for the reason. */
static void hear_last_words(struct session_link *link)
{
	struct record_head head;
	struct gw_error err;
	json_t *word;

	while (session_link_read_head(link, &head, &err) > 0) {
		word = control_read(link, &head, &err);
		if (!word)
			return;
		json_decref(word);
	}
}

static void run(const struct relay_options *options)
{
	struct gw_error err;
	struct interrupt *interrupt = interrupt_new(&err);
	struct relay *relay = relay_start(options, interrupt, &err);
	struct channel *main = session_link_channel(options->from.main_link);

	REQUIRE(interrupt && relay);
	await_end(relay);
	relay_cancel(relay);
	relay_stop(relay);
	channel_set_interrupt(main, NULL);
	channel_set_read_patience(main, 0);
	hear_last_words(options->from.main_link);
	interrupt_free(interrupt);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct row rows[1 + LINKS_MAX];
	struct cursor in = cursor_over(data, size);
	uint8_t choice = cursor_u8(&in);
	uint32_t count = choice % (LINKS_MAX + 1);
	struct sink sinks[1 + LINKS_MAX] = { { NULL } };
	struct session_link *links[1 + LINKS_MAX];
	struct channel *far[1 + LINKS_MAX], *qemu[1 + LINKS_MAX];
	struct gw_error err;

	for (uint32_t i = 0; i <= count; i++) {
		links[i] = open_link(&in, i == count, &rows[i], &far[i]);
		qemu[i] = channel_new(&sink_ops, &sinks[i], &err);
		REQUIRE(qemu[i]);
	}
	sinks[0].expected = rows[0].stream;
	sinks[0].expected_bytes = rows[0].stream_bytes;
	run(&(struct relay_options){
		.from = { .main_link = links[0],
			  .page_links = links + 1,
			  .count = count },
		.to = { .main = qemu[0], .pages = qemu + 1, .count = count },
		.guarded = choice & GUARDED,
		.aligned = choice & GUARDED,
		.dialect = dialect_newest(),
		.codec = codec_by_id(CODEC_NONE),
		.accelerator = ACCELERATOR_NONE,
		.patience_ms = FAR_TOO_LONG_MS,
	});
	for (uint32_t i = 0; i <= count; i++) {
		session_link_free(links[i]);
		channel_free(far[i]);
		channel_free(qemu[i]);
	}
	return 0;
}
