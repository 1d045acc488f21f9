/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* guests_for_tests.h - a scripted guest at the source, and one that lands at the destination.
 *
 * Memory and a script of writes that happen between harvests, so that every run is the same; no
 * kernel feature is needed.
 *
 * For tests, which include tests/check.h before. */
#ifndef MIGRATE_GUESTS_FOR_TESTS_H
#define MIGRATE_GUESTS_FOR_TESTS_H

#include <stdatomic.h>

#include "machine/machine.h"
#include "ram/dirty.h"

/* For a test that has something to do just then. */
enum guest_moment { GUEST_PAUSES, GUEST_SAVES, GUEST_RESUMES, GUEST_STARTS };
typedef void guest_watch(void *watcher, enum guest_moment moment);

static inline void guest_tell(guest_watch *watch, void *watcher, enum guest_moment moment)
{
	if (watch)
		watch(watcher, moment);
}

/* ---- the guest at the source ---- */

struct scripted_guest {
	guest_watch *watch;
	void *watcher;
	struct ram ram;
	uint64_t seed;
	uint32_t writes_per_harvest;
	uint32_t busy_harvests; /* then it is idle */
	uint32_t harvests;
	/* All of it is written once more for each that was counted here. */
	const atomic_uint *asked;
	unsigned asked_seen;
	bool paused;
	uint32_t resumed;
	bool fail_save;
	bool fail_resume;
	bool early; /* has something that the destination has to accept first */
	struct device_section early_section;
	uint32_t throttle_percent;
	uint32_t throttle_percent_most;
	uint8_t device[24];
	struct device_section section;
};

/* Also while the page is being sent: it is sent again, and the race detector need not know. */
__attribute__((unused, noinline, no_sanitize("thread"))) static void
fill_page(uint8_t *page, uint64_t *seed)
{
	static const char words[] =
		"the quick brown fox jumps over the lazy dog and goes on ";
	uint64_t kind = check_random(seed) % 4;
	volatile uint64_t *words_of_page = (volatile uint64_t *)(void *)page;
	volatile uint8_t *bytes = page;

	for (size_t i = 0; kind < 2 && i < PAGE_BYTES / 8; i++)
		words_of_page[i] = kind == 0 ? 0 : check_random(seed);
	for (size_t i = 0; kind > 1 && i < PAGE_BYTES; i++)
		bytes[i] = (uint8_t)words[(i + kind) % (sizeof(words) - 1)];
}

static inline int scripted_start(void *state, struct gw_error *err)
{
	(void)state;
	(void)err;
	return 0;
}

/* The guest "wrote" just before it was asked. */
static inline int scripted_harvest(void *state, const struct ram_block *block,
				   uint64_t *bitmap, uint64_t *found,
				   struct gw_error *err)
{
	struct scripted_guest *guest = state;

	(void)err;
	if (guest->asked && *guest->asked != guest->asked_seen) {
		guest->asked_seen = *guest->asked;
		memset(bitmap, 0xff, block->page_count / 8);
		*found += block->page_count;
		return 0;
	}
	if (guest->paused || guest->harvests++ >= guest->busy_harvests)
		return 0;
	for (uint32_t i = 0; i < guest->writes_per_harvest; i++) {
		size_t page = check_random(&guest->seed) % block->page_count;

		fill_page(block->host + page * PAGE_BYTES, &guest->seed);
		bitmap[page / 64] |= UINT64_C(1) << (page % 64);
		++*found;
	}
	return 0;
}

static inline void scripted_nothing(void *state)
{
	(void)state;
}

static const struct dirty_ops scripted_tracker = {
	.name = "scripted",
	.start = scripted_start,
	.harvest = scripted_harvest,
	.stop = scripted_nothing,
	.free = scripted_nothing,
};

static inline int guest_pause(void *state, struct gw_error *err)
{
	struct scripted_guest *guest = state;

	(void)err;
	guest_tell(guest->watch, guest->watcher, GUEST_PAUSES);
	guest->paused = true;
	return 0;
}

static inline int guest_resume(void *state, struct gw_error *err)
{
	struct scripted_guest *guest = state;

	(void)err;
	guest_tell(guest->watch, guest->watcher, GUEST_RESUMES);
	if (guest->fail_resume)
		return fail(err, GW_SYSTEM, "no vCPU today");
	guest->paused = false;
	guest->resumed++;
	return 0;
}

static inline int guest_save_early(void *state, struct device_state *saved,
				   struct gw_error *err)
{
	struct scripted_guest *guest = state;
	static const uint8_t needs[] = "a feature";

	*saved = (struct device_state){ 0 };
	if (!guest->early)
		return 0;
	guest->early_section = (struct device_section){
		.name = "godwit/scripted-needs",
		.version = 1,
		.body = { needs, sizeof(needs) },
	};
	saved->sections = &guest->early_section;
	saved->section_count = 1;
	return 0;
}

static inline void guest_throttle(void *state, uint32_t percent)
{
	struct scripted_guest *guest = state;

	guest->throttle_percent = percent;
	if (percent > guest->throttle_percent_most)
		guest->throttle_percent_most = percent;
}

static inline int guest_save(void *state, struct device_state *saved,
			     struct gw_error *err)
{
	struct scripted_guest *guest = state;

	guest_tell(guest->watch, guest->watcher, GUEST_SAVES);
	if (guest->fail_save)
		return fail(err, GW_SYSTEM, "no state today");
	memset(guest->device, 0x5a, sizeof(guest->device));
	guest->section = (struct device_section){
		.name = "scripted",
		.version = 1,
		.body = { guest->device, sizeof(guest->device) },
	};
	*saved = (struct device_state){
		.sections = &guest->section,
		.section_count = 1,
		.vmdesc = "{\"page_size\":4096,\"devices\":[{\"name\":\"scripted\","
			  "\"instance_id\":0,\"vmsd_name\":\"scripted\",\"version\":1,"
			  "\"fields\":[{\"name\":\"x\",\"type\":\"buffer\",\"size\":24}]}"
			  "]}",
	};
	return 0;
}

/* ---- the guest at the destination ---- */

struct landed_guest {
	guest_watch *watch;
	void *watcher;
	bool lacks_feature;
	bool accepted; /* what came early */
	bool loaded;
	bool started;
	bool fail_start;
};

static inline int guest_load(void *state, const char *name, uint32_t instance,
			     uint32_t version, bool early, struct cursor *in,
			     struct gw_error *err)
{
	struct landed_guest *guest = state;
	uint8_t device[24];

	if (early) {
		uint8_t needs[10];

		cursor_copy(in, needs, sizeof(needs));
		CHECK_STR((const char *)needs, "a feature");
		CHECK_STR(name, "godwit/scripted-needs");
		if (guest->lacks_feature)
			return fail(err, GW_UNSUPPORTED, "this host has no feature");
		guest->accepted = true;
		return 0;
	}
	if (strcmp(name, "scripted") != 0 || instance != 0 || version != 1)
		return fail(err, GW_PEER, "unknown device");
	cursor_copy(in, device, sizeof(device));
	guest->loaded = device[0] == 0x5a && device[23] == 0x5a;
	return 0;
}

static inline int guest_start(void *state, struct gw_error *err)
{
	struct landed_guest *guest = state;

	guest_tell(guest->watch, guest->watcher, GUEST_STARTS);
	if (guest->fail_start)
		return fail(err, GW_SYSTEM, "no thread left");
	guest->started = true;
	return 0;
}

#endif
