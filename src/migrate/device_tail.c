/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* device_tail.c - the rest of a stream after the end of ram, without a guest to load it. */
#include "migrate/device_tail.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/own.h"

/* A stream without a description (-machine suppress-vmdesc=on) ends in a footer and an EOF, or
 * has no device at all. */
static bool ends_without_description(struct span tail)
{
	const uint8_t *end = tail.bytes + tail.length;

	if (tail.length == 1)
		return tail.bytes[0] == RECORD_EOF;
	return tail.length >= 6 && end[-1] == RECORD_EOF && end[-6] == RECORD_FOOTER;
}

int device_tail_read(struct cursor *in, struct receiver_report *report,
		     struct gw_error *err)
{
	OWNED_MEMORY uint8_t *tail = NULL;
	size_t room = 0, length = 0;
	const uint8_t *bytes;
	size_t got;

	while ((got = cursor_take_some(in, &bytes)) > 0) {
		if (got > DEVICE_TAIL_BYTES_MAX - length)
			return fail(err, GW_PEER,
				    "device sections: more than %u bytes without an end",
				    DEVICE_TAIL_BYTES_MAX);
		if (got > room - length) {
			size_t wanted = 2 * (length + got);
			uint8_t *grown = realloc(tail, wanted);

			if (!grown)
				return fail_sys(err, ENOMEM,
						"device sections of %zu bytes",
						length + got);
			tail = grown;
			room = wanted;
		}
		memcpy(tail + length, bytes, got);
		length += got;
		report->device_bytes = length;
		if (vmdesc_find_end((struct span){ tail, length }, &report->vmdesc) > 0) {
			report->devices_known = true;
			return 0;
		}
	}
	/* A source that has no description falls silent until it is answered. */
	if (ends_without_description((struct span){ tail, length }) &&
	    (!in->failed || in->error.kind == GW_PEER))
		return 0;
	if (in->failed) {
		*err = in->error;
		return fail_in(err, "device sections");
	}
	return fail(err, GW_PEER,
		    "device sections: cut short after %zu bytes, no description "
		    "accounts for them",
		    length);
}
