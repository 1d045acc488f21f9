/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* own.h - scope-bound ownership.
 *
 *	OWNED(batch) struct batch *b = batch_new(...);	freed by batch_free() at scope end
 *	return MOVE(b);					handed to the caller instead
 *
 * DEFINE_OWNED(batch) once, in the header that declares batch_free(). */
#ifndef BASE_OWN_H
#define BASE_OWN_H

#include <stdlib.h>
#include <unistd.h>

#define DEFINE_OWNED(type)                                        \
	static inline void own_##type##_free(struct type **thing) \
	{                                                         \
		type##_free(*thing);                              \
	}

#define OWNED(type) __attribute__((cleanup(own_##type##_free)))

#define MOVE(pointer)                                  \
	({                                             \
		__typeof__(pointer) moved = (pointer); \
		(pointer) = NULL;                      \
		moved;                                 \
	})

static inline void own_memory(void *pointer)
{
	free(*(void **)pointer);
}

#define OWNED_MEMORY __attribute__((cleanup(own_memory)))

static inline void own_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

/* int only; -1 means nothing is held. */
#define OWNED_FD __attribute__((cleanup(own_fd)))

#endif
