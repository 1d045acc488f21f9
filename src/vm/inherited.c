/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* inherited.c - the descriptors that a vm was started with: those that fd:N may name. */
#include "vm/inherited.h"

#include <fcntl.h>

void inherited_find(struct inherited *inherited)
{
	for (int fd = 0; fd < INHERITED_MAX; fd++) {
		int flags = fcntl(fd, F_GETFD);

		inherited->fds[fd] = flags >= 0 && !(flags & FD_CLOEXEC);
	}
}

int inherited_check(const struct inherited *inherited, const struct address *address,
		    struct gw_error *err)
{
	if (address->kind != ADDRESS_FD ||
	    (address->fd < INHERITED_MAX && inherited->fds[address->fd]))
		return 0;
	return fail(err, GW_USAGE,
		    "fd:%d: no descriptor that the vm was started with and still has",
		    address->fd);
}

void inherited_give(struct inherited *inherited, const struct address *address)
{
	if (address->kind == ADDRESS_FD && address->fd < INHERITED_MAX)
		inherited->fds[address->fd] = false;
}
