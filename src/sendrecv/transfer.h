/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* transfer.h - what `send` and `recv` share: how they are told things, and what they tell. */
#ifndef SENDRECV_TRANSFER_H
#define SENDRECV_TRANSFER_H

#include <stdarg.h>

#include "codec/codec.h"
#include "drive/migration_status.h"
#include "relay/qemu_door.h"

/* A look at a migration under way; what is not known is < 0, texts "". */
struct transfer_progress {
	struct migration_status
		status;	    /* of the QEMU on this side; all unknown without --qmp */
	const char *method; /* on the network */
	const char *engine; /* who computes it here, "" for none */
	double seconds;	    /* since QEMU began */
	double wire_bytes,
		guest_bytes; /* so far: on the network; of pages and main from QEMU */
	double wire_bytes_per_s, guest_bytes_per_s; /* since the look before */
	double in_flight_bytes;
	json_t *answer; /* borrowed: query-migrate's, or NULL */
};

struct transfer_observer {
	void *state;
	void (*looked)(void *state,
		       const struct transfer_progress *progress); /* every poll_ms */
	void (*event)(void *state, const json_t *event); /* of the QEMU on this side */
	void (*say)(void *state, const char *sentence);	 /* for people */
};

/* What one side used. */
struct transfer_side {
	char engine[32];
	double qemu_cpu_s, godwit_cpu_s; /* QEMU's without its vCPUs; < 0: not known */
	double memory_bytes;		 /* of the relay's buffers */
};

struct transfer_figures {
	char method[16];
	int level;
	uint32_t channels, qemu_channels; /* of the network; of the source QEMU */
	char status[32];		  /* QEMU's name: completed, failed, cancelled */
	double total_ms, downtime_ms, setup_ms, expected_downtime_ms;
	/* From STOP at the source until the guest was told to run at the destination, by the clock of
	 * who sends; < 0 where the guest was paused. */
	double blackout_ms;
	double throughput_mbps, pages_per_second;
	double wire_bytes, guest_bytes, ram_bytes, zero_pages, normal_pages, rounds,
		ratio;
	double most_in_flight_bytes;
	double span_s; /* CPU is over this time */
	struct transfer_side send, recv;
};

enum transfer_end {
	TRANSFER_DONE,
	TRANSFER_FAILED,    /* and the source runs as before */
	TRANSFER_CANCELLED, /* likewise */
	TRANSFER_UNKNOWN, /* nothing is known to run: `where` says what each side holds */
};

struct transfer_report {
	enum transfer_end end;
	struct transfer_figures figures;
	char error[400];
	char where
		[900]; /* who has the guest; where someone has to do something, the command */
	json_t *last; /* the last answer to query-migrate; NULL when there was none */
};

void transfer_report_init(struct transfer_report *report);
void transfer_report_deinit(struct transfer_report *report);

/* The object of the design's --json with the keys of figures_json() and: engine_there,
 * qemu_channels, blackout_ms, expected_downtime_ms, guest_bytes, ratio, send_qemu_cpu_seconds,
 * send_godwit_cpu_seconds, recv_qemu_cpu_seconds, recv_godwit_cpu_seconds, most_in_flight_bytes,
 * send_memory_bytes, recv_memory_bytes. */
json_t *transfer_figures_json(const struct transfer_figures *figures);

/* The other side's, but for what each side knows of itself (send and recv).  Hostile: a member that
 * is no number, or is missing, is not known. */
void transfer_figures_parse(struct transfer_figures *figures, const json_t *json);

/* "<side>: <the word's "why">", once: what the other side said of its failure.  Returns -1. */
int transfer_fail_told(struct gw_error *err, const char *side, const json_t *word);

/* One side of it as the other one is told, and back, likewise. */
json_t *transfer_side_json(const struct transfer_side *side);
void transfer_side_parse(struct transfer_side *side, const json_t *json);

/* "zstd (qatzip)  active  round 3   43 %  guest 812.0 MiB/s  wire 117.0 MiB/s (6.9x)  dirty 12.0
 * MiB/s  ETA 3.4 s"; returns `line`. */
const char *transfer_progress_line(const struct transfer_progress *progress, char *line,
				   unsigned room);

/* What both are told alike. */
struct transfer_options {
	const char *qmp; /* NULL: somebody else drives the QEMU here */
	struct door_wish door;
	const char *accelerator; /* NULL: auto */
	uint64_t accelerator_jobs;
	uint64_t channels; /* of the network; 0: default */
	uint64_t
		qemu_channels; /* TRANSFER_UNSET: as many as of the network, or as the peer says */
	int patience_ms;
	int poll_ms;
	const struct log *log;
	const struct transfer_observer *observer;
};

/* A sentence for people, cut where it is long. */
void transfer_say(const struct transfer_options *options, const char *format,
		  va_list args) __attribute__((format(printf, 2, 0)));

#define TRANSFER_UNSET UINT64_MAX
#define TRANSFER_CHANNELS_DEFAULT 2u

#endif
