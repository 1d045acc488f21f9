/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* reference_pages.h - payloads of qpl and uadk as QEMU makes them: be32 lengths, then pages.
 *
 * A page that does not shrink goes on the wire from where it is.
 *
 * Source: QEMU 10.2 migration/multifd-qpl.c, multifd-uadk.c. */
#ifndef BENCH_REFERENCE_PAGES_H
#define BENCH_REFERENCE_PAGES_H

#include "codec/stream_engine.h"

/* What a library makes of one page. */
struct page_library {
	/* Bytes written to `room`, which is less than a page; 0: it does not fit. */
	size_t (*encode)(void *state, const uint8_t *page, struct room room);
	/* Whether `source` gives exactly a page. */
	bool (*decode)(void *state, struct span source, uint8_t *page);
};

/* `state`, which the functions get, has `stream` as its first member. */
void reference_encode_pages(const struct page_library *library, void *state,
			    struct job *job);
int reference_decode_pages(const struct page_library *library, void *state,
			   struct job *job, struct gw_error *err);

#endif
