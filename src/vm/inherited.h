/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* inherited.h - the descriptors that a vm was started with: those that fd:N may name.
 *
 * All others are the vm's own: a migration over one of them would write into it, and close it.
 * Owned and used by the vm's thread. */
#ifndef VM_INHERITED_H
#define VM_INHERITED_H

#include <stdbool.h>

#include "channel/address.h"

#define INHERITED_MAX 1024

struct inherited {
	bool fds[INHERITED_MAX];
};

/* What is open and would outlive an exec: godwit opens nothing like that. */
void inherited_find(struct inherited *inherited);

/* GW_USAGE when it names another one.  Addresses that name none are fine. */
int inherited_check(const struct inherited *inherited, const struct address *address,
		    struct gw_error *err);

/* A migration has it now, and will close it. */
void inherited_give(struct inherited *inherited, const struct address *address);

#endif
