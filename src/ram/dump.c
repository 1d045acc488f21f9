/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* dump.c - RAM blocks as files. */
#include "ram/dump.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "ram/zero.h"

void ram_dump_name(char out[RAM_DUMP_NAME_BYTES], const char *block_name)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				    "0123456789-_.";
	size_t used = 0;

	for (const char *c = block_name; *c; c++) {
		if (strchr(plain, *c) && !(c == block_name && *c == '.'))
			out[used++] = *c;
		else
			used += (size_t)snprintf(out + used, 4, "%%%02X",
						 (unsigned char)*c);
	}
	out[used] = '\0';
}

static int write_fully(int fd, const uint8_t *bytes, size_t length, uint64_t offset)
{
	while (length > 0) {
		ssize_t wrote = pwrite(fd, bytes, length, (off_t)offset);

		if (wrote < 0 && errno == EINTR)
			continue;
		if (wrote < 0)
			return -1;
		bytes += wrote;
		length -= (size_t)wrote;
		offset += (uint64_t)wrote;
	}
	return 0;
}

/* Runs of pages that are not zero; the rest are holes of the file's length. */
static int write_block(int fd, const struct ram_block *block)
{
	size_t page = 0;

	if (ftruncate(fd, (off_t)block->length_bytes) < 0)
		return -1;
	while (page < block->page_count) {
		size_t first = page;

		while (page < block->page_count &&
		       !page_is_zero(block->host + page * PAGE_BYTES))
			page++;
		if (page == first)
			page++;
		else if (write_fully(fd, block->host + first * PAGE_BYTES,
				     (page - first) * PAGE_BYTES, first * PAGE_BYTES) < 0)
			return -1;
	}
	return 0;
}

int ram_dump(const struct ram *ram, const char *directory, struct gw_error *err)
{
	OWNED_FD int folder = -1;

	if (mkdir(directory, 0700) < 0 && errno != EEXIST)
		return fail_sys(err, errno, "make directory %s", directory);
	folder = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (folder < 0)
		return fail_sys(err, errno, "open directory %s", directory);
	for (uint32_t i = 0; i < ram->block_count; i++) {
		char name[RAM_DUMP_NAME_BYTES];
		OWNED_FD int fd = -1;

		ram_dump_name(name, ram->blocks[i]->name);
		if (unlinkat(folder, name, 0) < 0 && errno != ENOENT)
			return fail_sys(err, errno, "replace %s/%s", directory, name);
		fd = openat(folder, name,
			    O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
		if (fd < 0)
			return fail_sys(err, errno, "create %s/%s", directory, name);
		if (write_block(fd, ram->blocks[i]) < 0)
			return fail_sys(err, errno, "write %s/%s", directory, name);
	}
	return 0;
}
