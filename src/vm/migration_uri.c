/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* migration_uri.c - where a migration goes to or comes from, as it is told. */
#include "vm/migration_uri.h"

#include <stdio.h>
#include <string.h>

static int fail_unknown(const char *uri, bool incoming, struct gw_error *err)
{
	char shown[100];

	if (!incoming)
		return fail(err, GW_USAGE,
			    "Parameter 'uri' expects a valid migration protocol");
	return fail(err, GW_USAGE, "unknown migration protocol: %s",
		    printable(shown, sizeof(shown), uri, (unsigned)strnlen(uri, 100)));
}

int migration_uri_parse(const char *uri, bool incoming, struct address *address,
			struct gw_error *err)
{
	static const char *const known[] = { "tcp:", "unix:", "fd:" };
	static const char *const absent[] = { "exec:", "rdma:", "file:" };

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (strncmp(uri, known[i], strlen(known[i])) == 0)
			return address_parse(address, uri, err);
	for (size_t i = 0; i < sizeof(absent) / sizeof(absent[0]); i++)
		if (strncmp(uri, absent[i], strlen(absent[i])) == 0)
			return fail(err, GW_UNSUPPORTED,
				    "godwit does not migrate by %s; tcp:HOST:PORT, "
				    "unix:PATH and fd:N are there",
				    absent[i]);
	return fail_unknown(uri, incoming, err);
}

static const char *text_of(const json_t *object, const char *name)
{
	return json_string_value(json_object_get(object, name));
}

static bool has_text(const json_t *object, const char *name, const char *text)
{
	const char *value = text_of(object, name);

	return value && strcmp(value, text) == 0;
}

/* {"channel-type": "main", "addr": {"transport": "socket", "type": "inet", "host": ..., "port":
 * ...}}, or of type "unix" with "path", or "fd" with "str". */
static int uri_of_channels(const json_t *channels, char *uri, struct gw_error *err)
{
	const json_t *channel = json_array_get(channels, 0);
	const json_t *to = json_object_get(channel, "addr");
	const char *host = text_of(to, "host"), *port = text_of(to, "port");
	const char *path = text_of(to, "path"), *fd = text_of(to, "str");
	bool socket = has_text(to, "transport", "socket");
	int length = -1;

	if (json_array_size(channels) != 1 || !has_text(channel, "channel-type", "main"))
		return fail(err, GW_UNSUPPORTED,
			    "channels: one of channel-type main is expected");
	if (socket && has_text(to, "type", "inet") && host && port)
		length = snprintf(uri, MIGRATION_URI_BYTES,
				  strchr(host, ':') ? "tcp:[%s]:%s" : "tcp:%s:%s", host,
				  port);
	else if (socket && has_text(to, "type", "unix") && path)
		length = snprintf(uri, MIGRATION_URI_BYTES, "unix:%s", path);
	else if (socket && has_text(to, "type", "fd") && fd)
		length = snprintf(uri, MIGRATION_URI_BYTES, "fd:%s", fd);
	if (length < 0)
		return fail(err, GW_UNSUPPORTED,
			    "channels: transport socket and type inet, unix or fd are "
			    "expected");
	if (length >= MIGRATION_URI_BYTES)
		return fail(err, GW_USAGE, "channels: an address of %d bytes, at most %d",
			    length, MIGRATION_URI_BYTES - 1);
	return 0;
}

int migration_uri_find(const json_t *arguments, char uri[MIGRATION_URI_BYTES],
		       struct gw_error *err)
{
	const json_t *channels = json_object_get(arguments, "channels");
	const char *given = text_of(arguments, "uri");

	if (channels && given)
		return fail(err, GW_USAGE,
			    "'uri' and 'channels' arguments are mutually exclusive");
	if (channels)
		return uri_of_channels(channels, uri, err);
	if (!given)
		return fail(err, GW_USAGE, "Parameter 'uri' is missing");
	if (strlen(given) >= MIGRATION_URI_BYTES)
		return fail(err, GW_USAGE, "Parameter 'uri' has %zu bytes, at most %d",
			    strlen(given), MIGRATION_URI_BYTES - 1);
	memcpy(uri, given, strlen(given) + 1);
	return 0;
}
