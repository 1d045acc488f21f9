/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* software.h - what engines that finish their job in submit share. */
#ifndef CODEC_SOFTWARE_H
#define CODEC_SOFTWARE_H

#include "base/pages.h"
#include "codec/engine.h"

/* One at a time: the channel has nothing to gain from a second job that waits behind the
 * first on the same processor. */
#define SOFTWARE_MAX_IN_FLIGHT 1u

/* Hands the finished job out, if there is one. */
static inline int software_reap(struct job **finished, struct job *done[], uint32_t room)
{
	if (!*finished || room == 0)
		return 0;
	done[0] = *finished;
	done[0]->done = true;
	*finished = NULL;
	return 1;
}

static inline size_t job_source_bytes(const struct job *job)
{
	size_t bytes = 0;

	for (uint32_t i = 0; i < job->source_count; i++)
		bytes += job->source[i].length;
	return bytes;
}

static inline size_t job_destination_bytes(const struct job *job)
{
	size_t bytes = 0;

	for (uint32_t i = 0; i < job->destination_count; i++)
		bytes += job->destination[i].length;
	return bytes;
}

/* The payload's length is the peer's word. */
static inline int job_check_payload(const struct job *job, enum codec_id codec,
				    struct gw_error *err)
{
	return codec_check_payload(codec_by_id(codec),
				   (uint32_t)(job_destination_bytes(job) / PAGE_BYTES),
				   job->source[0].length, err);
}

static inline int fail_room(const struct job *job, const char *library,
			    struct gw_error *err)
{
	return fail(err, GW_USAGE, "%s: %zu bytes do not fit into a room of %zu", library,
		    job_source_bytes(job), job->destination[0].length);
}

#endif
