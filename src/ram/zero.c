/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* zero.c - is this page zero? */
#include "ram/zero.h"

#include <isa-l/mem_routines.h>

#include "base/pages.h"

bool page_is_zero(const void *page)
{
	/* ISA-L forgot the const. */
	return isal_zero_detect((void *)page, PAGE_BYTES) == 0;
}
