/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* migration_settings_test.c - parameters and capabilities from QMP, all or none. */
#include <limits.h>

#include "tests/check.h"
#include "vm/migration_info.h"

static json_t *json_of(const char *text)
{
	json_error_t why;
	json_t *json = json_loads(text, JSON_DECODE_ANY, &why);

	if (!json)
		CHECK_FAIL("%s: %s", text, why.text);
	return json;
}

static struct parameters fresh(void)
{
	struct parameters parameters;

	parameters_init(&parameters);
	return parameters;
}

static bool parameters_equal(const struct parameters *a, const struct parameters *b)
{
	for (unsigned id = 0; id < PARAMETER_COUNT; id++) {
		if (a->values[id].number != b->values[id].number ||
		    strcmp(a->values[id].text, b->values[id].text) != 0)
			return false;
	}
	return true;
}

static int set(struct parameters *parameters, const char *text, struct gw_error *err)
{
	json_t *arguments = json_of(text);
	int result = parameters_from_json(parameters, arguments, err);

	json_decref(arguments);
	return result;
}

struct refusal {
	const char *arguments;
	const char *text;
};

/* Each as QEMU 7.2 answers it. */
static const struct refusal parameter_refusals[] = {
	{ "{\"nosuch\": 1}", "Parameter 'nosuch' is unexpected" },
	{ "{\"multifd_channels\": 4}", "Parameter 'multifd_channels' is unexpected" },
	{ "{\"multifd-channels\": 0}",
	  "Parameter 'multifd_channels' expects a value between 1 and 255" },
	{ "{\"multifd-channels\": 256}", "Parameter 'multifd-channels' expects uint8_t" },
	{ "{\"multifd-channels\": -1}", "Parameter 'multifd-channels' expects uint8_t" },
	{ "{\"multifd-channels\": \"4\"}",
	  "Parameter 'multifd-channels' expects uint64" },
	{ "{\"multifd-channels\": 1.5}", "Parameter 'multifd-channels' expects uint64" },
	{ "{\"multifd-channels\": true}", "Parameter 'multifd-channels' expects uint64" },
	{ "{\"multifd-channels\": null}", "Parameter 'multifd-channels' expects uint64" },
	{ "{\"multifd-channels\": []}", "Parameter 'multifd-channels' expects uint64" },
	{ "{\"multifd-channels\": {}}", "Parameter 'multifd-channels' expects uint64" },
	{ "{\"x-checkpoint-delay\": 4294967296}",
	  "Parameter 'x-checkpoint-delay' expects uint32_t" },
	{ "{\"downtime-limit\": -1}", "Parameter 'downtime_limit' expects an integer in "
				      "the range of 0 to (2000 * 1000) ms" },
	{ "{\"cpu-throttle-tailslow\": 1}",
	  "Invalid parameter type for "
	  "'cpu-throttle-tailslow', expected: boolean" },
	{ "{\"cpu-throttle-tailslow\": null}",
	  "Invalid parameter type for 'cpu-throttle-tailslow', expected: boolean" },
	{ "{\"tls-creds\": 1}",
	  "Invalid parameter type for 'tls-creds', expected: StrOrNull" },
	{ "{\"tls-authz\": []}",
	  "Invalid parameter type for 'tls-authz', expected: StrOrNull" },
	{ "{\"multifd-compression\": 1}", "Invalid parameter type for "
					  "'multifd-compression', expected: string" },
	{ "{\"multifd-compression\": null}", "Invalid parameter type for "
					     "'multifd-compression', expected: string" },
	{ "{\"multifd-qatzip-level\": 10}",
	  "Parameter 'multifd_qatzip_level' expects a value between 1 and 9" },
	{ "{\"compression-accelerator\": 1}",
	  "Invalid parameter type for 'compression-accelerator', expected: string" },
	{ "{\"compression-accelerator\": \"x\"}",
	  "Parameter 'compression-accelerator' does not accept value 'x': it expects "
	  "auto, none, qpl, qatzip, uadk, reference or simulated" },
	{ "{\"compression-accelerator-jobs\": 0}",
	  "Parameter 'compression_accelerator_jobs' expects a value between 1 and 128" },
	{ "{\"multifd-compression\": \"x\"}",
	  "Parameter 'multifd-compression' does not accept value 'x'" },
	/* Types, then keys, then ranges. */
	{ "{\"nosuch\": 1, \"multifd-channels\": \"x\"}",
	  "Parameter 'multifd-channels' expects uint64" },
	{ "{\"nosuch\": 1, \"multifd-channels\": 0}",
	  "Parameter 'nosuch' is unexpected" },
	{ "{\"downtime-limit\": 2000001, \"multifd-channels\": 256}",
	  "Parameter 'multifd-channels' expects uint8_t" },
	{ "{\"multifd-channels\": 9, \"announce-max\": 100001}",
	  "Parameter 'announce_max' expects a value between 0 and 100000" },
};

TEST(wrong_parameters_change_nothing_and_say_why)
{
	size_t count = sizeof(parameter_refusals) / sizeof(parameter_refusals[0]);

	for (size_t i = 0; i < count; i++) {
		const struct refusal *refusal = &parameter_refusals[i];
		struct parameters parameters = fresh(), before = fresh();
		struct gw_error err;

		if (set(&parameters, refusal->arguments, &err) == 0)
			CHECK_FAIL("%s was taken", refusal->arguments);
		CHECK_EQ(err.kind, GW_USAGE);
		CHECK_STR(err.text, refusal->text);
		CHECK(parameters_equal(&parameters, &before));
	}
}

TEST(several_parameters_are_all_or_none)
{
	struct parameters parameters = fresh(), before;
	struct gw_error err;

	CHECK_OK(set(&parameters, "{}", &err), &err);
	CHECK_OK(set(&parameters,
		     "{\"max-cpu-throttle\": 10, \"cpu-throttle-initial\": 5,"
		     " \"multifd-compression\": \"zlib\", \"multifd-zlib-level\": 9,"
		     " \"max-bandwidth\": 0, \"cpu-throttle-tailslow\": true,"
		     " \"tls-creds\": null, \"tls-hostname\": \"\"}",
		     &err),
		 &err);
	CHECK_EQ(parameter(&parameters, PARAMETER_MAX_CPU_THROTTLE), 10);
	CHECK_EQ(parameter(&parameters, PARAMETER_CPU_THROTTLE_INITIAL), 5);
	CHECK_EQ(parameter(&parameters, PARAMETER_MAX_BANDWIDTH), 0);
	CHECK_EQ(parameter(&parameters, PARAMETER_CPU_THROTTLE_TAILSLOW), 1);
	CHECK_EQ(parameters_level(&parameters), 9);

	before = parameters;
	CHECK_EQ(set(&parameters,
		     "{\"multifd-channels\": 9, \"downtime-limit\": 2000001}", &err),
		 -1);
	CHECK_EQ(set(&parameters,
		     "{\"multifd-channels\": 9, \"xbzrle-cache-size\": 4096}", &err),
		 -1);
	CHECK_EQ(err.kind, GW_UNSUPPORTED);
	CHECK_EQ(
		set(&parameters,
		    "{\"compression-accelerator\": \"qpl\", \"multifd-qatzip-level\": 0}",
		    &err),
		-1);
	CHECK_EQ(err.kind, GW_USAGE);
	CHECK(parameters_equal(&parameters, &before));
}

TEST(a_query_can_be_written_back)
{
	struct parameters parameters = fresh(), again = fresh();
	struct gw_error err;
	json_t *json;

	CHECK_OK(set(&parameters,
		     "{\"multifd-channels\": 16, \"multifd-compression\": \"zstd\","
		     " \"multifd-zstd-level\": 20, \"cpu-throttle-tailslow\": true,"
		     " \"compression-accelerator\": \"qatzip\","
		     " \"compression-accelerator-jobs\": 128,"
		     " \"downtime-limit\": 50, \"max-bandwidth\": 9223372036854775807}",
		     &err),
		 &err);
	json = parameters_json(&parameters);
	CHECK_EQ(json_object_size(json), PARAMETER_COUNT);
	CHECK_STR(json_string_value(json_object_get(json, "multifd-compression")),
		  "zstd");
	CHECK_STR(json_string_value(json_object_get(json, "compression-accelerator")),
		  "qatzip");
	CHECK(json_is_true(json_object_get(json, "compress-wait-thread")));
	CHECK(json_is_false(json_object_get(json, "block-incremental")));
	CHECK_STR(json_string_value(json_object_get(json, "tls-creds")), "");
	CHECK_EQ(json_integer_value(json_object_get(json, "downtime-limit")), 50);
	CHECK_OK(parameters_from_json(&again, json, &err), &err);
	CHECK(parameters_equal(&parameters, &again));
	json_decref(json);
}

TEST(numbers_past_what_json_holds_are_told_as_the_largest)
{
	struct parameters parameters = fresh();
	struct gw_error err;
	json_t *json;

	CHECK_OK(set(&parameters, "{\"max-bandwidth\": -1}", &err), &err);
	CHECK(parameter(&parameters, PARAMETER_MAX_BANDWIDTH) == UINT64_MAX);
	json = parameters_json(&parameters);
	CHECK_EQ(json_integer_value(json_object_get(json, "max-bandwidth")), LLONG_MAX);
	CHECK_OK(parameters_from_json(&parameters, json, &err), &err);
	json_decref(json);
}

/* ---- capabilities ---- */

static int turn(struct capabilities *capabilities, const char *text, struct gw_error *err)
{
	json_t *arguments = json_of(text);
	int result = capabilities_from_json(capabilities, arguments, err);

	json_decref(arguments);
	return result;
}

#define CAPS(list_) "{\"capabilities\": [" list_ "]}"
#define EVENTS_ON "{\"capability\": \"events\", \"state\": true}"

static const struct refusal capability_refusals[] = {
	{ "{}", "Parameter 'capabilities' is missing" },
	{ "{\"capabilities\": 1}",
	  "Invalid parameter type for 'capabilities', expected: array" },
	{ CAPS("1"), "Invalid parameter type for 'capabilities[0]', expected: object" },
	{ CAPS(EVENTS_ON ", 3"),
	  "Invalid parameter type for 'capabilities[1]', expected: object" },
	{ CAPS("{}"), "Parameter 'capabilities[0].capability' is missing" },
	{ CAPS("{\"state\": true}"),
	  "Parameter 'capabilities[0].capability' is missing" },
	{ CAPS("{\"capability\": \"events\"}"),
	  "Parameter 'capabilities[0].state' is missing" },
	{ CAPS("{\"capability\": 1, \"state\": true}"),
	  "Invalid parameter type for 'capabilities[0].capability', expected: string" },
	{ CAPS("{\"capability\": \"events\", \"state\": 1}"),
	  "Invalid parameter type for 'capabilities[0].state', expected: boolean" },
	{ CAPS("{\"capability\": \"nosuch\", \"state\": true}"),
	  "Parameter 'capability' does not accept value 'nosuch'" },
	{ CAPS("{\"capability\": \"nosuch\", \"state\": 1}"),
	  "Parameter 'capability' does not accept value 'nosuch'" },
	{ CAPS("{\"capability\": \"events\", \"state\": true, \"x\": 1}"),
	  "Parameter 'capabilities[0].x' is unexpected" },
	{ "{\"capabilities\": [" EVENTS_ON "], \"x\": 1}",
	  "Parameter 'x' is unexpected" },
	{ CAPS(EVENTS_ON ", {\"capability\": \"switchover-ack\", \"state\": true}"),
	  "Capability 'switchover-ack' requires capability 'return-path'" },
	{ CAPS(EVENTS_ON ", {\"capability\": \"xbzrle\", \"state\": true}"),
	  "Capability 'xbzrle' is not supported by godwit" },
};

TEST(wrong_capabilities_change_nothing_and_say_why)
{
	size_t count = sizeof(capability_refusals) / sizeof(capability_refusals[0]);

	for (size_t i = 0; i < count; i++) {
		const struct refusal *refusal = &capability_refusals[i];
		struct capabilities capabilities = { 0 };
		struct gw_error err;

		if (turn(&capabilities, refusal->arguments, &err) == 0)
			CHECK_FAIL("%s was taken", refusal->arguments);
		CHECK_STR(err.text, refusal->text);
		CHECK(!capabilities.on[CAPABILITY_EVENTS]);
	}
}

TEST(capabilities_go_on_and_off_in_order)
{
	struct capabilities capabilities = { 0 };
	struct gw_error err;
	json_t *json;

	CHECK_OK(turn(&capabilities, CAPS(""), &err), &err);
	CHECK_OK(turn(&capabilities,
		      CAPS("{\"capability\": \"switchover-ack\", \"state\": true}, "
			   "{\"capability\": \"return-path\", \"state\": true}, "
			   "{\"capability\": \"xbzrle\", \"state\": false}, "
			   "{\"capability\": \"events\", \"state\": false}, " EVENTS_ON),
		      &err),
		 &err);
	CHECK(capabilities.on[CAPABILITY_EVENTS]);
	CHECK(capabilities.on[CAPABILITY_RETURN_PATH]);
	CHECK_EQ(turn(&capabilities,
		      CAPS("{\"capability\": \"return-path\", \"state\": false}"), &err),
		 -1);
	CHECK(capabilities.on[CAPABILITY_RETURN_PATH]);

	json = capabilities_json(&capabilities);
	CHECK_EQ(json_array_size(json), CAPABILITY_COUNT);
	for (unsigned id = 0; id < CAPABILITY_COUNT; id++) {
		const json_t *pair = json_array_get(json, id);

		CHECK_EQ(json_object_size(pair), 2);
		CHECK_STR(json_string_value(json_object_get(pair, "capability")),
			  capability_specs[id].name);
		CHECK_EQ(json_is_true(json_object_get(pair, "state")),
			 capabilities.on[id]);
	}
	json_decref(json);
}

TEST_MAIN(TEST_OF(wrong_parameters_change_nothing_and_say_why),
	  TEST_OF(several_parameters_are_all_or_none),
	  TEST_OF(a_query_can_be_written_back),
	  TEST_OF(numbers_past_what_json_holds_are_told_as_the_largest),
	  TEST_OF(wrong_capabilities_change_nothing_and_say_why),
	  TEST_OF(capabilities_go_on_and_off_in_order))
