/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* peer_for_tests.h - a destination by script: how far it listens, and what it does then.
 *
 * A thread reads main up to a stage and does its act there; one more a page channel just reads.
 * What it does not do is believe anything, or keep a page.
 *
 * For tests, which include tests/check.h before. */
#ifndef MIGRATE_PEER_FOR_TESTS_H
#define MIGRATE_PEER_FOR_TESTS_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/clock.h"
#include "base/queue.h"
#include "migrate/guests_for_tests.h"
#include "migrate/main_stream.h"
#include "migrate/sender.h"
#include "wire/multifd_packet.h"
#include "wire/return_path.h"
#include "wire/stream.h"

#define PEER_CHANNELS 2u
#define PEER_KEPT_BYTES (1u << 20)
#define PEER_PATIENCE_MS 10000 /* where nobody is meant to run out of it */
#define DEVICE_BYTES 24u

enum stage {
	AT_HEADER,	/* of the stream */
	AT_SETUP,	/* after the block list's section */
	AT_PART,	/* after the first round's */
	AT_DRAIN,	/* asked whether all of it was read, and has answered */
	AT_END,		/* after the last round's */
	AT_DEVICE,	/* a device section has begun */
	AT_DESCRIPTION, /* everything was read */
	NEVER,
};

struct act {
	bool failure;	   /* SHUT 1 */
	bool success;	   /* SHUT 0 */
	bool garbage;	   /* what is no return path */
	bool stop_reading; /* and open everything stays */
	bool leave;	   /* closes everything */
};

struct peer {
	/* how */
	enum stage stage;
	struct act act;
	bool mute;	      /* answers no PING */
	uint32_t pong_offset; /* added to what a PONG says */
	bool reads_nothing;   /* from the start */
	uint32_t refuse;      /* connection that is refused, from 1; 0: none */
	bool no_return_path;
	/* what came of it */
	const struct interrupt *interrupt; /* the sender's */
	struct channel *near[1 + PEER_CHANNELS];
	struct channel *far[1 + PEER_CHANNELS];
	struct queue *acted; /* one item when the act is done */
	atomic_bool deaf;
	struct cursor in;
	uint8_t buffer[4096];
	struct section_map sections;
	struct layout layout;
	struct layout_block blocks[2];
	enum stage reached;
	atomic_uint drains;	      /* asked for so often */
	uint8_t *kept[PEER_CHANNELS]; /* the first bytes of each page channel */
	size_t kept_bytes[PEER_CHANNELS];
};

static inline ptrdiff_t peer_refill(void *state, void *into, size_t room,
				    struct gw_error *err)
{
	return channel_read_some(state, into, room, err);
}

static inline void peer_say(struct peer *peer, enum return_path_type type, uint32_t value)
{
	const struct return_path_message message = { type, value };
	uint8_t bytes[16];
	struct writer out = writer_over(bytes, sizeof(bytes));
	struct gw_error err;

	return_path_write(&out, &message);
	/* A sender that has left hears nothing. */
	(void)channel_write_bytes(peer->far[0], bytes, out.used, &err);
}

static inline void peer_act(struct peer *peer)
{
	static const uint8_t garbage[] = { 0xff, 0xff, 0, 1, 0, 0, 0, 0 };
	bool done = true;
	struct gw_error err;

	if (peer->act.failure)
		peer_say(peer, RETURN_SHUT, 1);
	if (peer->act.success)
		peer_say(peer, RETURN_SHUT, 0);
	if (peer->act.garbage)
		(void)channel_write_bytes(peer->far[0], garbage, sizeof(garbage), &err);
	if (peer->act.stop_reading)
		atomic_store(&peer->deaf, true);
	if (peer->act.leave)
		for (uint32_t i = 0; i <= PEER_CHANNELS; i++)
			channel_cut(peer->far[i]);
	queue_give(peer->acted, &done);
}

/* True when there is no more to read. */
static inline bool peer_reaches(struct peer *peer, enum stage stage)
{
	if (peer->reached < stage)
		peer->reached = stage;
	if (stage == peer->stage)
		peer_act(peer);
	return stage == peer->stage && (peer->act.stop_reading || peer->act.leave);
}

static inline int peer_read_ram(struct peer *peer, struct gw_error *err)
{
	const struct ram_reader_options options = { .ignore_shared = false };
	struct ram_section_state state = { -1 };
	struct ram_record record;

	do {
		if (ram_section_read(&peer->in, &options, &peer->layout, &state, &record,
				     err) < 0)
			return -1;
	} while (record.type != RAM_EOS);
	return 0;
}

/* One record; what comes after it, or NEVER when nothing does. */
static inline enum stage peer_read_record(struct peer *peer)
{
	struct stream_record record;
	struct gw_error err;

	if (stream_read_record(&peer->in, &peer->sections, &record, &err) < 0)
		return NEVER;
	switch (record.type) {
	case RECORD_COMMAND:
		if (record.command == COMMAND_PING &&
		    record.ping == MAIN_STREAM_DRAIN_PING)
			peer->drains++;
		if (record.command == COMMAND_PING && !peer->mute)
			peer_say(peer, RETURN_PONG, record.ping + peer->pong_offset);
		return record.command == COMMAND_PING &&
				       record.ping == MAIN_STREAM_DRAIN_PING
			       ? AT_DRAIN
			       : AT_HEADER;
	case RECORD_SECTION_START:
	case RECORD_SECTION_PART:
	case RECORD_SECTION_END:
		if (peer_read_ram(peer, &err) < 0 ||
		    stream_read_footer(&peer->in, record.section_id, &err) < 0)
			return NEVER;
		return record.type == RECORD_SECTION_START  ? AT_SETUP
		       : record.type == RECORD_SECTION_PART ? AT_PART
							    : AT_END;
	case RECORD_SECTION_FULL:
		if (peer_reaches(peer, AT_DEVICE))
			return NEVER;
		cursor_skip(&peer->in, DEVICE_BYTES);
		return stream_read_footer(&peer->in, record.section_id, &err) < 0
			       ? NEVER
			       : AT_DEVICE;
	case RECORD_VMDESCRIPTION:
		cursor_skip(&peer->in, record.vmdesc_bytes);
		return peer->in.overrun ? NEVER : AT_DESCRIPTION;
	default:
		return AT_DEVICE;
	}
}

static inline void *peer_read_main(void *state)
{
	struct peer *peer = state;
	struct stream_header header;
	struct gw_error err;
	enum stage before = AT_HEADER, stage;

	if (stream_read_header(&peer->in, &header, &err) < 0 ||
	    peer_reaches(peer, AT_HEADER))
		return NULL;
	while ((stage = peer_read_record(peer)) != NEVER) {
		/* Each stage counts once, and AT_DEVICE was seen to. */
		if (stage > before && stage != AT_DEVICE && peer_reaches(peer, stage))
			break;
		if (stage > before)
			before = stage;
	}
	return NULL;
}

static inline void *peer_read_pages(struct peer *peer, uint32_t channel)
{
	static _Thread_local uint8_t chunk[65536];
	struct gw_error err;

	while (!atomic_load(&peer->deaf)) {
		ptrdiff_t got = channel_read_some(peer->far[1 + channel], chunk,
						  sizeof(chunk), &err);
		size_t room = PEER_KEPT_BYTES - peer->kept_bytes[channel];

		if (got <= 0)
			break;
		if ((size_t)got < room)
			room = (size_t)got;
		memcpy(peer->kept[channel] + peer->kept_bytes[channel], chunk, room);
		peer->kept_bytes[channel] += room;
	}
	return NULL;
}

static inline void *peer_read_first(void *state)
{
	return peer_read_pages(state, 0);
}

static inline void *peer_read_second(void *state)
{
	return peer_read_pages(state, 1);
}

static inline struct channel *peer_connect(void *state, uint32_t index,
					   const struct interrupt *interrupt,
					   struct gw_error *err)
{
	struct peer *peer = state;

	peer->interrupt = interrupt;
	if (peer->refuse == index + 1) {
		fail(err, GW_SYSTEM, "nobody is there");
		return NULL;
	}
	channel_set_interrupt(peer->near[index], interrupt);
	return MOVE(peer->near[index]);
}

static inline void peer_open(struct peer *peer)
{
	struct gw_error err;

	for (uint32_t i = 0; i <= PEER_CHANNELS; i++) {
		struct channel *ends[2];

		CHECK_OK(channel_pair(ends, NULL, &err), &err);
		peer->near[i] = ends[0];
		peer->far[i] = ends[1];
		channel_set_read_patience(ends[1], -1);
	}
	for (uint32_t i = 0; i < PEER_CHANNELS; i++) {
		peer->kept[i] = malloc(PEER_KEPT_BYTES);
		CHECK(peer->kept[i]);
	}
	peer->acted = queue_new(sizeof(bool), 1, &err);
	CHECK(peer->acted);
	peer->layout = (struct layout){ peer->blocks, 2, 0, UINT64_MAX };
	peer->in = cursor_from(peer->buffer, sizeof(peer->buffer), peer_refill,
			       peer->far[0]);
	atomic_store(&peer->deaf, peer->reads_nothing);
}

static inline void peer_close(struct peer *peer)
{
	for (uint32_t i = 0; i <= PEER_CHANNELS; i++) {
		channel_free(peer->near[i]);
		channel_free(peer->far[i]);
	}
	for (uint32_t i = 0; i < PEER_CHANNELS; i++)
		free(peer->kept[i]);
	queue_free(peer->acted);
}

/* ---- one migration towards it ---- */

struct attempt {
	/* how */
	struct peer peer;
	struct sender_options options; /* what is not zero */
	uint64_t block_bytes;
	bool monotonous;	     /* each byte is the same, and not 0 */
	uint32_t writes_per_harvest; /* while the guest is not paused */
	bool writes_while_asked;     /* all of its memory, while a drain is answered */
	guest_watch *watch;	     /* its watcher is the attempt */
	uint64_t cancel_after_ns;    /* from another thread; 0: not */
	/* what came of it */
	bool cancelled; /* not too late */
	struct scripted_guest guest;
	struct sender *sender;
	struct sender_report report;
	struct gw_error err;
	int result;
};

/* One guest, and the sender knows where: at the source it runs. */
static inline void attempt_check(const struct attempt *attempt)
{
	bool was_paused = attempt->report.paused_at_ns != 0;

	CHECK_EQ(attempt->result == 0, attempt->report.guest == GUEST_AT_DESTINATION);
	CHECK_EQ(attempt->guest.paused, attempt->report.guest != GUEST_AT_SOURCE);
	CHECK_EQ(attempt->guest.resumed,
		 was_paused && attempt->report.guest == GUEST_AT_SOURCE);
	if (attempt->result < 0)
		CHECK(strlen(attempt->err.text) > 8);
}

static inline void *attempt_cancel(void *state)
{
	struct attempt *attempt = state;

	interrupt_sleep(NULL, attempt->cancel_after_ns);
	attempt->cancelled = sender_cancel(attempt->sender);
	return NULL;
}

static inline void attempt_run(struct attempt *attempt)
{
	const struct source_machine machine = {
		&attempt->guest, guest_save_early, guest_pause,
		guest_save,	 guest_resume,	   guest_throttle,
	};
	static void *(*const readers[])(void *) = { peer_read_main, peer_read_first,
						    peer_read_second };
	struct sender_options options = attempt->options;
	struct peer *peer = &attempt->peer;
	pthread_t threads[1 + PEER_CHANNELS] = { 0 }, canceller = 0;
	struct scripted_guest *guest = &attempt->guest;
	struct dirty_tracker *tracker;
	struct gw_error err;

	options.connect = peer_connect;
	options.connect_state = peer;
	if (!options.dialect)
		options.dialect = dialect_newest();
	options.machine = "none";
	options.channel_count = PEER_CHANNELS;
	options.level = codec_by_id(options.method)->level_default;
	options.return_path = !peer->no_return_path;
	if (options.patience_ms == 0)
		options.patience_ms = PEER_PATIENCE_MS;
	if (options.answer_patience_ms == 0)
		options.answer_patience_ms = PEER_PATIENCE_MS;
	ram_init(&guest->ram);
	CHECK_OK(ram_allocate(&guest->ram, "pc.ram", attempt->block_bytes, &err), &err);
	guest->seed = 7;
	guest->writes_per_harvest = attempt->writes_per_harvest;
	guest->busy_harvests = UINT32_MAX;
	guest->asked = attempt->writes_while_asked ? &peer->drains : NULL;
	guest->watch = attempt->watch;
	guest->watcher = attempt;
	if (attempt->monotonous)
		memset(guest->ram.blocks[0]->host, 'g', attempt->block_bytes);
	for (size_t page = 0;
	     !attempt->monotonous && page < guest->ram.blocks[0]->page_count; page++)
		fill_page(guest->ram.blocks[0]->host + page * PAGE_BYTES, &guest->seed);
	tracker = dirty_new(&scripted_tracker, guest, &err);
	CHECK(tracker);
	attempt->sender = sender_new(&options, &guest->ram, tracker, &machine, &err);
	CHECK(attempt->sender);
	peer_open(peer);
	for (uint32_t i = 0; i <= PEER_CHANNELS && !peer->reads_nothing; i++)
		CHECK_EQ(pthread_create(&threads[i], NULL, readers[i], peer), 0);
	if (attempt->cancel_after_ns > 0)
		CHECK_EQ(pthread_create(&canceller, NULL, attempt_cancel, attempt), 0);
	attempt->result = sender_run(attempt->sender, &attempt->report, &attempt->err);
	if (attempt->cancel_after_ns > 0)
		pthread_join(canceller, NULL);
	/* Connections that were never taken end too. */
	for (uint32_t i = 0; i <= PEER_CHANNELS; i++)
		channel_free(MOVE(peer->near[i]));
	for (uint32_t i = 0; i <= PEER_CHANNELS && !peer->reads_nothing; i++)
		pthread_join(threads[i], NULL);
	sender_free(attempt->sender);
	dirty_free(tracker);
	attempt_check(attempt);
}

static inline void attempt_clear(struct attempt *attempt)
{
	peer_close(&attempt->peer);
	ram_deinit(&attempt->guest.ram);
}

#endif
