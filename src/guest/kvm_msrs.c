/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* kvm_msrs.c - the model specific registers that are part of a vCPU's state.
 *
 * EFER, the APIC's base, FS.base and GS.base travel with the segment registers.  Left out are
 * registers that only say what the CPU is (a microcode revision, say), those of features that
 * kvm_features.c does not tell guests of, and KVM's older names for what is listed here.
 *
 * Order: the TSC comes first, so that all vCPUs' are written close together and KVM sees that
 * they belong together; its deadline comes last, when the LAPIC's timer is in the mode for it
 * and the TSC that it is compared with is there. */
#include "guest/kvm_msrs.h"

#include <stddef.h>

#define FIXED_MTRR(index_, place_)             \
	{                                      \
		index_, "MTRRfix" place_, true \
	}
#define VARIABLE_MTRR(n_)                                  \
	{ 0x200 + 2 * (n_), "MTRRphysBase" #n_, true },    \
	{                                                  \
		0x201 + 2 * (n_), "MTRRphysMask" #n_, true \
	}

/* clang-format off */
const struct kvm_msr_kind kvm_msr_kinds[] = {
	{ 0x00000010, "TSC", false },
	{ 0x0000003b, "TSC_ADJUST", false },
	{ 0x00000174, "SYSENTER_CS", false },
	{ 0x00000175, "SYSENTER_ESP", false },
	{ 0x00000176, "SYSENTER_EIP", false },
	{ 0xc0000081, "STAR", false },
	{ 0xc0000082, "LSTAR", false },
	{ 0xc0000083, "CSTAR", false },
	{ 0xc0000084, "FMASK", false },
	{ 0xc0000102, "KERNEL_GS_BASE", false },
	{ 0xc0000103, "TSC_AUX", false },
	{ 0x00000277, "PAT", false },
	{ 0x000001a0, "MISC_ENABLE", false },
	{ 0x00000140, "MISC_FEATURES_ENABLES", false },
	{ 0x000001d9, "DEBUGCTL", false },
	{ 0x0000010a, "ARCH_CAPABILITIES", false },
	{ 0x00000048, "SPEC_CTRL", false },
	{ 0xc001011f, "VIRT_SPEC_CTRL", false },
	{ 0x00000122, "TSX_CTRL", false },
	{ 0x000000e1, "UMWAIT_CONTROL", false },
	{ 0x00000da0, "XSS", false },
	{ 0xc0010015, "HWCR", false },
	{ 0x0000017a, "MCG_STATUS", false },
	{ 0x0000017b, "MCG_CTL", false },
	FIXED_MTRR(0x250, "64K_00000"),
	FIXED_MTRR(0x258, "16K_80000"),
	FIXED_MTRR(0x259, "16K_A0000"),
	FIXED_MTRR(0x268, "4K_C0000"),
	FIXED_MTRR(0x269, "4K_C8000"),
	FIXED_MTRR(0x26a, "4K_D0000"),
	FIXED_MTRR(0x26b, "4K_D8000"),
	FIXED_MTRR(0x26c, "4K_E0000"),
	FIXED_MTRR(0x26d, "4K_E8000"),
	FIXED_MTRR(0x26e, "4K_F0000"),
	FIXED_MTRR(0x26f, "4K_F8000"),
	VARIABLE_MTRR(0),
	VARIABLE_MTRR(1),
	VARIABLE_MTRR(2),
	VARIABLE_MTRR(3),
	VARIABLE_MTRR(4),
	VARIABLE_MTRR(5),
	VARIABLE_MTRR(6),
	VARIABLE_MTRR(7),
	{ 0x000002ff, "MTRRdefType", true },
	{ 0x4b564d00, "KVM_WALL_CLOCK_NEW", false },
	{ 0x4b564d01, "KVM_SYSTEM_TIME_NEW", false },
	{ 0x4b564d06, "KVM_ASYNC_PF_INT", false },
	{ 0x4b564d02, "KVM_ASYNC_PF_EN", false },
	{ 0x4b564d03, "KVM_STEAL_TIME", false },
	{ 0x4b564d04, "KVM_PV_EOI_EN", false },
	{ 0x4b564d05, "KVM_POLL_CONTROL", false },
	{ 0x000006e0, "TSC_DEADLINE", false },
};
/* clang-format on */

const uint32_t kvm_msr_kind_count = sizeof(kvm_msr_kinds) / sizeof(kvm_msr_kinds[0]);

const char *kvm_msr_name(uint32_t index)
{
	for (uint32_t i = 0; i < kvm_msr_kind_count; i++) {
		if (kvm_msr_kinds[i].index == index)
			return kvm_msr_kinds[i].name;
	}
	return "MSR";
}
