/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* settings.h - parameters and capabilities as one list of names and texts.
 *
 * A plain value.  No name is both a parameter and a capability. */
#ifndef API_SETTINGS_H
#define API_SETTINGS_H

#include "migrate/capabilities.h"
#include "migrate/parameters.h"

struct settings {
	struct parameters parameters;
	struct capabilities capabilities;
};

/* QEMU's, with the return path on: a guest whose arrival nobody confirms is not the default. */
void settings_init(struct settings *settings);

/* Numbers in decimal and without a unit (bytes, ms, percent), "on" and "off", words.  Changes
 * nothing on failure.  GW_USAGE, GW_UNSUPPORTED with QEMU's texts. */
int settings_set(struct settings *settings, const char *name, const char *value,
		 struct gw_error *err);

/* As settings_set() takes it.  GW_USAGE: no such name, or `room` does not do. */
int settings_get(const struct settings *settings, const char *name, char *value,
		 size_t room, struct gw_error *err);

#endif
