/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* page_shrinks.h - is it worth the time to compress this page? */
#ifndef CODEC_PAGE_SHRINKS_H
#define CODEC_PAGE_SHRINKS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"

/* A guess by a sample of the page: false for what looks like random bytes. */
bool page_may_shrink(const uint8_t *page);

/* How much at the start of `source`, which is not empty, is pages that all may shrink, or all will
 * not.  Less than a page goes with those that shrink. */
size_t pages_alike(struct span source, bool *shrink);

#endif
