/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* result_engine.c - who computed one side's payloads, and what that took. */
#include "demo/result_engine.h"

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* Each counter under the name that it has in JSON. */
static const struct {
	const char *key;
	size_t at;
} counters[] = {
	{ "units", offsetof(struct engine_counters, units) },
	{ "device_units", offsetof(struct engine_counters, device_units) },
	{ "fallback_units", offsetof(struct engine_counters, fallback_units) },
	{ "retries", offsetof(struct engine_counters, retries) },
	{ "device_failures", offsetof(struct engine_counters, device_failures) },
	{ "raw_pages", offsetof(struct engine_counters, raw_pages) },
	{ "bytes_in", offsetof(struct engine_counters, bytes_in) },
	{ "bytes_out", offsetof(struct engine_counters, bytes_out) },
};

#define COUNTER_COUNT (sizeof(counters) / sizeof(counters[0]))

json_t *result_engine_counters_json(const struct engine_counters *counted)
{
	const uint8_t *from = (const uint8_t *)counted;
	json_t *json = json_object();

	for (unsigned i = 0; i < COUNTER_COUNT; i++) {
		uint64_t value;

		memcpy(&value, from + counters[i].at, sizeof(value));
		json_object_set_new(json, counters[i].key,
				    json_integer((json_int_t)value));
	}
	return json;
}

json_t *result_engine_tell(const char *name, const struct engine_counters *counted)
{
	return json_pack("{ss so}", "name", name ? name : "none", "counters",
			 result_engine_counters_json(counted));
}

void result_engine_read(struct result_engine *engine, const json_t *told)
{
	const char *name = json_string_value(json_object_get(told, "name"));
	const json_t *from = json_object_get(told, "counters");

	memset(engine, 0, sizeof(*engine));
	snprintf(engine->name, sizeof(engine->name), "%s", name ? name : "none");
	for (unsigned i = 0; i < COUNTER_COUNT; i++) {
		uint64_t value = (uint64_t)json_integer_value(
			json_object_get(from, counters[i].key));

		memcpy((uint8_t *)&engine->counters + counters[i].at, &value,
		       sizeof(value));
	}
}

bool result_engine_describe(const struct result_engine *engine, char *out, size_t room)
{
	const struct engine_counters *counted = &engine->counters;

	if (counted->device_units == 0 && counted->fallback_units == 0 &&
	    counted->retries == 0 && counted->device_failures == 0)
		return false;
	snprintf(out, room,
		 "%s: %" PRIu64 " units by the device, %" PRIu64 " retries, %" PRIu64
		 " failures, %" PRIu64 " by software, %" PRIu64 " raw pages",
		 engine->name, counted->device_units, counted->retries,
		 counted->device_failures, counted->fallback_units, counted->raw_pages);
	return true;
}
