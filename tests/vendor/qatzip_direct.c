/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* qatzip_direct.c - QATzip with its software backup, called as QEMU does. */
#include <pthread.h>
#include <qatzip.h>
#include <stdlib.h>

#include "tests/vendor/vendor.h"

unsigned keys_begin(void)
{
	pthread_key_t next;

	/* The first free one is what the next call gets. */
	if (pthread_key_create(&next, NULL) != 0)
		abort();
	pthread_key_delete(next);
	return next;
}

void keys_end(unsigned first)
{
	unsigned next = keys_begin();

	for (unsigned key = first; key < next; key++)
		pthread_key_delete(key);
}

/* A new one for each call: after a decoder's error it is of no use any more. */
static QzSession_T *session_new(void)
{
	QzSession_T *session = calloc(1, sizeof(*session));
	QzSessionParamsDeflate_T params;

	qzSetLogLevel(LOG_NONE);
	if (!session || qzInit(session, 1) < 0 ||
	    qzGetDefaultsDeflate(&params) != QZ_OK ||
	    qzSetupSessionDeflate(session, &params) < 0)
		abort();
	return session;
}

static void session_free(QzSession_T *session)
{
	qzTeardownSession(session);
	qzClose(session);
	free(session);
}

size_t qatzip_compress(struct span pages, struct room room)
{
	unsigned int read = (unsigned int)pages.length,
		     written = (unsigned int)room.length;
	unsigned keys = keys_begin();
	QzSession_T *session = session_new();

	if (qzCompress(session, pages.bytes, &read, room.bytes, &written, 1) != QZ_OK ||
	    read != pages.length)
		abort();
	session_free(session);
	keys_end(keys);
	return written;
}

bool qatzip_decompress(struct span members, struct room room)
{
	unsigned int read = (unsigned int)members.length,
		     written = (unsigned int)room.length;
	unsigned keys = keys_begin();
	QzSession_T *session = session_new();
	int answer;

	answer = qzDecompress(session, members.bytes, &read, room.bytes, &written);
	session_free(session);
	keys_end(keys);
	return answer == QZ_OK && read == members.length && written == room.length;
}
