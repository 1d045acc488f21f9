/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* devices.c - what the devices' probes have said. */
#include "codec/device.h"

#include <assert.h>
#include <pthread.h>

/* NOLINTBEGIN(cppcoreguidelines-avoid-non-const-global-variables): of the host */

/* One at a time: the vendors' start-up code is not made for two threads, and the second has to
 * wait for the answer anyway. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static struct kept {
	const struct device *device; /* whose answer this is; NULL: nobody has asked */
	int answer;
	struct gw_error reason;
} kept[ACCELERATOR_COUNT];

/* NOLINTEND(cppcoreguidelines-avoid-non-const-global-variables) */

int device_probe(const struct device *device, struct gw_error *err)
{
	struct kept *entry;
	int answer;

	if (device->probe_each_time)
		return device->probe(err);
	assert((unsigned)device->accelerator < ACCELERATOR_COUNT);
	entry = &kept[device->accelerator];
	pthread_mutex_lock(&lock);
	if (entry->device != device) {
		entry->answer = device->probe(&entry->reason);
		entry->device = device;
	}
	answer = entry->answer;
	if (answer < 0)
		*err = entry->reason;
	pthread_mutex_unlock(&lock);
	return answer;
}
