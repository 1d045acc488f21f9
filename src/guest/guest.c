/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* guest.c - what all kinds of guests have in common, and which kinds there are. */
#include "guest/guest.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "guest/guest_ops.h"

/* Whether the guest ran when it left: its own section, behind the kind's. */
#define RUN_STATE_NAME "godwit/run-state"
#define RUN_STATE_INSTANCE 0u
#define RUN_STATE_VERSION 1u
#define RUN_STATE_DESCRIPTION                                  \
	"{\"name\":\"" RUN_STATE_NAME                          \
	"\",\"instance_id\":0,\"vmsd_name\":\"" RUN_STATE_NAME \
	"\",\"version\":1,\"fields\":["                        \
	"{\"name\":\"runs\",\"type\":\"bool\",\"size\":1}]}"

static const struct guest_ops *const kinds[] = {
	[GUEST_PROCESS] = &guest_process_ops,
	[GUEST_KVM] = &guest_kvm_ops,
};

#define KIND_COUNT (sizeof(kinds) / sizeof(kinds[0]))

struct guest {
	enum guest_kind kind;
	const struct guest_ops *ops;
	void *state; /* the kind's */
	struct guest_options options;
	struct ram ram;
	struct dirty_tracker *tracker;
	bool made; /* booted or assembled */
	bool running;

	/* As loaded. */
	bool run_state_loaded;
	bool was_running;

	/* As saved; allocated anew each time. */
	uint8_t runs;
	struct device_section *sections;
	char *vmdesc;
};

/* ---- kinds ---- */

enum guest_kind guest_best_kind(struct gw_error *why_not)
{
	return kinds[GUEST_KVM]->probe(why_not) == 0 ? GUEST_KVM : GUEST_PROCESS;
}

const char *guest_kind_name(enum guest_kind kind)
{
	return kinds[kind]->name;
}

int guest_kind_by_name(const char *name, enum guest_kind *kind, struct gw_error *err)
{
	for (size_t i = 0; i < KIND_COUNT; i++) {
		if (strcmp(name, kinds[i]->name) == 0) {
			*kind = (enum guest_kind)i;
			return 0;
		}
	}
	return fail(err, GW_USAGE, "--guest %.40s: kvm and process are allowed", name);
}

const char *guest_machine_name(enum guest_kind kind)
{
	return kinds[kind]->machine;
}

/* ---- options ---- */

static int check_memory(const struct guest_options *options, struct gw_error *err)
{
	uint64_t set_bytes = options->working_set_bytes, most;

	if (options->memory_bytes < GUEST_MEMORY_MIN)
		return fail(err, GW_USAGE,
			    "--memory %" PRIu64 ": at least %" PRIu64 " are allowed",
			    options->memory_bytes, GUEST_MEMORY_MIN);
	if (options->memory_bytes % PAGE_BYTES != 0)
		return fail(err, GW_USAGE,
			    "--memory %" PRIu64 ": a multiple of %" PRIu64 " is allowed",
			    options->memory_bytes, PAGE_BYTES);
	most = guest_heartbeat_offset(options);
	most -= kinds[options->kind]->reserved_bytes(options);
	if (set_bytes > most)
		return fail(err, GW_USAGE,
			    "--working-set %" PRIu64 ": at most %" PRIu64
			    " of this memory are allowed",
			    set_bytes, most);
	if (set_bytes % PAGE_BYTES != 0)
		return fail(err, GW_USAGE,
			    "--working-set %" PRIu64 ": a multiple of %" PRIu64
			    " is allowed",
			    set_bytes, PAGE_BYTES);
	return 0;
}

static int check_vcpus(const struct guest_options *options, struct gw_error *err)
{
	uint64_t pages = options->working_set_bytes / PAGE_BYTES;

	if (options->vcpus == 0 || options->vcpus > GUEST_VCPUS_MAX)
		return fail(err, GW_USAGE, "--vcpus %u: 1 to %u are allowed",
			    options->vcpus, GUEST_VCPUS_MAX);
	if (options->vcpus > pages)
		return fail(
			err, GW_USAGE,
			"--vcpus %u: 1 a page is allowed, the working set has %" PRIu64,
			options->vcpus, pages);
	if (options->dirty_rate_bytes > PROCESS_RATE_MAX_BYTES)
		return fail(err, GW_USAGE,
			    "--dirty-rate %" PRIu64 ": at most %" PRIu64 " are allowed",
			    options->dirty_rate_bytes, PROCESS_RATE_MAX_BYTES);
	return 0;
}

static int check_tracker(const struct guest_options *options, struct gw_error *err)
{
	const char *const *known = kinds[options->kind]->trackers;
	char list[80] = "";

	for (unsigned i = 0; known[i]; i++) {
		size_t used = strlen(list);

		if (strcmp(options->tracker, known[i]) == 0)
			return 0;
		snprintf(list + used, sizeof(list) - used, "%s%s",
			 i == 0		? ""
			 : known[i + 1] ? ", "
					: " and ",
			 known[i]);
	}
	return fail(err, GW_USAGE, "--tracker %.40s: a %s guest has %s", options->tracker,
		    guest_kind_name(options->kind), list);
}

int guest_check(const struct guest_options *options, struct gw_error *err)
{
	if (check_memory(options, err) < 0 || check_vcpus(options, err) < 0)
		return -1;
	return check_tracker(options, err);
}

/* ---- a guest's life ---- */

struct guest *guest_new(const struct guest_options *options, struct gw_error *err)
{
	OWNED(guest) struct guest *guest = NULL;

	if (guest_check(options, err) < 0)
		return NULL;
	guest = calloc(1, sizeof(*guest));
	if (!guest) {
		fail_sys(err, ENOMEM, "guest");
		return NULL;
	}
	guest->kind = options->kind;
	guest->ops = kinds[options->kind];
	guest->options = *options;
	ram_init(&guest->ram);
	if (guest->ops->probe(err) < 0) {
		fail_in(err, "--guest %s", guest->ops->name);
		return NULL;
	}
	if (ram_allocate(&guest->ram, GUEST_BLOCK, options->memory_bytes, err) < 0) {
		fail_in(err, "--memory");
		return NULL;
	}
	guest->state = guest->ops->create(&guest->options, &guest->ram, err);
	return guest->state ? MOVE(guest) : NULL;
}

void guest_free(struct guest *guest)
{
	if (!guest)
		return;
	dirty_tracker_free(guest->tracker);
	if (guest->state)
		guest->ops->free(guest->state);
	ram_deinit(&guest->ram);
	free(guest->sections);
	free(guest->vmdesc);
	free(guest);
}

int guest_boot(struct guest *guest, const struct fill *fill, uint32_t threads,
	       struct gw_error *err)
{
	assert(!guest->made);
	if (fill_ram(fill, &guest->ram, guest->options.seed, threads, err) < 0)
		return fail_in(err, "--fill");
	if (guest->ops->boot(guest->state, err) < 0)
		return -1;
	guest->made = true;
	return 0;
}

int guest_assemble(struct guest *guest, struct gw_error *err)
{
	assert(!guest->made);
	if (guest->ops->assemble(guest->state, err) < 0)
		return -1;
	if (!guest->run_state_loaded)
		return fail(err, GW_PEER, "the stream ended without \"%s\"",
			    RUN_STATE_NAME);
	guest->made = true;
	return 0;
}

int guest_run(struct guest *guest, struct gw_error *err)
{
	assert(guest->made);
	if (guest->running)
		return 0;
	if (guest->ops->run(guest->state, err) < 0)
		return -1;
	guest->running = true;
	return 0;
}

int guest_pause(struct guest *guest, struct gw_error *err)
{
	if (!guest->running)
		return 0;
	/* Also when that fails: it has stopped by itself before. */
	guest->running = false;
	return guest->ops->pause(guest->state, err);
}

bool guest_running(const struct guest *guest)
{
	return guest->running;
}

struct ram *guest_ram(struct guest *guest)
{
	return &guest->ram;
}

struct dirty_tracker *guest_tracker(struct guest *guest, struct gw_error *err)
{
	if (guest->tracker)
		return guest->tracker;
	guest->tracker = guest->ops->track(guest->state, guest->options.tracker, err);
	if (!guest->tracker)
		fail_in(err, "--tracker");
	return guest->tracker;
}

enum guest_kind guest_kind_of(const struct guest *guest)
{
	return guest->kind;
}

void guest_throttle(struct guest *guest, uint32_t percent)
{
	assert(percent < 100);
	guest->ops->throttle(guest->state, percent);
}

/* ---- state that travels ---- */

int guest_save_early(struct guest *guest, struct device_state *saved,
		     struct gw_error *err)
{
	struct guest_sections own = { 0 };

	if (guest->ops->save_early(guest->state, &own, err) < 0)
		return -1;
	*saved = (struct device_state){ .sections = own.sections,
					.section_count = own.count };
	return 0;
}

/* The kind's sections and the run state's, in one list. */
static int join_sections(struct guest *guest, const struct guest_sections *own,
			 struct gw_error *err)
{
	free(guest->sections);
	guest->sections = calloc((size_t)own->count + 1, sizeof(*guest->sections));
	if (!guest->sections)
		return fail_sys(err, ENOMEM, "guest state");
	if (own->count > 0)
		memcpy(guest->sections, own->sections,
		       own->count * sizeof(*guest->sections));
	guest->sections[own->count] = (struct device_section){
		.name = RUN_STATE_NAME,
		.instance = RUN_STATE_INSTANCE,
		.version = RUN_STATE_VERSION,
		.body = { &guest->runs, sizeof(guest->runs) },
	};
	free(guest->vmdesc);
	guest->vmdesc = NULL;
	if (asprintf(&guest->vmdesc, "{\"page_size\":%" PRIu64 ",\"devices\":[%s%s%s]}",
		     PAGE_BYTES, own->devices, own->count > 0 ? "," : "",
		     RUN_STATE_DESCRIPTION) < 0) {
		guest->vmdesc = NULL;
		return fail_sys(err, ENOMEM, "guest state");
	}
	return 0;
}

int guest_save(struct guest *guest, bool runs, struct device_state *saved,
	       struct gw_error *err)
{
	struct guest_sections own = { .devices = "" };

	assert(guest->made && !guest->running);
	guest->runs = runs;
	if (guest->ops->save(guest->state, &own, err) < 0 ||
	    join_sections(guest, &own, err) < 0)
		return -1;
	*saved = (struct device_state){
		.sections = guest->sections,
		.section_count = own.count + 1,
		.vmdesc = guest->vmdesc,
	};
	return 0;
}

static int load_run_state(struct guest *guest, uint32_t instance, uint32_t version,
			  bool early, struct cursor *in, struct gw_error *err)
{
	uint8_t runs;

	if (instance != RUN_STATE_INSTANCE || version != RUN_STATE_VERSION || early ||
	    guest->run_state_loaded)
		return fail(err, GW_PEER,
			    "instance %u version %u: one, instance %u version %u, is "
			    "expected at the end",
			    instance, version, RUN_STATE_INSTANCE, RUN_STATE_VERSION);
	runs = cursor_u8(in);
	if (in->overrun)
		return cursor_fail(in, err, "run state");
	if (runs > 1)
		return fail(err, GW_PEER, "run state %u: 0 and 1 are known", runs);
	guest->run_state_loaded = true;
	guest->was_running = runs;
	return 0;
}

int guest_load(struct guest *guest, const char *name, uint32_t instance, uint32_t version,
	       bool early, struct cursor *in, struct gw_error *err)
{
	if (strcmp(name, RUN_STATE_NAME) == 0)
		return load_run_state(guest, instance, version, early, in, err);
	return guest->ops->load(guest->state, name, instance, version, early, in, err);
}

bool guest_was_running(const struct guest *guest)
{
	return guest->was_running;
}

/* ---- what it says of itself ---- */

struct guest_counters guest_counters(const struct guest *guest)
{
	return guest->ops->counters(guest->state);
}

uint64_t guest_heartbeat(const struct guest *guest)
{
	assert(guest->made && !guest->running);
	return guest->ops->heartbeat(guest->state);
}

int guest_prove(struct guest *guest, struct gw_error *err)
{
	assert(guest->made && !guest->running);
	return guest->ops->prove(guest->state, err);
}
