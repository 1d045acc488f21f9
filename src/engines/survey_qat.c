/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* survey_qat.c - Intel's QuickAssist devices, the physical functions that are configured and the
 * virtual ones that processes use.
 *
 * Linux Documentation/ABI/testing/sysfs-driver-qat; QATlib's INSTALL. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "engines/survey.h"

#define FUNCTIONS "/sys/bus/pci/devices"

/* What QATlib's own start-up locks for a function. */
#define MEMLOCK_BYTES (UINT64_C(16) << 20)

/* A physical function and, one behind it, its virtual ones. */
static const char *const ids[] = { "0x4940", "0x4941", "0x4942", "0x4943",
				   "0x4944", "0x4945", "0x4946", "0x4947",
				   "0x4948", "0x4949", NULL };
static const char *const modules[] = { "qat_4xxx", "qat_4xxx", "qat_4xxx", "qat_420xx",
				       "qat_6xxx" };

/* Whether `word` is one of those that semicolons part: "sym;dc". */
static bool has_service(const char *services, const char *word)
{
	size_t length = strlen(word);

	for (;;) {
		size_t part = strcspn(services, ";");

		if (part == length && memcmp(services, word, length) == 0)
			return true;
		if (services[part] == '\0')
			return false;
		services += part + 1;
	}
}

static void look_at_physical(struct survey *survey, const struct host *host,
			     const char *function, uint32_t which)
{
	struct survey_item *item = survey_add(survey, "device", function);
	char driver[HOST_TEXT], state[HOST_TEXT], services[HOST_TEXT], text[HOST_TEXT];

	host_link(host, driver, FUNCTIONS "/%s/driver", function);
	host_read(host, state, FUNCTIONS "/%s/qat/state", function);
	host_read(host, services, FUNCTIONS "/%s/qat/cfg_services", function);
	survey_put(item, "id", ids[which]);
	survey_put(item, "driver", driver[0] ? driver : "none");
	survey_put(item, "state", state);
	survey_put(item, "cfg_services", services);
	host_read(host, text, FUNCTIONS "/%s/qat/num_rps", function);
	survey_put(item, "num_rps", text);
	host_read(host, text, FUNCTIONS "/%s/sriov_numvfs", function);
	survey_put(item, "sriov_numvfs", text);
	if (!driver[0])
		survey_find(survey, FINDING_QAT_NO_DRIVER, function, modules[which / 2]);
	else if (strcmp(driver, "vfio-pci") == 0)
		return; /* handed over whole */
	else if (services[0] && !has_service(services, "dc") &&
		 !has_service(services, "dcc"))
		survey_find(survey, FINDING_QAT_NO_COMPRESSION, function, services);
	else if (strcmp(state, "down") == 0)
		survey_find(survey, FINDING_QAT_DOWN, function, "");
	else if (strcmp(text, "0") == 0)
		survey_find(survey, FINDING_QAT_NO_FUNCTIONS, function, "");
}

static void look_at_virtual(struct survey *survey, const struct host *host,
			    const char *function, uint32_t which)
{
	struct survey_item *item = survey_add(survey, "function", function);
	char driver[HOST_TEXT], group[HOST_TEXT], text[HOST_TEXT] = "";
	bool usable;

	host_link(host, driver, FUNCTIONS "/%s/driver", function);
	survey_put(item, "id", ids[which]);
	survey_put(item, "driver", driver[0] ? driver : "none");
	if (strcmp(driver, "vfio-pci") != 0) {
		if (driver[0])
			snprintf(text, sizeof(text), " but at %.64s", driver);
		survey_find(survey, FINDING_QAT_NOT_VFIO, function, text);
		return;
	}
	if (!host_link(host, group, FUNCTIONS "/%s/iommu_group", function))
		return;
	usable = host_may_use(host, "/dev/vfio/%s", group);
	snprintf(text, sizeof(text), "/dev/vfio/%.64s", group);
	survey_put(item, "device_file", usable ? "accessible" : "not accessible");
	survey_put(item, "group", text);
	if (!usable)
		survey_find(survey, FINDING_QAT_NO_ACCESS, text, "");
}

static void look_at_user(struct survey *survey, const struct host *host,
			 uint32_t virtual_count)
{
	uint64_t needed = virtual_count * MEMLOCK_BYTES;
	char allowed[HOST_TEXT], wanted[HOST_TEXT];

	if (!host_has_library(host, "libqatzip.so.3"))
		survey_find(survey, FINDING_LIBRARY, "libqatzip3", "libqatzip.so.3");
	if (!host_has(host, "/run/qat/qatmgr.sock"))
		survey_find(survey, FINDING_QAT_NO_SERVICE, "qatmgr", "");
	if (host->memlock_bytes >= needed)
		return;
	snprintf(allowed, sizeof(allowed), "%" PRIu64 " KiB", host->memlock_bytes >> 10);
	snprintf(wanted, sizeof(wanted), "%" PRIu64 " KiB", needed >> 10);
	survey_find(survey, FINDING_QAT_MEMLOCK, wanted, allowed);
}

void survey_qat(struct survey *survey, const struct host *host)
{
	struct survey_functions functions;
	uint32_t virtual_count = 0;

	survey_pci(&functions, host, "0x8086", ids);
	for (uint32_t i = 0; i < functions.names.count; i++) {
		const char *function = functions.names.names[i];
		uint32_t which = functions.which[i];

		if (which % 2 == 0) {
			look_at_physical(survey, host, function, which);
		} else {
			look_at_virtual(survey, host, function, which);
			virtual_count++;
		}
	}
	if (survey->item_count > 0)
		look_at_user(survey, host, virtual_count);
}
