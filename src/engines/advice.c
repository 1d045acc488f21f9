/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* advice.c - what keeps a device from being of use, and the command that changes it.
 *
 * Sources: the kernel's Documentation/ABI (stable/sysfs-driver-dma-idxd, testing/sysfs-driver-qat,
 * testing/sysfs-driver-uacce), the manuals of accel-config, QPL, QATlib and UADK. */
#include "engines/advice.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define CONFIG_WQ "accel-config config-wq "
#define USER_WQ "-m shared -y user -n godwit -d user"

static const struct advice advices[] = {
	[FINDING_BUILD] = { "not-built", "this godwit was built without {detail}",
			    "apt-get install {} && meson setup --wipe build && ninja -C "
			    "build" },
	[FINDING_LIBRARY] = { "no-library", "{detail} is not installed",
			      "apt-get install {}" },

	[FINDING_IAA_NO_DRIVER] = { "iaa-no-driver", "{} is an IAA without its driver",
				    "modprobe idxd" },
	[FINDING_IAA_NO_SVM] = { "iaa-no-svm",
				 "{} cannot use processes' addresses: shared virtual "
				 "memory is off",
				 "echo 'GRUB_CMDLINE_LINUX=\"$GRUB_CMDLINE_LINUX "
				 "intel_iommu=on,sm_on\"' \\\n"
				 "    >/etc/default/grub.d/iommu.cfg\n"
				 "update-grub && reboot" },
	[FINDING_IAA_KERNEL_CRYPTO] = { "iaa-kernel-crypto",
					"{} is a queue of the kernel's own: iaa_crypto "
					"takes each device when it is loaded",
					"modprobe -r iaa_crypto" },
	[FINDING_IAA_NO_QUEUE] = { "iaa-no-queue", "iax{} has no work queue",
				   "for n in 0 1 2 3 4 5 6 7; do "
				   "accel-config config-engine iax{}/engine{}.$n -g 0; "
				   "done\n" CONFIG_WQ
				   "iax{}/wq{}.0 -g 0 -s 128 -t 128 -p 10 -b 1 " USER_WQ
				   "\n"
				   "accel-config enable-device iax{}\n"
				   "accel-config enable-wq iax{}/wq{}.0" },
	[FINDING_IAA_DISABLED] = { "iaa-disabled", "{} is disabled",
				   "accel-config enable-device {}" },
	[FINDING_IAA_NOT_USER] = { "iaa-not-user",
				   "{} is not for processes: its type is {detail}",
				   "accel-config disable-wq {}\n" CONFIG_WQ
				   "{} -b 1 " USER_WQ "\n"
				   "accel-config enable-wq {}" },
	[FINDING_IAA_DEDICATED] = { "iaa-dedicated",
				    "{} is dedicated: QPL sees shared queues only",
				    "accel-config disable-wq {}\n" CONFIG_WQ
				    "{} -t {detail} -b 1 " USER_WQ "\n"
				    "accel-config enable-wq {}" },
	[FINDING_IAA_QUEUE_DISABLED] = { "iaa-queue-disabled", "{} is disabled",
					 "accel-config enable-wq {}" },
	[FINDING_IAA_NO_NODE] = { "iaa-no-node",
				  "{} has no device file: its driver is not \"user\"",
				  "accel-config disable-wq {}\n" CONFIG_WQ "{} -d user\n"
				  "accel-config enable-wq {}" },
	[FINDING_IAA_NO_ACCESS] = { "iaa-no-access", "{user} may not use {}",
				    "chown {user} {}" },
	[FINDING_IAA_NO_FAULTS] = { "iaa-no-faults",
				    "{} does not wait for page faults: pages that are "
				    "not there yet go by software",
				    "accel-config disable-wq {}\n" CONFIG_WQ "{} -b 1\n"
				    "accel-config enable-wq {}" },

	[FINDING_QAT_NO_DRIVER] = { "qat-no-driver", "{} is a QAT without its driver",
				    "modprobe {detail}" },
	[FINDING_QAT_DOWN] = { "qat-down", "{} is down",
			       "echo up >/sys/bus/pci/devices/{}/qat/state" },
	[FINDING_QAT_NO_COMPRESSION] = { "qat-no-compression",
					 "{} does not compress: its services are "
					 "{detail}",
					 "echo down >/sys/bus/pci/devices/{}/qat/state\n"
					 "echo dc "
					 ">/sys/bus/pci/devices/{}/qat/cfg_services\n"
					 "echo up >/sys/bus/pci/devices/{}/qat/state\n"
					 "systemctl restart qat" },
	[FINDING_QAT_NO_FUNCTIONS] = { "qat-no-functions",
				       "{} has no virtual function, which is what "
				       "processes use",
				       "systemctl enable --now qat" },
	[FINDING_QAT_NOT_VFIO] = { "qat-not-vfio", "{} is not at vfio-pci{detail}",
				   "modprobe vfio-pci && systemctl restart qat" },
	[FINDING_QAT_NO_ACCESS] = { "qat-no-access", "{user} may not use {}",
				    "usermod -aG qat {user}    (and log in again)" },
	[FINDING_QAT_NO_SERVICE] = { "qat-no-service",
				     "qatmgr is not running: QATlib then takes as many "
				     "functions as QAT_POLICY says",
				     "apt-get install qatlib-service && systemctl enable "
				     "--now qat" },
	[FINDING_QAT_MEMLOCK] = { "qat-memlock",
				  "{user} may lock {detail} of memory, {} are needed",
				  "echo '@qat - memlock 524288' "
				  ">/etc/security/limits.d/qat.conf    "
				  "(and log in again)" },

	[FINDING_KUNPENG_NO_UACCE] = { "kunpeng-no-uacce",
				       "{} is a Kunpeng ZIP that processes cannot reach",
				       "modprobe -r hisi_zip; modprobe hisi_zip "
				       "uacce_mode=1" },
	[FINDING_KUNPENG_ISOLATED] = { "kunpeng-isolated",
				       "{} was taken out of use after hardware errors",
				       "modprobe -r hisi_zip; modprobe hisi_zip "
				       "uacce_mode=1" },
	[FINDING_KUNPENG_TAKEN] = { "kunpeng-taken",
				    "all queues of {} are taken by others", NULL },
	[FINDING_KUNPENG_NO_ACCESS] = { "kunpeng-no-access", "{user} may not use {}",
					"chown {user} {}" },
};

const struct advice *advice_of(enum finding finding)
{
	assert((size_t)finding < sizeof(advices) / sizeof(advices[0]));
	return &advices[finding];
}

const char *advice_fill_in(char *out, size_t room, const char *text, const char *about,
			   const char *detail, const char *user)
{
	const struct {
		const char *mark, *value;
	} marks[] = { { "{}", about }, { "{detail}", detail }, { "{user}", user } };
	size_t used = 0;

	out[0] = '\0';
	while (*text && used + 1 < room) {
		const char *value = NULL;
		size_t taken = 1;

		for (int i = 0; i < 3 && !value; i++) {
			size_t length = strlen(marks[i].mark);

			if (strncmp(text, marks[i].mark, length) == 0) {
				value = marks[i].value;
				taken = length;
			}
		}
		used += (size_t)snprintf(out + used, room - used, "%.*s",
					 value ? (int)strlen(value) : 1,
					 value ? value : text);
		text += taken;
	}
	return out;
}
