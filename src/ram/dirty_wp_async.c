/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* dirty_wp_async.c - written pages, noted by the kernel alone.
 *
 * A page under asynchronous write-protection is let go by the kernel at the first write, without
 * anybody being asked; PAGEMAP_SCAN lists the pages that were let go and takes them under
 * protection again, in one step for each page.  A huge page is split by its first write, so that
 * what counts as written is 4 KiB and not 2 MiB. */
#include <errno.h>
#include <fcntl.h>

#include "base/bitmap.h"
#include "ram/dirty_process.h"
#include "ram/userfault.h"

#define REGIONS_PER_SCAN 512u

struct wp_async {
	const struct ram *ram;
	struct userfault uf;
	int pagemap;
	struct page_region regions[REGIONS_PER_SCAN];
};

static void async_free(void *state)
{
	struct wp_async *wp = state;

	userfault_close(&wp->uf);
	if (wp->pagemap >= 0)
		close(wp->pagemap);
	free(wp);
}

static void async_stop(void *state)
{
	struct wp_async *wp = state;

	userfault_unwatch(&wp->uf);
}

static int async_start(void *state, struct gw_error *err)
{
	struct wp_async *wp = state;

	return userfault_watch(&wp->uf, wp->ram, err);
}

static int async_harvest(void *state, const struct ram_block *block, uint64_t *bitmap,
			 uint64_t *found, struct gw_error *err)
{
	struct wp_async *wp = state;
	uintptr_t base = (uintptr_t)block->host;
	struct pm_scan_arg scan = {
		.size = sizeof(scan),
		.flags = PM_SCAN_WP_MATCHING | PM_SCAN_CHECK_WPASYNC,
		.start = base,
		.end = base + block->length_bytes,
		.vec = (uintptr_t)wp->regions,
		.vec_len = REGIONS_PER_SCAN,
		.category_mask = PAGE_IS_WRITTEN,
		.return_mask = PAGE_IS_WRITTEN,
	};

	while (scan.start < scan.end) {
		int count = ioctl(wp->pagemap, PAGEMAP_SCAN, &scan);

		if (count < 0)
			return fail_sys(err, errno, "RAM block %s: scan page map",
					block->name);
		for (int i = 0; i < count; i++) {
			size_t first = (wp->regions[i].start - base) >> PAGE_BITS;
			size_t end = (wp->regions[i].end - base) >> PAGE_BITS;

			bitmap_set_range(bitmap, first, end - first);
			*found += end - first;
		}
		scan.start = scan.walk_end;
	}
	return 0;
}

static const struct dirty_ops wp_async_ops = {
	.name = "wp-async",
	.start = async_start,
	.harvest = async_harvest,
	.stop = async_stop,
	.free = async_free,
};

/* A kernel that has the one has the other, but /proc may be missing or closed. */
static int probe_scan(int pagemap, struct gw_error *err)
{
	struct page_region region;
	struct pm_scan_arg scan = {
		.size = sizeof(scan),
		.start = (uintptr_t)&wp_async_ops & ~(uintptr_t)(PAGE_BYTES - 1),
		.vec = (uintptr_t)&region,
		.vec_len = 1,
		.return_mask = PAGE_IS_WRITTEN,
	};

	scan.end = scan.start + PAGE_BYTES;
	if (pagemap < 0)
		fail_sys(err, errno, "open /proc/self/pagemap");
	else if (ioctl(pagemap, PAGEMAP_SCAN, &scan) < 0)
		fail_sys(err, errno, "PAGEMAP_SCAN on /proc/self/pagemap");
	else
		return 0;
	err->kind = GW_UNSUPPORTED;
	return -1;
}

struct dirty_tracker *dirty_wp_async_new(const struct ram *ram, struct gw_error *err)
{
	struct wp_async *wp = calloc(1, sizeof(*wp));

	if (!wp) {
		fail_sys(err, ENOMEM, "page regions");
		return NULL;
	}
	wp->ram = ram;
	wp->pagemap = -1;
	if (userfault_open(&wp->uf, USERFAULT_USER_MODE, UFFD_FEATURE_WP_ASYNC,
			   "WP_ASYNC (linux 6.7)",
			   UFFD_FEATURE_WP_UNPOPULATED | UFFD_FEATURE_WP_HUGETLBFS_SHMEM,
			   err) < 0) {
		async_free(wp);
		return NULL;
	}
	wp->pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	if (probe_scan(wp->pagemap, err) < 0) {
		async_free(wp);
		return NULL;
	}
	return dirty_new(&wp_async_ops, wp, err);
}
