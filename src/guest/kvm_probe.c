/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* kvm_probe.c - is KVM there, and enough of it for a guest of ours? */
#include "guest/kvm_probe.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <sys/ioctl.h>

#include "base/own.h"

#define DEVICE "/dev/kvm"

static const struct {
	int number;
	const char *name;
} needed[] = {
	{ KVM_CAP_USER_MEMORY, "KVM_CAP_USER_MEMORY" },
	{ KVM_CAP_IMMEDIATE_EXIT, "KVM_CAP_IMMEDIATE_EXIT" },
	{ KVM_CAP_MP_STATE, "KVM_CAP_MP_STATE" },
	/* Interrupts: a LAPIC in KVM with a timer that counts as the guest does. */
	{ KVM_CAP_SPLIT_IRQCHIP, "KVM_CAP_SPLIT_IRQCHIP" },
	{ KVM_CAP_TSC_DEADLINE_TIMER, "KVM_CAP_TSC_DEADLINE_TIMER" },
};

static const char *hint(int sys)
{
	switch (sys) {
	case ENOENT:
	case ENODEV:
	case ENXIO:
		return " (no KVM here, or its module is not loaded)";
	case EACCES:
	case EPERM:
		return " (may this user? its group is usually kvm)";
	default:
		return "";
	}
}

int kvm_probe_open(struct gw_error *err)
{
	OWNED_FD int fd = open(DEVICE, O_RDWR | O_CLOEXEC);
	OWNED_FD int vm = -1;
	int version, opened;

	if (fd < 0) {
		struct gw_error why;
		int sys = errno;

		fail_errno(&why, sys);
		return fail(err, GW_UNSUPPORTED, DEVICE ": %s%s", why.text, hint(sys));
	}
	version = ioctl(fd, KVM_GET_API_VERSION, 0);
	if (version != KVM_API_VERSION)
		return fail(err, GW_UNSUPPORTED,
			    DEVICE ": version %d of KVM, %d is known", version,
			    KVM_API_VERSION);
	for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++) {
		if (ioctl(fd, KVM_CHECK_EXTENSION, needed[i].number) <= 0)
			return fail(err, GW_UNSUPPORTED, DEVICE ": this KVM lacks %s",
				    needed[i].name);
	}
	/* A module that finds no way to use this CPU says so only now. */
	vm = ioctl(fd, KVM_CREATE_VM, 0);
	if (vm < 0) {
		struct gw_error why;

		fail_errno(&why, errno);
		return fail(err, GW_UNSUPPORTED, DEVICE ": cannot make a VM: %s",
			    why.text);
	}
	opened = fd;
	fd = -1;
	return opened;
}
