/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* capabilities_test.c - what may be turned on, alone and together. */
#include "migrate/capabilities.h"

#include "tests/check.h"

TEST(names_are_those_of_qemu)
{
	for (unsigned id = 0; id < CAPABILITY_COUNT; id++)
		CHECK_EQ(capability_by_name(capability_specs[id].name), id);
	CHECK_STR(capability_specs[0].name, "xbzrle");
	CHECK_EQ(capability_by_name("pause-before-switchover"),
		 CAPABILITY_PAUSE_BEFORE_SWITCHOVER);
	CHECK_EQ(capability_by_name("pause_before_switchover"), CAPABILITY_COUNT);
	CHECK_EQ(capability_by_name("Multifd"), CAPABILITY_COUNT);
	CHECK_EQ(capability_by_name(""), CAPABILITY_COUNT);
}

TEST(each_is_had_or_refused_by_name)
{
	static const char *const had[] = { "auto-converge",
					   "events",
					   "return-path",
					   "multifd",
					   "pause-before-switchover",
					   "switchover-ack",
					   "late-block-activate" };

	for (unsigned id = 0; id < CAPABILITY_COUNT; id++) {
		const char *name = capability_specs[id].name;
		struct capabilities wanted = { .on[CAPABILITY_RETURN_PATH] = true };
		struct gw_error err;
		bool expected = false;
		char text[96];

		for (size_t i = 0; i < sizeof(had) / sizeof(had[0]); i++)
			expected = expected || strcmp(name, had[i]) == 0;
		wanted.on[id] = true;
		if (expected) {
			CHECK_OK(capabilities_check(&wanted, &err), &err);
			continue;
		}
		CHECK_EQ(capabilities_check(&wanted, &err), -1);
		CHECK_EQ(err.kind, GW_UNSUPPORTED);
		snprintf(text, sizeof(text), "Capability '%s' is not supported by godwit",
			 name);
		CHECK_STR(err.text, text);
	}
}

TEST(switchover_ack_needs_the_return_path)
{
	struct capabilities wanted = { .on[CAPABILITY_SWITCHOVER_ACK] = true };
	struct gw_error err;

	CHECK_EQ(capabilities_check(&wanted, &err), -1);
	CHECK_EQ(err.kind, GW_USAGE);
	CHECK_STR(err.text,
		  "Capability 'switchover-ack' requires capability 'return-path'");
	wanted.on[CAPABILITY_RETURN_PATH] = true;
	CHECK_OK(capabilities_check(&wanted, &err), &err);
}

TEST_MAIN(TEST_OF(names_are_those_of_qemu), TEST_OF(each_is_had_or_refused_by_name),
	  TEST_OF(switchover_ack_needs_the_return_path))
