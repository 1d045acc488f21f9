/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* throttle.c - one rate over many channels.
 *
 * The promise, by arithmetic.  Let grants come at g_1..g_n within a window W, CREDIT be the idle
 * time that may be made up for, and S the largest slice.  The first leaves the turn at no less
 * than g_1 - CREDIT plus its own cost, each later one adds its cost, and the last needed a turn
 * of g_n or before: all but the last cost at most W + CREDIT together.  So
 *
 *	bytes <= rate * (W + CREDIT) + S
 *
 * With W = 100 ms, CREDIT = 4 ms and S = 64 KiB + rate * 1 ms this is rate * 105 ms + 64 KiB.
 * The bytes of a taker that is preempted between its grant and its write may come out late: by
 * one slice for each such channel. */
#include "channel/throttle.h"

#include "base/clock.h"

/* Time to make up for after waking late, without which a busy host never reaches the rate. */
#define CREDIT_NS (4 * NS_PER_MS)

/* Slices take 10 ms where that is within the promise, so that low rates flow evenly, and never
 * less than a page. */
#define SLICE_NS (10 * NS_PER_MS)
#define SLICE_LEAST_BYTES 4096u
#define SLICE_SLACK_BYTES 65536u
#define SLICE_SLACK_PER_S 1000u /* of the rate: 1 ms */

/* Faster than any link; keeps the products below within 64 bits. */
#define RATE_MOST UINT64_C(10000000000000)

static uint64_t slice_bytes(uint64_t rate)
{
	uint64_t even = rate / (NS_PER_S / SLICE_NS);
	uint64_t most = SLICE_SLACK_BYTES + rate / SLICE_SLACK_PER_S;

	if (even < SLICE_LEAST_BYTES)
		return SLICE_LEAST_BYTES;
	return even < most ? even : most;
}

/* Rounded up: many small takes must not come out faster. */
static uint64_t cost_ns(uint64_t bytes, uint64_t rate)
{
	return (bytes * NS_PER_S + rate - 1) / rate;
}

void throttle_init(struct throttle *throttle, uint64_t bytes_per_s)
{
	*throttle = (struct throttle){ 0 };
	throttle_set(throttle, bytes_per_s);
}

void throttle_set(struct throttle *throttle, uint64_t bytes_per_s)
{
	if (bytes_per_s > RATE_MOST)
		bytes_per_s = 0;
	__atomic_store_n(&throttle->bytes_per_s, bytes_per_s, __ATOMIC_RELEASE);
}

uint64_t throttle_rate(const struct throttle *throttle)
{
	return __atomic_load_n(&throttle->bytes_per_s, __ATOMIC_ACQUIRE);
}

size_t throttle_slice(const struct throttle *throttle, size_t wanted)
{
	uint64_t rate = throttle_rate(throttle);

	if (rate == 0 || wanted <= slice_bytes(rate))
		return wanted;
	return (size_t)slice_bytes(rate);
}

uint64_t throttle_try(struct throttle *throttle, size_t bytes, uint64_t (*clock)(void))
{
	/* In this order: whoever wrote the turn had read a rate no newer than the one here and a
	 * time no later, so that a turn too far ahead can only come from a rate of the past. */
	uint64_t turn_ns = __atomic_load_n(&throttle->turn_ns, __ATOMIC_ACQUIRE);

	for (;;) {
		uint64_t rate = throttle_rate(throttle);
		uint64_t now_ns = clock();
		uint64_t from_ns, next_ns, farthest_ns;

		if (rate == 0)
			return 0;
		farthest_ns = now_ns + cost_ns(slice_bytes(rate), rate);
		if (turn_ns > farthest_ns) {
			/* On failure turn_ns becomes what is there now. */
			if (__atomic_compare_exchange_n(
				    &throttle->turn_ns, &turn_ns, farthest_ns, false,
				    __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
				turn_ns = farthest_ns;
			continue;
		}
		if (turn_ns > now_ns)
			return turn_ns - now_ns;
		from_ns = now_ns > CREDIT_NS ? now_ns - CREDIT_NS : 0;
		next_ns = (turn_ns > from_ns ? turn_ns : from_ns) + cost_ns(bytes, rate);
		if (__atomic_compare_exchange_n(&throttle->turn_ns, &turn_ns, next_ns,
						false, __ATOMIC_ACQ_REL,
						__ATOMIC_ACQUIRE))
			return 0;
	}
}

bool throttle_take(struct throttle *throttle, size_t bytes,
		   const struct interrupt *interrupt)
{
	while (bytes > 0) {
		size_t slice = throttle_slice(throttle, bytes);
		uint64_t wait_ns = throttle_try(throttle, slice, clock_now_ns);

		if (wait_ns == 0)
			bytes -= slice;
		else if (!interrupt_sleep(interrupt, wait_ns < THROTTLE_NAP_NS
							     ? wait_ns
							     : THROTTLE_NAP_NS))
			return false;
	}
	return true;
}
