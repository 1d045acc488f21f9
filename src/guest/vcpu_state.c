/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vcpu_state.c - a vCPU's state, out of KVM and into it.
 *
 * Both orders matter.
 *
 * Reading: the MP state first, for asking for it makes KVM take pending INITs and SIPIs, which
 * change registers.  The rest only looks.
 *
 * Writing, to a vCPU that was told its features, on which KVM's checks of most values rest:
 *
 *	sregs		CR4, EFER and the APIC's mode decide what the rest means; and KVM takes some
 *			vCPUs with a reset vector for halted ones to be woken
 *	xcrs		what of XSAVE is enabled, within what the vCPU was told
 *	xsave		its components, when they may be enabled
 *	regs		drops pending exceptions: before the events
 *	debugregs
 *	lapic		after the APIC's mode; its timer starts here
 *	msrs		the TSC's deadline needs the LAPIC in the mode for it, see kvm_msrs.c
 *	mp state	after sregs, and with the LAPIC there
 *	events		last: nothing after it drops what is pending
 */
#include "guest/vcpu_state.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/ioctl.h>

#include "guest/kvm_msrs.h"

/* Of an XSAVE area in standard format (Intel SDM volume 1, 13.4). */
#define AT_SOFTWARE 464u
#define AT_HEADER 512u
#define HEADER_BYTES 64u
#define LEGACY_COMPONENTS 3u /* x87 and SSE, always there */
#define LAPIC_STRIDE ((size_t)16)

static_assert(VCPU_LAPIC_REGS * LAPIC_STRIDE == KVM_APIC_REG_SIZE, "the whole LAPIC");
static_assert(VCPU_XCRS_MAX == KVM_MAX_XCRS, "KVM's list of them");
static_assert(sizeof(struct kvm_xsave) == KVM_XSAVE_BYTES_MIN, "KVM's least area");

/* XSTATE_BV: the components that are not as after a reset. */
static uint64_t components_of(const struct vcpu_state *state)
{
	uint64_t mask;

	memcpy(&mask, state->xsave + AT_HEADER, sizeof(mask));
	return le64toh(mask);
}

static bool all_zero(const uint8_t *bytes, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		if (bytes[i] != 0)
			return false;
	}
	return true;
}

static int check_xsave(const struct vcpu_state *state, struct gw_error *err)
{
	uint64_t allowed = state->xcr0_mask | LEGACY_COMPONENTS;

	if (state->xsave_bytes < AT_HEADER + HEADER_BYTES)
		return fail(err, GW_PEER,
			    "vCPU state: XSAVE area of %u bytes, at least %u",
			    state->xsave_bytes, AT_HEADER + HEADER_BYTES);
	if (state->xsave_bytes > AT_HEADER + HEADER_BYTES &&
	    state->xsave[state->xsave_bytes - 1] == 0)
		return fail(err, GW_PEER,
			    "vCPU state: XSAVE area of %u bytes, but the last is 0",
			    state->xsave_bytes);
	if (!all_zero(state->xsave + AT_SOFTWARE, AT_HEADER - AT_SOFTWARE) ||
	    !all_zero(state->xsave + AT_HEADER + 8, HEADER_BYTES - 8))
		return fail(err, GW_PEER,
			    "vCPU state: XSAVE area is not in standard format");
	if (components_of(state) & ~allowed)
		return fail(err, GW_PEER,
			    "vCPU state: XSAVE components 0x%" PRIx64
			    " of a vCPU that may have 0x%" PRIx64,
			    components_of(state), allowed);
	return 0;
}

int vcpu_state_check(const struct vcpu_state *state, struct gw_error *err)
{
	if (!(state->sregs.flags & KVM_SREGS2_FLAGS_PDPTRS_VALID)) {
		for (int i = 0; i < 4; i++) {
			if (state->sregs.pdptrs[i] != 0)
				return fail(err, GW_PEER,
					    "vCPU state: PDPTRs that are said not to be "
					    "there");
		}
	}
	return check_xsave(state, err);
}

/* One call that fails as "vCPU state: <what>". */
static int get(int vcpu_fd, unsigned long request, void *into, const char *what,
	       struct gw_error *err)
{
	if (ioctl(vcpu_fd, request, into) < 0)
		return fail_sys(err, errno, "vCPU state: KVM does not give %s", what);
	return 0;
}

static int set(int vcpu_fd, unsigned long request, const void *from, const char *what,
	       struct gw_error *err)
{
	if (ioctl(vcpu_fd, request, from) < 0) {
		fail_sys(err, errno, "vCPU state: KVM does not take %s", what);
		err->kind = GW_UNSUPPORTED;
		return -1;
	}
	return 0;
}

static int read_xcrs(int vcpu_fd, struct vcpu_state *state, struct gw_error *err)
{
	struct kvm_xcrs xcrs = { 0 };

	if (get(vcpu_fd, KVM_GET_XCRS, &xcrs, "XCRs", err) < 0)
		return -1;
	if (xcrs.nr_xcrs > VCPU_XCRS_MAX)
		return fail(err, GW_SYSTEM, "vCPU state: KVM has %u XCRs, at most %u",
			    xcrs.nr_xcrs, VCPU_XCRS_MAX);
	state->xcr_count = xcrs.nr_xcrs;
	for (uint32_t i = 0; i < xcrs.nr_xcrs; i++) {
		state->xcr_numbers[i] = xcrs.xcrs[i].xcr;
		state->xcr_values[i] = xcrs.xcrs[i].value;
	}
	return 0;
}

/* kvm_features_of_host() has seen that it is no longer than KVM_XSAVE_BYTES_MAX. */
static int read_xsave(int vcpu_fd, const struct kvm_features *features,
		      struct vcpu_state *state, struct gw_error *err)
{
	if (get(vcpu_fd, KVM_GET_XSAVE2, state->xsave, "the XSAVE area", err) < 0)
		return -1;
	state->xcr0_mask = features->xcr0_mask;
	/* Free for software, and the kernel leaves there what its own host supports. */
	memset(state->xsave + AT_SOFTWARE, 0, AT_HEADER - AT_SOFTWARE);
	state->xsave_bytes = KVM_XSAVE_BYTES_MAX;
	while (state->xsave_bytes > AT_HEADER + HEADER_BYTES &&
	       state->xsave[state->xsave_bytes - 1] == 0)
		state->xsave_bytes--;
	return check_xsave(state, err);
}

/* KVM's list, with room. */
union msr_list {
	struct kvm_msrs head;
	uint8_t room[sizeof(struct kvm_msrs) +
		     KVM_FEATURE_MSRS_MAX * sizeof(struct kvm_msr_entry)];
};

static int read_msrs(int vcpu_fd, const struct kvm_features *features,
		     struct vcpu_state *state, struct gw_error *err)
{
	union msr_list list = { .head.nmsrs = features->msr_count };
	int done;

	for (uint32_t i = 0; i < features->msr_count; i++)
		list.head.entries[i].index = features->msrs[i];
	done = ioctl(vcpu_fd, KVM_GET_MSRS, &list);
	if (done < 0)
		return fail_sys(err, errno, "vCPU state: KVM does not give MSRs");
	if ((uint32_t)done < features->msr_count)
		return fail(err, GW_SYSTEM, "vCPU state: KVM does not give MSR 0x%x (%s)",
			    features->msrs[done], kvm_msr_name(features->msrs[done]));
	state->msr_count = features->msr_count;
	for (uint32_t i = 0; i < features->msr_count; i++) {
		state->msr_indices[i] = list.head.entries[i].index;
		state->msr_values[i] = list.head.entries[i].data;
	}
	return 0;
}

/* 1 with the LAPIC in *lapic, 0 when it is not KVM's. */
static int get_lapic(int vcpu_fd, struct kvm_lapic_state *lapic, struct gw_error *err)
{
	if (ioctl(vcpu_fd, KVM_GET_LAPIC, lapic) == 0)
		return 1;
	if (errno == EINVAL)
		return 0;
	return fail_sys(err, errno, "vCPU state: KVM does not give the LAPIC");
}

static int read_lapic(int vcpu_fd, struct vcpu_state *state, struct gw_error *err)
{
	struct kvm_lapic_state lapic;
	int has = get_lapic(vcpu_fd, &lapic, err);

	if (has < 0)
		return -1;
	state->has_lapic = has > 0;
	for (uint32_t i = 0; state->has_lapic && i < VCPU_LAPIC_REGS; i++)
		memcpy(&state->lapic[i], lapic.regs + i * LAPIC_STRIDE,
		       sizeof(state->lapic[i]));
	return 0;
}

int vcpu_state_read(int vcpu_fd, const struct kvm_features *features,
		    struct vcpu_state *state, struct gw_error *err)
{
	struct kvm_mp_state mp;

	memset(state, 0, sizeof(*state));
	if (get(vcpu_fd, KVM_GET_MP_STATE, &mp, "the MP state", err) < 0)
		return -1;
	state->mp_state = mp.mp_state;
	if (get(vcpu_fd, KVM_GET_REGS, &state->regs, "registers", err) < 0 ||
	    get(vcpu_fd, KVM_GET_SREGS2, &state->sregs, "segment registers", err) < 0 ||
	    get(vcpu_fd, KVM_GET_DEBUGREGS, &state->debugregs, "debug registers", err) <
		    0 ||
	    get(vcpu_fd, KVM_GET_VCPU_EVENTS, &state->events, "pending events", err) < 0)
		return -1;
	if (!(state->sregs.flags & KVM_SREGS2_FLAGS_PDPTRS_VALID))
		memset(state->sregs.pdptrs, 0, sizeof(state->sregs.pdptrs));
	if (read_xcrs(vcpu_fd, state, err) < 0 ||
	    read_xsave(vcpu_fd, features, state, err) < 0 ||
	    read_msrs(vcpu_fd, features, state, err) < 0)
		return -1;
	return read_lapic(vcpu_fd, state, err);
}

static int write_xcrs(int vcpu_fd, const struct vcpu_state *state, struct gw_error *err)
{
	struct kvm_xcrs xcrs = { .nr_xcrs = state->xcr_count };

	for (uint32_t i = 0; i < state->xcr_count; i++) {
		xcrs.xcrs[i].xcr = state->xcr_numbers[i];
		xcrs.xcrs[i].value = state->xcr_values[i];
	}
	return set(vcpu_fd, KVM_SET_XCRS, &xcrs, "XCRs", err);
}

/* The area's layout is the same: kvm_features_check() has compared it.  KVM reads as much as its
 * own area is long, which is never past the end of ours. */
static int write_xsave(int vcpu_fd, const struct kvm_features *features,
		       const struct vcpu_state *state, struct gw_error *err)
{
	uint64_t allowed = features->xcr0_mask | LEGACY_COMPONENTS;

	if (components_of(state) & ~allowed)
		return fail(err, GW_UNSUPPORTED,
			    "vCPU state: XSAVE components 0x%" PRIx64
			    ", the vCPU was told of 0x%" PRIx64,
			    components_of(state), allowed);
	return set(vcpu_fd, KVM_SET_XSAVE, state->xsave, "the XSAVE area", err);
}

static bool msr_is(int vcpu_fd, uint32_t index, uint64_t value)
{
	union msr_list list = { .head.nmsrs = 1 };

	list.head.entries[0].index = index;
	return ioctl(vcpu_fd, KVM_GET_MSRS, &list) == 1 &&
	       list.head.entries[0].data == value;
}

/* KVM stops at the first that it refuses.  It refuses some altogether where the vCPU lacks what
 * they are for (a LAPIC), and reads them as 0: what is as it should be need not be set. */
static int set_msrs(int vcpu_fd, const struct vcpu_state *state, struct gw_error *err)
{
	uint32_t at = 0;

	while (at < state->msr_count) {
		union msr_list list = { .head.nmsrs = state->msr_count - at };
		int done;

		for (uint32_t i = at; i < state->msr_count; i++) {
			list.head.entries[i - at].index = state->msr_indices[i];
			list.head.entries[i - at].data = state->msr_values[i];
		}
		done = ioctl(vcpu_fd, KVM_SET_MSRS, &list);
		if (done < 0)
			return fail_sys(err, errno, "vCPU state: KVM does not take MSRs");
		at += (uint32_t)done;
		if (at == state->msr_count)
			break;
		if (!msr_is(vcpu_fd, state->msr_indices[at], state->msr_values[at]))
			return fail(err, GW_UNSUPPORTED,
				    "vCPU state: KVM does not take MSR 0x%x (%s) of "
				    "0x%" PRIx64,
				    state->msr_indices[at],
				    kvm_msr_name(state->msr_indices[at]),
				    state->msr_values[at]);
		at++;
	}
	return 0;
}

static int write_msrs(int vcpu_fd, const struct kvm_features *features,
		      const struct vcpu_state *state, struct gw_error *err)
{
	for (uint32_t i = 0; i < state->msr_count; i++) {
		if (i >= features->msr_count ||
		    features->msrs[i] != state->msr_indices[i])
			return fail(err, GW_PEER,
				    "vCPU state: MSR 0x%x (%s) is not what was announced",
				    state->msr_indices[i],
				    kvm_msr_name(state->msr_indices[i]));
	}
	if (state->msr_count < features->msr_count)
		return fail(err, GW_PEER, "vCPU state: MSR 0x%x (%s) is missing",
			    features->msrs[state->msr_count],
			    kvm_msr_name(features->msrs[state->msr_count]));
	return set_msrs(vcpu_fd, state, err);
}

static int write_lapic(int vcpu_fd, const struct vcpu_state *state, struct gw_error *err)
{
	struct kvm_lapic_state lapic;
	int has = get_lapic(vcpu_fd, &lapic, err);

	if (has < 0)
		return -1;
	if ((has > 0) != state->has_lapic)
		return fail(
			err, GW_UNSUPPORTED,
			has ? "vCPU state: group lapic is missing, and this vCPU has one"
			    : "vCPU state: group lapic, but this vCPU has none");
	if (!has)
		return 0;
	for (uint32_t i = 0; i < VCPU_LAPIC_REGS; i++)
		memcpy(lapic.regs + i * LAPIC_STRIDE, &state->lapic[i],
		       sizeof(state->lapic[i]));
	return set(vcpu_fd, KVM_SET_LAPIC, &lapic, "the LAPIC", err);
}

int vcpu_state_write(int vcpu_fd, const struct kvm_features *features,
		     const struct vcpu_state *state, struct gw_error *err)
{
	struct kvm_mp_state mp = { .mp_state = state->mp_state };

	if (set(vcpu_fd, KVM_SET_SREGS2, &state->sregs, "segment registers", err) < 0 ||
	    write_xcrs(vcpu_fd, state, err) < 0 ||
	    write_xsave(vcpu_fd, features, state, err) < 0 ||
	    set(vcpu_fd, KVM_SET_REGS, &state->regs, "registers", err) < 0 ||
	    set(vcpu_fd, KVM_SET_DEBUGREGS, &state->debugregs, "debug registers", err) <
		    0 ||
	    write_lapic(vcpu_fd, state, err) < 0 ||
	    write_msrs(vcpu_fd, features, state, err) < 0 ||
	    set(vcpu_fd, KVM_SET_MP_STATE, &mp, "the MP state", err) < 0)
		return -1;
	return set(vcpu_fd, KVM_SET_VCPU_EVENTS, &state->events, "pending events", err);
}
