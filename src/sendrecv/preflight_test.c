/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* preflight_test.c - each mismatch is one line with both values, and what fits has none. */
#include "sendrecv/preflight.h"

#include "codec/codec.h"
#include "tests/check.h"

static const struct qemu_facts old_source = {
	.known = true,
	.major = 7,
	.minor = 2,
	.micro = 22,
	.package = "Debian 7.2",
	.machine = "pc-q35-7.2",
	.target = "x86_64",
	.ram_bytes = UINT64_C(1) << 30,
	.vcpus = 2,
	.uuid = "12345678-1234-1234-1234-123456789abc",
	.run_state = "running",
	.running = true,
	.migration = "none",
	.channels = 2,
	.downtime_limit_ms = 300,
	.capability_count = 4,
	.capabilities = { { "multifd", true },
			  { "events", true },
			  { "xbzrle", false },
			  { "postcopy-ram", false } },
};

static const struct preflight_plan plan = { .qemu_channels = 2,
					    .format = CODEC_ZSTD,
					    .formats_there = ~0u };

/* What a test changes before it compares. */
static struct qemu_facts source, destination;
static struct preflight_plan wanted;
static struct preflight result;

/* 7.2 on both sides, and all fits. */
static void begin(void)
{
	source = destination = old_source;
	snprintf(destination.run_state, sizeof(destination.run_state), "inmigrate");
	destination.running = false;
	destination.listens = true;
	wanted = plan;
}

static void become(struct qemu_facts *facts, int major, int minor, const char *machine)
{
	facts->major = major;
	facts->minor = minor;
	snprintf(facts->machine, sizeof(facts->machine), "%s", machine);
}

static void turn_on(struct qemu_facts *facts, const char *capability)
{
	struct capability_fact *fact = &facts->capabilities[facts->capability_count++];

	snprintf(fact->name, sizeof(fact->name), "%s", capability);
	fact->on = true;
}

static void compare(void)
{
	preflight_compare(&source, &destination, &wanted, &result);
}

static void check_no_line(void)
{
	compare();
	if (result.count > 0)
		CHECK_FAIL("a line: %s", result.lines[0].text);
	CHECK_EQ(result.refusals, 0);
}

static void check_line(enum preflight_weight weight, const char *text)
{
	compare();
	CHECK_EQ(result.count, 1);
	CHECK_STR(result.lines[0].text, text);
	CHECK_EQ(result.lines[0].weight, weight);
	CHECK_EQ(result.refusals, weight == PREFLIGHT_REFUSE);
}

static void check_refusal(const char *text)
{
	check_line(PREFLIGHT_REFUSE, text);
}

static void check_note(const char *text)
{
	check_line(PREFLIGHT_NOTE, text);
}

/* Among others. */
static void check_has(const char *part)
{
	compare();
	for (uint32_t i = 0; i < result.count; i++)
		if (strstr(result.lines[i].text, part))
			return;
	CHECK_FAIL("no line with \"%s\"", part);
}

TEST(what_fits_has_no_line)
{
	begin();
	check_no_line();
	CHECK(!result.flush_before_eos);
	become(&source, 11, 1, "pc-q35-11.1");
	become(&destination, 11, 1, "pc-q35-11.1");
	check_no_line();
	CHECK(!result.drop_switchover_start);
	CHECK(!result.expand_zero_pages);
}

TEST(another_machine_is_refused)
{
	begin();
	become(&destination, 11, 1, "pc-q35-11.1");
	snprintf(source.package, sizeof(source.package), "a");
	snprintf(destination.package, sizeof(destination.package), "b");
	compare();
	CHECK_EQ(result.refusals, 1);
	CHECK_STR(result.lines[0].text, "machine: pc-q35-7.2 at the source, pc-q35-11.1 "
					"at the destination: start "
					"the destination with -machine pc-q35-7.2");
	begin();
	snprintf(destination.machine, sizeof(destination.machine), "pc-i440fx-7.2");
	check_refusal("machine: pc-q35-7.2 at the source, pc-i440fx-7.2 at the "
		      "destination: start the destination with -machine pc-q35-7.2");
}

TEST(a_machine_that_the_destination_cannot_have_needs_a_newer_qemu)
{
	begin();
	become(&source, 11, 1, "pc-q35-11.1");
	wanted.qemu_channels = 0;
	compare();
	CHECK_EQ(result.refusals, 1);
	CHECK_STR(
		result.lines[0].text,
		"machine: pc-q35-11.1 at the source, pc-q35-7.2 at the destination: the "
		"destination needs QEMU 11.1 or later, 7.2 is there, and -machine "
		"pc-q35-11.1");
}

TEST(another_size_is_refused)
{
	begin();
	destination.ram_bytes = (UINT64_C(1) << 30) + (512 << 20);
	check_refusal("RAM: 1073741824 bytes (1.0 GiB) at the source, 1610612736 bytes "
		      "(1.5 GiB) at the destination: start the destination with the same "
		      "-m and memory devices");
	destination.ram_bytes = 0;
	check_no_line();
}

TEST(other_vcpus_are_refused)
{
	begin();
	destination.vcpus = 4;
	check_refusal(
		"vCPUs: 2 at the source, 4 at the destination: start the destination "
		"with the same -smp");
	destination.vcpus = -1;
	check_no_line();
	source.vcpus = -1;
	destination.vcpus = 4;
	check_no_line();
}

TEST(another_target_is_refused)
{
	begin();
	snprintf(destination.target, sizeof(destination.target), "aarch64");
	check_refusal(
		"target: x86_64 at the source, aarch64 at the destination: start the "
		"destination with qemu-system-x86_64");
}

TEST(another_uuid_is_refused_where_somebody_looks)
{
	static const char text[] =
		"UUID: 12345678-1234-1234-1234-123456789abc at the source, "
		"00000000-0000-0000-0000-000000000000 at the destination: start the "
		"destination with -uuid 12345678-1234-1234-1234-123456789abc";

	begin();
	snprintf(destination.uuid, sizeof(destination.uuid),
		 "00000000-0000-0000-0000-000000000000");
	check_refusal(text);
	wanted.qemu_channels = 0;
	check_note(text);
	turn_on(&source, "validate-uuid");
	turn_on(&destination, "validate-uuid");
	check_refusal(text);
	begin();
	snprintf(source.uuid, sizeof(source.uuid),
		 "00000000-0000-0000-0000-000000000000");
	check_refusal(
		"UUID: 00000000-0000-0000-0000-000000000000 at the source, "
		"12345678-1234-1234-1234-123456789abc at the destination: start the "
		"destination without -uuid");
}

TEST(a_destination_that_does_not_wait_is_refused)
{
	begin();
	destination.listens = false;
	snprintf(destination.run_state, sizeof(destination.run_state), "running");
	check_refusal(
		"destination: run state running, inmigrate is needed: start it with "
		"-incoming defer");
	begin();
	snprintf(destination.migration, sizeof(destination.migration), "setup");
	check_refusal(
		"destination: its migration is setup already, none is needed: start "
		"it anew with -incoming defer");
}

TEST(a_source_that_cannot_send_is_refused)
{
	begin();
	source.listens = true;
	snprintf(source.run_state, sizeof(source.run_state), "inmigrate");
	snprintf(source.migration, sizeof(source.migration), "setup");
	check_refusal(
		"source: run state inmigrate, it waits for a guest itself: give send "
		"the QMP socket of the QEMU whose guest is to go");
	begin();
	snprintf(source.run_state, sizeof(source.run_state), "postmigrate");
	snprintf(source.migration, sizeof(source.migration), "completed");
	check_refusal(
		"source: run state postmigrate, its guest has moved already: only if "
		"it runs nowhere else, cont there first");
	begin();
	snprintf(source.run_state, sizeof(source.run_state), "save-vm");
	check_refusal("source: run state save-vm: wait until that is over");
	begin();
	snprintf(source.migration, sizeof(source.migration), "active");
	check_refusal(
		"source: a migration is under way there (active): wait for its end, "
		"or migrate_cancel there");
}

TEST(a_source_that_has_tried_before_may_try_again)
{
	static const char *const ended[] = { "", "none", "completed", "failed",
					     "cancelled" };

	for (unsigned i = 0; i < 5; i++) {
		begin();
		snprintf(source.migration, sizeof(source.migration), "%s", ended[i]);
		check_no_line();
	}
	snprintf(source.run_state, sizeof(source.run_state), "paused");
	check_no_line();
	snprintf(source.run_state, sizeof(source.run_state), "io-error");
	check_note("source: run state io-error: the guest arrives like that");
}

TEST(a_format_that_is_not_decoded_there_is_refused)
{
	begin();
	wanted.formats_there = 1u << CODEC_NONE | 1u << CODEC_ZLIB;
	check_refusal("format: zstd at the source, the godwit at the destination decodes "
		      "none, zlib: --method zlib");
	wanted.format = CODEC_QATZIP;
	wanted.formats_there |= 1u << CODEC_ZSTD;
	check_refusal(
		"format: qatzip at the source, the godwit at the destination decodes "
		"none, zlib, zstd: --method zstd");
	wanted.formats_there = 1u << CODEC_NONE;
	check_refusal(
		"format: qatzip at the source, the godwit at the destination decodes "
		"none: --method none");
	wanted.formats_there = 1u << CODEC_QATZIP;
	check_no_line();
}

TEST(barriers_a_section_become_barriers_a_round)
{
	begin();
	become(&source, 7, 2, "none");
	become(&destination, 11, 1, "none");
	snprintf(source.package, sizeof(source.package), "a");
	check_note("QEMU: 7.2.22 (a) at the source, 11.1.22 (Debian 7.2) at the "
		   "destination");
	CHECK(result.flush_before_eos);
	CHECK_EQ(result.source_per_round, 0);
	CHECK_EQ(result.destination_per_round, 1);
	wanted.qemu_channels = 0;
	compare();
	CHECK(!result.flush_before_eos);
}

TEST(barriers_a_round_for_a_destination_of_one_a_section_are_refused)
{
	begin();
	become(&source, 11, 1, "none");
	become(&destination, 7, 2, "none");
	compare();
	CHECK_EQ(result.refusals, 1);
	CHECK_STR(
		result.lines[0].text,
		"barriers: one a round at the source (none, QEMU 11.1), one a section at "
		"the destination (none, QEMU 7.2): start both with the same versioned "
		"machine type; --qemu-channels 0 does without them");
	CHECK_EQ(result.source_per_round, 1);
	CHECK_EQ(result.destination_per_round, 0);
	CHECK(!result.flush_before_eos);
	wanted.qemu_channels = 0;
	compare();
	CHECK_EQ(result.refusals, 0);
}

/* Of machine type and QEMU, as sources. */
static int per_round(int major, int minor, const char *machine)
{
	begin();
	become(&source, major, minor, machine);
	become(&destination, major, minor, machine);
	compare();
	CHECK_EQ(result.source_per_round, result.destination_per_round);
	CHECK_EQ(result.refusals, 0);
	return result.source_per_round;
}

TEST(barriers_are_as_machine_and_version_say)
{
	CHECK_EQ(per_round(7, 2, "pc-q35-7.2"), 0);
	CHECK_EQ(per_round(8, 0, "microvm"), 0);
	CHECK_EQ(per_round(8, 1, "microvm"), 1);
	CHECK_EQ(per_round(8, 1, "pc-q35-8.1"), 1);
	CHECK_EQ(per_round(8, 1, "pc-q35-8.0"), 0);
	CHECK_EQ(per_round(11, 1, "pc-q35-7.2"), 0);
	CHECK_EQ(per_round(11, 1, "pc-i440fx-2.9"), 0);
	CHECK_EQ(per_round(11, 1, "pc-q35-11.1"), 1);
	CHECK_EQ(per_round(11, 1, "none"), 1);
	CHECK_EQ(per_round(0, 0, "pc-q35-9.0"), 1);
	CHECK_EQ(per_round(0, 0, "none"), -1);
	CHECK_EQ(per_round(11, 1, ""), -1);
	/* A distribution's. */
	CHECK_EQ(per_round(9, 0, "pc-q35-rhel9.4.0"), -1);
	CHECK_EQ(per_round(7, 2, "pc-q35-rhel9.2.0"), 0);
	CHECK_EQ(per_round(8, 2, "pc-i440fx-noble"), -1);
}

TEST(barriers_that_are_not_known_are_told)
{
	begin();
	become(&source, 7, 2, "pc-q35-rhel9.4.0");
	become(&destination, 9, 0, "pc-q35-rhel9.4.0");
	source.major = 9;
	source.minor = 0;
	compare();
	CHECK_EQ(result.refusals, 0);
	CHECK_EQ(result.count, 2);
	CHECK_STR(result.lines[0].text,
		  "barriers: not known for machine pc-q35-rhel9.4.0 at the source and "
		  "taken "
		  "to be as on the other side: if no progress shows, --qemu-channels 0");
	CHECK_CONTAINS(result.lines[1].text, "at the destination");
	wanted.qemu_channels = 0;
	check_no_line();
}

TEST(versions_say_what_the_relay_has_to_do)
{
	static const struct {
		int source, destination;
		bool drop, expand;
	} cases[] = {
		{ 1101, 1101, false, false }, { 1101, 1000, false, false },
		{ 1101, 902, true, false },   { 1101, 900, true, false },
		{ 1101, 802, true, true },    { 702, 702, true, true },
		{ 702, 1101, false, false },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		begin();
		become(&source, cases[i].source / 100, cases[i].source % 100, "none");
		become(&destination, cases[i].destination / 100,
		       cases[i].destination % 100, "none");
		compare();
		CHECK_EQ(result.drop_switchover_start, cases[i].drop);
		CHECK_EQ(result.expand_zero_pages, cases[i].expand);
	}
}

TEST(zero_pages_are_expanded_for_who_may_be_old)
{
	static const struct qemu_facts nothing = { .vcpus = -1, .channels = -1 };

	begin();
	destination = nothing;
	become(&source, 11, 1, "pc-q35-8.2");
	compare();
	CHECK(result.expand_zero_pages);
	become(&source, 11, 1, "pc-q35-9.0");
	compare();
	CHECK(!result.expand_zero_pages);
	CHECK(!result.drop_switchover_start);
	/* A vendor's name says nothing of its version, and of another nobody was asked. */
	become(&source, 11, 1, "pc-q35-rhel9.4.0");
	compare();
	CHECK(result.expand_zero_pages);
	source = nothing;
	compare();
	CHECK(result.expand_zero_pages);
}

TEST(an_older_destination_of_the_same_machine_is_a_note)
{
	begin();
	become(&source, 11, 1, "pc-q35-7.2");
	check_note("QEMU: 11.1.22 (Debian 7.2) at the source, 7.2.22 (Debian 7.2) at the "
		   "destination, which is older: the same machine type is what counts");
	CHECK(!result.flush_before_eos);
}

TEST(post_copy_with_page_channels_needs_both_to_be_new)
{
	static const char text[] = "post-copy: with page channels it needs QEMU 10.1 on "
				   "both sides, 10.0 is at "
				   "the source, 10.0 at the destination: --qemu-channels "
				   "0 does without them";

	begin();
	become(&source, 10, 0, "pc-q35-10.0");
	become(&destination, 10, 0, "pc-q35-10.0");
	check_no_line();
	wanted.postcopy = true;
	check_refusal(text);
	wanted.postcopy = false;
	source.capabilities[3].on = true;
	check_refusal(text);
	wanted.qemu_channels = 0;
	check_no_line();
	wanted = plan;
	become(&destination, 10, 1, "pc-q35-10.0");
	check_has("10.0 is at the source, 10.1 at the destination");
	CHECK_EQ(result.refusals, 1);
	become(&source, 10, 1, "pc-q35-10.0");
	check_no_line();
}

TEST(post_copy_to_who_is_not_known_needs_a_new_source)
{
	begin();
	memset(&destination, 0, sizeof(destination));
	wanted.postcopy = true;
	check_has("7.2 is at the source, one not known at the destination");
	CHECK_EQ(result.refusals, 1);
	become(&source, 10, 1, "pc-q35-7.2");
	compare();
	CHECK_EQ(result.refusals, 0);
}

TEST(what_godwit_cannot_carry_is_refused)
{
	static const struct {
		const char *name, *text;
		bool with_channels;
	} cases[] = {
		{ "x-colo",
		  "x-colo: on at the source: COLO does not end, and godwit cannot "
		  "carry it: --cap x-colo=off" },
		{ "background-snapshot",
		  "background-snapshot: on at the source: it makes a snapshot, not a "
		  "migration: --cap background-snapshot=off" },
		{ "mapped-ram", "mapped-ram: on at the source: it is for files: --cap "
				"mapped-ram=off" },
		{ "zero-copy-send",
		  "zero-copy-send: on at the source: it does not work over "
		  "UNIX sockets: --cap zero-copy-send=off" },
		{ "compress",
		  "compress: on at the source: it does not go with page channels: --cap "
		  "compress=off",
		  true },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		begin();
		turn_on(&source, cases[i].name);
		turn_on(&destination, cases[i].name);
		destination.capabilities[4].on = false;
		check_refusal(cases[i].text);
		wanted.qemu_channels = 0;
		compare();
		CHECK_EQ(result.refusals, !cases[i].with_channels);
	}
	begin();
	source.capabilities[2].on = true;
	check_refusal(
		"xbzrle: on at the source: it does not go with page channels: --cap "
		"xbzrle=off");
	wanted.qemu_channels = 0;
	check_no_line();
	begin();
	destination.capabilities[2].on = true;
	check_refusal("xbzrle: on at the destination: it does not go with page channels: "
		      "migrate-set-capabilities there turns it off");
	begin();
	turn_on(&destination, "zero-copy-send");
	check_no_line();
}

TEST(a_capability_that_the_destination_does_not_know_is_refused)
{
	begin();
	turn_on(&source, "switchover-ack");
	check_refusal(
		"switchover-ack: on at the source, not known at the destination (QEMU "
		"7.2): --cap switchover-ack=off");
	source.capabilities[4].on = false;
	check_no_line();
	/* The source's own affair. */
	turn_on(&source, "dirty-limit");
	check_no_line();
	/* A destination that did not tell. */
	turn_on(&source, "switchover-ack");
	destination.capability_count = 0;
	check_no_line();
}

TEST(capabilities_that_godwit_does_not_touch_are_fine)
{
	begin();
	turn_on(&source, "dirty-bitmaps");
	turn_on(&source, "late-block-activate");
	turn_on(&destination, "dirty-bitmaps");
	turn_on(&destination, "late-block-activate");
	check_no_line();
	begin();
	turn_on(&source, "x-ignore-shared");
	turn_on(&destination, "x-ignore-shared");
	check_note("x-ignore-shared: shared memory is not moved: the destination has to "
		   "have the same files");
}

TEST(tls_of_either_qemu_is_refused)
{
	begin();
	snprintf(source.tls_creds, sizeof(source.tls_creds), "tls0");
	check_refusal(
		"tls-creds: tls0 at the source, and QEMU's TLS would end at godwit's "
		"UNIX socket: migrate-set-parameters with tls-creds \"\" there");
	begin();
	snprintf(destination.tls_creds, sizeof(destination.tls_creds), "t1");
	check_refusal(
		"tls-creds: t1 at the destination, and QEMU's TLS would end at godwit's "
		"UNIX socket: migrate-set-parameters with tls-creds \"\" there");
}

TEST(vfio_state_on_page_channels_is_refused)
{
	begin();
	snprintf(source.vfio, sizeof(source.vfio), "gpu");
	check_no_line();
	become(&source, 10, 0, "pc-q35-10.0");
	become(&destination, 10, 0, "pc-q35-10.0");
	check_refusal("VFIO: device gpu at the source sends its state on page channels, "
		      "which godwit cannot carry: --qemu-channels 0 does without them");
	wanted.qemu_channels = 0;
	check_no_line();
}

TEST(disks_are_named)
{
	begin();
	source.block_count = 2;
	snprintf(source.blocks[0].device, sizeof(source.blocks[0].device), "drive0");
	snprintf(source.blocks[0].file, sizeof(source.blocks[0].file), "/srv/disk.img");
	snprintf(source.blocks[1].device, sizeof(source.blocks[1].device), "vdb");
	compare();
	CHECK_EQ(result.count, 2);
	CHECK_EQ(result.refusals, 0);
	CHECK_STR(result.lines[0].text, "disks are not moved: drive0 (/srv/disk.img) has "
					"to be reachable from the destination as well");
	CHECK_CONTAINS(result.lines[1].text, "vdb ()");
	turn_on(&source, "block");
	turn_on(&destination, "block");
	check_no_line();
}

TEST(a_qemu_that_is_not_asked_is_not_compared)
{
	/* All zero is not known as well. */
	static const struct qemu_facts nothing = { 0 };

	begin();
	destination = nothing;
	check_note(
		"destination: its QEMU is not asked: machine, RAM, devices and versions "
		"are not compared");
	CHECK_EQ(result.source_per_round, 0);
	CHECK_EQ(result.destination_per_round, -1);
	begin();
	source = nothing;
	check_note(
		"source: its QEMU is not asked: machine, RAM, devices and versions are "
		"not compared");
	destination = nothing;
	compare();
	CHECK_EQ(result.count, 2);
	CHECK_EQ(result.refusals, 0);
}

TEST(lines_beyond_the_room_are_counted)
{
	char name[16];

	begin();
	for (unsigned i = 4; i < FACTS_CAPABILITIES_MAX; i++) {
		snprintf(name, sizeof(name), "new-%u", i);
		turn_on(&source, name);
	}
	source.block_count = FACTS_BLOCKS_MAX;
	compare();
	CHECK_EQ(result.refusals, 60);
	CHECK_EQ(result.count, PREFLIGHT_LINES_MAX);
	CHECK_CONTAINS(result.lines[PREFLIGHT_LINES_MAX - 2].text, "disks");
	CHECK_STR(result.lines[PREFLIGHT_LINES_MAX - 1].text, "29 lines more");
	source.block_count = PREFLIGHT_LINES_MAX - 61;
	compare();
	CHECK_EQ(result.count, PREFLIGHT_LINES_MAX - 1);
	CHECK_CONTAINS(result.lines[PREFLIGHT_LINES_MAX - 2].text, "disks");
}

TEST_MAIN(TEST_OF(what_fits_has_no_line), TEST_OF(another_machine_is_refused),
	  TEST_OF(a_machine_that_the_destination_cannot_have_needs_a_newer_qemu),
	  TEST_OF(another_size_is_refused), TEST_OF(other_vcpus_are_refused),
	  TEST_OF(another_target_is_refused),
	  TEST_OF(another_uuid_is_refused_where_somebody_looks),
	  TEST_OF(a_destination_that_does_not_wait_is_refused),
	  TEST_OF(a_source_that_cannot_send_is_refused),
	  TEST_OF(a_source_that_has_tried_before_may_try_again),
	  TEST_OF(a_format_that_is_not_decoded_there_is_refused),
	  TEST_OF(barriers_a_section_become_barriers_a_round),
	  TEST_OF(barriers_a_round_for_a_destination_of_one_a_section_are_refused),
	  TEST_OF(barriers_are_as_machine_and_version_say),
	  TEST_OF(barriers_that_are_not_known_are_told),
	  TEST_OF(versions_say_what_the_relay_has_to_do),
	  TEST_OF(zero_pages_are_expanded_for_who_may_be_old),
	  TEST_OF(an_older_destination_of_the_same_machine_is_a_note),
	  TEST_OF(post_copy_with_page_channels_needs_both_to_be_new),
	  TEST_OF(post_copy_to_who_is_not_known_needs_a_new_source),
	  TEST_OF(what_godwit_cannot_carry_is_refused),
	  TEST_OF(a_capability_that_the_destination_does_not_know_is_refused),
	  TEST_OF(capabilities_that_godwit_does_not_touch_are_fine),
	  TEST_OF(tls_of_either_qemu_is_refused),
	  TEST_OF(vfio_state_on_page_channels_is_refused), TEST_OF(disks_are_named),
	  TEST_OF(a_qemu_that_is_not_asked_is_not_compared),
	  TEST_OF(lines_beyond_the_room_are_counted))
