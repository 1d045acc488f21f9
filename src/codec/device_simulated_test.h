/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* device_simulated_test.h - units for the simulated device.
 *
 * For its tests, which include tests/check.h before. */
#ifndef CODEC_DEVICE_SIMULATED_TEST_H
#define CODEC_DEVICE_SIMULATED_TEST_H

#include "base/pages.h"
#include "codec/device.h"
#include "codec/device_simulated.h"

#define UNITS 1000u

static uint8_t pages[UNITS][PAGE_BYTES];
static uint8_t outputs[UNITS][PAGE_BYTES];
static struct unit units[UNITS];
static struct gw_error err;

static const struct device *const device = &device_simulated;

static inline void set(const char *text)
{
	struct simulated_device settings;

	CHECK_OK(simulated_device_parse(&settings, text, &err), &err);
	simulated_device_set(&settings);
}

static inline void *open_for(enum unit_form form, enum direction direction, uint32_t jobs)
{
	void *state = device->open(form, direction, 0, jobs, &err);

	if (!state)
		CHECK_FAIL("open: %s", err.text);
	return state;
}

/* Eight letters: shrinks to some three eighths. */
static inline void fill_pages(void)
{
	uint64_t random = 4;

	for (unsigned i = 0; i < UNITS; i++) {
		for (unsigned at = 0; at < PAGE_BYTES; at += 16) {
			uint64_t drawn = check_random(&random);

			for (unsigned letter = 0; letter < 16; letter++)
				pages[i][at + letter] =
					(uint8_t)('a' + (drawn >> 3 * letter) % 8);
		}
	}
}

static inline struct unit *encode_unit(unsigned i)
{
	units[i] = (struct unit){ .source = { pages[i], PAGE_BYTES },
				  .room = { outputs[i], PAGE_BYTES - 1 } };
	return &units[i];
}

#endif
