/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* device_uadk.c - Kunpeng's ZIP engine through UADK: pages as zlib streams.
 *
 * Source: UADK 2.10 include/wd_comp.h, wd_comp.c, drv/hisi_comp.c.
 *
 * UADK is opened at run time, once, and initialized while somebody uses it.  wd_comp_init2() is
 * not for us: its scheduler does not tell which of its contexts (hardware queues) serves a
 * session, and wd_comp_poll() asks all of them, a thousand times over, before it says that
 * nothing is there.  So the contexts are requested here, each state gets one (several share one
 * where there are more states) and polls that.  Who polls runs the callbacks of whatever has
 * come, another state's too: they only mark a slot, and the slots of a state with requests
 * inside are never freed.
 *
 * The engine knows no level.  It is told to skip the zlib header when it decodes, and whether it
 * checks the Adler-32 is not documented: both are checked here. */
#include <assert.h>
#include <errno.h>
#include <libdeflate.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <uadk/wd_comp.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/pages.h"
#include "codec/device.h"
#include "codec/device_trial.h"
#include "codec/vendor_library.h"

/* Contexts for each direction at most, one after the other for encoding and decoding.  A device
 * has 256 or more. */
#define PAIRS_MAX 8u

#define ZLIB_HEADER_BYTES 2u
#define ZLIB_TRAILER_BYTES 4u

/* That closing waits for units inside. */
#define CLOSE_MS 100

/* NOLINTBEGIN(cppcoreguidelines-avoid-non-const-global-variables): one a process */
static struct {
	pthread_mutex_t lock; /* over users, pairs, next, hung */
	__typeof__(wd_get_accel_dev) *get_accel_dev;
	__typeof__(wd_request_ctx) *request_ctx;
	__typeof__(wd_release_ctx) *release_ctx;
	__typeof__(wd_comp_init) *init;
	__typeof__(wd_comp_uninit) *uninit;
	__typeof__(wd_comp_alloc_sess) *alloc_sess;
	__typeof__(wd_comp_free_sess) *free_sess;
	__typeof__(wd_do_comp_async) *do_async;
	__typeof__(wd_comp_poll_ctx) *poll_ctx;
	uint32_t users;
	uint32_t pairs;
	uint32_t next;
	struct wd_ctx contexts[2 * PAIRS_MAX];
	/* With units that did not come back: the device may still write to what they point
	 * to. */
	struct uadk_state *hung;
} uadk = { .lock = PTHREAD_MUTEX_INITIALIZER };
/* NOLINTEND(cppcoreguidelines-avoid-non-const-global-variables) */

/* ---- the library ---- */

static const struct vendor_symbol symbols[] = {
	/* libwd.so.2, which libwd_comp.so.2 brings along */
	{ "wd_get_accel_dev", &uadk.get_accel_dev },
	{ "wd_request_ctx", &uadk.request_ctx },
	{ "wd_release_ctx", &uadk.release_ctx },
	{ "wd_comp_init", &uadk.init },
	{ "wd_comp_uninit", &uadk.uninit },
	{ "wd_comp_alloc_sess", &uadk.alloc_sess },
	{ "wd_comp_free_sess", &uadk.free_sess },
	{ "wd_do_comp_async", &uadk.do_async },
	{ "wd_comp_poll_ctx", &uadk.poll_ctx },
};
#define SYMBOLS (sizeof(symbols) / sizeof(symbols[0]))

/* A session's key is the index of its context; UADK frees it. */
static handle_t begin_session(handle_t scheduler, void *context)
{
	__u32 *key = malloc(sizeof(*key));

	if (!key)
		return (handle_t)-WD_ENOMEM;
	*key = *(const __u32 *)context;
	return (handle_t)key;
}

static __u32 context_of_session(handle_t scheduler, void *key, const int mode)
{
	return *(const __u32 *)key;
}

/* Behind wd_comp_poll(), which is not called; wd_comp_init() wants one. */
static int poll_nothing(handle_t scheduler, __u32 expected, __u32 *count)
{
	*count = 0;
	return 0;
}

static void release_contexts(void)
{
	for (uint32_t i = 0; i < 2 * PAIRS_MAX; i++) {
		if (uadk.contexts[i].ctx)
			uadk.release_ctx(uadk.contexts[i].ctx);
		uadk.contexts[i] = (struct wd_ctx){ 0 };
	}
}

/* Of the nearest device that has most left. */
static bool request_context(uint32_t index)
{
	struct uacce_dev *device = uadk.get_accel_dev("zlib");
	struct wd_ctx *context = &uadk.contexts[index];

	context->ctx = device ? uadk.request_ctx(device) : 0;
	context->op_type = index % 2 == 0 ? WD_DIR_COMPRESS : WD_DIR_DECOMPRESS;
	context->ctx_mode = CTX_MODE_ASYNC;
	free(device);
	return context->ctx != 0;
}

static int start(struct gw_error *err)
{
	struct wd_sched scheduler = { .name = "godwit",
				      .sched_init = begin_session,
				      .pick_next_ctx = context_of_session,
				      .poll_policy = poll_nothing };
	struct wd_ctx_config config = { .ctxs = uadk.contexts };
	int answer;

	for (uadk.pairs = 0; uadk.pairs < PAIRS_MAX; uadk.pairs++) {
		if (!request_context(2 * uadk.pairs) ||
		    !request_context(2 * uadk.pairs + 1))
			break;
	}
	if (uadk.pairs == 0) {
		release_contexts();
		return fail(err, GW_UNSUPPORTED,
			    "no queue of a device can be opened (wd_request_ctx): is "
			    "/dev/hisi_zip-* this user's?");
	}
	config.ctx_num = 2 * uadk.pairs;
	answer = uadk.init(&config, &scheduler);
	if (answer != 0) {
		release_contexts();
		return fail(err, GW_UNSUPPORTED, "wd_comp_init answered %d%s", answer,
			    answer == -WD_EEXIST ? ": this process uses it already" : "");
	}
	return 0;
}

/* Hands out the index of the context to use. */
static int join(enum direction direction, __u32 *context, struct gw_error *err)
{
	int started = 0;

	pthread_mutex_lock(&uadk.lock);
	if (uadk.users == 0)
		started = start(err);
	if (started == 0) {
		uadk.users++;
		*context = 2 * (uadk.next++ % uadk.pairs) + (direction == DECODE);
	}
	pthread_mutex_unlock(&uadk.lock);
	return started;
}

static void leave(void)
{
	pthread_mutex_lock(&uadk.lock);
	if (--uadk.users == 0) {
		uadk.uninit();
		release_contexts();
	}
	pthread_mutex_unlock(&uadk.lock);
}

/* ---- units ---- */

struct slot {
	struct unit *unit; /* NULL: free */
	bool back;	   /* set by the callback, last */
	__u32 status;
	__u32 consumed;
	__u32 produced;
};

struct uadk_state {
	handle_t session;
	enum direction direction;
	__u32 context;
	uint32_t jobs;
	uint32_t inside;
	struct slot *slots;
	struct uadk_state *next_hung;
};

static void *unit_is_back(struct wd_comp_req *request, void *opaque)
{
	struct slot *slot = opaque;

	slot->status = request->status;
	slot->consumed = request->src_len;
	slot->produced = request->dst_len;
	__atomic_store_n(&slot->back, true, __ATOMIC_RELEASE);
	return NULL;
}

static void *uadk_open(enum unit_form form, enum direction direction, int level,
		       uint32_t jobs, struct gw_error *err)
{
	/* A page has no longer distances, and QEMU asks for the same. */
	struct wd_comp_sess_setup setup = {
		.alg_type = WD_ZLIB,
		.win_sz = WD_COMP_WS_4K,
		.op_type = direction == ENCODE ? WD_DIR_COMPRESS : WD_DIR_DECOMPRESS,
	};
	struct uadk_state *state = calloc(1, sizeof(*state));

	assert(form == UNIT_ZLIB && jobs > 0);
	if (state)
		state->slots = calloc(jobs, sizeof(*state->slots));
	if (!state || !state->slots) {
		fail_sys(err, ENOMEM, "uadk");
		goto fail_memory;
	}
	state->direction = direction;
	state->jobs = jobs;
	if (join(direction, &state->context, err) < 0)
		goto fail_memory;
	setup.sched_param = &state->context;
	state->session = uadk.alloc_sess(&setup);
	if (!state->session) {
		fail(err, GW_UNSUPPORTED,
		     "wd_comp_alloc_sess gives no session: is SVA of the IOMMU on?");
		goto fail_session;
	}
	return state;

fail_session:
	leave();
fail_memory:
	if (state)
		free(state->slots);
	free(state);
	return NULL;
}

/* RFC 1950: deflate, no dictionary, header checksum right. */
static bool is_zlib(const struct span *source)
{
	return source->length > ZLIB_HEADER_BYTES + ZLIB_TRAILER_BYTES &&
	       (source->bytes[0] & 0x0f) == 8 && !(source->bytes[1] & 0x20) &&
	       load_be16(source->bytes) % 31 == 0;
}

static uint32_t free_slot(const struct uadk_state *state)
{
	uint32_t i = 0;

	assert(state->inside < state->jobs);
	while (state->slots[i].unit)
		i++;
	return i;
}

static enum device_answer uadk_submit(void *opaque, struct unit *unit)
{
	struct uadk_state *state = opaque;
	struct slot *slot = &state->slots[free_slot(state)];
	/* UADK takes a copy of it.  The cast: what is read is not written. */
	struct wd_comp_req request = {
		.src = (void *)(uintptr_t)unit->source.bytes,
		.src_len = (__u32)unit->source.length,
		.dst = unit->room.bytes,
		.dst_len = (__u32)unit->room.length,
		.cb = unit_is_back,
		.cb_param = slot,
		.op_type =
			state->direction == ENCODE ? WD_DIR_COMPRESS : WD_DIR_DECOMPRESS,
		.data_fmt = WD_FLAT_BUF,
		.last = 1,
	};
	int answer;

	if (state->direction == DECODE && !is_zlib(&unit->source)) {
		unit_failed(unit, "zlib header is wrong", 0);
		return DEVICE_FAILED;
	}
	*slot = (struct slot){ .unit = unit };
	answer = uadk.do_async(state->session, &request);
	if (answer == 0) {
		state->inside++;
		return DEVICE_TAKEN;
	}
	slot->unit = NULL;
	if (answer == -WD_EBUSY || answer == -WD_EAGAIN)
		return DEVICE_BUSY;
	unit_failed(unit, "wd_do_comp_async", answer);
	return DEVICE_FAILED;
}

static void judge_encoded(struct unit *unit, const struct slot *slot)
{
	if (slot->status != WD_SUCCESS)
		unit_failed(unit, "wd_comp_req.status", (int)slot->status);
	else if (slot->produced > unit->room.length)
		unit_failed(unit, "wd_comp_req.dst_len past the room",
			    (int)slot->produced);
	else
		unit_done(unit, slot->produced);
}

static void judge_decoded(struct unit *unit, const struct slot *slot)
{
	const struct span *source = &unit->source;
	const uint8_t *trailer = source->bytes + source->length - ZLIB_TRAILER_BYTES;

	if (slot->status != WD_SUCCESS && slot->status != WD_STREAM_END)
		unit_failed(unit, "wd_comp_req.status", (int)slot->status);
	else if (slot->produced != unit->room.length)
		unit_failed(unit, "wd_comp_req.dst_len is not the room",
			    (int)slot->produced);
	/* Whether it counts the trailer is not documented. */
	else if (slot->consumed > source->length ||
		 source->length - slot->consumed > ZLIB_TRAILER_BYTES)
		unit_failed(unit, "wd_comp_req.src_len is not the source",
			    (int)slot->consumed);
	else if (libdeflate_adler32(1, unit->room.bytes, unit->room.length) !=
		 load_be32(trailer))
		unit_failed(unit, "Adler-32 is wrong", 0);
	else
		unit_done(unit, slot->produced);
}

/* One that is back, with its answer. */
static struct unit *take_back(struct uadk_state *state)
{
	for (uint32_t i = 0; i < state->jobs; i++) {
		struct slot *slot = &state->slots[i];
		struct unit *unit = slot->unit;

		if (!unit || !__atomic_load_n(&slot->back, __ATOMIC_ACQUIRE))
			continue;
		if (state->direction == ENCODE)
			judge_encoded(unit, slot);
		else
			judge_decoded(unit, slot);
		slot->unit = NULL;
		state->inside--;
		return unit;
	}
	return NULL;
}

static struct unit *uadk_reap(void *opaque, bool wait)
{
	struct uadk_state *state = opaque;
	uint64_t until = clock_now_ns() + DEVICE_REAP_MS * NS_PER_MS;

	while (state->inside > 0) {
		struct unit *unit = take_back(state);
		__u32 count;

		if (unit)
			return unit;
		/* -EAGAIN: nothing more.  Other answers: these units do not come back, which
		 * the caller's patience finds out. */
		uadk.poll_ctx(state->context, state->inside, &count);
		unit = take_back(state);
		if (unit || !wait || clock_now_ns() >= until)
			return unit;
		sched_yield();
	}
	return NULL;
}

static bool uadk_close(void *opaque)
{
	struct uadk_state *state = opaque;

	if (!state)
		return true;
	for (unsigned ms = 0; state->inside > 0 && ms < CLOSE_MS; ms += DEVICE_REAP_MS)
		uadk_reap(state, true);
	if (state->inside > 0) {
		pthread_mutex_lock(&uadk.lock);
		state->next_hung = uadk.hung;
		uadk.hung = state;
		pthread_mutex_unlock(&uadk.lock);
		return false;
	}
	uadk.free_sess(state->session);
	leave();
	free(state->slots);
	free(state);
	return true;
}

static int uadk_probe(struct gw_error *err)
{
	struct uacce_dev *device;

	/* Looked at first: without it UADK complains of each call to syslog. */
	if (access("/sys/class/uacce", F_OK) < 0)
		return fail(err, GW_UNSUPPORTED,
			    "there is no Kunpeng ZIP device on this host: no "
			    "/sys/class/uacce (module hisi_zip, uacce_mode=1)");
	if (vendor_library_load(
		    "libwd_comp.so.2",
		    "no package of Debian's has it: UADK is built from source", symbols,
		    SYMBOLS, err) < 0)
		return -1;
	device = uadk.get_accel_dev("zlib");
	free(device);
	if (!device)
		return fail(
			err, GW_UNSUPPORTED,
			"no device in /sys/class/uacce does zlib and has a queue left "
			"(wd_get_accel_dev)");
	return device_trial(&device_uadk, UNIT_ZLIB, err);
}

const struct device device_uadk = {
	.name = "uadk",
	.accelerator = ACCELERATOR_UADK,
	.encodes = 1u << UNIT_ZLIB,
	.decodes = 1u << UNIT_ZLIB,
	/* Its room for what does not shrink is 9/8 and more; QEMU gives as much. */
	.page_room = 2 * PAGE_BYTES,
	.probe = uadk_probe,
	.open = uadk_open,
	.submit = uadk_submit,
	.reap = uadk_reap,
	.close = uadk_close,
};
