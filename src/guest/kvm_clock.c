/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* kvm_clock.c - the clock that a KVM guest reads. */
#include "guest/kvm_clock.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <sys/ioctl.h>

int kvm_clock_read(int vm_fd, struct kvm_clock *clock, struct gw_error *err)
{
	struct kvm_clock_data data = { 0 };

	if (ioctl(vm_fd, KVM_GET_CLOCK, &data) < 0)
		return fail_sys(err, errno, "KVM clock: get");
	if (data.clock > KVM_CLOCK_NS_MAX)
		return fail(err, GW_SYSTEM, "KVM clock: %" PRIu64 " ns, at most %" PRIu64,
			    (uint64_t)data.clock, KVM_CLOCK_NS_MAX);
	clock->ns = data.clock;
	return 0;
}

int kvm_clock_write(int vm_fd, const struct kvm_clock *clock, struct gw_error *err)
{
	/* Without KVM_CLOCK_REALTIME: the time on the way is not added. */
	struct kvm_clock_data data = { .clock = clock->ns };

	if (ioctl(vm_fd, KVM_SET_CLOCK, &data) < 0)
		return fail_sys(err, errno, "KVM clock: set to %" PRIu64 " ns",
				clock->ns);
	return 0;
}

void kvm_clock_encode(const struct kvm_clock *clock, struct writer *out)
{
	writer_be32(out, KVM_CLOCK_VERSION);
	writer_be64(out, clock->ns);
}

int kvm_clock_decode(struct cursor *in, struct kvm_clock *clock, struct gw_error *err)
{
	uint32_t version = cursor_be32(in);
	uint64_t ns = cursor_be64(in);

	if (in->overrun)
		return cursor_fail(in, err, "KVM clock");
	if (version != KVM_CLOCK_VERSION)
		return fail(err, GW_PEER, "KVM clock: version %u, %u is known", version,
			    KVM_CLOCK_VERSION);
	if (ns > KVM_CLOCK_NS_MAX)
		return fail(err, GW_PEER, "KVM clock: %" PRIu64 " ns, at most %" PRIu64,
			    ns, KVM_CLOCK_NS_MAX);
	clock->ns = ns;
	return 0;
}

uint32_t kvm_clock_describe(char text[KVM_CLOCK_DESCRIPTION_BYTES_MAX])
{
	int used = snprintf(text, KVM_CLOCK_DESCRIPTION_BYTES_MAX,
			    "{\"name\":\"%s\",\"instance_id\":%u,\"vmsd_name\":\"%s\","
			    "\"version\":%u,\"fields\":["
			    "{\"name\":\"version\",\"type\":\"uint32\",\"size\":4},"
			    "{\"name\":\"ns\",\"type\":\"uint64\",\"size\":8}]}",
			    KVM_CLOCK_NAME, KVM_CLOCK_INSTANCE, KVM_CLOCK_NAME,
			    KVM_CLOCK_VERSION);

	assert(used > 0 && (uint32_t)used < KVM_CLOCK_DESCRIPTION_BYTES_MAX);
	return (uint32_t)used;
}
