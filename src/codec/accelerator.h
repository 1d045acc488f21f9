/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* accelerator.h - whom to let compute: the values of the parameter compression-accelerator.
 *
 * `auto` takes the best usable engine for the codec, devices first; `none` the best in software;
 * a device's name that device or an error.  Two are never chosen by themselves: `reference` (zlib
 * and libzstd as QEMU calls them) and `simulated` (device_simulated.h). */
#ifndef CODEC_ACCELERATOR_H
#define CODEC_ACCELERATOR_H

#include "base/error.h"

enum accelerator {
	ACCELERATOR_AUTO,
	ACCELERATOR_NONE,
	ACCELERATOR_QPL,
	ACCELERATOR_QATZIP,
	ACCELERATOR_UADK,
	ACCELERATOR_REFERENCE,
	ACCELERATOR_SIMULATED,
};
#define ACCELERATOR_COUNT 7u

/* Units that a device holds at once for one channel: compression-accelerator-jobs. */
#define ACCELERATOR_JOBS_DEFAULT 16u
#define ACCELERATOR_JOBS_MAX 128u

const char *accelerator_name(enum accelerator accelerator);

/* -1 and GW_USAGE with the names there are. */
int accelerator_by_name(const char *name, enum accelerator *accelerator,
			struct gw_error *err);

#endif
