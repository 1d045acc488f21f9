/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* survey.c - the compression devices of a host. */
#include "engines/survey.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

struct survey_item *survey_add(struct survey *survey, const char *kind, const char *name)
{
	struct survey_item *item;

	if (survey->item_count == SURVEY_ITEMS_MAX) {
		survey->items_left_out++;
		return NULL;
	}
	item = &survey->items[survey->item_count++];
	item->kind = kind;
	snprintf(item->name, sizeof(item->name), "%s", name);
	return item;
}

void survey_put(struct survey_item *item, const char *key, const char *text)
{
	struct survey_value *value;

	if (!item || !text[0])
		return;
	assert(item->value_count < SURVEY_VALUES_MAX);
	value = &item->values[item->value_count++];
	value->key = key;
	snprintf(value->text, sizeof(value->text), "%s", text);
}

void survey_find(struct survey *survey, enum finding finding, const char *about,
		 const char *detail)
{
	struct survey_finding *found;

	if (survey->finding_count == SURVEY_FINDINGS_MAX) {
		survey->findings_left_out++;
		return;
	}
	found = &survey->findings[survey->finding_count++];
	found->advice = advice_of(finding);
	snprintf(found->about, sizeof(found->about), "%s", about);
	snprintf(found->detail, sizeof(found->detail), "%s", detail);
}

void survey_pci(struct survey_functions *functions, const struct host *host,
		const char *vendor, const char *const *ids)
{
	struct host_names *names = &functions->names;
	uint32_t kept = 0;

	host_list(host, names, "/sys/bus/pci/devices", "", "0123456789abcdef:.");
	for (uint32_t i = 0; i < names->count; i++) {
		char text[HOST_TEXT];
		uint32_t which = 0;

		if (!host_read(host, text, "/sys/bus/pci/devices/%s/vendor",
			       names->names[i]) ||
		    strcmp(text, vendor) != 0 ||
		    !host_read(host, text, "/sys/bus/pci/devices/%s/device",
			       names->names[i]))
			continue;
		while (ids[which] && strcmp(ids[which], text) != 0)
			which++;
		if (!ids[which])
			continue;
		functions->which[kept] = which;
		memmove(names->names[kept++], names->names[i], HOST_NAME);
	}
	names->count = kept;
}

void survey_take(struct survey surveys[SURVEY_KINDS], const struct host *host)
{
	static const struct {
		const char *title;
		enum accelerator accelerator;
		void (*take)(struct survey *survey, const struct host *host);
	} kinds[] = {
		{ "IAA", ACCELERATOR_QPL, survey_iaa },
		{ "QAT", ACCELERATOR_QATZIP, survey_qat },
		{ "Kunpeng ZIP", ACCELERATOR_UADK, survey_kunpeng },
	};

	static_assert(sizeof(kinds) / sizeof(kinds[0]) == SURVEY_KINDS, "one a kind");
	for (unsigned i = 0; i < SURVEY_KINDS; i++) {
		surveys[i] = (struct survey){ .title = kinds[i].title,
					      .accelerator = kinds[i].accelerator };
		kinds[i].take(&surveys[i], host);
	}
}

void survey_add_probe(struct survey *survey, const char *why_not)
{
	static const struct {
		enum accelerator accelerator;
		const char *packages, *headers;
	} needed[] = {
		{ ACCELERATOR_QPL, "libqpl-dev", "QPL's headers" },
		{ ACCELERATOR_QATZIP, "libqatzip-dev libqat-dev",
		  "QATzip's and QATlib's headers" },
	};

	/* device_absent.c says so; a host without the device needs no other godwit. */
	if (survey->item_count == 0 || !strstr(why_not, "was built without"))
		return;
	for (unsigned i = 0; i < sizeof(needed) / sizeof(needed[0]); i++)
		if (needed[i].accelerator == survey->accelerator)
			survey_find(survey, FINDING_BUILD, needed[i].packages,
				    needed[i].headers);
}

void survey_explain(const struct survey_finding *finding, const struct host *host,
		    char sentence[ADVICE_TEXT], char commands[ADVICE_TEXT])
{
	const struct advice *advice = finding->advice;

	advice_fill_in(sentence, ADVICE_TEXT, advice->sentence, finding->about,
		       finding->detail, host->user);
	advice_fill_in(commands, ADVICE_TEXT, advice->commands ? advice->commands : "",
		       finding->about, finding->detail, host->user);
}
