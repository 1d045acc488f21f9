/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* parameters_parse.c - a parameter as the human monitor takes it.
 *
 * Rules and texts as QEMU 7.2's, tried on it.  Not taken over: sizes in hexadecimal with a suffix,
 * which it warns of. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/ckd.h"
#include "migrate/parameters.h"

#define DIGITS "0123456789"

/* 0 when there is no such suffix. */
static uint64_t suffix_factor(char suffix)
{
	static const char suffixes[] = "bkmgtpe";
	const char *at = strchr(suffixes, suffix | 0x20);

	return at && *at ? UINT64_C(1) << (10 * (at - suffixes)) : 0;
}

/* "1", "1.5G", "0x1000"; in units of `factor` when no suffix says otherwise.  0, or EINVAL, or
 * ERANGE. */
static int parse_size(const char *text, uint64_t factor, uint64_t *bytes)
{
	bool hexadecimal = text[0] == '0' && (text[1] | 0x20) == 'x';
	size_t digits = hexadecimal ? 2 + strspn(text + 2, DIGITS "abcdefABCDEF")
				    : strspn(text, DIGITS);
	const char *at = text + digits;
	double fraction = 0;
	uint64_t whole, part;

	if (digits == 0 || (hexadecimal && digits == 2))
		return EINVAL;
	errno = 0;
	whole = strtoull(text, NULL, hexadecimal ? 16 : 10);
	if (errno != 0)
		return errno;
	if (!hexadecimal && *at == '.') {
		double tenth = 0.1;

		for (at++; *at >= '0' && *at <= '9'; at++, tenth /= 10)
			fraction += (*at - '0') * tenth;
	}
	if (!hexadecimal && *at && suffix_factor(*at) != 0)
		factor = suffix_factor(*at++);
	if (*at || (fraction > 0 && factor == 1))
		return EINVAL;
	part = (uint64_t)(fraction * (double)factor + 0.5);
	return ckd_mul(&whole, whole, factor) || ckd_add(bytes, whole, part) ? ERANGE : 0;
}

static int put_size(struct parameters *parameters, enum parameter_id id, const char *text,
		    struct gw_error *err)
{
	const struct parameter_spec *spec = &parameter_specs[id];
	uint64_t factor = spec->monitor_mib ? 1 << 20 : 1, bytes;
	int failure = parse_size(text, factor, &bytes);
	bool fits_signed = !failure && bytes <= INT64_MAX;
	char shown[64];

	printable(shown, sizeof(shown), text, (unsigned)strlen(text));
	if ((spec->monitor_mib && !fits_signed) ||
	    (id == PARAMETER_XBZRLE_CACHE_SIZE && !failure && !fits_signed))
		return fail(err, GW_USAGE, "Invalid size %s", shown);
	if (failure == ERANGE)
		return fail(err, GW_USAGE,
			    "Value '%s' is out of range for parameter '%s'", shown,
			    spec->name);
	if (failure)
		return fail(err, GW_USAGE,
			    "Parameter '%s' expects a non-negative number below 2^64",
			    spec->name);
	return parameters_put_number(parameters, id, bytes, err);
}

/* Any base that C knows, and a sign: -1 is then found to be too large. */
static int put_integer(struct parameters *parameters, enum parameter_id id,
		       const char *text, struct gw_error *err)
{
	uint64_t number;
	char *end;

	errno = 0;
	number = strtoull(text, &end, 0);
	if (end == text || *end || errno != 0)
		return parameter_refuse_type(id, err);
	return parameters_put_number(parameters, id, number, err);
}

static int put_on_or_off(struct parameters *parameters, enum parameter_id id,
			 const char *text, struct gw_error *err)
{
	static const char *const words[][2] = {
		{ "off", "on" },
		{ "no", "yes" },
		{ "false", "true" },
		{ "n", "y" },
	};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		for (unsigned on = 0; on < 2; on++) {
			if (strcmp(words[i][on], text) == 0)
				return parameters_put_bool(parameters, id, on, err);
		}
	}
	return fail(err, GW_USAGE, "Parameter '%s' expects 'on' or 'off'",
		    parameter_specs[id].name);
}

static int put(struct parameters *parameters, enum parameter_id id, const char *text,
	       struct gw_error *err)
{
	switch (parameter_specs[id].type) {
	case PARAMETER_UINT8:
	case PARAMETER_UINT32:
		return put_integer(parameters, id, text, err);
	case PARAMETER_UINT64:
	case PARAMETER_SIZE:
		return put_size(parameters, id, text, err);
	case PARAMETER_BOOL:
		return put_on_or_off(parameters, id, text, err);
	default:
		return parameters_put_text(parameters, id, text, err);
	}
}

int parameters_parse(struct parameters *parameters, enum parameter_id id,
		     const char *text, struct gw_error *err)
{
	struct parameters wanted = *parameters;

	if (put(&wanted, id, text, err) < 0 || parameters_check(&wanted, err) < 0)
		return -1;
	*parameters = wanted;
	return 0;
}
