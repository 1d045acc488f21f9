/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* address.c - where a channel leads, in QEMU's URI spelling. */
#include "channel/address.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <limits.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

/* With its NUL; sun_path needs none, but tools that print it do. */
#define UNIX_PATH_BYTES (sizeof(((struct sockaddr_un *)0)->sun_path) - 1)

/* The reason comes after a piece of the address that leaves room for it. */
__attribute__((format(printf, 3, 4))) static int refuse(struct gw_error *err,
							const char *uri,
							const char *format, ...)
{
	char shown[72], reason[160], printed[168];
	va_list args;

	va_start(args, format);
	vsnprintf(reason, sizeof(reason), format, args);
	va_end(args);
	printable(shown, sizeof(shown), uri, (unsigned)strnlen(uri, sizeof(shown)));
	printable(printed, sizeof(printed), reason, (unsigned)strlen(reason));
	return fail(err, GW_USAGE, "address \"%s\": %s", shown, printed);
}

/* Digits and nothing else, up to `most`. */
static bool parse_number(const char *text, uint32_t most, uint32_t *number)
{
	uint64_t value = 0;

	if (*text == '\0')
		return false;
	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			return false;
		value = value * 10 + (uint64_t)(*text - '0');
		if (value > most)
			return false;
	}
	*number = (uint32_t)value;
	return true;
}

/* ASCII, whatever the locale says. */
static bool is_host_character(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
	       (c >= 'A' && c <= 'Z') || c == '.' || c == '-' || c == '_';
}

/* The first character that a host name cannot have, or its NUL. */
static const char *odd_character(const char *host)
{
	while (is_host_character(*host))
		host++;
	return host;
}

/* An address with, for link-local ones, "%interface". */
static bool is_ipv6(const char *host)
{
	char bare[INET6_ADDRSTRLEN];
	size_t length = strcspn(host, "%");
	struct in6_addr address;

	if (length >= sizeof(bare))
		return false;
	memcpy(bare, host, length);
	bare[length] = '\0';
	if (inet_pton(AF_INET6, bare, &address) != 1)
		return false;
	if (host[length] == '\0')
		return true;
	host += length + 1;
	return *host && *odd_character(host) == '\0';
}

static int parse_tcp(struct address *to, const char *rest, struct gw_error *err)
{
	bool bracketed = *rest == '[';
	const char *host = rest + (bracketed ? 1 : 0);
	const char *end = strchr(host, bracketed ? ']' : ':');
	const char *port;
	uint32_t number;
	size_t length;

	if (bracketed && (!end || end[1] != ':'))
		return refuse(err, to->uri, "expected tcp:[ADDRESS]:PORT");
	if (!end)
		return refuse(err, to->uri, "expected tcp:HOST:PORT");
	length = (size_t)(end - host);
	port = end + (bracketed ? 2 : 1);
	if (length >= sizeof(to->host))
		return refuse(err, to->uri, "host of %zu bytes, at most %zu", length,
			      sizeof(to->host) - 1);
	memcpy(to->host, host, length);
	to->host[length] = '\0';
	if (bracketed && !is_ipv6(to->host))
		return refuse(err, to->uri, "no IPv6 address in the brackets");
	if (!bracketed && *odd_character(to->host))
		return refuse(err, to->uri, "a host name has no \"%c\"",
			      *odd_character(to->host));

	/* QEMU's inet options: to=, ipv4=, keep-alive= and others. */
	length = strcspn(port, ",");
	if (port[length] == ',')
		return refuse(err, to->uri, "option \"%.40s\" is not supported",
			      port + length + 1);
	if (strchr(port, ':'))
		return refuse(err, to->uri,
			      "an IPv6 address goes in brackets: tcp:[ADDRESS]:PORT");
	if (!parse_number(port, UINT16_MAX, &number))
		return refuse(err, to->uri, "port \"%.24s\", expected 0 to 65535", port);
	snprintf(to->port, sizeof(to->port), "%u", (unsigned)(uint16_t)number);
	return 0;
}

static int parse_path(struct address *to, const char *rest, size_t most,
		      struct gw_error *err)
{
	size_t length = strlen(rest);

	if (length == 0)
		return refuse(err, to->uri, "the path is missing");
	if (length > most)
		return refuse(err, to->uri, "path of %zu bytes, at most %zu", length,
			      most);
	memcpy(to->path, rest, length + 1);
	return 0;
}

static int parse_unix(struct address *to, const char *rest, struct gw_error *err)
{
	return parse_path(to, rest, UNIX_PATH_BYTES, err);
}

static int parse_file(struct address *to, const char *rest, struct gw_error *err)
{
	/* QEMU 8.2 and later: file:PATH,offset=N. */
	const char *option = strstr(rest, ",offset=");

	if (option)
		return refuse(err, to->uri, "option \"%.40s\" is not supported",
			      option + 1);
	return parse_path(to, rest, sizeof(to->path) - 1, err);
}

static int parse_fd(struct address *to, const char *rest, struct gw_error *err)
{
	uint32_t number;

	if (!parse_number(rest, INT_MAX, &number))
		return refuse(err, to->uri,
			      "descriptor \"%.24s\", expected a number up to %d", rest,
			      INT_MAX);
	to->fd = (int)number;
	return 0;
}

int address_parse(struct address *address, const char *uri, struct gw_error *err)
{
	static const struct {
		const char *prefix;
		enum address_kind kind;
		int (*parse)(struct address *to, const char *rest, struct gw_error *err);
	} schemes[] = {
		{ "tcp:", ADDRESS_TCP, parse_tcp },
		{ "unix:", ADDRESS_UNIX, parse_unix },
		{ "fd:", ADDRESS_FD, parse_fd },
		{ "file:", ADDRESS_FILE, parse_file },
	};
	struct address parsed = { .fd = -1 };
	size_t length = strlen(uri);

	if (length >= sizeof(parsed.uri))
		return refuse(err, uri, "%zu bytes long, at most %zu", length,
			      sizeof(parsed.uri) - 1);
	for (const char *at = uri; *at; at++)
		if (iscntrl((unsigned char)*at))
			return refuse(err, uri, "has a control character");
	memcpy(parsed.uri, uri, length + 1);
	for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
		size_t prefix = strlen(schemes[i].prefix);

		if (strncmp(uri, schemes[i].prefix, prefix) != 0)
			continue;
		parsed.kind = schemes[i].kind;
		if (schemes[i].parse(&parsed, uri + prefix, err) < 0)
			return -1;
		*address = parsed;
		return 0;
	}
	return refuse(err, uri, "expected tcp:HOST:PORT, unix:PATH, fd:N or file:PATH");
}

bool address_is_socket(const struct address *address)
{
	return address->kind == ADDRESS_TCP || address->kind == ADDRESS_UNIX;
}
