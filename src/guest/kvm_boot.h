/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* kvm_boot.h - what a KVM guest begins with: the lowest memory, and its vCPUs' first registers.
 *
 * Only for a guest that has never run.  One that arrives brings both. */
#ifndef GUEST_KVM_BOOT_H
#define GUEST_KVM_BOOT_H

#include "guest/kvm_registers.h"
#include "guest/kvm_state.h"

/* Over whatever the first KVM_LOW_BYTES at `host` hold.  `state` was checked. */
void kvm_boot_memory(uint8_t *host, const struct kvm_state *state,
		     const struct kvm_registers *registers, uint32_t tsc_khz,
		     uint64_t seed);

/* Of a vCPU that was told its features.  GW_SYSTEM names the call. */
int kvm_boot_vcpu(int vcpu_fd, uint32_t index, const struct kvm_registers *registers,
		  struct gw_error *err);

#endif
