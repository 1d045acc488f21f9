/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* receiver.c - the destination of a migration: main's reader, and barriers. */
#include "migrate/receiver.h"

#include <errno.h>
#include <inttypes.h>
#include <unistd.h>

#include "base/clock.h"
#include "migrate/device_tail.h"
#include "migrate/outcome.h"
#include "migrate/receive_channel.h"
#include "ram/landing.h"
#include "wire/return_path.h"

#define MAIN_BUFFER_BYTES ((size_t)64 * 1024)
#define WAKE_MS 100
#define LAST_WORDS_MS 200

struct receiver {
	struct receiver_options options;
	struct ram *ram;
	struct interrupt *interrupt;
	struct outcome outcome;
	struct queue *inbox;
	struct layout layout;
	struct landing *landing;

	struct channel *main;
	struct cursor in;
	uint8_t *buffer;
	struct stream_header header;
	struct section_map sections;
	struct ram_section_state pages;
	bool blocks_known;
	bool ram_ended;

	struct receive_channel *channels[MULTIFD_CHANNELS_MAX];
	uint32_t channels_started;
	bool at_sync[MULTIFD_CHANNELS_MAX];
	bool closed[MULTIFD_CHANNELS_MAX];

	struct device_standing standing;
	struct receiver_report *report;
	uint64_t start_ns;
};

static void enter(struct receiver *r, enum migration_state state)
{
	r->report->state = state;
	log_line(r->options.log, LOG_LEVEL_INFO, "destination: %s",
		 migration_state_name(state));
	if (r->options.state_changed)
		r->options.state_changed(r->options.state_changed_state, state);
}

/* ---- barriers ---- */

static uint64_t bytes_arrived(const struct receiver *r)
{
	uint64_t sum = channel_bytes_read(r->main);

	for (uint32_t i = 0; i < r->channels_started; i++)
		sum += receive_channel_wire_bytes(r->channels[i]);
	return sum;
}

/* The first channel that has not reached its SYNC; channels_started when all have. */
static uint32_t first_missing(const struct receiver *r)
{
	uint32_t i = 0;

	while (i < r->channels_started && r->at_sync[i])
		i++;
	return i;
}

/* All page data sent before the SYNCs is in memory before anything after the barrier is read, and
 * page data after them waits for it. */
static int barrier(struct receiver *r, struct gw_error *err)
{
	uint64_t arrived = 0, progress_ns = clock_now_ns();

	if (r->channels_started == 0)
		return 0;
	r->report->barriers++;
	for (;;) {
		uint32_t missing = first_missing(r);
		struct receiver_event event;

		if (missing == r->channels_started)
			break;
		if (interrupt_raised(r->interrupt))
			return fail(err, GW_CANCELLED, "cancelled");
		if (r->closed[missing])
			return fail(err, GW_PEER,
				    "channel %u: closed before the SYNC of barrier %u",
				    missing, r->report->barriers);
		if (queue_take(r->inbox, &event, WAKE_MS) == QUEUE_ITEM) {
			r->at_sync[event.channel] |= event.type == EVENT_AT_SYNC;
			r->closed[event.channel] |= event.type == EVENT_CLOSED;
		}
		if (bytes_arrived(r) != arrived) {
			arrived = bytes_arrived(r);
			progress_ns = clock_now_ns();
		} else if (clock_now_ns() - progress_ns >
			   (uint64_t)r->options.patience_ms * NS_PER_MS) {
			return fail(
				err, GW_PEER,
				"channel %u: no SYNC for barrier %u, nothing arrived for "
				"%d ms",
				missing, r->report->barriers, r->options.patience_ms);
		}
	}
	for (uint32_t i = 0; i < r->channels_started; i++) {
		r->at_sync[i] = false;
		receive_channel_release(r->channels[i]);
	}
	return 0;
}

/* ---- the ram section ---- */

/* The source's block list against ours, or ours made from it. */
static int settle_blocks(struct receiver *r, struct gw_error *err)
{
	bool adopt = r->options.adopt_blocks;

	if (!adopt && r->layout.block_count != r->ram->block_count)
		return fail(err, GW_PEER, "ram section: %u blocks, this guest has %u",
			    r->layout.block_count, r->ram->block_count);
	for (uint32_t i = 0; i < r->layout.block_count; i++) {
		const struct layout_block *announced = &r->layout.blocks[i];
		struct ram_block *block;
		char name[WIRE_NAME_SHOWN_MAX];

		wire_name_shown(name, announced->name);
		if (adopt) {
			if (ram_allocate(r->ram, announced->name, announced->length_bytes,
					 err) < 0)
				return fail_in(err, "ram section");
			continue;
		}
		/* In the source's order, so that block i is layout block i. */
		block = r->ram->blocks[i];
		if (ram_find(r->ram, announced->name, strlen(announced->name)) != block)
			return fail(err, GW_PEER,
				    "ram section: block %u is \"%s\", here it is \"%s\"",
				    i, name, block->name);
		if (block->length_bytes != announced->length_bytes)
			return fail(err, GW_PEER,
				    "ram section: block \"%s\" has %" PRIu64
				    " bytes, here %" PRIu64,
				    name, announced->length_bytes, block->length_bytes);
	}
	/* Who runs ahead needs a processor that no channel wants (bench/bench_landing.c). */
	r->landing =
		landing_new(r->ram,
			    sysconf(_SC_NPROCESSORS_ONLN) > (long)r->channels_started,
			    !r->options.memory_used, err);
	if (!r->landing)
		return -1;
	r->blocks_known = true;
	r->report->block_count = r->layout.block_count;
	for (uint32_t i = 0; i < r->channels_started; i++)
		receive_channel_release(r->channels[i]);
	return 0;
}

/* With multifd every source from 8.1 on ends its setup with a FLUSH, unless it speaks the older
 * way; so the setup tells which. */
static void settle_barriers(struct receiver *r, bool flush_in_setup)
{
	const struct dialect *dialect = r->report->dialect;

	r->report->barrier_per_section = !flush_in_setup;
	if (r->channels_started > 0 && dialect &&
	    dialect->barrier_per_section != r->report->barrier_per_section)
		log_line(r->options.log, LOG_LEVEL_WARNING,
			 "main channel: barriers once a %s, unlike %s: going by what is "
			 "sent",
			 flush_in_setup ? "round" : "section", dialect->name);
}

static int read_page(struct receiver *r, const struct ram_record *page,
		     struct gw_error *err)
{
	const struct ram_block *block = r->ram->blocks[page->block];

	landing_prepare(r->landing, page->block, page->offset >> PAGE_BITS, 1);
	cursor_copy(&r->in, block->host + page->offset, PAGE_BYTES);
	if (r->in.overrun)
		return cursor_fail(&r->in, err, "page");
	r->report->main_normal_pages++;
	return 0;
}

static int read_ram_body(struct receiver *r, bool setup, struct gw_error *err)
{
	const struct ram_reader_options options = { .ignore_shared =
							    r->header.ignore_shared };
	bool flushed = false;

	for (;;) {
		struct ram_record record;

		if (ram_section_read(&r->in, &options, &r->layout, &r->pages, &record,
				     err) < 0)
			return -1;
		if (!r->blocks_known && record.type != RAM_BLOCKS)
			return fail(err, GW_PEER,
				    "ram section: begins without a block list");
		switch (record.type) {
		case RAM_BLOCKS:
			if (settle_blocks(r, err) < 0)
				return -1;
			break;
		case RAM_ZERO:
			landing_zero(r->landing, record.block,
				     record.offset >> PAGE_BITS);
			r->report->main_zero_pages++;
			break;
		case RAM_PAGE:
			if (read_page(r, &record, err) < 0)
				return -1;
			break;
		case RAM_FLUSH:
			flushed = true;
			if (barrier(r, err) < 0)
				return -1;
			break;
		case RAM_EOS:
			if (setup)
				settle_barriers(r, flushed);
			return r->report->barrier_per_section ? barrier(r, err) : 0;
		}
	}
}

static int read_ram_section(struct receiver *r, const struct stream_record *record,
			    struct gw_error *err)
{
	bool setup = record->type == RECORD_SECTION_START;
	char name[WIRE_NAME_SHOWN_MAX];

	if (strcmp(record->name, RAM_SECTION_NAME) != 0)
		return fail(
			err, GW_UNSUPPORTED,
			"section \"%s\": only \"ram\" can be followed while it iterates",
			wire_name_shown(name, record->name));
	if (r->ram_ended)
		return fail(err, GW_PEER, "ram section: goes on after its end");
	if (read_ram_body(r, setup, err) < 0)
		return -1;
	if (!setup)
		r->report->parts++;
	r->ram_ended = record->type == RECORD_SECTION_END;
	/* What is left comes in one go. */
	if (r->ram_ended)
		channel_set_read_patience(r->main, r->options.patience_ms);
	return stream_read_footer(&r->in, record->section_id, err);
}

/* ---- the stream ---- */

static int answer(struct receiver *r, enum return_path_type type, uint32_t value,
		  struct gw_error *err)
{
	const struct return_path_message message = { .type = type, .value = value };
	uint8_t bytes[16];
	struct writer out = writer_over(bytes, sizeof(bytes));

	return_path_write(&out, &message);
	if (channel_write_bytes(r->main, bytes, out.used, err) < 0)
		return fail_in(err, "return path");
	return 0;
}

static int obey(struct receiver *r, const struct stream_record *record,
		struct gw_error *err)
{
	switch (record->command) {
	case COMMAND_OPEN_RETURN_PATH:
		r->report->return_path = true;
		return r->options.switchover_ack
			       ? answer(r, RETURN_SWITCHOVER_ACK, 0, err)
			       : 0;
	case COMMAND_PING:
		if (!r->report->return_path)
			return fail(err, GW_PEER, "PING without a return path");
		return answer(r, RETURN_PONG, record->ping, err);
	case COMMAND_SWITCHOVER_START:
		r->report->switchover_start = true;
		return 0;
	default:
		return fail(err, GW_UNSUPPORTED, "command %s",
			    stream_command_name(record->command));
	}
}

/* What the guest has to accept before the first page; without a guest it is passed over. */
static int load_early(struct receiver *r, const struct stream_record *record,
		      struct gw_error *err)
{
	const struct destination_machine *guest = r->options.guest;
	OWNED_MEMORY uint8_t *body = NULL;
	struct cursor in;
	uint32_t length;

	if (strncmp(record->name, STREAM_EARLY_PREFIX, strlen(STREAM_EARLY_PREFIX)) != 0)
		return fail(
			err, GW_UNSUPPORTED,
			"it comes before the end of ram, and nothing tells its length");
	if (!r->blocks_known)
		return fail(err, GW_PEER, "it comes ahead of the block list");
	if (r->report->parts > 0)
		return fail(err, GW_PEER, "it comes in the middle of ram");
	length = cursor_be32(&r->in);
	if (r->in.overrun)
		return cursor_fail(&r->in, err, "length");
	if (length > STREAM_EARLY_BYTES_MAX)
		return fail(err, GW_PEER, "%u bytes before the end of ram, at most %u",
			    length, STREAM_EARLY_BYTES_MAX);
	if (!guest) {
		cursor_skip(&r->in, length);
		return r->in.overrun ? cursor_fail(&r->in, err, "body") : 0;
	}
	body = malloc(length > 0 ? length : 1);
	if (!body)
		return fail_sys(err, ENOMEM, "%u bytes", length);
	cursor_copy(&r->in, body, length);
	if (r->in.overrun)
		return cursor_fail(&r->in, err, "body");
	in = cursor_over(body, length);
	if (guest->load(guest->state, record->name, record->instance, record->version,
			true, &in, err) < 0)
		return -1;
	if (in.overrun || !cursor_at_end(&in))
		return fail(err, GW_PEER, "%u bytes, not what its version has", length);
	return 0;
}

static int load_device(struct receiver *r, const struct stream_record *record,
		       struct gw_error *err)
{
	const struct destination_machine *guest = r->options.guest;
	char name[WIRE_NAME_SHOWN_MAX];
	int failed;

	wire_name_shown(name, record->name);
	failed = r->ram_ended ? guest->load(guest->state, record->name, record->instance,
					    record->version, false, &r->in, err)
			      : load_early(r, record, err);
	/* What a guest makes of zeros behind the end is not the reason. */
	if (r->ram_ended && r->in.overrun)
		failed = cursor_fail(&r->in, err, "device state");
	if (failed < 0)
		return fail_in(err, "section \"%s\"", name);
	return stream_read_footer(&r->in, record->section_id, err);
}

/* A description may follow the end; a source that has none just waits for the answer. */
static void skip_vmdesc(struct receiver *r)
{
	struct stream_record record;
	struct gw_error ignored;

	if (cursor_peek(&r->in) == RECORD_VMDESCRIPTION &&
	    stream_read_record(&r->in, &r->sections, &record, &ignored) == 0)
		cursor_skip(&r->in, record.vmdesc_bytes);
}

/* Up to the stream's end. */
static int read_records(struct receiver *r, struct gw_error *err)
{
	for (;;) {
		struct stream_record record;

		if (interrupt_raised(r->interrupt))
			return fail(err, GW_CANCELLED, "cancelled");
		if (!r->options.guest && r->ram_ended &&
		    cursor_peek(&r->in) != RECORD_COMMAND)
			return device_tail_read(&r->in, r->report, err);
		if (stream_read_record(&r->in, &r->sections, &record, err) < 0)
			return -1;
		switch (record.type) {
		case RECORD_SECTION_START:
		case RECORD_SECTION_PART:
		case RECORD_SECTION_END:
			if (read_ram_section(r, &record, err) < 0)
				return -1;
			break;
		case RECORD_SECTION_FULL:
			if (load_device(r, &record, err) < 0)
				return -1;
			break;
		case RECORD_COMMAND:
			if (obey(r, &record, err) < 0)
				return -1;
			break;
		case RECORD_EOF:
			if (!r->ram_ended)
				return fail(err, GW_PEER, "ended before the end of ram");
			skip_vmdesc(r);
			return 0;
		default:
			return fail(err, GW_PEER, "record type 0x%02x out of place",
				    (unsigned)record.type);
		}
	}
}

static int read_header(struct receiver *r, struct gw_error *err)
{
	const char *expected = r->options.machine ? r->options.machine : "";
	struct stream_header *header = &r->header;
	char name[WIRE_NAME_SHOWN_MAX];

	if (stream_read_header(&r->in, header, err) < 0)
		return -1;
	memcpy(r->report->machine, header->machine, sizeof(header->machine));
	if (expected[0] &&
	    strncmp(expected, header->machine, strlen(header->machine)) != 0)
		return fail(err, GW_PEER, "machine type \"%s\", this guest is \"%s\"",
			    wire_name_shown(name, header->machine), expected);
	r->report->dialect = r->options.dialect ? r->options.dialect
						: dialect_of_machine(header->machine);
	return 0;
}

static int start_channels(struct receiver *r, struct arrivals *arrivals,
			  struct gw_error *err)
{
	for (uint32_t i = 0; i < r->options.channel_count; i++) {
		const struct receive_channel_options options = {
			.id = i,
			.layout = &r->layout,
			.ram = r->ram,
			.landing = &r->landing,
			.inbox = r->inbox,
			.outcome = &r->outcome,
			.patience_ms = r->options.patience_ms,
			.accelerator = r->options.accelerator,
			.engine_jobs = r->options.accelerator_jobs,
			.standing = &r->standing,
		};

		channel_set_interrupt(arrivals->pages[i], r->interrupt);
		r->channels[i] =
			receive_channel_start(&options, MOVE(arrivals->pages[i]), err);
		if (!r->channels[i])
			return -1;
		r->channels_started++;
	}
	return 0;
}

static int start_guest(struct receiver *r, struct gw_error *err)
{
	const struct destination_machine *guest = r->options.guest;

	if (!guest)
		return 0;
	if (guest->start(guest->state, err) < 0)
		return fail_in(err, "start");
	r->report->started_at_ns = clock_now_ns();
	return 0;
}

static int receive(struct receiver *r, struct gw_error *err)
{
	channel_set_read_patience(r->main, r->options.patience_ms);
	channel_set_write_patience(r->main, r->options.patience_ms);
	if (read_header(r, err) < 0)
		return fail_in(err, "main channel");
	enter(r, MIGRATION_ACTIVE);
	/* A source sends main nothing while its page channels are at work. */
	channel_set_read_patience(r->main, -1);
	if (read_records(r, err) < 0)
		return fail_in(err, "main channel");
	if (interrupt_raised(r->interrupt))
		return fail(err, GW_CANCELLED, "cancelled");
	if (start_guest(r, err) < 0)
		return -1;
	if (!r->report->return_path)
		return 0;
	/* From here on the guest is ours, heard or not: the source stays paused without it. */
	if (answer(r, RETURN_SHUT, 0, err) < 0)
		log_line(r->options.log, LOG_LEVEL_WARNING,
			 "the source did not hear that the guest runs here: %s",
			 err->text);
	return 0;
}

/* The source is told, so that its guest runs on at once.  What it still sends is read, for a
 * connection that is closed over unread bytes is reset, and a reset overtakes what was said. */
static void tell_failure(struct receiver *r)
{
	uint64_t start_ns = clock_now_ns();
	struct gw_error ignored;

	if (!r->report->return_path)
		return;
	channel_set_interrupt(r->main, NULL);
	channel_set_write_patience(r->main, LAST_WORDS_MS);
	channel_set_read_patience(r->main, LAST_WORDS_MS);
	if (answer(r, RETURN_SHUT, 1, &ignored) < 0)
		return;
	channel_finish(r->main);
	while (clock_now_ns() - start_ns < LAST_WORDS_MS * NS_PER_MS &&
	       channel_read_some(r->main, r->buffer, MAIN_BUFFER_BYTES, &ignored) > 0)
		;
}

static ptrdiff_t refill(void *state, void *into, size_t room, struct gw_error *err)
{
	struct receiver *r = state;

	/* A file never waits, and only who waits hears the interrupt. */
	if (interrupt_raised(r->interrupt))
		return fail(err, GW_CANCELLED, "cancelled");
	return channel_read_some(r->main, into, room, err);
}

static void tear_down(struct receiver *r)
{
	queue_close(r->inbox);
	interrupt_raise(r->interrupt);
	for (uint32_t i = 0; i < r->channels_started; i++) {
		counters_sum(&r->report->counters,
			     receive_channel_counters(r->channels[i]));
		receive_channel_engines(r->channels[i], r->report->engines);
		r->report->wire_bytes += receive_channel_wire_bytes(r->channels[i]);
		receive_channel_stop(r->channels[i]);
	}
	r->channels_started = 0;
	r->report->main_bytes = channel_bytes_read(r->main);
	r->report->wire_bytes += r->report->main_bytes;
	channel_free(r->main);
	r->main = NULL;
	landing_free(r->landing);
	r->landing = NULL;
}

int receiver_run(struct receiver *r, struct arrivals *arrivals,
		 struct receiver_report *report, struct gw_error *err)
{
	struct gw_error seen;
	int failed;

	memset(report, 0, sizeof(*report));
	r->report = report;
	r->start_ns = clock_now_ns();
	r->main = MOVE(arrivals->main);
	channel_set_interrupt(r->main, r->interrupt);
	r->in = cursor_from(r->buffer, MAIN_BUFFER_BYTES, refill, r);
	enter(r, MIGRATION_SETUP);
	failed = start_channels(r, arrivals, err);
	if (failed == 0)
		failed = receive(r, err);
	report->total_ns = clock_now_ns() - r->start_ns;
	if (failed < 0) {
		seen = *err;
		outcome_error(&r->outcome, &seen, err);
		tell_failure(r);
	}
	arrivals_close(arrivals, r->options.channel_count);
	tear_down(r);
	if (failed == 0)
		enter(r, MIGRATION_COMPLETED);
	else
		enter(r,
		      err->kind == GW_CANCELLED ? MIGRATION_CANCELLED : MIGRATION_FAILED);
	return failed;
}

int receiver_listen(struct receiver *r, struct listener *listener,
		    struct receiver_report *report, struct gw_error *err)
{
	const struct lobby_options options = {
		.channel_count = r->options.channel_count,
		.patience_ms = r->options.patience_ms,
		.log = r->options.log,
	};
	struct arrivals arrivals;

	memset(report, 0, sizeof(*report));
	if (lobby_admit(listener, &options, r->interrupt, &arrivals, err) < 0) {
		report->state = err->kind == GW_CANCELLED ? MIGRATION_CANCELLED
							  : MIGRATION_FAILED;
		return -1;
	}
	return receiver_run(r, &arrivals, report, err);
}

void receiver_cancel(struct receiver *r)
{
	interrupt_raise(r->interrupt);
}

const struct interrupt *receiver_interrupt(const struct receiver *r)
{
	return r->interrupt;
}

struct receiver *receiver_new(const struct receiver_options *options, struct ram *ram,
			      struct gw_error *err)
{
	OWNED(receiver) struct receiver *r = calloc(1, sizeof(*r));

	if (!r) {
		fail_sys(err, ENOMEM, "migration");
		return NULL;
	}
	r->options = *options;
	r->ram = ram;
	r->pages.block = -1;
	r->standing.log = options->log;
	if (accelerator_check(options->accelerator, err) < 0)
		return NULL;
	r->interrupt = interrupt_new(err);
	if (!r->interrupt)
		return NULL;
	outcome_init(&r->outcome, r->interrupt);
	/* A channel has at most a SYNC and an end on the way. */
	r->inbox = queue_new(sizeof(struct receiver_event),
			     (size_t)3 * MULTIFD_CHANNELS_MAX, err);
	if (!r->inbox)
		return NULL;
	r->buffer = malloc(MAIN_BUFFER_BYTES);
	r->layout.capacity = LAYOUT_BLOCKS_MAX;
	r->layout.limit_bytes = options->adopt_blocks ? options->memory_limit_bytes
						      : ram_total_bytes(ram);
	r->layout.blocks = calloc(LAYOUT_BLOCKS_MAX, sizeof(*r->layout.blocks));
	if (!r->buffer || !r->layout.blocks) {
		fail_sys(err, ENOMEM, "migration");
		return NULL;
	}
	return MOVE(r);
}

void receiver_free(struct receiver *r)
{
	if (!r)
		return;
	free(r->layout.blocks);
	free(r->buffer);
	queue_free(r->inbox);
	interrupt_free(r->interrupt);
	free(r);
}
