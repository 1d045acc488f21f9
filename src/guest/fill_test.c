/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* fill_test.c - RAM holds what was asked for, wherever it comes from. */
#include "guest/fill.h"

#include <ftw.h>
#include <sys/stat.h>

#include "guest/tree.h"
#include "tests/check.h"

#define STRETCH (64 * PAGE_BYTES)

static char folder[64];
static struct gw_error err;

static const char *in_folder(const char *name)
{
	static char path[4][512];
	static unsigned next;
	char *at = path[next++ % 4];

	snprintf(at, sizeof(path[0]), "%s/%s", folder, name);
	return at;
}

static void write_file(const char *name, const char *text, size_t length)
{
	FILE *file = fopen(in_folder(name), "w");

	CHECK(file);
	CHECK_EQ(fwrite(text, 1, length, file), length);
	CHECK_EQ(fclose(file), 0);
}

static void folder_open(void)
{
	strcpy(folder, "/tmp/godwit-fill-XXXXXX");
	CHECK(mkdtemp(folder));
}

static int remove_one(const char *path, const struct stat *info, int kind,
		      struct FTW *walk)
{
	return remove(path);
}

static void folder_close(void)
{
	CHECK_EQ(nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
}

/* Fills RAM of two blocks; `dirty` is what was there before. */
static void fill_with(struct ram *ram, const char *spec, uint64_t bytes, uint64_t seed,
		      uint32_t threads, int dirty)
{
	OWNED(fill) struct fill *fill = fill_new(spec, &err);

	if (!fill)
		CHECK_FAIL("%s", err.text);
	ram_init(ram);
	CHECK_OK(ram_allocate(ram, "one", bytes, &err), &err);
	CHECK_OK(ram_allocate(ram, "two", 3 * PAGE_BYTES, &err), &err);
	for (uint32_t i = 0; i < 2; i++)
		memset(ram->blocks[i]->host, dirty, ram->blocks[i]->length_bytes);
	CHECK_OK(fill_ram(fill, ram, seed, threads, &err), &err);
}

static bool all_bytes(const uint8_t *at, size_t length, uint8_t value)
{
	return at[0] == value && memcmp(at, at + 1, length - 1) == 0;
}

TEST(zeros_clear_what_was_there)
{
	struct ram ram;

	fill_with(&ram, "zeros", 40 * STRETCH, 1, 2, 0x77);
	for (uint32_t i = 0; i < 2; i++)
		CHECK(all_bytes(ram.blocks[i]->host, ram.blocks[i]->length_bytes, 0));
	ram_deinit(&ram);
}

TEST(random_pages_differ_and_follow_the_seed)
{
	struct ram a, b, c;
	size_t seen[256] = { 0 };

	fill_with(&a, "random", 3 * STRETCH, 1, 1, 0);
	fill_with(&b, "random:100", 3 * STRETCH, 1, 3, 0);
	fill_with(&c, "random", 3 * STRETCH, 2, 1, 0);
	CHECK(memcmp(a.blocks[0]->host, b.blocks[0]->host, 3 * STRETCH) == 0);
	for (size_t at = 0; at < 3 * STRETCH; at += PAGE_BYTES)
		CHECK(memcmp(a.blocks[0]->host + at, c.blocks[0]->host + at,
			     PAGE_BYTES) != 0);
	for (size_t at = 0; at < 3 * STRETCH; at++)
		seen[a.blocks[0]->host[at]]++;
	for (int i = 0; i < 256; i++)
		CHECK(seen[i] > 2500 && seen[i] < 3700); /* 3072 on average */
	CHECK(memcmp(a.blocks[0]->host, a.blocks[0]->host + STRETCH, PAGE_BYTES) != 0);
	CHECK(!all_bytes(a.blocks[1]->host, 3 * PAGE_BYTES, 0));
	ram_deinit(&a);
	ram_deinit(&b);
	ram_deinit(&c);
}

TEST(file_is_repeated_until_ram_is_full)
{
	struct ram ram;
	char text[1009];

	folder_open();
	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = (char)(i * 7 % 251);
	write_file("file", text, sizeof(text));
	fill_with(&ram, in_folder("file"), 3 * STRETCH + PAGE_BYTES, 1, 1, 0);
	for (size_t at = 0; at < 3 * STRETCH + PAGE_BYTES; at++)
		CHECK_EQ((char)ram.blocks[0]->host[at], text[at % sizeof(text)]);
	ram_deinit(&ram);
	folder_close();
}

/* Reads `length` bytes of the stream at `path`, from `offset`. */
static void read_tree(const char *path, uint64_t enough, uint64_t offset, char *text,
		      size_t length)
{
	OWNED(tree) struct tree *tree = tree_new(path, enough, &err);
	struct tree_reader reader = { .fd = -1 };

	if (!tree)
		CHECK_FAIL("%s", err.text);
	CHECK_OK(tree_read(tree, &reader, offset, text, length, &err), &err);
	text[length] = '\0';
	own_fd(&reader.fd);
}

TEST(tree_is_its_regular_files_in_sorted_order)
{
	char text[32];

	folder_open();
	CHECK_EQ(mkdir(in_folder("b"), 0700), 0);
	CHECK_EQ(mkdir(in_folder("empty"), 0700), 0);
	write_file("c", "CC", 2);
	write_file("b/y", "YYY", 3);
	write_file("b/x", "X", 1);
	write_file("a", "AAAA", 4);
	write_file("nothing", "", 0);
	CHECK_EQ(symlink("../a", in_folder("b/link")), 0);
	CHECK_EQ(symlink("..", in_folder("b/up")), 0);
	CHECK_EQ(symlink("/nowhere", in_folder("dangling")), 0);
	CHECK_EQ(mkfifo(in_folder("b/fifo"), 0600), 0);
	CHECK_EQ(symlink(".", in_folder("zz")), 0);

	read_tree(folder, UINT64_MAX, 0, text, 23);
	CHECK_STR(text, "AAAAXYYYCCAAAAXYYYCCAAA");
	read_tree(folder, UINT64_MAX, 10000007, text, 5);
	CHECK_STR(text, "YCCAA");
	/* Listed no further than needed. */
	read_tree(folder, 6, 0, text, 9);
	CHECK_STR(text, "AAAAXYAAA");
	/* The path itself may be a link. */
	read_tree(in_folder("zz"), UINT64_MAX, 3, text, 3);
	CHECK_STR(text, "AXY");
	read_tree(in_folder("b/link"), UINT64_MAX, 0, text, 5);
	CHECK_STR(text, "AAAAA");
	folder_close();
}

TEST(mix_keeps_its_percentages_over_each_hundred_stretches)
{
	struct ram ram;
	uint32_t zeros = 0, text = 0, other = 0;
	bool alternates = false;
	char spec[128];

	folder_open();
	write_file("t", "t", 1);
	snprintf(spec, sizeof(spec), "zeros:30,random:10,%s:60", in_folder("t"));
	fill_with(&ram, spec, 200 * STRETCH, 3, 2, 0x77);
	for (uint32_t i = 0; i < 200; i++) {
		const uint8_t *at = ram.blocks[0]->host + i * STRETCH;

		if (all_bytes(at, STRETCH, 0))
			zeros++;
		else if (all_bytes(at, STRETCH, 't'))
			text++;
		else
			other++;
		if (i == 29)
			alternates = zeros < 30 && text > 0;
		if (i == 99) {
			CHECK_EQ(zeros, 30);
			CHECK_EQ(text, 60);
			CHECK_EQ(other, 10);
		}
	}
	CHECK_EQ(zeros, 60);
	CHECK_EQ(text, 120);
	CHECK_EQ(other, 20);
	CHECK(alternates);
	ram_deinit(&ram);
	folder_close();
}

TEST(number_of_threads_changes_nothing)
{
	struct ram one, many;
	char spec[128];

	folder_open();
	write_file("a", "a few bytes", 11);
	write_file("b", "and some more of them", 21);
	snprintf(spec, sizeof(spec), "%s:50,zeros:25,random:25", folder);
	fill_with(&one, spec, 350 * STRETCH, 8, 1, 0);
	fill_with(&many, spec, 350 * STRETCH, 8, 5, 0);
	for (uint32_t i = 0; i < 2; i++)
		CHECK(memcmp(one.blocks[i]->host, many.blocks[i]->host,
			     one.blocks[i]->length_bytes) == 0);
	ram_deinit(&one);
	ram_deinit(&many);
	folder_close();
}

static void check_refused(const char *spec, enum gw_error_kind kind, const char *text)
{
	err.text[0] = '\0';
	CHECK(!fill_new(spec, &err));
	CHECK_CONTAINS(err.text, text);
	CHECK_EQ(err.kind, kind);
}

TEST(wrong_specs_are_refused_by_name)
{
	char spec[FILL_PARTS_MAX * 16] = "";
	struct fill *fill;

	check_refused("", GW_USAGE, "a part is empty");
	check_refused("zeros:50,,random:50", GW_USAGE, "a part is empty");
	check_refused(":100", GW_USAGE, "a part is empty");
	check_refused("zeros:0,random:100", GW_USAGE,
		      "fill \"zeros:0\": 0 percent, 1 to 100 are allowed");
	check_refused("zeros:101", GW_USAGE, "101 percent, 1 to 100");
	check_refused("zeros:18446744073709551617", GW_USAGE, "percent, 1 to 100");
	check_refused("zeros:50", GW_USAGE, "50 percent in all, must be 100");
	check_refused("zeros:50,random:51", GW_USAGE, "101 percent in all, must be 100");
	check_refused("zeros,random:50", GW_USAGE, "part 1 of a mix has no percentage");
	check_refused("zeros:50,random", GW_USAGE, "part 2 of a mix has no percentage");
	check_refused("/nowhere/at/all", GW_SYSTEM,
		      "fill: /nowhere/at/all: no such file");
	check_refused("zeros:40,/nowhere:60", GW_SYSTEM, "fill: /nowhere: no such file");
	/* No number: part of the path. */
	check_refused("zeros:", GW_SYSTEM, "fill: zeros:: no such file");
	check_refused("zeros:1x", GW_SYSTEM, "fill: zeros:1x: no such file");
	for (unsigned i = 0; i < FILL_PARTS_MAX; i++)
		strcat(spec, i == 0 ? "zeros:85" : ",zeros:1");
	fill = fill_new(spec, &err);
	CHECK(fill);
	fill_free(fill);
	strcat(spec, ",zeros:1");
	check_refused(spec, GW_USAGE, "more than 16 parts");
}

static void check_not_filled(const char *spec, const char *text)
{
	OWNED(fill) struct fill *fill = fill_new(spec, &err);
	struct ram ram;

	if (!fill)
		CHECK_FAIL("%s", err.text);
	ram_init(&ram);
	CHECK_OK(ram_allocate(&ram, "ram", STRETCH, &err), &err);
	CHECK_EQ(fill_ram(fill, &ram, 1, 2, &err), -1);
	CHECK_CONTAINS(err.text, text);
	ram_deinit(&ram);
}

TEST(paths_without_a_byte_are_refused)
{
	folder_open();
	check_not_filled(folder, "no readable regular file with anything in it");
	write_file("empty", "", 0);
	check_not_filled(in_folder("empty"), "/empty: no readable regular file");
	CHECK_EQ(mkfifo(in_folder("fifo"), 0600), 0);
	check_not_filled(in_folder("fifo"), "/fifo: no readable regular file");
	check_not_filled("/dev/zero", "/dev/zero: no readable regular file");
	folder_close();
}

TEST(file_that_shrinks_or_goes_is_named)
{
	struct tree_reader reader = { .fd = -1 };
	struct tree *tree;
	char text[16];

	folder_open();
	write_file("a", "0123456789", 10);
	write_file("b", "0123456789", 10);
	tree = tree_new(folder, UINT64_MAX, &err);
	CHECK(tree);
	CHECK_EQ(truncate(in_folder("a"), 4), 0);
	CHECK_EQ(tree_read(tree, &reader, 2, text, 6, &err), -1);
	CHECK_CONTAINS(err.text, "/a: ends at byte 4, but had 10 when listed");
	CHECK_EQ(unlink(in_folder("b")), 0);
	CHECK_EQ(tree_read(tree, &reader, 10, text, 1, &err), -1);
	CHECK_CONTAINS(err.text, "/b: no such file");
	own_fd(&reader.fd);
	tree_free(tree);
	folder_close();
}

TEST(unreadable_files_of_a_tree_are_passed_over)
{
	char text[8];

	if (geteuid() == 0)
		SKIP("root may read everything");
	folder_open();
	write_file("a", "A", 1);
	write_file("b", "B", 1);
	CHECK_EQ(mkdir(in_folder("closed"), 0000), 0);
	CHECK_EQ(chmod(in_folder("a"), 0000), 0);
	read_tree(folder, UINT64_MAX, 0, text, 3);
	CHECK_STR(text, "BBB");
	CHECK(!tree_new(in_folder("a"), 1, &err));
	CHECK_CONTAINS(err.text, "/a: permission denied");
	CHECK_EQ(chmod(in_folder("closed"), 0700), 0);
	folder_close();
}

TEST_MAIN(TEST_OF(zeros_clear_what_was_there),
	  TEST_OF(random_pages_differ_and_follow_the_seed),
	  TEST_OF(file_is_repeated_until_ram_is_full),
	  TEST_OF(tree_is_its_regular_files_in_sorted_order),
	  TEST_OF(mix_keeps_its_percentages_over_each_hundred_stretches),
	  TEST_OF(number_of_threads_changes_nothing),
	  TEST_OF(wrong_specs_are_refused_by_name),
	  TEST_OF(paths_without_a_byte_are_refused),
	  TEST_OF(file_that_shrinks_or_goes_is_named),
	  TEST_OF(unreadable_files_of_a_tree_are_passed_over))
