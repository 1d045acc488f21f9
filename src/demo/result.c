/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* result.c - the figures of one migration. */
#include "demo/result.h"

#include "base/pages.h"

static double per_total(const struct result *result, double amount)
{
	return result->total_ms > 0 ? amount * 1e3 / result->total_ms : 0;
}

double result_throughput_mbps(const struct result *result)
{
	return per_total(result, (double)result->wire_bytes * 8 / 1e6);
}

double result_pages_per_second(const struct result *result)
{
	return per_total(result, (double)(result->normal_pages + result->zero_pages));
}

double result_cpu_percent(const struct result *result, double cpu_s)
{
	return per_total(result, cpu_s * 100);
}

double result_ratio(const struct result *result)
{
	double bytes = (double)(result->normal_pages * PAGE_BYTES);

	return result->wire_bytes > 0 ? bytes / (double)result->wire_bytes : 0;
}

static json_t *received_json(const struct result *result, double amount)
{
	return result->receiver_known ? json_real(amount) : json_null();
}

static json_t *split_json(const struct result_split *split)
{
	return json_pack("{sf sf sf sf sf}", "stop_ms", split->stop_ms, "last_sync_ms",
			 split->last_sync_ms, "last_pages_ms", split->last_pages_ms,
			 "state_ms", split->state_ms, "resume_ms", split->resume_ms);
}

static json_t *phases_json(const struct result_phases *phases)
{
	return json_pack("{sf sf sf sf sf sf}", "sync_ms", phases->sync_ms, "scan_ms",
			 phases->scan_ms, "zero_ms", phases->zero_ms, "engine_ms",
			 phases->engine_ms, "send_ms", phases->send_ms, "wait_ms",
			 phases->wait_ms);
}

json_t *result_json(const struct result *result)
{
	json_t *json = json_pack(
		"{ss ss si si sf sf sf sf sf sf so sf so sI sI sI sI si sf ss}", "method",
		result->method, "engine", result->sent.name, "level", result->level,
		"channels", (int)result->channels, "total_ms", result->total_ms,
		"downtime_ms", result->downtime_ms, "setup_ms", result->setup_ms,
		"throughput_mbps", result_throughput_mbps(result), "pages_per_second",
		result_pages_per_second(result), "send_cpu_percent",
		result_cpu_percent(result, result->send_cpu_s), "recv_cpu_percent",
		received_json(result, result_cpu_percent(result, result->recv_cpu_s)),
		"send_cpu_seconds", result->send_cpu_s, "recv_cpu_seconds",
		received_json(result, result->recv_cpu_s), "wire_bytes",
		(json_int_t)result->wire_bytes, "ram_bytes",
		(json_int_t)result->ram_bytes, "zero_pages",
		(json_int_t)result->zero_pages, "normal_pages",
		(json_int_t)result->normal_pages, "rounds", (int)result->rounds, "ratio",
		result_ratio(result), "status", result->status);

	json_object_set_new(json, "verified",
			    result->verified == VERDICT_NONE
				    ? json_null()
				    : json_boolean(result->verified == VERDICT_YES));
	json_object_set_new(json, "verify_ms", json_real(result->verify_ms));
	json_object_set_new(json, "heartbeat_at_pause",
			    json_integer((json_int_t)result->heartbeat_at_pause));
	json_object_set_new(json, "heartbeat_after",
			    json_integer((json_int_t)result->heartbeat_after));
	json_object_set_new(json, "heartbeat_gap_ms",
			    json_real(result->heartbeat_gap_ms));
	json_object_set_new(json, "tracker", json_string(result->tracker));
	json_object_set_new(json, "guest", json_string(result->guest));
	json_object_set_new(json, "downtime_split", split_json(&result->split));
	json_object_set_new(json, "phases", phases_json(&result->phases));
	json_object_set_new(json, "engine_counters",
			    result_engine_counters_json(&result->sent.counters));
	json_object_set_new(json, "recv_engine",
			    result->receiver_known ? json_string(result->received.name)
						   : json_null());
	json_object_set_new(json, "recv_engine_counters",
			    result->receiver_known ? result_engine_counters_json(
							     &result->received.counters)
						   : json_null());
	json_object_set_new(json, "throttle_percent",
			    json_integer((json_int_t)result->throttle_percent));
	if (result->error[0])
		json_object_set_new(json, "error", json_string(result->error));
	return json;
}
