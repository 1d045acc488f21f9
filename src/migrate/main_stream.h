/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* main_stream.h - the main channel as the source writes it.
 *
 * Knows the order of a precopy stream and nothing of rounds or threads.  Owned by the migration
 * thread.  What is small is gathered and sent at the end of each call. */
#ifndef MIGRATE_MAIN_STREAM_H
#define MIGRATE_MAIN_STREAM_H

#include "channel/channel.h"
#include "machine/machine.h"
#include "ram/batch.h"
#include "wire/dialect.h"
#include "wire/ram_section.h"
#include "wire/stream.h"

/* Right after the header, and after what the destination has to accept first. */
#define MAIN_STREAM_SETUP_PING 1u
#define MAIN_STREAM_EARLY_PING 2u
/* Behind a barrier: the answer says that all before it was read and placed. */
#define MAIN_STREAM_DRAIN_PING 3u

struct main_stream {
	struct channel *channel; /* borrowed */
	const struct dialect *dialect;
	const struct layout *layout;
	bool multifd;			/* barriers are told */
	struct ram_section_state pages; /* which block CONTINUE means */
	uint32_t next_device;		/* section id */
	struct writer out;
	uint8_t *buffer;
};

int main_stream_init(struct main_stream *main, struct channel *channel,
		     const struct dialect *dialect, const struct layout *layout,
		     bool multifd, struct gw_error *err);
void main_stream_deinit(struct main_stream *main);

/* Header, configuration and, with a return path, its opening and PING 1. */
int main_stream_open(struct main_stream *main, const char *machine, bool return_path,
		     struct gw_error *err);

/* The block list and the setup barrier; every channel has sent its SYNC, or will. */
int main_stream_blocks(struct main_stream *main, struct gw_error *err);

/* What the destination has to accept before the first page; with a return path its answer to
 * MAIN_STREAM_EARLY_PING says that it has. */
int main_stream_early(struct main_stream *main, const struct device_state *early,
		      bool return_path, struct gw_error *err);

int main_stream_ping(struct main_stream *main, uint32_t value, struct gw_error *err);

/* A PART (or the END) of the ram section: begin, pages that travel on main, end with a barrier.
 * The END comes after SWITCHOVER_START where the dialect has it. */
int main_stream_begin(struct main_stream *main, bool last, struct gw_error *err);
int main_stream_zeros(struct main_stream *main, uint32_t block, const uint64_t *offsets,
		      uint32_t count, struct gw_error *err);
/* All of a batch, without multifd. */
int main_stream_batch(struct main_stream *main, const struct batch *batch,
		      struct gw_error *err);
int main_stream_end(struct main_stream *main, struct gw_error *err);

/* Device sections, EOF and description, in one buffer of *length bytes that the caller frees:
 * once its first byte is on the way the destination may run. */
uint8_t *main_stream_closing(struct main_stream *main, const struct device_state *devices,
			     size_t *length, struct gw_error *err);

#endif
