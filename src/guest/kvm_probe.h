/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* kvm_probe.h - is KVM there, and enough of it for a guest of ours? */
#ifndef GUEST_KVM_PROBE_H
#define GUEST_KVM_PROBE_H

#include "base/error.h"

/* A descriptor of /dev/kvm, the caller's to close; -1 with GW_UNSUPPORTED: why it is of no use.
 * Any thread. */
int kvm_probe_open(struct gw_error *err);

#endif
