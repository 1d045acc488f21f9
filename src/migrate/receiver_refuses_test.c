/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* receiver_refuses_test.c - what a receiver does not take: each with its words, and never a guest
 * that runs before everything is there. */
/* Before the headers below, which use it. */
#include "tests/check.h"

#include "migrate/composer_for_tests.h"
#include "migrate/reception_for_tests.h"

static struct composer c;

/* The whole stream is refused, in these words.  That the guest never ran and that the source was
 * told is seen to by reception_run(). */
static void refuse(struct reception rec, enum gw_error_kind kind, const char *text)
{
	reception_run(&rec, &c);
	CHECK_EQ(rec.result, -1);
	CHECK_STR(rec.err.text, text);
	CHECK_EQ(rec.err.kind, kind);
	reception_clear(&rec);
	composer_clear(&c);
}

static const struct reception plainly = { .inspect = false };
/* Else it may be first to find that something is missing. */
static const struct reception main_waits = { .silent = 1 };

/* Up to and with the setup. */
static void begin(uint32_t channel_count)
{
	composer_start(&c, channel_count, "qemu-10.0", "pc-q35-10.0");
}

/* ---- page channels ---- */

TEST(a_channel_that_closes_before_its_sync_is_named_with_the_barrier)
{
	begin(3);
	composer_data(&c, 1, CODEC_NONE, 0, 0, 2, 1);
	composer_sync_one(&c, 0);
	composer_sync_one(&c, 2);
	composer_section(&c, RECORD_SECTION_PART);
	refuse(plainly, GW_PEER,
	       "main channel: channel 1: closed before the SYNC of barrier 2");
}

TEST(a_channel_that_is_silent_at_a_barrier_is_not_waited_for_for_ever)
{
	begin(2);
	composer_sync_one(&c, 0);
	composer_section(&c, RECORD_SECTION_PART);
	refuse((struct reception){ .silent = 1u << 2, .patience_ms = 300 }, GW_PEER,
	       "main channel: channel 1: no SYNC for barrier 2, nothing arrived for "
	       "300 ms");
}

TEST(a_channel_that_is_silent_inside_a_packet_is_not_waited_for_for_ever)
{
	struct reception rec = { .silent = 1 | 1u << 1,
				 .patience_ms = 300,
				 .cut = true,
				 .cut_connection = 1 };

	begin(1);
	composer_data(&c, 0, CODEC_NONE, 0, 0, 2, 1);
	rec.cut_at = c.pages[0].used - 1;
	refuse(rec, GW_PEER,
	       "channel 0: packet 1: the other side sent nothing for 300 ms");
	begin(1);
	composer_data(&c, 0, CODEC_NONE, 0, 0, 2, 1);
	rec.cut_at = MULTIFD_PACKET_BYTES + 8;
	refuse(rec, GW_PEER,
	       "channel 0: packet 1: header from byte 8: the other side sent nothing for "
	       "300 ms");
}

TEST(a_channel_that_closes_inside_a_packet_is_named_with_the_packet)
{
	struct reception rec = { .silent = 1, .cut = true, .cut_connection = 2 };

	begin(2);
	composer_data(&c, 1, CODEC_NONE, 0, 0, 2, 1);
	rec.cut_at = 2 * MULTIFD_PACKET_BYTES + 100;
	refuse(rec, GW_PEER, "channel 1: packet 1: closed after 100 of 8192 bytes");
	begin(2);
	composer_data(&c, 1, CODEC_NONE, 0, 0, 2, 1);
	rec.cut_at = 2 * MULTIFD_PACKET_BYTES;
	refuse(rec, GW_PEER,
	       "channel 1: packet 1: closed before a payload of 8192 bytes");
	begin(2);
	composer_data(&c, 1, CODEC_ZLIB, 0, 0, 2, 1);
	rec.cut_at = MULTIFD_PACKET_BYTES + 500;
	refuse(rec, GW_PEER,
	       "channel 1: packet 1: header from byte 500: closed after 0 of 844 bytes");
}

TEST(a_block_that_is_not_listed_is_refused)
{
	uint8_t *header;

	begin(2);
	composer_sync(&c);
	composer_section(&c, RECORD_SECTION_PART);
	header = composer_data(&c, 1, CODEC_NONE, 0, 0, 1, 1);
	memcpy(header + 64, "\033[2J", 5);
	refuse(main_waits, GW_PEER,
	       "channel 1: packet 2: multifd packet: block \"\\x1b[2J\", which is not "
	       "listed");
}

/* Its header ends after 276 bytes, and nothing may follow for long. */
TEST(a_device_state_packet_is_refused_although_it_is_short)
{
	uint8_t *header;

	begin(1);
	header = composer_sync_one(&c, 0);
	store_be32(header + 8, MULTIFD_FLAG_DEVICE_STATE);
	refuse((struct reception){ .silent = 1 | 1u << 1,
				   .cut = true,
				   .cut_connection = 1,
				   .cut_at = MULTIFD_PACKET_BYTES + 276 },
	       GW_UNSUPPORTED,
	       "channel 0: packet 1: multifd packet: device state packets are not "
	       "supported");
}

TEST(what_belongs_to_no_packet_is_refused)
{
	begin(1);
	writer_bytes(&c.pages[0], "GET / HTTP/1.0\r\n", 16);
	refuse(main_waits, GW_PEER,
	       "channel 0: packet 1: multifd packet: magic 0x47455420, expected "
	       "0x11223344");
}

/* A packet of `claimed` pages whose payload is what the codec made of `encoded` ones. */
static uint8_t *compose_claim(enum codec_id codec, uint32_t claimed, uint32_t encoded)
{
	static uint8_t payload[CODEC_PAYLOAD_MAX];
	struct multifd_packet packet = {
		.method = method_of_codec(codec),
		.normal_pages = claimed,
		.offsets = { 0, PAGE_BYTES, 2 * PAGE_BYTES },
	};

	begin(1);
	/* One that is in order comes first: history runs on. */
	composer_data(&c, 0, codec, 0, 4, 4, 1);
	packet.payload_bytes =
		(uint32_t)composer_encode(&c, 0, codec, c.memory[0], encoded, payload);
	return composer_packet(&c, 0, &packet, payload);
}

static void refuse_payload(const char *text)
{
	struct reception rec = main_waits;

	reception_run(&rec, &c);
	CHECK_EQ(rec.result, -1);
	CHECK_EQ(rec.err.kind, GW_PEER);
	CHECK_CONTAINS(rec.err.text, "channel 0: packet 2: ");
	CHECK_CONTAINS(rec.err.text, text);
	reception_clear(&rec);
	composer_clear(&c);
}

TEST(a_payload_of_another_size_than_its_pages_is_refused)
{
	compose_claim(CODEC_ZLIB, 3, 2);
	refuse_payload("ends after 8192 of 12288 bytes");
	compose_claim(CODEC_ZLIB, 1, 2);
	refuse_payload("holds more than 4096 bytes");
	compose_claim(CODEC_ZSTD, 3, 2);
	refuse_payload("ends after 8192 of 12288 bytes");
	compose_claim(CODEC_ZSTD, 1, 2);
	refuse_payload("holds more than 4096 bytes");
	/* The first body begins where the third length should be. */
	compose_claim(CODEC_QPL, 3, 2);
	refuse_payload("qpl page 1 of 3: length ");
	compose_claim(CODEC_QPL, 1, 2);
	refuse_payload("their lengths add up to");
	compose_claim(CODEC_UADK, 3, 2);
	refuse_payload("uadk page 1 of 3: length ");
	compose_claim(CODEC_QATZIP, 3, 2);
	refuse_payload("qatzip payload of ");
	compose_claim(CODEC_QATZIP, 1, 2);
	refuse_payload("qatzip payload of ");
	compose_claim(CODEC_NONE, 3, 2);
	refuse_payload("multifd packet: 8192 bytes of none for 3 pages, 12288 to 12288 "
		       "are allowed");
	compose_claim(CODEC_NONE, 1, 2);
	refuse_payload("multifd packet: 8192 bytes of none for 1 pages, 4096 to 4096 are "
		       "allowed");
}

TEST(a_payload_that_does_not_decode_is_refused)
{
	uint8_t *payload = compose_claim(CODEC_ZLIB, 1, 1) + MULTIFD_PACKET_BYTES;

	payload[0] = 0x06; /* a block of type 3, which there is not */
	refuse_payload("isal: isal_inflate answered ISAL_INVALID_BLOCK");
	payload = compose_claim(CODEC_ZSTD, 1, 1) + MULTIFD_PACKET_BYTES;
	payload[0] |= 0x06; /* the same for zstd */
	refuse_payload("zstd: ");
	payload = compose_claim(CODEC_QPL, 1, 1) + MULTIFD_PACKET_BYTES;
	payload[4] |= 0x06;
	refuse_payload("qpl page 0 of 1: ");
	payload = compose_claim(CODEC_UADK, 1, 1) + MULTIFD_PACKET_BYTES;
	payload[6] |= 0x06;
	refuse_payload("uadk page 0 of 1: ");
	payload = compose_claim(CODEC_QATZIP, 1, 1) + MULTIFD_PACKET_BYTES;
	payload[24] |= 0x06;
	refuse_payload("qatzip payload of ");
	/* What zlib wrote under zstd's flag, and nothing under either's. */
	store_be32(compose_claim(CODEC_ZLIB, 1, 1) + 8, MULTIFD_ZSTD);
	refuse_payload("zstd: ");
	store_be32(compose_claim(CODEC_ZSTD, 1, 1) + 20, 0);
	refuse_payload("multifd packet: 0 bytes of zstd for 1 pages, 1 to 1048576 are "
		       "allowed");
	store_be32(compose_claim(CODEC_ZLIB, 1, 1) + 20, (1u << 20) + 1);
	refuse_payload("multifd packet: 1048577 bytes of zlib for 1 pages, 1 to 1048576 "
		       "are allowed");
}

/* ---- the block list ---- */

/* pc.ram of 16 pages and vga.vram of 4 for a guest that has these instead. */
static void refuse_blocks(const struct layout_block *blocks, uint32_t count,
			  const char *text)
{
	const struct layout guest = { (struct layout_block *)blocks, count, count, 0 };

	begin(1);
	composer_sync(&c);
	refuse((struct reception){ .guest_layout = &guest }, GW_PEER, text);
}

TEST(a_block_list_that_is_not_the_guests_is_refused)
{
	static const struct layout_block more[] = { { "pc.ram", 16 * PAGE_BYTES },
						    { "vga.vram", 4 * PAGE_BYTES },
						    { "pc.bios", PAGE_BYTES } };
	static const struct layout_block fewer[] = { { "pc.ram", 20 * PAGE_BYTES } };
	static const struct layout_block other[] = { { "pc.ram", 16 * PAGE_BYTES },
						     { "qxl.vram", 4 * PAGE_BYTES } };
	static const struct layout_block turned[] = { { "vga.vram", 4 * PAGE_BYTES },
						      { "pc.ram", 16 * PAGE_BYTES } };
	static const struct layout_block longer[] = { { "pc.ram", 17 * PAGE_BYTES },
						      { "vga.vram", 4 * PAGE_BYTES } };
	static const struct layout_block shorter[] = { { "pc.ram", 15 * PAGE_BYTES },
						       { "vga.vram", 4 * PAGE_BYTES } };

	refuse_blocks(more, 3, "main channel: ram section: 2 blocks, this guest has 3");
	refuse_blocks(fewer, 1, "main channel: ram section: 2 blocks, this guest has 1");
	refuse_blocks(other, 2,
		      "main channel: ram section: block 1 is \"vga.vram\", here it is "
		      "\"qxl.vram\"");
	refuse_blocks(turned, 2,
		      "main channel: ram section: block 0 is \"pc.ram\", here it is "
		      "\"vga.vram\"");
	refuse_blocks(longer, 2,
		      "main channel: ram section: block \"pc.ram\" has 65536 bytes, here "
		      "69632");
	refuse_blocks(shorter, 2,
		      "main channel: ram: 81920 bytes announced, at most 77824");
}

TEST(a_block_name_is_shown_without_harm_and_leaves_room_for_the_reason)
{
	static const struct layout_block guest_blocks[] = { { "pc.ram", PAGE_BYTES } };
	const struct layout guest = { (struct layout_block *)guest_blocks, 1, 1, 0 };
	char name[LAYOUT_NAME_MAX + 1] = "";

	memset(name, '\033', LAYOUT_NAME_MAX);
	composer_init(&c, 0, "qemu-10.0");
	composer_block(&c, name, 1);
	composer_open(&c, "none", true);
	composer_begin(&c, RECORD_SECTION_START);
	ram_section_write_blocks(&c.main, &c.layout);
	for (unsigned i = 0; i < 24; i++)
		strcpy(name + 4 * i, "\\x1b");
	strcat(name, "\", here it is \"pc.ram\"");
	memmove(name + 39, name, strlen(name) + 1);
	memcpy(name, "main channel: ram section: block 0 is \"", 39);
	refuse((struct reception){ .guest_layout = &guest }, GW_PEER, name);
}

TEST(more_memory_than_allowed_is_not_made)
{
	begin(1);
	composer_finish(&c);
	refuse((struct reception){ .inspect = true, .limit_bytes = 19 * PAGE_BYTES },
	       GW_PEER, "main channel: ram: 81920 bytes announced, at most 77824");
}

TEST(a_ram_section_without_a_block_list_is_refused)
{
	composer_init(&c, 0, "qemu-10.0");
	composer_open(&c, "none", true);
	composer_section(&c, RECORD_SECTION_START);
	refuse(plainly, GW_PEER,
	       "main channel: ram section: begins without a block list");

	composer_init(&c, 0, "qemu-7.2");
	composer_block(&c, "pc.ram", 4);
	composer_open(&c, "none", true);
	composer_begin(&c, RECORD_SECTION_START);
	composer_main_page(&c, 0, 1, 1);
	refuse(plainly, GW_PEER,
	       "main channel: ram: page of block \"pc.ram\", which is not listed");
}

/* ---- sections ---- */

TEST(ram_does_not_go_on_after_its_end)
{
	begin(0);
	composer_section(&c, RECORD_SECTION_END);
	composer_section(&c, RECORD_SECTION_PART);
	refuse(plainly, GW_PEER, "main channel: ram section: goes on after its end");
	begin(0);
	composer_section(&c, RECORD_SECTION_END);
	composer_section(&c, RECORD_SECTION_END);
	refuse(plainly, GW_PEER, "main channel: ram section: goes on after its end");
}

/* As virtio-mem does from 8.0 on. */
TEST(a_device_before_the_end_of_ram_is_refused)
{
	begin(0);
	composer_device(&c, "0000:00:02.0/virtio-mem-early");
	refuse(plainly, GW_UNSUPPORTED,
	       "main channel: section \"0000:00:02.0/virtio-mem-early\": it comes before "
	       "the end of ram, and nothing tells its length");
	begin(0);
	composer_device(&c, "virtio-mem");
	refuse((struct reception){ .inspect = true }, GW_UNSUPPORTED,
	       "main channel: section \"virtio-mem\": it comes before the end of ram, "
	       "and "
	       "nothing tells its length");
	begin(0);
	composer_device(&c, "\033]0;x\a");
	refuse(plainly, GW_UNSUPPORTED,
	       "main channel: section \"\\x1b]0;x\\x07\": it comes before the end of "
	       "ram, and nothing tells its length");
}

TEST(an_early_section_is_where_and_as_long_as_it_should_be)
{
	static const struct reception both[] = { { .inspect = false },
						 { .inspect = true } };

	for (int i = 0; i < 2; i++) {
		begin(0);
		composer_early(&c, "godwit/x", STREAM_EARLY_BYTES_MAX + 1, DEVICE_BYTES);
		refuse(both[i], GW_PEER,
		       "main channel: section \"godwit/x\": 1048577 bytes before the end "
		       "of ram, at most 1048576");
		begin(0);
		composer_early(&c, "godwit/x", STREAM_EARLY_BYTES_MAX, DEVICE_BYTES);
		refuse(both[i], GW_PEER,
		       "main channel: section \"godwit/x\": body: cut short at byte 171");
		begin(0);
		composer_section(&c, RECORD_SECTION_PART);
		composer_early(&c, "godwit/x", DEVICE_BYTES, DEVICE_BYTES);
		refuse(both[i], GW_PEER,
		       "main channel: section \"godwit/x\": it comes in the middle of "
		       "ram");
		composer_init(&c, 0, "qemu-10.0");
		composer_open(&c, "none", true);
		composer_early(&c, "godwit/x", DEVICE_BYTES, DEVICE_BYTES);
		refuse(both[i], GW_PEER,
		       "main channel: section \"godwit/x\": it comes ahead of the block "
		       "list");
	}
	begin(0);
	composer_early(&c, "godwit/x", DEVICE_BYTES + 1, DEVICE_BYTES + 1);
	refuse(plainly, GW_PEER,
	       "main channel: section \"godwit/x\": 25 bytes, not what its version has");
	begin(0);
	composer_early(&c, "godwit/x", DEVICE_BYTES - 1, DEVICE_BYTES - 1);
	refuse(plainly, GW_PEER,
	       "main channel: section \"godwit/x\": 23 bytes, not what its version has");
}

TEST(another_section_that_iterates_is_named)
{
	begin(0);
	stream_write_section(&c.main, RECORD_SECTION_START, 2, "dirty-bitmap", 0, 1);
	refuse(plainly, GW_UNSUPPORTED,
	       "main channel: section \"dirty-bitmap\": only \"ram\" can be followed "
	       "while it iterates");
}

TEST(a_device_that_the_guest_does_not_take_is_named)
{
	struct reception rec = { .cut = true };

	begin(0);
	composer_section(&c, RECORD_SECTION_END);
	composer_device(&c, "unloved");
	refuse(plainly, GW_PEER,
	       "main channel: section \"unloved\": no such device here");
	begin(0);
	composer_section(&c, RECORD_SECTION_END);
	composer_device(&c, "tim\ner");
	rec.cut_at = 181;
	CHECK(rec.cut_at < c.main.used - 5);
	refuse(rec, GW_PEER,
	       "main channel: section \"tim\\x0aer\": device state: cut short at byte "
	       "181");
}

/* Ram is through: what is left comes in one go. */
TEST(a_source_that_falls_silent_among_its_devices_is_not_waited_for_for_ever)
{
	for (unsigned inspect = 0; inspect < 2; inspect++) {
		size_t devices;

		begin(0);
		composer_section(&c, RECORD_SECTION_END);
		devices = c.main.used;
		composer_device(&c, "timer");
		refuse((struct reception){ .inspect = inspect,
					   .silent = 1,
					   .patience_ms = 300,
					   .cut = true,
					   .cut_at = devices + 30 },
		       GW_PEER,
		       inspect ? "main channel: device sections: the other side sent "
				 "nothing for 300 ms"
			       : "main channel: section \"timer\": the other side sent "
				 "nothing for 300 ms");
	}
}

TEST(the_stream_does_not_end_before_ram_does)
{
	begin(1);
	composer_sync(&c);
	composer_section(&c, RECORD_SECTION_PART);
	stream_write_eof(&c.main);
	refuse(plainly, GW_PEER, "main channel: ended before the end of ram");
	composer_init(&c, 0, "qemu-10.0");
	composer_open(&c, "none", true);
	stream_write_eof(&c.main);
	refuse(plainly, GW_PEER, "main channel: ended before the end of ram");
}

/* ---- header and commands ---- */

TEST(what_is_no_stream_is_refused)
{
	composer_init(&c, 0, "qemu-10.0");
	writer_bytes(&c.main, "SSH-2.0-OpenSSH_9.2\r\n", 21);
	refuse(plainly, GW_PEER,
	       "main channel: stream header: magic 0x5353482d, expected 0x5145564d");
	composer_init(&c, 0, "qemu-10.0");
	composer_open(&c, "none", true);
	store_be32(c.main.start + 4, 2);
	refuse(plainly, GW_UNSUPPORTED,
	       "main channel: stream header: version 2, only 3 is supported");
}

TEST(another_machine_type_is_refused)
{
	static const struct {
		const char *source, *text;
	} machines[] = {
		{ "pc-q35-9.2",
		  "main channel: machine type \"pc-q35-9.2\", this guest is "
		  "\"pc-q35-10.0\"" },
		{ "pc-q35-10.0.1",
		  "main channel: machine type \"pc-q35-10.0.1\", this guest is "
		  "\"pc-q35-10.0\"" },
		{ "\007", "main channel: machine type \"\\x07\", this guest is "
			  "\"pc-q35-10.0\"" },
	};

	for (unsigned i = 0; i < 3; i++) {
		composer_start(&c, 0, "qemu-10.0", machines[i].source);
		refuse((struct reception){ .machine = "pc-q35-10.0" }, GW_PEER,
		       machines[i].text);
	}
}

TEST(a_source_that_never_says_who_it_is_is_not_waited_for_for_ever)
{
	begin(1);
	refuse(
		(struct reception){
			.silent = 1, .patience_ms = 300, .cut = true, .cut_at = 4 },
		GW_PEER, "main channel: the other side sent nothing for 300 ms");
}

TEST(a_ping_without_a_return_path_is_refused)
{
	composer_init(&c, 0, "qemu-10.0");
	composer_open(&c, "none", false);
	stream_write_ping(&c.main, 1);
	refuse(plainly, GW_PEER, "main channel: PING without a return path");
}

TEST(a_source_that_does_not_hear_its_answers_is_not_waited_for_for_ever)
{
	begin(0);
	for (unsigned i = 0; i < 5000; i++)
		stream_write_ping(&c.main, i);
	refuse((struct reception){ .deaf = true, .silent = 1, .patience_ms = 300 },
	       GW_PEER,
	       "main channel: return path: the other side took nothing for 300 ms");
}

/* ---- stopping ---- */

TEST(a_cancel_is_heard_although_everything_is_there)
{
	begin(2);
	composer_finish(&c);
	refuse((struct reception){ .cancel = true }, GW_CANCELLED, "cancelled");
}

/* What never has to be waited for looks at no interrupt while it waits. */
TEST(a_page_channel_without_an_end_does_not_keep_a_failure_waiting)
{
	static uint8_t header[MULTIFD_PACKET_BYTES];
	const struct writer again = { header, sizeof(header), sizeof(header), false };
	const struct multifd_packet nothing = { .block = -1 };

	begin(1);
	stream_write_eof(&c.main);
	multifd_packet_write(header, c.dialect, &c.layout, &nothing);
	refuse((struct reception){ .endlessly = &again, .endless_connection = 1 },
	       GW_PEER, "main channel: ended before the end of ram");
}

TEST(main_without_an_end_does_not_keep_a_failure_waiting)
{
	static uint8_t records[9 * 1024];
	struct writer again = writer_over(records, sizeof(records));

	/* ZERO, CONTINUE, offset 0. */
	while (again.used < again.room) {
		writer_be64(&again, 0x22);
		writer_u8(&again, 0);
	}
	begin(1);
	composer_begin(&c, RECORD_SECTION_PART);
	composer_main_page(&c, 0, 0, 1);
	writer_zeros(&c.pages[0], MULTIFD_PACKET_BYTES);
	refuse((struct reception){ .endlessly = &again, .deaf = true }, GW_PEER,
	       "channel 0: packet 1: multifd packet: magic 0x00000000, expected "
	       "0x11223344");
}

/* ---- everywhere ---- */

/* Both kinds of zero pages apart, everything that a stream has.  Returns main's length up to and
 * with its EOF: all that a guest needs. */
static size_t compose_everything(void)
{
	composer_start(&c, 2, "qemu-10.0", "pc-q35-10.0");
	composer_data(&c, 0, CODEC_ZLIB, 0, 0, 4, 1);
	composer_data(&c, 1, CODEC_NONE, 1, 0, 1, 1);
	composer_zeros(&c, 1, 0, 12, 4);
	composer_sync(&c);
	composer_section(&c, RECORD_SECTION_PART);
	composer_data(&c, 0, CODEC_ZSTD, 0, 2, 3, 2);
	composer_sync(&c);
	composer_begin(&c, RECORD_SECTION_PART);
	ram_section_write_flush(&c.main);
	composer_main_zero(&c, 0, 3);
	ram_section_write_eos(&c.main);
	stream_write_footer(&c.main, RAM_ID);
	composer_data(&c, 1, CODEC_ZLIB, 0, 8, 1, 3);
	stream_write_command(&c.main, COMMAND_SWITCHOVER_START);
	composer_sync(&c);
	composer_section(&c, RECORD_SECTION_END);
	composer_device(&c, "timer");
	composer_device(&c, "globalstate");
	stream_write_eof(&c.main);
	composer_describe(&c);
	for (size_t at = c.main.used; at > 0; at--)
		if (c.main.start[at - 1] == RECORD_VMDESCRIPTION &&
		    c.main.start[at - 2] == RECORD_EOF)
			return at - 1;
	CHECK_FAIL("no end of the stream");
}

static bool arrives_cut(bool inspect, uint32_t connection, size_t at)
{
	struct reception rec = { .inspect = inspect,
				 .cut = true,
				 .cut_connection = connection,
				 .cut_at = at };
	bool arrived;

	reception_run(&rec, &c);
	arrived = rec.result == 0;
	if (arrived)
		reception_check_arrived(&rec, &c);
	reception_clear(&rec);
	return arrived;
}

TEST(main_cut_at_any_byte_starts_no_guest_before_everything_is_there)
{
	size_t everything = compose_everything();

	for (size_t at = 0; at < c.main.used; at++)
		if (arrives_cut(false, 0, at) != (at >= everything))
			CHECK_FAIL("cut at %zu of %zu", at, c.main.used);
	CHECK(arrives_cut(false, 0, c.main.used));
	composer_clear(&c);
}

/* Without a guest only the description tells that the devices were whole. */
TEST(main_cut_among_devices_that_nobody_loads_is_noticed)
{
	size_t everything = compose_everything();
	size_t footer = everything - 6;

	for (size_t at = footer - 40; at < c.main.used; at++)
		if (arrives_cut(true, 0, at) != (at == everything))
			CHECK_FAIL("cut at %zu of %zu", at, c.main.used);
	CHECK(arrives_cut(true, 0, c.main.used));
	composer_clear(&c);
}

TEST(a_page_channel_cut_at_any_byte_starts_no_guest)
{
	compose_everything();
	for (uint32_t channel = 0; channel < 2; channel++) {
		size_t length = c.pages[channel].used;

		for (size_t at = 0; at < length; at += at % 1344 < 14 ? 1 : 61)
			if (arrives_cut(false, channel + 1, at))
				CHECK_FAIL("channel %u cut at %zu of %zu", channel, at,
					   length);
		CHECK(!arrives_cut(false, channel + 1, length - 1));
		CHECK(arrives_cut(false, channel + 1, length));
	}
	composer_clear(&c);
}

TEST_MAIN(
	TEST_OF(a_channel_that_closes_before_its_sync_is_named_with_the_barrier),
	TEST_OF(a_channel_that_is_silent_at_a_barrier_is_not_waited_for_for_ever),
	TEST_OF(a_channel_that_is_silent_inside_a_packet_is_not_waited_for_for_ever),
	TEST_OF(a_channel_that_closes_inside_a_packet_is_named_with_the_packet),
	TEST_OF(a_block_that_is_not_listed_is_refused),
	TEST_OF(a_device_state_packet_is_refused_although_it_is_short),
	TEST_OF(what_belongs_to_no_packet_is_refused),
	TEST_OF(a_payload_of_another_size_than_its_pages_is_refused),
	TEST_OF(a_payload_that_does_not_decode_is_refused),
	TEST_OF(a_block_list_that_is_not_the_guests_is_refused),
	TEST_OF(a_block_name_is_shown_without_harm_and_leaves_room_for_the_reason),
	TEST_OF(more_memory_than_allowed_is_not_made),
	TEST_OF(a_ram_section_without_a_block_list_is_refused),
	TEST_OF(ram_does_not_go_on_after_its_end),
	TEST_OF(a_device_before_the_end_of_ram_is_refused),
	TEST_OF(an_early_section_is_where_and_as_long_as_it_should_be),
	TEST_OF(another_section_that_iterates_is_named),
	TEST_OF(a_device_that_the_guest_does_not_take_is_named),
	TEST_OF(a_source_that_falls_silent_among_its_devices_is_not_waited_for_for_ever),
	TEST_OF(the_stream_does_not_end_before_ram_does),
	TEST_OF(what_is_no_stream_is_refused), TEST_OF(another_machine_type_is_refused),
	TEST_OF(a_source_that_never_says_who_it_is_is_not_waited_for_for_ever),
	TEST_OF(a_ping_without_a_return_path_is_refused),
	TEST_OF(a_source_that_does_not_hear_its_answers_is_not_waited_for_for_ever),
	TEST_OF(a_cancel_is_heard_although_everything_is_there),
	TEST_OF(a_page_channel_without_an_end_does_not_keep_a_failure_waiting),
	TEST_OF(main_without_an_end_does_not_keep_a_failure_waiting),
	TEST_OF(main_cut_at_any_byte_starts_no_guest_before_everything_is_there),
	TEST_OF(main_cut_among_devices_that_nobody_loads_is_noticed),
	TEST_OF(a_page_channel_cut_at_any_byte_starts_no_guest))
