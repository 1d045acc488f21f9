/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* kvm_machine_for_tests.h - a KVM guest to run, save and restore in a test.
 *
 * For tests, which include tests/check.h before. */
#ifndef GUEST_KVM_MACHINE_FOR_TESTS_H
#define GUEST_KVM_MACHINE_FOR_TESTS_H

#include <time.h>

#include "guest/kvm_machine.h"
#include "guest/kvm_probe.h"

#define RAM_BYTES (UINT64_C(16) << 20)
#define SET_BYTES (UINT64_C(4) << 20)
#define SET_OFFSET (RAM_BYTES - PAGE_BYTES - SET_BYTES)
#define RATE (UINT64_C(20) << 20)
#define OUTSIDE 0x6b
#define CONSOLE_BYTES 65536u

static struct gw_error err;

/* What both machines of a test have printed, one after the other. */
static char console[CONSOLE_BYTES];
static size_t console_used; /* written by vCPU 0's thread, read while it is parked */

static inline void print(void *state, const void *bytes, size_t length)
{
	if (length > CONSOLE_BYTES - 1 - console_used)
		return;
	memcpy(console + console_used, bytes, length);
	console_used += length;
	console[console_used] = '\0';
}

static inline void need_kvm(void)
{
	static char reason[300];
	int fd = kvm_probe_open(&err);

	if (fd < 0) {
		snprintf(reason, sizeof(reason), "no /dev/kvm for a guest: %s", err.text);
		SKIP(reason);
	}
	close(fd);
	console_used = 0;
	console[0] = '\0';
}

static inline void sleep_ms(unsigned ms)
{
	struct timespec time = { ms / 1000, (long)(ms % 1000) * 1000000 };

	nanosleep(&time, NULL);
}

static inline void ram_open(struct ram *ram, uint64_t bytes)
{
	ram_init(ram);
	CHECK_OK(ram_allocate(ram, GUEST_BLOCK, bytes, &err), &err);
}

static inline struct kvm_state state_of(uint32_t vcpus, enum write_pattern pattern)
{
	return (struct kvm_state){
		.memory_bytes = RAM_BYTES,
		.vcpu_count = vcpus,
		.working_set_bytes = SET_BYTES,
		.dirty_rate_bytes = RATE,
		.pattern = pattern,
	};
}

static inline struct kvm_machine *machine_open(const struct ram *ram, bool ring)
{
	struct kvm_machine *machine =
		kvm_machine_new(ram, ring, (struct kvm_console){ print, NULL }, &err);

	if (!machine)
		CHECK_FAIL("%s", err.text);
	return machine;
}

static inline struct kvm_machine *boot(const struct ram *ram,
				       const struct kvm_state *state)
{
	struct kvm_machine *machine = machine_open(ram, false);

	CHECK_OK(kvm_machine_boot(machine, state, 7, &err), &err);
	return machine;
}

/* Runs until that much more has happened (a minute at most), and pauses. */
static inline void run_for(struct kvm_machine *machine, uint64_t beats, uint64_t pages)
{
	struct guest_counters from = kvm_machine_counters(machine), now = from;

	CHECK_OK(kvm_machine_run(machine, &err), &err);
	for (int i = 0; i < 60000; i++) {
		now = kvm_machine_counters(machine);
		if (now.beats >= from.beats + beats &&
		    now.pages_written >= from.pages_written + pages)
			break;
		sleep_ms(1);
	}
	CHECK_OK(kvm_machine_pause(machine, &err), &err);
	if (now.beats < from.beats + beats ||
	    now.pages_written < from.pages_written + pages)
		CHECK_FAIL("the guest does not go on: %llu beats, %llu pages",
			   (unsigned long long)now.beats,
			   (unsigned long long)now.pages_written);
}

static inline struct kvm_saved *save(struct kvm_machine *machine)
{
	struct kvm_saved *saved = kvm_machine_save(machine, &err);

	if (!saved)
		CHECK_FAIL("%s", err.text);
	return saved;
}

static inline struct kvm_machine *restore(const struct ram *ram,
					  const struct kvm_saved *saved)
{
	struct kvm_machine *machine = machine_open(ram, false);

	CHECK_OK(kvm_machine_restore(machine, saved, &err), &err);
	return machine;
}

#endif
