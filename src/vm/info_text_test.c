/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* info_text_test.c - parameters and capabilities as the human monitor shows them. */
#include "tests/check.h"
#include "vm/migration_info.h"

/* QEMU 7.2's own lines, in order; ours have some more between and behind them. */
static void check_has_lines(const char *text, const char *const *lines, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const char *at = strstr(text, lines[i]);
		size_t length = strlen(lines[i]);

		if (!at || strncmp(at + length, "\r\n", 2) != 0)
			CHECK_FAIL("no line \"%s\" in its place", lines[i]);
		text = at + length + 2;
	}
}

TEST(parameters_are_shown_as_qemu_does)
{
	static const char *const recorded[] = {
		"announce-initial: 50 ms",
		"announce-max: 550 ms",
		"announce-rounds: 5",
		"announce-step: 100 ms",
		"compress-level: 1",
		"compress-threads: 8",
		"compress-wait-thread: on",
		"decompress-threads: 2",
		"throttle-trigger-threshold: 50",
		"cpu-throttle-initial: 20",
		"cpu-throttle-increment: 10",
		"cpu-throttle-tailslow: off",
		"max-cpu-throttle: 99",
		"tls-creds: ''",
		"tls-hostname: ''",
		"max-bandwidth: 134217728 bytes/second",
		"downtime-limit: 300 ms",
		"x-checkpoint-delay: 20000 ms",
		"block-incremental: off",
		"multifd-channels: 2",
		"multifd-compression: none",
		"xbzrle-cache-size: 67108864 bytes",
		"max-postcopy-bandwidth: 0",
		"tls-authz: ''",
	};
	size_t count = sizeof(recorded) / sizeof(recorded[0]), lines = 0;
	struct parameters parameters;
	char *text;

	parameters_init(&parameters);
	text = parameters_text(&parameters);
	CHECK(text);
	check_has_lines(text, recorded, count);
	CHECK_CONTAINS(text, "multifd-zlib-level: 1\r\n");
	CHECK_CONTAINS(text, "multifd-zstd-level: 1\r\n");
	CHECK_CONTAINS(text, "avail-switchover-bandwidth: 0 bytes/second\r\n");
	CHECK_CONTAINS(text, "multifd-qatzip-level: 1\r\n"
			     "compression-accelerator: auto\r\n"
			     "compression-accelerator-jobs: 16\r\n");
	for (const char *at = text; (at = strstr(at, "\r\n")); at += 2)
		lines++;
	CHECK_EQ(lines, PARAMETER_COUNT);
	free(text);
}

TEST(capabilities_are_on_or_off)
{
	struct capabilities capabilities = { .on[CAPABILITY_EVENTS] = true };
	const char *lines[CAPABILITY_COUNT];
	char expected[CAPABILITY_COUNT][64];
	char *text = capabilities_text(&capabilities);
	size_t length = 0;

	CHECK(text);
	for (unsigned id = 0; id < CAPABILITY_COUNT; id++) {
		snprintf(expected[id], sizeof(expected[id]), "%s: %s",
			 capability_specs[id].name,
			 id == CAPABILITY_EVENTS ? "on" : "off");
		lines[id] = expected[id];
		length += strlen(lines[id]) + 2;
	}
	check_has_lines(text, lines, CAPABILITY_COUNT);
	CHECK_EQ(strlen(text), length);
	free(text);
}

TEST_MAIN(TEST_OF(parameters_are_shown_as_qemu_does), TEST_OF(capabilities_are_on_or_off))
