/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vcpu_wire.c - a vCPU's state in bytes: one table says what is written, read and described. */
#include "guest/vcpu_state.h"

#include <assert.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#define GROUP_NAME_BYTES 16u
/* No field is a count. */
#define ALONE 0u

/* An integer of `size` bytes, or an array of them: of `count`, or of as many as the 32 bit field
 * at `counted_by` says, which `count` bounds. */
struct field {
	const char *name;
	uint16_t offset; /* in struct vcpu_state */
	uint16_t size;
	uint16_t count;
	uint16_t counted_by;
};

struct group {
	const char *name;
	uint32_t version;
	const struct field *fields;
	uint32_t field_count;
};

#define MEMBER_BYTES(member_) sizeof(((struct vcpu_state *)NULL)->member_)

/* A member's path cannot stand in parentheses. */
/* NOLINTBEGIN(bugprone-macro-parentheses) */
/* clang-format off */
#define ONE(member_)                                                                        \
	{ #member_, offsetof(struct vcpu_state, member_), MEMBER_BYTES(member_), 1, ALONE }
#define ARRAY(member_)                                                                      \
	{ #member_, offsetof(struct vcpu_state, member_), MEMBER_BYTES(member_[0]),         \
	  MEMBER_BYTES(member_) / MEMBER_BYTES(member_[0]), ALONE }
#define COUNTED(member_, count_)                                                            \
	{ #member_, offsetof(struct vcpu_state, member_), MEMBER_BYTES(member_[0]),         \
	  MEMBER_BYTES(member_) / MEMBER_BYTES(member_[0]),                                 \
	  offsetof(struct vcpu_state, count_) }
#define SEGMENT(member_)                                                                    \
	ONE(member_.base), ONE(member_.limit), ONE(member_.selector), ONE(member_.type),    \
	ONE(member_.present), ONE(member_.dpl), ONE(member_.db), ONE(member_.s),            \
	ONE(member_.l), ONE(member_.g), ONE(member_.avl), ONE(member_.unusable)
/* NOLINTEND(bugprone-macro-parentheses) */

static const struct field mp_fields[] = { ONE(mp_state) };

static const struct field regs_fields[] = {
	ONE(regs.rax), ONE(regs.rbx), ONE(regs.rcx), ONE(regs.rdx),
	ONE(regs.rsi), ONE(regs.rdi), ONE(regs.rsp), ONE(regs.rbp),
	ONE(regs.r8), ONE(regs.r9), ONE(regs.r10), ONE(regs.r11),
	ONE(regs.r12), ONE(regs.r13), ONE(regs.r14), ONE(regs.r15),
	ONE(regs.rip), ONE(regs.rflags),
};

static const struct field sregs_fields[] = {
	SEGMENT(sregs.cs), SEGMENT(sregs.ds), SEGMENT(sregs.es), SEGMENT(sregs.fs),
	SEGMENT(sregs.gs), SEGMENT(sregs.ss), SEGMENT(sregs.tr), SEGMENT(sregs.ldt),
	ONE(sregs.gdt.base), ONE(sregs.gdt.limit), ONE(sregs.idt.base), ONE(sregs.idt.limit),
	ONE(sregs.cr0), ONE(sregs.cr2), ONE(sregs.cr3), ONE(sregs.cr4), ONE(sregs.cr8),
	ONE(sregs.efer), ONE(sregs.apic_base), ONE(sregs.flags), ARRAY(sregs.pdptrs),
};

static const struct field debugregs_fields[] = {
	ARRAY(debugregs.db), ONE(debugregs.dr6), ONE(debugregs.dr7), ONE(debugregs.flags),
};

static const struct field events_fields[] = {
	ONE(events.exception.injected), ONE(events.exception.nr),
	ONE(events.exception.has_error_code), ONE(events.exception.pending),
	ONE(events.exception.error_code), ONE(events.interrupt.injected),
	ONE(events.interrupt.nr), ONE(events.interrupt.soft), ONE(events.interrupt.shadow),
	ONE(events.nmi.injected), ONE(events.nmi.pending), ONE(events.nmi.masked),
	ONE(events.sipi_vector), ONE(events.flags), ONE(events.smi.smm),
	ONE(events.smi.pending), ONE(events.smi.smm_inside_nmi), ONE(events.smi.latched_init),
	ONE(events.triple_fault.pending), ONE(events.exception_has_payload),
	ONE(events.exception_payload),
};

static const struct field xcrs_fields[] = {
	ONE(xcr_count), COUNTED(xcr_numbers, xcr_count), COUNTED(xcr_values, xcr_count),
};

static const struct field xsave_fields[] = {
	ONE(xcr0_mask), ONE(xsave_bytes), COUNTED(xsave, xsave_bytes),
};

static const struct field msrs_fields[] = {
	ONE(msr_count), COUNTED(msr_indices, msr_count), COUNTED(msr_values, msr_count),
};

static const struct field lapic_fields[] = { ARRAY(lapic) };

#define GROUP(name_, version_)                                                              \
	{ #name_, version_, name_##_fields, sizeof(name_##_fields) / sizeof(struct field) }

/* In their order on the wire.  A field that comes, goes or changes is a new version. */
enum { MP, REGS, SREGS, DEBUGREGS, EVENTS, XCRS, XSAVE, MSRS, LAPIC, GROUPS };

static const struct group groups[GROUPS] = {
	[MP] = GROUP(mp, 1),
	[REGS] = GROUP(regs, 1),
	[SREGS] = GROUP(sregs, 1),
	[DEBUGREGS] = GROUP(debugregs, 1),
	[EVENTS] = GROUP(events, 1),
	[XCRS] = GROUP(xcrs, 1),
	[XSAVE] = GROUP(xsave, 1),
	[MSRS] = GROUP(msrs, 1),
	[LAPIC] = GROUP(lapic, 1),
};
/* clang-format on */

static_assert(sizeof(struct vcpu_state) <= UINT16_MAX, "a field's offset is 16 bit");
static_assert(offsetof(struct vcpu_state, mp_state) == ALONE, "which is no count");

static bool has_group(const struct vcpu_state *state, unsigned group)
{
	return group != LAPIC || state->has_lapic;
}

static uint32_t load_u32(const struct vcpu_state *state, uint16_t offset)
{
	uint32_t value;

	memcpy(&value, (const uint8_t *)state + offset, sizeof(value));
	return value;
}

static uint32_t field_count(const struct vcpu_state *state, const struct field *field)
{
	return field->counted_by == ALONE ? field->count
					  : load_u32(state, field->counted_by);
}

static uint32_t group_bytes(const struct vcpu_state *state, const struct group *group)
{
	uint32_t bytes = 0;

	for (uint32_t i = 0; i < group->field_count; i++)
		bytes += field_count(state, &group->fields[i]) * group->fields[i].size;
	return bytes;
}

static void encode_integer(const uint8_t *at, uint16_t size, struct writer *out)
{
	union {
		uint8_t u8;
		uint16_t u16;
		uint32_t u32;
		uint64_t u64;
	} value;

	memcpy(&value, at, size);
	switch (size) {
	case 1:
		writer_u8(out, value.u8);
		break;
	case 2:
		writer_be16(out, value.u16);
		break;
	case 4:
		writer_be32(out, value.u32);
		break;
	default:
		assert(size == 8);
		writer_be64(out, value.u64);
	}
}

static void encode_field(const struct vcpu_state *state, const struct field *field,
			 struct writer *out)
{
	const uint8_t *at = (const uint8_t *)state + field->offset;
	uint32_t count = field_count(state, field);

	assert(count <= field->count);
	for (uint32_t i = 0; i < count; i++)
		encode_integer(at + (size_t)i * field->size, field->size, out);
}

void vcpu_state_encode(const struct vcpu_state *state, struct writer *out)
{
	writer_be32(out, VCPU_STATE_VERSION);
	writer_be32(out, state->has_lapic ? GROUPS : GROUPS - 1);
	for (unsigned i = 0; i < GROUPS; i++) {
		const struct group *group = &groups[i];

		if (!has_group(state, i))
			continue;
		writer_bytes(out, group->name, strlen(group->name));
		writer_zeros(out, GROUP_NAME_BYTES - strlen(group->name));
		writer_be32(out, group->version);
		writer_be32(out, group_bytes(state, group));
		for (uint32_t j = 0; j < group->field_count; j++)
			encode_field(state, &group->fields[j], out);
	}
}

static void decode_integer(struct cursor *in, uint16_t size, uint8_t *at)
{
	union {
		uint8_t u8;
		uint16_t u16;
		uint32_t u32;
		uint64_t u64;
	} value;

	switch (size) {
	case 1:
		value.u8 = cursor_u8(in);
		break;
	case 2:
		value.u16 = cursor_be16(in);
		break;
	case 4:
		value.u32 = cursor_be32(in);
		break;
	default:
		assert(size == 8);
		value.u64 = cursor_be64(in);
	}
	memcpy(at, &value, size);
}

/* Field by field; what a count says is bounded before it is used. */
static int decode_fields(struct cursor *in, const struct group *group,
			 struct vcpu_state *state, struct gw_error *err)
{
	for (uint32_t i = 0; i < group->field_count; i++) {
		const struct field *field = &group->fields[i];
		uint32_t count = field_count(state, field);

		if (count > field->count)
			return fail(err, GW_PEER, "vCPU state: %s of %u, at most %u",
				    field->name, count, field->count);
		for (uint32_t j = 0; j < count; j++)
			decode_integer(in, field->size,
				       (uint8_t *)state + field->offset +
					       (size_t)j * field->size);
	}
	return 0;
}

/* The group that its name on the wire stands for; GROUPS with *err set when none does. */
static unsigned decode_name(struct cursor *in, struct gw_error *err)
{
	char name[GROUP_NAME_BYTES], shown[4 * GROUP_NAME_BYTES + 1];

	cursor_copy(in, name, sizeof(name));
	for (unsigned i = 0; i < GROUPS; i++) {
		/* strncpy()'s comparison: the name and zeros to the end of its field. */
		char known[GROUP_NAME_BYTES] = { 0 };

		memcpy(known, groups[i].name, strlen(groups[i].name));
		if (memcmp(name, known, sizeof(name)) == 0)
			return i;
	}
	if (in->overrun)
		cursor_fail(in, err, "vCPU state");
	else
		fail(err, GW_PEER, "vCPU state: group \"%s\" is unknown here",
		     printable(shown, sizeof(shown), name,
			       (unsigned)strnlen(name, sizeof(name))));
	return GROUPS;
}

static int decode_group(struct cursor *in, struct vcpu_state *state, unsigned *next,
			struct gw_error *err)
{
	unsigned which = decode_name(in, err);
	const struct group *group = &groups[which];
	uint32_t version, length;
	uint64_t start;

	if (which == GROUPS)
		return -1;
	if (which < *next)
		return fail(err, GW_PEER, "vCPU state: group %s twice, or after %s",
			    group->name, groups[*next - 1].name);
	if (which > *next)
		return fail(err, GW_PEER, "vCPU state: group %s is missing",
			    groups[*next].name);
	*next = which + 1;
	version = cursor_be32(in);
	length = cursor_be32(in);
	if (in->overrun)
		return cursor_fail(in, err, "vCPU state");
	if (version != group->version)
		return fail(err, GW_PEER,
			    "vCPU state: group %s of version %u, %u is known",
			    group->name, version, group->version);
	start = cursor_offset(in);
	if (decode_fields(in, group, state, err) < 0)
		return -1;
	if (in->overrun)
		return cursor_fail(in, err, "vCPU state");
	if (cursor_offset(in) - start != length)
		return fail(err, GW_PEER,
			    "vCPU state: group %s of %u bytes, its fields take %u",
			    group->name, length, (unsigned)(cursor_offset(in) - start));
	return 0;
}

int vcpu_state_decode(struct cursor *in, struct vcpu_state *state, struct gw_error *err)
{
	uint32_t version = cursor_be32(in), count = cursor_be32(in);
	unsigned next = 0;

	memset(state, 0, sizeof(*state));
	if (in->overrun)
		return cursor_fail(in, err, "vCPU state");
	if (version != VCPU_STATE_VERSION)
		return fail(err, GW_PEER, "vCPU state: version %u, %u is known", version,
			    VCPU_STATE_VERSION);
	/* More than are known end at the first that is not. */
	for (uint32_t i = 0; i < count; i++) {
		if (decode_group(in, state, &next, err) < 0)
			return -1;
	}
	if (next < LAPIC)
		return fail(err, GW_PEER, "vCPU state: group %s is missing",
			    groups[next].name);
	state->has_lapic = next > LAPIC;
	return vcpu_state_check(state, err);
}

static const char *type_name(uint16_t size)
{
	switch (size) {
	case 1:
		return "uint8";
	case 2:
		return "uint16";
	case 4:
		return "uint32";
	default:
		return "uint64";
	}
}

struct description {
	char *text;
	size_t used;
};

static void describe_field(struct description *out, const char *group, const char *name,
			   const char *type, unsigned size, unsigned count)
{
	char array[32] = "";

	if (count != 1)
		snprintf(array, sizeof(array), "\"array_len\":%u,", count);
	out->used +=
		(size_t)snprintf(out->text + out->used,
				 VCPU_DESCRIPTION_BYTES_MAX - out->used,
				 "%s{\"name\":\"%s%s\",%s\"type\":\"%s\",\"size\":%u}",
				 out->text[out->used - 1] == '[' ? "" : ",", group, name,
				 array, type, size);
	assert(out->used < VCPU_DESCRIPTION_BYTES_MAX);
}

uint32_t vcpu_state_describe(const struct vcpu_state *state, uint32_t vcpu,
			     char text[VCPU_DESCRIPTION_BYTES_MAX])
{
	struct description out = { .text = text };

	out.used = (size_t)snprintf(text, VCPU_DESCRIPTION_BYTES_MAX,
				    "{\"name\":\"%s\",\"instance_id\":%u,"
				    "\"vmsd_name\":\"%s\",\"version\":%u,\"fields\":[",
				    VCPU_STATE_NAME, vcpu, VCPU_STATE_NAME,
				    VCPU_STATE_VERSION);
	describe_field(&out, "", "version", "uint32", 4, 1);
	describe_field(&out, "", "group_count", "uint32", 4, 1);
	for (unsigned i = 0; i < GROUPS; i++) {
		const struct group *group = &groups[i];

		if (!has_group(state, i))
			continue;
		describe_field(&out, group->name, " group", "buffer", GROUP_NAME_BYTES,
			       1);
		describe_field(&out, group->name, " version", "uint32", 4, 1);
		describe_field(&out, group->name, " length", "uint32", 4, 1);
		for (uint32_t j = 0; j < group->field_count; j++) {
			const struct field *field = &group->fields[j];
			uint32_t count = field_count(state, field);

			if (count > 0)
				describe_field(&out, "", field->name,
					       type_name(field->size), field->size,
					       count);
		}
	}
	out.used += (size_t)snprintf(text + out.used,
				     VCPU_DESCRIPTION_BYTES_MAX - out.used, "]}");
	assert(out.used < VCPU_DESCRIPTION_BYTES_MAX);
	return (uint32_t)out.used;
}
