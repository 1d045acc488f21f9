/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* userfault.h - the kernel's userfaultfd, as far as write-protection needs it.
 *
 * A value with a descriptor in it, owned by one tracker. */
#ifndef RAM_USERFAULT_H
#define RAM_USERFAULT_H

#include "ram/block.h"
#include "ram/linux_uffd.h"

struct userfault {
	int fd;
	uint64_t features;	/* agreed on: UFFD_FEATURE_* */
	const struct ram *ram;	/* borrowed from userfault_watch() */
	uint32_t watched_count; /* of its first blocks */
};

/* Who has to be able to write to protected memory. */
enum userfault_writers {
	USERFAULT_USER_MODE,   /* the process itself, or nobody waits for an answer */
	USERFAULT_ALSO_KERNEL, /* also the kernel in its name (read(), KVM), if we may */
};

/* GW_UNSUPPORTED when the kernel has no userfaultfd for us or lacks the `required` feature,
 * which the error calls `required_name`; `wanted` ones are taken where it has them. */
int userfault_open(struct userfault *uf, enum userfault_writers writers,
		   uint64_t required, const char *required_name, uint64_t wanted,
		   struct gw_error *err);
void userfault_close(struct userfault *uf);

/* Takes every page of every block under protection.  When it fails half-way, unwatch has to
 * follow as well. */
int userfault_watch(struct userfault *uf, const struct ram *ram, struct gw_error *err);

/* As if the blocks had never been watched, and nobody waits for them any more.  Leaves alone
 * those that were not: on some kernels one descriptor can end the watch of another. */
void userfault_unwatch(const struct userfault *uf);

/* Protects a range or lets it be written; wakes who waits for that.  Return: 0, or errno. */
int userfault_protect(const struct userfault *uf, const void *host, size_t length_bytes,
		      bool protect);

#endif
