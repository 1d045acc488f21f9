/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* simulated_settings.c - a simulated device as people write it. */
#include "codec/simulated_settings.h"

#include <assert.h>
#include <stddef.h>
#include <string.h>

#include "base/ckd.h"
#include "base/clock.h"

#define VALUE_MAX 24u

struct suffix {
	const char *text;
	uint64_t factor;
};

static const struct suffix counts[] = { { "", 1 }, { NULL, 0 } };
static const struct suffix percents[] = { { "", 1 }, { "%", 1 }, { NULL, 0 } };
static const struct suffix times[] = {
	{ "ns", 1 },	   { "us", NS_PER_US }, { "ms", NS_PER_MS },
	{ "s", NS_PER_S }, { NULL, 0 },
};
static const struct suffix rates[] = {
	{ "", 1 },	   { "K", 1u << 10 },	       { "M", 1u << 20 },
	{ "G", 1u << 30 }, { "T", UINT64_C(1) << 40 }, { NULL, 0 },
};

struct kind {
	const struct suffix *suffixes; /* NULL: a flag, which takes no value */
	uint64_t max;
	size_t bytes; /* of the member */
	const char *allowed;
};

static const struct kind depth = { counts, SIMULATED_DEPTH_MAX, 4,
				   "0 to 4096 are allowed" };
static const struct kind count = { counts, UINT64_MAX, 8,
				   "0 to 18446744073709551615 are allowed" };
static const struct kind percent = { percents, 100, 4, "0% to 100% are allowed" };
/* A hundredfold of it still fits. */
static const struct kind duration = {
	times, 60 * NS_PER_S, 8,
	"a whole number of ns, us, ms or s is allowed, such "
	"as 20us, 60s at most"
};
static const struct kind rate = {
	rates, UINT64_C(1) << 50, 8,
	"bytes a second are allowed, with K, M, G or T, such as "
	"4G, 1024T at most"
};
static const struct kind flag = { NULL, 0, sizeof(bool), "it takes no value" };

#define KEY(name, member, kind)                                          \
	{                                                                \
		name, offsetof(struct simulated_device, member), &(kind) \
	}

static const struct key {
	const char *name;
	size_t offset;
	const struct kind *kind;
} keys[] = {
	KEY("depth", depth, depth),
	KEY("latency", latency_ns, duration),
	KEY("throughput", bytes_per_s, rate),
	KEY("busy", busy_percent, percent),
	KEY("late", late_percent, percent),
	KEY("failed", failed_percent, percent),
	KEY("short", short_percent, percent),
	KEY("corrupt", corrupt_percent, percent),
	KEY("shuffle", shuffle, flag),
	KEY("dead-after", dead_after, count),
	KEY("hung-after", hung_after, count),
	KEY("absent", absent, flag),
	KEY("seed", seed, count),
};

static const struct key *key_by_name(const char *name, size_t length)
{
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		if (strlen(keys[i].name) == length &&
		    memcmp(name, keys[i].name, length) == 0)
			return &keys[i];
	}
	return NULL;
}

/* Digits and one of the suffixes, nothing else. */
static int parse_number(const char *text, const struct kind *kind, uint64_t *number)
{
	uint64_t value = 0;
	size_t digits = strspn(text, "0123456789");

	if (digits == 0)
		return -1;
	for (size_t i = 0; i < digits; i++) {
		if (ckd_mul(&value, value, (uint64_t)10) ||
		    ckd_add(&value, value, (uint64_t)(text[i] - '0')))
			return -1;
	}
	for (const struct suffix *suffix = kind->suffixes; suffix->text; suffix++) {
		if (strcasecmp(text + digits, suffix->text) != 0)
			continue;
		if (ckd_mul(&value, value, suffix->factor) || value > kind->max)
			return -1;
		*number = value;
		return 0;
	}
	return -1;
}

static void set_member(struct simulated_device *settings, const struct key *key,
		       uint64_t number)
{
	uint8_t *member = (uint8_t *)settings + key->offset;
	uint32_t number32 = (uint32_t)number; /* kind->max has seen to it */
	bool yes = true;

	if (key->kind == &flag)
		memcpy(member, &yes, sizeof(yes));
	else if (key->kind->bytes == sizeof(number32))
		memcpy(member, &number32, sizeof(number32));
	else
		memcpy(member, &number, sizeof(number));
}

/* One "key" or "key=value" of `length` bytes. */
static int parse_item(struct simulated_device *settings, const char *item, size_t length,
		      struct gw_error *err)
{
	const char *equals = memchr(item, '=', length);
	size_t name_length = equals ? (size_t)(equals - item) : length;
	size_t value_length = equals ? length - name_length - 1 : 0;
	const struct key *key = key_by_name(item, name_length);
	char value[VALUE_MAX + 1] = "";
	uint64_t number = 0;
	bool good;

	if (!key)
		return fail(err, GW_USAGE,
			    "simulated device: there is no \"%.*s\": depth, latency, "
			    "throughput, busy, late, failed, short, corrupt, shuffle, "
			    "dead-after, hung-after, absent and seed are allowed",
			    (int)(name_length < 40 ? name_length : 40), item);
	if (!key->kind->suffixes) {
		good = !equals;
	} else {
		good = value_length <= VALUE_MAX;
		if (good && equals)
			memcpy(value, equals + 1, value_length);
		good = good && parse_number(value, key->kind, &number) == 0;
	}
	if (!good)
		return fail(err, GW_USAGE, "simulated device: %s: \"%.*s\": %s",
			    key->name, (int)(value_length < 40 ? value_length : 40),
			    equals ? equals + 1 : "", key->kind->allowed);
	set_member(settings, key, number);
	return 0;
}

static int parse_items(struct simulated_device *settings, const char *text,
		       struct gw_error *err)
{
	for (;;) {
		size_t length = strcspn(text, ",");

		if (parse_item(settings, text, length, err) < 0)
			return -1;
		if (text[length] == '\0')
			return 0;
		text += length + 1;
	}
}

int simulated_device_parse(struct simulated_device *settings, const char *text,
			   struct gw_error *err)
{
	struct simulated_device parsed = SIMULATED_SETTINGS_DEFAULT;
	uint32_t spoilt;

	if (*text && parse_items(&parsed, text, err) < 0)
		return -1;
	/* A unit is spoilt in one way. */
	spoilt = parsed.failed_percent + parsed.short_percent + parsed.corrupt_percent;
	if (spoilt > 100)
		return fail(
			err, GW_USAGE,
			"simulated device: failed, short and corrupt: %u%% of the units "
			"together: 0%% to 100%% are allowed",
			spoilt);
	*settings = parsed;
	return 0;
}
