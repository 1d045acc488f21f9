/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* pages.h - the size of a guest page.
 *
 * QEMU's target page on x86, s390x, ppc, riscv and Arm "virt".  Other targets (8 KiB alpha,
 * 64 KiB hexagon, 1 KiB avr) are refused by name where a stream announces them. */
#ifndef BASE_PAGES_H
#define BASE_PAGES_H

#include <stdint.h>

#define PAGE_BITS 12
#define PAGE_BYTES (UINT64_C(1) << PAGE_BITS)

#endif
