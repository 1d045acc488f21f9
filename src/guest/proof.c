/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* proof.c - is this the guest that left?
 *
 * Blocks are hashed in pieces, by whichever thread is free, and the pieces' hashes once more, in
 * order. */
#include "guest/proof.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include <xxhash.h>

#include "base/bytes.h"
#include "guest/stamp.h"

#define PIECE_BYTES (UINT64_C(8) << 20)

struct hashing {
	const struct ram *ram;
	XXH128_canonical_t *pieces;
	uint64_t next_piece; /* taken by whoever is free */
};

static uint64_t block_pieces(const struct ram_block *block)
{
	return (block->length_bytes + PIECE_BYTES - 1) / PIECE_BYTES;
}

static int by_name(const void *a, const void *b)
{
	const struct ram_block *const *left = a, *const *right = b;

	return strcmp((*left)->name, (*right)->name);
}

static void *hash_run(void *opaque)
{
	struct hashing *hashing = opaque;

	for (;;) {
		uint64_t piece =
			__atomic_fetch_add(&hashing->next_piece, 1, __ATOMIC_RELAXED);
		uint64_t index = piece;
		uint32_t i = 0;
		const struct ram_block *block;
		uint64_t left;

		while (i < hashing->ram->block_count &&
		       index >= block_pieces(hashing->ram->blocks[i]))
			index -= block_pieces(hashing->ram->blocks[i++]);
		if (i == hashing->ram->block_count)
			return NULL;
		block = hashing->ram->blocks[i];
		left = block->length_bytes - index * PIECE_BYTES;
		XXH128_canonicalFromHash(&hashing->pieces[piece],
					 XXH3_128bits(block->host + index * PIECE_BYTES,
						      left < PIECE_BYTES ? left
									 : PIECE_BYTES));
	}
}

/* The blocks' names, lengths and pieces, in the order of names. */
static int combine(const struct hashing *hashing, char checksum[PROOF_CHECKSUM_CHARS],
		   struct gw_error *err)
{
	const struct ram *ram = hashing->ram;
	OWNED_MEMORY struct ram_block **sorted =
		calloc(ram->block_count + 1, sizeof(struct ram_block *));
	XXH3_state_t *state = XXH3_createState();
	XXH128_canonical_t canonical;

	if (!sorted || !state) {
		XXH3_freeState(state);
		return fail_sys(err, ENOMEM, "checksum");
	}
	XXH3_128bits_reset(state);
	for (uint32_t i = 0; i < ram->block_count; i++)
		sorted[i] = ram->blocks[i];
	qsort(sorted, ram->block_count, sizeof(struct ram_block *), by_name);
	for (uint32_t i = 0; i < ram->block_count; i++) {
		const XXH128_canonical_t *pieces = hashing->pieces;
		uint8_t length[8];

		for (uint32_t n = 0; ram->blocks[n] != sorted[i]; n++)
			pieces += block_pieces(ram->blocks[n]);
		store_be64(length, sorted[i]->length_bytes);
		XXH3_128bits_update(state, sorted[i]->name, strlen(sorted[i]->name) + 1);
		XXH3_128bits_update(state, length, sizeof(length));
		XXH3_128bits_update(state, pieces,
				    block_pieces(sorted[i]) * sizeof(*pieces));
	}
	XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(state));
	XXH3_freeState(state);
	for (size_t i = 0; i < sizeof(canonical.digest); i++)
		snprintf(checksum + 2 * i, 3, "%02x", canonical.digest[i]);
	return 0;
}

int proof_checksum(const struct ram *ram, uint32_t threads,
		   char checksum[PROOF_CHECKSUM_CHARS], struct gw_error *err)
{
	OWNED_MEMORY XXH128_canonical_t *pieces = NULL;
	struct hashing hashing = { .ram = ram };
	pthread_t started[PROOF_THREADS_MAX];
	uint32_t start_count = 0;
	uint64_t piece_count = 0;

	assert(threads >= 1 && threads <= PROOF_THREADS_MAX);
	for (uint32_t i = 0; i < ram->block_count; i++)
		piece_count += block_pieces(ram->blocks[i]);
	pieces = calloc(piece_count + 1, sizeof(*pieces));
	if (!pieces)
		return fail_sys(err, ENOMEM, "checksum");
	hashing.pieces = pieces;
	/* This thread works too, and alone when there is no other to be had. */
	while (start_count < threads - 1 &&
	       pthread_create(&started[start_count], NULL, hash_run, &hashing) == 0)
		start_count++;
	hash_run(&hashing);
	for (uint32_t i = 0; i < start_count; i++)
		pthread_join(started[i], NULL);
	return combine(&hashing, checksum, err);
}

int proof_stamps(const struct ram_block *block, const struct proof_range *range,
		 uint64_t *stamped, struct gw_error *err)
{
	for (uint64_t done = 0; done < range->length_bytes; done += PAGE_BYTES) {
		uint64_t address = range->offset + done;
		int seen;

		if (address == range->unfinished)
			continue;
		seen = stamp_check(block->host + address, address, range->sequence_max,
				   err);
		if (seen < 0)
			return fail_in(err, "block %s", block->name);
		if (stamped)
			*stamped += (uint64_t)seen;
	}
	return 0;
}

int proof_process(const struct ram *ram, const struct process_state *state,
		  uint64_t *stamped, struct gw_error *err)
{
	struct proof_range range = {
		.offset = state->working_set_offset,
		.length_bytes = state->working_set_bytes,
		.sequence_max = state->sequence,
		.unfinished = PROOF_ALL_FINISHED,
	};
	const struct ram_block *block;
	uint64_t beats;

	if (process_state_check(state, ram, err) < 0)
		return -1;
	block = ram_find(ram, state->block, strlen(state->block));
	beats = heartbeat_read(block->host + state->heartbeat_offset);
	if (beats != state->heartbeat)
		return fail(err, GW_PEER,
			    "heartbeat in RAM is %" PRIu64 ", in the state %" PRIu64,
			    beats, state->heartbeat);
	if (stamped)
		*stamped = 0;
	return proof_stamps(block, &range, stamped, err);
}
