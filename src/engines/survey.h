/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* survey.h - the compression devices of a host: what there is, in which state, and what is
 * missing until a process can use it. */
#ifndef ENGINES_SURVEY_H
#define ENGINES_SURVEY_H

#include <jansson.h>
#include <stdint.h>

#include "codec/accelerator.h"
#include "engines/advice.h"
#include "engines/host.h"

#define SURVEY_ITEMS_MAX 256u
#define SURVEY_VALUES_MAX 10u
#define SURVEY_FINDINGS_MAX 64u

/* What a file says, or "yes" and "no" of ours. */
struct survey_value {
	const char *key;
	char text[HOST_TEXT];
};

struct survey_item {
	const char *kind; /* "device", "queue", "function" */
	char name[HOST_TEXT];
	uint32_t value_count;
	struct survey_value values[SURVEY_VALUES_MAX];
};

struct survey_finding {
	const struct advice *advice;
	char about[HOST_TEXT];
	char detail[HOST_TEXT];
};

/* Of one kind of device. */
struct survey {
	const char *title;
	enum accelerator accelerator;
	uint32_t item_count, items_left_out;
	struct survey_item items[SURVEY_ITEMS_MAX];
	uint32_t finding_count, findings_left_out;
	struct survey_finding findings[SURVEY_FINDINGS_MAX];
};

#define SURVEY_KINDS 3u

/* IAA, QAT, Kunpeng ZIP: SURVEY_KINDS of them, ACCELERATOR_QPL and on in that order. */
void survey_take(struct survey surveys[SURVEY_KINDS], const struct host *host);

/* The probe's answer, for what only it can know: a godwit without the library's header. */
void survey_add_probe(struct survey *survey, const char *why_not);

#define ADVICE_TEXT 1024u

/* What it is, and what changes it: "" or commands, a line each. */
void survey_explain(const struct survey_finding *finding, const struct host *host,
		    char sentence[ADVICE_TEXT], char commands[ADVICE_TEXT]);

/* ---- survey_iaa.c, survey_qat.c, survey_kunpeng.c; into an empty survey ---- */

void survey_iaa(struct survey *survey, const struct host *host);
void survey_qat(struct survey *survey, const struct host *host);
void survey_kunpeng(struct survey *survey, const struct host *host);

/* ---- for them ---- */

/* NULL when there are too many, which is counted. */
struct survey_item *survey_add(struct survey *survey, const char *kind, const char *name);

/* NULL for an item is fine; an empty text is left out. */
void survey_put(struct survey_item *item, const char *key, const char *text);
void survey_find(struct survey *survey, enum finding finding, const char *about,
		 const char *detail);

/* PCI functions of that vendor with one of these IDs ("0x4940"), by address.  `ids` ends with
 * NULL; `which` tells each one's place in it. */
struct survey_functions {
	struct host_names names;
	uint32_t which[HOST_NAMES_MAX];
};
void survey_pci(struct survey_functions *functions, const struct host *host,
		const char *vendor, const char *const *ids);

#endif
