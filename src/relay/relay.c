/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* relay.c - everything between two connections of main and two sets of page channels. */
#include "relay/relay.h"

#include <errno.h>

#include "base/clock.h"
#include "relay/relay_parts.h"

/* Beyond what inlets and outlets hold in their hands. */
#define SPARE_PARCELS 2u
/* Of each: the window's least. */
#define FLOOR_PACKETS 2u

/* ---- failure ---- */

static bool at_source(const struct relay *relay)
{
	return relay->options.from.main != NULL;
}

static void end_waits(struct relay *relay)
{
	if (relay->exchange)
		exchange_close(relay->exchange);
	if (relay->page_window)
		window_close(relay->page_window);
	if (relay->main_window)
		window_close(relay->main_window);
	pthread_mutex_lock(&relay->tell_lock);
	relay->teller_stops = true;
	pthread_cond_signal(&relay->tell_wanted);
	pthread_mutex_unlock(&relay->tell_lock);
}

/* QEMU then fails its migration, and its guest goes on.  Its page channels are read on (inlet.h). */
static void cut_main_of_source(struct relay *relay)
{
	if (at_source(relay))
		channel_cut(relay->options.from.main);
}

static void cut_pages_of_source(struct relay *relay)
{
	const struct relay_end *from = &relay->options.from;

	for (uint32_t i = 0; at_source(relay) && i < from->count; i++)
		channel_cut(from->pages[i]);
}

static void end_all(struct relay *relay)
{
	end_waits(relay);
	cut_main_of_source(relay);
}

/* Of inlets and outlets, which have told the outcome already. */
static void on_failed(void *state)
{
	end_all(state);
}

void relay_fail(struct relay *relay, const struct gw_error *why)
{
	outcome_fail(&relay->outcome, why);
	end_all(relay);
}

void relay_cancel(struct relay *relay)
{
	interrupt_raise(relay->outcome.interrupt);
	end_all(relay);
}

bool relay_failed(const struct relay *relay)
{
	return outcome_failed(&relay->outcome);
}

int relay_error(const struct relay *relay, struct gw_error *err)
{
	static const struct gw_error cancelled = { .kind = GW_CANCELLED,
						   .text = "cancelled" };

	return outcome_error(&relay->outcome, &cancelled, err);
}

/* ---- what was delivered ---- */

static void ask_for_ack(struct relay *relay)
{
	pthread_mutex_lock(&relay->tell_lock);
	relay->told_due = true;
	pthread_cond_signal(&relay->tell_wanted);
	pthread_mutex_unlock(&relay->tell_lock);
}

void relay_delivered(struct relay *relay, uint64_t page_bytes)
{
	uint64_t total = __atomic_add_fetch(&relay->delivered_page_bytes, page_bytes,
					    __ATOMIC_RELAXED);

	if (!at_source(relay))
		ask_for_ack(relay);
	else if (relay->options.to.main)
		(void)window_delivered(relay->page_window, total);
}

void relay_main_delivered(struct relay *relay)
{
	if (!at_source(relay))
		ask_for_ack(relay);
	else if (relay->options.to.main)
		(void)window_delivered(relay->main_window,
				       counter_read(&relay->forward.bytes));
}

static void on_delivered(void *state, uint64_t parcel_bytes)
{
	relay_delivered(state, parcel_bytes);
}

/* ---- start ---- */

static int choose_engine(struct relay *relay, struct gw_error *err)
{
	const struct relay_options *options = &relay->options;

	if (accelerator_check(options->accelerator, err) < 0)
		return -1;
	if (options->codec->id == CODEC_NONE || options->to.count == 0)
		return 0;
	relay->engine = engine_choose(options->codec->id, ENCODE, options->level,
				      options->accelerator, err);
	return relay->engine ? 0 : -1;
}

/* In flight is what the one who takes from a QEMU says: at the other half nothing is counted. */
static int make_windows(struct relay *relay, struct gw_error *err)
{
	const struct relay_options *options = &relay->options;
	uint32_t channels = options->to.count;
	uint64_t packet = JOB_BYTES_MAX + MULTIFD_PACKET_BYTES;

	if (!at_source(relay))
		return 0;
	relay->main_window = window_new(FLOOR_PACKETS * packet,
					options->downtime_limit_ms, clock_now_ns, err);
	if (!relay->main_window)
		return -1;
	if (channels == 0)
		return 0;
	relay->page_window = window_new((uint64_t)FLOOR_PACKETS * channels * packet,
					options->downtime_limit_ms, clock_now_ns, err);
	return relay->page_window ? 0 : -1;
}

static int make_exchange(struct relay *relay, struct gw_error *err)
{
	uint32_t inlets = relay->options.from.count, outlets = relay->options.to.count;

	if ((inlets == 0) != (outlets == 0))
		return fail(
			err, GW_USAGE,
			"page channels: %u in and %u out, only both or neither can be 0",
			inlets, outlets);
	if (inlets == 0)
		return 0;
	relay->parcel_count = inlets + JOB_SLOTS * outlets + SPARE_PARCELS;
	relay->exchange = exchange_new(inlets, outlets, relay->parcel_count, err);
	return relay->exchange ? 0 : -1;
}

static struct port port_of(const struct relay_end *end, uint32_t i, bool aligned)
{
	return (struct port){
		.channel = end->main ? end->pages[i] : NULL,
		.link = end->main ? NULL : end->page_links[i],
		.aligned = aligned,
	};
}

static struct channel *page_channel_of(const struct relay_end *end, uint32_t i)
{
	return end->main ? end->pages[i] : session_link_channel(end->page_links[i]);
}

static struct channel *main_channel_of(const struct relay_end *end)
{
	return end->main ? end->main : session_link_channel(end->main_link);
}

/* All waits end with the interrupt; only a godwit's silence on main means something. */
static void prepare_end(struct relay *relay, const struct relay_end *end)
{
	const struct interrupt *interrupt = relay->outcome.interrupt;
	struct channel *main = main_channel_of(end);

	channel_set_interrupt(main, interrupt);
	channel_set_read_patience(main, end->main ? -1 : relay->options.patience_ms);
	channel_set_write_patience(main, -1);
	for (uint32_t i = 0; i < end->count; i++) {
		struct channel *page = page_channel_of(end, i);

		channel_set_interrupt(page, interrupt);
		channel_set_read_patience(page, -1);
		channel_set_write_patience(page, -1);
	}
}

static void set_throttle(struct relay *relay)
{
	const struct relay_end *to = &relay->options.to;
	struct throttle *throttle = relay->options.throttle;

	if (!throttle)
		return;
	channel_set_throttle(main_channel_of(to), throttle, relay->outcome.interrupt);
	for (uint32_t i = 0; i < to->count; i++)
		channel_set_throttle(page_channel_of(to, i), throttle,
				     relay->outcome.interrupt);
}

static int start_inlets(struct relay *relay, struct gw_error *err)
{
	const struct relay_end *from = &relay->options.from;
	struct inlet_options options = {
		.name = from->main ? "QEMU's page channel" : "connection",
		.exchange = relay->exchange,
		.window = relay->page_window,
		.outcome = &relay->outcome,
		.failed = on_failed,
		.state = relay,
		.drains = from->main != NULL,
		.accelerator = relay->options.accelerator,
		.engine_jobs = relay->options.engine_jobs,
		.standing = &relay->decode_standing,
	};

	for (uint32_t i = 0; i < from->count; i++) {
		options.index = i;
		relay->from_ports[i] = port_of(from, i, false);
		relay->inlets[i] = inlet_start(&options, &relay->from_ports[i], err);
		if (!relay->inlets[i])
			return -1;
	}
	return 0;
}

static int start_outlets(struct relay *relay, struct gw_error *err)
{
	const struct relay_end *to = &relay->options.to;
	struct outlet_options options = {
		.name = to->main ? "QEMU's page channel" : "connection",
		.exchange = relay->exchange,
		.outcome = &relay->outcome,
		.failed = on_failed,
		.delivered = on_delivered,
		.state = relay,
		.dialect = relay->options.dialect,
		.codec = relay->options.codec,
		.level = relay->options.level,
		.engine = relay->engine,
		.engine_jobs = relay->options.engine_jobs,
		.standing = &relay->encode_standing,
		.next_packet = &relay->next_packet,
	};

	for (uint32_t i = 0; i < to->count; i++) {
		options.index = i;
		relay->to_ports[i] = port_of(to, i, relay->options.aligned);
		relay->outlets[i] = outlet_start(&options, &relay->to_ports[i], err);
		if (!relay->outlets[i])
			return -1;
	}
	return 0;
}

static int start_thread(struct relay *relay, pthread_t *thread, bool *running,
			void *(*run)(void *), struct gw_error *err)
{
	int failed = pthread_create(thread, NULL, run, relay);

	if (failed)
		return fail_sys(err, failed, "thread");
	*running = true;
	return 0;
}

static int start_threads(struct relay *relay, struct gw_error *err)
{
	bool session = relay->options.from.main_link || relay->options.to.main_link;

	if (session && start_thread(relay, &relay->teller, &relay->telling,
				    relay_run_teller, err) < 0)
		return -1;
	if (start_outlets(relay, err) < 0 || start_inlets(relay, err) < 0)
		return -1;
	if (start_thread(relay, &relay->backward.thread, &relay->backward.running,
			 relay_run_backward, err) < 0)
		return -1;
	return start_thread(relay, &relay->forward.thread, &relay->forward.running,
			    relay_run_forward, err);
}

static void init_telling(struct relay *relay)
{
	pthread_condattr_t attributes;

	pthread_mutex_init(&relay->tell_lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&relay->tell_wanted, &attributes);
	pthread_condattr_destroy(&attributes);
}

struct relay *relay_start(const struct relay_options *options,
			  struct interrupt *interrupt, struct gw_error *err)
{
	struct relay *relay = calloc(1, sizeof(*relay));

	if (!relay) {
		fail_sys(err, ENOMEM, "relay");
		return NULL;
	}
	relay->options = *options;
	outcome_init(&relay->outcome, interrupt);
	init_telling(relay);
	relay->encode_standing.log = options->log;
	relay->decode_standing.log = options->log;
	main_scan_init(&relay->main_scan, &options->edits);
	return_scan_init(&relay->return_scan);
	prepare_end(relay, &options->from);
	prepare_end(relay, &options->to);
	set_throttle(relay);
	if (choose_engine(relay, err) < 0 || make_windows(relay, err) < 0 ||
	    make_exchange(relay, err) < 0 || start_threads(relay, err) < 0) {
		relay_cancel(relay);
		relay_stop(relay);
		return NULL;
	}
	return relay;
}

/* ---- meanwhile ---- */

bool relay_ended(const struct relay *relay)
{
	if (!__atomic_load_n(&relay->forward.ended, __ATOMIC_ACQUIRE))
		return false;
	for (uint32_t i = 0; i < relay->options.to.count; i++)
		if (!outlet_is_done(relay->outlets[i]))
			return false;
	return true;
}

static uint64_t bytes_of(const struct relay_end *end)
{
	const struct channel *main = main_channel_of(end);
	uint64_t sum = channel_bytes_read(main) + channel_bytes_written(main);

	for (uint32_t i = 0; i < end->count; i++) {
		const struct channel *page = page_channel_of(end, i);

		sum += channel_bytes_read(page) + channel_bytes_written(page);
	}
	return sum;
}

uint64_t relay_session_bytes_read(const struct relay *relay)
{
	const struct relay_end *end =
		relay->options.from.main_link ? &relay->options.from : &relay->options.to;
	uint64_t sum = channel_bytes_read(session_link_channel(end->main_link));

	for (uint32_t i = 0; i < end->count; i++)
		sum += channel_bytes_read(session_link_channel(end->page_links[i]));
	return sum;
}

static void sum_inlets(const struct relay *relay, struct relay_figures *figures)
{
	struct counters sum = { .packets = 0 };
	const char *engine;

	for (uint32_t i = 0; i < relay->options.from.count; i++) {
		counters_sum(&sum, inlet_counters(relay->inlets[i]));
		engine = inlet_engine(relay->inlets[i]);
		if (engine)
			figures->engine = engine;
	}
	figures->normal_pages = sum.normal_pages;
	figures->zero_pages = sum.zero_pages;
	figures->guest_bytes = sum.normal_pages * PAGE_BYTES +
			       sum.packets * MULTIFD_PACKET_BYTES +
			       counter_read(&relay->forward.bytes);
}

void relay_figures(const struct relay *relay, struct relay_figures *figures)
{
	const struct relay_end *from = &relay->options.from, *to = &relay->options.to;

	*figures = (struct relay_figures){ .engine = "" };
	sum_inlets(relay, figures);
	if (relay->engine)
		figures->engine = relay->engine->name;
	figures->wire_bytes = bytes_of(from->main_link ? from : to);
	if (relay->page_window) {
		figures->in_flight = window_in_flight(relay->page_window);
		figures->most_in_flight = window_most_in_flight(relay->page_window);
	}
	figures->memory_bytes = relay->parcel_count * PARCEL_ROOM_BYTES;
	/* What a flag vouches for is there once it is set, and not to be looked at before. */
	figures->shut = __atomic_load_n(&relay->return_scan.shut, __ATOMIC_ACQUIRE);
	if (figures->shut)
		figures->shut_value = relay->return_scan.shut_value;
	figures->setup_ended =
		__atomic_load_n(&relay->main_scan.seen.setup_ended, __ATOMIC_ACQUIRE);
	if (figures->setup_ended)
		figures->setup_flushed = relay->main_scan.seen.setup_flushed;
	figures->ram_ended =
		__atomic_load_n(&relay->main_scan.seen.ram_ended, __ATOMIC_ACQUIRE);
	figures->postcopy_running = __atomic_load_n(
		&relay->main_scan.seen.postcopy_running, __ATOMIC_RELAXED);
}

void relay_set_downtime_limit(struct relay *relay, uint64_t ms)
{
	if (relay->page_window)
		window_set_downtime_limit(relay->page_window, ms);
	if (relay->main_window)
		window_set_downtime_limit(relay->main_window, ms);
}

/* ---- end ---- */

static void join_pump(struct main_pump *pump)
{
	if (pump->running)
		pthread_join(pump->thread, NULL);
}

void relay_stop(struct relay *relay)
{
	if (!relay)
		return;
	cut_pages_of_source(relay);
	for (uint32_t i = 0; i < relay->options.from.count; i++)
		inlet_stop(relay->inlets[i]);
	for (uint32_t i = 0; i < relay->options.to.count; i++)
		outlet_stop(relay->outlets[i]);
	join_pump(&relay->forward);
	join_pump(&relay->backward);
	end_waits(relay);
	if (relay->telling)
		pthread_join(relay->teller, NULL);
	exchange_free(relay->exchange);
	window_free(relay->page_window);
	window_free(relay->main_window);
	pthread_cond_destroy(&relay->tell_wanted);
	pthread_mutex_destroy(&relay->tell_lock);
	free(relay);
}
