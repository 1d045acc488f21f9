/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* words.h - what two jobs tell each other on the main connection (docs/session.md, "Words").
 *
 * Once a relay runs it reads there, and hands the words on in a queue of json_t *. */
#ifndef SENDRECV_WORDS_H
#define SENDRECV_WORDS_H

#include "base/queue.h"
#include "session/hello.h"

struct queue *words_new(struct gw_error *err);
void words_free(struct queue *words); /* with what nobody has taken; NULL is fine */

/* Takes over `word`; what cannot be said any more, or to nobody (NULL), is not. */
void words_tell(struct session_link *link, json_t *word);

/* The next one, before a relay runs: a new reference. */
json_t *words_await(struct session_link *link, struct gw_error *err);

#endif
