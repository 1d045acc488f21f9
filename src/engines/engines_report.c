/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* engines_report.c - all that is known of engines and devices, as JSON. */
#include "engines/engines_report.h"

#include <stdio.h>
#include <string.h>

static json_t *levels_json(int least, int most)
{
	return most == 0 ? json_null() : json_pack("{si si}", "min", least, "max", most);
}

static json_t *list_json(const struct roster_list *list, enum direction direction)
{
	json_t *json = json_array();

	for (uint32_t i = 0; i < list->count; i++) {
		const struct roster_entry *entry = &list->entries[i];
		const struct engine *engine = entry->engine;
		json_t *one =
			json_pack("{ss ss sb sb sb}", "name", engine->name, "accelerator",
				  accelerator_name(engine->accelerator), "usable",
				  entry->usable, "auto", entry->chosen, "reference",
				  engine->reference);

		if (direction == ENCODE)
			json_object_set_new(one, "levels",
					    levels_json(engine->level_min,
							engine->level_max));
		if (!entry->usable)
			json_object_set_new(one, "why", json_string(entry->why.text));
		json_array_append_new(json, one);
	}
	return json;
}

static json_t *formats_json(const struct roster *roster)
{
	json_t *json = json_array();

	for (unsigned i = 0; i < CODEC_COUNT; i++) {
		const struct codec *codec = codec_by_id((enum codec_id)i);
		json_t *one = json_pack("{ss so so so}", "name", codec->name, "levels",
					levels_json(codec->level_min, codec->level_max),
					"encoders",
					list_json(&roster->lists[i][ENCODE], ENCODE),
					"decoders",
					list_json(&roster->lists[i][DECODE], DECODE));

		if (codec->level_max > 0)
			json_object_set_new(one, "default_level",
					    json_integer(codec->level_default));
		json_array_append_new(json, one);
	}
	return json;
}

static json_t *items_json(const struct survey *survey)
{
	json_t *json = json_array();

	for (uint32_t i = 0; i < survey->item_count; i++) {
		const struct survey_item *item = &survey->items[i];
		json_t *values = json_object();

		for (uint32_t j = 0; j < item->value_count; j++)
			json_object_set_new(values, item->values[j].key,
					    json_string(item->values[j].text));
		json_array_append_new(json,
				      json_pack("{ss ss so}", "kind", item->kind, "name",
						item->name, "values", values));
	}
	return json;
}

static json_t *commands_json(const char *commands)
{
	json_t *json = json_array();

	while (commands[0]) {
		size_t length = strcspn(commands, "\n");

		json_array_append_new(json, json_stringn(commands, length));
		commands += length + (commands[length] == '\n');
	}
	return json;
}

static json_t *findings_json(const struct survey *survey, const struct host *host)
{
	json_t *json = json_array();

	for (uint32_t i = 0; i < survey->finding_count; i++) {
		const struct survey_finding *finding = &survey->findings[i];
		char sentence[ADVICE_TEXT], commands[ADVICE_TEXT];

		survey_explain(finding, host, sentence, commands);
		json_array_append_new(
			json, json_pack("{ss ss ss so}", "id", finding->advice->id,
					"about", finding->about, "sentence", sentence,
					"commands", commands_json(commands)));
	}
	return json;
}

static json_t *devices_json(const struct survey *surveys, const struct host *host)
{
	json_t *json = json_array();

	for (unsigned i = 0; i < SURVEY_KINDS; i++) {
		const struct survey *survey = &surveys[i];

		json_array_append_new(
			json,
			json_pack("{ss ss so si so si}", "kind", survey->title,
				  "accelerator", accelerator_name(survey->accelerator),
				  "items", items_json(survey), "items_left_out",
				  (int)survey->items_left_out, "findings",
				  findings_json(survey, host), "findings_left_out",
				  (int)survey->findings_left_out));
	}
	return json;
}

static json_t *pair_json(const struct self_test_pair *pair)
{
	json_t *levels = json_array();
	json_t *json =
		json_pack("{ss ss ss sI sI sI sb so}", "format", pair->codec->name,
			  "encoder", pair->encoder->name, "decoder", pair->decoder->name,
			  "packets", (json_int_t)pair->packets, "page_bytes",
			  (json_int_t)pair->page_bytes, "payload_bytes",
			  (json_int_t)pair->payload_bytes, "passed", pair->passed,
			  "levels", levels);

	for (uint32_t i = 0; i < pair->level_count && pair->encoder->level_max > 0; i++)
		json_array_append_new(levels, json_integer(pair->levels[i]));
	if (!pair->passed)
		json_object_set_new(json, "error", json_string(pair->why.text));
	return json;
}

static json_t *cost_json(const struct self_test_cost *cost)
{
	return json_pack("{ss ss ss ss sf sf sI sI}", "format", cost->codec->name,
			 "direction", cost->direction == ENCODE ? "encode" : "decode",
			 "device", cost->device->name, "software", cost->software->name,
			 "device_cpu_us_per_mib", cost->device_us,
			 "software_cpu_us_per_mib", cost->software_us, "units",
			 (json_int_t)cost->units, "device_units",
			 (json_int_t)cost->device_units);
}

static json_t *self_test_json(const struct self_test *test)
{
	json_t *pairs = json_array(), *costs = json_array();

	for (uint32_t i = 0; i < test->pair_count; i++)
		json_array_append_new(pairs, pair_json(&test->pairs[i]));
	for (uint32_t i = 0; i < test->cost_count; i++)
		json_array_append_new(costs, cost_json(&test->costs[i]));
	return json_pack("{sb so so}", "passed", self_test_failures(test) == 0, "pairs",
			 pairs, "costs", costs);
}

json_t *engines_report_json(const struct roster *roster, const struct survey *surveys,
			    const struct host *host, const struct self_test *test)
{
	json_t *json = json_pack("{so so}", "formats", formats_json(roster), "devices",
				 devices_json(surveys, host));

	if (json && test)
		json_object_set_new(json, "self_test", self_test_json(test));
	return json;
}
