/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* kept_settings.c - a QEMU's migration settings as they were. */
#include "sendrecv/kept_settings.h"

int kept_settings_read(struct kept_settings *kept, struct qmp_peer *peer,
		       struct gw_error *err)
{
	*kept = (struct kept_settings){ 0 };
	if (qmp_peer_execute(peer, "query-migrate-capabilities", NULL,
			     &kept->capabilities, err) == 0 &&
	    qmp_peer_execute(peer, "query-migrate-parameters", NULL, &kept->parameters,
			     err) == 0)
		return 0;
	kept_settings_deinit(kept);
	return -1;
}

void kept_settings_deinit(struct kept_settings *kept)
{
	json_decref(kept->capabilities);
	json_decref(kept->parameters);
	*kept = (struct kept_settings){ 0 };
}

/* Or is nobody there to be told any more? */
static bool is_refused(struct qmp_peer *peer, const struct gw_error *why)
{
	struct guest_status guest;
	struct gw_error ignored;

	return why->kind != GW_CANCELLED && qmp_peer_guest(peer, &guest, &ignored) == 0;
}

/* ---- capabilities ---- */

static bool has(const json_t *list, const json_t *wanted)
{
	const json_t *one;
	size_t i;

	json_array_foreach (list, i, one)
		if (json_equal(one, wanted))
			return true;
	return false;
}

/* Those of `then` that are otherwise now: a new list. */
static json_t *other_capabilities(const json_t *then, const json_t *now)
{
	json_t *list = json_array(), *one;
	size_t i;

	json_array_foreach (then, i, one)
		if (!has(now, one))
			json_array_append(list, one);
	return list;
}

/* Takes over `list`. */
static int set_capabilities(struct qmp_peer *peer, json_t *list, struct gw_error *err)
{
	return qmp_peer_execute(peer, "migrate-set-capabilities",
				json_pack("{so}", "capabilities", list), NULL, err);
}

/* One may ask for another to be set before it: what succeeds leaves `list`.  Return: how many did;
 * *err is of the first that did not. */
static size_t set_each_capability(struct qmp_peer *peer, json_t *list,
				  struct gw_error *err)
{
	size_t set = 0, i = 0;

	while (i < json_array_size(list)) {
		json_t *one = json_array_get(list, i);
		struct gw_error why;

		if (set_capabilities(peer, json_pack("[O]", one), &why) == 0) {
			json_array_remove(list, i);
			set++;
			continue;
		}
		if (i++ == 0)
			*err = why;
	}
	return set;
}

static int restore_capabilities(const json_t *then, struct qmp_peer *peer,
				struct gw_error *err)
{
	json_t *now = NULL, *list;
	struct gw_error why;
	int failed = 0;

	if (qmp_peer_execute(peer, "query-migrate-capabilities", NULL, &now, err) < 0)
		return -1;
	list = other_capabilities(then, now);
	json_decref(now);
	if (json_array_size(list) > 0)
		failed = set_capabilities(peer, json_incref(list), &why);
	if (failed < 0 && is_refused(peer, &why)) {
		while (set_each_capability(peer, list, &why) > 0)
			;
		failed = json_array_size(list) > 0 ? -1 : 0;
	}
	json_decref(list);
	if (failed < 0)
		*err = why;
	return failed;
}

/* ---- parameters ---- */

/* Those of `then` that are otherwise now: a new object. */
static json_t *other_parameters(json_t *then, const json_t *now)
{
	json_t *object = json_object(), *value;
	const char *name;

	json_object_foreach (then, name, value)
		if (!json_equal(json_object_get(now, name), value))
			json_object_set(object, name, value);
	return object;
}

static int set_each_parameter(struct qmp_peer *peer, json_t *wanted, struct gw_error *err)
{
	json_t *value;
	const char *name;
	int failed = 0;

	json_object_foreach (wanted, name, value) {
		struct gw_error why;

		if (qmp_peer_execute(peer, "migrate-set-parameters",
				     json_pack("{sO}", name, value), NULL, &why) == 0)
			continue;
		if (failed == 0)
			*err = why;
		failed = -1;
	}
	return failed;
}

static int restore_parameters(json_t *then, struct qmp_peer *peer, struct gw_error *err)
{
	json_t *now = NULL, *wanted;
	struct gw_error why;
	int failed = 0;

	if (qmp_peer_execute(peer, "query-migrate-parameters", NULL, &now, err) < 0)
		return -1;
	wanted = other_parameters(then, now);
	json_decref(now);
	if (json_object_size(wanted) > 0)
		failed = qmp_peer_execute(peer, "migrate-set-parameters",
					  json_incref(wanted), NULL, &why);
	if (failed < 0 && is_refused(peer, &why))
		failed = set_each_parameter(peer, wanted, &why);
	json_decref(wanted);
	if (failed < 0)
		*err = why;
	return failed;
}

int kept_settings_restore(const struct kept_settings *kept, struct qmp_peer *peer,
			  struct gw_error *err)
{
	struct gw_error second;

	if (!kept->capabilities)
		return 0;
	if (restore_capabilities(kept->capabilities, peer, err) == 0)
		return restore_parameters(kept->parameters, peer, err);
	if (is_refused(peer, err))
		(void)restore_parameters(kept->parameters, peer, &second);
	return -1;
}
