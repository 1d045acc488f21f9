/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* dirty_log.h - written pages of a KVM guest, from KVM's bitmap of each slot.
 *
 * Sees what vCPUs and KVM itself write.  What this process writes to the guest's RAM (a device of
 * ours, say) it does not see.
 *
 * Threads as ram/dirty.h says; vCPUs run meanwhile and need not know. */
#ifndef GUEST_DIRTY_LOG_H
#define GUEST_DIRTY_LOG_H

#include "guest/kvm_slot.h"
#include "ram/dirty.h"

/* Pages that one KVM_CLEAR_DIRTY_LOG may cover (64 MiB): for so long it holds KVM's lock of the
 * guest's page tables, which a vCPU that faults waits for. */
#define DIRTY_LOG_CLEAR_PAGES 16384u

/* "dirty-log".  The slots are copied; they are mapped, and nobody else turns their logging on.
 * The descriptor and their blocks are borrowed.  GW_UNSUPPORTED when the VM has dirty rings,
 * which leave it without a log. */
struct dirty_tracker *dirty_log_new(int vm_fd, const struct kvm_slot *slots,
				    uint32_t slot_count, struct gw_error *err);

/* As on a KVM that offers no more than these KVM_DIRTY_LOG_* of
 * KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2: what older kernels do can be proven on newer ones. */
struct dirty_tracker *dirty_log_new_within(int vm_fd, const struct kvm_slot *slots,
					   uint32_t slot_count, uint64_t manual_allowed,
					   struct gw_error *err);

#endif
