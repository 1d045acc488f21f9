/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* host.h - what a host's /sys, /dev and libraries say, below a root that tests make up.
 *
 * Everything read is bounded, of one line and printable; what is not there reads as "". */
#ifndef ENGINES_HOST_H
#define ENGINES_HOST_H

#include <stdbool.h>
#include <stdint.h>

#define HOST_TEXT 96u
#define HOST_NAME 40u
#define HOST_NAMES_MAX 256u

struct host {
	char root[256];		/* "" is this host's own */
	uint64_t memlock_bytes; /* that this process may pin; UINT64_MAX: any */
	char user[HOST_NAME];
};

/* `root` longer than the field is cut, and then nothing is found below it. */
void host_init(struct host *host, const char *root);

/* The start of a file below the root, as one line.  False: it cannot be read, and `out` is "". */
bool host_read(const struct host *host, char out[HOST_TEXT], const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* The last part of what a symbolic link points to: a PCI function's driver.  Likewise. */
bool host_link(const struct host *host, char out[HOST_TEXT], const char *format, ...)
	__attribute__((format(printf, 3, 4)));

bool host_has(const struct host *host, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Read and write, by this process. */
bool host_may_use(const struct host *host, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* By the loader; below another root, in the directories that Debian has libraries in. */
bool host_has_library(const struct host *host, const char *soname);

struct host_names {
	uint32_t count;
	uint32_t left_out; /* there were so many more */
	char names[HOST_NAMES_MAX][HOST_NAME];
};

/* What a directory holds of names that are `prefix`, then only `more` characters and at least one
 * of them, as numbers sort. */
void host_list(const struct host *host, struct host_names *names, const char *directory,
	       const char *prefix, const char *more);

#endif
