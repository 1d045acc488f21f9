/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* roster.c - formats and engines. */
#include "engines/roster.h"

#include <assert.h>
#include <string.h>

static void take(struct roster_list *list, const struct codec *codec,
		 enum direction direction, bool simulated)
{
	struct gw_error ignored;
	const struct engine *chosen = engine_choose(
		codec->id, direction, codec->level_default, ACCELERATOR_AUTO, &ignored);

	for (const struct engine *const *at = engines_of(codec->id, direction); *at;
	     at++) {
		struct roster_entry *entry;

		if ((*at)->accelerator == ACCELERATOR_SIMULATED && !simulated)
			continue;
		assert(list->count < ROSTER_ENGINES_MAX);
		entry = &list->entries[list->count++];
		entry->engine = *at;
		entry->usable = (*at)->probe(*at, &entry->why) == 0;
		entry->chosen = *at == chosen;
	}
}

void roster_take(struct roster *roster, bool simulated)
{
	memset(roster, 0, sizeof(*roster));
	for (unsigned i = 0; i < CODEC_COUNT; i++) {
		const struct codec *codec = codec_by_id((enum codec_id)i);

		if (codec->id == CODEC_NONE)
			continue;
		take(&roster->lists[i][ENCODE], codec, ENCODE, simulated);
		take(&roster->lists[i][DECODE], codec, DECODE, simulated);
	}
}

const struct roster_entry *roster_unusable(const struct roster *roster, const char *name)
{
	for (unsigned i = 0; i < CODEC_COUNT; i++) {
		for (unsigned direction = 0; direction < 2; direction++) {
			const struct roster_list *list = &roster->lists[i][direction];

			for (uint32_t j = 0; j < list->count; j++)
				if (!list->entries[j].usable &&
				    strcmp(list->entries[j].engine->name, name) == 0)
					return &list->entries[j];
		}
	}
	return NULL;
}
