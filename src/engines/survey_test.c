/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* survey_test.c - surveys of hosts that are made up in a directory. */
#include "engines/survey.h"

#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/check.h"

#define WQ "/sys/bus/dsa/devices/iax1/wq1.0"
#define PF "/sys/bus/pci/devices/0000:6b:00.0"
#define VF "/sys/bus/pci/devices/0000:6b:00.1"
#define ZIP "/sys/class/uacce/hisi_zip-2"

static char root[64];
static struct survey survey;
static struct host host;

/* ---- a host ---- */

static void path_of(char path[256], const char *name)
{
	snprintf(path, 256, "%s%s", root, name);
}

static void make_parents(char *path)
{
	for (char *slash = path + strlen(root) + 1; (slash = strchr(slash, '/'));
	     slash++) {
		*slash = '\0';
		mkdir(path, 0755);
		*slash = '/';
	}
}

/* A file, or with NULL none. */
static void put(const char *name, const char *text)
{
	char path[256];
	FILE *file;

	path_of(path, name);
	remove(path);
	if (!text)
		return;
	make_parents(path);
	file = fopen(path, "w");
	CHECK(file);
	fputs(text, file);
	fclose(file);
}

static void put_link(const char *name, const char *target)
{
	char path[256];

	path_of(path, name);
	remove(path);
	make_parents(path);
	CHECK_EQ(symlink(target, path), 0);
}

static int remove_one(const char *path, const struct stat *status, int flag,
		      struct FTW *where)
{
	return remove(path);
}

static void empty_host(void)
{
	if (root[0])
		nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	snprintf(root, sizeof(root), "/tmp/survey-XXXXXX");
	CHECK(mkdtemp(root));
	chmod(root, 0755);
	host_init(&host, root);
	host.memlock_bytes = UINT64_MAX;
	snprintf(host.user, sizeof(host.user), "ann");
}

static void host_with_iaa(void)
{
	empty_host();
	put("/sys/bus/pci/devices/0000:6a:02.0/vendor", "0x8086\n");
	put("/sys/bus/pci/devices/0000:6a:02.0/device", "0x0cfe\n");
	put_link("/sys/bus/pci/devices/0000:6a:02.0/driver",
		 "../../bus/pci/drivers/idxd");
	put("/sys/bus/dsa/devices/dsa0/state", "enabled\n");
	put("/sys/bus/dsa/devices/iax1/state", "enabled\n");
	put("/sys/bus/dsa/devices/iax1/version", "0x100\n");
	put("/sys/bus/dsa/devices/iax1/pasid_enabled", "1\n");
	put(WQ "/state", "enabled\n");
	put(WQ "/mode", "shared\n");
	put(WQ "/type", "user\n");
	put(WQ "/name", "app1\n");
	put(WQ "/size", "16\n");
	put(WQ "/threshold", "16\n");
	put(WQ "/block_on_fault", "1\n");
	put(WQ "/max_transfer_size", "2147483648\n");
	/* As the kernel has them: not configured. */
	put("/sys/bus/dsa/devices/iax1/wq1.1/size", "0\n");
	put("/sys/bus/dsa/devices/iax1/wq1.1/state", "disabled\n");
	put("/dev/iax/wq1.0", "");
	put("/usr/lib/x86_64-linux-gnu/libqpl.so.1", "");
	put("/usr/lib/x86_64-linux-gnu/libaccel-config.so.1", "");
}

static void host_with_qat(void)
{
	empty_host();
	put(PF "/vendor", "0x8086\n");
	put(PF "/device", "0x4940\n");
	put_link(PF "/driver", "../../../../bus/pci/drivers/4xxx");
	put(PF "/qat/state", "up\n");
	put(PF "/qat/cfg_services", "sym;dc\n");
	put(PF "/qat/num_rps", "64\n");
	put(PF "/sriov_numvfs", "1\n");
	put(VF "/vendor", "0x8086\n");
	put(VF "/device", "0x4941\n");
	put_link(VF "/driver", "../../../../bus/pci/drivers/vfio-pci");
	put_link(VF "/iommu_group", "../../../../kernel/iommu_groups/77");
	put("/dev/vfio/77", "");
	put("/run/qat/qatmgr.sock", "");
	put("/usr/lib/libqatzip.so.3", "");
}

static void host_with_kunpeng(void)
{
	empty_host();
	put("/sys/bus/pci/devices/0000:75:00.0/vendor", "0x19e5\n");
	put("/sys/bus/pci/devices/0000:75:00.0/device", "0xa250\n");
	put_link("/sys/bus/pci/devices/0000:75:00.0/driver", "../drivers/hisi_zip");
	put(ZIP "/algorithms", "zlib\ngzip\ndeflate\nlz77_zstd\n");
	put(ZIP "/available_instances", "254\n");
	put(ZIP "/isolate", "0\n");
	put("/dev/hisi_zip-2", "");
}

static void take(void (*kind)(struct survey *survey, const struct host *host))
{
	memset(&survey, 0, sizeof(survey));
	kind(&survey, &host);
}

/* "" when nothing was found. */
static const char *only_finding(void)
{
	CHECK(survey.finding_count <= 1);
	return survey.finding_count == 0 ? "" : survey.findings[0].advice->id;
}

static const char *value_of(const struct survey_item *item, const char *key)
{
	for (uint32_t i = 0; i < item->value_count; i++)
		if (strcmp(item->values[i].key, key) == 0)
			return item->values[i].text;
	return "";
}

/* What one change of a host in order is found to be. */
struct change {
	const char *path, *text;
	const char *finding;
	const char *sentence, *command; /* parts */
};

static void check_changes(void (*make)(void),
			  void (*kind)(struct survey *survey, const struct host *host),
			  const struct change *changes, unsigned count)
{
	char sentence[ADVICE_TEXT], commands[ADVICE_TEXT];

	make();
	take(kind);
	CHECK(survey.item_count > 0);
	CHECK_STR(only_finding(), "");
	for (unsigned i = 0; i < count; i++) {
		make();
		put(changes[i].path, changes[i].text);
		take(kind);
		CHECK_STR(only_finding(), changes[i].finding);
		survey_explain(&survey.findings[0], &host, sentence, commands);
		CHECK_CONTAINS(sentence, changes[i].sentence);
		CHECK_CONTAINS(commands, changes[i].command);
	}
}

#define CHECK_CHANGES(make, kind, changes) \
	check_changes(make, kind, changes, sizeof(changes) / sizeof((changes)[0]))

/* ---- tests ---- */

TEST(nothing_is_found_where_nothing_is)
{
	static struct survey surveys[SURVEY_KINDS];

	empty_host();
	survey_take(surveys, &host);
	for (unsigned i = 0; i < SURVEY_KINDS; i++) {
		CHECK_EQ(surveys[i].item_count, 0);
		CHECK_EQ(surveys[i].finding_count, 0);
		CHECK_EQ(surveys[i].accelerator, (int)ACCELERATOR_QPL + (int)i);
	}
}

TEST(own_host_is_surveyed)
{
	static struct survey surveys[SURVEY_KINDS];

	host_init(&host, "/");
	CHECK_STR(host.root, "");
	CHECK(host.user[0]);
	survey_take(surveys, &host);
}

TEST(iaa_and_its_queues_are_told)
{
	host_with_iaa();
	take(survey_iaa);
	CHECK_EQ(survey.item_count, 2);
	CHECK_STR(survey.items[0].name, "iax1");
	CHECK_STR(value_of(&survey.items[0], "version"), "0x100");
	CHECK_STR(survey.items[1].name, "iax1/wq1.0");
	CHECK_STR(survey.items[1].kind, "queue");
	CHECK_STR(value_of(&survey.items[1], "max_transfer_size"), "2147483648");
	CHECK_STR(value_of(&survey.items[1], "device_file"), "accessible");
}

TEST(iaa_findings_have_their_commands)
{
	static const struct change changes[] = {
		{ WQ "/mode", "dedicated\n", "iaa-dedicated", "shared queues only",
		  "accel-config config-wq iax1/wq1.0 -t 16 -b 1 -m shared" },
		{ WQ "/type", "kernel\n", "iaa-not-user", "its type is kernel",
		  "-y user -n godwit -d user" },
		{ WQ "/state", "disabled\n", "iaa-queue-disabled",
		  "iax1/wq1.0 is disabled", "accel-config enable-wq iax1/wq1.0" },
		{ WQ "/size", "0\n", "iaa-no-queue", "iax1 has no work queue",
		  "accel-config enable-wq iax1/wq1.0" },
		{ WQ "/block_on_fault", "0\n", "iaa-no-faults", "page faults",
		  "accel-config config-wq iax1/wq1.0 -b 1" },
		{ "/dev/iax/wq1.0", NULL, "iaa-no-node", "no device file",
		  "accel-config config-wq iax1/wq1.0 -d user" },
		{ "/sys/bus/dsa/devices/iax1/state", "disabled\n", "iaa-disabled",
		  "iax1 is disabled", "accel-config enable-device iax1" },
		{ "/sys/bus/dsa/devices/iax1/pasid_enabled", "0\n", "iaa-no-svm",
		  "shared virtual memory", "intel_iommu=on,sm_on" },
		{ "/usr/lib/x86_64-linux-gnu/libaccel-config.so.1", NULL, "no-library",
		  "libaccel-config.so.1 is not installed",
		  "apt-get install libaccel-config1" },
		{ "/usr/lib/x86_64-linux-gnu/libqpl.so.1", NULL, "no-library",
		  "libqpl.so.1 is not installed", "apt-get install libqpl1" },
		{ "/sys/bus/pci/devices/0000:6a:02.0/driver", NULL, "iaa-no-driver",
		  "0000:6a:02.0", "modprobe idxd" },
	};

	CHECK_CHANGES(host_with_iaa, survey_iaa, changes);
	host_with_iaa();
	put(WQ "/type", "kernel\n");
	put("/sys/module/iaa_crypto/refcnt", "1\n");
	take(survey_iaa);
	CHECK_STR(only_finding(), "iaa-kernel-crypto");
}

TEST(qat_functions_are_told)
{
	host_with_qat();
	take(survey_qat);
	CHECK_EQ(survey.item_count, 2);
	CHECK_STR(survey.items[0].name, "0000:6b:00.0");
	CHECK_STR(value_of(&survey.items[0], "cfg_services"), "sym;dc");
	CHECK_STR(value_of(&survey.items[0], "driver"), "4xxx");
	CHECK_STR(survey.items[1].kind, "function");
	CHECK_STR(value_of(&survey.items[1], "group"), "/dev/vfio/77");
}

TEST(qat_findings_have_their_commands)
{
	static const struct change changes[] = {
		{ PF "/driver", NULL, "qat-no-driver", "0000:6b:00.0",
		  "modprobe qat_4xxx" },
		{ PF "/qat/state", "down\n", "qat-down", "0000:6b:00.0 is down",
		  "echo up >/sys/bus/pci/devices/0000:6b:00.0/qat/state" },
		{ PF "/qat/cfg_services", "sym;asym\n", "qat-no-compression",
		  "its services are sym;asym", "echo dc >" },
		{ PF "/sriov_numvfs", "0\n", "qat-no-functions", "virtual function",
		  "systemctl enable --now qat" },
		{ VF "/driver", NULL, "qat-not-vfio", "0000:6b:00.1 is not at vfio-pci",
		  "modprobe vfio-pci" },
		{ "/dev/vfio/77", NULL, "qat-no-access", "ann may not use /dev/vfio/77",
		  "usermod -aG qat ann" },
		{ "/run/qat/qatmgr.sock", NULL, "qat-no-service", "qatmgr",
		  "systemctl enable --now qat" },
		{ "/usr/lib/libqatzip.so.3", NULL, "no-library", "libqatzip.so.3",
		  "apt-get install libqatzip3" },
	};
	char sentence[ADVICE_TEXT], commands[ADVICE_TEXT];

	CHECK_CHANGES(host_with_qat, survey_qat, changes);
	host_with_qat();
	host.memlock_bytes = 8u << 20;
	take(survey_qat);
	CHECK_STR(only_finding(), "qat-memlock");
	survey_explain(&survey.findings[0], &host, sentence, commands);
	CHECK_STR(sentence, "ann may lock 8192 KiB of memory, 16384 KiB are needed");
	CHECK_CONTAINS(commands, "/etc/security/limits.d/");
	host.memlock_bytes = 16u << 20;
	take(survey_qat);
	CHECK_STR(only_finding(), "");
}

TEST(kunpeng_findings_have_their_commands)
{
	static const struct change changes[] = {
		{ ZIP "/isolate", "1\n", "kunpeng-isolated", "hisi_zip-2",
		  "modprobe hisi_zip" },
		{ "/dev/hisi_zip-2", NULL, "kunpeng-no-access",
		  "ann may not use /dev/hisi_zip-2", "chown ann /dev/hisi_zip-2" },
	};

	CHECK_CHANGES(host_with_kunpeng, survey_kunpeng, changes);
	host_with_kunpeng();
	take(survey_kunpeng);
	CHECK_STR(value_of(&survey.items[0], "algorithms"),
		  "zlib gzip deflate lz77_zstd");
	put(ZIP "/available_instances", "0\n");
	take(survey_kunpeng);
	CHECK_STR(only_finding(), "kunpeng-taken");
	/* Without uacce_mode=1 there is the PCI function alone. */
	empty_host();
	put("/sys/bus/pci/devices/0000:75:00.0/vendor", "0x19e5\n");
	put("/sys/bus/pci/devices/0000:75:00.0/device", "0xa250\n");
	take(survey_kunpeng);
	CHECK_STR(only_finding(), "kunpeng-no-uacce");
}

/* Whoever may do everything tries as somebody who may not. */
TEST(device_files_of_others_are_not_accessible)
{
	char path[256];

	host_with_iaa();
	path_of(path, "/dev/iax/wq1.0");
	CHECK_EQ(chmod(path, 0), 0);
	if (geteuid() == 0)
		CHECK_EQ(seteuid(65534), 0);
	take(survey_iaa);
	if (getuid() == 0)
		CHECK_EQ(seteuid(0), 0);
	CHECK_STR(only_finding(), "iaa-no-access");
	CHECK_STR(value_of(&survey.items[1], "device_file"), "not accessible");
}

TEST(odd_files_are_bounded_and_printable)
{
	static char large[8192];
	char path[256];

	memset(large, 'x', sizeof(large) - 1);
	host_with_iaa();
	put(WQ "/name", large);
	put(WQ "/threshold", "1\x1b[31m\xff\x7f\n2");
	put("/sys/bus/dsa/devices/iax1/version", "");
	/* Nobody writes to it: not to wait for. */
	path_of(path, WQ "/occupancy");
	CHECK_EQ(mkfifo(path, 0600), 0);
	path_of(path, "/sys/bus/dsa/devices/iax1/numa_node");
	CHECK_EQ(mkdir(path, 0755), 0);
	put_link("/sys/bus/dsa/devices/iax1/max_work_queues", "/nowhere/at/all");
	put("/sys/bus/dsa/devices/iax1/wq1.0;reboot/size", "16\n");
	put("/sys/bus/dsa/devices/iax1\n/state", "enabled\n");
	take(survey_iaa);
	CHECK_EQ(survey.item_count, 2);
	CHECK_EQ(strlen(value_of(&survey.items[1], "name")), HOST_TEXT - 1);
	CHECK_STR(value_of(&survey.items[1], "threshold"), "1\\x1b[31m\\xff\\x7f 2");
	CHECK_STR(value_of(&survey.items[1], "occupancy"), "");
	CHECK_STR(value_of(&survey.items[0], "version"), "");
	CHECK_STR(value_of(&survey.items[0], "numa_node"), "");
}

TEST(many_devices_are_counted)
{
	empty_host();
	for (unsigned i = 0; i < SURVEY_ITEMS_MAX - 6; i++) {
		char name[64];

		snprintf(name, sizeof(name), "/sys/bus/dsa/devices/iax%u/state", i);
		put(name, "enabled\n");
		snprintf(name, sizeof(name), "/sys/bus/dsa/devices/iax%u/wq%u.0/size", i,
			 i);
		put(name, "1\n");
	}
	take(survey_iaa);
	CHECK_EQ(survey.item_count, SURVEY_ITEMS_MAX);
	CHECK_EQ(survey.items_left_out, SURVEY_ITEMS_MAX - 12);
	CHECK_EQ(survey.finding_count, SURVEY_FINDINGS_MAX);
	CHECK(survey.findings_left_out > 0);
	/* As numbers sort. */
	CHECK_STR(survey.items[4].name, "iax2");
}

TEST(probe_without_headers_is_a_finding_where_the_device_is)
{
	host_with_iaa();
	memset(&survey, 0, sizeof(survey));
	survey.accelerator = ACCELERATOR_QPL;
	survey_add_probe(&survey, "this godwit was built without QPL's headers");
	CHECK_EQ(survey.finding_count, 0);
	survey_iaa(&survey, &host);
	survey_add_probe(&survey, "no IAA");
	CHECK_EQ(survey.finding_count, 0);
	survey_add_probe(&survey, "this godwit was built without QPL's headers");
	CHECK_STR(only_finding(), "not-built");
}

TEST(advice_is_filled_in)
{
	char out[ADVICE_TEXT], small[8];

	for (int i = FINDING_BUILD; i <= FINDING_KUNPENG_NO_ACCESS; i++) {
		const struct advice *advice = advice_of((enum finding)i);

		CHECK(advice->id && advice->sentence);
		for (int j = FINDING_BUILD; j < i; j++)
			CHECK(strcmp(advice->id, advice_of((enum finding)j)->id) != 0);
		advice_fill_in(out, sizeof(out), advice->sentence, "it", "so", "ann");
		CHECK(!strchr(out, '{'));
		advice_fill_in(out, sizeof(out), advice->commands ? advice->commands : "",
			       "it", "so", "ann");
		CHECK(!strchr(out, '{'));
		CHECK(strlen(out) + HOST_TEXT < sizeof(out));
	}
	CHECK_STR(advice_fill_in(small, sizeof(small), "{} and {user}", "nobody", "", ""),
		  "nobody ");
}

TEST(last_host_goes)
{
	nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

TEST_MAIN(TEST_OF(nothing_is_found_where_nothing_is), TEST_OF(own_host_is_surveyed),
	  TEST_OF(iaa_and_its_queues_are_told), TEST_OF(iaa_findings_have_their_commands),
	  TEST_OF(qat_functions_are_told), TEST_OF(qat_findings_have_their_commands),
	  TEST_OF(kunpeng_findings_have_their_commands),
	  TEST_OF(device_files_of_others_are_not_accessible),
	  TEST_OF(odd_files_are_bounded_and_printable), TEST_OF(many_devices_are_counted),
	  TEST_OF(probe_without_headers_is_a_finding_where_the_device_is),
	  TEST_OF(advice_is_filled_in), TEST_OF(last_host_goes))
