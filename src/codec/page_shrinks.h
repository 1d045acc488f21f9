/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* page_shrinks.h - is it worth the time to compress this page? */
#ifndef CODEC_PAGE_SHRINKS_H
#define CODEC_PAGE_SHRINKS_H

#include <stdbool.h>
#include <stdint.h>

/* A guess by a sample of the page: false for what looks like random bytes. */
bool page_may_shrink(const uint8_t *page);

#endif
