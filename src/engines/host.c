/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* host.c - what a host's /sys, /dev and libraries say. */
#include "engines/host.h"

#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/error.h"
#include "base/own.h"

#define CAPABILITY_IPC_LOCK 14 /* linux/capability.h */

/* False: longer than a path can be. */
__attribute__((format(printf, 3, 0))) static bool
path_below(const struct host *host, char path[PATH_MAX], const char *format, va_list list)
{
	int used = snprintf(path, PATH_MAX, "%s", host->root), more;

	more = vsnprintf(path + used, PATH_MAX - (size_t)used, format, list);
	return more >= 0 && used + more < PATH_MAX;
}

#define PATH_BELOW(host, path, format)                         \
	({                                                     \
		va_list list_;                                 \
		bool fits_;                                    \
                                                               \
		va_start(list_, format);                       \
		fits_ = path_below(host, path, format, list_); \
		va_end(list_);                                 \
		fits_;                                         \
	})

/* Several lines become one. */
static void keep_text(char out[HOST_TEXT], char *bytes, size_t length)
{
	while (length > 0 && (bytes[length - 1] == '\n' || bytes[length - 1] == ' '))
		length--;
	for (size_t i = 0; i < length; i++)
		if (bytes[i] == '\n')
			bytes[i] = ' ';
	printable(out, HOST_TEXT, bytes, (unsigned)length);
}

bool host_read(const struct host *host, char out[HOST_TEXT], const char *format, ...)
{
	char path[PATH_MAX], bytes[HOST_TEXT];
	OWNED_FD int fd = -1;
	ssize_t got;

	out[0] = '\0';
	if (!PATH_BELOW(host, path, format))
		return false;
	/* A FIFO where a file should be must not hold us up. */
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return false;
	got = read(fd, bytes, sizeof(bytes));
	if (got < 0)
		return false;
	keep_text(out, bytes, (size_t)got);
	return true;
}

bool host_link(const struct host *host, char out[HOST_TEXT], const char *format, ...)
{
	char path[PATH_MAX], target[PATH_MAX];
	char *last;
	ssize_t length;

	out[0] = '\0';
	if (!PATH_BELOW(host, path, format))
		return false;
	length = readlink(path, target, sizeof(target) - 1);
	if (length < 0)
		return false;
	target[length] = '\0';
	last = strrchr(target, '/');
	last = last ? last + 1 : target;
	keep_text(out, last, strlen(last));
	return true;
}

bool host_has(const struct host *host, const char *format, ...)
{
	char path[PATH_MAX];

	return PATH_BELOW(host, path, format) && access(path, F_OK) == 0;
}

bool host_may_use(const struct host *host, const char *format, ...)
{
	char path[PATH_MAX];

	return PATH_BELOW(host, path, format) &&
	       faccessat(AT_FDCWD, path, R_OK | W_OK, AT_EACCESS) == 0;
}

bool host_has_library(const struct host *host, const char *soname)
{
	static const char *const directories[] = {
		"/lib",
		"/lib64",
		"/usr/lib",
		"/usr/lib64",
		"/usr/local/lib",
		"/usr/lib/x86_64-linux-gnu",
		"/usr/lib/aarch64-linux-gnu",
	};
	void *library;

	for (size_t i = 0; host->root[0] && i < sizeof(directories) / sizeof(char *); i++)
		if (host_has(host, "%s/%s", directories[i], soname))
			return true;
	if (host->root[0])
		return false;
	library = dlopen(soname, RTLD_LAZY | RTLD_LOCAL);
	if (library)
		dlclose(library);
	return library != NULL;
}

static int compare(const void *left, const void *right)
{
	return strverscmp(left, right);
}

static bool is_wanted(const char *name, const char *prefix, const char *more)
{
	size_t length = strlen(prefix), rest;

	if (strncmp(name, prefix, length) != 0)
		return false;
	rest = strspn(name + length, more);
	return rest > 0 && name[length + rest] == '\0' && length + rest < HOST_NAME;
}

void host_list(const struct host *host, struct host_names *names, const char *directory,
	       const char *prefix, const char *more)
{
	char path[PATH_MAX];
	const struct dirent *entry;
	DIR *open_directory;

	names->count = names->left_out = 0;
	if (snprintf(path, sizeof(path), "%s%s", host->root, directory) >= PATH_MAX)
		return;
	open_directory = opendir(path);
	if (!open_directory)
		return;
	/* NOLINTNEXTLINE(concurrency-mt-unsafe): a stream of our own */
	while ((entry = readdir(open_directory))) {
		if (!is_wanted(entry->d_name, prefix, more))
			continue;
		if (names->count == HOST_NAMES_MAX)
			names->left_out++;
		else
			snprintf(names->names[names->count++], HOST_NAME, "%.*s",
				 (int)HOST_NAME - 1, entry->d_name);
	}
	closedir(open_directory);
	qsort(names->names, names->count, HOST_NAME, compare);
}

/* Whoever may lock any amount is not limited. */
static bool may_lock_all(void)
{
	char line[128];
	uint64_t effective = 0;
	FILE *status = fopen("/proc/self/status", "re");

	if (!status)
		return false;
	while (fgets(line, sizeof(line), status))
		if (strncmp(line, "CapEff:", 7) == 0)
			effective = strtoull(line + 7, NULL, 16);
	fclose(status);
	return effective >> CAPABILITY_IPC_LOCK & 1;
}

static uint64_t own_memlock(void)
{
	struct rlimit limit;

	if (may_lock_all() || getrlimit(RLIMIT_MEMLOCK, &limit) < 0 ||
	    limit.rlim_cur == RLIM_INFINITY)
		return UINT64_MAX;
	return limit.rlim_cur;
}

void host_init(struct host *host, const char *root)
{
	char room[1024];
	struct passwd entry, *found = NULL;
	size_t length = strlen(root);

	*host = (struct host){ .memlock_bytes = own_memlock() };
	while (length > 0 && root[length - 1] == '/')
		length--;
	snprintf(host->root, sizeof(host->root), "%.*s", (int)length, root);
	if (getpwuid_r(geteuid(), &entry, room, sizeof(room), &found) == 0 && found)
		snprintf(host->user, sizeof(host->user), "%s", found->pw_name);
	else
		snprintf(host->user, sizeof(host->user), "%u", (unsigned)geteuid());
}
