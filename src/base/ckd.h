/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* ckd.h - C23's checked arithmetic, until the compiler has <stdckdint.h>. */
#ifndef BASE_CKD_H
#define BASE_CKD_H

#define ckd_add(result, a, b) __builtin_add_overflow((a), (b), (result))
#define ckd_sub(result, a, b) __builtin_sub_overflow((a), (b), (result))
#define ckd_mul(result, a, b) __builtin_mul_overflow((a), (b), (result))

#endif
