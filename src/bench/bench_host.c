/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bench_host.c - where something was measured: figures mean nothing without it. */
#include "bench/bench_host.h"

#include <isa-l.h>
#include <libdeflate.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include "base/error.h"

/* The first "model name", or on Arm nothing better than the machine's name. */
static void read_cpu(struct bench_host *host, const char *machine)
{
	FILE *file = fopen("/proc/cpuinfo", "re");
	char line[256];

	snprintf(host->cpu, sizeof(host->cpu), "%s", machine);
	while (file && fgets(line, sizeof(line), file)) {
		const char *colon = strchr(line, ':');

		if (strncmp(line, "model name", 10) != 0 || !colon)
			continue;
		colon += strspn(colon, ": ");
		printable(host->cpu, sizeof(host->cpu), colon,
			  (unsigned)strcspn(colon, "\n"));
		break;
	}
	if (file)
		fclose(file);
}

void bench_host_init(struct bench_host *host)
{
	struct utsname kernel;

	*host = (struct bench_host){ .cpus = (int)sysconf(_SC_NPROCESSORS_ONLN) };
	uname(&kernel);
	snprintf(host->kernel, sizeof(host->kernel), "%.20s %.50s %.20s", kernel.sysname,
		 kernel.release, kernel.machine);
	read_cpu(host, kernel.machine);
	if (getloadavg(&host->load, 1) != 1)
		host->load = 0;
	snprintf(host->zlib, sizeof(host->zlib), "%s", zlibVersion());
	snprintf(host->libzstd, sizeof(host->libzstd), "%s", ZSTD_versionString());
	/* These do not tell at run time: what was built against. */
	snprintf(host->isal, sizeof(host->isal), "%d.%d.%d", ISAL_MAJOR_VERSION,
		 ISAL_MINOR_VERSION, ISAL_PATCH_VERSION);
	snprintf(host->libdeflate, sizeof(host->libdeflate), "%s",
		 LIBDEFLATE_VERSION_STRING);
}

json_t *bench_host_json(const struct bench_host *host)
{
	return json_pack("{s:s, s:s, s:i, s:f, s:{s:s, s:s, s:s, s:s}}", "cpu", host->cpu,
			 "kernel", host->kernel, "cpus", host->cpus, "load", host->load,
			 "libraries", "zlib", host->zlib, "libzstd", host->libzstd,
			 "isa-l", host->isal, "libdeflate", host->libdeflate);
}
