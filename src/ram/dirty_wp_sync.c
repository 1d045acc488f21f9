/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* dirty_wp_sync.c - written pages, noted by a thread of ours while the writer waits.
 *
 *	writer ──fault──▶ keeper: note the page, let it be written ──▶ writer goes on
 *	migration thread ──"harvest"──▶ keeper: hand out the notes, protect those pages again
 *
 * Noting a page and letting it go are two steps, and so are handing it out and protecting it.
 * If two threads did them, one could let a page go just after the other had protected it, and
 * every later write to it would be lost.  So one thread, the keeper, does both: it owns the
 * notes and the protection, and a harvest is a message to it. */
#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>

#include "base/bitmap.h"
#include "base/queue.h"
#include "ram/dirty_process.h"
#include "ram/userfault.h"

#define FAULTS_PER_READ 64u

struct watched {
	const struct ram_block *block;
	uint64_t *written; /* the keeper's notes */
};

struct request {
	struct watched *watched;
	uint64_t *bitmap;
};

struct reply {
	uint64_t found;
	bool failed;
	struct gw_error error;
};

struct wp_sync {
	const struct ram *ram;
	struct userfault uf;
	size_t unit_bytes;	 /* what the kernel protects as one: a page of the host */
	struct watched *watched; /* by address */
	uint64_t *notes;	 /* of all blocks */
	/* While started: */
	int wake; /* an eventfd: look at the requests */
	struct queue *requests;
	struct queue *replies;
	bool running;
	pthread_t keeper;
};

/* The block that holds the address, or the next one below it. */
static struct watched *find(struct wp_sync *wp, const void *host)
{
	size_t low = 0, high = wp->ram->block_count;

	while (high - low > 1) {
		size_t middle = low + (high - low) / 2;

		if ((uintptr_t)wp->watched[middle].block->host <= (uintptr_t)host)
			low = middle;
		else
			high = middle;
	}
	return &wp->watched[low];
}

/* One fault, by the keeper. */
static int let_write(struct wp_sync *wp, uint64_t address, struct gw_error *err)
{
	uint8_t *host = (uint8_t *)(uintptr_t)(address & ~(uint64_t)(wp->unit_bytes - 1));
	struct watched *watched = find(wp, host);
	size_t offset = (size_t)(host - watched->block->host);
	int sys;

	bitmap_set_range(watched->written, offset >> PAGE_BITS,
			 wp->unit_bytes >> PAGE_BITS);
	sys = userfault_protect(&wp->uf, host, wp->unit_bytes, false);
	/* ENOENT: no longer watched, for tracking is being stopped. */
	if (sys && sys != ENOENT)
		return fail_sys(err, sys, "RAM block %s: allow writing at 0x%zx",
				watched->block->name, offset);
	return 0;
}

static int serve_faults(struct wp_sync *wp, struct gw_error *err)
{
	struct uffd_msg faults[FAULTS_PER_READ];
	ssize_t got = read(wp->uf.fd, faults, sizeof(faults));

	if (got < 0)
		return errno == EAGAIN || errno == EINTR
			       ? 0
			       : fail_sys(err, errno, "read userfaultfd");
	for (size_t i = 0; i < (size_t)got / sizeof(faults[0]); i++) {
		if (faults[i].event == UFFD_EVENT_PAGEFAULT &&
		    let_write(wp, faults[i].arg.pagefault.address, err) < 0)
			return -1;
	}
	return 0;
}

static int hand_out(struct wp_sync *wp, const struct request *request, uint64_t *found,
		    struct gw_error *err)
{
	const struct ram_block *block = request->watched->block;
	uint64_t *written = request->watched->written;
	size_t end;

	for (size_t first = bitmap_next_set(written, block->page_count, 0);
	     first < block->page_count;
	     first = bitmap_next_set(written, block->page_count, end)) {
		int sys;

		end = bitmap_next_clear(written, block->page_count, first);
		sys = userfault_protect(&wp->uf, block->host + first * PAGE_BYTES,
					(end - first) * PAGE_BYTES, true);
		if (sys)
			return fail_sys(err, sys, "RAM block %s: write-protect",
					block->name);
		bitmap_clear_range(written, first, end - first);
		bitmap_set_range(request->bitmap, first, end - first);
		*found += end - first;
	}
	return 0;
}

/* Answers all there are; false when tracking is being stopped. */
static bool serve_requests(struct wp_sync *wp, const struct gw_error *broken)
{
	for (;;) {
		struct reply reply = { 0 };
		struct request request;
		uint64_t count;

		/* Which it was does not matter, the queue is looked at after. */
		if (read(wp->wake, &count, sizeof(count)) < 0 && errno == EINTR)
			continue;
		switch (queue_take(wp->requests, &request, 0)) {
		case QUEUE_TIMED_OUT:
			return true;
		case QUEUE_CLOSED:
			return false;
		case QUEUE_ITEM:
			break;
		}
		if (broken) {
			reply.failed = true;
			reply.error = *broken;
		} else {
			reply.failed =
				hand_out(wp, &request, &reply.found, &reply.error) < 0;
		}
		queue_give(wp->replies, &reply);
	}
}

static void *keep(void *state)
{
	struct wp_sync *wp = state;
	struct gw_error error;
	bool broken = false;

	for (;;) {
		struct pollfd waits[] = {
			{ .fd = wp->wake, .events = POLLIN },
			{ .fd = broken ? -1 : wp->uf.fd, .events = POLLIN },
		};

		if (poll(waits, 2, -1) < 0)
			continue;
		if (waits[0].revents && !serve_requests(wp, broken ? &error : NULL))
			return NULL;
		if (waits[1].revents && serve_faults(wp, &error) < 0) {
			/* Nobody may wait for ever for what we cannot give; the next
			 * harvest tells. */
			broken = true;
			userfault_unwatch(&wp->uf);
		}
	}
}

static void ring(struct wp_sync *wp)
{
	uint64_t one = 1;

	/* Cannot be full: it is read to zero. */
	while (write(wp->wake, &one, sizeof(one)) < 0 && errno == EINTR)
		;
}

/* NOLINTNEXTLINE(readability-non-const-parameter): the keeper writes what the request names */
static int sync_harvest(void *state, const struct ram_block *block, uint64_t *bitmap,
			uint64_t *found, struct gw_error *err)
{
	struct wp_sync *wp = state;
	struct request request = { find(wp, block->host), bitmap };
	struct reply reply;

	assert(request.watched->block == block);
	queue_give(wp->requests, &request);
	ring(wp);
	queue_take(wp->replies, &reply, -1);
	*found += reply.found;
	if (reply.failed)
		*err = reply.error;
	return reply.failed ? -1 : 0;
}

static void sync_stop(void *state)
{
	struct wp_sync *wp = state;

	/* The keeper last: until nothing is watched a writer may wait for it. */
	userfault_unwatch(&wp->uf);
	if (wp->running) {
		queue_close(wp->requests);
		ring(wp);
		pthread_join(wp->keeper, NULL);
		wp->running = false;
	}
	queue_free(MOVE(wp->requests));
	queue_free(MOVE(wp->replies));
	if (wp->wake >= 0)
		close(wp->wake);
	wp->wake = -1;
}

/* Pages of hugetlbfs are protected whole and would stop the keeper at the first fault. */
static int check_unit(struct wp_sync *wp, const struct ram_block *block,
		      struct gw_error *err)
{
	int sys = block->length_bytes < wp->unit_bytes
			  ? EINVAL
			  : userfault_protect(&wp->uf, block->host, wp->unit_bytes, true);

	if (!sys)
		return 0;
	fail_sys(err, sys, "RAM block %s: write-protect %zu bytes apart", block->name,
		 wp->unit_bytes);
	err->kind = GW_UNSUPPORTED;
	return -1;
}

static int sync_start(void *state, struct gw_error *err)
{
	struct wp_sync *wp = state;
	int failed;

	for (uint32_t i = 0; i < wp->ram->block_count; i++)
		bitmap_clear_range(wp->watched[i].written, 0,
				   wp->watched[i].block->page_count);
	wp->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (wp->wake < 0)
		return fail_sys(err, errno, "eventfd");
	wp->requests = queue_new(sizeof(struct request), 1, err);
	wp->replies = wp->requests ? queue_new(sizeof(struct reply), 1, err) : NULL;
	if (!wp->replies)
		return -1;
	if (userfault_watch(&wp->uf, wp->ram, err) < 0)
		return -1;
	for (uint32_t i = 0; i < wp->ram->block_count; i++) {
		if (check_unit(wp, wp->ram->blocks[i], err) < 0)
			return -1;
	}
	/* Who writes meanwhile waits until it runs. */
	failed = pthread_create(&wp->keeper, NULL, keep, wp);
	if (failed)
		return fail_sys(err, failed, "thread");
	wp->running = true;
	return 0;
}

static void sync_free(void *state)
{
	struct wp_sync *wp = state;

	userfault_close(&wp->uf);
	free(wp->watched);
	free(wp->notes);
	free(wp);
}

static const struct dirty_ops wp_sync_ops = {
	.name = "wp-sync",
	.start = sync_start,
	.harvest = sync_harvest,
	.stop = sync_stop,
	.free = sync_free,
};

static int by_address(const void *one, const void *other)
{
	uintptr_t a = (uintptr_t)((const struct watched *)one)->block->host;
	uintptr_t b = (uintptr_t)((const struct watched *)other)->block->host;

	return (a > b) - (a < b);
}

static int make_notes(struct wp_sync *wp, struct gw_error *err)
{
	size_t words = 1; /* no RAM at all is not a special case */
	uint32_t count = wp->ram->block_count;

	for (uint32_t i = 0; i < count; i++)
		words += bitmap_words(wp->ram->blocks[i]->page_count);
	wp->notes = calloc(words, sizeof(*wp->notes));
	wp->watched = calloc(count + 1u, sizeof(*wp->watched));
	if (!wp->notes || !wp->watched)
		return fail_sys(err, ENOMEM, "dirty bitmap of %zu pages",
				ram_total_pages(wp->ram));
	words = 0;
	for (uint32_t i = 0; i < count; i++) {
		wp->watched[i].block = wp->ram->blocks[i];
		wp->watched[i].written = wp->notes + words;
		words += bitmap_words(wp->ram->blocks[i]->page_count);
	}
	qsort(wp->watched, count, sizeof(*wp->watched), by_address);
	return 0;
}

struct dirty_tracker *dirty_wp_sync_new(const struct ram *ram, struct gw_error *err)
{
	struct wp_sync *wp = calloc(1, sizeof(*wp));

	if (!wp) {
		fail_sys(err, ENOMEM, "write-protection");
		return NULL;
	}
	wp->ram = ram;
	wp->wake = -1;
	wp->unit_bytes = (size_t)sysconf(_SC_PAGESIZE);
	if (userfault_open(&wp->uf, USERFAULT_ALSO_KERNEL, UFFD_FEATURE_PAGEFAULT_FLAG_WP,
			   "PAGEFAULT_FLAG_WP (linux 5.7)",
			   UFFD_FEATURE_WP_UNPOPULATED | UFFD_FEATURE_WP_HUGETLBFS_SHMEM,
			   err) < 0 ||
	    make_notes(wp, err) < 0) {
		sync_free(wp);
		return NULL;
	}
	return dirty_new(&wp_sync_ops, wp, err);
}
