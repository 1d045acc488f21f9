/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* words.c - what two jobs tell each other on the main connection. */
#include "sendrecv/words.h"

#define WORDS_MAX 64u

struct queue *words_new(struct gw_error *err)
{
	return queue_new(sizeof(json_t *), WORDS_MAX, err);
}

void words_free(struct queue *words)
{
	json_t *word;

	while (words && queue_take(words, &word, 0) == QUEUE_ITEM)
		json_decref(word);
	queue_free(words);
}

void words_tell(struct session_link *link, json_t *word)
{
	struct gw_error ignored;

	if (link)
		(void)control_write(link, word, &ignored);
	else
		json_decref(word);
}

json_t *words_await(struct session_link *link, struct gw_error *err)
{
	struct record_head head;
	int got = session_link_read_head(link, &head, err);

	if (got > 0 && head.type == SESSION_CONTROL)
		return control_read(link, &head, err);
	if (got > 0)
		fail(err, GW_PEER, "a record of type %d instead of a word", head.type);
	else if (got == 0)
		fail(err, GW_PEER, "closed without a word");
	return NULL;
}
