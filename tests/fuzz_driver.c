/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* fuzz_driver.c - a fuzz target without a fuzzer: runs it on files, for the normal test run.
 *
 *	TARGET FILE|DIRECTORY...
 *
 * Each input is exactly as large as its allocation, so that a sanitizer sees the first byte read
 * past it.  Whatever way the program dies, the name of the input is the last thing said. */
#include <dirent.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Of the sanitizers' runtime, which ends the process without a signal.
 * NOLINTNEXTLINE(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp) */
__attribute__((weak)) void __sanitizer_set_death_callback(void (*callback)(void));

static char current[4096];

static void name_input(void)
{
	static const char text[] = "FAILED on input ";

	/* Nothing can be done about an output that is gone. */
	if (write(STDERR_FILENO, text, sizeof(text) - 1) < 0 ||
	    write(STDERR_FILENO, current, strlen(current)) < 0 ||
	    write(STDERR_FILENO, "\n", 1) < 0)
		return;
}

static void on_signal(int number)
{
	name_input();
	signal(number, SIG_DFL);
	raise(number);
}

static void watch_for_death(void)
{
	static const int deaths[] = { SIGABRT, SIGILL, SIGFPE, SIGSEGV, SIGBUS };
	/* A sanitizer reports the last three itself, and better. */
	size_t ours = __sanitizer_set_death_callback ? 2 : 5;

	if (__sanitizer_set_death_callback)
		__sanitizer_set_death_callback(name_input);
	for (size_t i = 0; i < ours; i++)
		signal(deaths[i], on_signal);
}

static void run_file(const char *path)
{
	FILE *file = fopen(path, "rb");
	struct stat status;
	uint8_t *data;
	size_t size;

	if (!file || fstat(fileno(file), &status) < 0) {
		perror(path);
		exit(EXIT_FAILURE);
	}
	size = (size_t)status.st_size;
	data = malloc(size);
	if ((!data && size > 0) || fread(data, 1, size, file) != size) {
		fprintf(stderr, "%s: cannot be read\n", path);
		exit(EXIT_FAILURE);
	}
	fclose(file);
	snprintf(current, sizeof(current), "%s", path);
	LLVMFuzzerTestOneInput(data, size);
	free(data);
}

static int is_visible(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

/* In the order of their names; how many there were. */
static unsigned run_directory(const char *path)
{
	struct dirent **entries;
	int count = scandir(path, &entries, is_visible, alphasort);

	if (count < 0) {
		perror(path);
		exit(EXIT_FAILURE);
	}
	for (int i = 0; i < count; i++) {
		char name[sizeof(current)];

		snprintf(name, sizeof(name), "%s/%s", path, entries[i]->d_name);
		run_file(name);
		free(entries[i]);
	}
	free(entries);
	return (unsigned)count;
}

int main(int argc, char **argv)
{
	unsigned inputs = 0;

	watch_for_death();
	for (int i = 1; i < argc; i++) {
		struct stat status;

		if (stat(argv[i], &status) == 0 && S_ISDIR(status.st_mode)) {
			inputs += run_directory(argv[i]);
		} else {
			run_file(argv[i]);
			inputs++;
		}
	}
	/* A corpus that went missing must not look like one that passed. */
	if (inputs == 0) {
		fprintf(stderr, "%s: no inputs\n", argv[0]);
		return EXIT_FAILURE;
	}
	printf("%u inputs replayed\n1 passed, 0 failed, 0 skipped\n", inputs);
	return EXIT_SUCCESS;
}
