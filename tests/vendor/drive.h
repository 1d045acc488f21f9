/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* drive.h - units through a device or a coder, all at once and checked; for tests' own files. */
#ifndef TESTS_VENDOR_DRIVE_H
#define TESTS_VENDOR_DRIVE_H

#include "base/clock.h"
#include "codec/coder.h"
#include "codec/device.h"
#include "tests/check.h"
#include "tests/vendor/vendor.h"

#define PATIENCE_NS (2 * NS_PER_S)

static const struct coder *const coders[] = { &coder_isal, &coder_libdeflate,
					      &coder_zlib };
#define CODERS (sizeof(coders) / sizeof(coders[0]))

static inline void *coder_open(const struct coder *coder, enum unit_form form,
			       enum direction direction, int level)
{
	struct gw_error err;
	void *state = coder->open(form, direction, level, &err);

	CHECK_OK(state ? 0 : -1, &err);
	return state;
}

static inline void *device_open(const struct device *device, enum unit_form form,
				enum direction direction, int level, uint32_t jobs)
{
	struct gw_error err;
	void *state;

	CHECK_OK(device_probe(device, &err), &err);
	state = device->open(form, direction, level, jobs, &err);
	CHECK_OK(state ? 0 : -1, &err);
	return state;
}

/* Submits all units, as many as `jobs` inside at a time, and has each back once. */
static inline void drive(const struct device *device, void *state, uint32_t jobs,
			 struct unit *units, uint32_t count)
{
	uint64_t end_ns = clock_now_ns() + PATIENCE_NS + count * NS_PER_MS * 100;
	uint32_t submitted = 0, reaped = 0;

	for (uint32_t i = 0; i < count; i++)
		units[i].answer = (enum unit_answer) - 1;
	while (reaped < count) {
		while (submitted < count && submitted - reaped < jobs) {
			enum device_answer answer =
				device->submit(state, &units[submitted]);

			if (answer == DEVICE_BUSY)
				break;
			CHECK_EQ(answer, DEVICE_TAKEN);
			submitted++;
		}
		while (device->reap(state, submitted == count))
			reaped++;
		CHECK(reaped <= submitted);
		if (clock_now_ns() > end_ns)
			CHECK_FAIL("%u of %u units came back", reaped, count);
	}
	CHECK(!device->reap(state, false));
}

#endif
