/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* fault.c - a channel that misbehaves on cue, for tests.
 *
 * Transfers are clipped so that they end at the planned byte: what happens there does not depend
 * on how the bytes arrived. */
#include "channel/fault.h"

#include <errno.h>

#include "base/clock.h"
#include "base/deadline.h"
#include "channel/socket.h"

/* How soon a stall notices that it was cut. */
#define STALL_NAP_NS (10 * NS_PER_MS)

struct fault {
	struct channel *inner;
	struct fault_plan plan;
	const struct interrupt *interrupt;
	uint64_t passed[2]; /* by direction, written by its thread; [true] is writing */
	int lasting;	    /* the fault_kind that holds from now on; atomic */
};

static enum fault_kind lasting(const struct fault *fault)
{
	return (enum fault_kind)__atomic_load_n(&fault->lasting, __ATOMIC_ACQUIRE);
}

static void cut(struct fault *fault)
{
	__atomic_store_n(&fault->lasting, FAULT_CUT, __ATOMIC_RELEASE);
	channel_cut(fault->inner);
}

static void count_passed(struct fault *fault, bool on_write, size_t length)
{
	fault->passed[on_write] += length;
	if (fault->plan.on_write != on_write ||
	    fault->passed[on_write] != fault->plan.at_byte)
		return;
	if (fault->plan.kind == FAULT_CUT)
		cut(fault);
	else if (fault->plan.kind == FAULT_STALL || fault->plan.kind == FAULT_SPLIT)
		__atomic_store_n(&fault->lasting, fault->plan.kind, __ATOMIC_RELEASE);
}

/* What happens to this call; cuts *length to what it may move. */
static enum fault_kind due(const struct fault *fault, bool on_write, size_t *length)
{
	enum fault_kind kind = lasting(fault);
	uint64_t passed = fault->passed[on_write];

	if (kind != FAULT_NONE) {
		*length = 1;
		return kind;
	}
	kind = fault->plan.kind;
	if (fault->plan.on_write != on_write || passed > fault->plan.at_byte)
		return FAULT_NONE;
	if (passed < fault->plan.at_byte) {
		if (*length > fault->plan.at_byte - passed)
			*length = (size_t)(fault->plan.at_byte - passed);
		return FAULT_NONE;
	}
	if (kind == FAULT_FLIP)
		*length = 1;
	return kind;
}

/* Return: 0 after timeout_ms, 1 when cut meanwhile, -1 when interrupted. */
static int stall(const struct fault *fault, int timeout_ms, struct gw_error *err)
{
	struct deadline deadline = deadline_in(timeout_ms);

	while (lasting(fault) == FAULT_STALL) {
		if (deadline_left_ms(&deadline) == 0)
			return 0;
		if (!interrupt_sleep(fault->interrupt, STALL_NAP_NS))
			return fail(err, GW_CANCELLED, "cancelled");
	}
	return 1;
}

static struct iovec first_filled(const struct iovec *iov, int count)
{
	while (count > 1 && iov->iov_len == 0) {
		iov++;
		count--;
	}
	return *iov;
}

static uint8_t flip_bit(const struct fault *fault)
{
	return (uint8_t)(1u << (fault->plan.at_byte % 8));
}

static int refuse(struct gw_error *err, const char *what)
{
	fail_errno(err, EIO);
	return fail_in(err, "%s", what);
}

static ptrdiff_t fault_read(void *state, const struct iovec *into, int count,
			    int timeout_ms, struct gw_error *err)
{
	struct fault *fault = state;
	struct iovec part = first_filled(into, count);
	enum fault_kind kind = due(fault, false, &part.iov_len);
	int stalled;
	ptrdiff_t got;

	switch (kind) {
	case FAULT_CUT:
		return 0;
	case FAULT_STALL:
		stalled = stall(fault, timeout_ms, err);
		if (stalled == 0)
			return channel_fail_stalled(err, false, timeout_ms);
		return stalled > 0 ? 0 : -1;
	case FAULT_REFUSE:
		return refuse(err, "read");
	default:
		break;
	}
	channel_set_read_patience(fault->inner, timeout_ms);
	got = channel_read_some(fault->inner, part.iov_base, part.iov_len, err);
	if (got <= 0)
		return got;
	if (kind == FAULT_FLIP)
		*(uint8_t *)part.iov_base ^= flip_bit(fault);
	count_passed(fault, false, (size_t)got);
	return got;
}

static ptrdiff_t fault_write(void *state, const struct iovec *from, int count,
			     int timeout_ms, struct gw_error *err)
{
	struct fault *fault = state;
	struct iovec part = first_filled(from, count);
	enum fault_kind kind = due(fault, true, &part.iov_len);
	uint8_t flipped;
	int stalled;

	switch (kind) {
	case FAULT_CUT:
		return channel_fail_closed(err);
	case FAULT_STALL:
		stalled = stall(fault, timeout_ms, err);
		if (stalled == 0)
			return channel_fail_stalled(err, true, timeout_ms);
		return stalled > 0 ? channel_fail_closed(err) : -1;
	case FAULT_REFUSE:
		return refuse(err, "write");
	case FAULT_FLIP:
		flipped = *(const uint8_t *)part.iov_base ^ flip_bit(fault);
		part.iov_base = &flipped;
		break;
	default:
		break;
	}
	channel_set_write_patience(fault->inner, timeout_ms);
	if (channel_write_bytes(fault->inner, part.iov_base, part.iov_len, err) < 0)
		return -1;
	count_passed(fault, true, part.iov_len);
	return (ptrdiff_t)part.iov_len;
}

static int fault_wait(void *state, int timeout_ms, struct gw_error *err)
{
	struct fault *fault = state;
	size_t length = 1;

	switch (due(fault, false, &length)) {
	case FAULT_CUT:
	case FAULT_REFUSE:
		return 1; /* the end and the failure can be read at once */
	case FAULT_STALL:
		return stall(fault, timeout_ms, err);
	default:
		return channel_wait(fault->inner, timeout_ms, err);
	}
}

static void fault_finish(void *state)
{
	struct fault *fault = state;

	/* Nothing passes a stall, the end of the stream neither. */
	if (lasting(fault) != FAULT_STALL)
		channel_finish(fault->inner);
}

static void fault_cut(void *state)
{
	cut(state);
}

static void fault_set_interrupt(void *state, const struct interrupt *interrupt)
{
	struct fault *fault = state;

	fault->interrupt = interrupt;
	channel_set_interrupt(fault->inner, interrupt);
}

static void fault_close(void *state)
{
	struct fault *fault = state;

	channel_free(fault->inner);
	free(fault);
}

static const struct channel_ops fault_ops = {
	.name = "fault",
	.read = fault_read,
	.write = fault_write,
	.wait = fault_wait,
	.finish = fault_finish,
	.set_interrupt = fault_set_interrupt,
	.cut = fault_cut,
	.close = fault_close,
};

struct channel *channel_fault(struct channel *inner, const struct fault_plan *plan,
			      const struct interrupt *interrupt, struct gw_error *err)
{
	struct fault *fault = calloc(1, sizeof(*fault));

	if (!fault) {
		channel_free(inner);
		fail_sys(err, ENOMEM, "channel");
		return NULL;
	}
	fault->inner = inner;
	fault->plan = *plan;
	fault->interrupt = interrupt;
	count_passed(fault, plan->on_write, 0);
	return channel_new(&fault_ops, fault, err);
}
