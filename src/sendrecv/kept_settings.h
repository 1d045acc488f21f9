/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* kept_settings.h - a QEMU's migration settings as they were, to be put back afterwards. */
#ifndef SENDRECV_KEPT_SETTINGS_H
#define SENDRECV_KEPT_SETTINGS_H

#include <jansson.h>

#include "drive/qmp_peer.h"

/* Zero is nothing kept. */
struct kept_settings {
	json_t *capabilities; /* as query-migrate-capabilities answered; NULL: nothing kept */
	json_t *parameters;
};

int kept_settings_read(struct kept_settings *kept, struct qmp_peer *peer,
		       struct gw_error *err);

/* Sets what differs from then, and nothing else; what is shown now and was not then
 * (block-bitmap-mapping) cannot be unset and stays.  What the QEMU refuses is tried one by one.  -1
 * with the first refusal after all has been tried. */
int kept_settings_restore(const struct kept_settings *kept, struct qmp_peer *peer,
			  struct gw_error *err);
void kept_settings_deinit(struct kept_settings *kept);

#endif
