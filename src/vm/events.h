/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* events.h - where the parts of a vm say what happened, under QEMU's names.
 *
 * Borrowed by whoever speaks; told on the vm's thread, in the order in which things happen. */
#ifndef VM_EVENTS_H
#define VM_EVENTS_H

#include <jansson.h>

struct events {
	/* Takes over `data`, which may be NULL. */
	void (*tell)(void *state, const char *name, json_t *data);
	void *state;
};

static inline void events_tell(const struct events *events, const char *name,
			       json_t *data)
{
	events->tell(events->state, name, data);
}

#endif
