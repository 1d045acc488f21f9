/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* accelerator.c - the names of compression-accelerator. */
#include "codec/accelerator.h"

#include <assert.h>
#include <string.h>

static const char *const names[] = {
	[ACCELERATOR_AUTO] = "auto",
	[ACCELERATOR_NONE] = "none",
	[ACCELERATOR_QPL] = "qpl",
	[ACCELERATOR_QATZIP] = "qatzip",
	[ACCELERATOR_UADK] = "uadk",
	[ACCELERATOR_REFERENCE] = "reference",
	[ACCELERATOR_SIMULATED] = "simulated",
};
static_assert(sizeof(names) / sizeof(names[0]) == ACCELERATOR_COUNT,
	      "one name per accelerator");

const char *accelerator_name(enum accelerator accelerator)
{
	assert((unsigned)accelerator < ACCELERATOR_COUNT);
	return names[accelerator];
}

int accelerator_by_name(const char *name, enum accelerator *accelerator,
			struct gw_error *err)
{
	char shown[64];

	for (unsigned i = 0; i < ACCELERATOR_COUNT; i++) {
		if (strcmp(name, names[i]) == 0) {
			*accelerator = (enum accelerator)i;
			return 0;
		}
	}
	return fail(err, GW_USAGE,
		    "unknown compression accelerator \"%s\": auto, none, qpl, qatzip, "
		    "uadk, reference and simulated are there",
		    printable(shown, sizeof(shown), name, (unsigned)strlen(name)));
}
