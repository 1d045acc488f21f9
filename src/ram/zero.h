/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* zero.h - is this page zero?  ISA-L's isal_zero_detect, vector code picked at run time. */
#ifndef RAM_ZERO_H
#define RAM_ZERO_H

#include <stdbool.h>

bool page_is_zero(const void *page); /* PAGE_BYTES of it */

#endif
