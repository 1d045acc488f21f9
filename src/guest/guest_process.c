/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* guest_process.c - the kind of guest that is threads of ours. */
#include "guest/guest_ops.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "guest/process_machine.h"
#include "guest/proof.h"

static_assert(GUEST_VCPUS_MAX == PROCESS_WRITERS_MAX, "a vCPU is a writer");

struct guest_process {
	const struct ram *ram;
	struct process_console console;
	/* What the machine is made of: as booted, or as loaded. */
	struct process_state state;
	bool loaded;
	struct process_machine *machine;       /* set once; then any thread may count */
	uint8_t body[PROCESS_STATE_BYTES_MAX]; /* of the section */
	char description[PROCESS_DESCRIPTION_BYTES_MAX];
	struct device_section section;
};

static struct process_machine *machine_of(const struct guest_process *guest)
{
	return __atomic_load_n(&guest->machine, __ATOMIC_ACQUIRE);
}

static int process_probe(struct gw_error *err)
{
	(void)err;
	return 0;
}

static uint64_t process_reserved_bytes(const struct guest_options *options)
{
	(void)options;
	return 0;
}

static void *process_create(const struct guest_options *options, const struct ram *ram,
			    struct gw_error *err)
{
	OWNED_MEMORY struct guest_process *guest = calloc(1, sizeof(*guest));

	if (!guest) {
		fail_sys(err, ENOMEM, "process guest");
		return NULL;
	}
	guest->ram = ram;
	guest->console.print = options->console;
	guest->console.state = options->console_state;
	guest->state = (struct process_state){
		.block = GUEST_BLOCK,
		.heartbeat_offset = guest_heartbeat_offset(options),
		.working_set_offset = guest_working_set_offset(options),
		.working_set_bytes = options->working_set_bytes,
		.dirty_rate_bytes = options->dirty_rate_bytes,
		.pattern = options->pattern,
		.writer_count = options->vcpus,
	};
	if (process_state_init(&guest->state, ram, options->seed, err) < 0)
		return NULL;
	return MOVE(guest);
}

static void process_free(void *state)
{
	struct guest_process *guest = state;

	process_machine_free(guest->machine);
	free(guest);
}

static int process_boot(void *state, struct gw_error *err)
{
	struct guest_process *guest = state;
	struct process_machine *machine =
		process_machine_new(guest->ram, &guest->state, guest->console, err);

	if (!machine)
		return -1;
	__atomic_store_n(&guest->machine, machine, __ATOMIC_RELEASE);
	return 0;
}

static int process_assemble(void *state, struct gw_error *err)
{
	struct guest_process *guest = state;

	if (!guest->loaded)
		return fail(err, GW_PEER, "the stream ended without \"%s\"",
			    PROCESS_STATE_NAME);
	return process_boot(guest, err);
}

static int process_run(void *state, struct gw_error *err)
{
	return process_machine_run(((struct guest_process *)state)->machine, err);
}

static int process_pause(void *state, struct gw_error *err)
{
	(void)err;
	process_machine_pause(((struct guest_process *)state)->machine);
	return 0;
}

static struct dirty_tracker *process_track(void *state, const char *how,
					   struct gw_error *err)
{
	return dirty_of_process(((struct guest_process *)state)->ram, how, err);
}

static void process_throttle(void *state, uint32_t percent)
{
	struct process_machine *machine = machine_of(state);

	if (machine)
		process_machine_throttle(machine, percent);
}

static int process_save_early(void *state, struct guest_sections *saved,
			      struct gw_error *err)
{
	(void)state;
	(void)err;
	*saved = (struct guest_sections){ 0 };
	return 0;
}

static int process_save(void *state, struct guest_sections *saved, struct gw_error *err)
{
	struct guest_process *guest = state;
	struct writer out = writer_over(guest->body, sizeof(guest->body));
	struct process_state now;

	(void)err;
	process_machine_state(guest->machine, &now);
	process_state_encode(&now, &out);
	assert(!out.overrun);
	process_state_describe(&now, guest->description);
	guest->section = (struct device_section){
		.name = PROCESS_STATE_NAME,
		.instance = PROCESS_STATE_INSTANCE,
		.version = PROCESS_STATE_VERSION,
		.body = { guest->body, out.used },
	};
	*saved = (struct guest_sections){ &guest->section, 1, guest->description };
	return 0;
}

static int process_load(void *state, const char *name, uint32_t instance,
			uint32_t version, bool early, struct cursor *in,
			struct gw_error *err)
{
	struct guest_process *guest = state;

	if (strcmp(name, PROCESS_STATE_NAME) != 0 || instance != PROCESS_STATE_INSTANCE ||
	    version != PROCESS_STATE_VERSION || early || guest->loaded)
		return fail(err, GW_PEER,
			    "instance %u version %u: one \"%s\", instance %u version %u, "
			    "is expected",
			    instance, version, PROCESS_STATE_NAME, PROCESS_STATE_INSTANCE,
			    PROCESS_STATE_VERSION);
	guest->loaded = true;
	return process_state_decode(in, guest->ram, &guest->state, err);
}

static struct guest_counters process_counters(const void *state)
{
	const struct process_machine *machine = machine_of(state);
	struct process_counters seen;

	if (!machine)
		return (struct guest_counters){ 0 };
	seen = process_machine_counters(machine);
	return (struct guest_counters){
		.beats = seen.beats,
		.pages_written = seen.pages_written,
		.checks = seen.beats,
		.longest_gap_ns = seen.longest_gap_ns,
		.arrival_gap_ns = seen.arrival_gap_ns,
		.cpu_ns = seen.cpu_ns,
	};
}

static uint64_t process_heartbeat(const void *state)
{
	struct process_state now;

	process_machine_state(((const struct guest_process *)state)->machine, &now);
	return now.heartbeat;
}

static int process_prove(void *state, struct gw_error *err)
{
	struct guest_process *guest = state;
	struct process_state now;

	process_machine_state(guest->machine, &now);
	return proof_process(guest->ram, &now, NULL, err);
}

const struct guest_ops guest_process_ops = {
	.name = "process",
	.machine = "godwit-process",
	.trackers = { "auto", "wp-async", "wp-sync" },
	.probe = process_probe,
	.reserved_bytes = process_reserved_bytes,
	.create = process_create,
	.free = process_free,
	.boot = process_boot,
	.assemble = process_assemble,
	.run = process_run,
	.pause = process_pause,
	.track = process_track,
	.throttle = process_throttle,
	.save_early = process_save_early,
	.save = process_save,
	.load = process_load,
	.counters = process_counters,
	.heartbeat = process_heartbeat,
	.prove = process_prove,
};
