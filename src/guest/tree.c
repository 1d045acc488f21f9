/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tree.c - the bytes of a file, or of all files under a folder, as one endless stream. */
#include "guest/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <inttypes.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

struct tree_file {
	char *path;
	uint64_t start; /* in the stream */
	uint64_t length;
};

struct tree {
	struct tree_file *files;
	size_t file_count;
	size_t room;
	uint64_t total_bytes;
};

void tree_free(struct tree *tree)
{
	if (!tree)
		return;
	for (size_t i = 0; i < tree->file_count; i++)
		free(tree->files[i].path);
	free(tree->files);
	free(tree);
}

static int add_file(struct tree *tree, const char *path, uint64_t length,
		    struct gw_error *err)
{
	struct tree_file *file;

	if (tree->file_count == tree->room) {
		size_t room = tree->room ? 2 * tree->room : 64;
		void *files = reallocarray(tree->files, room, sizeof(*tree->files));

		if (!files)
			return fail_sys(err, ENOMEM, "fill: list of %zu files", room);
		tree->files = files;
		tree->room = room;
	}
	file = &tree->files[tree->file_count];
	file->path = strdup(path);
	if (!file->path)
		return fail_sys(err, ENOMEM, "fill: %s", path);
	file->start = tree->total_bytes;
	file->length = length;
	tree->total_bytes += length;
	tree->file_count++;
	return 0;
}

static int by_name(const FTSENT **a, const FTSENT **b)
{
	return strcmp((*a)->fts_name, (*b)->fts_name);
}

/* One entry of the walk. */
static int visit(struct tree *tree, const FTSENT *entry, uint64_t enough_bytes,
		 struct gw_error *err)
{
	bool named = entry->fts_level == FTS_ROOTLEVEL;
	uint64_t length, wanted = enough_bytes - tree->total_bytes;
	int refused = 0;

	switch (entry->fts_info) {
	case FTS_F:
		if (faccessat(AT_FDCWD, entry->fts_path, R_OK, AT_EACCESS) < 0)
			refused = errno;
		break;
	case FTS_DNR:
	case FTS_ERR:
	case FTS_NS:
		refused = entry->fts_errno;
		break;
	default:
		return 0;
	}
	if (refused != 0) {
		/* In a tree that lives, files come and go, and some are others' business. */
		if (!named && (refused == EACCES || refused == ENOENT))
			return 0;
		return fail_sys(err, refused, "fill: %s", entry->fts_path);
	}
	length = (uint64_t)entry->fts_statp->st_size;
	if (length > wanted)
		length = wanted;
	return length > 0 ? add_file(tree, entry->fts_path, length, err) : 0;
}

static int walk(struct tree *tree, const char *path, uint64_t enough_bytes,
		struct gw_error *err)
{
	char *roots[] = { (char *)(uintptr_t)path,
			  NULL }; /* fts changes no root's bytes */
	FTS *fts = fts_open(roots, FTS_PHYSICAL | FTS_COMFOLLOW | FTS_NOCHDIR | FTS_XDEV,
			    by_name);
	int done = 0;

	if (!fts)
		return fail_sys(err, errno, "fill: %s", path);
	while (done == 0 && tree->total_bytes < enough_bytes) {
		const FTSENT *entry;

		errno = 0;
		entry = fts_read(fts);
		if (!entry) {
			if (errno != 0)
				done = fail_sys(err, errno, "fill: %s", path);
			break;
		}
		done = visit(tree, entry, enough_bytes, err);
	}
	fts_close(fts);
	return done;
}

struct tree *tree_new(const char *path, uint64_t enough_bytes, struct gw_error *err)
{
	OWNED(tree) struct tree *tree = calloc(1, sizeof(*tree));

	if (!tree) {
		fail_sys(err, ENOMEM, "fill: %s", path);
		return NULL;
	}
	if (walk(tree, path, enough_bytes, err) < 0)
		return NULL;
	if (tree->total_bytes == 0) {
		fail(err, GW_USAGE,
		     "fill: %s: no readable regular file with anything in it", path);
		return NULL;
	}
	return MOVE(tree);
}

uint64_t tree_bytes(const struct tree *tree)
{
	return tree->total_bytes;
}

/* The file that holds byte `at` of one pass over the tree. */
static size_t find_file(const struct tree *tree, uint64_t at)
{
	size_t low = 0, high = tree->file_count;

	while (high - low > 1) {
		size_t middle = low + (high - low) / 2;

		if (tree->files[middle].start <= at)
			low = middle;
		else
			high = middle;
	}
	return low;
}

static int open_file(const struct tree *tree, struct tree_reader *reader, size_t index,
		     struct gw_error *err)
{
	if (reader->fd >= 0 && reader->file == index)
		return 0;
	if (reader->fd >= 0)
		close(reader->fd);
	/* NONBLOCK: should a pipe have taken the file's place, opening it must not wait. */
	reader->fd = open(tree->files[index].path,
			  O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	reader->file = index;
	if (reader->fd < 0)
		return fail_sys(err, errno, "fill: %s", tree->files[index].path);
	return 0;
}

/* Once through the files at most: `length` is no more than there is. */
static int read_files(const struct tree *tree, struct tree_reader *reader, uint64_t at,
		      uint8_t *to, size_t length, struct gw_error *err)
{
	size_t index = find_file(tree, at);

	while (length > 0) {
		const struct tree_file *file = &tree->files[index];
		uint64_t within = at - file->start, left = file->length - within;
		ssize_t got;

		if (open_file(tree, reader, index, err) < 0)
			return -1;
		got = pread(reader->fd, to, left < length ? left : length, (off_t)within);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return fail_sys(err, errno, "fill: %s", file->path);
		if (got == 0)
			return fail(err, GW_USAGE,
				    "fill: %s: ends at byte %" PRIu64 ", but had %" PRIu64
				    " when listed",
				    file->path, within, file->length);
		to += got;
		length -= (size_t)got;
		at += (uint64_t)got;
		if ((uint64_t)got == left && ++index == tree->file_count)
			index = 0, at = 0;
	}
	return 0;
}

int tree_read(const struct tree *tree, struct tree_reader *reader, uint64_t offset,
	      void *into, size_t length, struct gw_error *err)
{
	size_t once = length < tree->total_bytes ? length : tree->total_bytes;
	uint8_t *to = into;

	if (read_files(tree, reader, offset % tree->total_bytes, to, once, err) < 0)
		return -1;
	/* What follows repeats what is here: in whole rounds, twice as many each time. */
	for (size_t done = once, more; done < length; done += more) {
		more = done < length - done ? done : length - done;
		memcpy(to + done, to, more);
	}
	return 0;
}
