/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* address_fuzz.c - any text is an address within its bounds, or a printable error. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "channel/address.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is_ended(const char *text, size_t room)
{
	return memchr(text, '\0', room);
}

static void check_address(const struct address *address, const char *uri)
{
	struct address again;
	struct gw_error err;

	assert(strcmp(address->uri, uri) == 0);
	assert(is_ended(address->host, sizeof(address->host)));
	assert(is_ended(address->port, sizeof(address->port)));
	assert(is_ended(address->path, sizeof(address->path)));
	switch (address->kind) {
	case ADDRESS_TCP:
		assert(*address->port && atol(address->port) <= 65535);
		break;
	case ADDRESS_UNIX:
		assert(*address->path && strlen(address->path) <= 107);
		break;
	case ADDRESS_FILE:
		assert(*address->path);
		break;
	case ADDRESS_FD:
		assert(address->fd >= 0);
		break;
	}
	assert(address_parse(&again, address->uri, &err) == 0);
	assert(memcmp(&again, address, sizeof(again)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* Its own block, so that a read past the end is seen. */
	char *uri = malloc(size + 1);
	struct address address;
	struct gw_error err = { 0 };

	if (!uri)
		return 0;
	if (size > 0)
		memcpy(uri, data, size);
	uri[size] = '\0';
	if (address_parse(&address, uri, &err) == 0) {
		check_address(&address, uri);
	} else {
		assert(err.kind == GW_USAGE);
		assert(is_ended(err.text, sizeof(err.text)) && *err.text);
		for (const char *at = err.text; *at; at++)
			assert(*at >= ' ' && *at < 0x7f);
	}
	free(uri);
	return 0;
}
