/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* kvm_cpuid.c - what CPUID's leaves say.
 *
 * A register of a leaf is of one of four kinds: bits of features, each of which the host must have;
 * values that must be equal; values that do not matter (caches, topology, names: a guest that
 * reads them elsewhere is told what it was told before); or unknown.  Unknown ones that are not
 * equal to the host's are refused: what they promise cannot be judged. */
#include "guest/kvm_cpuid.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

enum reg { EAX, EBX, ECX, EDX, REGS };

static const char *const reg_names[REGS] = { "eax", "ebx", "ecx", "edx" };

static uint32_t reg_of(const struct kvm_cpuid_entry2 *entry, enum reg reg)
{
	const uint32_t values[REGS] = { entry->eax, entry->ebx, entry->ecx, entry->edx };

	return values[reg];
}

/* A register full of features.  Names from bit 0 on, "-" for one without. */
struct feature_word {
	uint32_t function, index;
	enum reg reg;
	uint32_t untold;  /* bits with state that does not travel */
	uint32_t ignored; /* bits that follow the guest's own doing, or the topology */
	const char *names;
};

#define BIT(n_) (UINT32_C(1) << (n_))

static const struct feature_word feature_words[] = {
	{ 0x1, 0, EDX, 0, BIT(28),
	  "fpu vme de pse tsc msr pae mce cx8 apic - sep mtrr pge mca cmov "
	  "pat pse36 pn clflush - ds acpi mmx fxsr sse sse2 ss ht tm ia64 pbe" },
	{ 0x1, 0, ECX, BIT(5) | BIT(15), BIT(27),
	  "sse3 pclmulqdq dtes64 monitor ds_cpl vmx smx est tm2 ssse3 cid sdbg fma cx16 "
	  "xtpr pdcm "
	  "- pcid dca sse4_1 sse4_2 x2apic movbe popcnt tsc_deadline_timer aes xsave "
	  "osxsave avx "
	  "f16c rdrand hypervisor" },
	{ 0x6, 0, EAX, 0, 0, "- - arat" },
	{ 0x7, 0, EBX, BIT(2) | BIT(25), 0,
	  "fsgsbase tsc_adjust sgx bmi1 hle avx2 fdp_excptn_only smep bmi2 erms invpcid "
	  "rtm cqm "
	  "zero_fcs_fds mpx rdt_a avx512f avx512dq rdseed adx smap avx512ifma - "
	  "clflushopt clwb "
	  "intel_pt avx512pf avx512er avx512cd sha_ni avx512bw avx512vl" },
	{ 0x7, 0, ECX, BIT(7) | BIT(30) | BIT(31), BIT(4),
	  "prefetchwt1 avx512vbmi umip pku ospke waitpkg avx512_vbmi2 shstk gfni vaes "
	  "vpclmulqdq "
	  "avx512_vnni avx512_bitalg tme avx512_vpopcntdq - la57 - - - - - rdpid - "
	  "bus_lock_detect cldemote - movdiri movdir64b enqcmd sgx_lc pks" },
	{ 0x7, 0, EDX, BIT(5) | BIT(19) | BIT(20) | BIT(22) | BIT(24) | BIT(25), 0,
	  "- - avx512_4vnniw avx512_4fmaps fsrm uintr - - avx512_vp2intersect srbds_ctrl "
	  "md_clear "
	  "rtm_always_abort - tsx_force_abort serialize hybrid tsxldtrk - pconfig "
	  "arch_lbr ibt - "
	  "amx_bf16 avx512_fp16 amx_tile amx_int8 spec_ctrl intel_stibp flush_l1d "
	  "arch_capabilities core_capabilities ssbd" },
	{ 0x7, 1, EAX, BIT(8) | BIT(17) | BIT(21), 0,
	  "sha512 sm3 sm4 - avx_vnni avx512_bf16 lass cmpccxadd arch_perfmon_ext - fzrm "
	  "fsrs fsrc - "
	  "- - - fred lkgs wrmsrns nmi_src amx_fp16 hreset avx_ifma - - lam" },
	{ 0x7, 1, EBX, 0, 0, "" },
	{ 0x7, 1, ECX, 0, 0, "" },
	{ 0x7, 1, EDX, BIT(8) | BIT(19), 0,
	  "- - - - avx_vnni_int8 avx_ne_convert - - amx_complex - avx_vnni_int16 - - - "
	  "prefetchiti "
	  "- - - - avx10 - apx_f" },
	{ 0x7, 2, EDX, 0, 0, "psfd ipred_ctrl rrsba_ctrl ddpd_u bhi_ctrl mcdt_no" },
	{ 0xd, 0, EAX, BIT(17) | BIT(18), 0,
	  "xsave_x87 xsave_sse xsave_avx xsave_bndregs xsave_bndcsr xsave_opmask "
	  "xsave_zmm_hi256 "
	  "xsave_hi16_zmm - xsave_pkru - - - - - - - xsave_xtilecfg xsave_xtiledata "
	  "xsave_apx" },
	{ 0xd, 0, EDX, 0, 0, "" },
	{ 0xd, 1, EAX, BIT(4), 0, "xsaveopt xsavec xgetbv1 xsaves xfd" },
	{ 0xd, 1, ECX, UINT32_MAX, 0, "" },
	{ 0xd, 1, EDX, UINT32_MAX, 0, "" },
	{ 0x40000001, 0, EAX, BIT(17), 0,
	  "kvm_clocksource kvm_nop_io_delay kvm_mmu_op kvm_clocksource2 kvm_async_pf "
	  "kvm_steal_time kvm_pv_eoi kvm_pv_unhalt - kvm_pv_tlb_flush "
	  "kvm_async_pf_vmexit "
	  "kvm_pv_send_ipi kvm_poll_control kvm_pv_sched_yield kvm_async_pf_int "
	  "kvm_msi_ext_dest_id kvm_hc_map_gpa_range kvm_migration_control - - - - - - "
	  "kvm_clocksource_stable" },
	{ 0x80000001, 0, EDX, 0, 0,
	  "- - - - - - - - - - - syscall - - - - - - - mp nx - mmxext - - fxsr_opt "
	  "pdpe1gb rdtscp "
	  "- lm 3dnowext 3dnow" },
	{ 0x80000001, 0, ECX, BIT(2) | BIT(10) | BIT(23) | BIT(24) | BIT(28), BIT(1),
	  "lahf_lm cmp_legacy svm extapic cr8_legacy abm sse4a misalignsse 3dnowprefetch "
	  "osvw ibs "
	  "xop skinit wdt - lwp fma4 tce - nodeid_msr - tbm topoext perfctr_core "
	  "perfctr_nb - bpext "
	  "ptsc perfctr_llc mwaitx" },
	{ 0x80000007, 0, EDX, 0, 0, "- - - - - - - - invtsc" },
	{ 0x80000008, 0, EBX, 0, 0,
	  "clzero irperf xsaveerptr - rdpru - - - mcommit wbnoinvd - - amd_ibpb - "
	  "amd_ibrs "
	  "amd_stibp - amd_stibp_always_on - - - - - amd_ppin amd_ssbd virt_ssbd "
	  "amd_ssb_no cppc "
	  "amd_psfd btc_no ibpb_ret" },
	{ 0x80000021, 0, EAX, 0, 0,
	  "no_nested_data_bp - lfence_rdtsc - - - null_sel_clr_base - autoibrs" },
	{ 0x80000021, 0, ECX, 0, 0, "- tsa_sq_no tsa_l1_no" },
};

#define WORDS (sizeof(feature_words) / sizeof(feature_words[0]))

/* Leaves that nobody is told of, for the same reason: SGX, processor trace, performance counters,
 * last branch records, AMX, nested virtualization, encrypted guests. */
static const uint32_t untold_leaves[] = {
	0xa,  0x12, 0x14,	0x1c,	    0x1d,	0x1e,
	0x23, 0x24, 0x8000000a, 0x8000001b, 0x8000001f, 0x80000022,
};

/* Registers that do not matter, by leaf: a mask of 1 << reg, for all sub-leaves. */
static const struct {
	uint32_t function;
	uint32_t regs;
} ignored_leaves[] = {
	{ 0x0, BIT(EAX) },
	{ 0x1, BIT(EAX) | BIT(EBX) },
	{ 0x2, 0xf }, /* caches */
	{ 0x3, 0xf }, /* serial number */
	{ 0x4, 0xf }, /* caches */
	{ 0x5, 0xf }, /* MONITOR's line */
	{ 0x7, BIT(EAX) },
	{ 0xb, 0xf },  /* topology */
	{ 0xd, 0 },    /* see check_xsave_layout() */
	{ 0x15, 0xf }, /* frequencies */
	{ 0x16, 0xf },
	{ 0x18, 0xf }, /* TLBs */
	{ 0x19, 0xf },
	{ 0x1a, 0xf }, /* kind of core */
	{ 0x1f, 0xf }, /* topology */
	{ 0x40000000, BIT(EAX) },
	{ 0x40000001, BIT(EDX) }, /* a hint */
	{ 0x80000000, BIT(EAX) },
	{ 0x80000001, BIT(EAX) | BIT(EBX) },
	{ 0x80000002, 0xf }, /* brand */
	{ 0x80000003, 0xf },
	{ 0x80000004, 0xf },
	{ 0x80000005, 0xf }, /* caches */
	{ 0x80000006, 0xf },
	{ 0x80000008, BIT(EAX) | BIT(ECX) | BIT(EDX) }, /* see check_address_bits() */
	{ 0x80000019, 0xf },				/* TLBs */
	{ 0x8000001a, 0xf },				/* what is fast */
	{ 0x8000001d, 0xf },				/* caches */
	{ 0x8000001e, 0xf },				/* topology */
	{ 0x80000021, BIT(EBX) },			/* size of microcode */
};

static const struct feature_word *word_of(uint32_t function, uint32_t index, enum reg reg)
{
	for (size_t i = 0; i < WORDS; i++) {
		const struct feature_word *word = &feature_words[i];

		if (word->function == function && word->index == index &&
		    word->reg == reg)
			return word;
	}
	return NULL;
}

static bool is_ignored(uint32_t function, enum reg reg)
{
	for (size_t i = 0; i < sizeof(ignored_leaves) / sizeof(ignored_leaves[0]); i++) {
		if (ignored_leaves[i].function == function)
			return ignored_leaves[i].regs & BIT(reg);
	}
	return false;
}

const struct kvm_cpuid_entry2 *kvm_cpuid_find(const struct kvm_features *features,
					      uint32_t function, uint32_t index)
{
	for (uint32_t i = 0; i < features->cpuid_count; i++) {
		const struct kvm_cpuid_entry2 *entry = &features->cpuid[i];

		if (entry->function == function && entry->index == index)
			return entry;
	}
	return NULL;
}

static uint32_t value_of(const struct kvm_features *features, uint32_t function,
			 uint32_t index, enum reg reg)
{
	const struct kvm_cpuid_entry2 *entry = kvm_cpuid_find(features, function, index);

	return entry ? reg_of(entry, reg) : 0;
}

static bool is_untold_leaf(uint32_t function)
{
	for (size_t i = 0; i < sizeof(untold_leaves) / sizeof(untold_leaves[0]); i++) {
		if (untold_leaves[i] == function)
			return true;
	}
	return false;
}

static void limit_entry(struct kvm_cpuid_entry2 *entry)
{
	uint32_t *values[REGS] = { &entry->eax, &entry->ebx, &entry->ecx, &entry->edx };

	for (enum reg reg = EAX; reg < REGS; reg++) {
		const struct feature_word *word =
			word_of(entry->function, entry->index, reg);

		if (is_untold_leaf(entry->function))
			*values[reg] = 0;
		else if (word)
			*values[reg] &= ~word->untold;
	}
	/* Sub-leaves of components that cannot be enabled any more. */
	if (entry->function == 0xd && (entry->index == 17 || entry->index == 18))
		entry->eax = entry->ebx = entry->ecx = entry->edx = 0;
}

void kvm_cpuid_limit(struct kvm_features *features)
{
	for (uint32_t i = 0; i < features->cpuid_count; i++)
		limit_entry(&features->cpuid[i]);
}

void kvm_cpuid_number(struct kvm_cpuid_entry2 *entries, uint32_t count, uint32_t apic_id)
{
	for (uint32_t i = 0; i < count; i++) {
		struct kvm_cpuid_entry2 *entry = &entries[i];

		switch (entry->function) {
		case 0x1:
			entry->ebx = (entry->ebx & 0xffff) | 1u << 16 | apic_id << 24;
			entry->edx &= ~BIT(28);
			break;
		case 0x4:
			entry->eax &= 0x3fff;
			break;
		case 0xb:
		case 0x1f:
			/* No level above the thread; sub-leaf 0 has the id all the same. */
			entry->eax = entry->ebx = 0;
			entry->ecx = entry->index;
			entry->edx = apic_id;
			break;
		case 0x80000001:
			entry->ecx &= ~BIT(1);
			break;
		case 0x80000008:
			entry->ecx = 0;
			break;
		case 0x8000001e:
			entry->eax = apic_id;
			entry->ebx = apic_id & 0xff;
			entry->ecx = 0;
			break;
		default:
			break;
		}
	}
}

/* What is missing, as text: "avx512f, avx512bw and 3 more". */
struct missing {
	uint32_t count;
	char text[160];
	size_t used;
};

#define NAMED_MAX 4u

static void missing_add(struct missing *missing, const char *name, int length)
{
	int wrote;

	if (missing->count++ >= NAMED_MAX)
		return;
	wrote = snprintf(missing->text + missing->used,
			 sizeof(missing->text) - missing->used, "%s%.*s",
			 missing->used > 0 ? ", " : "", length, name);
	assert(wrote > 0 && (size_t)wrote < sizeof(missing->text) - missing->used);
	missing->used += (size_t)wrote;
}

static void missing_add_bit(struct missing *missing, const struct feature_word *word,
			    unsigned bit)
{
	const char *name = word->names;
	char place[40];

	for (unsigned i = 0; i < bit && *name; i++) {
		name += strcspn(name, " ");
		name += *name == ' ';
	}
	if (*name && *name != '-') {
		missing_add(missing, name, (int)strcspn(name, " "));
		return;
	}
	snprintf(place, sizeof(place), "cpuid 0x%x.%u %s bit %u", word->function,
		 word->index, reg_names[word->reg], bit);
	missing_add(missing, place, (int)strlen(place));
}

static int check_equal(const struct kvm_features *theirs, const struct kvm_features *host,
		       uint32_t function, uint32_t index, enum reg reg, const char *what,
		       struct gw_error *err)
{
	uint32_t told = value_of(theirs, function, index, reg);
	uint32_t here = value_of(host, function, index, reg);

	if (told != here)
		return fail(err, GW_UNSUPPORTED,
			    "this host: %s (cpuid 0x%x.%u %s) is 0x%x, the guest was "
			    "told 0x%x",
			    what, function, index, reg_names[reg], here, told);
	return 0;
}

/* Twelve letters in three registers, shown as far as they are letters. */
static void vendor_of(const struct kvm_features *features, char shown[64])
{
	const uint32_t letters[] = {
		htole32(value_of(features, 0, 0, EBX)),
		htole32(value_of(features, 0, 0, EDX)),
		htole32(value_of(features, 0, 0, ECX)),
	};

	printable(shown, 64, letters, sizeof(letters));
}

static int check_vendor(const struct kvm_features *theirs,
			const struct kvm_features *host, struct gw_error *err)
{
	char told[64], here[64];

	vendor_of(theirs, told);
	vendor_of(host, here);
	if (strcmp(told, here) != 0)
		return fail(err, GW_UNSUPPORTED,
			    "this host's CPU is of %s, the guest was told of %s", here,
			    told);
	return 0;
}

/* Where each component of XSAVE lies in memory is the hardware's choice. */
static int check_xsave_layout(const struct kvm_features *theirs,
			      const struct kvm_features *host, struct gw_error *err)
{
	for (uint32_t component = 2; component < 63; component++) {
		if (!(theirs->xcr0_mask >> component & 1))
			continue;
		if (check_equal(theirs, host, 0xd, component, EAX,
				"size of an XSAVE component", err) < 0 ||
		    check_equal(theirs, host, 0xd, component, EBX,
				"place of an XSAVE component", err) < 0 ||
		    check_equal(theirs, host, 0xd, component, ECX,
				"alignment of an XSAVE component", err) < 0)
			return -1;
	}
	return 0;
}

static int check_address_bits(const struct kvm_features *theirs,
			      const struct kvm_features *host, struct gw_error *err)
{
	uint32_t told = value_of(theirs, 0x80000008, 0, EAX) & 0xff;
	uint32_t here = value_of(host, 0x80000008, 0, EAX) & 0xff;

	if (told > here)
		return fail(err, GW_UNSUPPORTED,
			    "this host: %u bits of physical address, the guest was told "
			    "of %u",
			    here, told);
	return 0;
}

static int check_entry(const struct kvm_cpuid_entry2 *entry,
		       const struct kvm_features *theirs, const struct kvm_features *host,
		       struct missing *missing, struct gw_error *err)
{
	const struct kvm_cpuid_entry2 *here =
		kvm_cpuid_find(host, entry->function, entry->index);

	/* Else it would answer for sub-leaves that nobody has looked at. */
	if (here && here->flags != entry->flags)
		return fail(err, GW_UNSUPPORTED,
			    "this host: cpuid 0x%x.%u has flags 0x%x, the guest was "
			    "told it with 0x%x",
			    entry->function, entry->index, here->flags, entry->flags);
	for (enum reg reg = EAX; reg < REGS; reg++) {
		const struct feature_word *word =
			word_of(entry->function, entry->index, reg);
		uint32_t lacks;

		if (!word) {
			if (entry->function != 0xd && !is_ignored(entry->function, reg) &&
			    reg_of(entry, reg) != 0 &&
			    check_equal(theirs, host, entry->function, entry->index, reg,
					"a leaf", err) < 0)
				return -1;
			continue;
		}
		lacks = reg_of(entry, reg) &
			~value_of(host, entry->function, entry->index, reg) &
			~word->ignored;
		for (unsigned bit = 0; bit < 32; bit++) {
			if (lacks >> bit & 1)
				missing_add_bit(missing, word, bit);
		}
	}
	return 0;
}

int kvm_cpuid_check(const struct kvm_features *theirs, const struct kvm_features *host,
		    struct gw_error *err)
{
	struct missing missing = { 0 };

	if (check_vendor(theirs, host, err) < 0)
		return -1;
	for (uint32_t i = 0; i < theirs->cpuid_count; i++) {
		if (check_entry(&theirs->cpuid[i], theirs, host, &missing, err) < 0)
			return -1;
	}
	if (missing.count > NAMED_MAX)
		return fail(err, GW_UNSUPPORTED,
			    "this host lacks %s and %u more that the guest was told of",
			    missing.text, missing.count - NAMED_MAX);
	if (missing.count > 0)
		return fail(err, GW_UNSUPPORTED,
			    "this host lacks %s, which the guest was told of",
			    missing.text);
	if (check_xsave_layout(theirs, host, err) < 0)
		return -1;
	return check_address_bits(theirs, host, err);
}
