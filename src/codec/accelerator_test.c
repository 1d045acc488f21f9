/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* accelerator_test.c - the names of compression-accelerator. */
#include "tests/check.h"

#include "codec/accelerator.h"

TEST(accelerator_names_lead_back)
{
	struct gw_error err;

	for (unsigned i = 0; i < ACCELERATOR_COUNT; i++) {
		enum accelerator found;
		const char *name = accelerator_name((enum accelerator)i);

		CHECK_OK(accelerator_by_name(name, &found, &err), &err);
		CHECK_EQ(found, i);
	}
	CHECK_STR(accelerator_name(ACCELERATOR_AUTO), "auto");
	CHECK_STR(accelerator_name(ACCELERATOR_SIMULATED), "simulated");
}

TEST(accelerator_names_that_there_are_not)
{
	static const char *const bad[] = { "", "QPL", "qp", "qplx", "iaa", " auto" };
	static const char escape[] = "\033[2J";
	enum accelerator unset;
	struct gw_error said;

	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		enum accelerator found = ACCELERATOR_UADK;
		struct gw_error err;

		CHECK_EQ(accelerator_by_name(bad[i], &found, &err), -1);
		CHECK_EQ(err.kind, GW_USAGE);
		CHECK_CONTAINS(err.text, bad[i]);
		for (unsigned name = 0; name < ACCELERATOR_COUNT; name++)
			CHECK_CONTAINS(err.text,
				       accelerator_name((enum accelerator)name));
		CHECK_EQ(found, ACCELERATOR_UADK);
	}
	CHECK_EQ(accelerator_by_name(escape, &unset, &said), -1);
	CHECK_CONTAINS(said.text, "\"\\x1b[2J\"");
}

TEST_MAIN(TEST_OF(accelerator_names_lead_back),
	  TEST_OF(accelerator_names_that_there_are_not))
