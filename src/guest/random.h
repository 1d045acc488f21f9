/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* random.h - SplitMix64: a generator whose whole state is one word, which can travel. */
#ifndef GUEST_RANDOM_H
#define GUEST_RANDOM_H

#include <stdint.h>

/* Any bit of `value` changes half of the result's. */
static inline uint64_t random_mix(uint64_t value)
{
	value = (value ^ (value >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	value = (value ^ (value >> 27)) * UINT64_C(0x94d049bb133111eb);
	return value ^ (value >> 31);
}

static inline uint64_t random_next(uint64_t *generator)
{
	return random_mix(*generator += UINT64_C(0x9e3779b97f4a7c15));
}

#endif
