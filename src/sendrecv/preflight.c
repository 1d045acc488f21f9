/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* preflight.c - can this guest go from that QEMU to this one? */
#include "sendrecv/preflight.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "codec/codec.h"
#include "wire/dialect.h"

struct check {
	const struct qemu_facts *source, *destination;
	const struct preflight_plan *plan;
	struct preflight *result;
	uint32_t left_out; /* lines that found no room */
};

/* ---- lines ---- */

__attribute__((format(printf, 3, 0))) static void add(struct check *check,
						      enum preflight_weight weight,
						      const char *format, va_list args)
{
	struct preflight *result = check->result;
	struct preflight_line *line = &result->lines[result->count];

	if (weight == PREFLIGHT_REFUSE)
		result->refusals++;
	/* The last one is for saying so. */
	if (result->count == PREFLIGHT_LINES_MAX - 1) {
		check->left_out++;
		return;
	}
	line->weight = weight;
	vsnprintf(line->text, sizeof(line->text), format, args);
	result->count++;
}

static void refuse(struct check *check, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
static void note(struct check *check, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void refuse(struct check *check, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	add(check, PREFLIGHT_REFUSE, format, args);
	va_end(args);
}

static void note(struct check *check, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	add(check, PREFLIGHT_NOTE, format, args);
	va_end(args);
}

static void tell_left_out(struct check *check)
{
	struct preflight *result = check->result;
	struct preflight_line *line = &result->lines[result->count];

	if (check->left_out == 0)
		return;
	line->weight = PREFLIGHT_NOTE;
	snprintf(line->text, sizeof(line->text), "%" PRIu32 " lines more",
		 check->left_out);
	result->count++;
}

/* ---- what both have to be alike in ---- */

static bool differ(const char *here, const char *there)
{
	return here[0] && there[0] && strcmp(here, there) != 0;
}

static void compare_target(struct check *check)
{
	const char *here = check->source->target, *there = check->destination->target;

	if (differ(here, there))
		refuse(check,
		       "target: %s at the source, %s at the destination: start the "
		       "destination with qemu-system-%s",
		       here, there, here);
}

/* A QEMU that is older than the machine type cannot have it. */
static bool is_too_old(const struct qemu_facts *facts, const char *machine)
{
	const struct dialect *dialect = dialect_of_machine(machine);
	int version = qemu_facts_version(facts);

	return dialect && version > 0 && version < dialect->version;
}

static void compare_machine(struct check *check)
{
	const char *here = check->source->machine, *there = check->destination->machine;

	if (!differ(here, there))
		return;
	if (is_too_old(check->destination, here))
		refuse(check,
		       "machine: %s at the source, %s at the destination: the "
		       "destination needs QEMU %s or later, %d.%d is there, and -machine "
		       "%s",
		       here, there, strrchr(here, '-') + 1, check->destination->major,
		       check->destination->minor, here);
	else
		refuse(check,
		       "machine: %s at the source, %s at the destination: start the "
		       "destination with -machine %s",
		       here, there, here);
}

static const char *human(char *out, size_t room, uint64_t bytes)
{
	static const char *const units[] = { "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
	double value = (double)bytes / 1024;
	unsigned i = 0;

	while (value >= 1024 && i < 5) {
		value /= 1024;
		i++;
	}
	snprintf(out, room, "%.1f %s", value, units[i]);
	return out;
}

static void compare_ram(struct check *check)
{
	uint64_t here = check->source->ram_bytes, there = check->destination->ram_bytes;
	char a[32], b[32];

	if (here > 0 && there > 0 && here != there)
		refuse(check,
		       "RAM: %" PRIu64 " bytes (%s) at the source, %" PRIu64
		       " bytes (%s) at the destination: start the destination with the "
		       "same -m and memory devices",
		       here, human(a, sizeof(a), here), there,
		       human(b, sizeof(b), there));
}

static void compare_vcpus(struct check *check)
{
	int64_t here = check->source->vcpus, there = check->destination->vcpus;

	if (check->source->known && check->destination->known && here >= 0 &&
	    there >= 0 && here != there)
		refuse(check,
		       "vCPUs: %" PRId64 " at the source, %" PRId64
		       " at the destination: start the destination with the same -smp",
		       here, there);
}

/* Page channels bring it along, and the destination looks. */
static void compare_uuid(struct check *check)
{
	static const char none[] = "00000000-0000-0000-0000-000000000000";
	const char *here = check->source->uuid, *there = check->destination->uuid;
	bool matters = check->plan->qemu_channels > 0 ||
		       qemu_facts_has_on(check->source, "validate-uuid");
	char fix[64] = "without -uuid";

	if (!differ(here, there))
		return;
	if (strcmp(here, none) != 0)
		snprintf(fix, sizeof(fix), "with -uuid %s", here);
	(matters ? refuse : note)(check,
				  "UUID: %s at the source, %s at the destination: start "
				  "the destination %s",
				  here, there, fix);
}

/* ---- what each has to be like ---- */

static bool is_one_of(const char *name, const char *const *names)
{
	for (; *names; names++)
		if (strcmp(*names, name) == 0)
			return true;
	return false;
}

static void check_source_state(struct check *check)
{
	static const char *const busy[] = { "finish-migrate", "save-vm", "restore-vm",
					    "colo", NULL };
	static const char *const broken[] = { "internal-error", "io-error", "shutdown",
					      "guest-panicked", "watchdog", NULL };
	static const char *const idle[] = { "",	      "none",	   "completed",
					    "failed", "cancelled", NULL };
	const struct qemu_facts *source = check->source;
	const char *state = source->run_state;

	if (source->listens)
		refuse(check,
		       "source: run state inmigrate, it waits for a guest itself: give "
		       "send the QMP socket of the QEMU whose guest is to go");
	else if (strcmp(state, "postmigrate") == 0)
		refuse(check, "source: run state postmigrate, its guest has moved "
			      "already: only if it runs nowhere else, cont there first");
	else if (is_one_of(state, busy))
		refuse(check, "source: run state %s: wait until that is over", state);
	else if (is_one_of(state, broken))
		note(check, "source: run state %s: the guest arrives like that", state);
	if (!source->listens && !is_one_of(source->migration, idle))
		refuse(check,
		       "source: a migration is under way there (%s): wait for its end, "
		       "or migrate_cancel there",
		       source->migration);
}

static void check_destination_state(struct check *check)
{
	const struct qemu_facts *destination = check->destination;

	if (!destination->known)
		return;
	if (!destination->listens)
		refuse(check,
		       "destination: run state %s, inmigrate is needed: start it with "
		       "-incoming defer",
		       destination->run_state);
	else if (strcmp(destination->migration, "none") != 0 && destination->migration[0])
		refuse(check,
		       "destination: its migration is %s already, none is needed: start "
		       "it anew with -incoming defer",
		       destination->migration);
}

static void check_tls(struct check *check, const struct qemu_facts *facts,
		      const char *side)
{
	if (facts->tls_creds[0])
		refuse(check,
		       "tls-creds: %s at the %s, and QEMU's TLS would end at godwit's "
		       "UNIX socket: migrate-set-parameters with tls-creds \"\" there",
		       facts->tls_creds, side);
}

/* ---- capabilities ---- */

static const struct impossible {
	const char *name;
	bool with_channels; /* only then */
	bool at_destination;
	const char *why;
} impossible[] = {
	{ "x-colo", false, true, "COLO does not end, and godwit cannot carry it" },
	{ "background-snapshot", false, false, "it makes a snapshot, not a migration" },
	{ "mapped-ram", false, true, "it is for files" },
	{ "zero-copy-send", false, false, "it does not work over UNIX sockets" },
	{ "xbzrle", true, true, "it does not go with page channels" },
	{ "compress", true, true, "it does not go with page channels" },
};

static void check_impossible(struct check *check)
{
	for (size_t i = 0; i < sizeof(impossible) / sizeof(impossible[0]); i++) {
		const struct impossible *one = &impossible[i];

		if (one->with_channels && check->plan->qemu_channels == 0)
			continue;
		if (qemu_facts_has_on(check->source, one->name))
			refuse(check, "%s: on at the source: %s: --cap %s=off", one->name,
			       one->why, one->name);
		if (one->at_destination &&
		    qemu_facts_has_on(check->destination, one->name))
			refuse(check,
			       "%s: on at the destination: %s: migrate-set-capabilities "
			       "there turns it off",
			       one->name, one->why);
	}
}

/* The source's own affair, or spoken of elsewhere. */
static const char *const one_sided_capabilities[] = {
	"events",	"auto-converge",
	"dirty-limit",	"pause-before-switchover",
	"release-ram",	"background-snapshot",
	"mapped-ram",	"zero-copy-send",
	"rdma-pin-all", "x-colo",
	"zero-blocks",	NULL
};

static void check_unknown(struct check *check)
{
	const struct qemu_facts *source = check->source,
				*destination = check->destination;

	if (destination->capability_count == 0)
		return;
	for (uint32_t i = 0; i < source->capability_count; i++) {
		const struct capability_fact *fact = &source->capabilities[i];

		if (fact->on && !qemu_facts_knows(destination, fact->name) &&
		    !is_one_of(fact->name, one_sided_capabilities))
			refuse(check,
			       "%s: on at the source, not known at the destination (QEMU "
			       "%d.%d): --cap %s=off",
			       fact->name, destination->major, destination->minor,
			       fact->name);
	}
}

static bool lacks(const struct qemu_facts *facts, int version)
{
	return qemu_facts_version(facts) > 0 && qemu_facts_version(facts) < version;
}

static void name_version(char *out, size_t room, const struct qemu_facts *facts)
{
	if (qemu_facts_version(facts) > 0)
		snprintf(out, room, "%d.%d", facts->major, facts->minor);
	else
		snprintf(out, room, "one not known");
}

static void check_postcopy(struct check *check)
{
	char here[32], there[32];

	if (lacks(check->source, 800) &&
	    qemu_facts_has_on(check->source, "postcopy-preempt"))
		note(check,
		     "postcopy-preempt: QEMU before 8.0 at the source may mix up memory "
		     "blocks with it, and pause half-way: --cap postcopy-preempt=off");
	if (check->plan->qemu_channels == 0 ||
	    !(check->plan->postcopy || qemu_facts_has_on(check->source, "postcopy-ram")))
		return;
	if (!lacks(check->source, 1001) && !lacks(check->destination, 1001))
		return;
	name_version(here, sizeof(here), check->source);
	name_version(there, sizeof(there), check->destination);
	refuse(check,
	       "post-copy: with page channels it needs QEMU 10.1 on both sides, %s is at "
	       "the source, %s at the destination: --qemu-channels 0 does without them",
	       here, there);
}

/* From 10.0 on the state of such devices travels in packets of their own. */
static void check_vfio(struct check *check)
{
	if (check->source->vfio[0] && check->plan->qemu_channels > 0 &&
	    !lacks(check->source, 1000))
		refuse(check,
		       "VFIO: device %s at the source sends its state on page channels, "
		       "which godwit cannot carry: --qemu-channels 0 does without them",
		       check->source->vfio);
}

/* ---- between the godwits ---- */

static void check_format(struct check *check)
{
	static const enum codec_id advised[] = { CODEC_ZSTD, CODEC_ZLIB, CODEC_NONE };
	uint32_t there = check->plan->formats_there;
	char names[80] = "";
	const char *fix = "none";
	size_t used = 0;

	if (there & 1u << check->plan->format)
		return;
	for (uint32_t id = 0; id < CODEC_COUNT; id++)
		if (there & 1u << id)
			used += (size_t)snprintf(names + used, sizeof(names) - used,
						 "%s%s", used > 0 ? ", " : "",
						 codec_by_id(id)->name);
	for (unsigned i = 3; i-- > 0;)
		if (there & 1u << advised[i])
			fix = codec_by_id(advised[i])->name;
	refuse(check,
	       "format: %s at the source, the godwit at the destination decodes %s: "
	       "--method %s",
	       codec_by_id(check->plan->format)->name, used > 0 ? names : "nothing known",
	       fix);
}

/* ---- barriers ---- */

/* What distributions version by names of their own says nothing. */
static bool is_vendors(const char *machine)
{
	static const char *const families[] = { "pc-q35-", "pc-i440fx-", "virt-",
						"pseries-", "s390-ccw-virtio-" };

	for (unsigned i = 0; i < 5; i++)
		if (strncmp(machine, families[i], strlen(families[i])) == 0)
			return true;
	return false;
}

static int barriers_per_round(const struct qemu_facts *facts)
{
	const struct dialect *dialect = dialect_of_machine(facts->machine);
	int version = qemu_facts_version(facts);

	/* Every QEMU has a machine type; a guest of ours has none, and takes either kind. */
	if (!facts->machine[0])
		return -1;
	if (version > 0 && version < 801)
		return 0;
	if (dialect)
		return !dialect->barrier_per_section;
	return version > 0 && !is_vendors(facts->machine) ? 1 : -1;
}

static void tell_barriers_not_known(struct check *check, const struct qemu_facts *facts,
				    const char *side)
{
	if (facts->known)
		note(check,
		     "barriers: not known for machine %s at the %s and taken to be as on "
		     "the other side: if no progress shows, --qemu-channels 0",
		     facts->machine[0] ? facts->machine : "(not told)", side);
}

static void compare_barriers(struct check *check)
{
	const struct qemu_facts *source = check->source,
				*destination = check->destination;
	struct preflight *result = check->result;
	int here = barriers_per_round(source), there = barriers_per_round(destination);

	result->source_per_round = here;
	result->destination_per_round = there;
	if (check->plan->qemu_channels == 0)
		return;
	if (here < 0)
		tell_barriers_not_known(check, source, "source");
	if (there < 0)
		tell_barriers_not_known(check, destination, "destination");
	result->flush_before_eos = here == 0 && there == 1;
	if (here == 1 && there == 0)
		refuse(check,
		       "barriers: one a round at the source (%s, QEMU %d.%d), one a "
		       "section at the destination (%s, QEMU %d.%d): start both with the "
		       "same versioned machine type; --qemu-channels 0 does without them",
		       source->machine, source->major, source->minor,
		       destination->machine, destination->major, destination->minor);
}

/* Zero pages of a packet would keep what they had before at a QEMU that does not read them: all are
 * expanded for one that may be such.  One that is not known is as old as the machine type of its
 * guest allows. */
static bool must_expand(const struct qemu_facts *source,
			const struct qemu_facts *destination)
{
	const struct dialect *dialect = dialect_of_machine(source->machine);

	if (qemu_facts_version(destination) > 0)
		return lacks(destination, 900);
	return !dialect || !dialect->zero_pages_in_packets;
}

/* ---- worth knowing ---- */

static void tell_not_known(struct check *check, const struct qemu_facts *facts,
			   const char *side)
{
	if (!facts->known)
		note(check,
		     "%s: its QEMU is not asked: machine, RAM, devices and versions are "
		     "not compared",
		     side);
}

static void tell_versions(struct check *check)
{
	const struct qemu_facts *source = check->source,
				*destination = check->destination;
	int here = qemu_facts_version(source), there = qemu_facts_version(destination);

	if (here > 0 && there > 0 && here != there)
		note(check,
		     "QEMU: %d.%d.%d (%s) at the source, %d.%d.%d (%s) at the "
		     "destination%s",
		     source->major, source->minor, source->micro, source->package,
		     destination->major, destination->minor, destination->micro,
		     destination->package,
		     there < here
			     ? ", which is older: the same machine type is what counts"
			     : "");
}

static void tell_memory(struct check *check)
{
	if (qemu_facts_has_on(check->source, "x-ignore-shared"))
		note(check,
		     "x-ignore-shared: shared memory is not moved: the destination has "
		     "to have the same files");
}

static void tell_disks(struct check *check)
{
	/* Then QEMU moves them along. */
	if (qemu_facts_has_on(check->source, "block"))
		return;
	for (uint32_t i = 0; i < check->source->block_count; i++)
		note(check,
		     "disks are not moved: %s (%s) has to be reachable from the "
		     "destination as well",
		     check->source->blocks[i].device, check->source->blocks[i].file);
}

/* ---- the whole ---- */

void preflight_compare(const struct qemu_facts *source,
		       const struct qemu_facts *destination,
		       const struct preflight_plan *plan, struct preflight *result)
{
	struct check check = { source, destination, plan, result, 0 };

	memset(result, 0, sizeof(*result));
	check_source_state(&check);
	check_destination_state(&check);
	compare_target(&check);
	compare_machine(&check);
	compare_ram(&check);
	compare_vcpus(&check);
	compare_uuid(&check);
	check_format(&check);
	compare_barriers(&check);
	check_postcopy(&check);
	check_vfio(&check);
	check_tls(&check, source, "source");
	check_tls(&check, destination, "destination");
	check_impossible(&check);
	check_unknown(&check);
	tell_not_known(&check, source, "source");
	tell_not_known(&check, destination, "destination");
	tell_versions(&check);
	tell_memory(&check);
	tell_disks(&check);
	tell_left_out(&check);
	result->drop_switchover_start = lacks(destination, 1000);
	result->expand_zero_pages = must_expand(source, destination);
}
