/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* fill.c - what a guest's RAM holds before it runs. */
#include "guest/fill.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "guest/random.h"
#include "guest/tree.h"

#define STRETCH_BYTES (64 * PAGE_BYTES)

/* Stretches whose kinds are dealt out together: as many as there are percent. */
#define GROUP 100u

enum part_kind { PART_ZEROS, PART_RANDOM, PART_FILES };

struct part {
	enum part_kind kind;
	uint32_t percent;
	char *path;
};

struct fill {
	struct part parts[FILL_PARTS_MAX];
	uint32_t part_count;
};

void fill_free(struct fill *fill)
{
	if (!fill)
		return;
	for (uint32_t i = 0; i < fill->part_count; i++)
		free(fill->parts[i].path);
	free(fill);
}

/* Splits a percentage off the end of `text`: its value, or 0 when there is none. */
static int split_percent(char *text, uint32_t *percent, struct gw_error *err)
{
	char *colon = strrchr(text, ':');
	size_t digits = colon ? strspn(colon + 1, "0123456789") : 0;
	unsigned long value;

	*percent = 0;
	if (digits == 0 || colon[1 + digits] != '\0')
		return 0;
	value = digits > 3 ? GROUP + 1 : strtoul(colon + 1, NULL, 10);
	if (value == 0 || value > GROUP)
		return fail(err, GW_USAGE,
			    "fill \"%s\": %s percent, 1 to 100 are allowed", text,
			    colon + 1);
	*colon = '\0';
	*percent = (uint32_t)value;
	return 0;
}

static int parse_part(struct fill *fill, char *text, struct gw_error *err)
{
	struct part *part = &fill->parts[fill->part_count];

	if (split_percent(text, &part->percent, err) < 0)
		return -1;
	if (text[0] == '\0')
		return fail(err, GW_USAGE,
			    "fill: a part is empty, expected zeros, random or a path");
	if (strcmp(text, "zeros") == 0) {
		part->kind = PART_ZEROS;
	} else if (strcmp(text, "random") == 0) {
		part->kind = PART_RANDOM;
	} else {
		part->kind = PART_FILES;
		if (access(text, R_OK) < 0)
			return fail_sys(err, errno, "fill: %s", text);
		part->path = strdup(text);
		if (!part->path)
			return fail_sys(err, ENOMEM, "fill: %s", text);
	}
	fill->part_count++;
	return 0;
}

struct fill *fill_new(const char *spec, struct gw_error *err)
{
	OWNED(fill) struct fill *fill = calloc(1, sizeof(*fill));
	OWNED_MEMORY char *copy = strdup(spec);
	uint32_t sum = 0;
	char *rest = copy;

	if (!fill || !copy) {
		fail_sys(err, ENOMEM, "fill \"%s\"", spec);
		return NULL;
	}
	while (rest) {
		if (fill->part_count == FILL_PARTS_MAX) {
			fail(err, GW_USAGE, "fill: more than %u parts", FILL_PARTS_MAX);
			return NULL;
		}
		if (parse_part(fill, strsep(&rest, ","), err) < 0)
			return NULL;
	}
	if (fill->part_count == 1 && fill->parts[0].percent == 0)
		fill->parts[0].percent = GROUP;
	for (uint32_t i = 0; i < fill->part_count; i++) {
		if (fill->parts[i].percent == 0) {
			fail(err, GW_USAGE,
			     "fill \"%s\": part %u of a mix has no percentage", spec,
			     i + 1);
			return NULL;
		}
		sum += fill->parts[i].percent;
	}
	if (sum != GROUP) {
		fail(err, GW_USAGE, "fill \"%s\": %u percent in all, must be 100", spec,
		     sum);
		return NULL;
	}
	return MOVE(fill);
}

/* One run of fill_ram(), shared by its threads; all but `next_group` stays as it is. */
struct filling {
	const struct fill *fill;
	const struct ram *ram;
	uint64_t seed;
	uint64_t group_count;
	uint64_t next_group; /* taken by whoever is free */
	struct tree *trees[FILL_PARTS_MAX];
};

struct filler {
	struct filling *filling;
	pthread_t thread;
	bool failed;
	struct gw_error error;
	struct tree_reader readers[FILL_PARTS_MAX];
};

static uint64_t block_stretches(const struct ram_block *block)
{
	return (block->length_bytes + STRETCH_BYTES - 1) / STRETCH_BYTES;
}

/* Pages that read as zeros already are not written, so that they need no memory. */
static void fill_zeros(uint8_t *at, size_t length)
{
	for (; length > 0; at += PAGE_BYTES, length -= PAGE_BYTES) {
		if (at[0] != 0 || memcmp(at, at + 1, PAGE_BYTES - 1) != 0)
			memset(at, 0, PAGE_BYTES);
	}
}

static void fill_random(uint8_t *at, size_t length, uint64_t generator)
{
	for (size_t i = 0; i < length; i += sizeof(uint64_t)) {
		uint64_t value = random_next(&generator);

		memcpy(at + i, &value, sizeof(value));
	}
}

/* Which part each stretch of a group is of: as many as it has percent, shuffled. */
static void deal(const struct filling *filling, uint64_t group, uint8_t parts[GROUP])
{
	uint64_t generator = filling->seed ^ (group * UINT64_C(0xd1342543de82ef95));
	uint32_t used = 0;

	for (uint32_t part = 0; part < filling->fill->part_count; part++) {
		memset(parts + used, (int)part, filling->fill->parts[part].percent);
		used += filling->fill->parts[part].percent;
	}
	assert(used == GROUP);
	for (uint32_t i = GROUP - 1; i > 0; i--) {
		uint32_t other = (uint32_t)(random_next(&generator) % (i + 1));
		uint8_t moved = parts[i];

		parts[i] = parts[other];
		parts[other] = moved;
	}
}

/* Where stretch number `index` of all RAM lies; NULL past the end. */
static uint8_t *find_stretch(const struct ram *ram, uint64_t index, size_t *length)
{
	for (uint32_t i = 0; i < ram->block_count; i++) {
		const struct ram_block *block = ram->blocks[i];
		uint64_t offset = index * STRETCH_BYTES;

		if (index < block_stretches(block)) {
			uint64_t left = block->length_bytes - offset;

			*length = left < STRETCH_BYTES ? left : STRETCH_BYTES;
			return block->host + offset;
		}
		index -= block_stretches(block);
	}
	return NULL;
}

static int fill_group(struct filler *filler, uint64_t group)
{
	const struct filling *filling = filler->filling;
	const struct part *parts = filling->fill->parts;
	uint32_t seen[FILL_PARTS_MAX] = { 0 };
	uint8_t dealt[GROUP];

	deal(filling, group, dealt);
	for (uint32_t i = 0; i < GROUP; i++) {
		uint32_t part = dealt[i];
		/* Among the stretches of its part, counted through all of RAM. */
		uint64_t rank = group * parts[part].percent + seen[part]++;
		uint64_t index = group * GROUP + i;
		size_t length;
		uint8_t *at = find_stretch(filling->ram, index, &length);

		if (!at)
			return 0;
		switch (parts[part].kind) {
		case PART_ZEROS:
			fill_zeros(at, length);
			break;
		case PART_RANDOM:
			fill_random(at, length,
				    filling->seed + index * UINT64_C(0xa0761d6478bd642f));
			break;
		case PART_FILES:
			if (tree_read(filling->trees[part], &filler->readers[part],
				      rank * STRETCH_BYTES, at, length,
				      &filler->error) < 0)
				return -1;
			break;
		}
	}
	return 0;
}

static void *filler_run(void *opaque)
{
	struct filler *filler = opaque;
	struct filling *filling = filler->filling;

	for (uint32_t i = 0; i < FILL_PARTS_MAX; i++)
		filler->readers[i].fd = -1;
	while (!filler->failed) {
		uint64_t group =
			__atomic_fetch_add(&filling->next_group, 1, __ATOMIC_RELAXED);

		if (group >= filling->group_count)
			break;
		filler->failed = fill_group(filler, group) < 0;
	}
	for (uint32_t i = 0; i < FILL_PARTS_MAX; i++)
		own_fd(&filler->readers[i].fd);
	return NULL;
}

/* Starts what it can: one thread is enough, and this one serves when there is none. */
static int run_fillers(struct filling *filling, uint32_t threads, struct gw_error *err)
{
	OWNED_MEMORY struct filler *fillers = calloc(threads, sizeof(*fillers));
	uint32_t started = 0;

	if (!fillers)
		return fail_sys(err, ENOMEM, "fill: %u threads", threads);
	for (uint32_t i = 0; i < threads; i++)
		fillers[i].filling = filling;
	while (started < threads - 1 &&
	       pthread_create(&fillers[started].thread, NULL, filler_run,
			      &fillers[started]) == 0)
		started++;
	filler_run(&fillers[threads - 1]);
	for (uint32_t i = 0; i < started; i++)
		pthread_join(fillers[i].thread, NULL);
	for (uint32_t i = 0; i < threads; i++) {
		if (fillers[i].failed) {
			*err = fillers[i].error;
			return -1;
		}
	}
	return 0;
}

int fill_ram(const struct fill *fill, const struct ram *ram, uint64_t seed,
	     uint32_t threads, struct gw_error *err)
{
	struct filling filling = { .fill = fill, .ram = ram, .seed = seed };
	uint64_t stretches = 0;
	int done = 0;

	assert(threads >= 1 && threads <= FILL_THREADS_MAX);
	for (uint32_t i = 0; i < ram->block_count; i++)
		stretches += block_stretches(ram->blocks[i]);
	filling.group_count = (stretches + GROUP - 1) / GROUP;
	for (uint32_t i = 0; i < fill->part_count && done == 0; i++) {
		const struct part *part = &fill->parts[i];

		if (part->kind != PART_FILES)
			continue;
		filling.trees[i] =
			tree_new(part->path,
				 filling.group_count * part->percent * STRETCH_BYTES,
				 err);
		done = filling.trees[i] ? 0 : -1;
	}
	if (done == 0)
		done = run_fillers(&filling, threads, err);
	for (uint32_t i = 0; i < fill->part_count; i++)
		tree_free(filling.trees[i]);
	return done;
}
