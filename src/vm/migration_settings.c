/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* migration_settings.c - parameters and capabilities, to JSON and back.
 *
 * Texts for what is wrong with an argument: QEMU 7.2's, tried on it. */
#include <stdlib.h>
#include <string.h>

#include "vm/migration_info.h"

static json_t *number_json(uint64_t number)
{
	return json_integer(number > INT64_MAX ? INT64_MAX : (json_int_t)number);
}

static json_t *value_json(enum parameter_id id, const struct parameter_value *value)
{
	switch (parameter_specs[id].type) {
	case PARAMETER_BOOL:
		return json_boolean(value->number != 0);
	case PARAMETER_TEXT:
		return json_string(value->text);
	case PARAMETER_ENUM:
		return json_string(parameter_enum_name(id, value->number));
	default:
		return number_json(value->number);
	}
}

json_t *parameters_json(const struct parameters *parameters)
{
	json_t *json = json_object();

	for (unsigned id = 0; id < PARAMETER_COUNT; id++)
		json_object_set_new(json, parameter_specs[id].name,
				    value_json((enum parameter_id)id,
					       &parameters->values[id]));
	return json;
}

json_t *capabilities_json(const struct capabilities *capabilities)
{
	json_t *json = json_array();

	for (unsigned id = 0; id < CAPABILITY_COUNT; id++)
		json_array_append_new(json, json_pack("{ss sb}", "capability",
						      capability_specs[id].name, "state",
						      capabilities->on[id]));
	return json;
}

/* ---- and back ---- */

/* `where` says of what the key is one, "capabilities[0]." or "". */
static int refuse_key(const char *where, const char *key, struct gw_error *err)
{
	char shown[128];

	return fail(err, GW_USAGE, "Parameter '%s%s' is unexpected", where,
		    printable(shown, sizeof(shown), key, (unsigned)strlen(key)));
}

static int put_value(struct parameters *parameters, enum parameter_id id,
		     const json_t *value, struct gw_error *err)
{
	switch (json_typeof(value)) {
	case JSON_INTEGER:
		return parameters_put_number(parameters, id,
					     (uint64_t)json_integer_value(value), err);
	case JSON_TRUE:
	case JSON_FALSE:
		return parameters_put_bool(parameters, id, json_is_true(value), err);
	case JSON_STRING:
		return parameters_put_text(parameters, id, json_string_value(value), err);
	case JSON_NULL:
		if (parameter_specs[id].type == PARAMETER_TEXT)
			return parameters_put_text(parameters, id, "", err);
		return parameter_refuse_type(id, err);
	default:
		return parameter_refuse_type(id, err);
	}
}

int parameters_from_json(struct parameters *parameters, const json_t *arguments,
			 struct gw_error *err)
{
	struct parameters wanted = *parameters;
	const char *key;
	json_t *value;

	for (unsigned id = 0; id < PARAMETER_COUNT; id++) {
		value = json_object_get(arguments, parameter_specs[id].name);
		if (value && put_value(&wanted, (enum parameter_id)id, value, err) < 0)
			return -1;
	}
	/* After the types, as QEMU does. */
	json_object_foreach ((json_t *)arguments, key, value) {
		enum parameter_id id = parameter_by_name(key);

		if (id == PARAMETER_COUNT || strcmp(parameter_specs[id].name, key) != 0)
			return refuse_key("", key, err);
	}
	if (parameters_check(&wanted, err) < 0)
		return -1;
	*parameters = wanted;
	return 0;
}

static int refuse_missing(const char *where, const char *key, struct gw_error *err)
{
	return fail(err, GW_USAGE, "Parameter '%s%s' is missing", where, key);
}

static int refuse_type(const char *where, const char *key, const char *expected,
		       struct gw_error *err)
{
	return fail(err, GW_USAGE, "Invalid parameter type for '%s%s', expected: %s",
		    where, key, expected);
}

static int capability_from_json(struct capabilities *capabilities, const json_t *pair,
				const char *where, struct gw_error *err)
{
	const json_t *capability = json_object_get(pair, "capability");
	const json_t *state = json_object_get(pair, "state");
	enum capability_id id;
	const char *name, *key;
	char shown[64];
	json_t *value;

	if (!capability)
		return refuse_missing(where, "capability", err);
	if (!json_is_string(capability))
		return refuse_type(where, "capability", "string", err);
	name = json_string_value(capability);
	id = capability_by_name(name);
	if (id == CAPABILITY_COUNT)
		return fail(err, GW_USAGE,
			    "Parameter 'capability' does not accept value '%s'",
			    printable(shown, sizeof(shown), name,
				      (unsigned)strlen(name)));
	if (!state)
		return refuse_missing(where, "state", err);
	if (!json_is_boolean(state))
		return refuse_type(where, "state", "boolean", err);
	json_object_foreach ((json_t *)pair, key, value) {
		if (value != capability && value != state)
			return refuse_key(where, key, err);
	}
	capabilities->on[id] = json_is_true(state);
	return 0;
}

int capabilities_from_json(struct capabilities *capabilities, const json_t *arguments,
			   struct gw_error *err)
{
	const json_t *list = json_object_get(arguments, "capabilities");
	struct capabilities wanted = *capabilities;
	const char *key;
	json_t *value;

	if (!list)
		return refuse_missing("", "capabilities", err);
	if (!json_is_array(list))
		return refuse_type("", "capabilities", "array", err);
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *pair = json_array_get(list, i);
		char where[48];

		snprintf(where, sizeof(where), "capabilities[%zu]", i);
		if (!json_is_object(pair))
			return refuse_type(where, "", "object", err);
		strcat(where, ".");
		if (capability_from_json(&wanted, pair, where, err) < 0)
			return -1;
	}
	json_object_foreach ((json_t *)arguments, key, value) {
		if (value != list)
			return refuse_key("", key, err);
	}
	if (capabilities_check(&wanted, err) < 0)
		return -1;
	*capabilities = wanted;
	return 0;
}
