/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* kvm_features_fuzz.c - hostile features of a KVM guest, held against a host's. */
#include "guest/kvm_features.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* One that has nothing: every way of being refused is open. */
static void check_poor_host(const struct kvm_features *theirs)
{
	static struct kvm_features host;
	struct gw_error err;

	memset(&host, 0, sizeof(host));
	host.cpuid_count = 1;
	host.cpuid[0] = theirs->cpuid[0];
	host.tsc_khz = 1;
	host.scales_tsc = theirs->tsc_khz % 2;
	err.text[0] = '\0';
	if (kvm_features_check(theirs, &host, &err) < 0 &&
	    (err.kind != GW_UNSUPPORTED || err.text[0] == '\0'))
		abort();
}

static void check_accepted(const struct kvm_features *seen, const uint8_t *data,
			   size_t consumed)
{
	static uint8_t bytes[KVM_FEATURES_BYTES_MAX];
	struct writer out = writer_over(bytes, sizeof(bytes));

	kvm_features_encode(seen, &out);
	if (out.overrun || out.used != consumed || memcmp(bytes, data, consumed) != 0)
		abort();
	check_poor_host(seen);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct kvm_features seen;
	struct cursor in = cursor_over(data, size);
	struct gw_error err;

	err.text[0] = '\0';
	if (kvm_features_decode(&in, &seen, &err) == 0)
		check_accepted(&seen, data, cursor_offset(&in));
	else if (err.kind != GW_PEER || err.text[0] == '\0')
		abort();
	return 0;
}
