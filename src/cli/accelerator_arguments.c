/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* accelerator_arguments.c - the options that say who computes a format. */
#include "cli/accelerator_arguments.h"

#include "base/error.h"
#include "codec/device_simulated.h"

int accelerator_arguments_check(struct accelerator_arguments *arguments,
				struct gw_error *err)
{
	struct simulated_device settings;

	arguments->accelerator =
		arguments->simulate ? ACCELERATOR_SIMULATED : ACCELERATOR_AUTO;
	if (arguments->name &&
	    accelerator_by_name(arguments->name, &arguments->accelerator, err) < 0)
		return fail_in(err, "--accelerator");
	if (!arguments->simulate)
		return 0;
	if (arguments->accelerator != ACCELERATOR_SIMULATED)
		return fail(err, GW_USAGE,
			    "--simulate: is not allowed with --accelerator %s",
			    arguments->name);
	if (simulated_device_parse(&settings, arguments->simulate, err) < 0)
		return fail_in(err, "--simulate");
	simulated_device_set(&settings);
	return 0;
}
