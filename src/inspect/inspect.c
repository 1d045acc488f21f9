/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* inspect.c - a destination without a guest. */
#include "inspect/inspect.h"

#include <errno.h>

#include "base/clock.h"
#include "ram/dump.h"

struct inspection *inspection_new(const struct inspect_options *options,
				  struct gw_error *err)
{
	const struct receiver_options receiver = {
		.channel_count = options->channel_count,
		.dialect = options->dialect,
		.adopt_blocks = true,
		.memory_limit_bytes = options->memory_limit_bytes,
		.accelerator = options->accelerator,
		.accelerator_jobs = options->accelerator_jobs,
		.patience_ms = options->patience_ms,
		.log = options->log,
	};
	OWNED(inspection) struct inspection *inspection = calloc(1, sizeof(*inspection));

	if (!inspection) {
		fail_sys(err, ENOMEM, "inspection");
		return NULL;
	}
	inspection->options = *options;
	ram_init(&inspection->ram);
	inspection->receiver = receiver_new(&receiver, &inspection->ram, err);
	return inspection->receiver ? MOVE(inspection) : NULL;
}

void inspection_free(struct inspection *inspection)
{
	if (!inspection)
		return;
	receiver_free(inspection->receiver);
	ram_deinit(&inspection->ram);
	free(inspection);
}

static int finish(struct inspection *inspection, struct gw_error *err)
{
	if (!inspection->options.dump_directory)
		return 0;
	return ram_dump(&inspection->ram, inspection->options.dump_directory, err);
}

int inspection_listen(struct inspection *inspection, struct listener *listener,
		      struct gw_error *err)
{
	if (receiver_listen(inspection->receiver, listener, &inspection->report, err) < 0)
		return -1;
	return finish(inspection, err);
}

int inspection_read(struct inspection *inspection, const struct address *recorded,
		    struct gw_error *err)
{
	struct arrivals arrivals = { 0 };

	arrivals.main =
		channel_connect(recorded, receiver_interrupt(inspection->receiver),
				inspection->options.patience_ms, err);
	if (!arrivals.main)
		return -1;
	if (receiver_run(inspection->receiver, &arrivals, &inspection->report, err) < 0)
		return -1;
	return finish(inspection, err);
}

/* Names come from the peer and JSON wants UTF-8. */
static json_t *name_json(const char *name)
{
	char text[4 * STREAM_NAME_MAX + 1];

	return json_string(printable(text, sizeof(text), name, (unsigned)strlen(name)));
}

static json_t *blocks_json(const struct inspection *inspection)
{
	json_t *blocks = json_array();

	for (uint32_t i = 0; i < inspection->ram.block_count; i++)
		json_array_append_new(
			blocks,
			json_pack("{so sI}", "name",
				  name_json(inspection->ram.blocks[i]->name), "bytes",
				  (json_int_t)inspection->ram.blocks[i]->length_bytes));
	return blocks;
}

static json_t *methods_json(const struct receiver_report *report)
{
	json_t *methods = json_object();

	for (unsigned i = 0; i < CODEC_COUNT; i++) {
		const struct method_counters *method = &report->counters.methods[i];

		if (method->packets > 0)
			json_object_set_new(
				methods, codec_by_id((enum codec_id)i)->name,
				json_pack("{sI sI sI ss}", "packets",
					  (json_int_t)method->packets, "pages",
					  (json_int_t)method->pages, "payload_bytes",
					  (json_int_t)method->payload_bytes, "engine",
					  report->engines[i] ? report->engines[i]
							     : "none"));
	}
	return methods;
}

static json_t *devices_json(const struct receiver_report *report)
{
	json_t *devices = json_array();

	if (!report->devices_known)
		return devices;
	for (uint32_t i = 0; i < report->vmdesc.device_count; i++) {
		const struct vmdesc_device *device = &report->vmdesc.devices[i];

		json_array_append_new(
			devices,
			json_pack("{so sI sI sI}", "name", name_json(device->name),
				  "instance", (json_int_t)device->instance, "section_id",
				  (json_int_t)device->section_id, "bytes",
				  (json_int_t)device->body_bytes));
	}
	return devices;
}

json_t *inspection_json(const struct inspection *inspection)
{
	const struct receiver_report *report = &inspection->report;
	const struct counters *counters = &report->counters;
	bool multifd = inspection->options.channel_count > 0;
	uint64_t normal_pages = counters->normal_pages + report->main_normal_pages;
	uint64_t zero_pages = counters->zero_pages + report->main_zero_pages;
	json_t *json = json_pack(
		"{so ss* ss* sb sb sI so sI sI so sI sI sI sI sI sI sI sf so sI sb ss}",
		"machine", name_json(report->machine), "dialect",
		report->dialect ? report->dialect->name : NULL, "barrier",
		multifd ? (report->barrier_per_section ? "section" : "round") : NULL,
		"return_path", report->return_path, "switchover_start",
		report->switchover_start, "channels",
		(json_int_t)inspection->options.channel_count, "blocks",
		blocks_json(inspection), "parts", (json_int_t)report->parts, "barriers",
		(json_int_t)report->barriers, "methods", methods_json(report), "packets",
		(json_int_t)counters->packets, "syncs", (json_int_t)counters->syncs,
		"normal_pages", (json_int_t)normal_pages, "zero_pages",
		(json_int_t)zero_pages, "main_normal_pages",
		(json_int_t)report->main_normal_pages, "main_zero_pages",
		(json_int_t)report->main_zero_pages, "wire_bytes",
		(json_int_t)report->wire_bytes, "total_ms",
		(double)report->total_ns / (double)NS_PER_MS, "devices",
		devices_json(report), "device_bytes", (json_int_t)report->device_bytes,
		"devices_known", report->devices_known, "status",
		migration_state_name(report->state));

	return json;
}
