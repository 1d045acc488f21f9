/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* parameters_parse_test.c - what the human monitor takes, and how QEMU 7.2's refuses it. */
#include "migrate/parameters.h"
#include "tests/check.h"

/* What becomes of `text`; the parameter's number when it was taken. */
static int parse(enum parameter_id id, const char *text, uint64_t *number,
		 struct gw_error *err)
{
	struct parameters parameters;
	uint64_t before;
	int result;

	parameters_init(&parameters);
	before = parameter(&parameters, id);
	result = parameters_parse(&parameters, id, text, err);
	*number = parameter(&parameters, id);
	if (result < 0) {
		CHECK_EQ(result, -1);
		CHECK_EQ(err->kind, GW_USAGE);
		CHECK(*number == before);
	}
	return result;
}

static void check_taken(enum parameter_id id, const char *text, uint64_t expected)
{
	struct gw_error err;
	uint64_t number;

	if (parse(id, text, &number, &err) < 0)
		CHECK_FAIL("\"%s\": %s", text, err.text);
	if (number != expected)
		CHECK_FAIL("\"%s\" is %" PRIu64 ", expected %" PRIu64, text, number,
			   expected);
}

static void check_refused(enum parameter_id id, const char *text, const char *why)
{
	struct gw_error err;
	uint64_t number;

	if (parse(id, text, &number, &err) == 0)
		CHECK_FAIL("\"%s\" was taken as %" PRIu64, text, number);
	CHECK_STR(err.text, why);
}

TEST(bandwidth_is_in_mib_unless_a_suffix_says_otherwise)
{
	static const struct {
		const char *text;
		uint64_t bytes;
	} taken[] = {
		{ "0", 0 },
		{ "1", 1048576 },
		{ "1.5", 1572864 },
		{ "1.", 1048576 },
		{ "1.1", 1153434 },
		{ "0.3", 314573 },
		{ "4097", 4296015872 },
		{ "0x1000", 4294967296 },
		{ "4096b", 4096 },
		{ "4096B", 4096 },
		{ "0.5k", 512 },
		{ "1k", 1024 },
		{ "1K", 1024 },
		{ "1M", 1048576 },
		{ "1.5G", 1610612736 },
		{ "1T", UINT64_C(1) << 40 },
		{ "1P", UINT64_C(1) << 50 },
		{ "1E", UINT64_C(1) << 60 },
		{ "9223372036854775807b", INT64_MAX },
	};
	static const char *const refused[] = {
		"",
		"-1",
		"abc",
		".5",
		"1e3",
		"1kk",
		"1.5B",
		"0x",
		"inf",
		"nan",
		"16E",
		"17592186044416",
		"18446744073709551615b",
		"9223372036854775808b",
		"18446744073709551616",
		"999999999999T",
	};

	for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++)
		check_taken(PARAMETER_MAX_BANDWIDTH, taken[i].text, taken[i].bytes);
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		char why[80];

		snprintf(why, sizeof(why), "Invalid size %s", refused[i]);
		check_refused(PARAMETER_MAX_BANDWIDTH, refused[i], why);
		check_refused(PARAMETER_AVAIL_SWITCHOVER_BANDWIDTH, refused[i], why);
	}
}

TEST(milliseconds_take_the_suffixes_of_sizes)
{
	static const char *const nonsense[] = { "",    "-1",  "1.5", "abc",
						"1e3", "1kk", ".5",  "0x" };

	check_taken(PARAMETER_DOWNTIME_LIMIT, "1", 1);
	check_taken(PARAMETER_DOWNTIME_LIMIT, "1k", 1024);
	check_taken(PARAMETER_DOWNTIME_LIMIT, "1M", 1048576);
	check_taken(PARAMETER_DOWNTIME_LIMIT, "0x1000", 4096);
	check_taken(PARAMETER_DOWNTIME_LIMIT, "0.5k", 512);
	check_taken(PARAMETER_DOWNTIME_LIMIT, "2000000", 2000000);
	check_refused(PARAMETER_DOWNTIME_LIMIT, "2000001",
		      "Parameter 'downtime_limit' expects an integer in the range of 0 "
		      "to (2000 * 1000) ms");
	check_refused(PARAMETER_DOWNTIME_LIMIT, "16E",
		      "Value '16E' is out of range for parameter 'downtime-limit'");
	check_refused(PARAMETER_DOWNTIME_LIMIT, "18446744073709551616",
		      "Value '18446744073709551616' is out of range for parameter "
		      "'downtime-limit'");
	for (size_t i = 0; i < sizeof(nonsense) / sizeof(nonsense[0]); i++)
		check_refused(PARAMETER_DOWNTIME_LIMIT, nonsense[i],
			      "Parameter 'downtime-limit' expects a non-negative number "
			      "below 2^64");
}

TEST(small_numbers_are_plain_integers)
{
	static const char *const nonsense[] = {
		"", "4k", "abc", "4x", "1.5", "1-3", "99999999999999999999",
	};

	check_taken(PARAMETER_MULTIFD_CHANNELS, "4", 4);
	check_taken(PARAMETER_MULTIFD_CHANNELS, "255", 255);
	check_taken(PARAMETER_MULTIFD_CHANNELS, "0x10", 16);
	check_taken(PARAMETER_MULTIFD_CHANNELS, "010", 8);
	check_refused(PARAMETER_MULTIFD_CHANNELS, "0",
		      "Parameter 'multifd_channels' expects a value between 1 and 255");
	check_refused(PARAMETER_MULTIFD_CHANNELS, "256",
		      "Parameter 'multifd-channels' expects uint8_t");
	check_refused(PARAMETER_MULTIFD_CHANNELS, "-1",
		      "Parameter 'multifd-channels' expects uint8_t");
	check_refused(PARAMETER_X_CHECKPOINT_DELAY, "4294967296",
		      "Parameter 'x-checkpoint-delay' expects uint32_t");
	for (size_t i = 0; i < sizeof(nonsense) / sizeof(nonsense[0]); i++)
		check_refused(PARAMETER_MULTIFD_CHANNELS, nonsense[i],
			      "Parameter 'multifd-channels' expects uint64");
}

TEST(switches_are_words)
{
	static const char *const on[] = { "on", "yes", "true", "y" };
	static const char *const off[] = { "off", "no", "false", "n" };
	static const char *const refused[] = { "", "1", "0", "ON", "True", "onn" };

	for (size_t i = 0; i < 4; i++) {
		check_taken(PARAMETER_CPU_THROTTLE_TAILSLOW, on[i], 1);
		check_taken(PARAMETER_CPU_THROTTLE_TAILSLOW, off[i], 0);
	}
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
		check_refused(PARAMETER_CPU_THROTTLE_TAILSLOW, refused[i],
			      "Parameter 'cpu-throttle-tailslow' expects 'on' or 'off'");
}

TEST(methods_and_accelerators_are_words)
{
	check_taken(PARAMETER_MULTIFD_COMPRESSION, "zstd", CODEC_ZSTD);
	check_taken(PARAMETER_MULTIFD_COMPRESSION, "qatzip", CODEC_QATZIP);
	check_taken(PARAMETER_COMPRESSION_ACCELERATOR, "none", ACCELERATOR_NONE);
	check_taken(PARAMETER_COMPRESSION_ACCELERATOR_JOBS, "0x80", 128);
	check_refused(PARAMETER_MULTIFD_COMPRESSION, "Zlib",
		      "Parameter 'multifd-compression' does not accept value 'Zlib'");
	check_refused(PARAMETER_MULTIFD_COMPRESSION, "\033[m",
		      "Parameter 'multifd-compression' does not accept value '\\x1b[m'");
	check_refused(PARAMETER_COMPRESSION_ACCELERATOR, "QPL",
		      "Parameter 'compression-accelerator' does not accept value 'QPL': "
		      "it expects auto, none, qpl, qatzip, uadk, reference or simulated");
	check_refused(PARAMETER_COMPRESSION_ACCELERATOR_JOBS, "129",
		      "Parameter 'compression_accelerator_jobs' expects a value between "
		      "1 and 128");
}

TEST(cache_sizes_of_2_to_the_63_are_no_sizes)
{
	check_taken(PARAMETER_XBZRLE_CACHE_SIZE, "64M", 67108864);
	check_refused(PARAMETER_XBZRLE_CACHE_SIZE, "9223372036854775808b",
		      "Invalid size 9223372036854775808b");
	check_refused(PARAMETER_XBZRLE_CACHE_SIZE, "4097",
		      "Parameter 'xbzrle_cache_size' expects a power of two no less than "
		      "the target page size");
	check_refused(PARAMETER_XBZRLE_CACHE_SIZE, "16E",
		      "Value '16E' is out of range for parameter 'xbzrle-cache-size'");
}

TEST_MAIN(TEST_OF(bandwidth_is_in_mib_unless_a_suffix_says_otherwise),
	  TEST_OF(milliseconds_take_the_suffixes_of_sizes),
	  TEST_OF(small_numbers_are_plain_integers), TEST_OF(switches_are_words),
	  TEST_OF(methods_and_accelerators_are_words),
	  TEST_OF(cache_sizes_of_2_to_the_63_are_no_sizes))
