/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* reception_for_tests.h - a composed stream received, and what every reception owes.
 *
 * All bytes are in the sockets before the receiver starts, so one thread is enough and each run
 * is the same.
 *
 * For tests, which include tests/check.h before. */
#ifndef MIGRATE_RECEPTION_FOR_TESTS_H
#define MIGRATE_RECEPTION_FOR_TESTS_H

#include "migrate/composer_for_tests.h"
#include "migrate/receiver.h"
#include "ram/zero.h"
#include "wire/return_path.h"

#define RECEPTION_PATIENCE_MS 10000 /* where nobody is meant to run out of it */
#define SAID_MAX 32u

struct reception {
	/* how */
	const char *machine;  /* expected */
	bool inspect;	      /* no guest: its blocks are made as announced */
	uint64_t limit_bytes; /* of what is made; 0: just enough */
	const struct layout *guest_layout; /* NULL: as announced */
	bool cut;
	uint32_t cut_connection; /* 0: main, 1..: a page channel */
	size_t cut_at;
	int patience_ms; /* 0: RECEPTION_PATIENCE_MS */
	/* Connections that go silent instead of ending: bit 0 main, bits 1.. page channels. */
	unsigned silent;
	bool deaf;   /* nobody hears what the receiver says */
	bool cancel; /* as soon as it is active */
	/* A connection that says this after its bytes, again and again and without a pause;
	 * NULL: none does. */
	const struct writer *endlessly;
	uint32_t endless_connection;
	/* what came of it */
	struct ram ram;
	struct receiver *receiver;
	struct channel *far[1 + COMPOSER_CHANNELS_MAX];
	struct receiver_report report;
	struct gw_error err;
	int result;
	uint32_t loaded;
	bool started;
	/* The way back. */
	struct cursor back;
	uint8_t back_buffer[512];
	struct return_path_message said[SAID_MAX];
	uint32_t said_count;
};

static inline ptrdiff_t reception_refill(void *state, void *into, size_t room,
					 struct gw_error *err)
{
	return channel_read_some(state, into, room, err);
}

/* What the receiver has said so far. */
static inline void reception_hear(struct reception *rec)
{
	struct gw_error err;

	while (channel_wait(rec->far[0], 0, &err) == 1) {
		CHECK(rec->said_count < SAID_MAX);
		if (return_path_read(&rec->back, &rec->said[rec->said_count], &err) <= 0)
			return;
		rec->said_count++;
	}
}

static inline bool reception_said_shut(const struct reception *rec)
{
	for (uint32_t i = 0; i < rec->said_count; i++)
		if (rec->said[i].type == RETURN_SHUT)
			return true;
	return false;
}

static inline int reception_load(void *state, const char *name, uint32_t instance,
				 uint32_t version, bool early, struct cursor *in,
				 struct gw_error *err)
{
	struct reception *rec = state;
	uint8_t body[DEVICE_BYTES];

	if (strcmp(name, "unloved") == 0)
		return fail(err, GW_PEER, "no such device here");
	cursor_copy(in, body, sizeof(body));
	if (!in->overrun) {
		CHECK_EQ(instance, 0);
		CHECK_EQ(version, 1);
		CHECK_EQ(body[DEVICE_BYTES - 1], 0x5a);
	}
	rec->loaded++;
	return 0;
}

static inline int reception_start(void *state, struct gw_error *err)
{
	struct reception *rec = state;

	(void)err;
	reception_hear(rec);
	CHECK(!reception_said_shut(rec));
	CHECK(!rec->started);
	rec->started = true;
	return 0;
}

static inline void reception_state_changed(void *state, enum migration_state now)
{
	struct reception *rec = state;

	if (rec->cancel && now == MIGRATION_ACTIVE)
		receiver_cancel(rec->receiver);
}

/* ---- a connection without an end ---- */

struct endless {
	const struct writer *from; /* and then */
	const struct writer *endlessly;
	size_t at;
};

static inline ptrdiff_t endless_read(void *state, const struct iovec *into, int count,
				     int timeout_ms, struct gw_error *err)
{
	struct endless *endless = state;
	size_t length = endless->from->used - endless->at;

	(void)count;
	(void)timeout_ms;
	(void)err;
	if (length > into->iov_len)
		length = into->iov_len;
	memcpy(into->iov_base, endless->from->start + endless->at, length);
	endless->at += length;
	if (endless->at == endless->from->used) {
		endless->from = endless->endlessly;
		endless->at = 0;
	}
	return (ptrdiff_t)length;
}

static inline ptrdiff_t endless_write(void *state, const struct iovec *from, int count,
				      int timeout_ms, struct gw_error *err)
{
	ptrdiff_t length = 0;

	(void)state;
	(void)timeout_ms;
	(void)err;
	for (int i = 0; i < count; i++)
		length += (ptrdiff_t)from[i].iov_len;
	return length;
}

static inline int endless_wait(void *state, int timeout_ms, struct gw_error *err)
{
	(void)state;
	(void)timeout_ms;
	(void)err;
	return 1;
}

static inline void endless_nothing(void *state)
{
	(void)state;
}

static inline void endless_set_interrupt(void *state, const struct interrupt *interrupt)
{
	(void)state;
	(void)interrupt;
}

static const struct channel_ops endless_ops = {
	.name = "endless",
	.read = endless_read,
	.write = endless_write,
	.wait = endless_wait,
	.finish = endless_nothing,
	.cut = endless_nothing,
	.set_interrupt = endless_set_interrupt,
	.close = free,
};

static inline struct channel *endless_channel(const struct writer *from,
					      const struct writer *endlessly)
{
	struct endless *endless = calloc(1, sizeof(*endless));
	struct gw_error err;

	CHECK(endless);
	*endless = (struct endless){ from, endlessly, 0 };
	return channel_new(&endless_ops, endless, &err);
}

/* ---- one reception ---- */

/* Connection `index`: its bytes, then the end unless it stays silent. */
static inline struct channel *reception_connect(struct reception *rec,
						const struct composer *c, uint32_t index)
{
	const struct writer *from = index == 0 ? &c->main : &c->pages[index - 1];
	size_t length = from->used;
	struct channel *ends[2];
	struct gw_error err;

	CHECK(!from->overrun);
	if (rec->endlessly && rec->endless_connection == index)
		return endless_channel(from, rec->endlessly);
	if (rec->cut && rec->cut_connection == index)
		length = rec->cut_at;
	CHECK_OK(channel_pair(ends, NULL, &err), &err);
	channel_set_write_patience(ends[0], 0);
	CHECK_OK(channel_write_bytes(ends[0], from->start, length, &err), &err);
	if (!(rec->silent & 1u << index))
		channel_finish(ends[0]);
	rec->far[index] = ends[0];
	return ends[1];
}

static inline void reception_make_guest(struct reception *rec, const struct layout *like)
{
	struct gw_error err;

	ram_init(&rec->ram);
	for (uint32_t i = 0; !rec->inspect && i < like->block_count; i++) {
		const struct layout_block *block = &like->blocks[i];

		CHECK_OK(ram_allocate(&rec->ram, block->name, block->length_bytes, &err),
			 &err);
		/* So that a page shows whether anybody wrote to it. */
		memset(rec->ram.blocks[i]->host, COMPOSER_UNTOUCHED, block->length_bytes);
	}
}

/* What holds whatever came. */
static inline void reception_check(struct reception *rec)
{
	const struct return_path_message *last = rec->said + rec->said_count - 1;
	bool failed = rec->result < 0;

	if (failed) {
		CHECK(rec->report.state == MIGRATION_FAILED ||
		      rec->report.state == MIGRATION_CANCELLED);
		CHECK(strlen(rec->err.text) > 8);
	} else {
		CHECK_EQ(rec->report.state, MIGRATION_COMPLETED);
	}
	CHECK_EQ(rec->started, !failed && !rec->inspect);
	CHECK_EQ(rec->report.started_at_ns != 0, rec->started);
	if (rec->deaf)
		return;
	CHECK_EQ(reception_said_shut(rec), rec->report.return_path);
	if (rec->report.return_path) {
		CHECK_EQ(last->type, RETURN_SHUT);
		CHECK_EQ(last->value, failed ? 1 : 0);
	}
}

static inline void reception_run(struct reception *rec, const struct composer *c)
{
	const struct destination_machine guest = { rec, reception_load, reception_start };
	const struct layout *like = rec->guest_layout ? rec->guest_layout : &c->layout;
	struct receiver_options options = {
		.channel_count = c->channel_count,
		.machine = rec->machine,
		.adopt_blocks = rec->inspect,
		.memory_limit_bytes = rec->limit_bytes,
		.guest = rec->inspect ? NULL : &guest,
		.patience_ms =
			rec->patience_ms ? rec->patience_ms : RECEPTION_PATIENCE_MS,
		.state_changed = reception_state_changed,
		.state_changed_state = rec,
	};
	struct arrivals arrivals = { 0 };
	struct gw_error err;

	if (options.memory_limit_bytes == 0)
		for (uint32_t i = 0; i < like->block_count; i++)
			options.memory_limit_bytes += like->blocks[i].length_bytes;
	reception_make_guest(rec, like);
	arrivals.main = reception_connect(rec, c, 0);
	for (uint32_t i = 0; i < c->channel_count; i++)
		arrivals.pages[i] = reception_connect(rec, c, i + 1);
	rec->back = cursor_from(rec->back_buffer, sizeof(rec->back_buffer),
				reception_refill, rec->far[0]);
	rec->receiver = receiver_new(&options, &rec->ram, &err);
	CHECK(rec->receiver);
	rec->err.text[0] = '\0';
	rec->result = receiver_run(rec->receiver, &arrivals, &rec->report, &rec->err);
	if (!rec->deaf)
		reception_hear(rec);
	receiver_free(rec->receiver);
	for (uint32_t i = 0; i <= c->channel_count; i++)
		channel_free(MOVE(rec->far[i]));
	reception_check(rec);
}

static inline void reception_clear(struct reception *rec)
{
	ram_deinit(&rec->ram);
}

/* Completed, and each byte is what the stream says. */
static inline void reception_check_arrived(const struct reception *rec,
					   const struct composer *c)
{
	if (rec->result < 0)
		CHECK_FAIL("refused: %s", rec->err.text);
	CHECK_EQ(rec->report.block_count, c->layout.block_count);
	for (uint32_t b = 0; b < c->layout.block_count; b++) {
		const struct ram_block *block = rec->ram.blocks[b];

		CHECK_STR(block->name, c->blocks[b].name);
		for (size_t page = 0; page < block->page_count; page++) {
			const uint8_t *expected = c->memory[b] + page * PAGE_BYTES;

			const uint8_t *seen = block->host + page * PAGE_BYTES;

			/* What is made here starts as zero. */
			if (rec->inspect && !c->received[b][page]
				    ? !page_is_zero(seen)
				    : memcmp(seen, expected, PAGE_BYTES) != 0)
				CHECK_FAIL("block %s page %zu differs", block->name,
					   page);
		}
	}
}

#endif
