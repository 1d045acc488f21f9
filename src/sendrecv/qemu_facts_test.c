/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* qemu_facts_test.c - facts about a QEMU: to the peer and back, and what a hostile one tells. */
#include "sendrecv/qemu_facts.h"

#include "tests/check.h"

static const struct qemu_facts full = {
	.known = true,
	.major = 7,
	.minor = 2,
	.micro = 22,
	.package = "Debian 1:7.2+dfsg-7",
	.machine = "pc-q35-7.2",
	.target = "x86_64",
	.ram_bytes = UINT64_C(1) << 40,
	.vcpus = 4,
	.uuid = "12345678-1234-1234-1234-123456789abc",
	.run_state = "inmigrate",
	.migration = "none",
	.tls_creds = "tls0",
	.vfio = "gpu",
	.channels = 2,
	.downtime_limit_ms = 300,
	.capability_count = 2,
	.capabilities = { { "multifd", true }, { "xbzrle", false } },
	.block_count = 2,
	.blocks = { { "drive0", "/srv/disk.img" }, { "nd", "" } },
	.listens = true,
};

static struct qemu_facts parse(const char *text)
{
	json_t *json = json_loads(text, 0, NULL);
	struct qemu_facts facts;

	CHECK(json);
	qemu_facts_parse(&facts, json);
	json_decref(json);
	return facts;
}

static void check_same(const struct qemu_facts *seen, const struct qemu_facts *expected)
{
	CHECK_EQ(seen->known, expected->known);
	CHECK_EQ(seen->major, expected->major);
	CHECK_EQ(seen->minor, expected->minor);
	CHECK_EQ(seen->micro, expected->micro);
	CHECK_STR(seen->package, expected->package);
	CHECK_STR(seen->machine, expected->machine);
	CHECK_STR(seen->target, expected->target);
	CHECK_EQ(seen->ram_bytes, expected->ram_bytes);
	CHECK_EQ(seen->vcpus, expected->vcpus);
	CHECK_STR(seen->uuid, expected->uuid);
	CHECK_STR(seen->run_state, expected->run_state);
	CHECK_EQ(seen->running, expected->running);
	CHECK_STR(seen->migration, expected->migration);
	CHECK_STR(seen->tls_creds, expected->tls_creds);
	CHECK_STR(seen->vfio, expected->vfio);
	CHECK_EQ(seen->channels, expected->channels);
	CHECK_EQ(seen->downtime_limit_ms, expected->downtime_limit_ms);
	CHECK_EQ(seen->listens, expected->listens);
	CHECK_EQ(seen->capability_count, expected->capability_count);
	for (uint32_t i = 0; i < seen->capability_count; i++) {
		CHECK_STR(seen->capabilities[i].name, expected->capabilities[i].name);
		CHECK_EQ(seen->capabilities[i].on, expected->capabilities[i].on);
	}
	CHECK_EQ(seen->block_count, expected->block_count);
	for (uint32_t i = 0; i < seen->block_count; i++) {
		CHECK_STR(seen->blocks[i].device, expected->blocks[i].device);
		CHECK_STR(seen->blocks[i].file, expected->blocks[i].file);
	}
}

static void check_round_trip(const struct qemu_facts *facts)
{
	json_t *json = qemu_facts_json(facts);
	struct qemu_facts seen;

	CHECK(json);
	qemu_facts_parse(&seen, json);
	json_decref(json);
	check_same(&seen, facts);
}

TEST(all_that_is_known_arrives)
{
	struct qemu_facts facts = full;

	check_round_trip(&facts);
	snprintf(facts.run_state, sizeof(facts.run_state), "running");
	facts.running = true;
	facts.listens = false;
	check_round_trip(&facts);
}

TEST(what_is_not_known_stays_so)
{
	static const struct qemu_facts nothing = { .vcpus = -1, .channels = -1 };
	struct qemu_facts some = { .known = true, .vcpus = -1, .channels = -1 };
	struct qemu_facts facts = full;

	check_round_trip(&nothing);
	check_round_trip(&some);
	qemu_facts_parse(&facts, NULL);
	check_same(&facts, &nothing);
	facts = parse("{\"machine\": \"pc\", \"vcpus\": 3}");
	check_same(&facts, &nothing);
	facts = parse("[1, 2]");
	check_same(&facts, &nothing);
}

TEST(questions_are_answered)
{
	static const struct qemu_facts nothing = { 0 };

	CHECK(qemu_facts_knows(&full, "multifd"));
	CHECK(qemu_facts_knows(&full, "xbzrle"));
	CHECK(!qemu_facts_knows(&full, "mapped-ram"));
	CHECK(qemu_facts_has_on(&full, "multifd"));
	CHECK(!qemu_facts_has_on(&full, "xbzrle"));
	CHECK(!qemu_facts_has_on(&full, "mapped-ram"));
	CHECK_EQ(qemu_facts_version(&full), 702);
	CHECK_EQ(qemu_facts_version(&nothing), 0);
}

TEST(members_of_the_wrong_type_are_not_told)
{
	static const struct qemu_facts nothing = { .known = true,
						   .vcpus = -1,
						   .channels = -1 };
	struct qemu_facts facts = parse(
		"{\"known\": true, \"version\": [7, 2], \"machine\": 5, \"target\": {},"
		"\"ram-bytes\": \"1G\", \"vcpus\": 2.5, \"uuid\": null, \"run-state\": 1,"
		"\"running\": \"yes\", \"migration\": [], \"tls-creds\": false, "
		"\"vfio\": 1,"
		"\"multifd-channels\": true, \"downtime-limit\": [],"
		"\"capabilities\": [\"multifd\"], \"blocks\": {\"device\": \"x\"}}");

	check_same(&facts, &nothing);
	facts = parse("{\"known\": true, \"version\": {\"major\": \"7\", \"minor\": 2},"
		      "\"capabilities\": {\"multifd\": 1, \"\": true},"
		      "\"blocks\": [1, {\"device\": 2}, {\"file\": \"/x\"}]}");
	check_same(&facts, &nothing);
	CHECK(!parse("{\"known\": 1, \"vcpus\": 1}").known);
}

TEST(numbers_beyond_their_bounds_are_not_told)
{
	struct qemu_facts facts =
		parse("{\"known\": true, \"version\": {\"major\": 100, \"minor\": 0},"
		      "\"ram-bytes\": -1, \"vcpus\": 1048577, \"multifd-channels\": 256,"
		      "\"downtime-limit\": -9}");

	CHECK_EQ(qemu_facts_version(&facts), 0);
	CHECK_EQ(facts.ram_bytes, 0);
	CHECK_EQ(facts.vcpus, -1);
	CHECK_EQ(facts.channels, -1);
	CHECK_EQ(facts.downtime_limit_ms, 0);
	facts = parse("{\"known\": true, \"version\": {\"major\": 99, \"minor\": 99},"
		      "\"vcpus\": 1048576, \"multifd-channels\": 255}");
	CHECK_EQ(qemu_facts_version(&facts), 9999);
	CHECK_EQ(facts.vcpus, 1048576);
	CHECK_EQ(facts.channels, 255);
	facts = parse("{\"known\": true, \"version\": {\"major\": 9, \"minor\": 100}}");
	CHECK_EQ(qemu_facts_version(&facts), 0);
}

TEST(texts_are_printable_and_cut)
{
	struct qemu_facts facts =
		parse("{\"known\": true, \"machine\": \"a\\u001b[2Jb\","
		      "\"blocks\": [{\"device\": \"d\\n\", \"file\": \"\\u00e4\"}],"
		      "\"capabilities\": {\"a\\tb\": true}, \"target\": "
		      "\"0123456789012345678901234567890123456789\"}");

	CHECK_STR(facts.machine, "a\\x1b[2Jb");
	CHECK_STR(facts.blocks[0].device, "d\\x0a");
	CHECK_STR(facts.blocks[0].file, "\\xc3\\xa4");
	CHECK_STR(facts.capabilities[0].name, "a\\x09b");
	CHECK_EQ(strlen(facts.target), sizeof(facts.target) - 1);
}

TEST(names_that_become_one_count_once)
{
	struct qemu_facts facts = parse(
		"{\"known\": true, \"capabilities\": {"
		"\"0123456789012345678901234567890123456789a\": true,"
		"\"0123456789012345678901234567890123456789b\": true, \"b\": false}}");

	CHECK_EQ(facts.capability_count, 2);
	CHECK(qemu_facts_knows(&facts, "b"));
}

TEST(lists_are_bounded)
{
	json_t *json = json_pack("{sb s{} s[]}", "known", 1, "capabilities", "blocks");
	struct qemu_facts facts;

	for (int i = 0; i < 1000; i++) {
		char name[24];

		snprintf(name, sizeof(name), "c%d", i);
		json_object_set_new(json_object_get(json, "capabilities"), name,
				    json_true());
		json_array_append_new(json_object_get(json, "blocks"),
				      json_pack("{ss}", "device", name));
	}
	qemu_facts_parse(&facts, json);
	json_decref(json);
	CHECK_EQ(facts.capability_count, FACTS_CAPABILITIES_MAX);
	CHECK_EQ(facts.block_count, FACTS_BLOCKS_MAX);
	CHECK_STR(facts.blocks[FACTS_BLOCKS_MAX - 1].device, "c63");
	check_round_trip(&facts);
}

TEST_MAIN(TEST_OF(all_that_is_known_arrives), TEST_OF(what_is_not_known_stays_so),
	  TEST_OF(questions_are_answered),
	  TEST_OF(members_of_the_wrong_type_are_not_told),
	  TEST_OF(numbers_beyond_their_bounds_are_not_told),
	  TEST_OF(texts_are_printable_and_cut), TEST_OF(names_that_become_one_count_once),
	  TEST_OF(lists_are_bounded))
