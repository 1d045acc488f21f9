/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* godwit.h - live migration of virtual machines over parallel channels.
 *
 * The one public header.  Every name in it starts with gw_ or GW_. */
#ifndef GODWIT_H
#define GODWIT_H

#ifdef __cplusplus
extern "C" {
#endif

/* What a caller can do about a failure, not where it happened. */
enum gw_error_kind {
	GW_SYSTEM = 1,	/* the operating system refused; `sys` holds errno */
	GW_PEER,	/* the other side left or broke the protocol */
	GW_UNSUPPORTED, /* understood, but not available here */
	GW_USAGE,	/* the caller asked for something that cannot be */
	GW_CANCELLED,	/* somebody asked us to stop */
};

/* An error is a value: nothing to free, valid for as long as the struct is.  `text` is one
 * lower-case sentence without a full stop that names the thing, the value seen and the value
 * allowed. */
struct gw_error {
	enum gw_error_kind kind;
	int sys;
	char text[256];
};

#ifdef __cplusplus
}
#endif

#endif
