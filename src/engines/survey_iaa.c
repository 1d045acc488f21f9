/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* survey_iaa.c - Intel's In-Memory Analytics Accelerators and their work queues.
 *
 * Linux Documentation/ABI/stable/sysfs-driver-dma-idxd. */
#include <stdio.h>
#include <string.h>

#include "engines/survey.h"

#define DEVICES "/sys/bus/dsa/devices"
#define DIGITS "0123456789"

/* What every host with an IAA needs. */
static void look_at_libraries(struct survey *survey, const struct host *host)
{
	if (!host_has_library(host, "libqpl.so.1"))
		survey_find(survey, FINDING_LIBRARY, "libqpl1", "libqpl.so.1");
	/* QPL opens it and does not depend on it. */
	if (!host_has_library(host, "libaccel-config.so.1"))
		survey_find(survey, FINDING_LIBRARY, "libaccel-config1",
			    "libaccel-config.so.1");
}

static void look_at_node(struct survey *survey, struct survey_item *item,
			 const struct host *host, const char *queue, const char *full)
{
	char node[HOST_TEXT];
	bool there = host_has(host, "/dev/iax/%s", queue);
	bool usable = host_may_use(host, "/dev/iax/%s", queue);

	snprintf(node, sizeof(node), "/dev/iax/%.*s", (int)HOST_NAME, queue);
	survey_put(item, "device_file",
		   usable  ? "accessible"
		   : there ? "not accessible"
			   : "missing");
	if (!there)
		survey_find(survey, FINDING_IAA_NO_NODE, full, "");
	else if (!usable)
		survey_find(survey, FINDING_IAA_NO_ACCESS, node, "");
}

/* False: the queue is not configured. */
static bool look_at_queue(struct survey *survey, const struct host *host,
			  const char *device, const char *queue)
{
	static const char *const keys[] = {
		"state",     "mode",	       "type",
		"name",	     "size",	       "threshold",
		"occupancy", "block_on_fault", "max_transfer_size"
	};
	enum { STATE, MODE, TYPE, NAME, SIZE, THRESHOLD, OCCUPANCY, FAULTS, KEYS = 9 };
	char text[KEYS][HOST_TEXT], full[HOST_TEXT];
	struct survey_item *item;

	for (unsigned i = 0; i < KEYS; i++)
		host_read(host, text[i], DEVICES "/%s/%s/%s", device, queue, keys[i]);
	if (text[SIZE][0] == '\0' || strcmp(text[SIZE], "0") == 0)
		return false;
	snprintf(full, sizeof(full), "%.*s/%.*s", (int)HOST_NAME, device, (int)HOST_NAME,
		 queue);
	item = survey_add(survey, "queue", full);
	for (unsigned i = 0; i < KEYS; i++)
		survey_put(item, keys[i], text[i]);
	if (strcmp(text[TYPE], "kernel") == 0 && host_has(host, "/sys/module/iaa_crypto"))
		survey_find(survey, FINDING_IAA_KERNEL_CRYPTO, full, "");
	else if (strcmp(text[TYPE], "user") != 0)
		survey_find(survey, FINDING_IAA_NOT_USER, full, text[TYPE]);
	else if (strcmp(text[MODE], "shared") != 0)
		survey_find(survey, FINDING_IAA_DEDICATED, full, text[SIZE]);
	else if (strcmp(text[STATE], "enabled") != 0)
		survey_find(survey, FINDING_IAA_QUEUE_DISABLED, full, "");
	else {
		look_at_node(survey, item, host, queue, full);
		if (strcmp(text[FAULTS], "0") == 0)
			survey_find(survey, FINDING_IAA_NO_FAULTS, full, "");
	}
	return true;
}

static void look_at_device(struct survey *survey, const struct host *host,
			   const char *device)
{
	static const char *const keys[] = { "state", "version", "pasid_enabled",
					    "numa_node", "max_work_queues" };
	enum { STATE, VERSION, PASID };
	struct survey_item *item = survey_add(survey, "device", device);
	char text[sizeof(keys) / sizeof(keys[0])][HOST_TEXT], where[128];
	const char *id = device + strlen("iax");
	struct host_names queues;
	uint32_t configured = 0;

	for (unsigned i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		host_read(host, text[i], DEVICES "/%s/%s", device, keys[i]);
		survey_put(item, keys[i], text[i]);
	}
	if (strcmp(text[PASID], "0") == 0)
		survey_find(survey, FINDING_IAA_NO_SVM, device, "");
	snprintf(where, sizeof(where), DEVICES "/%s", device);
	host_list(host, &queues, where, "wq", DIGITS ".");
	for (uint32_t i = 0; i < queues.count; i++)
		configured += look_at_queue(survey, host, device, queues.names[i]);
	if (configured == 0)
		survey_find(survey, FINDING_IAA_NO_QUEUE, id, "");
	else if (strcmp(text[STATE], "enabled") != 0)
		survey_find(survey, FINDING_IAA_DISABLED, device, "");
}

void survey_iaa(struct survey *survey, const struct host *host)
{
	/* Sapphire Rapids; Diamond Rapids, Panther Lake, Wildcat Lake (linux drivers/dma/idxd). */
	static const char *const ids[] = { "0x0cfe", "0x1216", "0xb02d", "0xfd2d", NULL };
	struct survey_functions functions;
	struct host_names devices;

	survey_pci(&functions, host, "0x8086", ids);
	for (uint32_t i = 0; i < functions.names.count; i++) {
		const char *function = functions.names.names[i];
		char driver[HOST_TEXT];

		if (host_link(host, driver, "/sys/bus/pci/devices/%s/driver", function))
			continue;
		survey_put(survey_add(survey, "function", function), "driver", "none");
		survey_find(survey, FINDING_IAA_NO_DRIVER, function, "");
	}
	host_list(host, &devices, DEVICES, "iax", DIGITS);
	for (uint32_t i = 0; i < devices.count; i++)
		look_at_device(survey, host, devices.names[i]);
	if (survey->item_count > 0)
		look_at_libraries(survey, host);
}
