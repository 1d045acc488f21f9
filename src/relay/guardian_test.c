/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* guardian_test.c - page channels stay in step whenever their writer is killed, and end in SYNCs. */
#include "relay/guardian.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/interrupt.h"
#include "relay/port.h"
#include "tests/check.h"
#include "wire/multifd_packet.h"

#define PAGES 2u /* channels */
#define PACKET_MAX (MULTIFD_PACKET_BYTES + MULTIFD_PACKET_PAGES * PAGE_BYTES)
#define KILLS 200u
#define KILLS_S 15u  /* or what a busy machine does in that time */
#define CONTENT 0x5a /* of every page */

struct fixture {
	int main[2];
	int pages[PAGES][2]; /* ours, QEMU's */
	char directory[32];
	struct guardian *guardian;
	struct gw_error err;
};

static struct layout_block ram = { .name = "pc.ram", .length_bytes = 1u << 30 };
static const struct layout layout = { .blocks = &ram, .capacity = 1, .block_count = 1 };

static void set_up(struct fixture *f)
{
	memset(f, 0, sizeof(*f));
	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, f->main), 0);
	for (unsigned i = 0; i < PAGES; i++)
		CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, f->pages[i]),
			 0);
	strcpy(f->directory, "/tmp/godwit-guardian-XXXXXX");
	CHECK(mkdtemp(f->directory));
}

static void close_ends(struct fixture *f, int end)
{
	close(f->main[end]);
	for (unsigned i = 0; i < PAGES; i++)
		close(f->pages[i][end]);
}

static int hold_all(struct fixture *f)
{
	if (guardian_hold_main(f->guardian, f->main[0], &f->err) < 0)
		return -1;
	for (unsigned i = 0; i < PAGES; i++)
		if (guardian_hold_page(f->guardian, f->pages[i][0], &f->err) < 0)
			return -1;
	return 0;
}

static void start(struct fixture *f)
{
	set_up(f);
	f->guardian = guardian_start(&f->err);
	CHECK(f->guardian);
	/* The answer comes from a guardian that is ready. */
	CHECK_OK(guardian_remove(f->guardian, f->directory, &f->err), &f->err);
}

static bool exists(const char *path)
{
	struct stat stat;

	return lstat(path, &stat) == 0;
}

static void stop(struct fixture *f)
{
	guardian_free(f->guardian);
	CHECK(!exists(f->directory));
	close_ends(f, 0);
	close_ends(f, 1);
}

/* ---- a QEMU that reads packets ---- */

struct reader {
	uint8_t header[MULTIFD_PACKET_BYTES];
	size_t have;
	uint64_t payload_left;
	uint64_t bytes;
	unsigned packets, syncs;
	bool made_up;	  /* a payload had other bytes than the writer's */
	bool out_of_step; /* no packet where one has to begin, or data behind a SYNC */
};

static void reader_packet(struct reader *reader)
{
	struct multifd_packet packet;
	struct gw_error err;

	if (multifd_packet_read(reader->header, &layout, &packet, &err) < 0 ||
	    (reader->syncs > 0 && !packet.sync)) {
		reader->out_of_step = true;
		return;
	}
	reader->packets++;
	reader->syncs += packet.sync;
	reader->payload_left = packet.payload_bytes;
	reader->have = 0;
}

static void reader_feed(struct reader *reader, const uint8_t *bytes, size_t length)
{
	reader->bytes += length;
	while (length > 0 && !reader->out_of_step) {
		size_t some = length;

		if (reader->payload_left > 0) {
			if (some > reader->payload_left)
				some = reader->payload_left;
			reader->payload_left -= some;
			for (size_t i = 0; i < some; i++)
				reader->made_up |= bytes[i] != CONTENT;
		} else {
			if (some > MULTIFD_PACKET_BYTES - reader->have)
				some = MULTIFD_PACKET_BYTES - reader->have;
			memcpy(reader->header + reader->have, bytes, some);
			reader->have += some;
			if (reader->have == MULTIFD_PACKET_BYTES)
				reader_packet(reader);
		}
		bytes += some;
		length -= some;
	}
}

/* At most `most` bytes.  False at the end of the stream. */
static bool reader_read(struct reader *reader, int fd, size_t most)
{
	static uint8_t bytes[1u << 16];
	ssize_t got = recv(fd, bytes, most < sizeof(bytes) ? most : sizeof(bytes), 0);

	if (got > 0)
		reader_feed(reader, bytes, (size_t)got);
	return got > 0;
}

/* Until `syncs` have come. */
static void reader_read_syncs(struct reader *reader, int fd, unsigned syncs)
{
	while (reader->syncs < syncs && !reader->out_of_step)
		if (!reader_read(reader, fd, SIZE_MAX))
			return;
}

/* ---- a relay that writes packets ---- */

/* Whole, in `bytes`; its length. */
static size_t make_packet(uint8_t bytes[PACKET_MAX], uint32_t pages)
{
	struct multifd_packet packet = {
		.normal_pages = pages,
		.payload_bytes = (uint32_t)(pages * PAGE_BYTES),
		.block = pages > 0 ? 0 : -1,
	};

	for (uint32_t i = 0; i < pages; i++)
		packet.offsets[i] = i * PAGE_BYTES;
	multifd_packet_write(bytes, dialect_newest(), &layout, &packet);
	memset(bytes + MULTIFD_PACKET_BYTES, CONTENT, packet.payload_bytes);
	return MULTIFD_PACKET_BYTES + packet.payload_bytes;
}

struct page_writer {
	int fd;
	uint64_t seed;
};

/* Packets of all sizes, as fast as they go.  Any exit status but by a signal is a failure. */
static void *write_packets(void *state)
{
	struct page_writer *writer = state;
	uint8_t *bytes = malloc(PACKET_MAX);
	struct gw_error err;
	struct port port = {
		.channel = channel_from_fd(writer->fd, NULL, &err),
		.aligned = true,
	};

	if (!bytes || !port.channel)
		_exit(1);
	for (;;) {
		uint32_t pages = (uint32_t)(check_random(&writer->seed) %
					    (MULTIFD_PACKET_PAGES + 1));
		struct iovec iov[1 + MULTIFD_PACKET_PAGES];

		make_packet(bytes, pages);
		iov[0] = (struct iovec){ bytes, MULTIFD_PACKET_BYTES };
		for (uint32_t i = 0; i < pages; i++)
			iov[1 + i] = (struct iovec){
				bytes + MULTIFD_PACKET_BYTES + i * PAGE_BYTES, PAGE_BYTES
			};
		if (port_write(&port, iov, (int)pages + 1, &err) < 0)
			_exit(2);
	}
	return NULL;
}

/* ---- a process that is killed ---- */

static void write_until_killed(struct fixture *f, uint64_t seed)
{
	static struct page_writer writers[PAGES];
	pthread_t thread;

	for (unsigned i = 0; i < PAGES; i++) {
		writers[i] = (struct page_writer){ f->pages[i][0], check_random(&seed) };
		if (pthread_create(&thread, NULL, write_packets, &writers[i]) != 0)
			_exit(1);
	}
	pthread_join(thread, NULL);
}

static pid_t start_victim(struct fixture *f, void (*act)(struct fixture *, uint64_t),
			  uint64_t seed)
{
	int ready[2];
	pid_t victim;
	char byte;

	/* So that guardians whose process is gone become children of this one. */
	CHECK_EQ(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
	CHECK_EQ(pipe2(ready, O_CLOEXEC), 0);
	victim = fork();
	CHECK(victim >= 0);
	if (victim == 0) {
		setpgid(0, 0);
		f->guardian = guardian_start(&f->err);
		if (!f->guardian ||
		    guardian_remove(f->guardian, f->directory, &f->err) < 0 ||
		    hold_all(f) < 0 || write(ready[1], "", 1) != 1)
			_exit(3);
		close_ends(f, 1);
		act(f, seed);
		_exit(4);
	}
	close_ends(f, 0);
	close(ready[1]);
	CHECK_EQ(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	return victim;
}

static void check_was_killed(pid_t victim, int signal)
{
	int status;

	CHECK_EQ(waitpid(victim, &status, 0), victim);
	if (!WIFSIGNALED(status) || WTERMSIG(status) != signal)
		CHECK_FAIL("the writer's status is 0x%x", (unsigned)status);
}

/* The guardian ends by itself, in peace. */
static void check_guardian_ended(const struct fixture *f)
{
	int status;

	CHECK(waitpid(-1, &status, 0) > 0);
	CHECK_EQ(status, 0);
	CHECK(!exists(f->directory));
}

static void check_main_ended(const struct fixture *f)
{
	char byte;

	CHECK_EQ(recv(f->main[1], &byte, 1, 0), 0);
}

/* Reads in pieces of any size until so much has come. */
static void read_for_a_while(struct fixture *f, struct reader *readers, uint64_t *seed)
{
	uint64_t until = check_random(seed) % (3u << 20);

	while (readers[0].bytes + readers[1].bytes < until) {
		struct pollfd fds[PAGES];

		for (unsigned i = 0; i < PAGES; i++)
			fds[i] =
				(struct pollfd){ .fd = f->pages[i][1], .events = POLLIN };
		CHECK(poll(fds, PAGES, -1) > 0);
		for (unsigned i = 0; i < PAGES; i++)
			if (fds[i].revents)
				reader_read(&readers[i], f->pages[i][1],
					    check_random(seed) % 70000 + 1);
	}
	until = clock_now_ns() + check_random(seed) % (200 * NS_PER_US);
	while (clock_now_ns() < until)
		;
}

TEST(a_writer_killed_at_any_moment_leaves_channels_in_step)
{
	uint64_t seed = clock_now_ns();
	uint64_t until = seed + KILLS_S * NS_PER_S;
	unsigned in_a_packet = 0, kills = 0;

	printf("seed %" PRIu64 "\n", seed);
	for (; kills < KILLS && clock_now_ns() < until; kills++) {
		struct reader readers[PAGES] = { 0 };
		struct fixture f;
		pid_t victim;

		set_up(&f);
		victim = start_victim(&f, write_until_killed, check_random(&seed));
		read_for_a_while(&f, readers, &seed);
		kill(victim, SIGKILL);
		check_was_killed(victim, SIGKILL);
		check_main_ended(&f);
		for (unsigned c = 0; c < PAGES; c++) {
			reader_read_syncs(&readers[c], f.pages[c][1], 30);
			CHECK(!readers[c].out_of_step);
			CHECK(readers[c].syncs >= 30);
			in_a_packet += readers[c].made_up;
		}
		close_ends(&f, 1);
		check_guardian_ended(&f);
	}
	printf("%u of %u channels ended within a packet\n", in_a_packet, kills * PAGES);
	CHECK(in_a_packet > 0);
}

static void be_idle(struct fixture *f, uint64_t seed)
{
	interrupt_sleep(NULL, 60 * NS_PER_S);
}

TEST(a_signal_from_the_terminal_ends_the_process_but_not_its_guardian)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };

	for (unsigned i = 0; i < 4; i++) {
		struct reader readers[PAGES] = { 0 };
		struct fixture f;
		pid_t victim;

		/* Whoever runs tests in the background may have them ignored. */
		signal(signals[i], SIG_DFL);
		set_up(&f);
		victim = start_victim(&f, be_idle, 0);
		kill(-victim, signals[i]);
		check_was_killed(victim, signals[i]);
		check_main_ended(&f);
		for (unsigned c = 0; c < PAGES; c++) {
			reader_read_syncs(&readers[c], f.pages[c][1], 1);
			CHECK_EQ(readers[c].out_of_step, false);
			CHECK(readers[c].syncs > 0);
		}
		close_ends(&f, 1);
		check_guardian_ended(&f);
	}
}

/* ---- a process that asks for it ---- */

/* A QEMU whose second channel is read first, and the first one only then. */
static void *read_one_by_one(void *state)
{
	struct fixture *f = state;
	static struct reader readers[PAGES];

	memset(readers, 0, sizeof(readers));
	for (unsigned c = PAGES; c-- > 0;)
		reader_read_syncs(&readers[c], f->pages[c][1], 400);
	for (unsigned c = 0; c < PAGES; c++)
		shutdown(f->pages[c][1], SHUT_RDWR);
	return readers;
}

/* A packet of which `missing` bytes are not written. */
static void write_cut_short(int fd, uint32_t pages, size_t missing)
{
	static uint8_t bytes[PACKET_MAX];
	size_t length = make_packet(bytes, pages);

	CHECK_EQ(send(fd, bytes, length - missing, MSG_NOSIGNAL), length - missing);
}

TEST(whatever_is_missing_of_a_packet_is_made_up_on_every_channel_alike)
{
	/* In packets' lengths: from none to all but the header. */
	static const size_t missing[][PAGES] = {
		{ 0, 0 },
		{ 1, 389 },
		{ 390, 3 },
		{ 0, 24 },
	};

	for (unsigned i = 0; i < sizeof(missing) / sizeof(missing[0]); i++) {
		struct reader *readers;
		struct fixture f;
		pthread_t thread;
		void *result;

		start(&f);
		CHECK_OK(hold_all(&f), &f.err);
		for (unsigned c = 0; c < PAGES; c++) {
			int room = 1 << 20;

			setsockopt(f.pages[c][0], SOL_SOCKET, SO_SNDBUF, &room,
				   sizeof(room));
			write_cut_short(f.pages[c][0], MULTIFD_PACKET_PAGES,
					missing[i][c] * MULTIFD_PACKET_BYTES);
		}
		CHECK_EQ(pthread_create(&thread, NULL, read_one_by_one, &f), 0);
		guardian_abort(f.guardian, NULL);
		pthread_join(thread, &result);
		readers = result;
		for (unsigned c = 0; c < PAGES; c++) {
			CHECK_EQ(readers[c].out_of_step, false);
			CHECK(readers[c].syncs >= 400);
			CHECK_EQ(readers[c].packets, readers[c].syncs + 1);
		}
		check_main_ended(&f);
		stop(&f);
	}
}

TEST(what_is_taken_in_part_is_continued)
{
	struct reader *readers;
	struct fixture f;
	pthread_t thread;
	void *result;

	start(&f);
	CHECK_OK(hold_all(&f), &f.err);
	for (unsigned c = 0; c < PAGES; c++) {
		/* Less than the guardian writes at a time. */
		int room = 5000;

		setsockopt(f.pages[c][0], SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
	}
	CHECK_EQ(pthread_create(&thread, NULL, read_one_by_one, &f), 0);
	guardian_abort(f.guardian, NULL);
	pthread_join(thread, &result);
	readers = result;
	for (unsigned c = 0; c < PAGES; c++) {
		CHECK_EQ(readers[c].out_of_step, false);
		CHECK(readers[c].syncs >= 400);
	}
	stop(&f);
}

TEST(a_qemu_that_reads_nothing_is_given_up)
{
	struct fixture f;
	char byte;

	start(&f);
	CHECK_OK(hold_all(&f), &f.err);
	guardian_abort(f.guardian, NULL);
	check_main_ended(&f);
	/* Written to, but let go of. */
	close_ends(&f, 0);
	CHECK_EQ(recv(f.pages[0][1], &byte, 1, MSG_DONTWAIT), 1);
	while (recv(f.pages[0][1], &byte, 1, MSG_DONTWAIT) == 1)
		;
	CHECK_EQ(recv(f.pages[0][1], &byte, 1, MSG_DONTWAIT), 0);
	guardian_free(f.guardian);
	CHECK(!exists(f.directory));
	close_ends(&f, 1);
}

TEST(what_was_released_is_closed_and_left_alone)
{
	struct fixture f;
	char byte;

	start(&f);
	CHECK_OK(hold_all(&f), &f.err);
	CHECK_EQ(send(f.main[0], "m", 1, 0), 1);
	guardian_release(f.guardian);
	close_ends(&f, 0);
	/* Not shut down, only closed. */
	CHECK_EQ(recv(f.main[1], &byte, 1, MSG_DONTWAIT), 1);
	CHECK_EQ(recv(f.main[1], &byte, 1, MSG_DONTWAIT), 0);
	for (unsigned c = 0; c < PAGES; c++)
		CHECK_EQ(recv(f.pages[c][1], &byte, 1, MSG_DONTWAIT), 0);
	guardian_abort(f.guardian, NULL); /* of nothing */
	guardian_free(f.guardian);
	close_ends(&f, 1);
}

TEST(a_held_channel_is_not_read_as_ended_when_its_owner_closes_it)
{
	struct fixture f;
	char byte;

	start(&f);
	CHECK_OK(hold_all(&f), &f.err);
	close_ends(&f, 0);
	CHECK_EQ(recv(f.pages[0][1], &byte, 1, MSG_DONTWAIT), -1);
	CHECK_EQ(errno, EAGAIN);
	close_ends(&f, 1);
	guardian_free(f.guardian);
	CHECK(!exists(f.directory));
}

/* ---- what it is ---- */

/* The only child of this process. */
static pid_t only_child(void)
{
	char path[64];
	FILE *file;
	int child = 0;

	snprintf(path, sizeof(path), "/proc/self/task/%d/children", (int)getpid());
	file = fopen(path, "re");
	if (!file)
		SKIP("no /proc/PID/task/PID/children");
	CHECK_EQ(fscanf(file, "%d", &child), 1);
	fclose(file);
	return child;
}

/* A line of /proc/PID/status, without its name. */
static void read_status(pid_t process, const char *name, char *value, size_t room)
{
	char path[64], line[256];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)process);
	file = fopen(path, "re");
	CHECK(file);
	value[0] = '\0';
	while (fgets(line, sizeof(line), file))
		if (strncmp(line, name, strlen(name)) == 0)
			snprintf(value, room, "%.*s", (int)room - 1, line + strlen(name));
	fclose(file);
}

TEST(it_has_a_telling_name_and_a_session_of_its_own_and_survives_signals)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };
	char name[64], other[32] = "/tmp/godwit-guardian-XXXXXX";
	struct fixture f;
	pid_t process;

	start(&f);
	process = only_child();
	read_status(process, "Name:\t", name, sizeof(name));
	CHECK_STR(name, "godwit-guard\n");
	CHECK_EQ(getsid(process), process);
	for (unsigned i = 0; i < 4; i++)
		CHECK_EQ(kill(process, signals[i]), 0);
	CHECK(mkdtemp(other));
	CHECK_OK(guardian_remove(f.guardian, other, &f.err), &f.err);
	stop(&f);
	CHECK(!exists(other));
}

TEST(it_keeps_nothing_open_that_it_inherited)
{
	int inherited[2], count = 0;
	char path[64], byte;
	struct dirent *entry;
	struct fixture f;
	DIR *directory;

	CHECK_EQ(pipe(inherited), 0);
	start(&f);
	close(inherited[1]);
	CHECK_EQ(read(inherited[0], &byte, 1), 0);
	close(inherited[0]);
	snprintf(path, sizeof(path), "/proc/%d/fd", (int)only_child());
	directory = opendir(path);
	CHECK(directory);
	while ((entry = readdir(directory)))
		count += entry->d_name[0] != '.';
	closedir(directory);
	/* Three on /dev/null, its end of the socket, and what it is to remove. */
	CHECK_EQ(count, 5);
	stop(&f);
}

TEST(when_it_was_killed_calls_fail_and_nothing_else_happens)
{
	struct fixture f;
	char byte;

	start(&f);
	CHECK_OK(hold_all(&f), &f.err);
	CHECK_EQ(kill(only_child(), SIGKILL), 0);
	/* The first to notice may find it dying. */
	guardian_abort(f.guardian, NULL);
	CHECK_EQ(guardian_hold_page(f.guardian, f.pages[0][0], &f.err), -1);
	CHECK_EQ(f.err.kind, GW_SYSTEM);
	CHECK_CONTAINS(f.err.text, "guardian: ");
	CHECK_EQ(guardian_remove(f.guardian, f.directory, &f.err), -1);
	guardian_release(f.guardian);
	CHECK_EQ(recv(f.pages[0][1], &byte, 1, MSG_DONTWAIT), -1);
	CHECK_EQ(errno, EAGAIN);
	guardian_free(f.guardian);
	CHECK_EQ(rmdir(f.directory), 0);
	close_ends(&f, 0);
	close_ends(&f, 1);
}

/* ---- what it removes ---- */

static void make_path(char *path, size_t room, const struct fixture *f, const char *name)
{
	snprintf(path, room, "%s/%s", f->directory, name);
}

static void make_file(const char *path)
{
	int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

	CHECK(fd >= 0);
	close(fd);
}

static void make_socket(const char *path)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strncpy(name.sun_path, path, sizeof(name.sun_path) - 1);
	CHECK_EQ(bind(fd, (const struct sockaddr *)&name, sizeof(name)), 0);
	close(fd);
}

TEST(a_directory_goes_with_its_sockets_and_plain_files)
{
	struct fixture f;
	char path[64];

	start(&f);
	make_path(path, sizeof(path), &f, "socket");
	make_socket(path);
	make_path(path, sizeof(path), &f, "file");
	make_file(path);
	stop(&f);
}

TEST(no_symlink_is_followed_and_no_directory_entered)
{
	char outside[32] = "/tmp/godwit-outside-XXXXXX", kept[64], path[64];
	struct fixture f;

	start(&f);
	CHECK(mkdtemp(outside));
	snprintf(kept, sizeof(kept), "%s/kept", outside);
	make_file(kept);
	make_path(path, sizeof(path), &f, "link");
	CHECK_EQ(symlink(outside, path), 0);
	make_path(path, sizeof(path), &f, "below");
	CHECK_EQ(mkdir(path, 0700), 0);
	make_path(path, sizeof(path), &f, "below/kept");
	make_file(path);
	guardian_free(f.guardian);
	CHECK(exists(kept));
	CHECK(exists(path));
	unlink(path);
	make_path(path, sizeof(path), &f, "below");
	CHECK_EQ(rmdir(path), 0);
	make_path(path, sizeof(path), &f, "link");
	CHECK_EQ(unlink(path), 0);
	CHECK_EQ(rmdir(f.directory), 0);
	/* A symlink in the place of the directory. */
	CHECK_EQ(mkdir(f.directory, 0700), 0);
	f.guardian = guardian_start(&f.err);
	CHECK_OK(guardian_remove(f.guardian, f.directory, &f.err), &f.err);
	CHECK_EQ(rmdir(f.directory), 0);
	CHECK_EQ(symlink(outside, f.directory), 0);
	guardian_free(f.guardian);
	CHECK(exists(kept));
	unlink(f.directory);
	unlink(kept);
	rmdir(outside);
	close_ends(&f, 0);
	close_ends(&f, 1);
}

TEST(a_successor_of_the_name_stays)
{
	char socket[64], old[64], file[64];
	struct fixture f;

	set_up(&f);
	f.guardian = guardian_start(&f.err);
	make_path(socket, sizeof(socket), &f, "socket");
	make_path(old, sizeof(old), &f, "old");
	make_path(file, sizeof(file), &f, "file");
	make_file(file);
	make_socket(socket);
	CHECK_OK(guardian_remove(f.guardian, socket, &f.err), &f.err);
	CHECK_EQ(rename(socket, old), 0);
	make_socket(socket);
	guardian_free(f.guardian);
	CHECK(exists(socket) && exists(old));
	/* Many file systems give the number of an inode that is free to the next file. */
	f.guardian = guardian_start(&f.err);
	CHECK_OK(guardian_remove(f.guardian, socket, &f.err), &f.err);
	CHECK_EQ(unlink(socket), 0);
	make_socket(socket);
	guardian_free(f.guardian);
	CHECK(exists(socket));
	/* Without one it goes, and only it. */
	f.guardian = guardian_start(&f.err);
	CHECK_OK(guardian_remove(f.guardian, socket, &f.err), &f.err);
	guardian_free(f.guardian);
	CHECK(!exists(socket) && exists(old) && exists(file));
	unlink(old);
	unlink(file);
	CHECK_EQ(rmdir(f.directory), 0);
	close_ends(&f, 0);
	close_ends(&f, 1);
}

TEST(what_cannot_be_removed_at_the_end_is_refused_at_once)
{
	char file[64], longer[600];
	struct fixture f;

	start(&f);
	make_path(file, sizeof(file), &f, "file");
	CHECK_EQ(guardian_remove(f.guardian, file, &f.err), -1);
	CHECK_CONTAINS(f.err.text, "no such file");
	make_file(file);
	CHECK_EQ(guardian_remove(f.guardian, file, &f.err), -1);
	CHECK_CONTAINS(f.err.text, "is neither a directory nor a socket");
	/* Slashes in the middle mean nothing. */
	memset(longer, '/', sizeof(longer));
	memcpy(longer, "/tmp", 4);
	memcpy(longer + 511 - strlen(f.directory + 4), f.directory + 4,
	       strlen(f.directory + 4) + 1);
	CHECK_EQ(strlen(longer), 511);
	CHECK_OK(guardian_remove(f.guardian, longer, &f.err), &f.err);
	longer[511] = '/';
	longer[512] = '\0';
	CHECK_EQ(guardian_remove(f.guardian, longer, &f.err), -1);
	CHECK_CONTAINS(f.err.text, "path of 512 bytes, at most 511");
	for (unsigned i = 2; i < GUARDIAN_REMOVALS_MAX; i++)
		CHECK_OK(guardian_remove(f.guardian, f.directory, &f.err), &f.err);
	CHECK_EQ(guardian_remove(f.guardian, f.directory, &f.err), -1);
	stop(&f);
}

TEST_MAIN(TEST_OF(a_writer_killed_at_any_moment_leaves_channels_in_step),
	  TEST_OF(a_signal_from_the_terminal_ends_the_process_but_not_its_guardian),
	  TEST_OF(whatever_is_missing_of_a_packet_is_made_up_on_every_channel_alike),
	  TEST_OF(what_is_taken_in_part_is_continued),
	  TEST_OF(a_qemu_that_reads_nothing_is_given_up),
	  TEST_OF(what_was_released_is_closed_and_left_alone),
	  TEST_OF(a_held_channel_is_not_read_as_ended_when_its_owner_closes_it),
	  TEST_OF(it_has_a_telling_name_and_a_session_of_its_own_and_survives_signals),
	  TEST_OF(it_keeps_nothing_open_that_it_inherited),
	  TEST_OF(when_it_was_killed_calls_fail_and_nothing_else_happens),
	  TEST_OF(a_directory_goes_with_its_sockets_and_plain_files),
	  TEST_OF(no_symlink_is_followed_and_no_directory_entered),
	  TEST_OF(a_successor_of_the_name_stays),
	  TEST_OF(what_cannot_be_removed_at_the_end_is_refused_at_once))
