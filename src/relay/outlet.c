/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* outlet.c - one page channel out: parcels taken from the exchange, encoded, written. */
#include "relay/outlet.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "base/clock.h"
#include "migrate/method.h"

/* What each zero page looks like where they travel with contents. */
static const uint8_t zero_page[PAGE_BYTES];

/* A parcel on its way from the exchange to the port. */
struct slot {
	struct parcel *parcel;
	struct multifd_packet packet;
	struct span source[MULTIFD_PACKET_PAGES]; /* its pages as one, then zeros */
	uint32_t source_count;
	struct job job;
};

struct outlet {
	struct outlet_options options;
	struct port port;
	pthread_t thread;
	bool running;
	bool done; /* read by others */
	bool resending;
	struct counters counters;
	void *engine_state;
	struct slot slots[JOB_SLOTS];
	struct slot *in_engine; /* or NULL */
	uint8_t header[MULTIFD_PACKET_BYTES];
};

/* ---- packets ---- */

/* Header and payload in one write; the payload's pieces are in `iov` from 1. */
static int write_packet(struct outlet *out, struct multifd_packet *packet,
			const struct layout *layout, struct iovec *iov, int count,
			struct gw_error *err)
{
	uint64_t start_ns = clock_now_ns();
	uint64_t throttled_ns = port_throttled_ns(&out->port);

	packet->number =
		__atomic_fetch_add(out->options.next_packet, 1, __ATOMIC_RELAXED);
	multifd_packet_write(out->header, out->options.dialect, layout, packet);
	iov[0] = (struct iovec){ out->header, sizeof(out->header) };
	if (port_write(&out->port, iov, count, err) < 0)
		return -1;
	throttled_ns = port_throttled_ns(&out->port) - throttled_ns;
	counter_add(&out->counters.phases.wait_ns, throttled_ns);
	counter_add(&out->counters.phases.send_ns,
		    clock_now_ns() - start_ns - throttled_ns);
	counter_add(&out->counters.packets, 1);
	return 0;
}

static int write_sync(struct outlet *out, struct gw_error *err)
{
	struct multifd_packet packet = { .sync = true, .block = -1 };
	struct iovec iov[1];

	if (write_packet(out, &packet, NULL, iov, 1, err) < 0)
		return -1;
	/* All sources say their first SYNC before they send pages. */
	out->resending = counter_read(&out->counters.syncs) > 0;
	counter_add(&out->counters.syncs, 1);
	return 0;
}

/* QEMU 10.2's receiver of uadk does not note which pages it has got: one that was data and is
 * zero now would keep the data. */
static bool zeros_have_contents(const struct outlet *out)
{
	return !out->options.dialect->zero_pages_in_packets ||
	       (out->port.channel && out->options.codec->id == CODEC_UADK &&
		out->resending);
}

/* All of the header but the payload's size. */
static void make_packet(struct outlet *out, struct slot *slot)
{
	struct multifd_packet *packet = &slot->packet;
	struct span *source = slot->source;

	*packet = slot->parcel->packet;
	packet->method = method_of_codec(out->options.codec->id);
	packet->payload_bytes = 0;
	if (packet->normal_pages > 0)
		*source++ = (struct span){ slot->parcel->pages,
					   packet->normal_pages * PAGE_BYTES };
	if (zeros_have_contents(out)) {
		for (uint32_t i = 0; i < packet->zero_pages; i++)
			*source++ = (struct span){ zero_page, PAGE_BYTES };
		packet->normal_pages += packet->zero_pages;
		packet->zero_pages = 0;
	}
	slot->source_count = (uint32_t)(source - slot->source);
}

/* Header and what `pieces` say; the parcel goes back. */
static int write_slot(struct outlet *out, struct slot *slot, const struct span *pieces,
		      uint32_t piece_count, struct gw_error *err)
{
	struct method_counters *method = &out->counters.methods[out->options.codec->id];
	const struct layout layout = { &slot->parcel->block, 1, 1, UINT64_MAX };
	struct multifd_packet *packet = &slot->packet;
	struct iovec iov[1 + JOB_PIECES_MAX];
	uint64_t taken_bytes = parcel_bytes(slot->parcel);

	for (uint32_t i = 0; i < piece_count; i++) {
		iov[1 + i] = (struct iovec){ (void *)pieces[i].bytes, pieces[i].length };
		packet->payload_bytes += (uint32_t)pieces[i].length;
	}
	if (write_packet(out, packet, &layout, iov, 1 + (int)piece_count, err) < 0)
		return -1;
	if (packet->normal_pages > 0) {
		counter_add(&method->packets, 1);
		counter_add(&method->pages, packet->normal_pages);
		counter_add(&method->payload_bytes, packet->payload_bytes);
	}
	counter_add(&out->counters.normal_pages, packet->normal_pages);
	counter_add(&out->counters.zero_pages, packet->zero_pages);
	out->options.delivered(out->options.state, taken_bytes);
	exchange_return(out->options.exchange, MOVE(slot->parcel));
	return 0;
}

static int write_encoded(struct outlet *out, struct slot *slot, struct gw_error *err)
{
	return write_slot(out, slot, slot->job.pieces, slot->job.piece_count, err);
}

/* ---- the engine, one parcel ahead of the port ---- */

/* 1: encoded, 0: not yet, -1 error. */
static int reap(struct outlet *out, bool wait, struct gw_error *err)
{
	uint64_t start_ns = clock_now_ns();
	int done = out->options.engine->reap(out->engine_state, wait, err);

	counter_add(&out->counters.phases.engine_ns, clock_now_ns() - start_ns);
	return done;
}

static int submit(struct outlet *out, struct slot *slot, struct gw_error *err)
{
	uint64_t start_ns = clock_now_ns();
	int failed;

	slot->job.slot = (uint32_t)(slot - out->slots);
	slot->job.source = slot->source;
	slot->job.source_count = slot->source_count;
	failed = out->options.engine->submit(out->engine_state, &slot->job, err);
	counter_add(&out->counters.phases.engine_ns, clock_now_ns() - start_ns);
	return failed;
}

/* Writes the parcel before while the engine works on this one, and this one too if it was done at
 * once. */
static int encode_and_write(struct outlet *out, struct slot *slot, struct gw_error *err)
{
	struct slot *before = out->in_engine;
	int done;

	if (before && reap(out, true, err) < 0)
		return -1;
	out->in_engine = slot;
	if (submit(out, slot, err) < 0 || (before && write_encoded(out, before, err) < 0))
		return -1;
	done = reap(out, false, err);
	if (done <= 0)
		return done;
	out->in_engine = NULL;
	return write_encoded(out, slot, err);
}

static int write_rest(struct outlet *out, struct gw_error *err)
{
	struct slot *slot = out->in_engine;

	if (!slot)
		return 0;
	if (reap(out, true, err) < 0)
		return -1;
	out->in_engine = NULL;
	return write_encoded(out, slot, err);
}

/* ---- the exchange ---- */

static struct slot *free_slot(struct outlet *out)
{
	return &out->slots[out->in_engine == &out->slots[0]];
}

static int write_parcel(struct outlet *out, struct parcel *parcel, struct gw_error *err)
{
	struct slot *slot = free_slot(out);

	slot->parcel = parcel;
	make_packet(out, slot);
	if (slot->packet.normal_pages > 0 && out->options.engine)
		return encode_and_write(out, slot, err);
	return write_slot(out, slot, slot->source, slot->source_count, err);
}

static enum exchange_take take(struct outlet *out, struct parcel **parcel)
{
	uint64_t start_ns = clock_now_ns();
	/* Nobody waits while the engine holds what could be written. */
	enum exchange_take taken = exchange_take(
		out->options.exchange, out->options.index, !out->in_engine, parcel);

	counter_add(&out->counters.phases.wait_ns, clock_now_ns() - start_ns);
	return taken;
}

/* 1 go on, 0 the end, -1 error. */
static int step(struct outlet *out, struct gw_error *err)
{
	struct parcel *parcel;

	switch (take(out, &parcel)) {
	case EXCHANGE_PARCEL:
		return write_parcel(out, parcel, err) < 0 ? -1 : 1;
	case EXCHANGE_SYNC:
		return write_rest(out, err) < 0 || write_sync(out, err) < 0 ? -1 : 1;
	case EXCHANGE_NOTHING:
		return write_rest(out, err) < 0 ? -1 : 1;
	case EXCHANGE_DONE:
		return write_rest(out, err) < 0 ? -1 : port_finish(&out->port, err);
	case EXCHANGE_CLOSED:
		break;
	}
	return fail(err, GW_CANCELLED, "cancelled");
}

static void *run(void *state)
{
	struct outlet *out = state;
	struct gw_error error;
	int more;

	do {
		more = step(out, &error);
	} while (more > 0);
	if (more < 0) {
		fail_in(&error, "%s %u", out->options.name, out->options.index);
		outcome_fail(out->options.outcome, &error);
		out->options.failed(out->options.state);
	} else {
		__atomic_store_n(&out->done, true, __ATOMIC_RELEASE);
	}
	return NULL;
}

/* ---- calls ---- */

static int open_engine(struct outlet *out, struct gw_error *err)
{
	const struct engine_options options = {
		.direction = ENCODE,
		.level = out->options.level,
		.jobs = out->options.engine_jobs,
		.standing = out->options.standing,
		.counters = &out->counters.engine,
		.interrupt = out->options.outcome->interrupt,
	};

	if (!out->options.engine)
		return 0;
	out->engine_state = out->options.engine->open(out->options.engine, &options, err);
	return out->engine_state ? 0 : -1;
}

struct outlet *outlet_start(const struct outlet_options *options, const struct port *port,
			    struct gw_error *err)
{
	struct outlet *out = calloc(1, sizeof(*out));
	int failed;

	if (!out) {
		fail_sys(err, ENOMEM, "%s %u", options->name, options->index);
		return NULL;
	}
	out->options = *options;
	out->port = *port;
	if (open_engine(out, err) < 0)
		goto undo;
	failed = pthread_create(&out->thread, NULL, run, out);
	if (failed) {
		fail_sys(err, failed, "thread");
		goto undo;
	}
	out->running = true;
	return out;
undo:
	fail_in(err, "%s %u", options->name, options->index);
	outlet_stop(out);
	return NULL;
}

const struct counters *outlet_counters(const struct outlet *out)
{
	return &out->counters;
}

bool outlet_is_done(const struct outlet *out)
{
	return __atomic_load_n(&out->done, __ATOMIC_ACQUIRE);
}

void outlet_stop(struct outlet *out)
{
	if (!out)
		return;
	if (out->running)
		pthread_join(out->thread, NULL);
	if (out->options.engine)
		out->options.engine->close(out->engine_state);
	free(out);
}
