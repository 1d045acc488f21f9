/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* units.h - sizes and rates as people write them.
 *
 *	sizes   4096, 64K, 256M, 1G, 2T, 1.5G          powers of 1024
 *	rates   100M, 1.5G (bytes a second), 10Gbit, 100Mbit, 64Kbit, 9600bit (powers of 1000) */
#ifndef CLI_UNITS_H
#define CLI_UNITS_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/* GW_USAGE: "\"12x\" is not a size: a number with K, M, G or T, such as 256M". */
int units_parse_size(const char *text, uint64_t *bytes, struct gw_error *err);
int units_parse_rate(const char *text, uint64_t *bytes_per_s, struct gw_error *err);

/* "1.5 GiB", "640 KiB"; returns `out`. */
const char *units_print_size(char out[16], uint64_t bytes);

#endif
