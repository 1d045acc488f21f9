/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* address_test.c - every spelling that is taken, and why others are not. */
#include "channel/address.h"

#include "tests/check.h"

static void check_refused(const char *uri, const char *text)
{
	struct address address, untouched;
	struct gw_error err = { 0 };

	memset(&address, 0x5a, sizeof(address));
	untouched = address;
	if (address_parse(&address, uri, &err) != -1)
		CHECK_FAIL("\"%s\" was taken", uri);
	CHECK_EQ(err.kind, GW_USAGE);
	CHECK_STR(err.text, text);
	CHECK(memcmp(&address, &untouched, sizeof(address)) == 0);
}

static void check_tcp(const char *uri, const char *host, const char *port)
{
	struct address address;
	struct gw_error err = { 0 };

	CHECK_OK(address_parse(&address, uri, &err), &err);
	CHECK_EQ(address.kind, ADDRESS_TCP);
	CHECK_STR(address.uri, uri);
	CHECK_STR(address.host, host);
	CHECK_STR(address.port, port);
	CHECK_EQ(address.fd, -1);
	CHECK(address_is_socket(&address));
}

TEST(tcp_takes_names_addresses_and_every_port)
{
	check_tcp("tcp:localhost:4444", "localhost", "4444");
	check_tcp("tcp:host-1.example_x.org:1", "host-1.example_x.org", "1");
	check_tcp("tcp:127.0.0.1:0", "127.0.0.1", "0");
	check_tcp("tcp:127.0.0.1:65535", "127.0.0.1", "65535");
	check_tcp("tcp:127.0.0.1:00080", "127.0.0.1", "80");
	check_tcp("tcp::4444", "", "4444");
}

TEST(tcp_takes_ipv6_in_brackets)
{
	check_tcp("tcp:[::1]:4444", "::1", "4444");
	check_tcp("tcp:[::]:0", "::", "0");
	check_tcp("tcp:[::ffff:10.0.0.1]:9", "::ffff:10.0.0.1", "9");
	check_tcp("tcp:[fe80::1%eth0.5]:9", "fe80::1%eth0.5", "9");
}

TEST(tcp_refuses_ports_out_of_range)
{
	check_refused("tcp:h:65536",
		      "address \"tcp:h:65536\": port \"65536\", expected 0 to 65535");
	check_refused("tcp:h:18446744073709551617",
		      "address \"tcp:h:18446744073709551617\": "
		      "port \"18446744073709551617\", expected 0 to 65535");
	check_refused("tcp:h:", "address \"tcp:h:\": port \"\", expected 0 to 65535");
	check_refused("tcp:h:-1",
		      "address \"tcp:h:-1\": port \"-1\", expected 0 to 65535");
	check_refused("tcp:h:http",
		      "address \"tcp:h:http\": port \"http\", expected 0 to 65535");
}

TEST(tcp_refuses_what_is_no_host_and_port)
{
	check_refused("tcp:", "address \"tcp:\": expected tcp:HOST:PORT");
	check_refused("tcp:host", "address \"tcp:host\": expected tcp:HOST:PORT");
	check_refused("tcp:a b:1", "address \"tcp:a b:1\": a host name has no \" \"");
	check_refused("tcp:\303\244:1",
		      "address \"tcp:\\xc3\\xa4:1\": a host name has no \"\\xc3\"");
	check_refused("tcp:::1:4444",
		      "address \"tcp:::1:4444\": "
		      "an IPv6 address goes in brackets: tcp:[ADDRESS]:PORT");
	check_refused("tcp:[::1]", "address \"tcp:[::1]\": expected tcp:[ADDRESS]:PORT");
	check_refused("tcp:[::1", "address \"tcp:[::1\": expected tcp:[ADDRESS]:PORT");
	check_refused("tcp:[::1]4444",
		      "address \"tcp:[::1]4444\": expected tcp:[ADDRESS]:PORT");
	check_refused("tcp:[]:1",
		      "address \"tcp:[]:1\": no IPv6 address in the brackets");
	check_refused("tcp:[localhost]:1",
		      "address \"tcp:[localhost]:1\": no IPv6 address in the brackets");
	check_refused("tcp:[fe80::1%]:1",
		      "address \"tcp:[fe80::1%]:1\": no IPv6 address in the brackets");
	check_refused("tcp:[fe80::1%a/b]:1",
		      "address \"tcp:[fe80::1%a/b]:1\": no IPv6 address in the brackets");
}

TEST(options_of_qemu_are_refused_by_name)
{
	check_refused("tcp:h:1,ipv4=on",
		      "address \"tcp:h:1,ipv4=on\": option \"ipv4=on\" is not supported");
	check_refused("tcp:[::1]:1,to=9",
		      "address \"tcp:[::1]:1,to=9\": option \"to=9\" is not supported");
	check_refused("file:/a,offset=0x10", "address \"file:/a,offset=0x10\": "
					     "option \"offset=0x10\" is not supported");
}

/* "tcp:", `length` times 'h', ":1". */
static void long_host(char *uri, size_t length)
{
	memcpy(uri, "tcp:", 4);
	memset(uri + 4, 'h', length);
	strcpy(uri + 4 + length, ":1");
}

TEST(host_fits_or_is_refused_with_its_length)
{
	struct address address;
	struct gw_error err = { 0 };
	char uri[300];

	long_host(uri, 255);
	CHECK_OK(address_parse(&address, uri, &err), &err);
	CHECK_EQ(strlen(address.host), 255);
	long_host(uri, 256);
	CHECK_EQ(address_parse(&address, uri, &err), -1);
	CHECK_CONTAINS(err.text, "host of 256 bytes, at most 255");
}

static int parse_long(const char *scheme, size_t path_bytes, struct address *address,
		      struct gw_error *err)
{
	char uri[600];
	size_t prefix = strlen(scheme);

	memcpy(uri, scheme, prefix);
	memset(uri + prefix, 'p', path_bytes);
	uri[prefix + path_bytes] = '\0';
	return address_parse(address, uri, err);
}

TEST(unix_path_fits_a_socket_address_or_is_refused_with_its_length)
{
	struct address address;
	struct gw_error err = { 0 };

	CHECK_OK(parse_long("unix:", 107, &address, &err), &err);
	CHECK_EQ(address.kind, ADDRESS_UNIX);
	CHECK_EQ(strlen(address.path), 107);
	CHECK(address_is_socket(&address));
	CHECK_EQ(parse_long("unix:", 108, &address, &err), -1);
	CHECK_EQ(err.kind, GW_USAGE);
	CHECK_CONTAINS(err.text, "path of 108 bytes, at most 107");
	check_refused("unix:", "address \"unix:\": the path is missing");
}

TEST(uri_is_bounded)
{
	struct address address;
	struct gw_error err = { 0 };

	CHECK_OK(parse_long("file:", 506, &address, &err), &err);
	CHECK_EQ(strlen(address.uri), 511);
	CHECK_EQ(strlen(address.path), 506);
	CHECK_EQ(parse_long("file:", 507, &address, &err), -1);
	CHECK_CONTAINS(err.text, "512 bytes long, at most 511");
}

TEST(file_path_may_hold_anything_printable)
{
	struct address address;
	struct gw_error err = { 0 };

	CHECK_OK(address_parse(&address, "file:/a b/\303\244:1,x", &err), &err);
	CHECK_EQ(address.kind, ADDRESS_FILE);
	CHECK_STR(address.path, "/a b/\303\244:1,x");
	CHECK(!address_is_socket(&address));
	check_refused("file:", "address \"file:\": the path is missing");
	check_refused("file:a\033[2J",
		      "address \"file:a\\x1b[2J\": has a control character");
}

TEST(fd_is_a_number)
{
	struct address address;
	struct gw_error err = { 0 };

	CHECK_OK(address_parse(&address, "fd:0", &err), &err);
	CHECK_EQ(address.kind, ADDRESS_FD);
	CHECK_EQ(address.fd, 0);
	CHECK(!address_is_socket(&address));
	CHECK_OK(address_parse(&address, "fd:2147483647", &err), &err);
	CHECK_EQ(address.fd, 2147483647);
	check_refused("fd:2147483648",
		      "address \"fd:2147483648\": descriptor \"2147483648\", "
		      "expected a number up to 2147483647");
	check_refused("fd:migrate", "address \"fd:migrate\": descriptor \"migrate\", "
				    "expected a number up to 2147483647");
	check_refused("fd:", "address \"fd:\": descriptor \"\", "
			     "expected a number up to 2147483647");
}

TEST(other_schemes_are_refused_with_those_there_are)
{
	static const char *const others[] = { "",	  "tcp",       "exec:cat",
					      "rdma:h:1", "vsock:2:1", "/tmp/socket",
					      "TCP:h:1",  " tcp:h:1" };

	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		char text[256];

		snprintf(text, sizeof(text),
			 "address \"%s\": expected tcp:HOST:PORT, unix:PATH, fd:N or "
			 "file:PATH",
			 others[i]);
		check_refused(others[i], text);
	}
}

TEST_MAIN(TEST_OF(tcp_takes_names_addresses_and_every_port),
	  TEST_OF(tcp_takes_ipv6_in_brackets), TEST_OF(tcp_refuses_ports_out_of_range),
	  TEST_OF(tcp_refuses_what_is_no_host_and_port),
	  TEST_OF(options_of_qemu_are_refused_by_name),
	  TEST_OF(host_fits_or_is_refused_with_its_length),
	  TEST_OF(unix_path_fits_a_socket_address_or_is_refused_with_its_length),
	  TEST_OF(uri_is_bounded), TEST_OF(file_path_may_hold_anything_printable),
	  TEST_OF(fd_is_a_number),
	  TEST_OF(other_schemes_are_refused_with_those_there_are))
