/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* units.c - sizes and rates as people write them. */
#include "cli/units.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct unit {
	const char *suffix;
	double factor;
};

static const struct unit sizes[] = {
	{ "", 1 },	 { "K", 0x1p10 }, { "M", 0x1p20 },
	{ "G", 0x1p30 }, { "T", 0x1p40 }, { NULL, 0 },
};

static const struct unit rates[] = {
	{ "", 1 },	     { "K", 0x1p10 },	 { "M", 0x1p20 },     { "G", 0x1p30 },
	{ "T", 0x1p40 },     { "bit", 1.0 / 8 }, { "Kbit", 1e3 / 8 }, { "Mbit", 1e6 / 8 },
	{ "Gbit", 1e9 / 8 }, { NULL, 0 },
};

/* Digits with at most one point: no sign, exponent, hexadecimal, "inf" or blank. */
static size_t number_length(const char *text)
{
	size_t length = strspn(text, "0123456789");

	if (length > 0 && text[length] == '.') {
		size_t fraction = strspn(text + length + 1, "0123456789");

		length += fraction > 0 ? 1 + fraction : 0;
	}
	return length;
}

static int parse(const char *text, const struct unit *units, uint64_t *value)
{
	size_t length = number_length(text);
	double number;

	if (length == 0 || length > 32)
		return -1;
	for (const struct unit *unit = units; unit->suffix; unit++) {
		if (strcasecmp(text + length, unit->suffix) != 0)
			continue;
		/* Whole numbers exactly, whatever their size. */
		if (unit->factor == 1 && !memchr(text, '.', length)) {
			char *end;

			if (length > 19)
				return -1;
			*value = strtoull(text, &end, 10);
			return 0;
		}
		number = strtod(text, NULL) * unit->factor;
		if (!(number < 0x1p63))
			return -1;
		*value = (uint64_t)number;
		return 0;
	}
	return -1;
}

int units_parse_size(const char *text, uint64_t *bytes, struct gw_error *err)
{
	if (parse(text, sizes, bytes) < 0)
		return fail(err, GW_USAGE,
			    "\"%.40s\" is not a size: a number with K, M, G or T, such "
			    "as 256M",
			    text);
	return 0;
}

int units_parse_rate(const char *text, uint64_t *bytes_per_s, struct gw_error *err)
{
	if (parse(text, rates, bytes_per_s) < 0)
		return fail(
			err, GW_USAGE,
			"\"%.40s\" is not a rate: bytes a second such as 100M, or bits "
			"such as 10Gbit",
			text);
	return 0;
}

const char *units_print_size(char out[16], uint64_t bytes)
{
	static const char *const names[] = {
		"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"
	};
	double value = (double)bytes;
	unsigned i = 0;

	while (value >= 1024 && i < 6) {
		value /= 1024;
		i++;
	}
	snprintf(out, 16, value < 10 && i > 0 ? "%.1f %s" : "%.0f %s", value, names[i]);
	return out;
}
