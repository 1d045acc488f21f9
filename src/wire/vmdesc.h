/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vmdesc.h - sizes of device sections, from the JSON that closes a stream.
 *
 * FULL sections carry no length.  The VMDESCRIPTION tells each one's size: the sum over its
 * fields of size x array_len, and over its subsections of 1 + 1 + strlen(vmsd_name) + 4 + their
 * own bodies.  Source: QEMU migration/vmstate.c. */
#ifndef WIRE_VMDESC_H
#define WIRE_VMDESC_H

#include "base/bytes.h"
#include "base/error.h"
#include "wire/stream.h"

#define VMDESC_DEVICES_MAX 1024u
#define VMDESC_DEPTH_MAX 32u /* subsections inside a device */
/* JSON values, by their separators: what parsing may cost, apart from the text's length. */
#define VMDESC_VALUES_MAX (1u << 20)

struct vmdesc_device {
	char name[STREAM_NAME_MAX + 1];
	uint32_t instance;
	uint32_t section_id; /* set by vmdesc_account() */
	uint64_t body_bytes;
};

struct vmdesc {
	uint32_t device_count;
	struct vmdesc_device devices[VMDESC_DEVICES_MAX];
};

/* GW_PEER when it is no such description, too long, too deep, too many, or its sums overflow.
 * `{}` describes no devices.  *desc is scratch after a failure. */
int vmdesc_parse(const char *json, size_t length, struct vmdesc *desc,
		 struct gw_error *err);

/* Walks `tail`: FULL sections one after the other, each as long as `desc` says, each with its
 * footer, exactly to the end.  0 when every byte is accounted for. */
int vmdesc_account(struct vmdesc *desc, struct span tail, struct gw_error *err);

/* Finds the end of a stream whose last bytes are `tail` (from the first FULL section on): EOF,
 * VMDESCRIPTION, and a description that accounts for everything before.  Meant to be called
 * again as the tail grows: without a description that ends just there, a call costs one vector
 * scan of the NUL-free bytes at the end, and most calls one byte.
 * Return: 1 `tail` ends exactly there and *desc is filled in, 0 not (yet); then *desc is
 * scratch. */
int vmdesc_find_end(struct span tail, struct vmdesc *desc);

#endif
