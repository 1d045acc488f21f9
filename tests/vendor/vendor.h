/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vendor.h - QPL and QATzip as others call them, and the bytes that they and we are tried on. */
#ifndef TESTS_VENDOR_VENDOR_H
#define TESTS_VENDOR_VENDOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/pages.h"

#define PACKET_PAGES 128u
#define PACKET_BYTES (PACKET_PAGES * (size_t)PAGE_BYTES)

/* As much as anybody makes of a packet. */
#define CODED_BYTES (1u << 20)

/* ---- corpus.c ---- */

/* Page-aligned pages, whole packets of them: zero, noise, text, then files of this system. */
struct corpus {
	uint8_t *bytes;
	uint32_t pages;
};

const struct corpus *corpus_get(void);

/* ---- qpl_direct.c: the software path, as any user of the library would call it ---- */

enum qpl_huffman { QPL_FIXED, QPL_DYNAMIC };

/* Bytes written, or 0 when it says that they do not fit. */
size_t qpl_compress(struct span page, struct room room, enum qpl_huffman huffman);

/* The library's answer; `produced` bytes, `left` bytes of the stream not read. */
int qpl_decompress(struct span stream, struct room room, size_t *produced, size_t *left);

/* ---- qatzip_direct.c: with its software backup ---- */

/* One call as QEMU makes it (migration/multifd-qatzip.c), gzip-ext, level 1.  Bytes written. */
size_t qatzip_compress(struct span pages, struct room room);

/* False unless all was well: the answer, what was read and what was written. */
bool qatzip_decompress(struct span members, struct room room);

/* Every call of QATzip without a device takes a key for thread-specific data and does not give
 * it back, of 1,024 that a process has.  Around calls: gives them back for it. */
unsigned keys_begin(void);
void keys_end(unsigned first);

#endif
