/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* guest_arguments.c - the options that say what guest of ours there is to be. */
#include "cli/guest_arguments.h"

#include <string.h>

static int parse_pattern(const char *text, enum write_pattern *pattern,
			 struct gw_error *err)
{
	if (strcmp(text, "sequential") == 0)
		*pattern = WRITE_SEQUENTIAL;
	else if (strcmp(text, "random") == 0)
		*pattern = WRITE_RANDOM;
	else
		return fail(err, GW_USAGE,
			    "--pattern %.40s: sequential and random are allowed", text);
	return 0;
}

/* kvm where it works, unless told otherwise. */
static int choose_kind(struct guest_arguments *arguments, struct gw_error *err)
{
	enum guest_kind *kind = &arguments->options.kind;
	struct gw_error why_not = { 0 };
	enum guest_kind best;

	if (arguments->kind && guest_kind_by_name(arguments->kind, kind, err) < 0)
		return -1;
	if (arguments->kind && *kind == GUEST_PROCESS)
		return 0;
	best = guest_best_kind(&why_not);
	if (arguments->kind && best != GUEST_KVM)
		return fail(err, why_not.kind, "--guest kvm: %.200s", why_not.text);
	*kind = best;
	arguments->why_not_kvm = why_not;
	return 0;
}

int guest_arguments_check(struct guest_arguments *arguments, struct gw_error *err)
{
	struct guest_options *guest = &arguments->options;

	if (parse_pattern(arguments->pattern, &guest->pattern, err) < 0 ||
	    choose_kind(arguments, err) < 0)
		return -1;
	if (arguments->working_set == 0)
		arguments->working_set = guest->memory_bytes / 8;
	guest->working_set_bytes = arguments->working_set & ~(PAGE_BYTES - 1);
	guest->vcpus = (uint32_t)arguments->vcpus;
	return guest_check(guest, err);
}
