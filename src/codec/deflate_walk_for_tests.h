/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* deflate_walk_for_tests.h - reads a deflate stream symbol by symbol, and says what an IAA would
 * find in it (IAA's errors 204, 206, 215 and 217).
 *
 * Slow, after RFC 1951 alone, and shares nothing with any coder. */
#ifndef CODEC_DEFLATE_WALK_FOR_TESTS_H
#define CODEC_DEFLATE_WALK_FOR_TESTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct deflate_walk {
	unsigned stored, fixed, dynamic; /* blocks */
	unsigned
		crossing; /* headers with a run from the literal tree into the distance tree */
	unsigned starts_with_run; /* headers whose distance tree begins with symbol 16 */
	unsigned incomplete;	  /* headers whose distance tree has unused codes */
	unsigned too_many;	  /* headers with HLIT over 286 or HDIST over 30 */
	unsigned distance_max;
	bool final;
	size_t made;
	/* Where it is. */
	const uint8_t *bytes;
	size_t length, bit;
	bool bad;
};

/* A canonical code: how many symbols of each length, and the symbols in order. */
struct walk_code {
	unsigned count[16];
	unsigned symbol[320];
};

static inline unsigned walk_bits(struct deflate_walk *w, unsigned count)
{
	unsigned value = 0;

	for (unsigned i = 0; i < count; i++, w->bit++) {
		if (w->bit / 8 >= w->length) {
			w->bad = true;
			return 0;
		}
		value |= (w->bytes[w->bit / 8] >> (w->bit % 8) & 1u) << i;
	}
	return value;
}

/* Unused codes in units of the longest; negative: more symbols than codes. */
static inline int walk_make_code(struct walk_code *code, const uint8_t *lengths,
				 unsigned count)
{
	unsigned offset[17] = { 0 };
	int left = 1;

	memset(code, 0, sizeof(*code));
	for (unsigned i = 0; i < count; i++)
		code->count[lengths[i]]++;
	code->count[0] = 0;
	for (unsigned i = 1; i < 16; i++) {
		left = (left << 1) - (int)code->count[i];
		if (left < 0)
			return left;
		offset[i + 1] = offset[i] + code->count[i];
	}
	for (unsigned i = 0; i < count; i++) {
		if (lengths[i] > 0)
			code->symbol[offset[lengths[i]]++] = i;
	}
	return left;
}

static inline unsigned walk_symbol(struct deflate_walk *w, const struct walk_code *code)
{
	unsigned value = 0, first = 0, index = 0;

	for (unsigned length = 1; length < 16 && !w->bad; length++) {
		value |= walk_bits(w, 1);
		if (value - first < code->count[length])
			return code->symbol[index + value - first];
		index += code->count[length];
		first = (first + code->count[length]) << 1;
		value <<= 1;
	}
	w->bad = true;
	return 0;
}

static inline void walk_symbols(struct deflate_walk *w, const struct walk_code *literals,
				const struct walk_code *distances)
{
	while (!w->bad) {
		unsigned symbol = walk_symbol(w, literals), length, distance, extra;

		if (w->bad || symbol == 256)
			return;
		if (symbol < 256) {
			w->made++;
			continue;
		}
		symbol -= 257;
		extra = symbol < 8 || symbol == 28 ? 0 : symbol / 4 - 1;
		length = symbol < 8 ? symbol + 3 : ((4 + symbol % 4) << extra) + 3;
		length = symbol == 28 ? 258 : length + walk_bits(w, extra);
		symbol = walk_symbol(w, distances);
		extra = symbol < 4 ? 0 : symbol / 2 - 1;
		distance = symbol < 4 ? symbol + 1 : ((2 + symbol % 2) << extra) + 1;
		distance += walk_bits(w, extra);
		if (symbol > 29 || distance > w->made)
			w->bad = true;
		if (distance > w->distance_max)
			w->distance_max = distance;
		w->made += length;
	}
}

static inline void walk_lengths(struct deflate_walk *w, const struct walk_code *code,
				uint8_t *lengths, unsigned literals, unsigned all)
{
	for (unsigned at = 0; at < all && !w->bad;) {
		unsigned symbol = walk_symbol(w, code), run = 1;
		uint8_t value = (uint8_t)symbol;

		if (symbol == 16) {
			run = 3 + walk_bits(w, 2);
			value = at > 0 ? lengths[at - 1] : 0;
			w->bad |= at == 0;
			w->starts_with_run += at == literals;
		} else if (symbol >= 17) {
			run = symbol == 17 ? 3 + walk_bits(w, 3) : 11 + walk_bits(w, 7);
			value = 0;
		}
		if (run > all - at) {
			w->bad = true;
			return;
		}
		w->crossing += at < literals && at + run > literals;
		memset(lengths + at, value, run);
		at += run;
	}
}

static inline void walk_dynamic(struct deflate_walk *w)
{
	static const uint8_t order[19] = { 16, 17, 18, 0, 8,  7, 9,  6, 10, 5,
					   11, 4,  12, 3, 13, 2, 14, 1, 15 };
	unsigned literals = walk_bits(w, 5) + 257, distances = walk_bits(w, 5) + 1;
	unsigned given = walk_bits(w, 4) + 4;
	uint8_t lengths[320] = { 0 };
	struct walk_code code, distance_code;

	w->dynamic++;
	w->too_many += literals > 286 || distances > 30;
	for (unsigned i = 0; i < given; i++)
		lengths[order[i]] = (uint8_t)walk_bits(w, 3);
	w->bad |= walk_make_code(&code, lengths, 19) != 0;
	memset(lengths, 0, sizeof(lengths));
	if (!w->bad)
		walk_lengths(w, &code, lengths, literals, literals + distances);
	if (w->bad)
		return;
	w->bad |= walk_make_code(&code, lengths, literals) < 0;
	w->incomplete +=
		walk_make_code(&distance_code, lengths + literals, distances) != 0;
	walk_symbols(w, &code, &distance_code);
}

static inline void walk_fixed(struct deflate_walk *w)
{
	struct walk_code code, distance_code;
	uint8_t lengths[288];

	w->fixed++;
	memset(lengths, 8, 144);
	memset(lengths + 144, 9, 112);
	memset(lengths + 256, 7, 24);
	memset(lengths + 280, 8, 8);
	walk_make_code(&code, lengths, 288);
	memset(lengths, 5, 30);
	walk_make_code(&distance_code, lengths, 30);
	walk_symbols(w, &code, &distance_code);
}

static inline void walk_stored(struct deflate_walk *w)
{
	unsigned length;

	w->stored++;
	w->bit = (w->bit + 7) / 8 * 8;
	length = walk_bits(w, 16);
	w->bad |= walk_bits(w, 16) != (length ^ 0xffff);
	if (w->bad || length > w->length - w->bit / 8) {
		w->bad = true;
		return;
	}
	w->bit += 8 * (size_t)length;
	w->made += length;
}

/* Up to a final block or the end of the bytes.  False if these are no deflate blocks, or go on
 * after a final one. */
static inline bool deflate_walk(struct deflate_walk *w, const uint8_t *bytes,
				size_t length)
{
	*w = (struct deflate_walk){ .bytes = bytes, .length = length };
	while (!w->bad && !w->final && w->bit < 8 * length) {
		w->final = walk_bits(w, 1);
		switch (walk_bits(w, 2)) {
		case 0:
			walk_stored(w);
			break;
		case 1:
			walk_fixed(w);
			break;
		case 2:
			walk_dynamic(w);
			break;
		default:
			w->bad = true;
		}
	}
	return !w->bad && (w->bit + 7) / 8 == length;
}

/* One final block in which there is nothing that an IAA may refuse. */
static inline bool deflate_walk_suits_iaa(const struct deflate_walk *w)
{
	return w->final && w->stored + w->fixed + w->dynamic == 1 && w->crossing == 0 &&
	       w->starts_with_run == 0 && w->incomplete == 0 && w->too_many == 0 &&
	       w->distance_max <= 4096;
}

#endif
