/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* kvm_clock.h - the clock that a KVM guest reads: nanoseconds it has lived.
 *
 * A plain value that travels as the body of one FULL section.  It stands still while the guest
 * is paused or on its way, like its vCPUs' time stamp counters. */
#ifndef GUEST_KVM_CLOCK_H
#define GUEST_KVM_CLOCK_H

#include "base/cursor.h"
#include "base/writer.h"

#define KVM_CLOCK_NAME "godwit/kvm-clock"
#define KVM_CLOCK_INSTANCE 0u
#define KVM_CLOCK_VERSION 1u
#define KVM_CLOCK_BYTES 12u
#define KVM_CLOCK_DESCRIPTION_BYTES_MAX 512u
/* KVM counts in signed nanoseconds and adds the host's own: far from its end. */
#define KVM_CLOCK_NS_MAX (UINT64_C(1) << 62)

struct kvm_clock {
	uint64_t ns;
};

/* After the vCPUs were paused, any one thread. */
int kvm_clock_read(int vm_fd, struct kvm_clock *clock, struct gw_error *err);
/* After the vCPUs' states were written, before they run. */
int kvm_clock_write(int vm_fd, const struct kvm_clock *clock, struct gw_error *err);

void kvm_clock_encode(const struct kvm_clock *clock, struct writer *out);
/* GW_PEER: cut short, another version, past KVM_CLOCK_NS_MAX. */
int kvm_clock_decode(struct cursor *in, struct kvm_clock *clock, struct gw_error *err);

/* This section as one element of a VMDESCRIPTION's "devices"; with its NUL at most
 * KVM_CLOCK_DESCRIPTION_BYTES_MAX.  Returns its length without. */
uint32_t kvm_clock_describe(char text[KVM_CLOCK_DESCRIPTION_BYTES_MAX]);

#endif
