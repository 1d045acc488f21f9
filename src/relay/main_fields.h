/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* main_fields.h - what main consists of: which field comes next, and what each one says.
 *
 * The inner half of main_scan, which collects the fields and writes. */
#ifndef RELAY_MAIN_FIELDS_H
#define RELAY_MAIN_FIELDS_H

#include "relay/main_scan.h"

enum main_field {
	FIELD_HEADER,	     /* magic, version */
	FIELD_CONFIGURATION, /* type, length of the machine's name */
	FIELD_MACHINE,
	FIELD_SUBSECTION_LENGTH, /* of its name */
	FIELD_SUBSECTION,	 /* name, version */
	FIELD_PAGE_BITS,
	FIELD_CAPABILITIES, /* how many */
	FIELD_CAPABILITY_LENGTH,
	FIELD_CAPABILITY,
	FIELD_RECORD, /* type; grows into FIELD_COMMAND */
	FIELD_COMMAND,
	FIELD_PACKAGE,	     /* length */
	FIELD_SECTION,	     /* id, length of the name */
	FIELD_SECTION_NAME,  /* and instance, version */
	FIELD_SECTION_AGAIN, /* id */
	FIELD_WORD,
	FIELD_BLOCK_LENGTH, /* of its name */
	FIELD_BLOCK,	    /* name, used length */
	FIELD_PAGE_BLOCK,   /* length of the name */
	FIELD_XBZRLE,
	FIELD_COMPRESSED,
	FIELD_FOOTER,
	FIELD_COUNT,
};

#define COMMAND_BYTES 5u
#define WORD_BYTES 8u

/* The low bits of each word in a ram body (wire format, 2). */
enum word_flag {
	WORD_ZERO = 0x002,
	WORD_MEM_SIZE = 0x004,
	WORD_PAGE = 0x008,
	WORD_EOS = 0x010,
	WORD_CONTINUE = 0x020,
	WORD_XBZRLE = 0x040,
	WORD_COMPRESS_PAGE = 0x100,
	WORD_FLUSH = 0x200,
};

/* A new stream. */
void main_fields_begin(struct main_scan *scan);

/* scan->field is complete: notes what is to be seen of it, and says what to expect. */
void main_fields_take(struct main_scan *scan);

#endif
