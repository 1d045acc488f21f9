/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* userfault.c - the kernel's userfaultfd, as far as write-protection needs it. */
#include "ram/userfault.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/syscall.h>

#define OPEN_FLAGS (O_CLOEXEC | O_NONBLOCK)

static int open_by_call(int mode)
{
	return (int)syscall(SYS_userfaultfd, OPEN_FLAGS | mode);
}

static int open_by_device(void)
{
	OWNED_FD int device = open("/dev/userfaultfd", O_RDWR | O_CLOEXEC);

	return device < 0 ? -1 : ioctl(device, USERFAULTFD_IOC_NEW, OPEN_FLAGS);
}

/* Without privileges the call gives a descriptor for user mode only, and the device is there
 * for those whom its owner trusts with more. */
static int open_any(enum userfault_writers writers, struct gw_error *err)
{
	int fd = open_by_call(writers == USERFAULT_USER_MODE ? UFFD_USER_MODE_ONLY : 0);
	int sys = errno;

	if (fd < 0)
		fd = open_by_device();
	if (fd < 0 && writers == USERFAULT_ALSO_KERNEL)
		fd = open_by_call(UFFD_USER_MODE_ONLY);
	if (fd >= 0)
		return fd;
	fail_sys(err, sys,
		 "userfaultfd (see sysctl vm.unprivileged_userfaultfd and "
		 "/dev/userfaultfd)");
	err->kind = GW_UNSUPPORTED;
	return -1;
}

static int handshake(int fd, uint64_t *features, struct gw_error *err)
{
	struct uffdio_api api = { .api = UFFD_API, .features = *features };

	if (ioctl(fd, UFFDIO_API, &api) < 0) {
		fail_sys(err, errno, "userfaultfd: agree on features 0x%llx",
			 (unsigned long long)*features);
		err->kind = GW_UNSUPPORTED;
		return -1;
	}
	*features = api.features;
	return 0;
}

int userfault_open(struct userfault *uf, enum userfault_writers writers,
		   uint64_t required, const char *required_name, uint64_t wanted,
		   struct gw_error *err)
{
	uint64_t offered = 0;
	int asked;

	*uf = (struct userfault){ .fd = -1 };
	/* A descriptor shakes hands once: the first one is for asking only. */
	{
		OWNED_FD int question = open_any(writers, err);

		asked = question < 0 ? -1 : handshake(question, &offered, err);
	}
	if (asked < 0)
		return -1;
	if ((offered & required) != required)
		return fail(err, GW_UNSUPPORTED,
			    "userfaultfd: kernel has features 0x%llx, %s needed",
			    (unsigned long long)offered, required_name);
	uf->features = required | (wanted & offered);
	uf->fd = open_any(writers, err);
	if (uf->fd < 0 || handshake(uf->fd, &uf->features, err) < 0) {
		userfault_close(uf);
		return -1;
	}
	uf->features = required | (wanted & offered);
	return 0;
}

void userfault_close(struct userfault *uf)
{
	if (uf->fd >= 0)
		close(uf->fd);
	uf->fd = -1;
}

int userfault_protect(const struct userfault *uf, const void *host, size_t length_bytes,
		      bool protect)
{
	struct uffdio_writeprotect range = {
		.range = { (uintptr_t)host, length_bytes },
		.mode = protect ? UFFDIO_WRITEPROTECT_MODE_WP : 0,
	};

	/* EAGAIN: somebody is changing the address space just now. */
	while (ioctl(uf->fd, UFFDIO_WRITEPROTECT, &range) < 0) {
		if (errno != EAGAIN && errno != EINTR)
			return errno;
	}
	return 0;
}

static int watch_block(struct userfault *uf, const struct ram_block *block,
		       struct gw_error *err)
{
	struct uffdio_register range = {
		.range = { (uintptr_t)block->host, block->length_bytes },
		.mode = UFFDIO_REGISTER_MODE_WP,
	};
	int sys;

	/* Untouched memory has no page tables to protect.  Reading it first maps the kernel's
	 * zero page, a huge one at that, where marking each small page by itself would make
	 * whoever reads the block take a fault for each: 0.7 ms against 190 ms for 768 MiB.
	 * Kernels before 6.4 cannot mark what is not there at all, so they always need it; of
	 * memory that others made reading may be an allocation, so elsewhere it is spared. */
	if (block->allocated || !(uf->features & UFFD_FEATURE_WP_UNPOPULATED)) {
		if (madvise(block->host, block->length_bytes, MADV_POPULATE_READ) < 0 &&
		    !(uf->features & UFFD_FEATURE_WP_UNPOPULATED))
			return fail_sys(err, errno, "RAM block %s: map for reading",
					block->name);
	}
	if (ioctl(uf->fd, UFFDIO_REGISTER, &range) < 0)
		return fail_sys(err, errno, "RAM block %s: register with userfaultfd",
				block->name);
	uf->watched_count++;
	sys = userfault_protect(uf, block->host, block->length_bytes, true);
	if (sys)
		return fail_sys(err, sys, "RAM block %s: write-protect", block->name);
	return 0;
}

int userfault_watch(struct userfault *uf, const struct ram *ram, struct gw_error *err)
{
	uf->ram = ram;
	uf->watched_count = 0;
	for (uint32_t i = 0; i < ram->block_count; i++) {
		if (watch_block(uf, ram->blocks[i], err) < 0)
			return -1;
	}
	return 0;
}

void userfault_unwatch(const struct userfault *uf)
{
	for (uint32_t i = 0; i < uf->watched_count; i++) {
		struct uffdio_range range = { (uintptr_t)uf->ram->blocks[i]->host,
					      uf->ram->blocks[i]->length_bytes };

		ioctl(uf->fd, UFFDIO_UNREGISTER, &range);
	}
}
