/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* qemu_door_test.c - where a QEMU finds the relay, who comes in, and the way to one that listens. */
#include "relay/qemu_door.h"

#include <pthread.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "tests/check.h"

#define PATIENCE_MS 300

static const uint8_t qevm[] = { 'Q', 'E', 'V', 'M', 0, 0, 0, 3 };

struct fixture {
	struct door_wish wish;
	struct door_place place;
	struct address at;
	struct interrupt *interrupt;
	struct door *door;
	struct channel *guests[16];
	unsigned guest_count;
	struct door_visitors visitors;
	struct gw_error err;
};

static void set_up(struct fixture *f, uint32_t channels, bool preempt)
{
	const struct door_options options = {
		.channel_count = channels,
		.preempt = preempt,
		.patience_ms = PATIENCE_MS,
	};

	memset(f, 0, sizeof(*f));
	unsetenv("XDG_RUNTIME_DIR");
	f->wish = (struct door_wish){ .mode = -1, .uid = (uid_t)-1, .gid = (gid_t)-1 };
	f->interrupt = interrupt_new(&f->err);
	CHECK(f->interrupt);
	CHECK_OK(door_make_place(&f->wish, &f->place, &f->err), &f->err);
	CHECK_OK(address_parse(&f->at, f->place.uri, &f->err), &f->err);
	f->door = door_open(&f->place, &f->wish, &options, f->interrupt, &f->err);
	CHECK(f->door);
}

static void tear_down(struct fixture *f)
{
	struct stat stat;

	for (unsigned i = 0; i < f->guest_count; i++)
		channel_free(f->guests[i]);
	channel_free(f->visitors.main);
	for (unsigned i = 0; i < MULTIFD_CHANNELS_MAX; i++)
		channel_free(f->visitors.pages[i]);
	door_close(f->door);
	door_remove_place(&f->place);
	CHECK_EQ(lstat(f->place.directory, &stat), -1);
	interrupt_free(f->interrupt);
}

static struct channel *come(struct fixture *f, const void *bytes, size_t length)
{
	struct channel *guest = channel_connect(&f->at, NULL, 1000, &f->err);

	if (!guest)
		CHECK_FAIL("%s", f->err.text);
	if (length > 0)
		CHECK_OK(channel_write_bytes(guest, bytes, length, &f->err), &f->err);
	f->guests[f->guest_count++] = guest;
	return guest;
}

static void come_as_page_channel(struct fixture *f, uint8_t id)
{
	struct multifd_init init = { .id = id, .uuid = { 7 } };
	uint8_t bytes[MULTIFD_INIT_BYTES];

	multifd_init_write(bytes, &init);
	come(f, bytes, sizeof(bytes));
}

static int await(struct fixture *f)
{
	return door_await(f->door, &f->visitors, &f->err);
}

/* What `from` says is what is read at `to`. */
static void check_leads(struct channel *from, struct channel *to)
{
	struct gw_error err;
	uint8_t seen[4];

	CHECK_OK(channel_write_bytes(from, "urge", 4, &err), &err);
	CHECK_OK(channel_read_exactly(to, seen, 4, &err), &err);
	CHECK(memcmp(seen, "urge", 4) == 0);
}

static bool is_shut(const struct fixture *f)
{
	struct gw_error err;
	struct channel *late = channel_connect(&f->at, NULL, 1000, &err);
	bool shut = !late;

	channel_free(late);
	return shut;
}

static struct stat status_of(const char *path)
{
	struct stat stat;

	CHECK_EQ(lstat(path, &stat), 0);
	return stat;
}

/* ---- a place ---- */

TEST(a_private_place_is_its_makers_alone)
{
	struct fixture f;

	set_up(&f, 0, false);
	CHECK(strncmp(f.place.directory, "/tmp/godwit-", 12) == 0);
	CHECK(strncmp(f.place.path, f.place.directory, strlen(f.place.directory)) == 0);
	CHECK(strncmp(f.place.uri, "unix:", 5) == 0);
	CHECK_STR(f.place.uri + 5, f.place.path);
	CHECK_EQ(status_of(f.place.directory).st_mode, S_IFDIR | 0700);
	CHECK_EQ(status_of(f.place.path).st_mode, S_IFSOCK | 0600);
	tear_down(&f);
}

TEST(the_runtime_directory_is_taken_where_who_comes_can_reach_it)
{
	struct door_wish wish = { .mode = -1, .uid = (uid_t)-1, .gid = (gid_t)-1 };
	char runtime[] = "/tmp/godwit-door-XXXXXX";
	struct door_place place;
	struct gw_error err;

	CHECK(mkdtemp(runtime));
	CHECK_EQ(setenv("XDG_RUNTIME_DIR", runtime, 1), 0);
	CHECK_OK(door_make_place(&wish, &place, &err), &err);
	CHECK(strncmp(place.directory, runtime, strlen(runtime)) == 0);
	door_remove_place(&place);
	if (geteuid() == 0) {
		wish.uid = 65534;
		CHECK_OK(door_make_place(&wish, &place, &err), &err);
		CHECK(strncmp(place.directory, runtime, strlen(runtime)) != 0);
		CHECK_EQ(status_of(place.directory).st_uid, 0);
		CHECK_OK(door_give_place(&place, &wish, &err), &err);
		CHECK_EQ(status_of(place.directory).st_uid, 65534);
		CHECK_EQ(status_of(place.directory).st_mode, S_IFDIR | 0700);
		door_remove_place(&place);
		wish.uid = (uid_t)-1;
		/* Another user's, who became root with his environment. */
		CHECK_EQ(chown(runtime, 65534, 65534), 0);
		CHECK_OK(door_make_place(&wish, &place, &err), &err);
		CHECK(strncmp(place.directory, runtime, strlen(runtime)) != 0);
		door_remove_place(&place);
	}
	setenv("XDG_RUNTIME_DIR", ".", 1);
	CHECK_OK(door_make_place(&wish, &place, &err), &err);
	CHECK_EQ(place.directory[0], '/');
	door_remove_place(&place);
	unsetenv("XDG_RUNTIME_DIR");
	CHECK_EQ(rmdir(runtime), 0);
}

TEST(a_given_path_is_used_and_what_it_lies_in_stays)
{
	const struct door_options options = { .patience_ms = PATIENCE_MS };
	struct door_wish wish = { .mode = 0660, .uid = (uid_t)-1, .gid = (gid_t)-1 };
	char directory[] = "/tmp/godwit-door-XXXXXX", path[64];
	struct door_place place;
	struct gw_error err;
	struct door *door;
	struct stat stat;

	CHECK(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/given", directory);
	wish.path = path;
	CHECK_OK(door_make_place(&wish, &place, &err), &err);
	CHECK_STR(place.directory, "");
	CHECK_STR(place.path, path);
	if (geteuid() == 0)
		wish.uid = wish.gid = 65534;
	door = door_open(&place, &wish, &options, NULL, &err);
	CHECK(door);
	CHECK_EQ(status_of(path).st_mode, S_IFSOCK | 0660);
	CHECK_EQ(status_of(path).st_uid, geteuid() == 0 ? 65534 : geteuid());
	door_remove_place(&place); /* not ours to remove */
	CHECK_EQ(lstat(path, &stat), 0);
	door_close(door);
	CHECK_EQ(lstat(path, &stat), -1);
	CHECK_EQ(rmdir(directory), 0);
}

TEST(a_directory_is_given_with_the_socket_in_it)
{
	const struct door_options options = { .patience_ms = PATIENCE_MS };
	struct door_wish wish = { .mode = -1, .uid = 65534, .gid = 65534 };
	struct door_place place;
	struct gw_error err;
	struct door *door;
	struct stat stat;

	if (geteuid() != 0)
		wish.uid = wish.gid = (uid_t)-1;
	unsetenv("XDG_RUNTIME_DIR");
	CHECK_OK(door_make_place(&wish, &place, &err), &err);
	door = door_open(&place, &wish, &options, NULL, &err);
	CHECK(door);
	CHECK_EQ(status_of(place.directory).st_uid, geteuid() == 0 ? 65534 : geteuid());
	CHECK_EQ(status_of(place.directory).st_mode, S_IFDIR | 0700);
	CHECK_EQ(status_of(place.path).st_uid, geteuid() == 0 ? 65534 : geteuid());
	CHECK_EQ(status_of(place.path).st_mode, S_IFSOCK | 0600);
	door_close(door);
	door_remove_place(&place);
	CHECK_EQ(lstat(place.directory, &stat), -1);
}

TEST(a_symlink_in_the_place_of_a_directory_is_not_followed)
{
	struct door_wish wish = { .mode = -1, .uid = (uid_t)-1, .gid = (gid_t)-1 };
	char outside[] = "/tmp/godwit-door-XXXXXX", kept[64];
	struct door_place place;
	struct gw_error err;

	CHECK(mkdtemp(outside));
	snprintf(kept, sizeof(kept), "%s/qemu.sock", outside);
	CHECK_EQ(symlink("/dev/null", kept), 0);
	CHECK_OK(door_make_place(&wish, &place, &err), &err);
	CHECK_EQ(rmdir(place.directory), 0);
	CHECK_EQ(symlink(outside, place.directory), 0);
	CHECK_EQ(door_give_place(&place, &wish, &err), -1);
	door_remove_place(&place);
	status_of(kept);
	CHECK_EQ(unlink(place.directory), 0);
	CHECK_EQ(unlink(kept), 0);
	CHECK_EQ(rmdir(outside), 0);
}

TEST(a_path_too_long_for_a_socket_is_refused)
{
	struct door_wish wish = { .mode = -1, .uid = (uid_t)-1, .gid = (gid_t)-1 };
	char path[200];
	struct door_place place;
	struct gw_error err;

	memset(path, 'a', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	wish.path = path;
	CHECK_EQ(door_make_place(&wish, &place, &err), -1);
	CHECK_EQ(err.kind, GW_USAGE);
}

TEST(owners_are_names_or_numbers)
{
	struct gw_error err;
	uid_t uid;
	gid_t gid;

	CHECK_OK(door_parse_owner("root", &uid, &gid, &err), &err);
	CHECK(uid == 0 && gid == (gid_t)-1);
	CHECK_OK(door_parse_owner("4294967294", &uid, &gid, &err), &err);
	CHECK(uid == 4294967294 && gid == (gid_t)-1);
	CHECK_OK(door_parse_owner("64055:root", &uid, &gid, &err), &err);
	CHECK(uid == 64055 && gid == 0);
	CHECK_OK(door_parse_owner(":108", &uid, &gid, &err), &err);
	CHECK(uid == (uid_t)-1 && gid == 108);
}

TEST(owners_that_are_none_are_refused)
{
	static const char *const none[] = { "",
					    ":",
					    "root:",
					    "no-such-user",
					    "root:no-such-group",
					    "4294967295",
					    ":4294967295",
					    "12x",
					    "-1",
					    "+1",
					    "1:2:3",
					    "0x10",
					    "root: 1" };
	char longer[100];
	struct gw_error err;
	uid_t uid;
	gid_t gid;

	for (unsigned i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
		if (door_parse_owner(none[i], &uid, &gid, &err) == 0)
			CHECK_FAIL("\"%s\" passed", none[i]);
		CHECK_EQ(err.kind, GW_USAGE);
	}
	CHECK_STR(err.text, "group \" 1\" is not known here");
	memset(longer, '1', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	CHECK_EQ(door_parse_owner(longer, &uid, &gid, &err), -1);
}

/* ---- a QEMU comes ---- */

TEST(all_come_in_any_order_and_the_door_is_shut)
{
	uint8_t magic[4];
	struct fixture f;

	set_up(&f, 2, false);
	come_as_page_channel(&f, 1);
	come(&f, qevm, sizeof(qevm));
	come_as_page_channel(&f, 0);
	CHECK_OK(await(&f), &f.err);
	CHECK_EQ(f.visitors.uuid[0], 7);
	CHECK_OK(channel_read_exactly(f.visitors.main, magic, 4, &f.err), &f.err);
	CHECK(memcmp(magic, "QEVM", 4) == 0);
	check_leads(f.guests[0], f.visitors.pages[1]);
	check_leads(f.guests[2], f.visitors.pages[0]);
	CHECK(is_shut(&f));
	tear_down(&f);
}

TEST(without_multifd_main_comes_alone)
{
	struct fixture f;

	set_up(&f, 0, false);
	come(&f, qevm, sizeof(qevm));
	CHECK_OK(await(&f), &f.err);
	CHECK(f.visitors.main && !f.visitors.pages[0]);
	tear_down(&f);
}

TEST(missing_page_channels_are_counted_with_what_to_do)
{
	struct fixture f;

	set_up(&f, 3, false);
	come(&f, qevm, sizeof(qevm));
	come_as_page_channel(&f, 0);
	CHECK_EQ(await(&f), -1);
	CHECK_EQ(f.err.kind, GW_PEER);
	CHECK(strncmp(f.err.text, f.place.uri, strlen(f.place.uri)) == 0);
	CHECK_CONTAINS(f.err.text,
		       "main channel arrived, 1 of 3 page channels within 300 ms");
	CHECK_CONTAINS(f.err.text,
		       "; --qemu-channels has to be the multifd-channels of that QEMU");
	tear_down(&f);
}

TEST(a_page_channel_too_many_says_what_to_do)
{
	struct fixture f;

	set_up(&f, 1, false);
	come_as_page_channel(&f, 0);
	come_as_page_channel(&f, 1);
	come(&f, qevm, sizeof(qevm));
	CHECK_EQ(await(&f), -1);
	CHECK_CONTAINS(f.err.text, "channel id 1 of 1 channels; --qemu-channels has");
	tear_down(&f);
}

TEST(a_source_that_failed_may_come_again)
{
	struct fixture f;

	set_up(&f, 1, false);
	come(&f, qevm, sizeof(qevm));
	CHECK_EQ(await(&f), -1);
	come(&f, qevm, sizeof(qevm));
	come_as_page_channel(&f, 0);
	CHECK_OK(await(&f), &f.err);
	tear_down(&f);
}

/* ---- preempt ---- */

TEST(a_silent_one_among_the_others_is_preempts)
{
	struct channel *preempt = NULL, *ours;
	struct fixture f;

	set_up(&f, 1, true);
	come(&f, qevm, sizeof(qevm));
	come(&f, "", 0); /* a stranger, for all we know; the newest counts */
	ours = come(&f, "", 0);
	come_as_page_channel(&f, 0);
	CHECK_OK(await(&f), &f.err);
	CHECK_EQ(door_await_preempt(f.door, 1000, &preempt, &f.err), 1);
	check_leads(ours, preempt);
	CHECK(is_shut(&f));
	channel_free(preempt);
	tear_down(&f);
}

TEST(preempt_may_come_much_later_and_speak_at_once)
{
	static const uint8_t record[12] = {
		0, 0, 0, 0, 0, 1, 0x20, 0x08, 3, 'r', 'a', 'm'
	};
	struct channel *preempt = NULL;
	uint8_t seen[12];
	struct fixture f;

	set_up(&f, 1, true);
	come(&f, qevm, sizeof(qevm));
	come_as_page_channel(&f, 0);
	CHECK_OK(await(&f), &f.err);
	CHECK_EQ(door_await_preempt(f.door, 50, &preempt, &f.err), 0);
	CHECK(!preempt);
	come(&f, record, sizeof(record));
	CHECK_EQ(door_await_preempt(f.door, 1000, &preempt, &f.err), 1);
	CHECK_OK(channel_read_exactly(preempt, seen, sizeof(seen), &f.err), &f.err);
	CHECK(memcmp(seen, record, sizeof(seen)) == 0);
	channel_free(preempt);
	tear_down(&f);
}

TEST(a_late_page_channel_is_not_taken_for_preempt)
{
	struct channel *preempt = NULL;
	struct fixture f;

	set_up(&f, 1, true);
	come(&f, qevm, sizeof(qevm));
	come_as_page_channel(&f, 0);
	CHECK_OK(await(&f), &f.err);
	come_as_page_channel(&f, 1);
	CHECK_EQ(door_await_preempt(f.door, 1000, &preempt, &f.err), -1);
	CHECK_EQ(f.err.kind, GW_PEER);
	CHECK_CONTAINS(f.err.text, "a page channel beyond 1; --qemu-channels has");
	tear_down(&f);
}

TEST(a_second_main_is_shown_out_and_preempt_comes_still)
{
	struct channel *preempt = NULL, *ours;
	struct fixture f;

	set_up(&f, 0, true);
	come(&f, qevm, sizeof(qevm));
	CHECK_OK(await(&f), &f.err);
	come(&f, qevm, sizeof(qevm));
	ours = come(&f, "", 0);
	CHECK_EQ(door_await_preempt(f.door, 1000, &preempt, &f.err), 1);
	check_leads(ours, preempt);
	channel_free(preempt);
	tear_down(&f);
}

TEST(an_interrupt_ends_every_wait)
{
	struct channel *preempt = NULL;
	struct fixture f;

	set_up(&f, 0, true);
	come(&f, qevm, sizeof(qevm));
	CHECK_OK(await(&f), &f.err);
	interrupt_raise(f.interrupt);
	CHECK_EQ(door_await_preempt(f.door, -1, &preempt, &f.err), -1);
	CHECK_EQ(f.err.kind, GW_CANCELLED);
	tear_down(&f);

	set_up(&f, 0, false);
	interrupt_raise(f.interrupt);
	CHECK_EQ(await(&f), -1);
	CHECK_EQ(f.err.kind, GW_CANCELLED);
	tear_down(&f);
}

/* ---- we go to a QEMU ---- */

/* As the kernel counts it, and as far as this host allows. */
static int granted_send_buffer(int bytes)
{
	socklen_t length = sizeof(bytes);
	int ends[2];

	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	CHECK_EQ(setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes)), 0);
	CHECK_EQ(getsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &bytes, &length), 0);
	close(ends[0]);
	close(ends[1]);
	return bytes;
}

TEST(a_connection_is_bounded_and_has_a_duplicate_for_a_guardian)
{
	struct channel *to, *from;
	struct fixture f;
	int fd = -1, bytes = 0;
	socklen_t length = sizeof(bytes);

	set_up(&f, 0, false);
	to = door_connect(&f.at, NULL, 1000, &fd, &f.err);
	CHECK(to);
	CHECK_OK(channel_write_bytes(to, qevm, sizeof(qevm), &f.err), &f.err);
	CHECK_OK(await(&f), &f.err);
	from = f.visitors.main;
	CHECK_EQ(getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, &length), 0);
	CHECK_EQ(bytes, granted_send_buffer(512 << 10));
	channel_free(to);
	CHECK_EQ(channel_wait(from, 0, &f.err), 1);
	CHECK_EQ(send(fd, "late", 4, MSG_NOSIGNAL), 4);
	close(fd);
	to = NULL;
	tear_down(&f);
}

static void *listen_later(void *state)
{
	struct fixture *f = state;
	struct listener *listener;

	interrupt_sleep(NULL, 100 * NS_PER_MS);
	listener = listener_open(&f->at, 1, NULL, &f->err);
	return listener;
}

TEST(one_who_listens_a_little_later_is_found)
{
	struct channel *to;
	struct gw_error err;
	struct fixture f;
	pthread_t thread;
	void *listener;

	set_up(&f, 0, false);
	door_close(f.door);
	f.door = NULL;
	CHECK_EQ(pthread_create(&thread, NULL, listen_later, &f), 0);
	to = door_connect(&f.at, f.interrupt, 30000, NULL, &err);
	pthread_join(thread, &listener);
	CHECK(to && listener);
	channel_free(to);
	listener_free(listener);
	tear_down(&f);
}

TEST(where_nobody_comes_to_listen_it_ends)
{
	struct fixture f;

	set_up(&f, 0, false);
	door_close(f.door);
	f.door = NULL;
	CHECK(!door_connect(&f.at, f.interrupt, 100, NULL, &f.err));
	CHECK(strncmp(f.err.text, f.place.uri, strlen(f.place.uri)) == 0);
	CHECK_CONTAINS(f.err.text, "no such file");
	interrupt_raise(f.interrupt);
	CHECK(!door_connect(&f.at, f.interrupt, -1, NULL, &f.err));
	CHECK_EQ(f.err.kind, GW_CANCELLED);
	tear_down(&f);
}

TEST_MAIN(TEST_OF(a_private_place_is_its_makers_alone),
	  TEST_OF(the_runtime_directory_is_taken_where_who_comes_can_reach_it),
	  TEST_OF(a_given_path_is_used_and_what_it_lies_in_stays),
	  TEST_OF(a_directory_is_given_with_the_socket_in_it),
	  TEST_OF(a_symlink_in_the_place_of_a_directory_is_not_followed),
	  TEST_OF(a_path_too_long_for_a_socket_is_refused),
	  TEST_OF(owners_are_names_or_numbers), TEST_OF(owners_that_are_none_are_refused),
	  TEST_OF(all_come_in_any_order_and_the_door_is_shut),
	  TEST_OF(without_multifd_main_comes_alone),
	  TEST_OF(missing_page_channels_are_counted_with_what_to_do),
	  TEST_OF(a_page_channel_too_many_says_what_to_do),
	  TEST_OF(a_source_that_failed_may_come_again),
	  TEST_OF(a_silent_one_among_the_others_is_preempts),
	  TEST_OF(preempt_may_come_much_later_and_speak_at_once),
	  TEST_OF(a_late_page_channel_is_not_taken_for_preempt),
	  TEST_OF(a_second_main_is_shown_out_and_preempt_comes_still),
	  TEST_OF(an_interrupt_ends_every_wait),
	  TEST_OF(a_connection_is_bounded_and_has_a_duplicate_for_a_guardian),
	  TEST_OF(one_who_listens_a_little_later_is_found),
	  TEST_OF(where_nobody_comes_to_listen_it_ends))
