/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* guest_kvm.c - the kind of guest that is a KVM machine. */
#include "guest/guest_ops.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "guest/kvm_machine.h"
#include "guest/kvm_probe.h"

#define TRACKER_RING "dirty-ring"

/* What travels, in this order; of vCPUs one each. */
enum section_kind {
	FEATURES,
	MACHINE,
	SERIAL,
	CLOCK,
	VCPU,
};

#define SECTION_KINDS (VCPU + 1)

struct guest_kvm {
	struct kvm_state options; /* of a guest that begins here */
	uint64_t seed;
	struct kvm_machine *machine;

	/* As loaded. */
	bool came[SECTION_KINDS][GUEST_VCPUS_MAX]; /* by instance */
	struct kvm_saved *loaded; /* with room for all vCPUs that a stream may bring */

	/* As saved; allocated anew each time. */
	uint8_t *early_body;
	struct device_section early;
	uint8_t *bodies;
	struct device_section sections[SECTION_KINDS + GUEST_VCPUS_MAX];
	char *devices;
};

static int kvm_probe(struct gw_error *err)
{
	OWNED_FD int fd = kvm_probe_open(err);

	return fd < 0 ? -1 : 0;
}

static uint64_t kvm_reserved_bytes(const struct guest_options *options)
{
	return KVM_LOW_BYTES;
}

static void kvm_free(void *state)
{
	struct guest_kvm *guest = state;

	kvm_machine_free(guest->machine);
	free(guest->loaded);
	free(guest->early_body);
	free(guest->bodies);
	free(guest->devices);
	free(guest);
}

static void *kvm_create(const struct guest_options *options, const struct ram *ram,
			struct gw_error *err)
{
	struct kvm_console console = { options->console, options->console_state };
	struct guest_kvm *guest = calloc(1, sizeof(*guest));

	if (!guest) {
		fail_sys(err, ENOMEM, "KVM guest");
		return NULL;
	}
	guest->seed = options->seed;
	guest->options = (struct kvm_state){
		.memory_bytes = options->memory_bytes,
		.vcpu_count = options->vcpus,
		.working_set_bytes = options->working_set_bytes,
		.dirty_rate_bytes = options->dirty_rate_bytes,
		.pattern = options->pattern,
	};
	if (kvm_state_check(&guest->options, err) == 0)
		guest->machine = kvm_machine_new(
			ram, strcmp(options->tracker, TRACKER_RING) == 0, console, err);
	if (!guest->machine) {
		kvm_free(guest);
		return NULL;
	}
	return guest;
}

static int kvm_boot(void *state, struct gw_error *err)
{
	struct guest_kvm *guest = state;

	return kvm_machine_boot(guest->machine, &guest->options, guest->seed, err);
}

static int kvm_run(void *state, struct gw_error *err)
{
	struct guest_kvm *guest = state;

	return kvm_machine_run(guest->machine, err);
}

static int kvm_pause(void *state, struct gw_error *err)
{
	struct guest_kvm *guest = state;

	return kvm_machine_pause(guest->machine, err);
}

static struct dirty_tracker *kvm_track(void *state, const char *how, struct gw_error *err)
{
	struct guest_kvm *guest = state;

	(void)how; /* the machine was made for it */
	return kvm_machine_track(guest->machine, err);
}

static void kvm_throttle(void *state, uint32_t percent)
{
	struct guest_kvm *guest = state;

	kvm_machine_throttle(guest->machine, percent);
}

/* ---- saving ---- */

static int kvm_save_early(void *state, struct guest_sections *saved, struct gw_error *err)
{
	struct guest_kvm *guest = state;
	struct writer out;

	free(guest->early_body);
	guest->early_body = malloc(KVM_FEATURES_BYTES_MAX);
	if (!guest->early_body)
		return fail_sys(err, ENOMEM, "KVM guest's features");
	out = writer_over(guest->early_body, KVM_FEATURES_BYTES_MAX);
	kvm_features_encode(kvm_machine_features(guest->machine), &out);
	assert(!out.overrun);
	guest->early = (struct device_section){
		.name = KVM_FEATURES_NAME,
		.instance = KVM_FEATURES_INSTANCE,
		.version = KVM_FEATURES_VERSION,
		.body = { out.start, out.used },
	};
	*saved = (struct guest_sections){ .sections = &guest->early, .count = 1 };
	return 0;
}

/* What has been written since `from`, as one more section. */
static void end_section(struct guest_kvm *guest, uint32_t *count, const char *name,
			uint32_t instance, uint32_t version, const struct writer *out,
			size_t from)
{
	assert(!out->overrun);
	guest->sections[(*count)++] = (struct device_section){
		.name = name,
		.instance = instance,
		.version = version,
		.body = { out->start + from, out->used - from },
	};
}

static uint32_t encode(struct guest_kvm *guest, const struct kvm_saved *saved,
		       struct writer *out)
{
	uint32_t count = 0;
	size_t from = out->used;

	kvm_state_encode(&saved->machine, out);
	end_section(guest, &count, KVM_STATE_NAME, KVM_STATE_INSTANCE, KVM_STATE_VERSION,
		    out, from);
	from = out->used;
	uart_encode(&saved->serial, out);
	end_section(guest, &count, UART_NAME, UART_INSTANCE, UART_VERSION, out, from);
	from = out->used;
	kvm_clock_encode(&saved->clock, out);
	end_section(guest, &count, KVM_CLOCK_NAME, KVM_CLOCK_INSTANCE, KVM_CLOCK_VERSION,
		    out, from);
	for (uint32_t i = 0; i < saved->machine.vcpu_count; i++) {
		from = out->used;
		vcpu_state_encode(&saved->vcpus[i], out);
		end_section(guest, &count, VCPU_STATE_NAME, i, VCPU_STATE_VERSION, out,
			    from);
	}
	return count;
}

/* The sections' descriptions in the same order, with commas. */
static void describe(const struct kvm_saved *saved, char *text)
{
	text += kvm_state_describe(text);
	*text++ = ',';
	text += uart_describe(text);
	*text++ = ',';
	text += kvm_clock_describe(text);
	for (uint32_t i = 0; i < saved->machine.vcpu_count; i++) {
		*text++ = ',';
		text += vcpu_state_describe(&saved->vcpus[i], i, text);
	}
}

static int kvm_save(void *state, struct guest_sections *saved, struct gw_error *err)
{
	struct guest_kvm *guest = state;
	OWNED_MEMORY struct kvm_saved *now = kvm_machine_save(guest->machine, err);
	size_t body_bytes, text_bytes;
	struct writer out;

	if (!now)
		return -1;
	body_bytes = KVM_STATE_BYTES + UART_BYTES + KVM_CLOCK_BYTES +
		     now->machine.vcpu_count * (size_t)VCPU_STATE_BYTES_MAX;
	text_bytes = KVM_STATE_DESCRIPTION_BYTES_MAX + UART_DESCRIPTION_BYTES_MAX +
		     KVM_CLOCK_DESCRIPTION_BYTES_MAX +
		     now->machine.vcpu_count * (size_t)VCPU_DESCRIPTION_BYTES_MAX;
	free(guest->bodies);
	free(guest->devices);
	guest->bodies = malloc(body_bytes);
	guest->devices = malloc(text_bytes);
	if (!guest->bodies || !guest->devices)
		return fail_sys(err, ENOMEM, "KVM guest's state");
	out = writer_over(guest->bodies, body_bytes);
	saved->count = encode(guest, now, &out);
	saved->sections = guest->sections;
	describe(now, guest->devices);
	saved->devices = guest->devices;
	return 0;
}

/* ---- loading ---- */

static int load_features(struct guest_kvm *guest, uint32_t instance, struct cursor *in,
			 struct gw_error *err)
{
	OWNED_MEMORY struct kvm_features *features = malloc(sizeof(*features));

	if (!features)
		return fail_sys(err, ENOMEM, "KVM guest's features");
	if (kvm_features_decode(in, features, err) < 0)
		return -1;
	return kvm_machine_accept(guest->machine, features, err);
}

static int load_machine(struct guest_kvm *guest, uint32_t instance, struct cursor *in,
			struct gw_error *err)
{
	return kvm_state_decode(in, &guest->loaded->machine, err);
}

static int load_serial(struct guest_kvm *guest, uint32_t instance, struct cursor *in,
		       struct gw_error *err)
{
	return uart_decode(in, &guest->loaded->serial, err);
}

static int load_clock(struct guest_kvm *guest, uint32_t instance, struct cursor *in,
		      struct gw_error *err)
{
	return kvm_clock_decode(in, &guest->loaded->clock, err);
}

static int load_vcpu(struct guest_kvm *guest, uint32_t instance, struct cursor *in,
		     struct gw_error *err)
{
	return vcpu_state_decode(in, &guest->loaded->vcpus[instance], err);
}

static const struct loader {
	const char *name;
	uint32_t version;
	uint32_t instances;
	bool early;
	int (*load)(struct guest_kvm *guest, uint32_t instance, struct cursor *in,
		    struct gw_error *err);
} loaders[] = {
	[FEATURES] = { KVM_FEATURES_NAME, KVM_FEATURES_VERSION, 1, true, load_features },
	[MACHINE] = { KVM_STATE_NAME, KVM_STATE_VERSION, 1, false, load_machine },
	[SERIAL] = { UART_NAME, UART_VERSION, 1, false, load_serial },
	[CLOCK] = { KVM_CLOCK_NAME, KVM_CLOCK_VERSION, 1, false, load_clock },
	[VCPU] = { VCPU_STATE_NAME, VCPU_STATE_VERSION, GUEST_VCPUS_MAX, false,
		   load_vcpu },
};

static_assert(sizeof(loaders) / sizeof(loaders[0]) == SECTION_KINDS, "one for each");

static int kvm_load(void *state, const char *name, uint32_t instance, uint32_t version,
		    bool early, struct cursor *in, struct gw_error *err)
{
	struct guest_kvm *guest = state;
	const struct loader *loader;
	uint32_t kind = 0;

	while (kind < SECTION_KINDS && strcmp(loaders[kind].name, name) != 0)
		kind++;
	if (kind == SECTION_KINDS)
		return fail(err, GW_PEER, "a KVM guest has no such device");
	loader = &loaders[kind];
	if (version != loader->version)
		return fail(err, GW_PEER, "version %u, %u is known", version,
			    loader->version);
	if (instance >= loader->instances)
		return fail(err, GW_PEER, "instance %u, at most %u is allowed", instance,
			    loader->instances - 1);
	if (early != loader->early)
		return fail(err, GW_PEER, "comes %s the memory, expected %s",
			    early ? "ahead of" : "after",
			    early ? "after it" : "ahead of it");
	if (guest->came[kind][instance])
		return fail(err, GW_PEER, "instance %u comes twice", instance);
	if (!guest->loaded) {
		guest->loaded =
			calloc(1, sizeof(*guest->loaded) +
					  GUEST_VCPUS_MAX * sizeof(struct vcpu_state));
		if (!guest->loaded)
			return fail_sys(err, ENOMEM, "KVM guest's state");
	}
	if (loader->load(guest, instance, in, err) < 0)
		return -1;
	guest->came[kind][instance] = true;
	return 0;
}

static int fail_missing(const char *name, uint32_t instance, struct gw_error *err)
{
	return fail(err, GW_PEER, "the stream ended without \"%s\" %u", name, instance);
}

static int kvm_assemble(void *state, struct gw_error *err)
{
	struct guest_kvm *guest = state;
	uint32_t vcpu_count;

	for (uint32_t kind = 0; kind < SECTION_KINDS; kind++) {
		if (!guest->came[kind][0])
			return fail_missing(loaders[kind].name, 0, err);
	}
	vcpu_count = guest->loaded->machine.vcpu_count;
	for (uint32_t i = 0; i < GUEST_VCPUS_MAX; i++) {
		if (guest->came[VCPU][i] && i >= vcpu_count)
			return fail(err, GW_PEER,
				    "the stream brought \"%s\" %u of a machine with %u",
				    VCPU_STATE_NAME, i, vcpu_count);
		if (!guest->came[VCPU][i] && i < vcpu_count)
			return fail_missing(VCPU_STATE_NAME, i, err);
	}
	if (kvm_machine_restore(guest->machine, guest->loaded, err) < 0)
		return -1;
	free(guest->loaded);
	guest->loaded = NULL;
	return 0;
}

/* ---- what it says of itself ---- */

static struct guest_counters kvm_counters(const void *state)
{
	const struct guest_kvm *guest = state;

	return kvm_machine_counters(guest->machine);
}

static uint64_t kvm_heartbeat(const void *state)
{
	const struct guest_kvm *guest = state;

	return kvm_machine_heartbeat(guest->machine);
}

static int kvm_prove(void *state, struct gw_error *err)
{
	const struct guest_kvm *guest = state;

	return kvm_machine_prove(guest->machine, err);
}

const struct guest_ops guest_kvm_ops = {
	.name = "kvm",
	.machine = "godwit-kvm",
	.trackers = { "auto", "dirty-log", TRACKER_RING },
	.probe = kvm_probe,
	.reserved_bytes = kvm_reserved_bytes,
	.create = kvm_create,
	.free = kvm_free,
	.boot = kvm_boot,
	.assemble = kvm_assemble,
	.run = kvm_run,
	.pause = kvm_pause,
	.track = kvm_track,
	.throttle = kvm_throttle,
	.save_early = kvm_save_early,
	.save = kvm_save,
	.load = kvm_load,
	.counters = kvm_counters,
	.heartbeat = kvm_heartbeat,
	.prove = kvm_prove,
};
