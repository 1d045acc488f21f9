/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* links.c - the connections of a migration at the source. */
#include "migrate/links.h"

static struct channel *open_connection(struct links *l, uint32_t index,
				       struct gw_error *err)
{
	const struct interrupt *interrupt = l->options.outcome->interrupt;
	struct channel *channel;

	if (interrupt_raised(interrupt)) {
		struct gw_error cancelled;

		fail(&cancelled, GW_CANCELLED, "cancelled");
		outcome_error(l->options.outcome, &cancelled, err);
		return NULL;
	}
	channel = l->options.connect(l->options.connect_state, index, interrupt, err);
	if (!channel)
		return NULL;
	channel_set_write_patience(channel, l->options.patience_ms);
	channel_set_throttle(channel, l->options.throttle, interrupt);
	return channel;
}

static int open_main(struct links *l, struct gw_error *err)
{
	const struct links_options *options = &l->options;

	l->main_channel = open_connection(l, 0, err);
	if (!l->main_channel ||
	    main_stream_init(&l->main, l->main_channel, options->dialect, options->layout,
			     options->channel_count > 0, err) < 0)
		return -1;
	if (options->return_path) {
		l->reader = return_reader_start(l->main_channel, options->inbox,
						options->outcome, err);
		if (!l->reader)
			return -1;
	}
	return main_stream_open(&l->main, options->machine, options->return_path, err);
}

static int open_page_channel(struct links *l, uint32_t id, struct gw_error *err)
{
	const struct send_channel_options options = {
		.id = id,
		.dialect = l->options.dialect,
		.layout = l->options.layout,
		.batcher = l->options.batcher,
		.codec = codec_by_id(l->options.method),
		.engine = l->options.engine,
		.level = l->options.level,
		.engine_jobs = l->options.engine_jobs,
		.standing = l->options.standing,
		.next_packet = &l->next_packet,
		.inbox = l->options.inbox,
		.outcome = l->options.outcome,
	};
	struct multifd_init init = { .id = (uint8_t)id };
	uint8_t bytes[MULTIFD_INIT_BYTES];
	struct channel *channel = open_connection(l, id + 1, err);

	if (!channel)
		return fail_in(err, "channel %u", id);
	memcpy(init.uuid, l->options.uuid, sizeof(init.uuid));
	multifd_init_write(bytes, &init);
	if (channel_write_bytes(channel, bytes, sizeof(bytes), err) < 0) {
		channel_free(channel);
		return fail_in(err, "channel %u", id);
	}
	l->channels[id] = send_channel_start(&options, channel, err);
	if (!l->channels[id])
		return -1;
	l->count++;
	return 0;
}

int links_open(struct links *l, const struct links_options *options, struct gw_error *err)
{
	*l = (struct links){ .options = *options };
	if (open_main(l, err) < 0)
		return -1;
	for (uint32_t i = 0; i < options->channel_count; i++)
		if (open_page_channel(l, i, err) < 0)
			return -1;
	return 0;
}

void links_sync(struct links *l)
{
	for (uint32_t i = 0; i < l->count; i++)
		send_channel_sync(l->channels[i]);
}

void links_round(struct links *l)
{
	for (uint32_t i = 0; i < l->count; i++)
		send_channel_round(l->channels[i]);
}

void links_sum(const struct links *l, struct counters *sum, uint64_t *wire_bytes)
{
	*wire_bytes = l->main_channel ? channel_bytes_written(l->main_channel) : 0;
	for (uint32_t i = 0; i < l->count; i++) {
		counters_sum(sum, send_channel_counters(l->channels[i]));
		*wire_bytes += send_channel_wire_bytes(l->channels[i]);
	}
}

int links_await_close(struct links *l, int answer_patience_ms, struct gw_error *err)
{
	ptrdiff_t got;
	uint8_t byte;

	channel_finish(l->main_channel);
	channel_set_read_patience(l->main_channel, answer_patience_ms);
	got = channel_read_some(l->main_channel, &byte, 1, err);
	if (got < 0)
		return fail_in(err, "main channel");
	if (got > 0)
		return fail(err, GW_PEER,
			    "main channel: the destination answers, but no return path "
			    "was opened");
	for (uint32_t i = 0; i < l->count; i++)
		if (send_channel_await_close(l->channels[i], l->options.patience_ms,
					     err) < 0)
			return -1;
	return 0;
}

void links_close(struct links *l, bool failed)
{
	if (failed && l->main_channel)
		channel_finish(l->main_channel);
	for (uint32_t i = 0; i < l->count; i++)
		send_channel_stop(l->channels[i], failed);
	l->count = 0;
	return_reader_stop(l->reader);
	l->reader = NULL;
	channel_free(l->main_channel);
	l->main_channel = NULL;
	main_stream_deinit(&l->main);
}
