/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* callback.h - what a callback of the caller's answered, as our own calls answer.
 *
 * Inside the library a failure always has a reason that ends with NUL; from outside it may not. */
#ifndef API_CALLBACK_H
#define API_CALLBACK_H

#include "base/error.h"

/* `said` was all zero before the call that returned `result`.  Return: 0, or -1 with *err. */
static inline int callback_answer(int result, struct gw_error *said, struct gw_error *err)
{
	if (result >= 0)
		return 0;
	said->text[sizeof(said->text) - 1] = '\0';
	if (said->kind < GW_SYSTEM || said->kind > GW_CANCELLED)
		said->kind = GW_SYSTEM;
	if (said->text[0] == '\0')
		return fail(err, said->kind, "the callback gave no reason");
	*err = *said;
	return -1;
}

#endif
