/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* block.c - named ranges of guest RAM. */
#include "ram/block.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "base/ckd.h"

/* What the kernel's huge pages want: a block that starts on one can consist of them. */
#define HUGE_BYTES (UINT64_C(2) << 20)

void ram_init(struct ram *ram)
{
	*ram = (struct ram){ 0 };
}

void ram_deinit(struct ram *ram)
{
	for (uint32_t i = 0; i < ram->block_count; i++) {
		struct ram_block *block = ram->blocks[i];

		if (block->allocated)
			munmap(block->host, block->length_bytes);
		free(block);
	}
	free(ram->blocks);
	ram_init(ram);
}

/* Everything that can be said of a block before it has memory. */
static int check(const struct ram *ram, const char *name, uint64_t length_bytes,
		 struct gw_error *err)
{
	size_t name_length = strlen(name);

	if (name_length == 0 || name_length > RAM_NAME_MAX)
		return fail(err, GW_USAGE,
			    "RAM block: name of %zu bytes, 1 to %u allowed", name_length,
			    RAM_NAME_MAX);
	if (length_bytes == 0 || length_bytes % PAGE_BYTES != 0 ||
	    length_bytes > PTRDIFF_MAX)
		return fail(err, GW_USAGE,
			    "RAM block %s: %llu bytes, a multiple of %llu needed", name,
			    (unsigned long long)length_bytes,
			    (unsigned long long)PAGE_BYTES);
	if (ram_find(ram, name, name_length))
		return fail(err, GW_USAGE,
			    "RAM block %s: there is one of that name already", name);
	if (ram->block_count == RAM_BLOCKS_MAX)
		return fail(err, GW_USAGE, "RAM block %s: at most %u blocks", name,
			    RAM_BLOCKS_MAX);
	return 0;
}

/* The list grows by doubling, at powers of two. */
static int make_room(struct ram *ram)
{
	uint32_t count = ram->block_count;
	struct ram_block **blocks;

	if ((count & (count - 1)) != 0)
		return 0;
	blocks = realloc(ram->blocks, (count == 0 ? 1 : 2 * (size_t)count) *
					      sizeof(struct ram_block *));
	if (!blocks)
		return -1;
	ram->blocks = blocks;
	return 0;
}

static int append(struct ram *ram, const char *name, uint8_t *host, uint64_t length_bytes,
		  bool allocated, struct gw_error *err)
{
	struct ram_block *block;

	if (make_room(ram) < 0)
		return fail_sys(err, ENOMEM, "RAM block %s", name);
	block = calloc(1, sizeof(*block));
	if (!block)
		return fail_sys(err, ENOMEM, "RAM block %s", name);
	memcpy(block->name, name, strlen(name) + 1);
	block->host = host;
	block->length_bytes = length_bytes;
	block->page_count = length_bytes >> PAGE_BITS;
	block->allocated = allocated;
	block->index = ram->block_count;
	ram->blocks[ram->block_count++] = block;
	return 0;
}

int ram_add(struct ram *ram, const char *name, void *host, uint64_t length_bytes,
	    struct gw_error *err)
{
	uintptr_t start = (uintptr_t)host, end;

	if (check(ram, name, length_bytes, err) < 0)
		return -1;
	if (!host || start % PAGE_BYTES != 0 || ckd_add(&end, start, length_bytes))
		return fail(err, GW_USAGE,
			    "RAM block %s: %llu bytes at %p, a multiple of %llu needed",
			    name, (unsigned long long)length_bytes, host,
			    (unsigned long long)PAGE_BYTES);
	for (uint32_t i = 0; i < ram->block_count; i++) {
		const struct ram_block *other = ram->blocks[i];
		uintptr_t other_start = (uintptr_t)other->host;

		if (start < other_start + other->length_bytes && other_start < end)
			return fail(err, GW_USAGE,
				    "RAM block %s: shares memory with RAM block %s", name,
				    other->name);
	}
	return append(ram, name, host, length_bytes, false, err);
}

/* Maps more than is asked for and gives back what lies before and after. */
static uint8_t *map_aligned(uint64_t length_bytes)
{
	size_t mapped_bytes, before;
	uint8_t *mapped;

	if (ckd_add(&mapped_bytes, length_bytes, HUGE_BYTES)) {
		errno = ENOMEM;
		return NULL;
	}
	mapped = mmap(NULL, mapped_bytes, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (mapped == MAP_FAILED)
		return NULL;
	before = -(uintptr_t)mapped % HUGE_BYTES;
	if (before > 0)
		munmap(mapped, before);
	munmap(mapped + before + length_bytes, HUGE_BYTES - before);
	/* Advice: a kernel without huge pages is slower, not wrong. */
	madvise(mapped + before, length_bytes, MADV_HUGEPAGE);
	return mapped + before;
}

int ram_allocate(struct ram *ram, const char *name, uint64_t length_bytes,
		 struct gw_error *err)
{
	uint8_t *host;

	if (check(ram, name, length_bytes, err) < 0)
		return -1;
	host = map_aligned(length_bytes);
	if (!host)
		return fail_sys(err, errno, "RAM block %s: map %llu bytes", name,
				(unsigned long long)length_bytes);
	if (append(ram, name, host, length_bytes, true, err) < 0) {
		munmap(host, length_bytes);
		return -1;
	}
	return 0;
}

struct ram_block *ram_find(const struct ram *ram, const char *name, size_t name_length)
{
	for (uint32_t i = 0; i < ram->block_count; i++) {
		struct ram_block *block = ram->blocks[i];

		if (strlen(block->name) == name_length &&
		    memcmp(block->name, name, name_length) == 0)
			return block;
	}
	return NULL;
}

uint64_t ram_total_bytes(const struct ram *ram)
{
	uint64_t total_bytes = 0;

	for (uint32_t i = 0; i < ram->block_count; i++)
		total_bytes += ram->blocks[i]->length_bytes;
	return total_bytes;
}

size_t ram_total_pages(const struct ram *ram)
{
	return ram_total_bytes(ram) >> PAGE_BITS;
}
