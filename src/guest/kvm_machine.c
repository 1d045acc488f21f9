/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* kvm_machine.c - a KVM guest: memory slots, vCPUs with a thread each, a serial port.
 *
 * The serial port and the heart are vCPU 0's: its thread alone is let to their ports, and owns
 * what is behind them until it is parked. */
#include "guest/kvm_machine.h"

#include <assert.h>
#include <errno.h>
#include <linux/kvm.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/counter.h"
#include "base/queue.h"
#include "guest/dirty_log.h"
#include "guest/dirty_ring.h"
#include "guest/kvm_boot.h"
#include "guest/kvm_probe.h"
#include "guest/kvm_slot.h"
#include "guest/kvm_verdict.h"
#include "guest/pulse.h"
#include "guest/vcpu.h"

/* Interrupt lines of an I/O APIC that is not there; KVM wants to know. */
#define IOAPIC_PINS 24u

struct kvm_machine {
	const struct ram_block *block;
	int kvm_fd;
	int vm_fd;
	struct kvm_slot slots[2];
	uint32_t slot_count;
	struct dirty_ring *ring; /* NULL: tracked by the log */
	struct kvm_features features;
	struct kvm_registers registers;

	struct kvm_console console;
	struct vcpu_board board;
	struct vcpu_orders orders;
	struct queue *answers;	 /* to who runs and pauses it */
	struct queue *collected; /* to its tracker, from another thread maybe */
	uint32_t vcpu_count; /* that have a thread; set once, after all else of them */
	struct vcpu *vcpus[GUEST_VCPUS_MAX];
	bool running;
	bool failed;
	struct gw_error failure; /* of the first vCPU that said so */

	/* vCPU 0's. */
	struct kvm_state state; /* the heartbeat in there */
	struct uart serial;

	uint64_t pages_before; /* stamped before it came here */
	uint64_t checks_before[GUEST_VCPUS_MAX];

	struct pulse pulse; /* vCPU 0's */
};

/* vCPUs that may be commanded: none while they are being made. */
static uint32_t vcpus_of(const struct kvm_machine *machine)
{
	return __atomic_load_n(&machine->vcpu_count, __ATOMIC_ACQUIRE);
}

/* ---- what vCPUs are plugged into; on their threads ---- */

static int fail_port(uint16_t port, const char *what, struct gw_error *err)
{
	return fail(err, GW_SYSTEM, "%s port 0x%x, where nothing of its is", what, port);
}

static bool is_serial(uint32_t vcpu, uint16_t port)
{
	return vcpu == 0 && port >= KVM_PORT_SERIAL &&
	       port < KVM_PORT_SERIAL + UART_REGISTERS;
}

static int board_write(void *state, uint32_t vcpu, uint16_t port, uint8_t value,
		       struct gw_error *err)
{
	struct kvm_machine *machine = state;
	uint8_t byte;

	if (is_serial(vcpu, port)) {
		if (uart_write(&machine->serial, port - KVM_PORT_SERIAL, value, &byte) &&
		    machine->console.print)
			machine->console.print(machine->console.state, &byte, 1);
		return 0;
	}
	if (vcpu == 0 && port == KVM_PORT_BEAT) {
		machine->state.heartbeat++;
		pulse_beat(&machine->pulse, &machine->state.heartbeat_ns);
		return 0;
	}
	if (port == KVM_PORT_FAULT)
		return kvm_verdict_fault(machine->block->host, vcpu, err);
	return fail_port(port, "wrote to", err);
}

static int board_read(void *state, uint32_t vcpu, uint16_t port, uint8_t *value,
		      struct gw_error *err)
{
	struct kvm_machine *machine = state;

	if (!is_serial(vcpu, port))
		return fail_port(port, "read", err);
	*value = uart_read(&machine->serial, port - KVM_PORT_SERIAL);
	return 0;
}

static void look_all(struct kvm_machine *machine)
{
	for (uint32_t i = 0; i < vcpus_of(machine); i++)
		vcpu_command(machine->vcpus[i], VCPU_LOOK);
}

static void board_failed(void *state)
{
	struct kvm_machine *machine = state;

	__atomic_store_n(&machine->orders.halted, true, __ATOMIC_RELAXED);
	look_all(machine);
}

/* ---- making one ---- */

static int map_memory(struct kvm_machine *machine, struct gw_error *err)
{
	const struct ram_block *block = machine->block;
	size_t below = KVM_HOLE_START / PAGE_BYTES;
	bool split = block->page_count > below;

	machine->slots[0] = (struct kvm_slot){
		.block = block,
		.page_count = split ? below : block->page_count,
	};
	machine->slots[1] = (struct kvm_slot){
		.block = block,
		.id = 1,
		.guest_phys = KVM_HOLE_END,
		.first_page = below,
		.page_count = split ? block->page_count - below : 0,
	};
	machine->slot_count = split ? 2 : 1;
	return kvm_slots_set(machine->vm_fd, machine->slots, machine->slot_count, false,
			     err);
}

static int make_vm(struct kvm_machine *machine, bool ring, struct gw_error *err)
{
	struct kvm_enable_cap lapics = {
		.cap = KVM_CAP_SPLIT_IRQCHIP,
		.args = { IOAPIC_PINS },
	};

	machine->kvm_fd = kvm_probe_open(err);
	if (machine->kvm_fd < 0 ||
	    kvm_features_of_host(machine->kvm_fd, &machine->features, err) < 0)
		return -1;
	machine->vm_fd = ioctl(machine->kvm_fd, KVM_CREATE_VM, 0);
	if (machine->vm_fd < 0)
		return fail_sys(err, errno, "KVM_CREATE_VM");
	if (ioctl(machine->vm_fd, KVM_ENABLE_CAP, &lapics) < 0)
		return fail_sys(err, errno, "KVM_CAP_SPLIT_IRQCHIP");
	if (map_memory(machine, err) < 0)
		return -1;
	if (!ring)
		return 0;
	if (dirty_ring_enable(machine->vm_fd, DIRTY_RING_ENTRIES, err) < 0)
		return -1;
	machine->ring =
		dirty_ring_new(machine->vm_fd, machine->slots, machine->slot_count,
			       GUEST_VCPUS_MAX, DIRTY_RING_ENTRIES, err);
	return machine->ring ? 0 : -1;
}

struct kvm_machine *kvm_machine_new(const struct ram *ram, bool ring,
				    struct kvm_console console, struct gw_error *err)
{
	OWNED(kvm_machine) struct kvm_machine *machine = calloc(1, sizeof(*machine));

	assert(ram->block_count == 1);
	if (!machine) {
		fail_sys(err, ENOMEM, "KVM guest");
		return NULL;
	}
	machine->block = ram->blocks[0];
	machine->kvm_fd = machine->vm_fd = -1;
	machine->console = console;
	uart_init(&machine->serial);
	machine->answers = queue_new(sizeof(struct vcpu_answer), GUEST_VCPUS_MAX, err);
	if (!machine->answers)
		return NULL;
	machine->collected = queue_new(sizeof(struct vcpu_answer), GUEST_VCPUS_MAX, err);
	if (!machine->collected || make_vm(machine, ring, err) < 0)
		return NULL;
	machine->board = (struct vcpu_board){
		.state = machine,
		.write = board_write,
		.read = board_read,
		.failed = board_failed,
		.orders = &machine->orders,
		.ring = machine->ring,
		.answers = machine->answers,
		.collected = machine->collected,
	};
	return MOVE(machine);
}

void kvm_machine_free(struct kvm_machine *machine)
{
	struct gw_error lost; /* whoever cares has paused it before */

	if (!machine)
		return;
	kvm_machine_pause(machine, &lost);
	for (uint32_t i = 0; i < GUEST_VCPUS_MAX; i++)
		vcpu_free(machine->vcpus[i]);
	dirty_ring_free(machine->ring);
	if (machine->vm_fd >= 0)
		close(machine->vm_fd);
	if (machine->kvm_fd >= 0)
		close(machine->kvm_fd);
	queue_free(machine->answers);
	queue_free(machine->collected);
	free(machine);
}

const struct kvm_features *kvm_machine_features(const struct kvm_machine *machine)
{
	return &machine->features;
}

/* What else KVM does not take, it says to a vCPU of a VM that is gone again afterwards. */
static int try_features(int kvm_fd, const struct kvm_features *features,
			struct gw_error *err)
{
	OWNED_FD int vm_fd = ioctl(kvm_fd, KVM_CREATE_VM, 0);
	OWNED_FD int vcpu = vm_fd < 0 ? -1 : ioctl(vm_fd, KVM_CREATE_VCPU, 0);

	if (vcpu < 0)
		return fail_sys(err, errno, "KVM: create a vCPU");
	return kvm_features_tell(features, vcpu, 0, err);
}

int kvm_machine_accept(struct kvm_machine *machine, const struct kvm_features *features,
		       struct gw_error *err)
{
	assert(machine->vcpu_count == 0);
	if (kvm_features_check(features, &machine->features, err) < 0 ||
	    try_features(machine->kvm_fd, features, err) < 0)
		return -1;
	machine->features = *features;
	return 0;
}

static int make_vcpus(struct kvm_machine *machine, struct gw_error *err)
{
	for (uint32_t i = 0; i < machine->state.vcpu_count; i++) {
		struct vcpu *vcpu = vcpu_new(machine->kvm_fd, machine->vm_fd, i,
					     &machine->board, err);

		machine->vcpus[i] = vcpu;
		if (!vcpu)
			return -1;
		if (kvm_features_tell(&machine->features, vcpu_fd(vcpu), i, err) < 0)
			return fail_in(err, "vCPU %u", i);
		if (machine->ring &&
		    dirty_ring_map(machine->ring, i, vcpu_fd(vcpu), err) < 0)
			return -1;
	}
	return 0;
}

static int start_vcpus(struct kvm_machine *machine, struct gw_error *err)
{
	for (uint32_t i = 0; i < machine->state.vcpu_count; i++) {
		if (vcpu_start(machine->vcpus[i], err) < 0)
			return -1;
	}
	machine->pages_before =
		kvm_verdict_pages(machine->block->host, machine->state.vcpu_count);
	for (uint32_t i = 0; i < machine->state.vcpu_count; i++)
		machine->checks_before[i] = kvm_verdict_checks(machine->block->host, i);
	__atomic_store_n(&machine->vcpu_count, machine->state.vcpu_count,
			 __ATOMIC_RELEASE);
	return 0;
}

/* The state, once it is known to fit. */
static int adopt(struct kvm_machine *machine, const struct kvm_state *state,
		 struct gw_error *err)
{
	assert(machine->vcpu_count == 0);
	if (kvm_state_check(state, err) < 0)
		return -1;
	if (state->memory_bytes != machine->block->length_bytes)
		return fail(err, GW_PEER,
			    "KVM guest: it has %llu bytes of memory, here are %llu",
			    (unsigned long long)state->memory_bytes,
			    (unsigned long long)machine->block->length_bytes);
	machine->state = *state;
	kvm_registers_init(&machine->registers, &machine->features);
	return make_vcpus(machine, err);
}

int kvm_machine_boot(struct kvm_machine *machine, const struct kvm_state *state,
		     uint64_t seed, struct gw_error *err)
{
	if (adopt(machine, state, err) < 0)
		return -1;
	kvm_boot_memory(machine->block->host, state, &machine->registers,
			machine->features.tsc_khz, seed);
	for (uint32_t i = 0; i < state->vcpu_count; i++) {
		if (kvm_boot_vcpu(vcpu_fd(machine->vcpus[i]), i, &machine->registers,
				  err) < 0)
			return fail_in(err, "vCPU %u", i);
	}
	return start_vcpus(machine, err);
}

int kvm_machine_restore(struct kvm_machine *machine, const struct kvm_saved *saved,
			struct gw_error *err)
{
	if (adopt(machine, &saved->machine, err) < 0)
		return -1;
	machine->serial = saved->serial;
	for (uint32_t i = 0; i < saved->machine.vcpu_count; i++) {
		if (vcpu_state_write(vcpu_fd(machine->vcpus[i]), &machine->features,
				     &saved->vcpus[i], err) < 0)
			return fail_in(err, "vCPU %u", i);
	}
	if (kvm_clock_write(machine->vm_fd, &saved->clock, err) < 0)
		return -1;
	return start_vcpus(machine, err);
}

/* ---- running one ---- */

/* Has all vCPUs do what they answer to; the first failure among the answers is kept. */
static int ask_all(struct kvm_machine *machine, enum vcpu_command command,
		   struct queue *answers, struct gw_error *err)
{
	uint32_t count = vcpus_of(machine);
	int done = 0;

	for (uint32_t i = 0; i < count; i++)
		vcpu_command(machine->vcpus[i], command);
	for (uint32_t i = 0; i < count; i++) {
		struct vcpu_answer answer;

		queue_take(answers, &answer, -1);
		if (!answer.failed || done < 0)
			continue;
		done = -1;
		*err = answer.err;
	}
	return done;
}

static int tell_failure(const struct kvm_machine *machine, struct gw_error *err)
{
	if (!machine->failed)
		return 0;
	*err = machine->failure;
	return -1;
}

int kvm_machine_run(struct kvm_machine *machine, struct gw_error *err)
{
	if (tell_failure(machine, err) < 0)
		return -1;
	if (machine->running)
		return 0;
	machine->running = true;
	for (uint32_t i = 0; i < vcpus_of(machine); i++)
		vcpu_command(machine->vcpus[i], VCPU_RUN);
	return 0;
}

int kvm_machine_pause(struct kvm_machine *machine, struct gw_error *err)
{
	if (machine->running) {
		machine->running = false;
		if (ask_all(machine, VCPU_PARK, machine->answers, &machine->failure) < 0)
			machine->failed = true;
	}
	return tell_failure(machine, err);
}

void kvm_machine_throttle(struct kvm_machine *machine, uint32_t percent)
{
	__atomic_store_n(&machine->orders.throttle_percent, percent, __ATOMIC_RELAXED);
	look_all(machine);
}

/* Since it is here, by the vCPU of all these that has made the fewest. */
static uint64_t fewest_checks(const struct kvm_machine *machine, uint32_t count)
{
	uint64_t fewest = UINT64_MAX;

	for (uint32_t i = 0; i < count; i++) {
		uint64_t checks = kvm_verdict_checks(machine->block->host, i) -
				  machine->checks_before[i];

		if (checks < fewest)
			fewest = checks;
	}
	return fewest;
}

struct guest_counters kvm_machine_counters(const struct kvm_machine *machine)
{
	uint32_t count = vcpus_of(machine);
	struct guest_counters counters = {
		.beats = counter_read(&machine->pulse.beats),
		.longest_gap_ns = counter_read(&machine->pulse.longest_gap_ns),
		.arrival_gap_ns = counter_read(&machine->pulse.arrival_gap_ns),
	};

	if (count > 0) {
		counters.pages_written = kvm_verdict_pages(machine->block->host, count) -
					 machine->pages_before;
		counters.checks = fewest_checks(machine, count);
	}
	for (uint32_t i = 0; i < count; i++)
		counters.cpu_ns += vcpu_cpu_ns(machine->vcpus[i]);
	return counters;
}

/* ---- what a paused one is ---- */

struct kvm_saved *kvm_machine_save(struct kvm_machine *machine, struct gw_error *err)
{
	uint32_t count = machine->state.vcpu_count;
	OWNED_MEMORY struct kvm_saved *saved = NULL;

	assert(!machine->running && count > 0);
	if (tell_failure(machine, err) < 0)
		return NULL;
	saved = calloc(1, sizeof(*saved) + count * sizeof(saved->vcpus[0]));
	if (!saved) {
		fail_sys(err, ENOMEM, "KVM guest's state");
		return NULL;
	}
	saved->machine = machine->state;
	saved->serial = machine->serial;
	if (kvm_clock_read(machine->vm_fd, &saved->clock, err) < 0)
		return NULL;
	for (uint32_t i = 0; i < count; i++) {
		if (vcpu_state_read(vcpu_fd(machine->vcpus[i]), &machine->features,
				    &saved->vcpus[i], err) < 0) {
			fail_in(err, "vCPU %u", i);
			return NULL;
		}
	}
	return MOVE(saved);
}

static int collect_all(void *state, struct gw_error *err)
{
	struct kvm_machine *machine = state;

	return ask_all(machine, VCPU_COLLECT, machine->collected, err);
}

struct dirty_tracker *kvm_machine_track(struct kvm_machine *machine, struct gw_error *err)
{
	if (machine->ring)
		return dirty_ring_tracker(machine->ring, collect_all, machine, err);
	return dirty_log_new(machine->vm_fd, machine->slots, machine->slot_count, err);
}

uint64_t kvm_machine_heartbeat(const struct kvm_machine *machine)
{
	assert(!machine->running);
	return machine->state.heartbeat;
}

int kvm_machine_prove(const struct kvm_machine *machine, struct gw_error *err)
{
	assert(!machine->running);
	if (tell_failure(machine, err) < 0)
		return -1;
	return kvm_verdict(machine->block, &machine->state, &machine->registers, err);
}
