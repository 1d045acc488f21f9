/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* kept_settings_test.c - settings are put back as they were, and what was not touched is not set. */
#include "sendrecv/kept_settings.h"

#include "tests/check.h"

#include "sendrecv/fake_qemu_for_tests.h"

static struct gw_error err;

static json_t *json(const char *text)
{
	json_t *value = json_loads(text, 0, NULL);

	CHECK(value);
	return value;
}

/* As it is by now. */
static void begin(struct fake_qemu *fake, const char *capabilities,
		  const char *parameters)
{
	*fake = (struct fake_qemu){ .moments = { { "running", NULL } },
				    .moment_count = 1,
				    .capabilities = json(capabilities),
				    .parameters = json(parameters) };
}

/* As it was. */
static struct kept_settings kept(const char *capabilities, const char *parameters)
{
	return (struct kept_settings){ json(capabilities), json(parameters) };
}

static void check_is(const json_t *seen, const char *expected)
{
	json_t *value = json(expected);

	if (!json_equal(seen, value))
		CHECK_FAIL("%s, expected %s", json_dumps(seen, JSON_COMPACT), expected);
	json_decref(value);
}

static const char *const two_off = "[{\"capability\": \"multifd\", \"state\": false},"
				   "{\"capability\": \"events\", \"state\": false}]";

TEST(settings_are_read)
{
	struct kept_settings kept = { 0 };
	struct fake_qemu fake;

	begin(&fake, "{\"multifd\": false, \"events\": false}", "{\"a\": 1}");
	fake_start(&fake);
	CHECK_OK(kept_settings_read(&kept, fake.peer, &err), &err);
	check_is(kept.capabilities, two_off);
	check_is(kept.parameters, "{\"a\": 1}");
	kept_settings_deinit(&kept);
	CHECK(!kept.capabilities);
	CHECK(!kept.parameters);
	fake_end(&fake);
}

TEST(half_of_them_is_not_kept)
{
	static const char *const commands[] = { "query-migrate-capabilities",
						"query-migrate-parameters" };

	for (unsigned i = 0; i < 2; i++) {
		struct kept_settings kept;
		struct fake_qemu fake;

		begin(&fake, "{}", "{}");
		fake.not_a_command = commands[i];
		fake_start(&fake);
		CHECK(kept_settings_read(&kept, fake.peer, &err) < 0);
		CHECK_CONTAINS(err.text, commands[i]);
		CHECK(!kept.capabilities);
		CHECK(!kept.parameters);
		/* And nothing is put back then. */
		CHECK_OK(kept_settings_restore(&kept, fake.peer, &err), &err);
		fake_end(&fake);
		CHECK_EQ(fake.sets, 0);
	}
}

TEST(what_differs_is_put_back_at_once)
{
	struct kept_settings then = kept(two_off, "{\"a\": 1, \"b\": \"\", \"c\": 3}");
	struct fake_qemu fake;

	begin(&fake, "{\"multifd\": true, \"events\": true, \"new\": true}",
	      "{\"a\": 7, \"b\": \"x\", \"c\": 3, \"d\": []}");
	/* Is as it was, so nobody sets it. */
	fake.refused = "c";
	fake_start(&fake);
	CHECK_OK(kept_settings_restore(&then, fake.peer, &err), &err);
	fake_fall_silent(&fake);
	check_is(fake.capabilities,
		 "{\"multifd\": false, \"events\": false, \"new\": true}");
	check_is(fake.parameters, "{\"a\": 1, \"b\": \"\", \"c\": 3, \"d\": []}");
	CHECK_EQ(fake.sets, 2);
	fake_end(&fake);
	kept_settings_deinit(&then);
}

TEST(what_is_as_it_was_is_not_set)
{
	struct kept_settings then = kept(two_off, "{\"a\": 1}");
	struct fake_qemu fake;

	begin(&fake, "{\"multifd\": false, \"events\": false}", "{\"a\": 1, \"d\": []}");
	fake_start(&fake);
	CHECK_OK(kept_settings_restore(&then, fake.peer, &err), &err);
	fake_end(&fake);
	CHECK_EQ(fake.sets, 0);
	kept_settings_deinit(&then);
}

TEST(one_refusal_does_not_keep_the_others)
{
	struct kept_settings then = kept("[]", "{\"a\": 1, \"b\": 2, \"c\": 3}");
	struct fake_qemu fake;

	begin(&fake, "{}", "{\"a\": 7, \"b\": 7, \"c\": 7}");
	fake.refused = "b";
	fake_start(&fake);
	CHECK(kept_settings_restore(&then, fake.peer, &err) < 0);
	CHECK_STR(err.text, "destination: migrate-set-parameters: b is refused");
	fake_fall_silent(&fake);
	check_is(fake.parameters, "{\"a\": 1, \"b\": 7, \"c\": 3}");
	fake_end(&fake);
	kept_settings_deinit(&then);
}

TEST(capabilities_that_hang_together_go_in_an_order_that_works)
{
	/* post-copy cannot go before preempt has, and the third never. */
	struct kept_settings then =
		kept("[{\"capability\": \"postcopy-ram\", \"state\": false},"
		     "{\"capability\": \"postcopy-preempt\", \"state\": false},"
		     "{\"capability\": \"multifd\", \"state\": false}]",
		     "{\"a\": 1}");
	struct fake_qemu fake;

	begin(&fake,
	      "{\"postcopy-ram\": true, \"postcopy-preempt\": true, \"multifd\": true}",
	      "{\"a\": 2}");
	fake.refused = "multifd";
	fake_start(&fake);
	CHECK(kept_settings_restore(&then, fake.peer, &err) < 0);
	CHECK_STR(err.text, "destination: migrate-set-capabilities: not these 1");
	fake_fall_silent(&fake);
	check_is(fake.capabilities,
		 "{\"postcopy-ram\": false, \"postcopy-preempt\": false,"
		 "\"multifd\": true}");
	/* Nor does that keep the parameters. */
	check_is(fake.parameters, "{\"a\": 1}");
	fake_end(&fake);
	kept_settings_deinit(&then);
}

TEST(nobody_there_is_an_error)
{
	struct kept_settings then = kept("[]", "{}");
	struct fake_qemu fake;

	begin(&fake, "{}", "{}");
	fake_start(&fake);
	fake_fall_silent(&fake);
	CHECK(kept_settings_restore(&then, fake.peer, &err) < 0);
	CHECK_CONTAINS(err.text, "destination: query-migrate-capabilities: ");
	fake_end(&fake);
	kept_settings_deinit(&then);
}

TEST_MAIN(TEST_OF(settings_are_read), TEST_OF(half_of_them_is_not_kept),
	  TEST_OF(what_differs_is_put_back_at_once),
	  TEST_OF(what_is_as_it_was_is_not_set),
	  TEST_OF(one_refusal_does_not_keep_the_others),
	  TEST_OF(capabilities_that_hang_together_go_in_an_order_that_works),
	  TEST_OF(nobody_there_is_an_error))
