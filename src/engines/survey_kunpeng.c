/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* survey_kunpeng.c - Kunpeng's ZIP engines.
 *
 * Linux Documentation/ABI/testing/sysfs-driver-uacce; drivers/crypto/hisilicon/zip. */
#include <stdio.h>
#include <string.h>

#include "engines/survey.h"

#define CLASS "/sys/class/uacce"

static void look_at_engine(struct survey *survey, const struct host *host,
			   const char *name)
{
	struct survey_item *item = survey_add(survey, "device", name);
	bool there = host_has(host, "/dev/%s", name);
	bool usable = host_may_use(host, "/dev/%s", name);
	char algorithms[HOST_TEXT], instances[HOST_TEXT], isolate[HOST_TEXT];
	char node[HOST_TEXT];

	host_read(host, algorithms, CLASS "/%s/algorithms", name);
	host_read(host, instances, CLASS "/%s/available_instances", name);
	host_read(host, isolate, CLASS "/%s/isolate", name);
	snprintf(node, sizeof(node), "/dev/%.*s", (int)HOST_NAME, name);
	survey_put(item, "algorithms", algorithms);
	survey_put(item, "available_instances", instances);
	survey_put(item, "isolate", isolate);
	survey_put(item, "device_file",
		   usable  ? "accessible"
		   : there ? "not accessible"
			   : "missing");
	if (strcmp(isolate, "1") == 0)
		survey_find(survey, FINDING_KUNPENG_ISOLATED, name, "");
	else if (strcmp(instances, "0") == 0)
		survey_find(survey, FINDING_KUNPENG_TAKEN, name, "");
	else if (!usable)
		survey_find(survey, FINDING_KUNPENG_NO_ACCESS, node, "");
}

void survey_kunpeng(struct survey *survey, const struct host *host)
{
	/* Only of physical functions: a virtual one may be a guest's. */
	static const char *const ids[] = { "0xa250", NULL };
	struct survey_functions functions;
	struct host_names engines;

	host_list(host, &engines, CLASS, "hisi_zip-", "0123456789");
	for (uint32_t i = 0; i < engines.count; i++)
		look_at_engine(survey, host, engines.names[i]);
	if (engines.count > 0)
		return;
	survey_pci(&functions, host, "0x19e5", ids);
	for (uint32_t i = 0; i < functions.names.count; i++) {
		const char *function = functions.names.names[i];
		char driver[HOST_TEXT];

		host_link(host, driver, "/sys/bus/pci/devices/%s/driver", function);
		survey_put(survey_add(survey, "function", function), "driver",
			   driver[0] ? driver : "none");
		survey_find(survey, FINDING_KUNPENG_NO_UACCE, function, "");
	}
}
