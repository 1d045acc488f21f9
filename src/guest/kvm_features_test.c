/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* kvm_features_test.c - a host that lacks what a guest was told of says which. */
#include "guest/kvm_features.h"

#include "guest/kvm_cpuid.h"
#include "tests/check.h"

#include "guest/kvm_vm_for_tests.h"

static struct gw_error err;

/* Two hosts, alike at first, that no machine at hand needs to be. */
static struct kvm_features theirs, host;

static void add_leaf(uint32_t function, uint32_t index, uint32_t eax, uint32_t ebx,
		     uint32_t ecx, uint32_t edx)
{
	theirs.cpuid[theirs.cpuid_count++] = (struct kvm_cpuid_entry2){
		.function = function,
		.index = index,
		.flags = function == 7 || function == 0xd
				 ? KVM_CPUID_FLAG_SIGNIFCANT_INDEX
				 : 0,
		.eax = eax,
		.ebx = ebx,
		.ecx = ecx,
		.edx = edx,
	};
}

static void make_hosts(void)
{
	memset(&theirs, 0, sizeof(theirs));
	theirs.xcr0_mask = 0xe7;
	theirs.xsave_bytes = 4096;
	theirs.tsc_khz = 2600000;
	theirs.msrs[theirs.msr_count++] = 0x10;
	theirs.msrs[theirs.msr_count++] = 0x48;
	theirs.msrs[theirs.msr_count++] = 0x6e0;
	/* "GenuineIntel" */
	add_leaf(0x0, 0, 0x1f, 0x756e6547, 0x6c65746e, 0x49656e69);
	add_leaf(0x1, 0, 0x806f8, 0x100800, 0xfffaf3bf, 0x0fabfbff);
	add_leaf(0x4, 0, 0x121, 1, 2, 3);
	add_leaf(0x7, 0, 1, 0xd19f47ab, 0x1b415f6e, 0xac004410);
	add_leaf(0xd, 0, 0xe7, 0xa80, 0xa80, 0);
	add_leaf(0xd, 1, 0xf, 0, 0, 0);
	add_leaf(0xd, 2, 256, 576, 0, 0);
	add_leaf(0xd, 5, 64, 1088, 0, 0);
	add_leaf(0xd, 6, 512, 1152, 0, 0);
	add_leaf(0xd, 7, 1024, 1664, 0, 0);
	add_leaf(0x40000000, 0, 0x40000001, 0x4b4d564b, 0x564b4d56, 0x4d);
	add_leaf(0x40000001, 0, 0x01007efb, 0, 0, 0);
	add_leaf(0x80000001, 0, 0, 0, 0x121, 0x2c100800);
	add_leaf(0x80000008, 0, 0x3934, 0, 0, 0);
	host = theirs;
}

static struct kvm_cpuid_entry2 *leaf(struct kvm_features *features, uint32_t function,
				     uint32_t index)
{
	struct kvm_cpuid_entry2 *found =
		(struct kvm_cpuid_entry2 *)kvm_cpuid_find(features, function, index);

	CHECK(found);
	return found;
}

static void expect_refused(const char *text)
{
	CHECK_EQ(kvm_features_check(&theirs, &host, &err), -1);
	CHECK_EQ(err.kind, GW_UNSUPPORTED);
	CHECK_STR(err.text, text);
	make_hosts();
}

TEST(equal_hosts_and_better_ones_are_accepted)
{
	make_hosts();
	CHECK_OK(kvm_features_check(&theirs, &host, &err), &err);
	leaf(&host, 0x7, 0)->ecx |= 1u << 2;
	leaf(&host, 0x0, 0)->eax = 0x24;
	leaf(&host, 0x4, 0)->ebx = 77;	/* another cache */
	leaf(&host, 0x1, 0)->eax = 0x1; /* another model */
	leaf(&host, 0x80000008, 0)->eax = 0x3936;
	host.msrs[host.msr_count++] = 0x3b;
	host.xcr0_mask |= 1u << 9;
	CHECK_OK(kvm_features_check(&theirs, &host, &err), &err);
}

TEST(a_missing_feature_is_named)
{
	make_hosts();
	leaf(&host, 0x7, 0)->ebx &= ~(1u << 16);
	expect_refused("this host lacks avx512f, which the guest was told of");
	leaf(&host, 0x1, 0)->ecx &= ~(1u << 28 | 1u << 25);
	expect_refused("this host lacks aes, avx, which the guest was told of");
	leaf(&host, 0x7, 0)->ebx &=
		~(1u << 16 | 1u << 17 | 1u << 28 | 1u << 30 | 1u << 31);
	expect_refused(
		"this host lacks avx512f, avx512dq, avx512cd, avx512bw and 1 more that "
		"the guest was told of");
	leaf(&host, 0x40000001, 0)->eax &= ~(1u << 5);
	expect_refused("this host lacks kvm_steal_time, which the guest was told of");
	leaf(&theirs, 0x1, 0)->ecx |= 1u << 16;
	leaf(&theirs, 0x7, 0)->edx |= 1u;
	expect_refused("this host lacks cpuid 0x1.0 ecx bit 16, cpuid 0x7.0 edx bit 0, "
		       "which the "
		       "guest was told of");
	/* A whole leaf. */
	leaf(&host, 0x80000001, 0)->function = 0x80000005;
	expect_refused("this host lacks lahf_lm, abm, 3dnowprefetch, syscall and 4 more "
		       "that the "
		       "guest was told of");
}

/* Each bit of each register of features, one at a time. */
TEST(each_feature_bit_counts)
{
	static const struct {
		uint32_t function, index;
		uint32_t reg;
		uint32_t ignored;
	} words[] = {
		{ 0x1, 0, 2, 1u << 27 }, /* osxsave: the guest's own doing */
		{ 0x1, 0, 3, 1u << 28 }, /* ht: topology */
		{ 0x7, 0, 1, 0 },
		{ 0x7, 0, 2, 1u << 4 }, /* ospke */
		{ 0x7, 0, 3, 0 },
		{ 0xd, 1, 0, 0 },
		{ 0x40000001, 0, 0, 0 },
		{ 0x80000001, 0, 2, 1u << 1 }, /* cmp_legacy: topology */
		{ 0x80000001, 0, 3, 0 },
		{ 0x80000008, 0, 1, 0 },
	};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		for (unsigned bit = 0; bit < 32; bit++) {
			struct kvm_cpuid_entry2 *told, *here;
			uint32_t *values;
			bool refused;

			make_hosts();
			told = leaf(&theirs, words[i].function, words[i].index);
			here = leaf(&host, words[i].function, words[i].index);
			values = (uint32_t *[]){ &told->eax, &told->ebx, &told->ecx,
						 &told->edx }[words[i].reg];
			*values |= 1u << bit;
			values = (uint32_t *[]){ &here->eax, &here->ebx, &here->ecx,
						 &here->edx }[words[i].reg];
			*values &= ~(1u << bit);
			refused = kvm_features_check(&theirs, &host, &err) < 0;
			if (refused == !!(words[i].ignored & 1u << bit))
				CHECK_FAIL("leaf 0x%x.%u register %u bit %u: %d",
					   words[i].function, words[i].index,
					   words[i].reg, bit, refused);
		}
	}
}

TEST(another_vendor_or_layout_is_refused)
{
	make_hosts();
	leaf(&host, 0x0, 0)->ebx = 0x68747541;
	leaf(&host, 0x0, 0)->edx = 0x69746e65;
	leaf(&host, 0x0, 0)->ecx = 0x444d4163;
	expect_refused(
		"this host's CPU is of AuthenticAMD, the guest was told of GenuineIntel");
	leaf(&host, 0xd, 5)->ebx = 1152;
	expect_refused(
		"this host: place of an XSAVE component (cpuid 0xd.5 ebx) is 0x480, the "
		"guest was told 0x440");
	leaf(&host, 0xd, 7)->eax = 2048;
	expect_refused(
		"this host: size of an XSAVE component (cpuid 0xd.7 eax) is 0x800, the "
		"guest was told 0x400");
	leaf(&host, 0xd, 6)->ecx = 2;
	expect_refused(
		"this host: alignment of an XSAVE component (cpuid 0xd.6 ecx) is 0x2, "
		"the guest was told 0x0");
	/* Its features would be those of every sub-leaf. */
	leaf(&theirs, 0x7, 0)->flags = 0;
	expect_refused("this host: cpuid 0x7.0 has flags 0x1, the guest was told it with "
		       "0x0");
	host.xcr0_mask = 0x7;
	expect_refused(
		"this host lacks XSAVE components 0xe0, which the guest was told of");
	leaf(&host, 0x80000008, 0)->eax = 0x392e;
	expect_refused(
		"this host: 46 bits of physical address, the guest was told of 52");
	add_leaf(0x99, 0, 0, 1, 0, 0);
	expect_refused(
		"this host: a leaf (cpuid 0x99.0 ebx) is 0x0, the guest was told 0x1");
}

TEST(a_missing_msr_is_named)
{
	make_hosts();
	host.msrs[1] = 0x3b;
	expect_refused("this host lacks MSR 0x48 (SPEC_CTRL), which the guest has");
}

TEST(tsc_may_be_250_ppm_apart_unless_it_is_scaled)
{
	make_hosts();
	theirs.tsc_khz = 4000000;
	host.tsc_khz = 4001000;
	CHECK_OK(kvm_features_check(&theirs, &host, &err), &err);
	host.tsc_khz = 3999000;
	CHECK_OK(kvm_features_check(&theirs, &host, &err), &err);
	host.tsc_khz = 3998999;
	host.scales_tsc = true;
	CHECK_OK(kvm_features_check(&theirs, &host, &err), &err);
	host.scales_tsc = false;
	expect_refused("this host's TSC runs at 3998999 kHz, the guest's at 4000000, and "
		       "it cannot "
		       "be scaled");
}

/* Of values that were zeroed first: what is between their members is equal too. */
static bool same(const void *one, const void *other, size_t length)
{
	return memcmp(one, other, length) == 0;
}

static size_t encode(const struct kvm_features *features,
		     uint8_t bytes[KVM_FEATURES_BYTES_MAX])
{
	struct writer out = writer_over(bytes, KVM_FEATURES_BYTES_MAX);

	kvm_features_encode(features, &out);
	CHECK(!out.overrun);
	return out.used;
}

static int decode(const uint8_t *bytes, size_t length, struct kvm_features *features)
{
	struct cursor in = cursor_over(bytes, length);
	int done = kvm_features_decode(&in, features, &err);

	if (done == 0)
		CHECK(cursor_at_end(&in));
	else
		CHECK_EQ(err.kind, GW_PEER);
	return done;
}

TEST(decoding_gives_what_was_encoded_and_no_prefix_will_do)
{
	static uint8_t bytes[KVM_FEATURES_BYTES_MAX];
	static struct kvm_features seen;
	size_t length;

	make_hosts();
	length = encode(&theirs, bytes);
	CHECK_OK(decode(bytes, length, &seen), &err);
	CHECK(same(&seen, &theirs, sizeof(seen)));
	for (size_t shorter = 0; shorter < length; shorter++) {
		CHECK_EQ(decode(bytes, shorter, &seen), -1);
		CHECK_CONTAINS(err.text, "KVM features: cut short");
	}
	theirs.msr_count = KVM_FEATURE_MSRS_MAX;
	while (theirs.cpuid_count < KVM_CPUID_ENTRIES_MAX)
		add_leaf(0x7, theirs.cpuid_count, 0, 0, 0, 0);
	CHECK_OK(decode(bytes, encode(&theirs, bytes), &seen), &err);
	CHECK(same(&seen, &theirs, sizeof(seen)));
}

TEST(each_bound_is_kept)
{
	enum {
		VERSION = 0,
		XSAVE = 12,
		TSC = 16,
		MSRS = 20,
		CPUIDS = 36,
		INDEX = 44,
		FLAGS = 48,
		NEXT = 68
	};
	static const struct {
		size_t at;
		uint32_t allowed, refused;
		const char *text;
	} bounds[] = {
		{ VERSION, 1, 2, "version 2, 1 is known" },
		{ XSAVE, 4096, 4095, "XSAVE area of 4095 bytes, 4096 to 16384" },
		{ XSAVE, 16384, 16385, "XSAVE area of 16385 bytes" },
		{ TSC, 1, 0, "TSC of 0 kHz, 1 to 100000000" },
		{ TSC, 100000000, 100000001, "TSC of 100000001 kHz" },
		{ MSRS, 3, 129, "129 MSRs, at most 128" },
		{ CPUIDS, 14, 257, "257 CPUID entries, 1 to 256" },
		{ CPUIDS, 14, 0, "0 CPUID entries" },
		{ CPUIDS, 14, 15, "cut short" },
		{ FLAGS, 1, 2, "CPUID entry 0x0.0 with flags 0x2" },
		{ INDEX, 0, 1, "CPUID entry 0x0.1 with flags 0x0" },
		{ NEXT, 1, 0, "CPUID entry 0x0.0 comes twice" },
	};
	static uint8_t bytes[KVM_FEATURES_BYTES_MAX];
	static struct kvm_features seen;

	for (size_t i = 0; i < sizeof(bounds) / sizeof(bounds[0]); i++) {
		size_t length;

		make_hosts();
		length = encode(&theirs, bytes);
		store_be32(bytes + bounds[i].at, bounds[i].allowed);
		CHECK_OK(decode(bytes, length, &seen), &err);
		store_be32(bytes + bounds[i].at, bounds[i].refused);
		CHECK_EQ(decode(bytes, length, &seen), -1);
		CHECK_CONTAINS(err.text, bounds[i].text);
	}
}

TEST(what_has_state_that_does_not_travel_is_not_told)
{
	make_hosts();
	leaf(&theirs, 0x1, 0)->ecx |= 1u << 5;	      /* vmx */
	leaf(&theirs, 0x7, 0)->edx |= 1u << 24;	      /* amx_tile */
	leaf(&theirs, 0x80000001, 0)->ecx |= 1u << 2; /* svm */
	add_leaf(0xa, 0, 0x7300404, 0, 0, 0x603);
	add_leaf(0xd, 18, 8192, 2816, 0, 0);
	kvm_cpuid_limit(&theirs);
	CHECK(!(leaf(&theirs, 0x1, 0)->ecx & 1u << 5));
	CHECK(!(leaf(&theirs, 0x7, 0)->edx & 1u << 24));
	CHECK(!(leaf(&theirs, 0x80000001, 0)->ecx & 1u << 2));
	CHECK_EQ(leaf(&theirs, 0xa, 0)->eax, 0);
	CHECK_EQ(leaf(&theirs, 0xa, 0)->edx, 0);
	CHECK_EQ(leaf(&theirs, 0xd, 18)->eax, 0);
	CHECK_OK(kvm_features_check(&theirs, &host, &err), &err);
}

static void read_host(void)
{
	int kvm_fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	int done;

	if (kvm_fd < 0)
		SKIP("no /dev/kvm that we may open");
	done = kvm_features_of_host(kvm_fd, &host, &err);
	close(kvm_fd);
	if (done < 0 && err.kind == GW_UNSUPPORTED)
		SKIP("no /dev/kvm with all that a state holds (linux 5.17)");
	CHECK_OK(done, &err);
}

TEST(this_host_has_what_it_has)
{
	static uint8_t bytes[KVM_FEATURES_BYTES_MAX];

	read_host();
	CHECK(host.cpuid_count > 0);
	CHECK(host.msr_count > 0);
	CHECK_EQ(host.msrs[0], 0x10);
	CHECK_OK(decode(bytes, encode(&host, bytes), &theirs), &err);
	CHECK_OK(kvm_features_check(&theirs, &host, &err), &err);
}

/* Each vCPU is told the same, but for its number. */
TEST(a_vcpu_takes_what_it_is_told)
{
	struct test_vm vm;
	union {
		struct kvm_cpuid2 head;
		uint8_t room[sizeof(struct kvm_cpuid2) +
			     KVM_CPUID_ENTRIES_MAX * sizeof(struct kvm_cpuid_entry2)];
	} told = { .head.nent = KVM_CPUID_ENTRIES_MAX };

	read_host();
	test_vm_open(&vm);
	for (uint32_t vcpu = 0; vcpu < 3; vcpu++)
		CHECK_OK(kvm_features_tell(&host, vm.vcpu_fds[test_vcpu_add(&vm)], vcpu,
					   &err),
			 &err);
	CHECK_EQ(ioctl(vm.vcpu_fds[2], KVM_GET_CPUID2, &told), 0);
	for (uint32_t i = 0; i < told.head.nent; i++) {
		if (told.head.entries[i].function == 1)
			CHECK_EQ(told.head.entries[i].ebx >> 24, 2);
	}
	CHECK_EQ(ioctl(vm.vcpu_fds[2], KVM_GET_TSC_KHZ, 0), host.tsc_khz);
	test_vm_close(&vm);
}

TEST_MAIN(TEST_OF(equal_hosts_and_better_ones_are_accepted),
	  TEST_OF(a_missing_feature_is_named), TEST_OF(each_feature_bit_counts),
	  TEST_OF(another_vendor_or_layout_is_refused), TEST_OF(a_missing_msr_is_named),
	  TEST_OF(tsc_may_be_250_ppm_apart_unless_it_is_scaled),
	  TEST_OF(decoding_gives_what_was_encoded_and_no_prefix_will_do),
	  TEST_OF(each_bound_is_kept),
	  TEST_OF(what_has_state_that_does_not_travel_is_not_told),
	  TEST_OF(this_host_has_what_it_has), TEST_OF(a_vcpu_takes_what_it_is_told))
