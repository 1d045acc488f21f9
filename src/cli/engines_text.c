/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* engines_text.c - engines and devices for people. */
#include "cli/engines_text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define COLUMNS 90u
#define CELL_BYTES 128u

/* `text` behind what stands in the line up to `column`, which its other lines start at. */
static void print_wrapped(unsigned column, const char *text)
{
	unsigned at = column;

	while (text[0]) {
		size_t length = strcspn(text, " ");

		if (at > column && at + 1 + length > COLUMNS) {
			printf("\n%*s", (int)column, "");
			at = column;
		}
		at += (unsigned)printf("%s%.*s", at > column ? " " : "", (int)length,
				       text);
		text += length + (text[length] == ' ');
	}
	putchar('\n');
}

/* ---- formats and engines ---- */

/* "(qatzip 1-9) isal 1-3* zlib 0-9" */
static const char *list_cell(char out[CELL_BYTES], const struct roster_list *list,
			     enum direction direction)
{
	size_t used = 0;

	out[0] = '\0';
	for (uint32_t i = 0; i < list->count && used < CELL_BYTES; i++) {
		const struct roster_entry *entry = &list->entries[i];
		const struct engine *engine = entry->engine;
		char levels[16] = "";

		if (direction == ENCODE && engine->level_max > 0)
			snprintf(levels, sizeof(levels), " %d-%d", engine->level_min,
				 engine->level_max);
		used += (size_t)snprintf(out + used, CELL_BYTES - used, "%s%s%s%s%s%s",
					 i > 0 ? " " : "", entry->usable ? "" : "(",
					 engine->name, levels, entry->usable ? "" : ")",
					 entry->chosen ? "*" : "");
	}
	return out;
}

/* Each engine that is not usable, once. */
static void print_reasons(const struct roster *roster)
{
	const struct roster_entry *told[CODEC_COUNT * 2 * ROSTER_ENGINES_MAX];
	unsigned count = 0;

	for (unsigned i = 0; i < 2 * CODEC_COUNT; i++) {
		const struct roster_list *list = &roster->lists[i / 2][i % 2];

		for (uint32_t j = 0; j < list->count; j++) {
			const struct roster_entry *first =
				roster_unusable(roster, list->entries[j].engine->name);
			unsigned k = 0;

			while (k < count && told[k] != first)
				k++;
			if (list->entries[j].usable || k < count)
				continue;
			told[count++] = first;
			printf("  %-8s ", first->engine->name);
			print_wrapped(11, first->why.text);
		}
	}
}

void engines_text_roster(const struct roster *roster)
{
	char encoders[CELL_BYTES], decoders[CELL_BYTES], level[16];

	printf("%-7s %-5s %-46s %s\n", "format", "level", "encoders", "decoders");
	for (unsigned i = 0; i < CODEC_COUNT; i++) {
		const struct codec *codec = codec_by_id((enum codec_id)i);

		if (codec->level_max > 0)
			snprintf(level, sizeof(level), "%d-%d", codec->level_min,
				 codec->level_max);
		else
			snprintf(level, sizeof(level), "-");
		if (codec->id == CODEC_NONE)
			printf("%-7s %-5s nobody has to: pages as they are\n",
			       codec->name, level);
		else
			printf("%-7s %-5s %-46s %s\n", codec->name, level,
			       list_cell(encoders, &roster->lists[i][ENCODE], ENCODE),
			       list_cell(decoders, &roster->lists[i][DECODE], DECODE));
	}
	printf("\n*: taken by accelerator \"auto\", to encode at the default level; "
	       "(not usable here):\n");
	print_reasons(roster);
}

/* ---- devices ---- */

static void print_item(const struct survey_item *item)
{
	char text[SURVEY_VALUES_MAX * (HOST_TEXT + 32)] = "";
	size_t used = 0;

	for (uint32_t i = 0; i < item->value_count && used < sizeof(text); i++)
		used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%s %s",
					 i > 0 ? ", " : "", item->values[i].key,
					 item->values[i].text);
	printf("  %-8s %-14s ", item->kind, item->name);
	print_wrapped(26, text);
}

static void print_finding(const struct survey_finding *finding, const struct host *host)
{
	char sentence[ADVICE_TEXT], commands[ADVICE_TEXT];
	const char *line = commands;

	survey_explain(finding, host, sentence, commands);
	printf("  - ");
	print_wrapped(4, sentence);
	while (line[0]) {
		size_t length = strcspn(line, "\n");

		printf("        %.*s\n", (int)length, line);
		line += length + (line[length] == '\n');
	}
}

void engines_text_surveys(const struct survey surveys[SURVEY_KINDS],
			  const struct host *host)
{
	for (unsigned i = 0; i < SURVEY_KINDS; i++) {
		const struct survey *survey = &surveys[i];

		printf("%s%s (%s):%s\n", i == 0 || survey->item_count > 0 ? "\n" : "",
		       survey->title, accelerator_name(survey->accelerator),
		       survey->item_count == 0 ? " none here" : "");
		for (uint32_t j = 0; j < survey->item_count; j++)
			print_item(&survey->items[j]);
		if (survey->items_left_out > 0)
			printf("  and %u more\n", survey->items_left_out);
		for (uint32_t j = 0; j < survey->finding_count; j++)
			print_finding(&survey->findings[j], host);
		if (survey->findings_left_out > 0)
			printf("  and %u more findings\n", survey->findings_left_out);
	}
}

/* ---- the self-test ---- */

void engines_text_heading(void)
{
	printf("\nself-test, on pages of this program, zeros, random bytes and text:\n"
	       "%-7s %-12s %-12s %-10s %7s %6s\n",
	       "format", "encoder", "decoder", "levels", "packets", "ratio");
}

void engines_text_pair(void *state, const struct self_test_pair *pair)
{
	char levels[32] = "-";
	size_t used = 0;

	(void)state;
	for (uint32_t i = 0; i < pair->level_count && pair->encoder->level_max > 0; i++)
		used += (size_t)snprintf(levels + used, sizeof(levels) - used, "%s%d",
					 i > 0 ? "," : "", pair->levels[i]);
	printf("%-7s %-12s %-12s %-10s %7u %6.2f %s%s\n", pair->codec->name,
	       pair->encoder->name, pair->decoder->name, levels, pair->packets,
	       pair->payload_bytes > 0
		       ? (double)pair->page_bytes / (double)pair->payload_bytes
		       : 0,
	       pair->passed ? "ok" : "FAILED: ", pair->passed ? "" : pair->why.text);
	fflush(stdout);
}

/* What the figures say of a device; the simulated one is software. */
static const char *cost_verdict(const struct self_test_cost *cost)
{
	if (cost->device_units == 0)
		return ": the device did nothing";
	if (cost->device->accelerator != ACCELERATOR_SIMULATED &&
	    cost->device_us >= cost->software_us)
		return ": it saves no processor time";
	return "";
}

void engines_text_costs(const struct self_test *test)
{
	for (uint32_t i = 0; i < test->cost_count; i++) {
		const struct self_test_cost *cost = &test->costs[i];

		printf("%-7s %s: %s %.0f us of processor time a MiB, %s %.0f us; %" PRIu64
		       " of %" PRIu64 " units by the device%s\n",
		       cost->codec->name, cost->direction == ENCODE ? "encode" : "decode",
		       cost->device->name, cost->device_us, cost->software->name,
		       cost->software_us, cost->device_units, cost->units,
		       cost_verdict(cost));
	}
}
