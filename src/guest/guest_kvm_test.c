/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* guest_kvm_test.c - a KVM guest's sections, and those that no guest of ours sends. */
#include "guest/guest.h"

#include <time.h>

#include "guest/kvm_clock.h"
#include "guest/kvm_features.h"
#include "guest/kvm_state.h"
#include "guest/uart.h"
#include "guest/vcpu_state.h"
#include "tests/check.h"

#define HOPS 100u

static struct gw_error err;

/* What a guest has said, wherever it was: line after line.  Written by its threads, read while it
 * is paused. */
static struct {
	uint64_t line; /* under way, from 1 on */
	char text[32]; /* what it must be */
	size_t at;
	bool wrong;
} spoken;

static void begin_line(uint64_t line)
{
	spoken.line = line;
	spoken.at = 0;
	snprintf(spoken.text, sizeof(spoken.text), "beat %llu\n",
		 (unsigned long long)line);
}

static void hear(void *state, const void *bytes, size_t length)
{
	const char *said = bytes;

	(void)state;
	for (size_t i = 0; i < length; i++) {
		if (said[i] != spoken.text[spoken.at++])
			spoken.wrong = true;
		if (spoken.text[spoken.at] == '\0')
			begin_line(spoken.line + 1);
	}
}

static void sleep_ms(unsigned ms)
{
	struct timespec time = { 0, (long)ms * 1000000 };

	nanosleep(&time, NULL);
}

static struct guest *make(uint32_t vcpus)
{
	struct guest_options options = {
		.kind = GUEST_KVM,
		.memory_bytes = GUEST_MEMORY_MIN,
		.vcpus = vcpus,
		.working_set_bytes = 64 * PAGE_BYTES,
		.dirty_rate_bytes = UINT64_C(4) << 20,
		.tracker = "auto",
		.console = hear,
	};
	struct guest *guest;

	if (guest_best_kind(&err) != GUEST_KVM) {
		static char reason[sizeof(err.text) + 16];

		snprintf(reason, sizeof(reason), "no /dev/kvm: %s", err.text);
		SKIP(reason);
	}
	guest = guest_new(&options, &err);
	if (!guest)
		CHECK_FAIL("%s", err.text);
	return guest;
}

/* A guest of two vCPUs that has never run, and all that it would send. */
struct source {
	struct guest *guest;
	struct device_state early;
	struct device_state saved;
};

static struct source source_of(struct guest *guest)
{
	struct source source = { .guest = guest };

	CHECK_OK(guest_save_early(source.guest, &source.early, &err), &err);
	CHECK_OK(guest_save(source.guest, true, &source.saved, &err), &err);
	return source;
}

static struct guest *make_booted(void)
{
	struct guest *guest = make(2);
	struct fill *fill = fill_new("zeros", &err);

	CHECK_OK(guest_boot(guest, fill, 1, &err), &err);
	fill_free(fill);
	return guest;
}

static struct source source_open(void)
{
	return source_of(make_booted());
}

static int load(struct guest *there, const struct device_section *section, bool early)
{
	struct cursor in = cursor_over(section->body.bytes, section->body.length);

	return guest_load(there, section->name, section->instance, section->version,
			  early, &in, &err);
}

static void load_all(struct guest *there, const struct source *source, const char *but,
		     uint32_t instance)
{
	if (strcmp(but, KVM_FEATURES_NAME) != 0)
		CHECK_OK(load(there, &source->early.sections[0], true), &err);
	for (uint32_t i = 0; i < source->saved.section_count; i++) {
		const struct device_section *section = &source->saved.sections[i];

		if (strcmp(section->name, but) != 0 || section->instance != instance)
			CHECK_OK(load(there, section, false), &err);
	}
}

static const struct device_section *find(const struct source *source, const char *name)
{
	for (uint32_t i = 0; i < source->saved.section_count; i++) {
		if (strcmp(source->saved.sections[i].name, name) == 0)
			return &source->saved.sections[i];
	}
	CHECK_FAIL("no section %s", name);
}

TEST(sections_are_those_of_the_machine)
{
	struct source source = source_open();

	CHECK_EQ(source.early.section_count, 1);
	CHECK_STR(source.early.sections[0].name, KVM_FEATURES_NAME);
	find(&source, KVM_STATE_NAME);
	find(&source, UART_NAME);
	find(&source, KVM_CLOCK_NAME);
	find(&source, VCPU_STATE_NAME);
	guest_free(source.guest);
}

TEST(section_that_did_not_come_is_named)
{
	static const struct {
		const char *name;
		uint32_t instance;
	} missing[] = {
		{ KVM_FEATURES_NAME, 0 }, { KVM_STATE_NAME, 0 },  { UART_NAME, 0 },
		{ KVM_CLOCK_NAME, 0 },	  { VCPU_STATE_NAME, 0 }, { VCPU_STATE_NAME, 1 },
	};
	struct source source = source_open();

	for (size_t i = 0; i < sizeof(missing) / sizeof(missing[0]); i++) {
		struct guest *there = make(1);
		char expected[100];

		load_all(there, &source, missing[i].name, missing[i].instance);
		CHECK_EQ(guest_assemble(there, &err), -1);
		CHECK_EQ(err.kind, GW_PEER);
		snprintf(expected, sizeof(expected), "the stream ended without \"%s\" %u",
			 missing[i].name, missing[i].instance);
		CHECK_STR(err.text, expected);
		guest_free(there);
	}
	guest_free(source.guest);
}

TEST(section_that_is_out_of_place_is_refused)
{
	struct source source = source_open();
	struct guest *there = make(1);
	struct device_section section = *find(&source, KVM_CLOCK_NAME);

	CHECK_OK(load(there, &section, false), &err);
	CHECK_EQ(load(there, &section, false), -1);
	CHECK_EQ(err.kind, GW_PEER);
	CHECK_STR(err.text, "instance 0 comes twice");
	section = *find(&source, UART_NAME);
	CHECK_EQ(load(there, &section, true), -1);
	CHECK_STR(err.text, "comes ahead of the memory, expected after it");
	CHECK_EQ(load(there, &source.early.sections[0], false), -1);
	CHECK_STR(err.text, "comes after the memory, expected ahead of it");
	section.instance = 1;
	CHECK_EQ(load(there, &section, false), -1);
	CHECK_STR(err.text, "instance 1, at most 0 is allowed");
	section.instance = 0;
	section.version = 2;
	CHECK_EQ(load(there, &section, false), -1);
	CHECK_STR(err.text, "version 2, 1 is known");
	section.name = "ram";
	CHECK_EQ(load(there, &section, false), -1);
	CHECK_STR(err.text, "a KVM guest has no such device");
	section = *find(&source, VCPU_STATE_NAME);
	section.instance = GUEST_VCPUS_MAX;
	CHECK_EQ(load(there, &section, false), -1);
	CHECK_STR(err.text, "instance 64, at most 63 is allowed");
	guest_free(there);
	guest_free(source.guest);
}

TEST(more_vcpus_than_the_machine_has_are_refused)
{
	struct source source = source_open();
	struct guest *there = make(1);
	struct device_section section = *find(&source, VCPU_STATE_NAME);

	load_all(there, &source, "", 0);
	section.instance = 63;
	CHECK_OK(load(there, &section, false), &err);
	CHECK_EQ(guest_assemble(there, &err), -1);
	CHECK_EQ(err.kind, GW_PEER);
	CHECK_STR(err.text,
		  "the stream brought \"" VCPU_STATE_NAME "\" 63 of a machine with 2");
	guest_free(there);
	guest_free(source.guest);
}

/* A destination is built after what comes, whatever number of vCPUs it was given. */
TEST(destination_takes_the_number_of_vcpus_that_comes)
{
	struct source source = source_open();
	struct guest *there = make(7);

	load_all(there, &source, "", 0);
	memcpy(guest_ram(there)->blocks[0]->host,
	       guest_ram(source.guest)->blocks[0]->host, GUEST_MEMORY_MIN);
	CHECK_OK(guest_assemble(there, &err), &err);
	CHECK(guest_was_running(there));
	CHECK_OK(guest_prove(there, &err), &err);
	guest_free(there);
	guest_free(source.guest);
}

TEST(memory_of_another_size_is_refused)
{
	struct source source = source_open();
	struct guest *there = make(1);
	struct device_section section = *find(&source, KVM_STATE_NAME);
	uint8_t body[KVM_STATE_BYTES];

	load_all(there, &source, KVM_STATE_NAME, 0);
	memcpy(body, section.body.bytes, sizeof(body));
	body[8] += 1; /* 16 MiB more */
	section.body.bytes = body;
	CHECK_OK(load(there, &section, false), &err);
	CHECK_EQ(guest_assemble(there, &err), -1);
	CHECK_EQ(err.kind, GW_PEER);
	CHECK_STR(err.text,
		  "KVM guest: it has 25165824 bytes of memory, here are 8388608");
	guest_free(there);
	guest_free(source.guest);
}

static void *host_of(struct guest *guest)
{
	return guest_ram(guest)->blocks[0]->host;
}

static void run_for(struct guest *guest, unsigned ms)
{
	CHECK_OK(guest_run(guest, &err), &err);
	sleep_ms(ms);
	CHECK_OK(guest_pause(guest, &err), &err);
	CHECK_OK(guest_prove(guest, &err), &err);
	if (spoken.wrong)
		CHECK_FAIL("where it should say %s it does not", spoken.text);
}

/* To a new machine of this process; the old one is gone. */
static struct guest *hop(struct guest *here)
{
	struct source source = source_of(here);
	struct guest *there = make(1);

	load_all(there, &source, "", 0);
	memcpy(host_of(there), host_of(here), GUEST_MEMORY_MIN);
	CHECK_OK(guest_assemble(there, &err), &err);
	CHECK_OK(guest_prove(there, &err), &err);
	CHECK_EQ(guest_heartbeat(there), guest_heartbeat(here));
	guest_free(here);
	return there;
}

/* Has it said two more lines here, and each vCPU found its registers as they were, twice? */
static bool went_on(const struct guest *guest, uint64_t line)
{
	return spoken.line > line + 2 && guest_counters(guest).checks >= 2;
}

TEST(guest_that_moves_often_neither_loses_nor_repeats_anything)
{
	struct guest *guest = make_booted();
	uint64_t line;

	begin_line(1);
	for (unsigned i = 0; i < HOPS; i++) {
		/* Anywhere in what it does; now and then before it has done anything. */
		run_for(guest, i * 37 % 13);
		guest = hop(guest);
		if (i % 5 == 0)
			guest = hop(guest);
	}
	line = spoken.line;
	for (int i = 0; i < 3000 && !went_on(guest, line); i++)
		run_for(guest, 20);
	CHECK(went_on(guest, line));
	guest_free(guest);
}

/* It is as good as paused, but for what it has to say. */
TEST(guest_that_failed_does_not_run_and_says_why)
{
	struct guest *guest = make_booted();
	struct device_state saved;
	struct gw_error why;

	/* out %al, %dx */
	memset((uint8_t *)host_of(guest) + KVM_PAYLOAD, 0xee, KVM_PAYLOAD_BYTES_MAX);
	for (int i = 0; i < 6000; i++) {
		CHECK_OK(guest_run(guest, &err), &err);
		sleep_ms(10);
		if (guest_pause(guest, &err) < 0)
			break;
	}
	CHECK(!guest_running(guest));
	CHECK_EQ(err.kind, GW_SYSTEM);
	CHECK_CONTAINS(err.text, ": wrote to port 0x0, where nothing of its is");
	why = err; /* whichever vCPU it was */
	CHECK_OK(guest_pause(guest, &err), &err);
	CHECK_EQ(guest_heartbeat(guest), 0);
	CHECK_EQ(guest_run(guest, &err), -1);
	CHECK(!guest_running(guest));
	CHECK_STR(err.text, why.text);
	CHECK_EQ(guest_save(guest, true, &saved, &err), -1);
	CHECK_STR(err.text, why.text);
	CHECK_EQ(guest_prove(guest, &err), -1);
	CHECK_STR(err.text, why.text);
	guest_free(guest);
}

TEST_MAIN(TEST_OF(sections_are_those_of_the_machine),
	  TEST_OF(section_that_did_not_come_is_named),
	  TEST_OF(section_that_is_out_of_place_is_refused),
	  TEST_OF(more_vcpus_than_the_machine_has_are_refused),
	  TEST_OF(destination_takes_the_number_of_vcpus_that_comes),
	  TEST_OF(memory_of_another_size_is_refused),
	  TEST_OF(guest_that_moves_often_neither_loses_nor_repeats_anything),
	  TEST_OF(guest_that_failed_does_not_run_and_says_why))
