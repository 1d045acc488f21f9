/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* migration_uri_test.c - what leads somewhere, and what is refused by name. */
#include "vm/migration_uri.h"

#include "tests/check.h"

static void parses(const char *uri, enum address_kind kind)
{
	struct address address;
	struct gw_error err;

	for (int incoming = 0; incoming <= 1; incoming++) {
		CHECK_EQ(migration_uri_parse(uri, incoming, &address, &err), 0);
		CHECK_EQ(address.kind, kind);
		CHECK_STR(address.uri, uri);
	}
}

static void refuses(const char *uri, bool incoming, enum gw_error_kind kind,
		    const char *text)
{
	struct address address;
	struct gw_error err = { 0 };

	CHECK_EQ(migration_uri_parse(uri, incoming, &address, &err), -1);
	CHECK_EQ(err.kind, kind);
	CHECK_STR(err.text, text);
}

TEST(sockets_and_descriptors_are_there)
{
	parses("tcp:[::1]:4444", ADDRESS_TCP);
	parses("unix:/run/there", ADDRESS_UNIX);
	parses("fd:7", ADDRESS_FD);
}

TEST(what_only_qemu_has_is_refused_by_name)
{
	refuses("exec:cat", false, GW_UNSUPPORTED,
		"godwit does not migrate by exec:; tcp:HOST:PORT, unix:PATH and fd:N are "
		"there");
	refuses("file:/tmp/x", true, GW_UNSUPPORTED,
		"godwit does not migrate by file:; tcp:HOST:PORT, unix:PATH and fd:N are "
		"there");
}

TEST(nonsense_is_refused_as_qemu_does)
{
	refuses("foo:bar", false, GW_USAGE,
		"Parameter 'uri' expects a valid migration protocol");
	refuses("foo:bar", true, GW_USAGE, "unknown migration protocol: foo:bar");
	refuses("\xff\n", true, GW_USAGE, "unknown migration protocol: \\xff\\x0a");
	refuses("tcp:", false, GW_USAGE, "address \"tcp:\": expected tcp:HOST:PORT");
}

static void finds(json_t *arguments, const char *expected)
{
	char uri[MIGRATION_URI_BYTES];
	struct gw_error err = { 0 };

	if (migration_uri_find(arguments, uri, &err) < 0)
		CHECK_FAIL("%s", err.text);
	json_decref(arguments);
	CHECK_STR(uri, expected);
}

static void finds_none(json_t *arguments, const char *text)
{
	char uri[MIGRATION_URI_BYTES];
	struct gw_error err = { 0 };

	CHECK_EQ(migration_uri_find(arguments, uri, &err), -1);
	json_decref(arguments);
	CHECK_STR(err.text, text);
}

static json_t *channel(const char *type, json_t *address)
{
	return json_pack("{s[{ss so}]}", "channels", "channel-type", type, "addr",
			 address);
}

TEST(uris_and_channels_say_the_same)
{
	finds(json_pack("{ss}", "uri", "anything"), "anything");
	finds(channel("main", json_pack("{ss ss ss ss}", "transport", "socket", "type",
					"inet", "host", "there", "port", "4444")),
	      "tcp:there:4444");
	finds(channel("main", json_pack("{ss ss ss ss}", "transport", "socket", "type",
					"inet", "host", "::1", "port", "4444")),
	      "tcp:[::1]:4444");
	finds(channel("main", json_pack("{ss ss ss}", "transport", "socket", "type",
					"unix", "path", "/there")),
	      "unix:/there");
	finds(channel("main", json_pack("{ss ss ss}", "transport", "socket", "type", "fd",
					"str", "7")),
	      "fd:7");
}

TEST(other_channels_are_refused)
{
	static char long_text[2 * MIGRATION_URI_BYTES];
	const char *one = "channels: one of channel-type main is expected";
	const char *kind =
		"channels: transport socket and type inet, unix or fd are expected";

	memset(long_text, 'x', sizeof(long_text) - 1);
	finds_none(json_object(), "Parameter 'uri' is missing");
	finds_none(json_pack("{ss s[]}", "uri", "tcp:x:1", "channels"),
		   "'uri' and 'channels' arguments are mutually exclusive");
	finds_none(json_pack("{s[]}", "channels"), one);
	finds_none(json_pack("{s[ii]}", "channels", 1, 2), one);
	finds_none(channel("cpr", json_object()), one);
	finds_none(channel("main", json_object()), kind);
	finds_none(channel("main", json_null()), kind);
	finds_none(channel("main",
			   json_pack("{ss ss}", "transport", "socket", "type", "inet")),
		   kind);
	finds_none(channel("main",
			   json_pack("{ss ss}", "transport", "exec", "path", "x")),
		   kind);
	finds_none(channel("main", json_pack("{ss ss ss}", "transport", "socket", "type",
					     "unix", "path", long_text)),
		   "channels: an address of 2052 bytes, at most 1023");
	finds_none(json_pack("{ss}", "uri", long_text),
		   "Parameter 'uri' has 2047 bytes, at most 1023");
}

TEST_MAIN(TEST_OF(sockets_and_descriptors_are_there),
	  TEST_OF(what_only_qemu_has_is_refused_by_name),
	  TEST_OF(nonsense_is_refused_as_qemu_does),
	  TEST_OF(uris_and_channels_say_the_same), TEST_OF(other_channels_are_refused))
