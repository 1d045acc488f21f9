/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* settings_test.c - parameters and capabilities as texts. */
#include "api/settings.h"

#include "tests/check.h"

static struct settings settings;

static void check_value(const char *name, const char *expected)
{
	char value[GW_VALUE_BYTES_MAX];
	struct gw_error err;

	CHECK_OK(settings_get(&settings, name, value, sizeof(value), &err), &err);
	CHECK_STR(value, expected);
}

static void set(const char *name, const char *value)
{
	struct gw_error err;

	CHECK_OK(settings_set(&settings, name, value, &err), &err);
	check_value(name, value);
}

static void check_refused(const char *name, const char *value, enum gw_error_kind kind,
			  const char *text)
{
	struct gw_error err;

	CHECK_EQ(settings_set(&settings, name, value, &err), -1);
	CHECK_STR(err.text, text);
	CHECK_EQ(err.kind, kind);
}

TEST(defaults_are_qemus_but_for_the_return_path)
{
	settings_init(&settings);
	check_value("max-bandwidth", "134217728");
	check_value("downtime-limit", "300");
	check_value("multifd-channels", "2");
	check_value("multifd-compression", "none");
	check_value("cpu-throttle-tailslow", "off");
	check_value("tls-creds", "");
	check_value("compression-accelerator", "auto");
	check_value("compression-accelerator-jobs", "16");
	check_value("multifd", "off");
	check_value("return-path", "on");
}

TEST(what_is_set_is_read_back)
{
	settings_init(&settings);
	set("max-bandwidth", "0");
	set("max-bandwidth", "18446744073709551615");
	set("downtime-limit", "50");
	set("multifd-channels", "16");
	set("multifd-compression", "zstd");
	set("multifd-zstd-level", "20");
	set("multifd-compression", "qatzip");
	set("multifd-qatzip-level", "9");
	set("compression-accelerator", "qpl");
	set("compression-accelerator-jobs", "128");
	set("cpu-throttle-tailslow", "on");
	set("multifd", "on");
	set("auto-converge", "on");
	set("return-path", "off");
	/* As QEMU's monitor spells it. */
	set("multifd_zlib_level", "9");
	check_value("multifd-zlib-level", "9");
}

TEST(refusals_are_in_qemus_words)
{
	settings_init(&settings);
	check_refused("multifd-channels", "0", GW_USAGE,
		      "Parameter 'multifd_channels' expects a value between 1 and 255");
	check_refused("multifd-channels", "256", GW_USAGE,
		      "Parameter 'multifd-channels' expects uint8_t");
	check_refused(
		"downtime-limit", "2000001", GW_USAGE,
		"Parameter 'downtime_limit' expects an integer in the range of 0 to "
		"(2000 * 1000) ms");
	check_refused("multifd-compression", "lzma", GW_USAGE,
		      "Parameter 'multifd-compression' does not accept value 'lzma'");
	check_refused("multifd-qatzip-level", "0", GW_USAGE,
		      "Parameter 'multifd_qatzip_level' expects a value between 1 and 9");
	check_refused("compression-accelerator", "iaa", GW_USAGE,
		      "Parameter 'compression-accelerator' does not accept value 'iaa': "
		      "it expects auto, none, qpl, qatzip, uadk, reference or simulated");
	check_refused("multifd", "yes", GW_USAGE,
		      "Parameter 'multifd' expects 'on' or 'off'");
	check_refused("bandwidth", "1", GW_USAGE, "Parameter 'bandwidth' is unexpected");
	check_refused("xbzrle", "on", GW_UNSUPPORTED,
		      "Capability 'xbzrle' is not supported by godwit");
	check_value("multifd-channels", "2");
	check_value("multifd", "off");
}

TEST(numbers_are_plain)
{
	const char *const odd[] = { "",	  " 1",	  "1 ", "+1",
				    "-1", "0x10", "1M", "18446744073709551616" };

	settings_init(&settings);
	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++)
		check_refused("max-bandwidth", odd[i], GW_USAGE,
			      "Parameter 'max-bandwidth' expects uint64");
	check_value("max-bandwidth", "134217728");
}

TEST(capabilities_that_need_another_say_so)
{
	settings_init(&settings);
	set("return-path", "off");
	check_refused("switchover-ack", "on", GW_USAGE,
		      "Capability 'switchover-ack' requires capability 'return-path'");
	set("return-path", "on");
	set("switchover-ack", "on");
	check_refused("return-path", "off", GW_USAGE,
		      "Capability 'switchover-ack' requires capability 'return-path'");
	check_value("return-path", "on");
}

TEST(no_value_is_cut)
{
	struct gw_error err;
	char value[10];

	settings_init(&settings);
	CHECK_EQ(settings_get(&settings, "max-bandwidth", value, 9, &err), -1);
	CHECK_EQ(err.kind, GW_USAGE);
	CHECK_STR(err.text,
		  "max-bandwidth: 9 bytes are too little room for \"134217728\"");
	CHECK_OK(settings_get(&settings, "max-bandwidth", value, 10, &err), &err);
	CHECK_EQ(settings_get(&settings, "no\n", value, 10, &err), -1);
	CHECK_STR(err.text, "Parameter 'no\\x0a' is unexpected");
}

TEST_MAIN(TEST_OF(defaults_are_qemus_but_for_the_return_path),
	  TEST_OF(what_is_set_is_read_back), TEST_OF(refusals_are_in_qemus_words),
	  TEST_OF(numbers_are_plain), TEST_OF(capabilities_that_need_another_say_so),
	  TEST_OF(no_value_is_cut))
