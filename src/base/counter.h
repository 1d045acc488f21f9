/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* counter.h - a number with one writer, which anybody may read at any time.
 *
 * Relaxed: it orders nothing else. */
#ifndef BASE_COUNTER_H
#define BASE_COUNTER_H

#include <stdint.h>

static inline uint64_t counter_read(const uint64_t *counter)
{
	return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

/* NOLINTNEXTLINE(readability-non-const-parameter): the builtin that writes it is unknown */
static inline void counter_set(uint64_t *counter, uint64_t value)
{
	__atomic_store_n(counter, value, __ATOMIC_RELAXED);
}

static inline void counter_add(uint64_t *counter, uint64_t amount)
{
	counter_set(counter, counter_read(counter) + amount);
}

#endif
