/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* mailbox.c - what a migration's thread asks of the vm's thread, and tells it. */
#include "vm/mailbox.h"

#include <assert.h>
#include <errno.h>
#include <stdalign.h>
#include <stddef.h>
#include <string.h>
#include <sys/eventfd.h>

#include "base/queue.h"

#define MAILBOX_LETTERS 32u

/* One of `call` and `note`. */
struct letter {
	int (*call)(void *state, void *argument, struct gw_error *err);
	void (*note)(void *state, const void *argument);
	void *state;
	void *argument; /* of a call: the caller's */
	alignas(max_align_t) unsigned char bytes[MAILBOX_NOTE_BYTES]; /* of a note */
};

struct answer {
	int status;
	struct gw_error err;
};

struct mailbox {
	int fd;
	struct queue *letters;
	struct queue *answers;
};

struct mailbox *mailbox_new(struct gw_error *err)
{
	OWNED(mailbox) struct mailbox *mailbox = calloc(1, sizeof(*mailbox));

	if (!mailbox) {
		fail_sys(err, ENOMEM, "mailbox");
		return NULL;
	}
	mailbox->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (mailbox->fd < 0) {
		fail_sys(err, errno, "eventfd");
		return NULL;
	}
	mailbox->letters = queue_new(sizeof(struct letter), MAILBOX_LETTERS, err);
	if (!mailbox->letters)
		return NULL;
	mailbox->answers = queue_new(sizeof(struct answer), 1, err);
	if (!mailbox->answers)
		return NULL;
	return MOVE(mailbox);
}

void mailbox_free(struct mailbox *mailbox)
{
	if (!mailbox)
		return;
	if (mailbox->fd >= 0)
		close(mailbox->fd);
	queue_free(mailbox->letters);
	queue_free(mailbox->answers);
	free(mailbox);
}

static void ring(const struct mailbox *mailbox)
{
	uint64_t one = 1;

	/* Fails only when the counter is full: then it rings already. */
	(void)!write(mailbox->fd, &one, sizeof(one));
}

int mailbox_call(struct mailbox *mailbox,
		 int (*call)(void *state, void *argument, struct gw_error *err),
		 void *state, void *argument, struct gw_error *err)
{
	const struct letter letter = { .call = call,
				       .state = state,
				       .argument = argument };
	struct answer answer;

	queue_give(mailbox->letters, &letter);
	ring(mailbox);
	queue_take(mailbox->answers, &answer, -1);
	if (answer.status < 0)
		*err = answer.err;
	return answer.status;
}

static struct letter note_letter(void (*note)(void *state, const void *argument),
				 void *state, const void *argument, size_t length)
{
	struct letter letter = { .note = note, .state = state };

	assert(length <= sizeof(letter.bytes));
	if (length > 0)
		memcpy(letter.bytes, argument, length);
	return letter;
}

void mailbox_post(struct mailbox *mailbox,
		  void (*note)(void *state, const void *argument), void *state,
		  const void *argument, size_t length)
{
	const struct letter letter = note_letter(note, state, argument, length);

	queue_give(mailbox->letters, &letter);
	ring(mailbox);
}

void mailbox_offer(struct mailbox *mailbox,
		   void (*note)(void *state, const void *argument), void *state,
		   const void *argument, size_t length)
{
	const struct letter letter = note_letter(note, state, argument, length);

	if (queue_try_give(mailbox->letters, &letter))
		ring(mailbox);
}

int mailbox_fd(const struct mailbox *mailbox)
{
	return mailbox->fd;
}

void mailbox_read(struct mailbox *mailbox)
{
	struct letter letter;
	uint64_t rung;

	/* Before the letters: one that comes later rings again. */
	(void)!read(mailbox->fd, &rung, sizeof(rung));
	while (queue_take(mailbox->letters, &letter, 0) == QUEUE_ITEM) {
		struct answer answer = { 0 };

		if (letter.note) {
			letter.note(letter.state, letter.bytes);
			continue;
		}
		answer.status = letter.call(letter.state, letter.argument, &answer.err);
		queue_give(mailbox->answers, &answer);
	}
}
