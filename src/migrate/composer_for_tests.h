/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* composer_for_tests.h - whole streams for a receiver, and what they make of its memory.
 *
 * Main and each page channel are byte strings written by the wire's own writers, in whatever
 * order a test likes; a test may also change the bytes once they are written.  Beside them the
 * composer keeps the memory that a receiver must end up with.
 *
 * For tests, which include tests/check.h before. */
#ifndef MIGRATE_COMPOSER_FOR_TESTS_H
#define MIGRATE_COMPOSER_FOR_TESTS_H

#include "codec/engine.h"
#include "migrate/method.h"
#include "wire/multifd_packet.h"
#include "wire/stream.h"

#define COMPOSER_CHANNELS_MAX 3u
#define COMPOSER_BLOCKS_MAX 4u
#define COMPOSER_ROOM (96u << 10) /* what a socket holds unread */
#define COMPOSER_UNTOUCHED 0xee	  /* memory that nobody wrote to */
#define RAM_ID 1u
#define DEVICE_BYTES 24u

struct composer {
	const struct dialect *dialect;
	uint32_t channel_count;
	struct layout layout;
	struct layout_block blocks[COMPOSER_BLOCKS_MAX];
	struct writer main;
	struct writer pages[COMPOSER_CHANNELS_MAX];
	struct ram_section_state zeros;
	uint64_t next_packet;
	void *encoders[COMPOSER_CHANNELS_MAX][CODEC_COUNT];
	uint32_t device_count;
	char vmdesc[1024];
	/* What arrives. */
	uint8_t *memory[COMPOSER_BLOCKS_MAX];
	bool *received[COMPOSER_BLOCKS_MAX];
};

static inline struct writer composer_writer(void)
{
	return writer_over(malloc(COMPOSER_ROOM), COMPOSER_ROOM);
}

static inline void composer_init(struct composer *c, uint32_t channel_count,
				 const char *dialect)
{
	struct gw_error err;

	*c = (struct composer){
		.dialect = dialect_by_name(dialect, &err),
		.channel_count = channel_count,
		.layout = { c->blocks, COMPOSER_BLOCKS_MAX, 0, UINT64_MAX },
		.zeros = { -1 },
		.main = composer_writer(),
	};
	for (uint32_t i = 0; i < channel_count; i++)
		c->pages[i] = composer_writer();
}

static inline const struct engine *composer_engine(enum codec_id codec)
{
	struct gw_error err;

	return engine_choose(codec, ENCODE, codec_by_id(codec)->level_default,
			     ACCELERATOR_NONE, &err);
}

static inline void composer_clear(struct composer *c)
{
	free(c->main.start);
	for (uint32_t i = 0; i < c->channel_count; i++) {
		free(c->pages[i].start);
		for (unsigned id = CODEC_ZLIB; id < CODEC_COUNT; id++)
			composer_engine((enum codec_id)id)->close(c->encoders[i][id]);
	}
	for (uint32_t i = 0; i < COMPOSER_BLOCKS_MAX; i++) {
		free(c->memory[i]);
		free(c->received[i]);
	}
}

static inline void composer_block(struct composer *c, const char *name,
				  uint32_t page_count)
{
	uint32_t i = c->layout.block_count++;
	struct layout_block *block = &c->blocks[i];

	strcpy(block->name, name);
	block->length_bytes = page_count * PAGE_BYTES;
	c->memory[i] = malloc(block->length_bytes);
	memset(c->memory[i], COMPOSER_UNTOUCHED, block->length_bytes);
	c->received[i] = calloc(page_count, sizeof(bool));
}

/* ---- main ---- */

static inline void composer_open(struct composer *c, const char *machine,
				 bool return_path)
{
	stream_write_header(&c->main, machine);
	if (return_path) {
		stream_write_command(&c->main, COMMAND_OPEN_RETURN_PATH);
		stream_write_ping(&c->main, 1);
	}
}

/* The end of a ram section, with the dialect's barrier before or in it. */
static inline void composer_end_section(struct composer *c)
{
	if (!c->dialect->barrier_per_section)
		ram_section_write_flush(&c->main);
	ram_section_write_eos(&c->main);
	stream_write_footer(&c->main, RAM_ID);
}

static inline void composer_begin(struct composer *c, enum record_type type)
{
	if (type == RECORD_SECTION_START)
		stream_write_section(&c->main, type, RAM_ID, RAM_SECTION_NAME, 0,
				     RAM_SECTION_VERSION);
	else
		stream_write_section_again(&c->main, type, RAM_ID);
}

/* A ZERO record. */
static inline void composer_main_zero(struct composer *c, uint32_t block, uint32_t page)
{
	ram_section_write_zero(&c->main, &c->zeros, &c->layout, block, page * PAGE_BYTES);
	if (c->received[block][page])
		memset(c->memory[block] + page * PAGE_BYTES, 0, PAGE_BYTES);
}

/* Different for each page and version, and worth compressing. */
static inline void composer_fill(struct composer *c, uint32_t block, uint32_t page,
				 uint8_t version)
{
	uint8_t *at = c->memory[block] + page * PAGE_BYTES;

	for (size_t i = 0; i < PAGE_BYTES; i++)
		at[i] = (uint8_t)(i % 61 < 3 ? page * 7 + block + i : version);
	c->received[block][page] = true;
}

/* A PAGE record: nothing of ours writes any. */
static inline void composer_main_page(struct composer *c, uint32_t block, uint32_t page,
				      uint8_t version)
{
	composer_fill(c, block, page, version);
	writer_be64(&c->main, page * PAGE_BYTES | 0x08);
	writer_str8(&c->main, c->blocks[block].name);
	writer_bytes(&c->main, c->memory[block] + page * PAGE_BYTES, PAGE_BYTES);
	c->zeros.block = (int)block;
}

/* A FULL section of DEVICE_BYTES bytes. */
static inline void composer_device(struct composer *c, const char *name)
{
	uint32_t id = 10 + c->device_count;
	size_t used = strlen(c->vmdesc);

	stream_write_section(&c->main, RECORD_SECTION_FULL, id, name, 0, 1);
	for (unsigned i = 0; i < DEVICE_BYTES; i++)
		writer_u8(&c->main, 0x5a);
	stream_write_footer(&c->main, id);
	snprintf(
		c->vmdesc + used, sizeof(c->vmdesc) - used,
		"%s{\"name\":\"%s\",\"instance_id\":0,\"vmsd_name\":\"%s\",\"version\":1,"
		"\"fields\":[{\"name\":\"x\",\"type\":\"buffer\",\"size\":%u}]}",
		c->device_count > 0 ? "," : "", name, name, DEVICE_BYTES);
	c->device_count++;
}

/* A FULL section as it comes ahead of memory: `length` is what it says of its body. */
static inline void composer_early(struct composer *c, const char *name, uint32_t length,
				  uint32_t body_bytes)
{
	stream_write_section(&c->main, RECORD_SECTION_FULL, 9, name, 0, 1);
	writer_be32(&c->main, length);
	for (unsigned i = 0; i < body_bytes; i++)
		writer_u8(&c->main, 0x5a);
	stream_write_footer(&c->main, 9);
}

static inline void composer_describe(struct composer *c)
{
	char json[sizeof(c->vmdesc) + 64];

	snprintf(json, sizeof(json), "{\"page_size\":4096,\"devices\":[%s]}", c->vmdesc);
	stream_write_vmdesc(&c->main, json, (uint32_t)strlen(json));
}

/* ---- page channels ---- */

/* Returns its header, for who wants it otherwise. */
static inline uint8_t *composer_packet(struct composer *c, uint32_t channel,
				       struct multifd_packet *packet, const void *payload)
{
	uint8_t *header = writer_reserve(&c->pages[channel], MULTIFD_PACKET_BYTES);

	packet->number = c->next_packet++;
	multifd_packet_write(header, c->dialect, &c->layout, packet);
	writer_bytes(&c->pages[channel], payload, packet->payload_bytes);
	return header;
}

static inline uint8_t *composer_sync_one(struct composer *c, uint32_t channel)
{
	struct multifd_packet packet = { .sync = true, .block = -1 };

	return composer_packet(c, channel, &packet, "");
}

static inline void composer_sync(struct composer *c)
{
	for (uint32_t i = 0; i < c->channel_count; i++)
		composer_sync_one(c, i);
}

/* What the codec makes of `count` pages of memory, in one piece. */
static inline size_t composer_encode(struct composer *c, uint32_t channel,
				     enum codec_id codec, const uint8_t *from,
				     uint32_t count, uint8_t *payload)
{
	void **state = &c->encoders[channel][codec];
	struct span source = { from, count * PAGE_BYTES };
	struct job job = { .source = &source, .source_count = 1 };
	struct engine_options options = { .level = codec_by_id(codec)->level_default };
	const struct engine *engine;
	struct gw_error err;
	size_t used = 0;

	if (codec == CODEC_NONE) {
		memcpy(payload, from, source.length);
		return source.length;
	}
	engine = composer_engine(codec);
	CHECK(engine);
	if (!*state)
		*state = engine->open(engine, &options, &err);
	CHECK(*state);
	CHECK_OK(engine_run(engine, *state, &job, &err), &err);
	for (uint32_t i = 0; i < job.piece_count; i++) {
		memcpy(payload + used, job.pieces[i].bytes, job.pieces[i].length);
		used += job.pieces[i].length;
	}
	return used;
}

/* Pages first to first + count - 1 of the block, in one packet. */
static inline uint8_t *composer_data(struct composer *c, uint32_t channel,
				     enum codec_id codec, uint32_t block, uint32_t first,
				     uint32_t count, uint8_t version)
{
	static uint8_t payload[CODEC_PAYLOAD_MAX];
	struct multifd_packet packet = {
		.method = method_of_codec(codec),
		.normal_pages = count,
		.block = (int)block,
	};

	for (uint32_t i = 0; i < count; i++) {
		composer_fill(c, block, first + i, version);
		packet.offsets[i] = (first + i) * PAGE_BYTES;
	}
	packet.payload_bytes = (uint32_t)composer_encode(
		c, channel, codec, c->memory[block] + first * PAGE_BYTES, count, payload);
	return composer_packet(c, channel, &packet, payload);
}

static inline void composer_zeros(struct composer *c, uint32_t channel, uint32_t block,
				  uint32_t first, uint32_t count)
{
	struct multifd_packet packet = { .zero_pages = count, .block = (int)block };

	for (uint32_t i = 0; i < count; i++) {
		packet.offsets[i] = (first + i) * PAGE_BYTES;
		if (c->received[block][first + i])
			memset(c->memory[block] + packet.offsets[i], 0, PAGE_BYTES);
	}
	composer_packet(c, channel, &packet, "");
}

/* ---- a whole one ---- */

/* Two blocks, the return path, the block list and the setup's barrier. */
static inline void composer_start(struct composer *c, uint32_t channel_count,
				  const char *dialect, const char *machine)
{
	composer_init(c, channel_count, dialect);
	composer_block(c, "pc.ram", 16);
	composer_block(c, "vga.vram", 4);
	composer_open(c, machine, true);
	composer_begin(c, RECORD_SECTION_START);
	ram_section_write_blocks(&c->main, &c->layout);
	composer_sync(c);
	composer_end_section(c);
}

/* A section without page records. */
static inline void composer_section(struct composer *c, enum record_type type)
{
	composer_begin(c, type);
	composer_end_section(c);
}

/* END, a device, EOF, description. */
static inline void composer_finish(struct composer *c)
{
	composer_sync(c);
	composer_section(c, RECORD_SECTION_END);
	composer_device(c, "timer");
	stream_write_eof(&c->main);
	composer_describe(c);
}

#endif
