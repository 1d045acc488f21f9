/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* settings.c - parameters and capabilities as one list of names and texts. */
#include "api/settings.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static_assert(GW_VALUE_BYTES_MAX > PARAMETER_TEXT_MAX, "each value fits, with its NUL");

void settings_init(struct settings *settings)
{
	parameters_init(&settings->parameters);
	settings->capabilities = (struct capabilities){ 0 };
	settings->capabilities.on[CAPABILITY_RETURN_PATH] = true;
}

static int refuse_name(const char *name, struct gw_error *err)
{
	char shown[64];

	return fail(err, GW_USAGE, "Parameter '%s' is unexpected",
		    printable(shown, sizeof(shown), name, (unsigned)strlen(name)));
}

/* strtoull() would take blanks and a sign, too. */
static bool parse_decimal(const char *text, uint64_t *number)
{
	if (*text == '\0' || text[strspn(text, "0123456789")] != '\0')
		return false;
	errno = 0;
	*number = strtoull(text, NULL, 10);
	return errno == 0;
}

static int set_parameter(struct parameters *parameters, enum parameter_id id,
			 const char *value, struct gw_error *err)
{
	uint64_t number;

	switch (parameter_specs[id].type) {
	case PARAMETER_UINT8:
	case PARAMETER_UINT32:
	case PARAMETER_UINT64:
	case PARAMETER_SIZE:
		if (!parse_decimal(value, &number))
			return parameter_refuse_type(id, err);
		return parameters_set_number(parameters, id, number, err);
	case PARAMETER_BOOL:
		return parameters_parse(parameters, id, value, err);
	case PARAMETER_TEXT:
	case PARAMETER_ENUM:
		break;
	}
	return parameters_set_text(parameters, id, value, err);
}

static int set_capability(struct capabilities *capabilities, enum capability_id id,
			  const char *value, struct gw_error *err)
{
	struct capabilities wanted = *capabilities;

	if (strcmp(value, "on") != 0 && strcmp(value, "off") != 0)
		return fail(err, GW_USAGE, "Parameter '%s' expects 'on' or 'off'",
			    capability_specs[id].name);
	wanted.on[id] = strcmp(value, "on") == 0;
	if (capabilities_check(&wanted, err) < 0)
		return -1;
	*capabilities = wanted;
	return 0;
}

int settings_set(struct settings *settings, const char *name, const char *value,
		 struct gw_error *err)
{
	enum parameter_id id = parameter_by_name(name);
	enum capability_id capability = capability_by_name(name);

	if (id != PARAMETER_COUNT)
		return set_parameter(&settings->parameters, id, value, err);
	if (capability != CAPABILITY_COUNT)
		return set_capability(&settings->capabilities, capability, value, err);
	return refuse_name(name, err);
}

static const char *parameter_text(const struct parameters *parameters,
				  enum parameter_id id, char number[32])
{
	switch (parameter_specs[id].type) {
	case PARAMETER_BOOL:
		return parameter(parameters, id) ? "on" : "off";
	case PARAMETER_ENUM:
		return parameter_enum_name(id, parameter(parameters, id));
	case PARAMETER_TEXT:
		return parameters->values[id].text;
	default:
		snprintf(number, 32, "%" PRIu64, parameter(parameters, id));
		return number;
	}
}

int settings_get(const struct settings *settings, const char *name, char *value,
		 size_t room, struct gw_error *err)
{
	enum parameter_id id = parameter_by_name(name);
	enum capability_id capability = capability_by_name(name);
	const char *text;
	char number[32];

	if (id != PARAMETER_COUNT)
		text = parameter_text(&settings->parameters, id, number);
	else if (capability != CAPABILITY_COUNT)
		text = settings->capabilities.on[capability] ? "on" : "off";
	else
		return refuse_name(name, err);
	if (strlen(text) >= room)
		return fail(err, GW_USAGE, "%s: %zu bytes are too little room for \"%s\"",
			    name, room, text);
	memcpy(value, text, strlen(text) + 1);
	return 0;
}
