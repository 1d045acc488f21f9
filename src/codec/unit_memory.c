/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* unit_memory.c - a unit engine's memory: one piece, best where the device wants it. */
#include <errno.h>
#include <stdlib.h>

#include "codec/unit_engine.h"

/* be32 lengths of a packet's pages, or a zlib header; keeps what follows aligned. */
#define HEAD_BYTES 4096u

/* What hardware and QATzip allow an incompressible member: an eighth, and 1 KiB; then its header
 * and trailer. */
#define EXPANDED(bytes) ((bytes) / 8 * 9 + 2048)

size_t unit_room_bytes(const struct unit_engine *u, size_t source_bytes)
{
	const struct device *device = u->engine->device;

	if (!unit_is_page(u->form))
		return EXPANDED(source_bytes);
	if (device && device->page_room > 0)
		return device->page_room;
	/* One byte less than a page, or it travels raw. */
	return PAGE_BYTES - 1;
}

/* Rounded up to pages, so that all that follows starts on one. */
static size_t output_bytes(const struct unit_engine *u)
{
	size_t bytes = unit_is_page(u->form)
			       ? UNIT_PACKET_PAGES * (unit_room_bytes(u, PAGE_BYTES) + 64)
			       : EXPANDED(JOB_BYTES_MAX) +
					 JOB_BYTES_MAX / UNIT_MEMBER_BYTES * 2048;

	return HEAD_BYTES + (bytes + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES;
}

static bool needs_copies(const struct unit_engine *u)
{
	return u->engine->device || u->form != UNIT_DEFLATE ||
	       !u->coder->reads_live_pages;
}

/* The next `bytes` of m->all; while there is none, they are only counted. */
static uint8_t *take(struct unit_memory *m, size_t bytes)
{
	uint8_t *taken = m->all ? m->all + m->bytes : NULL;

	m->bytes += bytes;
	return taken;
}

static void lay_out(struct unit_engine *u)
{
	struct unit_memory *m = &u->memory;
	bool encode = u->direction == ENCODE;

	m->bytes = 0;
	for (unsigned i = 0; encode && i < JOB_SLOTS; i++) {
		m->outputs[i] = take(m, output_bytes(u));
		if (needs_copies(u))
			m->copies[i] = take(m, JOB_BYTES_MAX);
	}
	if (!encode)
		m->incoming = take(m, CODEC_PAYLOAD_MAX);
	if (!encode && !unit_is_page(u->form))
		m->scattered = take(m, JOB_BYTES_MAX);
	if (u->engine->device && (u->engine->device->verify & 1u << u->form))
		m->check = take(m, JOB_BYTES_MAX);
}

int unit_memory_init(struct unit_engine *u, struct gw_error *err)
{
	const struct device *device = u->engine->device;
	struct unit_memory *m = &u->memory;

	*m = (struct unit_memory){ 0 };
	lay_out(u);
	if (device && device->allocate)
		m->all = device->allocate(m->bytes);
	if (m->all)
		m->release = device->release;
	else
		m->all = aligned_alloc(PAGE_BYTES, m->bytes);
	if (!m->all)
		return fail_sys(err, ENOMEM, "%s: %zu bytes for pages and payloads",
				u->engine->name, m->bytes);
	lay_out(u);
	return 0;
}

void unit_memory_destroy(struct unit_memory *memory)
{
	if (memory->all && memory->release)
		memory->release(memory->all, memory->bytes);
	else
		free(memory->all);
	*memory = (struct unit_memory){ 0 };
}

/* The way to it is kept: it is not lost, but in foreign hands. */
struct abandoned {
	struct abandoned *next;
	struct unit_memory memory;
};

/* NOLINTNEXTLINE(cppcoreguidelines-avoid-non-const-global-variables): one a process */
static struct abandoned *abandoned_first;

void unit_memory_abandon(struct unit_memory *memory)
{
	struct abandoned *entry = malloc(sizeof(*entry));

	if (entry) {
		entry->memory = *memory;
		entry->next = __atomic_load_n(&abandoned_first, __ATOMIC_RELAXED);
		while (!__atomic_compare_exchange_n(&abandoned_first, &entry->next, entry,
						    true, __ATOMIC_RELEASE,
						    __ATOMIC_RELAXED))
			;
	}
	*memory = (struct unit_memory){ 0 };
}
