/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* corpus.c - pages of the kinds that a guest has, from files that every Debian has. */
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/check.h"
#include "tests/golden/pages.h"
#include "tests/vendor/vendor.h"

#define PACKETS 8u
#define PAGES_OF_A_FILE 24u

static const char *const patterns[] = {
	"/usr/bin/[a-z]*",
	"/usr/lib/*/lib[a-z]*.so.*",
	"/usr/include/*.h",
	"/usr/share/perl/*/*.pm",
	"/usr/lib/python3/dist-packages/mesonbuild/*.py",
};

static uint32_t add_file(uint8_t *at, uint32_t room_pages, const char *path)
{
	uint32_t limit = room_pages < PAGES_OF_A_FILE ? room_pages : PAGES_OF_A_FILE;
	FILE *file = fopen(path, "rb");
	size_t length;

	if (!file)
		return 0;
	length = fread(at, 1, limit * PAGE_BYTES, file);
	fclose(file);
	/* The end of the last page keeps what was there: zeros. */
	return (uint32_t)((length + PAGE_BYTES - 1) / PAGE_BYTES);
}

/* As many pages of each pattern as of the others. */
static uint32_t add_files(uint8_t *at, uint32_t room_pages)
{
	const uint32_t patterns_count = sizeof(patterns) / sizeof(patterns[0]);
	uint32_t pages = 0;

	for (uint32_t p = 0; p < patterns_count; p++) {
		uint32_t end = room_pages / patterns_count * (p + 1);
		glob_t found;

		if (glob(patterns[p], 0, NULL, &found) == 0)
			for (size_t i = 0; i < found.gl_pathc && pages < end; i++)
				pages += add_file(at + pages * PAGE_BYTES, end - pages,
						  found.gl_pathv[i]);
		globfree(&found);
	}
	return pages;
}

static void make(struct corpus *corpus)
{
	uint64_t state = 2026;
	uint8_t *at;

	corpus->bytes = aligned_alloc(PAGE_BYTES, PACKETS * PACKET_BYTES);
	if (!corpus->bytes)
		abort();
	memset(corpus->bytes, 0, PACKETS * PACKET_BYTES);
	/* A packet of zeros, one of noise, one of the golden pages, then files. */
	at = corpus->bytes + PACKET_BYTES;
	for (size_t i = 0; i < PACKET_BYTES; i += 8)
		store_be64(at + i, check_random(&state));
	at += PACKET_BYTES;
	for (uint32_t i = 0; i < PACKET_PAGES; i++)
		golden_page(i, at + i * PAGE_BYTES);
	at += PACKET_BYTES;
	corpus->pages = 3 * PACKET_PAGES + add_files(at, (PACKETS - 3) * PACKET_PAGES);
	corpus->pages -= corpus->pages % PACKET_PAGES;
}

const struct corpus *corpus_get(void)
{
	static struct corpus corpus;

	if (!corpus.bytes)
		make(&corpus);
	return &corpus;
}
