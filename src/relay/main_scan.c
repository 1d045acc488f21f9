/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* main_scan.c - follows QEMU's main channel as it flies past, and edits it where two QEMUs differ.
 *
 * The stream is a row of fields of known length, with bytes between them that nobody looks at
 * (`skip`).  A field is collected in `field`, and goes on to the output all the same, unless what
 * has come of it is how the record begins that is to be edited. */
#include "relay/main_scan.h"

#include <string.h>

#include "relay/main_fields.h"
#include "wire/stream.h"

static const uint8_t eos_word[WORD_BYTES] = { [7] = WORD_EOS };
static const uint8_t flush_word[WORD_BYTES] = { [6] = WORD_FLUSH >> 8 };
static const uint8_t switchover_start[COMMAND_BYTES] = { RECORD_COMMAND, 0,
							 COMMAND_SWITCHOVER_START };

void main_scan_init(struct main_scan *scan, const struct main_scan_edits *edits)
{
	*scan = (struct main_scan){ .edits = *edits };
	main_fields_begin(scan);
}

/* One call of main_scan_feed(): of `bytes`, those before `gone` are out, those before `at` are
 * followed.  What is held from earlier calls goes before all of them. */
struct feed {
	const uint8_t *bytes;
	size_t length, at, gone;
	main_scan_emit *emit;
	void *state;
};

static int put(const struct feed *feed, const void *bytes, size_t length,
	       struct gw_error *err)
{
	return length > 0 ? feed->emit(feed->state, bytes, length, err) : 0;
}

static int put_up_to(struct feed *feed, size_t at, struct gw_error *err)
{
	size_t gone = feed->gone;

	feed->gone = at;
	return put(feed, feed->bytes + gone, at - gone, err);
}

static int put_held(struct main_scan *scan, const struct feed *feed, struct gw_error *err)
{
	uint32_t count = scan->held_count;

	scan->held_count = 0;
	return put(feed, scan->field, count, err);
}

/* What the current field must be to be edited; NULL: it is not. */
static const uint8_t *sought(const struct main_scan *scan)
{
	if (scan->state == FIELD_WORD && scan->edits.flush_before_eos &&
	    !scan->seen.postcopy_running)
		return eos_word;
	if (scan->state == FIELD_COMMAND && scan->edits.drop_switchover_start)
		return switchover_start;
	return NULL;
}

/* True while what has come of the field (all, when it is complete) is as sought. */
static bool may_be_sought(const struct main_scan *scan)
{
	const uint8_t *pattern = sought(scan);

	return pattern && memcmp(scan->field, pattern, scan->field_count) == 0;
}

/* A field is complete, and to be edited. */
static int edit(struct main_scan *scan, struct feed *feed, struct gw_error *err)
{
	/* Where it begins in this call's bytes, as far as it is in them. */
	size_t begin = feed->at - (scan->field_count - scan->held_count);

	if (put_up_to(feed, begin, err) < 0)
		return -1;
	if (scan->state == FIELD_COMMAND) {
		scan->held_count = 0;
		feed->gone = feed->at;
		return 0;
	}
	if (put(feed, flush_word, sizeof(flush_word), err) < 0)
		return -1;
	scan->seen.flushes_added++;
	scan->seen.flushes++;
	return 0;
}

/* Where emit may want to wait before it writes what comes behind. */
static bool is_barrier(const struct main_scan *scan)
{
	return scan->state == FIELD_WORD && !scan->seen.postcopy_running &&
	       (memcmp(scan->field, eos_word, WORD_BYTES) == 0 ||
		memcmp(scan->field, flush_word, WORD_BYTES) == 0);
}

static int complete(struct main_scan *scan, struct feed *feed, struct gw_error *err)
{
	if (may_be_sought(scan) && edit(scan, feed, err) < 0)
		return -1;
	if (put_held(scan, feed, err) < 0)
		return -1;
	if (is_barrier(scan) && put_up_to(feed, feed->at, err) < 0)
		return -1;
	main_fields_take(scan);
	return 0;
}

static size_t smaller(uint64_t one, size_t other)
{
	return one < other ? (size_t)one : other;
}

/* Passes over, or collects, what there is. */
static int follow(struct main_scan *scan, struct feed *feed, struct gw_error *err)
{
	size_t there = feed->length - feed->at, some;

	if (scan->skip > 0) {
		some = smaller(scan->skip, there);
		scan->skip -= some;
		feed->at += some;
		return 0;
	}
	some = smaller(scan->field_bytes - scan->field_count, there);
	memcpy(scan->field + scan->field_count, feed->bytes + feed->at, some);
	scan->field_count += (uint32_t)some;
	feed->at += some;
	return scan->field_count == scan->field_bytes ? complete(scan, feed, err) : 0;
}

int main_scan_feed(struct main_scan *scan, const uint8_t *bytes, size_t length,
		   main_scan_emit *emit, void *state, struct gw_error *err)
{
	struct feed feed = { bytes, length, .emit = emit, .state = state };

	if (length == 0)
		return 0;
	while (feed.at < length && !scan->seen.lost)
		if (follow(scan, &feed, err) < 0)
			return -1;
	if (!scan->seen.lost && may_be_sought(scan)) {
		size_t fresh = scan->field_count - scan->held_count;

		scan->held_count = scan->field_count;
		return put_up_to(&feed, length - fresh, err);
	}
	if (put_held(scan, &feed, err) < 0)
		return -1;
	return put_up_to(&feed, length, err);
}

int main_scan_end(struct main_scan *scan, main_scan_emit *emit, void *state,
		  struct gw_error *err)
{
	struct feed feed = { .emit = emit, .state = state };

	return put_held(scan, &feed, err);
}
