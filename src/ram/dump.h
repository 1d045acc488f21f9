/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* dump.h - RAM blocks as files, for whoever wants to compare them.
 *
 * One file a block, named after it: what is not a letter, digit, '-', '_' or '.', and a leading
 * '.', becomes %XX, for names come from the peer.  Zero pages are holes; files have mode 0600. */
#ifndef RAM_DUMP_H
#define RAM_DUMP_H

#include "ram/block.h"

/* Makes `directory` if there is none; replaces files of the same names. */
int ram_dump(const struct ram *ram, const char *directory, struct gw_error *err);

#define RAM_DUMP_NAME_BYTES (3u * RAM_NAME_MAX + 1u)
void ram_dump_name(char out[RAM_DUMP_NAME_BYTES], const char *block_name);

#endif
