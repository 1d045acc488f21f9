/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* qpl_direct.c - QPL's software path, as any user of the library would call it. */
#include <qpl/qpl.h>
#include <stdlib.h>

#include "tests/vendor/vendor.h"

static qpl_job *the_job(void)
{
	static qpl_job *job;
	uint32_t bytes;

	if (job)
		return job;
	if (qpl_get_job_size(qpl_path_software, &bytes) != QPL_STS_OK)
		abort();
	job = calloc(1, bytes);
	if (!job || qpl_init_job(qpl_path_software, job) != QPL_STS_OK)
		abort();
	return job;
}

static qpl_status execute(qpl_job *job, qpl_operation operation, uint32_t flags,
			  struct span from, struct room to)
{
	job->op = operation;
	job->level = qpl_default_level;
	job->flags = QPL_FLAG_FIRST | QPL_FLAG_LAST | flags;
	job->huffman_table = NULL;
	job->next_in_ptr = (uint8_t *)from.bytes;
	job->available_in = (uint32_t)from.length;
	job->next_out_ptr = to.bytes;
	job->available_out = (uint32_t)to.length;
	job->total_out = 0;
	return qpl_execute_job(job);
}

size_t qpl_compress(struct span page, struct room room, enum qpl_huffman huffman)
{
	qpl_job *job = the_job();
	/* QEMU's flags with QPL_FIXED (migration/multifd-qpl.c). */
	uint32_t flags = QPL_FLAG_OMIT_VERIFY |
			 (huffman == QPL_DYNAMIC ? QPL_FLAG_DYNAMIC_HUFFMAN : 0);
	qpl_status status = execute(job, qpl_op_compress, flags, page, room);

	if (status == QPL_STS_MORE_OUTPUT_NEEDED)
		return 0;
	if (status != QPL_STS_OK)
		abort();
	return job->total_out;
}

int qpl_decompress(struct span stream, struct room room, size_t *produced, size_t *left)
{
	qpl_job *job = the_job();
	qpl_status status = execute(job, qpl_op_decompress, 0, stream, room);

	*produced = job->total_out;
	*left = job->available_in;
	return (int)status;
}
