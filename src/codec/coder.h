/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* coder.h - units computed by a library, here and now. */
#ifndef CODEC_CODER_H
#define CODEC_CODER_H

#include "base/error.h"
#include "codec/unit.h"

struct coder {
	const char *name; /* "isal" */
	/* May encode UNIT_DEFLATE from memory that others write meanwhile: the output decodes to
	 * a page, and never reads or writes out of bounds.  Only that form: in one of several
	 * pages an unchanged page may be told by what another one was before it changed, and a
	 * checksum is of one moment. */
	bool reads_live_pages;
	/* Usable here, now (library version)? */
	int (*probe)(struct gw_error *err);
	/* NULL and err; GW_UNSUPPORTED for a form, direction or level it does not have. */
	void *(*open)(enum unit_form form, enum direction direction, int level,
		      struct gw_error *err);
	/* Sets the unit's answer and returns it.  Believes nothing of the source: UNIT_DONE only
	 * if the room is full to the byte, the stream complete, its checksums right and no source
	 * left over.  Any state is good for the next unit after any answer. */
	enum unit_answer (*run)(void *state, struct unit *unit);
	void (*close)(void *state); /* NULL is fine */
};

extern const struct coder coder_isal;
extern const struct coder coder_libdeflate;
extern const struct coder coder_zlib; /* the reference */

#endif
