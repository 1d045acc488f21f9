/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tuning.c - capabilities and parameters of a migration, told to a peer and read back. */
#include "drive/tuning.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "codec/accelerator.h"
#include "codec/codec.h"

#define NAME_MAX_BYTES 64u

void tuning_init(struct tuning *tuning)
{
	*tuning = (struct tuning){
		.level = TUNING_UNSET,
		.channels = TUNING_UNSET,
		.max_bandwidth = TUNING_UNSET,
		.downtime_limit_ms = TUNING_UNSET,
	};
}

/* ---- NAME=VALUE ---- */

/* As QMP spells it, whatever of '-' and '_' was typed.  Return: the value. */
static const char *split(const char *option, const char *item, char name[NAME_MAX_BYTES],
			 const char *form, struct gw_error *err)
{
	size_t length = strcspn(item, "=");

	if (length == 0 || length >= NAME_MAX_BYTES || item[length] != '=') {
		fail(err, GW_USAGE, "--%s %.60s: %s is expected", option, item, form);
		return NULL;
	}
	memcpy(name, item, length);
	name[length] = '\0';
	for (char *c = name; *c; c++)
		if (*c == '_')
			*c = '-';
	return item + length + 1;
}

/* 1, 0, or -1 for what is neither. */
static int parse_switch(const char *text)
{
	static const char *const words[2][3] = { { "off", "false", "no" },
						 { "on", "true", "yes" } };

	for (int on = 0; on < 2; on++)
		for (unsigned i = 0; i < 3; i++)
			if (strcmp(text, words[on][i]) == 0)
				return on;
	return -1;
}

static int parse_cap(const char *item, char name[NAME_MAX_BYTES], bool *on,
		     struct gw_error *err)
{
	const char *text = split("cap", item, name, "NAME=on or NAME=off", err);
	int is_on = text ? parse_switch(text) : -1;

	if (!text)
		return -1;
	if (is_on < 0)
		return fail(err, GW_USAGE, "--cap %.60s: on and off are allowed", item);
	*on = is_on;
	return 0;
}

/* ---- without a peer ---- */

static int check_level(const struct tuning *tuning, struct gw_error *err)
{
	const struct codec *codec = NULL;

	if (tuning->level == TUNING_UNSET)
		return 0;
	if (tuning->method)
		codec = codec_by_name(tuning->method, err);
	if (!codec || codec->level_max == 0)
		return fail(err, GW_USAGE,
			    "--level %" PRIu64 ": needs --method zlib, zstd or qatzip",
			    tuning->level);
	if (codec_check_level(codec, (int)tuning->level, err) < 0)
		return fail_in(err, "--level");
	return 0;
}

static int check_accelerator(const struct tuning *tuning, struct gw_error *err)
{
	enum accelerator known;

	if (tuning->accelerator &&
	    accelerator_by_name(tuning->accelerator, &known, err) < 0)
		return fail_in(err, "--accelerator");
	return 0;
}

int tuning_check(const struct tuning *tuning, struct gw_error *err)
{
	char name[NAME_MAX_BYTES];
	bool on;

	if (tuning->method && tuning->method[0] == '\0')
		return fail(err, GW_USAGE, "--method: a name such as zstd is expected");
	if (tuning->method && tuning->channels == 0)
		return fail(err, GW_USAGE,
			    "--method %.40s: needs page channels, --channels 0 has none",
			    tuning->method);
	if (check_level(tuning, err) < 0 || check_accelerator(tuning, err) < 0)
		return -1;
	for (uint32_t i = 0; i < tuning->set_count; i++)
		if (!split("set", tuning->sets[i], name, "NAME=VALUE", err))
			return -1;
	for (uint32_t i = 0; i < tuning->cap_count; i++)
		if (parse_cap(tuning->caps[i], name, &on, err) < 0)
			return -1;
	return 0;
}

/* ---- values ---- */

static json_t *number_value(const char *text)
{
	size_t sign = text[0] == '-' ? 1 : 0;
	size_t digits = strspn(text + sign, "0123456789");
	long long value;

	if (digits == 0 || text[sign + digits] != '\0')
		return NULL;
	errno = 0;
	value = strtoll(text, NULL, 10);
	return errno == 0 ? json_integer(value) : NULL;
}

static json_t *guessed_value(const char *text)
{
	json_t *value = number_value(text);

	if (!value && parse_switch(text) >= 0)
		value = json_boolean(parse_switch(text));
	if (!value && (text[0] == '[' || text[0] == '{'))
		value = json_loads(text, 0, NULL);
	return value ? value : json_string(text);
}

json_t *tuning_value(const char *name, const char *text, const json_t *shown,
		     struct gw_error *err)
{
	const char *expected = "UTF-8 text";
	json_t *value = NULL;

	if (!shown) {
		value = guessed_value(text);
	} else if (json_is_number(shown)) {
		expected = "a whole number";
		value = number_value(text);
	} else if (json_is_boolean(shown)) {
		expected = "on or off";
		if (parse_switch(text) >= 0)
			value = json_boolean(parse_switch(text));
	} else if (json_is_array(shown) || json_is_object(shown)) {
		expected = "JSON";
		value = json_loads(text, 0, NULL);
	} else {
		value = json_string(text);
	}
	if (!value)
		fail(err, GW_USAGE, "%s=%.60s: %s is expected", name, text, expected);
	return value;
}

/* ---- capabilities ---- */

static const json_t *find_capability(const json_t *list, const char *name)
{
	const json_t *one;
	size_t i;

	json_array_foreach (list, i, one) {
		const char *seen = json_string_value(json_object_get(one, "capability"));

		if (seen && strcmp(seen, name) == 0)
			return json_object_get(one, "state");
	}
	return NULL;
}

static int wish_for(json_t *wanted, const char *name, bool on, struct gw_error *err)
{
	if (json_object_set_new(wanted, name, json_boolean(on)) < 0)
		return fail_sys(err, ENOMEM, "%s", name);
	return 0;
}

static int collect_capabilities(const struct tuning *tuning, const json_t *shown,
				json_t *wanted, struct gw_error *err)
{
	/* For the sake of progress and of a sound end; whoever has neither does without. */
	if (find_capability(shown, "events") && wish_for(wanted, "events", true, err) < 0)
		return -1;
	if (tuning->return_path && find_capability(shown, "return-path") &&
	    wish_for(wanted, "return-path", true, err) < 0)
		return -1;
	if ((tuning->channels != TUNING_UNSET || tuning->method) &&
	    wish_for(wanted, "multifd", tuning->channels != 0, err) < 0)
		return -1;
	for (uint32_t i = 0; i < tuning->cap_count; i++) {
		char name[NAME_MAX_BYTES];
		bool on;

		if (parse_cap(tuning->caps[i], name, &on, err) < 0 ||
		    wish_for(wanted, name, on, err) < 0)
			return -1;
	}
	return 0;
}

static int set_capabilities(struct qmp_peer *peer, const json_t *shown, json_t *wanted,
			    struct gw_error *err)
{
	json_t *list = json_array(), *state;
	const char *name;

	json_object_foreach (wanted, name, state) {
		const json_t *seen = find_capability(shown, name);

		/* Some can no longer be set at some time, though they are as they should. */
		if (!seen || !json_equal(seen, state))
			json_array_append_new(list, json_pack("{ss sO}", "capability",
							      name, "state", state));
	}
	if (json_array_size(list) == 0) {
		json_decref(list);
		return 0;
	}
	return qmp_peer_execute(peer, "migrate-set-capabilities",
				json_pack("{so}", "capabilities", list), NULL, err);
}

static int check_capabilities(const struct qmp_peer *peer, const json_t *shown,
			      json_t *wanted, struct gw_error *err)
{
	json_t *state;
	const char *name;

	json_object_foreach (wanted, name, state) {
		const json_t *seen = find_capability(shown, name);

		if (!seen || !json_equal(seen, state))
			return fail(err, GW_PEER,
				    "%s: capability %s: %s was set, %s reads back",
				    qmp_peer_role(peer), name,
				    json_is_true(state) ? "on" : "off",
				    !seen		 ? "nothing"
				    : json_is_true(seen) ? "on"
							 : "off");
	}
	return 0;
}

/* *capabilities: as they read back. */
static int tune_capabilities(const struct tuning *tuning, struct qmp_peer *peer,
			     json_t **capabilities, struct gw_error *err)
{
	json_t *shown = NULL, *wanted = json_object();
	int failed =
		qmp_peer_execute(peer, "query-migrate-capabilities", NULL, &shown, err);

	if (failed == 0)
		failed = collect_capabilities(tuning, shown, wanted, err);
	if (failed == 0)
		failed = set_capabilities(peer, shown, wanted, err);
	if (failed == 0)
		failed = qmp_peer_execute(peer, "query-migrate-capabilities", NULL,
					  capabilities, err);
	if (failed == 0)
		failed = check_capabilities(peer, *capabilities, wanted, err);
	json_decref(shown);
	json_decref(wanted);
	return failed;
}

/* ---- parameters ---- */

static int put(json_t *wanted, const char *name, json_t *value, struct gw_error *err)
{
	if (!value || json_object_set_new(wanted, name, value) < 0)
		return fail(err, GW_USAGE, "%s: its value is not UTF-8 text", name);
	return 0;
}

static int put_number(json_t *wanted, const char *name, uint64_t value,
		      struct gw_error *err)
{
	if (value == TUNING_UNSET)
		return 0;
	return put(wanted, name, json_integer((json_int_t)value), err);
}

/* QEMU computes a method with what it was built with, and has no name for the choice. */
static int put_accelerator(const struct tuning *tuning, const char *role,
			   const json_t *shown, json_t *wanted, struct gw_error *err)
{
	static const char name[] = "compression-accelerator";

	if (!tuning->accelerator)
		return 0;
	if (!json_object_get(shown, name))
		return fail(
			err, GW_UNSUPPORTED,
			"--accelerator %s: the %s has no parameter %s, it is no godwit "
			"vm; a QEMU computes a method with what it was built with",
			tuning->accelerator, role, name);
	return put(wanted, name, json_string(tuning->accelerator), err);
}

static int collect_parameters(const struct tuning *tuning, const char *role,
			      const json_t *shown, json_t *wanted, struct gw_error *err)
{
	char level[NAME_MAX_BYTES];

	if (tuning->channels != 0 &&
	    put_number(wanted, "multifd-channels", tuning->channels, err) < 0)
		return -1;
	if (tuning->method &&
	    put(wanted, "multifd-compression", json_string(tuning->method), err) < 0)
		return -1;
	snprintf(level, sizeof(level), "multifd-%.20s-level",
		 tuning->method ? tuning->method : "");
	if (put_accelerator(tuning, role, shown, wanted, err) < 0 ||
	    put_number(wanted, level, tuning->level, err) < 0 ||
	    put_number(wanted, "max-bandwidth", tuning->max_bandwidth, err) < 0 ||
	    put_number(wanted, "downtime-limit", tuning->downtime_limit_ms, err) < 0)
		return -1;
	for (uint32_t i = 0; i < tuning->set_count; i++) {
		char name[NAME_MAX_BYTES];
		const char *text = split("set", tuning->sets[i], name, "NAME=VALUE", err);
		json_t *value =
			text ? tuning_value(name, text, json_object_get(shown, name), err)
			     : NULL;

		if (!value)
			return text ? fail_in(err, "--set") : -1;
		if (put(wanted, name, value, err) < 0)
			return -1;
	}
	return 0;
}

static bool is_ignored(const struct qmp_version *version, const char *name)
{
	return version->major < 9 && (strcmp(name, "multifd-zlib-level") == 0 ||
				      strcmp(name, "multifd-zstd-level") == 0);
}

static const char *show(char *out, unsigned room, const json_t *value)
{
	OWNED_MEMORY char *text =
		value ? json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT) : NULL;

	return printable(out, room, text ? text : "nothing",
			 (unsigned)strlen(text ? text : "nothing"));
}

static int check_parameters(const struct qmp_peer *peer, const json_t *shown,
			    json_t *wanted, const struct log *log, struct gw_error *err)
{
	json_t *value;
	const char *name;

	json_object_foreach (wanted, name, value) {
		const json_t *seen = json_object_get(shown, name);
		char was[64], is[64];

		if (seen && json_equal(seen, value))
			continue;
		show(was, sizeof(was), value);
		show(is, sizeof(is), seen);
		if (!is_ignored(qmp_peer_version(peer), name))
			return fail(err, GW_PEER, "%s: %s: %s was set, %s reads back",
				    qmp_peer_role(peer), name, was, is);
		log_line(log, LOG_LEVEL_WARNING,
			 "%s: %s: %s was set, %s reads back: QEMU before 9.0 ignores it, "
			 "only -global migration.%s=%s sets it",
			 qmp_peer_role(peer), name, was, is, name, was);
	}
	return 0;
}

/* *parameters: as they read back. */
static int tune_parameters(const struct tuning *tuning, struct qmp_peer *peer,
			   const struct log *log, json_t **parameters,
			   struct gw_error *err)
{
	json_t *shown = NULL, *wanted = json_object();
	int failed =
		qmp_peer_execute(peer, "query-migrate-parameters", NULL, &shown, err);

	if (failed == 0)
		failed = collect_parameters(tuning, qmp_peer_role(peer), shown, wanted,
					    err);
	if (failed == 0 && json_object_size(wanted) > 0)
		failed = qmp_peer_execute(peer, "migrate-set-parameters",
					  json_incref(wanted), NULL, err);
	if (failed == 0)
		failed = qmp_peer_execute(peer, "query-migrate-parameters", NULL,
					  parameters, err);
	if (failed == 0)
		failed = check_parameters(peer, *parameters, wanted, log, err);
	json_decref(shown);
	json_decref(wanted);
	return failed;
}

/* ---- both ---- */

static uint64_t get_number(const json_t *parameters, const char *name)
{
	json_int_t value = json_integer_value(json_object_get(parameters, name));

	return value > 0 ? (uint64_t)value : 0;
}

static void sum_up(struct tuned *tuned, const json_t *capabilities,
		   const json_t *parameters)
{
	const json_t *method = json_object_get(parameters, "multifd-compression");
	char level[NAME_MAX_BYTES];

	*tuned = (struct tuned){ .method = "none" };
	tuned->downtime_limit_ms = get_number(parameters, "downtime-limit");
	if (!json_is_true(find_capability(capabilities, "multifd")))
		return;
	tuned->channels = (uint32_t)get_number(parameters, "multifd-channels");
	if (json_is_string(method))
		printable(tuned->method, sizeof(tuned->method), json_string_value(method),
			  (unsigned)json_string_length(method));
	snprintf(level, sizeof(level), "multifd-%s-level", tuned->method);
	tuned->level = (int64_t)get_number(parameters, level);
}

int tuning_apply(const struct tuning *tuning, struct qmp_peer *peer,
		 const struct log *log, struct tuned *tuned, struct gw_error *err)
{
	json_t *capabilities = NULL, *parameters = NULL;
	int failed = tune_capabilities(tuning, peer, &capabilities, err);

	if (failed == 0)
		failed = tune_parameters(tuning, peer, log, &parameters, err);
	if (failed == 0)
		sum_up(tuned, capabilities, parameters);
	json_decref(capabilities);
	json_decref(parameters);
	return failed;
}

int tuning_downtime_limit(struct qmp_peer *peer, uint64_t *limit_ms, struct gw_error *err)
{
	json_t *parameters = NULL;

	if (qmp_peer_execute(peer, "query-migrate-parameters", NULL, &parameters, err) <
	    0)
		return -1;
	*limit_ms = get_number(parameters, "downtime-limit");
	json_decref(parameters);
	return 0;
}
