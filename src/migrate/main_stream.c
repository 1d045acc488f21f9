/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* main_stream.c - the main channel as the source writes it. */
#include "migrate/main_stream.h"

#include <assert.h>
#include <errno.h>

/* Section ids are the source's choice: ram is 1, devices follow. */
#define RAM_SECTION_ID 1u
#define FIRST_DEVICE_SECTION_ID 2u

/* The longest record apart from the block list, and what a batch of zero pages takes. */
#define SMALL_RECORD_BYTES ((size_t)1024)

int main_stream_init(struct main_stream *main, struct channel *channel,
		     const struct dialect *dialect, const struct layout *layout,
		     bool multifd, struct gw_error *err)
{
	size_t room = 64u * 1024u + layout->block_count * (1u + LAYOUT_NAME_MAX + 8u);

	*main = (struct main_stream){
		.channel = channel,
		.dialect = dialect,
		.layout = layout,
		.multifd = multifd,
		.pages = { .block = -1 },
		.next_device = FIRST_DEVICE_SECTION_ID,
	};
	main->buffer = malloc(room);
	if (!main->buffer)
		return fail_sys(err, ENOMEM, "main channel buffer");
	main->out = writer_over(main->buffer, room);
	return 0;
}

void main_stream_deinit(struct main_stream *main)
{
	free(main->buffer);
	main->buffer = NULL;
}

static int flush(struct main_stream *main, struct gw_error *err)
{
	size_t length = main->out.used;

	assert(!main->out.overrun);
	main->out.used = 0;
	if (channel_write_bytes(main->channel, main->buffer, length, err) < 0)
		return fail_in(err, "main channel");
	return 0;
}

int main_stream_open(struct main_stream *main, const char *machine, bool return_path,
		     struct gw_error *err)
{
	stream_write_header(&main->out, machine);
	if (return_path) {
		stream_write_command(&main->out, COMMAND_OPEN_RETURN_PATH);
		stream_write_ping(&main->out, MAIN_STREAM_SETUP_PING);
	}
	return flush(main, err);
}

/* In per-section mode the EOS is the barrier itself. */
static void write_barrier_and_footer(struct main_stream *main)
{
	if (main->multifd && !main->dialect->barrier_per_section)
		ram_section_write_flush(&main->out);
	ram_section_write_eos(&main->out);
	stream_write_footer(&main->out, RAM_SECTION_ID);
}

int main_stream_blocks(struct main_stream *main, struct gw_error *err)
{
	stream_write_section(&main->out, RECORD_SECTION_START, RAM_SECTION_ID,
			     RAM_SECTION_NAME, 0, RAM_SECTION_VERSION);
	ram_section_write_blocks(&main->out, main->layout);
	write_barrier_and_footer(main);
	return flush(main, err);
}

int main_stream_ping(struct main_stream *main, uint32_t value, struct gw_error *err)
{
	stream_write_ping(&main->out, value);
	return flush(main, err);
}

int main_stream_begin(struct main_stream *main, bool last, struct gw_error *err)
{
	if (last && main->dialect->switchover_start)
		stream_write_command(&main->out, COMMAND_SWITCHOVER_START);
	stream_write_section_again(&main->out,
				   last ? RECORD_SECTION_END : RECORD_SECTION_PART,
				   RAM_SECTION_ID);
	return flush(main, err);
}

int main_stream_zeros(struct main_stream *main, uint32_t block, const uint64_t *offsets,
		      uint32_t count, struct gw_error *err)
{
	for (uint32_t i = 0; i < count; i++)
		ram_section_write_zero(&main->out, &main->pages, main->layout, block,
				       offsets[i]);
	return main->out.room - main->out.used < SMALL_RECORD_BYTES * 16
		       ? flush(main, err)
		       : 0;
}

int main_stream_batch(struct main_stream *main, const struct batch *batch,
		      struct gw_error *err)
{
	uint8_t heads[BATCH_PAGES_MAX * 8 + 1 + LAYOUT_NAME_MAX];
	struct writer out = writer_over(heads, sizeof(heads));
	struct iovec iov[2 * BATCH_PAGES_MAX];
	int count = 0;

	if (main_stream_zeros(main, batch->block->index, batch->zero_offsets,
			      batch->zero_count, err) < 0)
		return -1;
	if (batch->normal_count == 0)
		return 0;
	if (flush(main, err) < 0)
		return -1;
	for (uint32_t i = 0; i < batch->normal_count; i++) {
		size_t before = out.used;

		ram_section_write_page(&out, &main->pages, main->layout,
				       batch->block->index, batch->normal_offsets[i]);
		iov[count++] = (struct iovec){ heads + before, out.used - before };
		iov[count++] =
			(struct iovec){ batch->block->host + batch->normal_offsets[i],
					PAGE_BYTES };
	}
	assert(!out.overrun);
	if (channel_write_full(main->channel, iov, count, err) < 0)
		return fail_in(err, "main channel");
	return 0;
}

int main_stream_end(struct main_stream *main, struct gw_error *err)
{
	write_barrier_and_footer(main);
	return flush(main, err);
}

/* Room for all that is written around the bodies. */
static size_t sections_room(const struct device_state *devices)
{
	size_t room = SMALL_RECORD_BYTES;

	for (uint32_t i = 0; i < devices->section_count; i++)
		room += SMALL_RECORD_BYTES + devices->sections[i].body.length;
	return room;
}

static void write_section(struct main_stream *main, struct writer *out,
			  const struct device_section *section, bool framed)
{
	stream_write_section(out, RECORD_SECTION_FULL, main->next_device, section->name,
			     section->instance, section->version);
	if (framed)
		writer_be32(out, (uint32_t)section->body.length);
	writer_bytes(out, section->body.bytes, section->body.length);
	stream_write_footer(out, main->next_device++);
}

int main_stream_early(struct main_stream *main, const struct device_state *early,
		      bool return_path, struct gw_error *err)
{
	size_t room = sections_room(early);
	OWNED_MEMORY uint8_t *buffer = NULL;
	struct writer out;

	for (uint32_t i = 0; i < early->section_count; i++) {
		const struct device_section *section = &early->sections[i];

		assert(strncmp(section->name, STREAM_EARLY_PREFIX,
			       strlen(STREAM_EARLY_PREFIX)) == 0);
		if (section->body.length > STREAM_EARLY_BYTES_MAX)
			return fail(
				err, GW_USAGE,
				"section \"%s\": %zu bytes ahead of memory, at most %u",
				section->name, section->body.length,
				STREAM_EARLY_BYTES_MAX);
	}
	buffer = malloc(room);
	if (!buffer)
		return fail_sys(err, ENOMEM, "device state of %zu bytes", room);
	out = writer_over(buffer, room);
	for (uint32_t i = 0; i < early->section_count; i++)
		write_section(main, &out, &early->sections[i], true);
	if (return_path)
		stream_write_ping(&out, MAIN_STREAM_EARLY_PING);
	assert(!out.overrun);
	if (channel_write_bytes(main->channel, buffer, out.used, err) < 0)
		return fail_in(err, "main channel");
	return 0;
}

uint8_t *main_stream_closing(struct main_stream *main, const struct device_state *devices,
			     size_t *length, struct gw_error *err)
{
	size_t vmdesc_bytes = strlen(devices->vmdesc);
	size_t room = sections_room(devices) + vmdesc_bytes;
	uint8_t *buffer = malloc(room);
	struct writer out;

	if (!buffer) {
		fail_sys(err, ENOMEM, "device state of %zu bytes", room);
		return NULL;
	}
	out = writer_over(buffer, room);
	for (uint32_t i = 0; i < devices->section_count; i++)
		write_section(main, &out, &devices->sections[i], false);
	stream_write_eof(&out);
	stream_write_vmdesc(&out, devices->vmdesc, (uint32_t)vmdesc_bytes);
	assert(!out.overrun);
	*length = out.used;
	return buffer;
}
