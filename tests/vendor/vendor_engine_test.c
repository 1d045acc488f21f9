/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vendor_engine_test.c - whole payloads: of every engine to every engine, to QPL and to QATzip.
 *
 * The device engines are among them, with the libraries' software in the devices' place. */
#include "codec/engine.h"
#include "codec/vendor_for_tests.h"
#include "tests/check.h"
#include "tests/vendor/vendor.h"

static uint8_t payload[CODED_BYTES];
static uint8_t decoded[PACKET_BYTES] __attribute__((aligned(PAGE_BYTES)));

/* One direction of a channel; QATzip's engine uses up keys whatever it does. */
struct end {
	const struct engine *engine;
	void *state;
	struct engine_counters counters;
	unsigned keys;
};

static void end_open(struct end *end, const struct engine *engine,
		     enum direction direction)
{
	struct engine_options options = {
		.direction = direction,
		.level = engine->level_min,
		.counters = &end->counters,
	};
	struct gw_error err;

	*end = (struct end){ .engine = engine, .keys = keys_begin() };
	end->state = engine->open(engine, &options, &err);
	CHECK_OK(end->state ? 0 : -1, &err);
	keys_end(end->keys);
}

static void end_run(struct end *end, struct job *job)
{
	unsigned keys = keys_begin();
	struct gw_error err;

	if (engine_run(end->engine, end->state, job, &err) < 0)
		CHECK_FAIL("%s: %s", end->engine->name, err.text);
	keys_end(keys);
}

static size_t encode(struct end *end, struct span pages)
{
	struct job job = { .source = &pages, .source_count = 1 };
	size_t length = 0;

	end_run(end, &job);
	for (uint32_t i = 0; i < job.piece_count; i++) {
		memcpy(payload + length, job.pieces[i].bytes, job.pieces[i].length);
		length += job.pieces[i].length;
	}
	CHECK_EQ(length, job.produced_bytes);
	return length;
}

static void decode(struct end *end, size_t length, struct span expected)
{
	uint8_t *room = end->engine->payload_room(end->state);
	struct span source = { room, length };
	struct room destination = { decoded, expected.length };
	struct job job = {
		.source = &source,
		.source_count = 1,
		.destination = &destination,
		.destination_count = 1,
	};

	CHECK(room && length <= CODED_BYTES);
	memcpy(room, payload, length);
	memset(decoded, 0xa5, expected.length);
	end_run(end, &job);
	CHECK_EQ(job.produced_bytes, expected.length);
	CHECK(memcmp(decoded, expected.bytes, expected.length) == 0);
}

/* 1 page, 3 pages and 128 of each packet of the corpus, in turn. */
#define SIZES 3u

static uint32_t packet_count(void)
{
	return corpus_get()->pages / PACKET_PAGES * SIZES;
}

static struct span packet(uint32_t index)
{
	static const uint32_t pages[SIZES] = { 1, 3, PACKET_PAGES };

	return (struct span){ corpus_get()->bytes + index / SIZES * PACKET_BYTES,
			      pages[index % SIZES] * PAGE_BYTES };
}

static bool is_usable(const struct engine *engine)
{
	unsigned keys = keys_begin();
	struct gw_error err;
	bool usable = engine->accelerator != ACCELERATOR_SIMULATED &&
		      engine->probe(engine, &err) == 0;

	keys_end(keys);
	return usable;
}

static bool is_device(const struct engine *engine)
{
	return engine->accelerator != ACCELERATOR_NONE;
}

/* ---- foreign decoders ---- */

static void decode_by_qpl(size_t length, struct span expected)
{
	uint32_t pages = (uint32_t)(expected.length / PAGE_BYTES);
	size_t at = pages * sizeof(uint32_t);

	for (uint32_t i = 0; i < pages; i++) {
		uint32_t bytes = load_be32(payload + i * sizeof(uint32_t));
		const uint8_t *body = payload + at;
		size_t produced = PAGE_BYTES, left = 0;
		int answer = 0;

		CHECK(bytes <= PAGE_BYTES && bytes <= length - at);
		if (bytes == PAGE_BYTES)
			memcpy(decoded, body, PAGE_BYTES);
		else
			answer = qpl_decompress((struct span){ body, bytes },
						(struct room){ decoded, PAGE_BYTES },
						&produced, &left);
		if (answer != 0 || produced != PAGE_BYTES || left > 0)
			CHECK_FAIL("page %u of %u bytes: qpl answers %d", i, bytes,
				   answer);
		CHECK(memcmp(decoded, expected.bytes + i * PAGE_BYTES, PAGE_BYTES) == 0);
		at += bytes;
	}
	CHECK_EQ(at, length);
}

static void decode_by_qatzip(size_t length, struct span expected)
{
	CHECK(qatzip_decompress((struct span){ payload, length },
				(struct room){ decoded, expected.length }));
	CHECK(memcmp(decoded, expected.bytes, expected.length) == 0);
}

/* ---- every one to every one ---- */

static void check_counters(const struct end *end)
{
	const struct engine_counters *counters = &end->counters;

	CHECK_EQ(counters->fallback_units, 0);
	CHECK_EQ(counters->device_failures, 0);
	if (!is_device(end->engine))
		CHECK_EQ(counters->device_units, 0);
	else
		CHECK(counters->device_units > 0);
}

static void check_pair(const struct engine *encoder, const struct engine *decoder,
		       void (*foreign)(size_t length, struct span expected))
{
	struct end from, to;

	end_open(&from, encoder, ENCODE);
	end_open(&to, decoder, DECODE);
	for (uint32_t i = 0; i < packet_count(); i++) {
		size_t length = encode(&from, packet(i));

		decode(&to, length, packet(i));
		if (foreign)
			foreign(length, packet(i));
	}
	check_counters(&from);
	check_counters(&to);
	encoder->close(from.state);
	decoder->close(to.state);
}

/* Returns how many pairs had a device's engine on either side. */
static uint32_t check_codec(enum codec_id codec,
			    void (*foreign)(size_t length, struct span expected))
{
	const struct engine *const *encoders = engines_of(codec, ENCODE);
	uint32_t with_device = 0, pairs = 0;

	for (; *encoders; encoders++) {
		const struct engine *const *decoders = engines_of(codec, DECODE);

		for (; *decoders && is_usable(*encoders); decoders++) {
			if (!is_usable(*decoders))
				continue;
			check_pair(*encoders, *decoders, foreign);
			pairs++;
			with_device += is_device(*encoders) || is_device(*decoders);
		}
	}
	CHECK(pairs >= 4);
	return with_device;
}

TEST(qpl_payloads)
{
	CHECK(check_codec(CODEC_QPL, decode_by_qpl) >= 5);
}

TEST(qatzip_payloads)
{
	CHECK(check_codec(CODEC_QATZIP, decode_by_qatzip) >= 5);
}

/* QATzip's blocks in one stream a channel. */
TEST(zlib_payloads)
{
	CHECK(check_codec(CODEC_ZLIB, NULL) >= 2);
}

/* ---- foreign encoders ---- */

static size_t encode_by_qpl(struct span pages, enum qpl_huffman huffman)
{
	uint32_t count = (uint32_t)(pages.length / PAGE_BYTES);
	size_t at = count * sizeof(uint32_t);

	for (uint32_t i = 0; i < count; i++) {
		struct span page = { pages.bytes + i * PAGE_BYTES, PAGE_BYTES };
		size_t length = qpl_compress(
			page, (struct room){ payload + at, PAGE_BYTES - 1 }, huffman);

		if (length == 0) {
			length = PAGE_BYTES;
			memcpy(payload + at, page.bytes, PAGE_BYTES);
		}
		store_be32(payload + i * sizeof(uint32_t), (uint32_t)length);
		at += length;
	}
	return at;
}

static void check_decoders(enum codec_id codec)
{
	const struct engine *const *decoders = engines_of(codec, DECODE);

	for (; *decoders; decoders++) {
		struct end end;

		if (!is_usable(*decoders))
			continue;
		end_open(&end, *decoders, DECODE);
		for (uint32_t i = 0; i < packet_count(); i++) {
			if (codec == CODEC_QPL) {
				decode(&end, encode_by_qpl(packet(i), QPL_FIXED),
				       packet(i));
				decode(&end, encode_by_qpl(packet(i), QPL_DYNAMIC),
				       packet(i));
			} else {
				decode(&end,
				       qatzip_compress(packet(i),
						       (struct room){ payload,
								      CODED_BYTES }),
				       packet(i));
			}
		}
		(*decoders)->close(end.state);
	}
}

TEST(decoders_of_qpl)
{
	check_decoders(CODEC_QPL);
}

TEST(decoders_of_qatzip)
{
	check_decoders(CODEC_QATZIP);
}

int main(int argc, char **argv)
{
	static const struct check_test tests[] = {
		TEST_OF(qpl_payloads),	     TEST_OF(qatzip_payloads),
		TEST_OF(zlib_payloads),	     TEST_OF(decoders_of_qpl),
		TEST_OF(decoders_of_qatzip),
	};

	device_qpl_compute_in_software();
	device_qatzip_compute_in_software();
	return check_run(tests, sizeof(tests) / sizeof(tests[0]), argc, argv);
}
