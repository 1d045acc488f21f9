/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* parameters_test.c - names, ranges, defaults and texts of the parameters, as QEMU 7.2's. */
#include "migrate/parameters.h"

#include "migrate/capabilities.h"
#include "migrate/sender.h"
#include "tests/check.h"

static struct parameters fresh(void)
{
	struct parameters parameters;

	parameters_init(&parameters);
	return parameters;
}

static bool unchanged(const struct parameters *parameters)
{
	struct parameters start = fresh();

	for (unsigned id = 0; id < PARAMETER_COUNT; id++) {
		if (parameters->values[id].number != start.values[id].number ||
		    strcmp(parameters->values[id].text, start.values[id].text) != 0)
			return false;
	}
	return true;
}

/* The range: its ends are fine, one past each is not. */
struct range {
	enum parameter_id id;
	uint64_t least, most;
	const char *below, *above; /* NULL: there is nothing beyond */
};

static const struct range ranges[] = {
	{ PARAMETER_ANNOUNCE_INITIAL, 0, 100000,
	  "Parameter 'announce_initial' expects a value between 0 and 100000",
	  "Parameter 'announce_initial' expects a value between 0 and 100000" },
	{ PARAMETER_ANNOUNCE_MAX, 0, 100000,
	  "Parameter 'announce_max' expects a value between 0 and 100000",
	  "Parameter 'announce_max' expects a value between 0 and 100000" },
	{ PARAMETER_ANNOUNCE_ROUNDS, 0, 1000,
	  "Parameter 'announce_rounds' expects a value between 0 and 1000",
	  "Parameter 'announce_rounds' expects a value between 0 and 1000" },
	{ PARAMETER_ANNOUNCE_STEP, 1, 10000,
	  "Parameter 'announce_step' expects a value between 0 and 10000",
	  "Parameter 'announce_step' expects a value between 0 and 10000" },
	{ PARAMETER_COMPRESS_LEVEL, 0, 9, "Parameter 'compress-level' expects uint8_t",
	  "Parameter 'compress_level' expects a value between 0 and 9" },
	{ PARAMETER_COMPRESS_THREADS, 1, 255,
	  "Parameter 'compress_threads' expects a value between 1 and 255",
	  "Parameter 'compress-threads' expects uint8_t" },
	{ PARAMETER_DECOMPRESS_THREADS, 1, 255,
	  "Parameter 'decompress_threads' expects a value between 1 and 255",
	  "Parameter 'decompress-threads' expects uint8_t" },
	{ PARAMETER_THROTTLE_TRIGGER_THRESHOLD, 1, 100,
	  "Parameter 'throttle_trigger_threshold' expects an integer in the range of 1 "
	  "to 100",
	  "Parameter 'throttle_trigger_threshold' expects an integer in the range of 1 "
	  "to 100" },
	{ PARAMETER_CPU_THROTTLE_INITIAL, 1, 99,
	  "Parameter 'cpu_throttle_initial' expects an integer in the range of 1 to 99",
	  "Parameter 'cpu_throttle_initial' expects an integer in the range of 1 to 99" },
	{ PARAMETER_CPU_THROTTLE_INCREMENT, 1, 99,
	  "Parameter 'cpu_throttle_increment' expects an integer in the range of 1 to 99",
	  "Parameter 'cpu_throttle_increment' expects an integer in the range of 1 to "
	  "99" },
	{ PARAMETER_MAX_CPU_THROTTLE, 20, 99,
	  "Parameter 'max_cpu_throttle' expects an integer in the range of "
	  "cpu_throttle_initial to 99",
	  "Parameter 'max_cpu_throttle' expects an integer in the range of "
	  "cpu_throttle_initial to 99" },
	{ PARAMETER_MAX_BANDWIDTH, 0, UINT64_MAX, NULL, NULL },
	{ PARAMETER_DOWNTIME_LIMIT, 0, 2000000,
	  "Parameter 'downtime_limit' expects an integer in the range of 0 to (2000 * "
	  "1000) ms",
	  "Parameter 'downtime_limit' expects an integer in the range of 0 to (2000 * "
	  "1000) ms" },
	{ PARAMETER_X_CHECKPOINT_DELAY, 0, UINT32_MAX,
	  "Parameter 'x-checkpoint-delay' expects uint32_t",
	  "Parameter 'x-checkpoint-delay' expects uint32_t" },
	{ PARAMETER_MULTIFD_CHANNELS, 1, 255,
	  "Parameter 'multifd_channels' expects a value between 1 and 255",
	  "Parameter 'multifd-channels' expects uint8_t" },
	{ PARAMETER_MULTIFD_ZLIB_LEVEL, 0, 9,
	  "Parameter 'multifd-zlib-level' expects uint8_t",
	  "Parameter 'multifd_zlib_level' expects a value between 0 and 9" },
	{ PARAMETER_MULTIFD_ZSTD_LEVEL, 0, 20,
	  "Parameter 'multifd-zstd-level' expects uint8_t",
	  "Parameter 'multifd_zstd_level' expects a value between 0 and 20" },
	{ PARAMETER_XBZRLE_CACHE_SIZE, 4096, UINT64_C(1) << 63,
	  "Parameter 'xbzrle_cache_size' expects a power of two no less than the target "
	  "page size",
	  "Parameter 'xbzrle_cache_size' expects a power of two no less than the target "
	  "page size" },
	{ PARAMETER_MAX_POSTCOPY_BANDWIDTH, 0, UINT64_MAX, NULL, NULL },
	{ PARAMETER_AVAIL_SWITCHOVER_BANDWIDTH, 0, UINT64_MAX, NULL, NULL },
	{ PARAMETER_MULTIFD_QATZIP_LEVEL, 1, 9,
	  "Parameter 'multifd_qatzip_level' expects a value between 1 and 9",
	  "Parameter 'multifd_qatzip_level' expects a value between 1 and 9" },
	{ PARAMETER_COMPRESSION_ACCELERATOR_JOBS, 1, 128,
	  "Parameter 'compression_accelerator_jobs' expects a value between 1 and 128",
	  "Parameter 'compression_accelerator_jobs' expects a value between 1 and 128" },
};

#define RANGE_COUNT (sizeof(ranges) / sizeof(ranges[0]))

/* At the end of a range a parameter is taken, or refused for what godwit lacks alone. */
static void check_accepts(const struct range *range, uint64_t number)
{
	struct parameters parameters = fresh();
	const struct parameter_spec *spec = &parameter_specs[range->id];
	struct gw_error err;
	int result = parameters_set_number(&parameters, range->id, number, &err);

	if (spec->honoured || number == spec->default_number) {
		CHECK_OK(result, &err);
		CHECK(parameter(&parameters, range->id) == number);
		return;
	}
	CHECK_EQ(result, -1);
	CHECK_EQ(err.kind, GW_UNSUPPORTED);
	CHECK_CONTAINS(err.text, "is not supported by godwit");
	CHECK(unchanged(&parameters));
}

static void check_refuses(enum parameter_id id, uint64_t number, const char *text)
{
	struct parameters parameters = fresh();
	struct gw_error err;

	CHECK_EQ(parameters_set_number(&parameters, id, number, &err), -1);
	CHECK_EQ(err.kind, GW_USAGE);
	CHECK_STR(err.text, text);
	CHECK(unchanged(&parameters));
}

TEST(ranges_end_where_qemus_do)
{
	for (size_t i = 0; i < RANGE_COUNT; i++) {
		const struct range *range = &ranges[i];

		check_accepts(range, range->least);
		check_accepts(range, range->most);
		if (range->below)
			check_refuses(range->id, range->least - 1, range->below);
		if (range->above)
			check_refuses(range->id, range->most + 1, range->above);
	}
}

TEST(every_number_has_its_range_tested)
{
	for (unsigned id = 0; id < PARAMETER_COUNT; id++) {
		enum parameter_type type = parameter_specs[id].type;
		bool tested = type == PARAMETER_BOOL || type == PARAMETER_TEXT ||
			      type == PARAMETER_ENUM;

		for (size_t i = 0; i < RANGE_COUNT; i++)
			tested = tested || ranges[i].id == id;
		if (!tested)
			CHECK_FAIL("%s has no row", parameter_specs[id].name);
	}
}

/* As a QEMU 7.2 without a machine answers. */
TEST(defaults_are_qemus_and_pass_their_own_check)
{
	static const struct {
		const char *name;
		uint64_t number;
	} defaults[] = {
		{ "announce-initial", 50 },
		{ "announce-max", 550 },
		{ "announce-rounds", 5 },
		{ "announce-step", 100 },
		{ "compress-level", 1 },
		{ "compress-threads", 8 },
		{ "compress-wait-thread", 1 },
		{ "decompress-threads", 2 },
		{ "throttle-trigger-threshold", 50 },
		{ "cpu-throttle-initial", 20 },
		{ "cpu-throttle-increment", 10 },
		{ "cpu-throttle-tailslow", 0 },
		{ "max-cpu-throttle", 99 },
		{ "tls-creds", 0 },
		{ "tls-hostname", 0 },
		{ "tls-authz", 0 },
		{ "max-bandwidth", 134217728 },
		{ "downtime-limit", 300 },
		{ "x-checkpoint-delay", 20000 },
		{ "block-incremental", 0 },
		{ "multifd-channels", 2 },
		{ "multifd-compression", CODEC_NONE },
		{ "multifd-zlib-level", 1 },
		{ "multifd-zstd-level", 1 },
		{ "xbzrle-cache-size", 67108864 },
		{ "max-postcopy-bandwidth", 0 },
		{ "avail-switchover-bandwidth", 0 },
		{ "multifd-qatzip-level", 1 },
		{ "compression-accelerator", ACCELERATOR_AUTO },
		{ "compression-accelerator-jobs", 16 },
	};
	struct parameters parameters = fresh();
	struct gw_error err;

	CHECK_EQ(sizeof(defaults) / sizeof(defaults[0]), PARAMETER_COUNT);
	for (unsigned id = 0; id < PARAMETER_COUNT; id++) {
		CHECK_STR(parameter_specs[id].name, defaults[id].name);
		CHECK_EQ(parameter(&parameters, id), defaults[id].number);
		CHECK_STR(parameters.values[id].text, "");
	}
	CHECK_OK(parameters_check(&parameters, &err), &err);
}

TEST(names_are_found_with_dashes_and_underscores)
{
	for (unsigned id = 0; id < PARAMETER_COUNT; id++)
		CHECK_EQ(parameter_by_name(parameter_specs[id].name), id);
	CHECK_EQ(parameter_by_name("multifd_channels"), PARAMETER_MULTIFD_CHANNELS);
	CHECK_EQ(parameter_by_name("x_checkpoint_delay"), PARAMETER_X_CHECKPOINT_DELAY);
	CHECK_EQ(parameter_by_name("multifd-channel"), PARAMETER_COUNT);
	CHECK_EQ(parameter_by_name("multifd-channelss"), PARAMETER_COUNT);
	CHECK_EQ(parameter_by_name("Max-bandwidth"), PARAMETER_COUNT);
	CHECK_EQ(parameter_by_name(""), PARAMETER_COUNT);
}

TEST(values_of_another_type_are_refused)
{
	struct parameters parameters = fresh();
	struct gw_error err;

	CHECK_EQ(parameters_set_bool(&parameters, PARAMETER_DOWNTIME_LIMIT, true, &err),
		 -1);
	CHECK_STR(err.text, "Parameter 'downtime-limit' expects uint64");
	CHECK_EQ(parameters_set_text(&parameters, PARAMETER_MULTIFD_CHANNELS, "4", &err),
		 -1);
	CHECK_STR(err.text, "Parameter 'multifd-channels' expects uint64");
	CHECK_EQ(parameters_set_number(&parameters, PARAMETER_CPU_THROTTLE_TAILSLOW, 1,
				       &err),
		 -1);
	CHECK_STR(err.text, "Invalid parameter type for 'cpu-throttle-tailslow', "
			    "expected: boolean");
	CHECK_EQ(parameters_set_number(&parameters, PARAMETER_MULTIFD_COMPRESSION, 1,
				       &err),
		 -1);
	CHECK_STR(err.text, "Invalid parameter type for 'multifd-compression', expected: "
			    "string");
	CHECK_EQ(parameters_set_bool(&parameters, PARAMETER_TLS_CREDS, false, &err), -1);
	CHECK_STR(err.text,
		  "Invalid parameter type for 'tls-creds', expected: StrOrNull");
	CHECK_EQ(err.kind, GW_USAGE);
	CHECK(unchanged(&parameters));
}

TEST(methods_go_by_name)
{
	static const char *const qemus[] = { "none", "zlib", "zstd",
					     "qpl",  "uadk", "qatzip" };
	struct parameters parameters = fresh();
	struct gw_error err;

	CHECK_EQ(CODEC_COUNT, 6);
	for (unsigned id = 0; id < CODEC_COUNT; id++)
		CHECK_STR(parameter_enum_name(PARAMETER_MULTIFD_COMPRESSION, id),
			  qemus[id]);
	for (unsigned id = 0; id < CODEC_COUNT; id++) {
		const char *name = codec_by_id(id)->name;

		CHECK_OK(parameters_set_text(&parameters, PARAMETER_MULTIFD_COMPRESSION,
					     name, &err),
			 &err);
		CHECK_EQ(parameter(&parameters, PARAMETER_MULTIFD_COMPRESSION), id);
		CHECK_STR(parameter_enum_name(PARAMETER_MULTIFD_COMPRESSION, id), name);
	}
	CHECK_EQ(parameters_set_text(&parameters, PARAMETER_MULTIFD_COMPRESSION, "lz4",
				     &err),
		 -1);
	CHECK_EQ(err.kind, GW_USAGE);
	CHECK_STR(err.text,
		  "Parameter 'multifd-compression' does not accept value 'lz4'");
	CHECK_EQ(parameter(&parameters, PARAMETER_MULTIFD_COMPRESSION), CODEC_COUNT - 1);
}

/* Whether it can be used here is no matter of setting it. */
TEST(accelerators_go_by_name)
{
	struct parameters parameters = fresh();
	struct gw_error err;

	for (unsigned id = 0; id < ACCELERATOR_COUNT; id++) {
		const char *name = accelerator_name(id);

		CHECK_OK(parameters_set_text(&parameters,
					     PARAMETER_COMPRESSION_ACCELERATOR, name,
					     &err),
			 &err);
		CHECK_EQ(parameters_accelerator(&parameters), id);
		CHECK_STR(parameter_enum_name(PARAMETER_COMPRESSION_ACCELERATOR, id),
			  name);
		CHECK_CONTAINS(parameter_specs[PARAMETER_COMPRESSION_ACCELERATOR].expects,
			       name);
	}
	CHECK_EQ(parameters_set_text(&parameters, PARAMETER_COMPRESSION_ACCELERATOR,
				     "iaa", &err),
		 -1);
	CHECK_EQ(err.kind, GW_USAGE);
	CHECK_STR(err.text,
		  "Parameter 'compression-accelerator' does not accept value 'iaa': it "
		  "expects auto, none, qpl, qatzip, uadk, reference or simulated");
	CHECK_EQ(parameters_set_number(&parameters, PARAMETER_COMPRESSION_ACCELERATOR, 2,
				       &err),
		 -1);
	CHECK_STR(err.text, "Invalid parameter type for 'compression-accelerator', "
			    "expected: string");
	CHECK_EQ(parameters_accelerator(&parameters), ACCELERATOR_COUNT - 1);
}

TEST(levels_follow_the_method)
{
	struct parameters parameters = fresh();
	struct gw_error err;

	CHECK_OK(parameters_set_number(&parameters, PARAMETER_MULTIFD_ZLIB_LEVEL, 7,
				       &err),
		 &err);
	CHECK_OK(parameters_set_number(&parameters, PARAMETER_MULTIFD_ZSTD_LEVEL, 19,
				       &err),
		 &err);
	CHECK_EQ(parameters_level(&parameters), 0);
	CHECK_OK(parameters_set_text(&parameters, PARAMETER_MULTIFD_COMPRESSION, "zlib",
				     &err),
		 &err);
	CHECK_EQ(parameters_level(&parameters), 7);
	CHECK_OK(parameters_set_text(&parameters, PARAMETER_MULTIFD_COMPRESSION, "zstd",
				     &err),
		 &err);
	CHECK_EQ(parameters_level(&parameters), 19);
	CHECK_OK(parameters_set_number(&parameters, PARAMETER_MULTIFD_QATZIP_LEVEL, 4,
				       &err),
		 &err);
	CHECK_OK(parameters_set_text(&parameters, PARAMETER_MULTIFD_COMPRESSION, "qatzip",
				     &err),
		 &err);
	CHECK_EQ(parameters_level(&parameters), 4);
	CHECK_OK(parameters_set_text(&parameters, PARAMETER_MULTIFD_COMPRESSION, "qpl",
				     &err),
		 &err);
	CHECK_EQ(parameters_level(&parameters), 0);
}

TEST(what_godwit_lacks_stays_at_its_default)
{
	struct parameters parameters = fresh();
	char long_text[PARAMETER_TEXT_MAX + 2];
	struct gw_error err;

	memset(long_text, 'x', sizeof(long_text) - 1);
	long_text[sizeof(long_text) - 1] = '\0';
	CHECK_OK(parameters_set_text(&parameters, PARAMETER_TLS_CREDS, "", &err), &err);
	CHECK_EQ(parameters_set_text(&parameters, PARAMETER_TLS_CREDS, "tls0", &err), -1);
	CHECK_EQ(err.kind, GW_UNSUPPORTED);
	CHECK_STR(err.text, "Parameter 'tls-creds' is not supported by godwit, which "
			    "accepts only its default ''");
	CHECK_EQ(parameters_set_text(&parameters, PARAMETER_TLS_AUTHZ, long_text, &err),
		 -1);
	CHECK_EQ(err.kind, GW_UNSUPPORTED);
	CHECK_EQ(parameters_set_text(&parameters, PARAMETER_TLS_AUTHZ, long_text + 1,
				     &err),
		 -1);
	CHECK_EQ(err.kind, GW_UNSUPPORTED);
	CHECK_OK(parameters_set_bool(&parameters, PARAMETER_COMPRESS_WAIT_THREAD, true,
				     &err),
		 &err);
	CHECK_EQ(parameters_set_bool(&parameters, PARAMETER_COMPRESS_WAIT_THREAD, false,
				     &err),
		 -1);
	CHECK_STR(err.text, "Parameter 'compress-wait-thread' is not supported by "
			    "godwit, which accepts only its default on");
	CHECK_EQ(parameters_set_number(&parameters, PARAMETER_XBZRLE_CACHE_SIZE, 4096,
				       &err),
		 -1);
	CHECK_STR(err.text, "Parameter 'xbzrle-cache-size' is not supported by godwit, "
			    "which accepts only its default 67108864");
	CHECK(unchanged(&parameters));
}

TEST(throttle_limits_are_checked_against_each_other)
{
	static const char *const text = "Parameter 'max_cpu_throttle' expects an integer "
					"in the range of cpu_throttle_initial to 99";
	struct parameters parameters = fresh();
	struct gw_error err;

	CHECK_OK(parameters_set_number(&parameters, PARAMETER_MAX_CPU_THROTTLE, 50, &err),
		 &err);
	CHECK_OK(parameters_set_number(&parameters, PARAMETER_CPU_THROTTLE_INITIAL, 50,
				       &err),
		 &err);
	CHECK_EQ(parameters_set_number(&parameters, PARAMETER_CPU_THROTTLE_INITIAL, 51,
				       &err),
		 -1);
	CHECK_STR(err.text, text);
	CHECK_EQ(parameter(&parameters, PARAMETER_CPU_THROTTLE_INITIAL), 50);
	CHECK_EQ(parameters_set_number(&parameters, PARAMETER_MAX_CPU_THROTTLE, 49, &err),
		 -1);
	CHECK_STR(err.text, text);
	/* Both at once get to where one after the other could not. */
	CHECK_OK(parameters_put_number(&parameters, PARAMETER_CPU_THROTTLE_INITIAL, 70,
				       &err),
		 &err);
	CHECK_OK(parameters_put_number(&parameters, PARAMETER_MAX_CPU_THROTTLE, 70, &err),
		 &err);
	CHECK_OK(parameters_check(&parameters, &err), &err);
}

TEST(sender_options_say_what_was_set)
{
	struct parameters parameters = fresh();
	struct capabilities capabilities = { 0 };
	struct sender_options options = { .patience_ms = 7, .channel_count = 99 };
	struct gw_error err;

	parameters_apply(&parameters, &capabilities, &options);
	CHECK_EQ(options.patience_ms, 7);
	CHECK_EQ(options.channel_count, 0);
	CHECK_EQ(options.method, CODEC_NONE);
	CHECK_EQ(options.max_bandwidth, 134217728);
	CHECK_EQ(options.downtime_limit_ms, 300);
	CHECK_EQ(options.accelerator, ACCELERATOR_AUTO);
	CHECK_EQ(options.accelerator_jobs, 16);
	CHECK(!options.return_path && !options.pause_before_switchover);
	CHECK(!options.switchover_ack && !options.auto_converge.on);

	for (unsigned id = 0; id < CAPABILITY_COUNT; id++)
		capabilities.on[id] = capability_specs[id].honoured;
	CHECK_OK(parameters_parse(&parameters, PARAMETER_MULTIFD_COMPRESSION, "zstd",
				  &err),
		 &err);
	CHECK_OK(parameters_parse(&parameters, PARAMETER_MULTIFD_ZSTD_LEVEL, "3", &err),
		 &err);
	CHECK_OK(parameters_parse(&parameters, PARAMETER_MULTIFD_CHANNELS, "16", &err),
		 &err);
	CHECK_OK(parameters_parse(&parameters, PARAMETER_COMPRESSION_ACCELERATOR,
				  "reference", &err),
		 &err);
	CHECK_OK(parameters_parse(&parameters, PARAMETER_COMPRESSION_ACCELERATOR_JOBS,
				  "5", &err),
		 &err);
	CHECK_OK(parameters_parse(&parameters, PARAMETER_MAX_BANDWIDTH, "0", &err), &err);
	CHECK_OK(parameters_parse(&parameters, PARAMETER_DOWNTIME_LIMIT, "50", &err),
		 &err);
	CHECK_OK(parameters_parse(&parameters, PARAMETER_CPU_THROTTLE_TAILSLOW, "on",
				  &err),
		 &err);
	CHECK_OK(parameters_parse(&parameters, PARAMETER_THROTTLE_TRIGGER_THRESHOLD, "61",
				  &err),
		 &err);
	CHECK_OK(parameters_parse(&parameters, PARAMETER_CPU_THROTTLE_INITIAL, "21",
				  &err),
		 &err);
	CHECK_OK(parameters_parse(&parameters, PARAMETER_CPU_THROTTLE_INCREMENT, "11",
				  &err),
		 &err);
	CHECK_OK(parameters_parse(&parameters, PARAMETER_MAX_CPU_THROTTLE, "88", &err),
		 &err);
	parameters_apply(&parameters, &capabilities, &options);
	CHECK_EQ(options.channel_count, 16);
	CHECK_EQ(options.method, CODEC_ZSTD);
	CHECK_EQ(options.level, 3);
	CHECK_EQ(options.accelerator, ACCELERATOR_REFERENCE);
	CHECK_EQ(options.accelerator_jobs, 5);
	CHECK_EQ(options.max_bandwidth, 0);
	CHECK_EQ(options.downtime_limit_ms, 50);
	CHECK(options.return_path && options.pause_before_switchover);
	CHECK(options.switchover_ack && options.auto_converge.on);
	CHECK(options.auto_converge.tailslow);
	CHECK_EQ(options.auto_converge.trigger_threshold_percent, 61);
	CHECK_EQ(options.auto_converge.initial_percent, 21);
	CHECK_EQ(options.auto_converge.increment_percent, 11);
	CHECK_EQ(options.auto_converge.max_percent, 88);
}

TEST_MAIN(TEST_OF(ranges_end_where_qemus_do), TEST_OF(every_number_has_its_range_tested),
	  TEST_OF(defaults_are_qemus_and_pass_their_own_check),
	  TEST_OF(names_are_found_with_dashes_and_underscores),
	  TEST_OF(values_of_another_type_are_refused), TEST_OF(methods_go_by_name),
	  TEST_OF(accelerators_go_by_name), TEST_OF(levels_follow_the_method),
	  TEST_OF(what_godwit_lacks_stays_at_its_default),
	  TEST_OF(throttle_limits_are_checked_against_each_other),
	  TEST_OF(sender_options_say_what_was_set))
