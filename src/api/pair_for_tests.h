/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* pair_for_tests.h - a source and a destination of the public API, in this process.
 *
 * The guest is memory and a script: its tracker, given by the test, says of a page now and then
 * that it was written, just after it was.  So every run is the same and needs nothing of the
 * kernel.  Only godwit.h is used, as by a program of somebody else's.
 *
 * For tests, which include tests/check.h before. */
#ifndef API_PAIR_FOR_TESTS_H
#define API_PAIR_FOR_TESTS_H

#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

#include "godwit.h"

#define PAIR_BLOCKS 2u
#define PAIR_PAGES 768u
#define PAIR_SMALL_PAGES 5u /* not a whole word of a bitmap */
#define PAIR_STATE "counter"
#define PAIR_STATE_VERSION 4u

static const size_t pair_pages[PAIR_BLOCKS] = { PAIR_PAGES, PAIR_SMALL_PAGES };
static const char *const pair_names[PAIR_BLOCKS] = { "ram", "firmware" };

struct pair {
	/* What to do; zero is the plain run. */
	uint64_t seed;
	const char *channels; /* NULL: without multifd */
	const char *method;
	const char *const (*set)[2]; /* more settings of both, ends with NULL */
	uint32_t busy_harvests;	     /* of each block, then it is idle */
	bool own_tracker;
	bool early;	   /* there is state ahead of memory */
	bool refuse_early; /* which the destination does not take */
	bool used_memory;  /* the destination's was written to before */
	bool wordless;	   /* failing callbacks give no reason */
	bool refuse_state; /* load() fails */
	bool refuse_start; /* start() fails */
	bool refuse_pause; /* and so on */
	bool too_much_state;
	bool bits_past_end;
	bool bare; /* no callback that may be NULL */
	void (*progress)(struct pair *pair, const struct gw_progress *progress);
	void (*before)(struct pair *pair); /* all is made, nothing runs yet */

	/* What there is. */
	uint8_t *here[PAIR_BLOCKS];
	uint8_t *there[PAIR_BLOCKS];
	struct gw_ram *source_ram;
	struct gw_ram *destination_ram;
	struct gw_dirty *dirty;
	struct gw_source *source;
	struct gw_destination *destination;
	char directory[32];
	char uri[64];

	/* What came of it. */
	uint32_t harvests;
	uint32_t pauses, resumes, starts, frees;
	uint64_t counter; /* of the guest at the source, and as it arrived */
	uint64_t counter_there;
	bool early_there;
	bool memory_came_first; /* when the early state arrived */
	uint32_t statuses;	/* bits of those that the destination told */
	int send_result, receive_result;
	struct gw_error send_error, receive_error;
	struct gw_source_report sent;
	struct gw_destination_report received;
};

/* ---- the guest here ---- */

static inline void pair_write(struct pair *pair, uint32_t block, size_t page)
{
	uint8_t *bytes = pair->here[block] + page * GW_PAGE_BYTES;
	uint64_t kind = check_random(&pair->seed) % 4;

	memset(bytes, kind == 0 ? 0 : (int)page, GW_PAGE_BYTES);
	for (size_t i = 0; kind == 1 && i < GW_PAGE_BYTES; i++)
		bytes[i] = (uint8_t)check_random(&pair->seed);
}

static inline int pair_tracker_start(void *user, struct gw_error *err)
{
	(void)user;
	(void)err;
	return 0;
}

static inline int pair_harvest(void *user, const struct gw_block *block, uint64_t *bitmap,
			       uint64_t *found, struct gw_error *err)
{
	struct pair *pair = user;

	(void)err;
	if (pair->bits_past_end && block->index == 1)
		bitmap[0] |= UINT64_C(1) << PAIR_SMALL_PAGES;
	if (pair->pauses > pair->resumes ||
	    pair->harvests++ >= PAIR_BLOCKS * pair->busy_harvests)
		return 0;
	for (uint32_t i = 0; i < 20; i++) {
		size_t page = check_random(&pair->seed) % (block->length / GW_PAGE_BYTES);

		pair_write(pair, block->index, page);
		bitmap[page / 64] |= UINT64_C(1) << (page % 64);
		++*found;
	}
	return 0;
}

static inline void pair_tracker_stop(void *user)
{
	(void)user;
}

static inline void pair_tracker_free(void *user)
{
	((struct pair *)user)->frees++;
}

static inline int pair_refuse(const struct pair *pair, struct gw_error *err,
			      const char *reason)
{
	return pair->wordless ? -1 : gw_fail(err, GW_SYSTEM, "%s", reason);
}

static inline int pair_pause(void *user, struct gw_error *err)
{
	struct pair *pair = user;

	if (pair->refuse_pause)
		return pair_refuse(pair, err, "it will not stop");
	pair->pauses++;
	return 0;
}

static inline int pair_resume(void *user, struct gw_error *err)
{
	struct pair *pair = user;

	(void)err;
	pair->resumes++;
	return 0;
}

static inline int pair_save(void *user, struct gw_state *state, struct gw_error *err)
{
	struct pair *pair = user;
	size_t much = pair->too_much_state ? GW_STATE_BYTES_MAX : 0;

	if (gw_state_add(state, PAIR_STATE, 0, PAIR_STATE_VERSION, &pair->counter,
			 sizeof(pair->counter), err) < 0)
		return -1;
	return gw_state_add(state, "rest", 0, 1, pair->here[0], much, err);
}

static inline int pair_save_early(void *user, struct gw_state *state,
				  struct gw_error *err)
{
	struct pair *pair = user;

	if (!pair->early)
		return 0;
	return gw_state_add(state, "features", 0, 1, "all of them", 11, err);
}

static inline void pair_throttle(void *user, uint32_t percent)
{
	(void)user;
	(void)percent;
}

static inline void pair_progress(void *user, const struct gw_progress *progress)
{
	struct pair *pair = user;

	if (pair->progress)
		pair->progress(pair, progress);
}

/* ---- the guest there ---- */

static inline int pair_load(void *user, const struct gw_section *section,
			    struct gw_error *err)
{
	struct pair *pair = user;

	if (strcmp(section->name, "features") == 0) {
		pair->early_there = section->early && section->length == 11 &&
				    memcmp(section->bytes, "all of them", 11) == 0;
		pair->memory_came_first =
			memcmp(pair->there[0], pair->here[0], GW_PAGE_BYTES) == 0;
		return pair->refuse_early
			       ? pair_refuse(pair, err, "this host lacks a feature")
			       : 0;
	}
	if (strcmp(section->name, "rest") == 0)
		return 0;
	if (strcmp(section->name, PAIR_STATE) != 0 || section->instance != 0 ||
	    section->version != PAIR_STATE_VERSION || section->early ||
	    section->length != sizeof(pair->counter_there))
		return gw_fail(err, GW_PEER, "unknown state");
	if (pair->refuse_state)
		return pair_refuse(pair, err, "a counter like that cannot be");
	memcpy(&pair->counter_there, section->bytes, section->length);
	return 0;
}

static inline int pair_start(void *user, struct gw_error *err)
{
	struct pair *pair = user;

	if (pair->refuse_start)
		return pair_refuse(pair, err, "no thread left");
	pair->starts++;
	return 0;
}

static inline void pair_status(void *user, enum gw_status now)
{
	((struct pair *)user)->statuses |= 1u << now;
}

/* ---- the whole ---- */

static inline struct gw_ram *pair_memory(uint8_t *blocks[PAIR_BLOCKS])
{
	struct gw_error err;
	struct gw_ram *ram = gw_ram_new(&err);

	CHECK(ram);
	for (uint32_t i = 0; i < PAIR_BLOCKS; i++) {
		size_t length = pair_pages[i] * GW_PAGE_BYTES;

		blocks[i] = mmap(NULL, length, PROT_READ | PROT_WRITE,
				 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		CHECK(blocks[i] != MAP_FAILED);
		CHECK_OK(gw_ram_add(ram, pair_names[i], blocks[i], length, &err), &err);
	}
	return ram;
}

static inline void pair_set(struct pair *pair, const char *name, const char *value)
{
	struct gw_error err;

	CHECK_OK(gw_source_set(pair->source, name, value, &err), &err);
	CHECK_OK(gw_destination_set(pair->destination, name, value, &err), &err);
}

/* The guest, and all that is needed to move it, but for gw_destination_listen(). */
static inline void pair_make(struct pair *pair)
{
	static const struct gw_dirty_ops tracker = {
		.struct_size = sizeof(tracker),
		.name = "scripted",
		.start = pair_tracker_start,
		.harvest = pair_harvest,
		.stop = pair_tracker_stop,
		.free = pair_tracker_free,
	};
	const struct gw_source_ops source = {
		.struct_size = sizeof(source),
		.pause = pair_pause,
		.save = pair_save,
		.resume = pair_resume,
		.save_early = pair->bare ? NULL : pair_save_early,
		.throttle = pair->bare ? NULL : pair_throttle,
		.progress = pair->bare ? NULL : pair_progress,
	};
	const struct gw_destination_ops destination = {
		.struct_size = sizeof(destination),
		.load = pair_load,
		.start = pair_start,
		.status = pair->bare ? NULL : pair_status,
	};
	const struct gw_destination_options fresh = {
		.struct_size = sizeof(fresh),
		.fresh_memory = true,
	};
	struct gw_error err;

	pair->source_ram = pair_memory(pair->here);
	pair->destination_ram = pair_memory(pair->there);
	for (uint32_t i = 0; i < PAIR_BLOCKS; i++) {
		for (size_t page = 0; page < pair_pages[i]; page++)
			pair_write(pair, i, page);
		if (pair->used_memory)
			memset(pair->there[i], 0x55, pair_pages[i] * GW_PAGE_BYTES);
	}
	pair->here[0][0] = 1; /* never a zero page, so that its arrival shows */
	pair->counter = check_random(&pair->seed);
	pair->dirty = pair->own_tracker ? gw_dirty_own(pair->source_ram, "auto", &err)
					: gw_dirty_new(&tracker, pair, &err);
	if (!pair->dirty && err.kind == GW_UNSUPPORTED) {
		gw_ram_free(pair->source_ram);
		gw_ram_free(pair->destination_ram);
		SKIP("no wp-async, no wp-sync");
	}
	CHECK(pair->dirty);
	pair->source =
		gw_source_new(pair->source_ram, pair->dirty, &source, pair, NULL, &err);
	CHECK(pair->source);
	pair->destination = gw_destination_new(pair->destination_ram, &destination, pair,
					       pair->used_memory ? NULL : &fresh, &err);
	CHECK(pair->destination);
	CHECK_OK(gw_source_set(pair->source, "max-bandwidth", "0", &err), &err);
	if (pair->channels) {
		pair_set(pair, "multifd", "on");
		pair_set(pair, "multifd-channels", pair->channels);
		pair_set(pair, "multifd-compression",
			 pair->method ? pair->method : "none");
	}
	for (size_t i = 0; pair->set && pair->set[i][0]; i++)
		pair_set(pair, pair->set[i][0], pair->set[i][1]);
	strcpy(pair->directory, "/tmp/godwit-pair-XXXXXX");
	CHECK(mkdtemp(pair->directory));
	snprintf(pair->uri, sizeof(pair->uri), "unix:%s/meet", pair->directory);
}

static inline void *pair_receive(void *state)
{
	struct pair *pair = state;

	pair->receive_result =
		gw_destination_run(pair->destination, &pair->receive_error);
	return NULL;
}

static inline void pair_migrate(struct pair *pair)
{
	struct gw_error err;
	pthread_t receiver;
	const char *uri = gw_destination_listen(pair->destination, pair->uri, &err);

	CHECK(uri);
	CHECK_STR(uri, pair->uri);
	if (pair->before)
		pair->before(pair);
	CHECK_EQ(pthread_create(&receiver, NULL, pair_receive, pair), 0);
	pair->send_result = gw_source_run(pair->source, uri, &pair->send_error);
	/* One that nobody came to, or not with all connections, would wait for ever. */
	if (gw_source_report(pair->source)->wire_bytes == 0 ||
	    (pair->send_result < 0 && pair->send_error.kind == GW_CANCELLED))
		gw_destination_cancel(pair->destination);
	pthread_join(receiver, NULL);
	pair->sent = *gw_source_report(pair->source);
	pair->received = *gw_destination_report(pair->destination);
}

static inline void pair_free(struct pair *pair)
{
	gw_source_free(pair->source);
	gw_destination_free(pair->destination);
	gw_dirty_free(pair->dirty);
	gw_ram_free(pair->source_ram);
	gw_ram_free(pair->destination_ram);
	CHECK_EQ(pair->frees, pair->own_tracker ? 0 : 1);
	for (uint32_t i = 0; i < PAIR_BLOCKS; i++) {
		munmap(pair->here[i], pair_pages[i] * GW_PAGE_BYTES);
		munmap(pair->there[i], pair_pages[i] * GW_PAGE_BYTES);
	}
	CHECK_EQ(rmdir(pair->directory), 0);
}

static inline void pair_check_arrived(const struct pair *pair)
{
	if (pair->send_result < 0)
		CHECK_FAIL("source: %s", pair->send_error.text);
	if (pair->receive_result < 0)
		CHECK_FAIL("destination: %s", pair->receive_error.text);
	CHECK_EQ(pair->sent.status, GW_STATUS_COMPLETED);
	CHECK_EQ(pair->sent.guest, GW_GUEST_AT_DESTINATION);
	CHECK_EQ(pair->received.status, GW_STATUS_COMPLETED);
	CHECK(pair->received.started);
	CHECK_EQ(pair->starts, 1);
	CHECK_EQ(pair->pauses, 1);
	CHECK_EQ(pair->resumes, 0);
	CHECK_EQ(pair->counter_there, pair->counter);
	for (uint32_t i = 0; i < PAIR_BLOCKS; i++)
		CHECK(memcmp(pair->here[i], pair->there[i],
			     pair_pages[i] * GW_PAGE_BYTES) == 0);
}

/* The migration failed, and the guest runs on as if nothing had been. */
static inline void pair_check_stayed(const struct pair *pair)
{
	CHECK_EQ(pair->send_result, -1);
	CHECK_EQ(pair->receive_result, -1);
	CHECK_EQ(pair->sent.guest, GW_GUEST_AT_SOURCE);
	CHECK_EQ(pair->pauses, pair->resumes);
	CHECK_EQ(pair->starts, 0);
	CHECK(!pair->received.started);
}

#endif
