/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bench_host.h - where something was measured: figures mean nothing without it. */
#ifndef BENCH_BENCH_HOST_H
#define BENCH_BENCH_HOST_H

#include <jansson.h>

struct bench_host {
	char cpu[96];	 /* as /proc/cpuinfo calls it */
	char kernel[96]; /* "Linux 6.1.0 x86_64" */
	int cpus;
	double load; /* of the last minute, before anything was measured */
	/* Those that compute. */
	char zlib[24], libzstd[24], isal[24], libdeflate[24];
};

void bench_host_init(struct bench_host *host);

/* NULL when there is no memory. */
json_t *bench_host_json(const struct bench_host *host);

#endif
