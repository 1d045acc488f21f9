/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* process_state.c - all that a process guest is, beside its RAM. */
#include "guest/process_state.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

/* The fields in their order on the wire, as QEMU's description names types.  Those of the
 * writers are one array after the other, so that each is a plain field. */
static const struct {
	const char *name;
	const char *type;
	uint32_t size;
	bool per_writer;
} fields[] = {
	{ "version", "uint32", 4, false },
	{ "block", "buffer", RAM_NAME_MAX + 1, false },
	{ "heartbeat_offset", "uint64", 8, false },
	{ "working_set_offset", "uint64", 8, false },
	{ "working_set_bytes", "uint64", 8, false },
	{ "dirty_rate_bytes", "uint64", 8, false },
	{ "pattern", "uint32", 4, false },
	{ "heartbeat", "uint64", 8, false },
	{ "heartbeat_ns", "uint64", 8, false },
	{ "sequence", "uint64", 8, false },
	{ "writer_count", "uint32", 4, false },
	{ "writer_position", "uint64", 8, true },
	{ "writer_generator", "uint64", 8, true },
};

struct process_share process_share(const struct process_state *state, uint32_t writer)
{
	uint64_t pages = state->working_set_bytes / PAGE_BYTES;
	uint64_t each = pages / state->writer_count, more = pages % state->writer_count;

	/* The first `more` writers have one page more. */
	return (struct process_share){
		.first_page = state->working_set_offset / PAGE_BYTES + writer * each +
			      (writer < more ? writer : more),
		.page_count = each + (writer < more),
	};
}

static int check_page(const char *what, uint64_t bytes, enum gw_error_kind kind,
		      struct gw_error *err)
{
	if (bytes % PAGE_BYTES != 0)
		return fail(err, kind,
			    "process guest: %s of %" PRIu64
			    " bytes is no multiple of %" PRIu64,
			    what, bytes, PAGE_BYTES);
	return 0;
}

static int check_place(const struct process_state *state, const struct ram *ram,
		       enum gw_error_kind kind, struct gw_error *err)
{
	char shown[2 * RAM_NAME_MAX];
	const struct ram_block *block = ram_find(ram, state->block, strlen(state->block));
	uint64_t length;

	if (!block)
		return fail(err, kind, "process guest: block \"%s\" is not in this RAM",
			    printable(shown, sizeof(shown), state->block,
				      (unsigned)strlen(state->block)));
	length = block->length_bytes;
	if (check_page("heartbeat offset", state->heartbeat_offset, kind, err) < 0 ||
	    check_page("working set offset", state->working_set_offset, kind, err) < 0 ||
	    check_page("working set", state->working_set_bytes, kind, err) < 0)
		return -1;
	if (state->heartbeat_offset >= length)
		return fail(err, kind,
			    "process guest: heartbeat at %" PRIu64
			    ", but the block has %" PRIu64 " bytes",
			    state->heartbeat_offset, length);
	if (state->working_set_bytes == 0 || state->working_set_bytes > length ||
	    state->working_set_offset > length - state->working_set_bytes)
		return fail(err, kind,
			    "process guest: working set of %" PRIu64 " bytes at %" PRIu64
			    ", but the block has %" PRIu64,
			    state->working_set_bytes, state->working_set_offset, length);
	if (state->heartbeat_offset >= state->working_set_offset &&
	    state->heartbeat_offset - state->working_set_offset <
		    state->working_set_bytes)
		return fail(err, kind,
			    "process guest: heartbeat at %" PRIu64
			    " lies in the working set, %" PRIu64 " bytes at %" PRIu64,
			    state->heartbeat_offset, state->working_set_bytes,
			    state->working_set_offset);
	return 0;
}

static int check_writers(const struct process_state *state, enum gw_error_kind kind,
			 struct gw_error *err)
{
	uint64_t pages = state->working_set_bytes / PAGE_BYTES;

	if (state->writer_count == 0 || state->writer_count > PROCESS_WRITERS_MAX)
		return fail(err, kind, "process guest: %u writers, 1 to %u are allowed",
			    state->writer_count, PROCESS_WRITERS_MAX);
	if (state->writer_count > pages)
		return fail(err, kind,
			    "process guest: %u writers for a working set of %" PRIu64
			    " pages",
			    state->writer_count, pages);
	for (uint32_t i = 0; i < state->writer_count; i++) {
		uint64_t share = process_share(state, i).page_count;

		if (state->writers[i].position >= share)
			return fail(err, kind,
				    "process guest: writer %u at page %" PRIu64
				    " of %" PRIu64,
				    i, state->writers[i].position, share);
	}
	return 0;
}

static int check(const struct process_state *state, const struct ram *ram,
		 enum gw_error_kind kind, struct gw_error *err)
{
	if (check_place(state, ram, kind, err) < 0)
		return -1;
	if (state->dirty_rate_bytes > PROCESS_RATE_MAX_BYTES)
		return fail(err, kind,
			    "process guest: dirty rate %" PRIu64
			    " bytes/s, at most %" PRIu64,
			    state->dirty_rate_bytes, PROCESS_RATE_MAX_BYTES);
	if (state->pattern != WRITE_SEQUENTIAL && state->pattern != WRITE_RANDOM)
		return fail(err, kind, "process guest: pattern %u, 0 and 1 are known",
			    (unsigned)state->pattern);
	if (state->heartbeat > PROCESS_COUNT_MAX || state->sequence > PROCESS_COUNT_MAX)
		return fail(err, kind,
			    "process guest: heartbeat %" PRIu64 ", sequence %" PRIu64
			    ", at most %" PRIu64,
			    state->heartbeat, state->sequence, PROCESS_COUNT_MAX);
	return check_writers(state, kind, err);
}

int process_state_check(const struct process_state *state, const struct ram *ram,
			struct gw_error *err)
{
	return check(state, ram, GW_USAGE, err);
}

int process_state_init(struct process_state *state, const struct ram *ram, uint64_t seed,
		       struct gw_error *err)
{
	state->heartbeat = 0;
	state->heartbeat_ns = 0;
	state->sequence = 0;
	memset(state->writers, 0, sizeof(state->writers));
	for (uint32_t i = 0; i < PROCESS_WRITERS_MAX; i++)
		state->writers[i].generator = seed + i;
	return process_state_check(state, ram, err);
}

void process_state_encode(const struct process_state *state, struct writer *out)
{
	size_t name_length = strlen(state->block);

	writer_be32(out, PROCESS_STATE_VERSION);
	writer_bytes(out, state->block, name_length);
	writer_zeros(out, sizeof(state->block) - name_length);
	writer_be64(out, state->heartbeat_offset);
	writer_be64(out, state->working_set_offset);
	writer_be64(out, state->working_set_bytes);
	writer_be64(out, state->dirty_rate_bytes);
	writer_be32(out, (uint32_t)state->pattern);
	writer_be64(out, state->heartbeat);
	writer_be64(out, state->heartbeat_ns);
	writer_be64(out, state->sequence);
	writer_be32(out, state->writer_count);
	for (uint32_t i = 0; i < state->writer_count; i++)
		writer_be64(out, state->writers[i].position);
	for (uint32_t i = 0; i < state->writer_count; i++)
		writer_be64(out, state->writers[i].generator);
}

/* The name, then zeros to the end of its field. */
static int decode_block(struct cursor *in, char block[RAM_NAME_MAX + 1],
			struct gw_error *err)
{
	size_t length;

	cursor_copy(in, block, RAM_NAME_MAX + 1);
	length = strnlen(block, RAM_NAME_MAX + 1);
	for (size_t i = length; i <= RAM_NAME_MAX; i++) {
		if (block[i] != '\0')
			return fail(err, GW_PEER,
				    "process guest: byte 0x%02x after the block's name",
				    (unsigned char)block[i]);
	}
	if (length > RAM_NAME_MAX)
		return fail(err, GW_PEER,
			    "process guest: block's name has no end within %u bytes",
			    RAM_NAME_MAX + 1);
	return 0;
}

int process_state_decode(struct cursor *in, const struct ram *ram,
			 struct process_state *state, struct gw_error *err)
{
	struct process_state seen = { 0 };
	uint32_t version = cursor_be32(in), pattern;

	if (!in->overrun && version != PROCESS_STATE_VERSION)
		return fail(err, GW_PEER, "process guest: state version %u, %u is known",
			    version, PROCESS_STATE_VERSION);
	if (decode_block(in, seen.block, err) < 0)
		return -1;
	seen.heartbeat_offset = cursor_be64(in);
	seen.working_set_offset = cursor_be64(in);
	seen.working_set_bytes = cursor_be64(in);
	seen.dirty_rate_bytes = cursor_be64(in);
	pattern = cursor_be32(in);
	seen.pattern = (enum write_pattern)pattern;
	seen.heartbeat = cursor_be64(in);
	seen.heartbeat_ns = cursor_be64(in);
	seen.sequence = cursor_be64(in);
	seen.writer_count = cursor_be32(in);
	if (in->overrun)
		return cursor_fail(in, err, "process guest state");
	if (seen.writer_count > PROCESS_WRITERS_MAX)
		return check_writers(&seen, GW_PEER, err);
	for (uint32_t i = 0; i < seen.writer_count; i++)
		seen.writers[i].position = cursor_be64(in);
	for (uint32_t i = 0; i < seen.writer_count; i++)
		seen.writers[i].generator = cursor_be64(in);
	if (in->overrun)
		return cursor_fail(in, err, "process guest state");
	if (check(&seen, ram, GW_PEER, err) < 0)
		return -1;
	*state = seen;
	return 0;
}

uint32_t process_state_describe(const struct process_state *state,
				char text[PROCESS_DESCRIPTION_BYTES_MAX])
{
	const size_t room = PROCESS_DESCRIPTION_BYTES_MAX;
	size_t used;

	used = (size_t)snprintf(text, room,
				"{\"name\":\"%s\",\"instance_id\":%u,"
				"\"vmsd_name\":\"%s\",\"version\":%u,\"fields\":[",
				PROCESS_STATE_NAME, PROCESS_STATE_INSTANCE,
				PROCESS_STATE_NAME, PROCESS_STATE_VERSION);
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		char array[32] = "";

		if (fields[i].per_writer)
			snprintf(array, sizeof(array), "\"array_len\":%u,",
				 state->writer_count);
		used += (size_t)snprintf(text + used, room - used,
					 "%s{\"name\":\"%s\",%s\"type\":\"%s\","
					 "\"size\":%u}",
					 i > 0 ? "," : "", fields[i].name, array,
					 fields[i].type, fields[i].size);
		assert(used < room);
	}
	used += (size_t)snprintf(text + used, room - used, "]}");
	assert(used < room);
	return (uint32_t)used;
}
