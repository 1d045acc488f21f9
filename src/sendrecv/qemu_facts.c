/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* qemu_facts.c - what a QEMU is, as far as a migration cares. */
#include "sendrecv/qemu_facts.h"

#include <stdio.h>
#include <string.h>

#include "drive/migration_status.h"

/* Bounds of what is believed. */
#define VERSION_PART_MAX 99
#define VCPUS_MAX (1 << 20)
#define CHANNELS_MAX 255

static const struct qemu_facts unknown = { .vcpus = -1, .channels = -1 };

/* ---- values ---- */

static int64_t number(const json_t *object, const char *key, int64_t most)
{
	const json_t *value = json_object_get(object, key);

	if (!json_is_integer(value) || json_integer_value(value) < 0 ||
	    json_integer_value(value) > most)
		return -1;
	return json_integer_value(value);
}

static uint64_t amount(const json_t *object, const char *key)
{
	int64_t value = number(object, key, INT64_MAX);

	return value < 0 ? 0 : (uint64_t)value;
}

static void text(char *out, size_t room, const json_t *value)
{
	printable(out, (unsigned)room,
		  json_is_string(value) ? json_string_value(value) : "",
		  (unsigned)json_string_length(value));
}

static void add_capability(struct qemu_facts *facts, const json_t *name,
			   const json_t *state)
{
	struct capability_fact *fact = &facts->capabilities[facts->capability_count];

	if (facts->capability_count == FACTS_CAPABILITIES_MAX || !json_is_boolean(state))
		return;
	text(fact->name, sizeof(fact->name), name);
	if (!fact->name[0] || qemu_facts_knows(facts, fact->name))
		return;
	fact->on = json_is_true(state);
	facts->capability_count++;
}

static void add_block(struct qemu_facts *facts, const json_t *device, const json_t *file)
{
	struct block_fact *fact = &facts->blocks[facts->block_count];

	if (facts->block_count == FACTS_BLOCKS_MAX || !json_is_string(device))
		return;
	text(fact->device, sizeof(fact->device), device);
	text(fact->file, sizeof(fact->file), file);
	facts->block_count++;
}

/* ---- over QMP ---- */

/* *answer (the caller's) stays NULL when it is refused: not every QEMU has every command. */
static int ask(struct qmp_peer *peer, const char *command, json_t *arguments,
	       json_t **answer, struct gw_error *err)
{
	*answer = NULL;
	if (qmp_peer_execute(peer, command, arguments, answer, err) == 0)
		return 0;
	return err->kind == GW_CANCELLED || err->kind == GW_SYSTEM ? -1 : 0;
}

static void take_target(struct qemu_facts *facts, const json_t *answer)
{
	text(facts->target, sizeof(facts->target), json_object_get(answer, "arch"));
}

static void take_memory(struct qemu_facts *facts, const json_t *answer)
{
	uint64_t base = amount(answer, "base-memory");

	/* Both are below 2^63. */
	if (base > 0)
		facts->ram_bytes = base + amount(answer, "plugged-memory");
}

static void take_vcpus(struct qemu_facts *facts, const json_t *answer)
{
	if (json_is_array(answer) && json_array_size(answer) <= VCPUS_MAX)
		facts->vcpus = (int64_t)json_array_size(answer);
}

static void take_uuid(struct qemu_facts *facts, const json_t *answer)
{
	text(facts->uuid, sizeof(facts->uuid), json_object_get(answer, "UUID"));
}

static void take_migration(struct qemu_facts *facts, const json_t *answer)
{
	struct migration_status status;

	if (!answer)
		return;
	migration_status_parse(&status, answer);
	/* 7.2 that listens shows where, and no state. */
	if (migration_status_is(&status, "none") &&
	    json_object_get(answer, "socket-address"))
		snprintf(status.state, sizeof(status.state), "setup");
	memcpy(facts->migration, status.state, sizeof(facts->migration));
}

static void take_capabilities(struct qemu_facts *facts, const json_t *answer)
{
	const json_t *one;
	size_t i;

	json_array_foreach (answer, i, one)
		add_capability(facts, json_object_get(one, "capability"),
			       json_object_get(one, "state"));
}

static void take_parameters(struct qemu_facts *facts, const json_t *answer)
{
	facts->channels = number(answer, "multifd-channels", CHANNELS_MAX);
	facts->downtime_limit_ms = amount(answer, "downtime-limit");
	text(facts->tls_creds, sizeof(facts->tls_creds),
	     json_object_get(answer, "tls-creds"));
}

/* "vb" of "/machine/peripheral/vb/virtio-backend"; NULL for one that got no id. */
static json_t *device_id(const json_t *block)
{
	static const char below[] = "/machine/peripheral/";
	const char *qdev = json_string_value(json_object_get(block, "qdev"));

	if (!qdev || qdev[0] != '/')
		return qdev ? json_string(qdev) : NULL;
	if (strncmp(qdev, below, sizeof(below) - 1) != 0)
		return NULL;
	qdev += sizeof(below) - 1;
	return json_stringn(qdev, strcspn(qdev, "/"));
}

/* As the operator named it, if so: the drive, the device, the node. */
static void take_block(struct qemu_facts *facts, const json_t *block)
{
	const json_t *inserted = json_object_get(block, "inserted");
	const json_t *name = json_object_get(block, "device");
	json_t *id = device_id(block);

	if (json_string_length(name) == 0)
		name = id ? id : json_object_get(inserted, "node-name");
	if (json_string_length(name) == 0)
		name = json_object_get(block, "qdev");
	if (json_is_object(inserted) && !json_is_true(json_object_get(inserted, "ro")))
		add_block(facts, name, json_object_get(inserted, "file"));
	json_decref(id);
}

static void take_blocks(struct qemu_facts *facts, const json_t *answer)
{
	const json_t *one;
	size_t i;

	json_array_foreach (answer, i, one)
		take_block(facts, one);
}

static int ask_machine(struct qmp_peer *peer, struct qemu_facts *facts,
		       struct gw_error *err)
{
	static const char suffix[] = "-machine";
	json_t *answer;
	size_t length;

	if (ask(peer, "qom-get",
		json_pack("{ss ss}", "path", "/machine", "property", "type"), &answer,
		err) < 0)
		return -1;
	length = json_string_length(answer);
	if (length >= sizeof(suffix) &&
	    strcmp(json_string_value(answer) + length - strlen(suffix), suffix) == 0)
		length -= strlen(suffix);
	if (json_is_string(answer))
		printable(facts->machine, sizeof(facts->machine),
			  json_string_value(answer), (unsigned)length);
	json_decref(answer);
	return 0;
}

/* Devices with and without an id are in two places. */
static int ask_vfio(struct qmp_peer *peer, struct qemu_facts *facts, struct gw_error *err)
{
	static const char *const places[] = { "/machine/peripheral",
					      "/machine/peripheral-anon" };

	for (unsigned k = 0; k < 2; k++) {
		json_t *answer;
		const json_t *one;
		size_t i;

		if (ask(peer, "qom-list", json_pack("{ss}", "path", places[k]), &answer,
			err) < 0)
			return -1;
		json_array_foreach (answer, i, one) {
			const char *type =
				json_string_value(json_object_get(one, "type"));

			if (type && strncmp(type, "child<vfio-", 11) == 0)
				text(facts->vfio, sizeof(facts->vfio),
				     json_object_get(one, "name"));
		}
		json_decref(answer);
	}
	return 0;
}

static int ask_all(struct qmp_peer *peer, struct qemu_facts *facts, struct gw_error *err)
{
	static const struct {
		const char *command;
		void (*take)(struct qemu_facts *facts, const json_t *answer);
	} questions[] = {
		{ "query-target", take_target },
		{ "query-memory-size-summary", take_memory },
		{ "query-cpus-fast", take_vcpus },
		{ "query-uuid", take_uuid },
		{ "query-migrate", take_migration },
		{ "query-migrate-capabilities", take_capabilities },
		{ "query-migrate-parameters", take_parameters },
		{ "query-block", take_blocks },
	};

	for (size_t i = 0; i < sizeof(questions) / sizeof(questions[0]); i++) {
		json_t *answer;

		if (ask(peer, questions[i].command, NULL, &answer, err) < 0)
			return -1;
		questions[i].take(facts, answer);
		json_decref(answer);
	}
	if (ask_machine(peer, facts, err) < 0)
		return -1;
	return ask_vfio(peer, facts, err);
}

int qemu_facts_read(struct qmp_peer *peer, struct qemu_facts *facts, struct gw_error *err)
{
	const struct qmp_version *version = qmp_peer_version(peer);
	struct guest_status guest;

	*facts = unknown;
	facts->major = version->major;
	facts->minor = version->minor;
	facts->micro = version->micro;
	memcpy(facts->package, version->package, sizeof(facts->package));
	if (qmp_peer_guest(peer, &guest, err) < 0 || ask_all(peer, facts, err) < 0)
		return -1;
	memcpy(facts->run_state, guest.name, sizeof(facts->run_state));
	facts->running = guest.running;
	facts->listens = strcmp(guest.name, "inmigrate") == 0;
	facts->known = true;
	return 0;
}

/* ---- to the peer and back ---- */

json_t *qemu_facts_json(const struct qemu_facts *facts)
{
	json_t *capabilities = json_object(), *blocks = json_array();

	if (!facts->known) {
		json_decref(capabilities);
		json_decref(blocks);
		return json_pack("{sb}", "known", 0);
	}
	for (uint32_t i = 0; i < facts->capability_count; i++)
		json_object_set_new(capabilities, facts->capabilities[i].name,
				    json_boolean(facts->capabilities[i].on));
	for (uint32_t i = 0; i < facts->block_count; i++)
		json_array_append_new(blocks, json_pack("{ss ss}", "device",
							facts->blocks[i].device, "file",
							facts->blocks[i].file));
	return json_pack("{sb s{si si si ss} ss ss sI sI ss ss sb ss ss ss sI sI so so}",
			 "known", 1, "version", "major", facts->major, "minor",
			 facts->minor, "micro", facts->micro, "package", facts->package,
			 "machine", facts->machine, "target", facts->target, "ram-bytes",
			 (json_int_t)facts->ram_bytes, "vcpus", (json_int_t)facts->vcpus,
			 "uuid", facts->uuid, "run-state", facts->run_state, "running",
			 facts->running, "migration", facts->migration, "tls-creds",
			 facts->tls_creds, "vfio", facts->vfio, "multifd-channels",
			 (json_int_t)facts->channels, "downtime-limit",
			 (json_int_t)facts->downtime_limit_ms, "capabilities",
			 capabilities, "blocks", blocks);
}

static void parse_version(struct qemu_facts *facts, const json_t *version)
{
	int64_t major = number(version, "major", VERSION_PART_MAX);
	int64_t minor = number(version, "minor", VERSION_PART_MAX);
	int64_t micro = number(version, "micro", VERSION_PART_MAX);

	text(facts->package, sizeof(facts->package), json_object_get(version, "package"));
	if (major < 0 || minor < 0)
		return;
	facts->major = (int)major;
	facts->minor = (int)minor;
	facts->micro = micro < 0 ? 0 : (int)micro;
}

static void parse_lists(struct qemu_facts *facts, const json_t *json)
{
	/* jansson's iterators do not take const; nothing is changed. */
	json_t *capabilities = json_object_get(json, "capabilities"), *state;
	const json_t *one;
	const char *name;
	size_t i;

	json_object_foreach (capabilities, name, state) {
		json_t *copy = json_string(name);

		add_capability(facts, copy, state);
		json_decref(copy);
	}
	json_array_foreach (json_object_get(json, "blocks"), i, one)
		add_block(facts, json_object_get(one, "device"),
			  json_object_get(one, "file"));
}

void qemu_facts_parse(struct qemu_facts *facts, const json_t *json)
{
	*facts = unknown;
	facts->known = json_is_true(json_object_get(json, "known"));
	if (!facts->known)
		return;
	parse_version(facts, json_object_get(json, "version"));
	text(facts->machine, sizeof(facts->machine), json_object_get(json, "machine"));
	text(facts->target, sizeof(facts->target), json_object_get(json, "target"));
	facts->ram_bytes = amount(json, "ram-bytes");
	facts->vcpus = number(json, "vcpus", VCPUS_MAX);
	text(facts->uuid, sizeof(facts->uuid), json_object_get(json, "uuid"));
	text(facts->run_state, sizeof(facts->run_state),
	     json_object_get(json, "run-state"));
	facts->running = json_is_true(json_object_get(json, "running"));
	facts->listens = strcmp(facts->run_state, "inmigrate") == 0;
	text(facts->migration, sizeof(facts->migration),
	     json_object_get(json, "migration"));
	text(facts->tls_creds, sizeof(facts->tls_creds),
	     json_object_get(json, "tls-creds"));
	text(facts->vfio, sizeof(facts->vfio), json_object_get(json, "vfio"));
	facts->channels = number(json, "multifd-channels", CHANNELS_MAX);
	facts->downtime_limit_ms = amount(json, "downtime-limit");
	parse_lists(facts, json);
}

/* ---- questions ---- */

static const struct capability_fact *find(const struct qemu_facts *facts,
					  const char *capability)
{
	for (uint32_t i = 0; i < facts->capability_count; i++)
		if (strcmp(facts->capabilities[i].name, capability) == 0)
			return &facts->capabilities[i];
	return NULL;
}

bool qemu_facts_knows(const struct qemu_facts *facts, const char *capability)
{
	return find(facts, capability) != NULL;
}

bool qemu_facts_has_on(const struct qemu_facts *facts, const char *capability)
{
	const struct capability_fact *found = find(facts, capability);

	return found && found->on;
}

int qemu_facts_version(const struct qemu_facts *facts)
{
	return facts->major * 100 + facts->minor;
}
