/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gzip_member.h - header and trailer of gzip members (RFC 1952) with QATzip's extra field.
 *
 * What encoders write, little endian ("gzip-ext", QATzip 1.3 and 2.0):
 *
 *	0  1f 8b 08 04, mtime 0, XFL, OS ff		10  XLEN 12
 *	12 'Q' 'Z', 8, bytes of pages, bytes of deflate data
 *	24 deflate data, CRC-32 of the pages, bytes of pages
 *
 * Read is any gzip member; what the extra field says is not believed. */
#ifndef CODEC_GZIP_MEMBER_H
#define CODEC_GZIP_MEMBER_H

#include <stdbool.h>

#include "base/bytes.h"

#define GZIP_MEMBER_HEADER_BYTES 24u
#define GZIP_MEMBER_TRAILER_BYTES 8u

/* `at` has room for GZIP_MEMBER_HEADER_BYTES.  XFL is zlib's value for the level. */
void gzip_member_put_header(uint8_t *at, int level, uint32_t page_bytes,
			    uint32_t deflate_bytes);

/* `at` has room for GZIP_MEMBER_TRAILER_BYTES. */
void gzip_member_put_trailer(uint8_t *at, uint32_t crc, uint32_t page_bytes);

/* Moves `source` past the header that it starts with.  NULL, or what is wrong with it. */
const char *gzip_member_take_header(struct span *source);

/* Whether QATzip would give all of these members to a device (1.3.1, isQATDeflateProcessable): each
 * with the extra field, of UNIT_MEMBER_BYTES at most, and whole. */
bool gzip_members_are_for_qat(struct span source);

/* The same for a trailer, which must be of `crc` and `page_bytes`. */
const char *gzip_member_take_trailer(struct span *source, uint32_t crc,
				     size_t page_bytes);

#endif
