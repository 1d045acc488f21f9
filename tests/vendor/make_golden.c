/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* make_golden.c - writes the payloads of tests/golden that QPL and QATzip made, into the current
 * directory.  tests/golden/README.md says how it is run. */
#include <stdio.h>
#include <stdlib.h>

#include "tests/golden/pages.h"
#include "tests/vendor/vendor.h"

static uint8_t pages[GOLDEN_PAGES * PAGE_BYTES];
static uint8_t payload[CODED_BYTES];

static void write_file(const char *name, size_t length)
{
	FILE *file = fopen(name, "wb");

	if (!file || fwrite(payload, 1, length, file) != length || fclose(file) != 0) {
		perror(name);
		exit(1);
	}
	printf("%s: %zu bytes\n", name, length);
}

/* As QEMU lays it out: the lengths, then the bodies; what does not shrink is as it is. */
static void make_qpl(const char *name, enum qpl_huffman huffman)
{
	size_t at = GOLDEN_QPL_PAGES * sizeof(uint32_t);

	for (uint32_t i = 0; i < GOLDEN_QPL_PAGES; i++) {
		struct span page = { pages + i * PAGE_BYTES, PAGE_BYTES };
		struct room room = { payload + at, PAGE_BYTES - 1 };
		size_t length = qpl_compress(page, room, huffman);

		if (length == 0) {
			length = PAGE_BYTES;
			memcpy(payload + at, page.bytes, PAGE_BYTES);
		}
		store_be32(payload + i * sizeof(uint32_t), (uint32_t)length);
		at += length;
	}
	write_file(name, at);
}

static void make_qatzip(const char *name, uint32_t first, uint32_t count)
{
	struct span source = { pages + first * PAGE_BYTES, count * PAGE_BYTES };
	struct room room = { payload, sizeof(payload) };

	write_file(name, qatzip_compress(source, room));
}

int main(void)
{
	for (uint32_t i = 0; i < GOLDEN_PAGES; i++)
		golden_page(i, pages + i * PAGE_BYTES);
	make_qpl("qpl-1.9.0-fixed", QPL_FIXED);
	make_qpl("qpl-1.9.0-dynamic", QPL_DYNAMIC);
	make_qatzip("qatzip-2.0.0-packet", 0, GOLDEN_PAGES);
	make_qatzip("qatzip-2.0.0-page", 1, 1);
	return 0;
}
