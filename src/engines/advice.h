/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* advice.h - what keeps a device from being of use, and the command that changes it. */
#ifndef ENGINES_ADVICE_H
#define ENGINES_ADVICE_H

#include <stddef.h>

enum finding {
	FINDING_BUILD,
	FINDING_LIBRARY,
	FINDING_IAA_NO_DRIVER,
	FINDING_IAA_NO_SVM,
	FINDING_IAA_KERNEL_CRYPTO,
	FINDING_IAA_NO_QUEUE,
	FINDING_IAA_DISABLED,
	FINDING_IAA_NOT_USER,
	FINDING_IAA_DEDICATED,
	FINDING_IAA_QUEUE_DISABLED,
	FINDING_IAA_NO_NODE,
	FINDING_IAA_NO_ACCESS,
	FINDING_IAA_NO_FAULTS,
	FINDING_QAT_NO_DRIVER,
	FINDING_QAT_DOWN,
	FINDING_QAT_NO_COMPRESSION,
	FINDING_QAT_NO_FUNCTIONS,
	FINDING_QAT_NOT_VFIO,
	FINDING_QAT_NO_ACCESS,
	FINDING_QAT_NO_SERVICE,
	FINDING_QAT_MEMLOCK,
	FINDING_KUNPENG_NO_UACCE,
	FINDING_KUNPENG_ISOLATED,
	FINDING_KUNPENG_TAKEN,
	FINDING_KUNPENG_NO_ACCESS,
};

/* In both texts {} is what the finding is about, {detail} what it adds, {user} whom it should
 * work for. */
struct advice {
	const char *id; /* for programs: "iaa-no-queue" */
	const char *sentence;
	const char *commands; /* a line each; NULL: there is none */
};

const struct advice *advice_of(enum finding finding);

/* Returns `out`; what does not fit is cut. */
const char *advice_fill_in(char *out, size_t room, const char *text, const char *about,
			   const char *detail, const char *user);

#endif
