/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* dialect_test.c - which QEMU speaks how. */
#include "wire/dialect.h"

#include "tests/check.h"

static const struct dialect *named(const char *name)
{
	struct gw_error err;
	const struct dialect *dialect = dialect_by_name(name, &err);

	if (!dialect)
		CHECK_FAIL("%s", err.text);
	return dialect;
}

TEST(table_is_in_order_and_named_by_version)
{
	size_t count = 0;

	for (; dialects[count].name; count++) {
		char name[32];

		snprintf(name, sizeof(name), "qemu-%u.%u", dialects[count].version / 100,
			 dialects[count].version % 100);
		CHECK_STR(dialects[count].name, name);
		if (count > 0)
			CHECK(dialects[count].version > dialects[count - 1].version);
		CHECK(named(name) == &dialects[count]);
		CHECK(named(name + 5) == &dialects[count]);
	}
	CHECK_EQ(count, 12);
	CHECK(dialect_newest() == &dialects[count - 1]);
	CHECK_STR(dialect_newest()->name, "qemu-11.1");
}

TEST(fields_change_at_the_release_that_changed_them)
{
	for (const struct dialect *d = dialects; d->name; d++) {
		CHECK_EQ(d->barrier_per_section, d->version <= 800);
		CHECK_EQ(d->zero_pages_in_packets, d->version >= 900);
		CHECK_EQ(d->sync_pages_alloc_zero, d->version >= 902);
		CHECK_EQ(d->stale_fields, d->version <= 901);
		CHECK_EQ(d->merged_sync, d->version <= 802);
		CHECK_EQ(d->switchover_start, d->version >= 1000);
		CHECK_EQ(d->switchover_ack, d->version >= 801);
		CHECK_EQ(d->final_sync_unmatched, d->version == 901 || d->version == 902);
		CHECK_EQ(d->device_state_shown, d->version >= 1000);
	}
}

TEST(releases_in_between_and_outside_map_to_neighbours)
{
	CHECK_STR(named("7.2.22")->name, "qemu-7.2");
	CHECK_STR(named("qemu-8.1.4")->name, "qemu-8.1");
	CHECK_STR(named("8.7")->name, "qemu-8.2");
	CHECK_STR(named("9.99")->name, "qemu-9.2");
	CHECK_STR(named("11.1")->name, "qemu-11.1");
	CHECK_STR(named("11.2")->name, "qemu-11.1");
	CHECK_STR(named("99.99")->name, "qemu-11.1");
	CHECK_STR(named("6.2")->name, "qemu-7.2");
	CHECK_STR(named("2.8")->name, "qemu-7.2");
}

TEST(what_is_no_version_is_refused_with_the_names_there_are)
{
	static const char *const wrong[] = {
		"",	   "qemu-", "9",     "9.",   ".2",   "9.2x",	 "9.2.",
		"9.2.1.1", "100.0", "9.100", "-1.2", " 9.2", "QEMU-9.2", "qemu-qemu-9.2"
	};
	struct gw_error err;

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		err = (struct gw_error){ 0 };
		CHECK(!dialect_by_name(wrong[i], &err));
		CHECK_EQ(err.kind, GW_USAGE);
	}
	CHECK(!dialect_by_name("libvirt\n", &err));
	CHECK_STR(err.text,
		  "dialect \"libvirt\\x0a\": not one of qemu-7.2 qemu-8.0 qemu-8.1 "
		  "qemu-8.2 qemu-9.0 qemu-9.1 qemu-9.2 qemu-10.0 qemu-10.1 "
		  "qemu-10.2 qemu-11.0 qemu-11.1");
}

TEST(a_long_name_leaves_room_for_the_names_there_are)
{
	struct gw_error err;
	char name[1000];

	memset(name, 1, sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	CHECK(!dialect_by_name(name, &err));
	CHECK_CONTAINS(err.text, "qemu-11.1");
}

TEST(machine_types_carry_a_version)
{
	static const struct {
		const char *machine, *dialect;
	} rows[] = {
		{ "pc-q35-7.2", "qemu-7.2" },	 { "pc-i440fx-9.0", "qemu-9.0" },
		{ "virt-10.0", "qemu-10.0" },	 { "s390-ccw-virtio-9.1", "qemu-9.1" },
		{ "pseries-8.2", "qemu-8.2" },	 { "pc-q35-2.8", "qemu-7.2" },
		{ "pc-i440fx-5.1", "qemu-7.2" }, { "pc-q35-4.0.1", "qemu-7.2" },
		{ "pc-q35-11.1", "qemu-11.1" },	 { "pc-q35-12.0", "qemu-11.1" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct dialect *dialect = dialect_of_machine(rows[i].machine);

		if (!dialect)
			CHECK_FAIL("%s has none", rows[i].machine);
		CHECK_STR(dialect->name, rows[i].dialect);
	}
}

TEST(machine_types_without_a_version_have_no_dialect)
{
	static const char *const none[] = {
		"",	"none", "microvm",     "pc",
		"SS-5", "x-",	"ast2600-evb", "pc-q35-rhel9.2.0"
	};

	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++)
		CHECK(!dialect_of_machine(none[i]));
}

TEST_MAIN(TEST_OF(table_is_in_order_and_named_by_version),
	  TEST_OF(fields_change_at_the_release_that_changed_them),
	  TEST_OF(releases_in_between_and_outside_map_to_neighbours),
	  TEST_OF(what_is_no_version_is_refused_with_the_names_there_are),
	  TEST_OF(a_long_name_leaves_room_for_the_names_there_are),
	  TEST_OF(machine_types_carry_a_version),
	  TEST_OF(machine_types_without_a_version_have_no_dialect))
