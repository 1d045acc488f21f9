/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* kvm_verdict.c - what a KVM guest's own memory says about it. */
#include "guest/kvm_verdict.h"

#include <inttypes.h>
#include <stdio.h>

#include "guest/proof.h"
#include "guest/stamp.h"

/* In one piece, since the guest may be running. */
static uint64_t area_word(const uint8_t *host, uint32_t vcpu, uint32_t field)
{
	const uint8_t *at = host + KVM_AREAS + (size_t)vcpu * AREA_BYTES + field;

	return le64toh(*(const volatile uint64_t *)(const void *)at);
}

uint64_t kvm_verdict_pages(const uint8_t *host, uint32_t vcpu_count)
{
	uint64_t pages = 0;

	for (uint32_t i = 0; i < vcpu_count; i++)
		pages += area_word(host, i, AREA_PAGES);
	return pages;
}

uint64_t kvm_verdict_checks(const uint8_t *host, uint32_t vcpu)
{
	return area_word(host, vcpu, AREA_CHECKS);
}

int kvm_verdict_fault(const uint8_t *host, uint32_t vcpu, struct gw_error *err)
{
	return fail(err, GW_SYSTEM,
		    "exception %" PRIu64 ", its stack 0x%" PRIx64 " 0x%" PRIx64
		    " 0x%" PRIx64,
		    area_word(host, vcpu, AREA_FAULT),
		    area_word(host, vcpu, AREA_FAULT + 8),
		    area_word(host, vcpu, AREA_FAULT + 16),
		    area_word(host, vcpu, AREA_FAULT + 24));
}

static int check_registers(const uint8_t *host, uint32_t vcpu,
			   const struct kvm_registers *registers, struct gw_error *err)
{
	uint64_t mismatches = area_word(host, vcpu, AREA_MISMATCHES);
	uint64_t index = area_word(host, vcpu, AREA_MISMATCH_INDEX);

	if (mismatches == 0)
		return 0;
	return fail(err, GW_PEER,
		    "vCPU %u: register %s is 0x%" PRIx64 ", it was left as 0x%" PRIx64
		    " (the first of %" PRIu64 ")",
		    vcpu,
		    index < registers->check_count ? registers->checks[index].name
						   : "unknown",
		    area_word(host, vcpu, AREA_MISMATCH_SEEN),
		    area_word(host, vcpu, AREA_MISMATCH_EXPECTED), mismatches);
}

int kvm_verdict(const struct ram_block *block, const struct kvm_state *state,
		const struct kvm_registers *registers, struct gw_error *err)
{
	const uint8_t *host = block->host;
	uint64_t beats = heartbeat_read(host + kvm_state_heartbeat_offset(state));

	/* Paused between writing it and telling, it is one ahead. */
	if (beats != state->heartbeat && beats != state->heartbeat + 1)
		return fail(err, GW_PEER,
			    "heartbeat in RAM is %" PRIu64 ", %" PRIu64 " were told of",
			    beats, state->heartbeat);
	for (uint32_t i = 0; i < state->vcpu_count; i++) {
		struct process_share share = kvm_state_share(state, i);
		struct proof_range range = {
			.offset = share.first_page * PAGE_BYTES,
			.length_bytes = share.page_count * PAGE_BYTES,
			.sequence_max = area_word(host, i, AREA_SEQUENCE),
			.unfinished = area_word(host, i, AREA_STAMPING),
		};

		if (check_registers(host, i, registers, err) < 0 ||
		    proof_stamps(block, &range, NULL, err) < 0)
			return -1;
	}
	return 0;
}
