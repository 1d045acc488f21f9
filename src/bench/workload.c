/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* workload.c - a file's or a tree's bytes as packets of pages, the way a migration forms them. */
#include "bench/workload.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "base/pages.h"
#include "guest/tree.h"
#include "ram/zero.h"

void workload_free(struct workload *workload)
{
	if (!workload)
		return;
	if (workload->image)
		munmap(workload->image, workload->image_bytes);
	if (workload->landing)
		munmap(workload->landing, workload->image_bytes);
	free(workload->runs);
	free(workload->rooms);
	free(workload->packets);
	free(workload);
}

uint64_t workload_normal_bytes(const struct workload *workload)
{
	return workload->normal_pages * PAGE_BYTES;
}

/* As guest memory is: populated, so that no page fault is measured. */
static uint8_t *map_image(size_t bytes)
{
	void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	return at == MAP_FAILED ? NULL : at;
}

static int allocate(struct workload *w, uint32_t packet_pages, const char *path,
		    struct gw_error *err)
{
	size_t pages = w->image_bytes / PAGE_BYTES;

	w->image = map_image(w->image_bytes);
	w->landing = map_image(w->image_bytes);
	w->runs = calloc(pages, sizeof(*w->runs));
	w->rooms = calloc(pages, sizeof(*w->rooms));
	w->packets = calloc(pages / packet_pages + 1, sizeof(*w->packets));
	if (!w->image || !w->landing || !w->runs || !w->rooms || !w->packets)
		return fail_sys(err, ENOMEM, "%s: %zu bytes, twice", path,
				w->image_bytes);
	return 0;
}

static void add_run(struct workload *w, struct workload_packet *packet, size_t offset,
		    size_t bytes)
{
	uint32_t index = packet->first_run + packet->run_count++;

	w->runs[index] = (struct span){ w->image + offset, bytes };
	w->rooms[index] = (struct room){ w->landing + offset, bytes };
	packet->page_count += (uint32_t)(bytes / PAGE_BYTES);
}

/* Pages from `offset` to `end` that are not zero, neighbours as one run. */
static void form_packet(struct workload *w, struct workload_packet *packet, size_t offset,
			size_t end)
{
	size_t start = offset;

	for (; offset < end; offset += PAGE_BYTES) {
		if (!page_is_zero(w->image + offset))
			continue;
		w->zero_pages++;
		if (offset > start)
			add_run(w, packet, start, offset - start);
		start = offset + PAGE_BYTES;
	}
	if (end > start)
		add_run(w, packet, start, end - start);
}

static void form_packets(struct workload *w, size_t packet_bytes)
{
	uint32_t next_run = 0;

	for (size_t offset = 0; offset < w->image_bytes; offset += packet_bytes) {
		struct workload_packet *packet = &w->packets[w->packet_count];
		size_t left = w->image_bytes - offset;

		packet->first_run = next_run;
		form_packet(w, packet, offset,
			    offset + (left < packet_bytes ? left : packet_bytes));
		next_run += packet->run_count;
		w->normal_pages += packet->page_count;
		w->packet_count += packet->run_count > 0;
	}
}

struct workload *workload_new(const char *path, uint64_t limit_bytes,
			      uint32_t packet_pages, struct gw_error *err)
{
	OWNED(workload) struct workload *w = calloc(1, sizeof(*w));
	OWNED(tree) struct tree *tree = NULL;
	struct tree_reader reader = { .fd = -1 };
	uint64_t bytes;
	int done;

	if (!w) {
		fail_sys(err, ENOMEM, "%s", path);
		return NULL;
	}
	tree = tree_new(path, limit_bytes, err);
	if (!tree)
		return NULL;
	bytes = tree_bytes(tree);
	w->image_bytes = (bytes + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES;
	if (allocate(w, packet_pages, path, err) < 0)
		return NULL;
	done = tree_read(tree, &reader, 0, w->image, bytes, err);
	own_fd(&reader.fd);
	if (done < 0)
		return NULL;
	form_packets(w, packet_pages * PAGE_BYTES);
	if (w->packet_count == 0) {
		fail(err, GW_USAGE, "%s: nothing but zero pages", path);
		return NULL;
	}
	return MOVE(w);
}
