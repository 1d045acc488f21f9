/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vendor_absent_test.c - the libraries are here, the devices are not: what probing leaves behind.
 *
 * Every case is a process of its own, for a probe's answer is kept and libraries stay.  On a host
 * that has the devices it is not of use. */
#include <dirent.h>
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/pages.h"
#include "codec/device.h"
#include "codec/engine.h"
#include "tests/check.h"

#define SAID_BYTES 4096u

/* ---- what a process holds ---- */

struct held {
	unsigned keys; /* left to be had */
	unsigned descriptors;
	size_t heap_bytes;
	size_t resident_bytes;
};

static unsigned count_free_keys(void)
{
	pthread_key_t keys[1024];
	unsigned count = 0;

	while (count < 1024 && pthread_key_create(&keys[count], NULL) == 0)
		count++;
	for (unsigned i = 0; i < count; i++)
		pthread_key_delete(keys[i]);
	return count;
}

static unsigned count_descriptors(void)
{
	DIR *folder = opendir("/proc/self/fd");
	unsigned count = 0;

	if (!folder)
		abort();
	while (readdir(folder))
		count++;
	closedir(folder);
	return count;
}

static size_t resident_bytes(void)
{
	FILE *file = fopen("/proc/self/statm", "r");
	size_t all, resident;

	if (!file || fscanf(file, "%zu %zu", &all, &resident) != 2)
		abort();
	fclose(file);
	return resident * PAGE_BYTES;
}

static struct held holds(void)
{
	return (struct held){
		.keys = count_free_keys(),
		.descriptors = count_descriptors(),
		.heap_bytes = mallinfo2().uordblks,
		.resident_bytes = resident_bytes(),
	};
}

/* ---- a case in a process of its own; what it says is compared by its parent ---- */

/* This program in that mode, with `libraries` searched first; what it wrote to either output. */
static void run(const char *argument, const char *libraries, char out[SAID_BYTES],
		char errors[SAID_BYTES])
{
	char *said[] = { out, errors };
	FILE *files[2] = { tmpfile(), tmpfile() };
	int status;
	pid_t child = fork();

	if (child == 0) {
		dup2(fileno(files[0]), STDOUT_FILENO);
		dup2(fileno(files[1]), STDERR_FILENO);
		if (libraries)
			setenv("LD_LIBRARY_PATH", libraries, 1);
		execl("/proc/self/exe", "vendor_absent_test", argument, NULL);
		_exit(127);
	}
	CHECK(child > 0);
	CHECK_EQ(waitpid(child, &status, 0), child);
	for (int i = 0; i < 2; i++) {
		rewind(files[i]);
		said[i][fread(said[i], 1, SAID_BYTES - 1, files[i])] = '\0';
		fclose(files[i]);
	}
	if (status != 0)
		CHECK_FAIL("%s ended with %d: %s%s", argument, status, out, errors);
}

static char out[SAID_BYTES], errors[SAID_BYTES];

/* A folder with a library of that name that is none: the loader stops looking. */
static const char *hide(const char *soname)
{
	static char folder[64], path[128];
	FILE *file;

	snprintf(folder, sizeof(folder), "/tmp/godwit-hidden-XXXXXX");
	CHECK(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/%s", folder, soname);
	file = fopen(path, "w");
	CHECK(file);
	fclose(file);
	return folder;
}

/* ---- modes ---- */

static int mode_probe(void)
{
	struct gw_error err;

	if (device_probe(&device_qpl, &err) == 0)
		return 1;
	printf("qpl: %s\n", err.text);
	if (device_probe(&device_qatzip, &err) == 0)
		return 1;
	printf("qatzip: %s\n", err.text);
	return 0;
}

/* A /dev/vfio with a group that is none. */
static int mode_bogus_vfio(void)
{
	/* Nobody else gets to see this /dev. */
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/dev", NULL, MS_PRIVATE, NULL) < 0 ||
	    mount("tmpfs", "/dev", "tmpfs", 0, NULL) < 0 ||
	    mkdir("/dev/vfio", 0755) < 0 || close(creat("/dev/vfio/17", 0666)) < 0 ||
	    close(creat("/dev/vfio/vfio", 0666)) < 0) {
		perror("a /dev of its own");
		return 1;
	}
	return mode_probe();
}

static uint8_t pages[4 * PAGE_BYTES] __attribute__((aligned(PAGE_BYTES)));
static uint8_t back[sizeof(pages)] __attribute__((aligned(PAGE_BYTES)));

struct channel {
	const struct engine *encoder, *decoder;
	void *encodes, *decodes;
};

static int channel_open(struct channel *channel, enum codec_id codec, int level,
			struct gw_error *err)
{
	struct engine_options options = { .direction = ENCODE, .level = level };

	channel->encoder = engine_choose(codec, ENCODE, level, ACCELERATOR_AUTO, err);
	channel->decoder = engine_choose(codec, DECODE, 0, ACCELERATOR_AUTO, err);
	if (!channel->encoder || !channel->decoder)
		return -1;
	channel->encodes = channel->encoder->open(channel->encoder, &options, err);
	options.direction = DECODE;
	channel->decodes = channel->decoder->open(channel->decoder, &options, err);
	return channel->encodes && channel->decodes ? 0 : -1;
}

static int packet(struct channel *channel, uint64_t number, struct gw_error *err)
{
	struct span source = { pages, sizeof(pages) }, payload = { 0 };
	struct room destination = { back, sizeof(back) };
	struct job there = { .source = &source, .source_count = 1 };
	struct job again = { .source = &payload,
			     .source_count = 1,
			     .destination = &destination,
			     .destination_count = 1 };
	uint8_t *room = channel->decoder->payload_room(channel->decodes);
	struct gw_error ignored;

	if (device_probe(&device_qpl, &ignored) == 0 ||
	    device_probe(&device_qatzip, &ignored) == 0)
		return fail(err, GW_SYSTEM, "there is a device");
	memset(pages, (int)number, sizeof(pages) / 2);
	memcpy(pages + 100, &number, sizeof(number));
	if (!room || engine_run(channel->encoder, channel->encodes, &there, err) < 0)
		return -1;
	payload.bytes = room;
	for (uint32_t i = 0; i < there.piece_count; i++) {
		memcpy(room + payload.length, there.pieces[i].bytes,
		       there.pieces[i].length);
		payload.length += there.pieces[i].length;
	}
	if (engine_run(channel->decoder, channel->decodes, &again, err) < 0)
		return -1;
	if (memcmp(pages, back, sizeof(pages)) != 0)
		return fail(err, GW_SYSTEM, "packet %" PRIu64 " is another", number);
	return 0;
}

/* 10 000 packets and a new channel for each hundred; the first thousand may load things. */
static int mode_packets(enum codec_id codec, int level)
{
	struct held before = { 0 }, after;
	struct gw_error err;
	struct channel channel;

	for (uint64_t i = 0; i < 10000; i++) {
		if (i == 1000)
			before = holds();
		if (i % 100 == 0 && channel_open(&channel, codec, level, &err) < 0)
			break;
		if (packet(&channel, i, &err) < 0)
			break;
		if (i % 100 != 99)
			continue;
		channel.encoder->close(channel.encodes);
		channel.decoder->close(channel.decodes);
		if (i == 9999)
			goto all;
	}
	fprintf(stderr, "%s\n", err.text);
	return 1;
all:
	after = holds();
	printf("keys %d\n", (int)(before.keys - after.keys));
	printf("descriptors %d\n", (int)(after.descriptors - before.descriptors));
	printf("heap %s\n",
	       after.heap_bytes > before.heap_bytes + 4096 ? "grew" : "same");
	printf("memory %s\n", after.resident_bytes > before.resident_bytes + (1u << 20)
				      ? "grew"
				      : "same");
	return 0;
}

/* What the first probe left, apart from the libraries themselves. */
static int mode_first(void)
{
	struct held before = holds(), after;

	if (mode_probe() != 0)
		return 1;
	after = holds();
	printf("keys %d\n", (int)(before.keys - after.keys));
	printf("descriptors %d\n", (int)(after.descriptors - before.descriptors));
	return 0;
}

/* ---- tests ---- */

static void need_no_devices(void)
{
	struct gw_error err;

	if (device_probe(&device_qpl, &err) == 0)
		SKIP("this host has an IAA");
	if (device_probe(&device_qatzip, &err) == 0)
		SKIP("this host has a QAT");
}

TEST(probes_say_why)
{
	need_no_devices();
	run("--probe", NULL, out, errors);
	CHECK_STR(errors, "");
	CHECK_CONTAINS(out,
		       "qpl: there is no IAA on this host (qpl_init_job answered 503)\n");
	CHECK_CONTAINS(out, "qatzip: ");
}

TEST(probe_names_missing_libaccel_config)
{
	run("--probe", hide("libaccel-config.so.1"), out, errors);
	CHECK_STR(errors, "");
	CHECK_CONTAINS(out, "qpl: libaccel-config.so.1 is missing (qpl_init_job answered "
			    "501): install libaccel-config1\n");
}

TEST(probes_name_missing_libraries)
{
	run("--probe", hide("libqpl.so.1"), out, errors);
	CHECK_STR(errors, "");
	CHECK_CONTAINS(out, "libqpl.so.1: file too short (Debian: libqpl1)\n");
	run("--probe", hide("libqatzip.so.3"), out, errors);
	CHECK_STR(errors, "");
	CHECK_CONTAINS(out, "libqatzip.so.3: file too short (Debian: libqatzip3)\n");
}

TEST(probe_is_silent_about_a_bogus_vfio)
{
	need_no_devices();
	run("--bogus-vfio", NULL, out, errors);
	CHECK_STR(errors, "");
	CHECK_CONTAINS(out, "qatzip: QATlib finds no QAT (icp_sal_userIsQatAvailable)");
}

TEST(first_probe_leaves_nothing)
{
	need_no_devices();
	run("--first", NULL, out, errors);
	CHECK_STR(errors, "");
	CHECK_CONTAINS(out, "keys 0\ndescriptors 0\n");
}

static void check_packets(const char *mode)
{
	need_no_devices();
	run(mode, NULL, out, errors);
	CHECK_STR(errors, "");
	CHECK_STR(out, "keys 0\ndescriptors 0\nheap same\nmemory same\n");
}

TEST(packets_leave_nothing_qpl)
{
	check_packets("--packets-qpl");
}

TEST(packets_leave_nothing_qatzip)
{
	check_packets("--packets-qatzip");
}

int main(int argc, char **argv)
{
	static const struct check_test tests[] = {
		TEST_OF(probes_say_why),
		TEST_OF(probe_names_missing_libaccel_config),
		TEST_OF(probes_name_missing_libraries),
		TEST_OF(probe_is_silent_about_a_bogus_vfio),
		TEST_OF(first_probe_leaves_nothing),
		TEST_OF(packets_leave_nothing_qpl),
		TEST_OF(packets_leave_nothing_qatzip),
	};
	const char *mode = argc > 1 ? argv[1] : "";

	if (strcmp(mode, "--probe") == 0)
		return mode_probe();
	if (strcmp(mode, "--bogus-vfio") == 0)
		return mode_bogus_vfio();
	if (strcmp(mode, "--first") == 0)
		return mode_first();
	if (strcmp(mode, "--packets-qpl") == 0)
		return mode_packets(CODEC_QPL, 0);
	if (strcmp(mode, "--packets-qatzip") == 0)
		return mode_packets(CODEC_QATZIP, 1);
	return check_run(tests, sizeof(tests) / sizeof(tests[0]), argc, argv);
}
