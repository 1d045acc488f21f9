/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gw_dirty.c - a dirty tracker, the caller's or our own. */
#include "api/gw_dirty.h"

#include <errno.h>

#include "api/callback.h"
#include "api/struct_copy.h"
#include "base/bitmap.h"

/* ---- the caller's, as the rest of the library calls it ---- */

static int given_start(void *state, struct gw_error *err)
{
	struct gw_dirty *dirty = state;
	struct gw_error said = { 0 };

	return callback_answer(dirty->given.start(dirty->user, &said), &said, err);
}

static int given_harvest(void *state, const struct ram_block *block, uint64_t *bitmap,
			 uint64_t *found, struct gw_error *err)
{
	struct gw_dirty *dirty = state;
	const struct gw_block seen = {
		.index = block->index,
		.name = block->name,
		.host = block->host,
		.length = block->length_bytes,
	};
	size_t past = block->page_count % BITMAP_WORD_BITS;
	uint64_t *last = &bitmap[bitmap_words(block->page_count) - 1];
	struct gw_error said = { 0 };

	if (callback_answer(dirty->given.harvest(dirty->user, &seen, bitmap, found,
						 &said),
			    &said, err) < 0)
		return -1;
	/* Such a page would be read from behind the block. */
	if (past == 0 || *last >> past == 0)
		return 0;
	*last &= (UINT64_C(1) << past) - 1;
	return fail(err, GW_USAGE,
		    "block \"%.100s\": the tracker set bits past its last page, %zu",
		    block->name, block->page_count - 1);
}

static void given_stop(void *state)
{
	struct gw_dirty *dirty = state;

	dirty->given.stop(dirty->user);
}

static void given_free(void *state)
{
	struct gw_dirty *dirty = state;

	if (dirty->given.free)
		dirty->given.free(dirty->user);
}

/* ---- made and freed ---- */

static struct gw_dirty *dirty_handle_new(struct gw_error *err)
{
	struct gw_dirty *dirty = calloc(1, sizeof(*dirty));

	if (!dirty) {
		fail_sys(err, ENOMEM, "dirty tracker");
		return NULL;
	}
	atomic_init(&dirty->busy, false);
	return dirty;
}

static int check_given(const struct gw_dirty_ops *ops, struct gw_error *err)
{
	if (!ops->name || !ops->start || !ops->harvest || !ops->stop)
		return fail(err, GW_USAGE,
			    "struct gw_dirty_ops: name, start, harvest and stop are "
			    "required");
	return 0;
}

struct gw_dirty *gw_dirty_new(const struct gw_dirty_ops *ops, void *user,
			      struct gw_error *err)
{
	struct gw_dirty_ops given;
	struct gw_dirty *dirty = NULL;

	if (struct_copy(&given, sizeof(given), ops, "struct gw_dirty_ops", err) < 0)
		return NULL;
	if (check_given(&given, err) == 0)
		dirty = dirty_handle_new(err);
	if (!dirty) {
		if (given.free)
			given.free(user);
		return NULL;
	}
	dirty->given = given;
	dirty->user = user;
	dirty->ops = (struct dirty_ops){
		.name = given.name,
		.start = given_start,
		.harvest = given_harvest,
		.stop = given_stop,
		.free = given_free,
	};
	dirty->tracker = dirty_new(&dirty->ops, dirty, err);
	if (!dirty->tracker) {
		free(dirty);
		return NULL;
	}
	return dirty;
}

struct gw_dirty *gw_dirty_own(struct gw_ram *ram, const char *how, struct gw_error *err)
{
	struct gw_dirty *dirty;

	if (gw_ram_settle(ram, err) < 0)
		return NULL;
	dirty = dirty_handle_new(err);
	if (!dirty)
		return NULL;
	dirty->ram = ram;
	dirty->tracker = dirty_of_process(&ram->ram, how, err);
	if (!dirty->tracker) {
		free(dirty);
		return NULL;
	}
	return dirty;
}

const char *gw_dirty_name(const struct gw_dirty *dirty)
{
	return dirty_name(dirty->tracker);
}

void gw_dirty_free(struct gw_dirty *dirty)
{
	if (!dirty)
		return;
	dirty_free(dirty->tracker);
	free(dirty);
}
