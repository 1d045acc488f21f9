/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* simulated_settings.h - what a simulated device is like if nobody says anything. */
#ifndef CODEC_SIMULATED_SETTINGS_H
#define CODEC_SIMULATED_SETTINGS_H

#include "codec/device_simulated.h"

/* An IAA's queues hold 128. */
#define SIMULATED_SETTINGS_DEFAULT                                                \
	{                                                                         \
		.depth = 128, .dead_after = UINT64_MAX, .hung_after = UINT64_MAX, \
		.seed = 1                                                         \
	}

#endif
