/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* mailbox_test.c - calls are answered, notes come whole and in order, nobody waits for ever. */
#include "vm/mailbox.h"

#include <poll.h>
#include <pthread.h>

#include "tests/check.h"

#define NOTES 500

/* What the vm's thread has seen. */
struct seen {
	int notes;
	int out_of_order;
	int calls;
	int offers;
	bool ended;
};

/* Of the migration's thread. */
struct migration {
	struct mailbox *mailbox;
	struct seen *seen;
	int wrong_answers;
	struct gw_error err;
};

static void wait_and_read(struct mailbox *mailbox)
{
	struct pollfd fd = { .fd = mailbox_fd(mailbox), .events = POLLIN };

	CHECK_EQ(poll(&fd, 1, -1), 1);
	mailbox_read(mailbox);
}

static void serve(struct migration *migration, void *(*run)(void *state))
{
	pthread_t thread;

	CHECK_EQ(pthread_create(&thread, NULL, run, migration), 0);
	while (!migration->seen->ended)
		wait_and_read(migration->mailbox);
	pthread_join(thread, NULL);
}

static void note_number(void *state, const void *argument)
{
	struct seen *seen = state;
	int number;

	memcpy(&number, argument, sizeof(number));
	seen->out_of_order += number != seen->notes;
	seen->notes++;
}

static void note_offer(void *state, const void *argument)
{
	struct seen *seen = state;

	(void)argument;
	seen->offers++;
}

static void note_end(void *state, const void *argument)
{
	struct seen *seen = state;

	(void)argument;
	seen->ended = true;
}

/* Doubles; what is odd fails. */
static int call_double(void *state, void *argument, struct gw_error *err)
{
	struct seen *seen = state;
	int *number = argument;

	seen->calls++;
	if (*number % 2)
		return fail(err, GW_USAGE, "%d is odd", *number);
	*number *= 2;
	return 0;
}

static void *call_often(void *state)
{
	struct migration *m = state;

	for (int i = 0; i < NOTES; i++) {
		int number = i;
		int status;

		mailbox_post(m->mailbox, note_number, m->seen, &i, sizeof(i));
		status = mailbox_call(m->mailbox, call_double, m->seen, &number, &m->err);
		m->wrong_answers += status != (i % 2 ? -1 : 0);
		m->wrong_answers += number != (i % 2 ? i : 2 * i);
		/* The note that was posted before the call was read before it was answered. */
		m->wrong_answers += m->seen->notes != i + 1;
	}
	mailbox_post(m->mailbox, note_end, m->seen, NULL, 0);
	return NULL;
}

TEST(calls_are_answered_and_notes_keep_their_place)
{
	struct gw_error err;
	OWNED(mailbox) struct mailbox *mailbox = mailbox_new(&err);
	struct seen seen = { 0 };
	struct migration migration = { .mailbox = mailbox, .seen = &seen };

	CHECK(mailbox);
	serve(&migration, call_often);
	CHECK_EQ(migration.wrong_answers, 0);
	CHECK_EQ(seen.notes, NOTES);
	CHECK_EQ(seen.out_of_order, 0);
	CHECK_EQ(seen.calls, NOTES);
	CHECK_STR(migration.err.text, "499 is odd");
}

static void *post_often(void *state)
{
	struct migration *m = state;

	for (int i = 0; i < NOTES; i++)
		mailbox_post(m->mailbox, note_number, m->seen, &i, sizeof(i));
	mailbox_post(m->mailbox, note_end, m->seen, NULL, 0);
	return NULL;
}

TEST(more_notes_than_there_is_room_for_all_arrive)
{
	struct gw_error err;
	OWNED(mailbox) struct mailbox *mailbox = mailbox_new(&err);
	struct seen seen = { 0 };
	struct migration migration = { .mailbox = mailbox, .seen = &seen };

	CHECK(mailbox);
	serve(&migration, post_often);
	CHECK_EQ(seen.notes, NOTES);
	CHECK_EQ(seen.out_of_order, 0);
}

TEST(offers_without_room_are_dropped)
{
	struct gw_error err;
	OWNED(mailbox) struct mailbox *mailbox = mailbox_new(&err);
	struct seen seen = { 0 };

	CHECK(mailbox);
	/* Nobody reads meanwhile, and yet it does not wait. */
	for (int i = 0; i < NOTES; i++)
		mailbox_offer(mailbox, note_offer, &seen, NULL, 0);
	mailbox_read(mailbox);
	CHECK(seen.offers > 0 && seen.offers < NOTES);
	mailbox_offer(mailbox, note_offer, &seen, NULL, 0);
	seen.offers = 0;
	wait_and_read(mailbox);
	CHECK_EQ(seen.offers, 1);
}

static void note_bytes(void *state, const void *argument)
{
	memcpy(state, argument, MAILBOX_NOTE_BYTES);
}

TEST(notes_are_copied_whole)
{
	struct gw_error err;
	OWNED(mailbox) struct mailbox *mailbox = mailbox_new(&err);
	unsigned char sent[MAILBOX_NOTE_BYTES], kept[MAILBOX_NOTE_BYTES],
		got[sizeof(sent)];

	CHECK(mailbox);
	for (size_t i = 0; i < sizeof(sent); i++)
		sent[i] = (unsigned char)(i * 7);
	memcpy(kept, sent, sizeof(kept));
	mailbox_post(mailbox, note_bytes, got, sent, sizeof(sent));
	memset(sent, 0, sizeof(sent));
	mailbox_read(mailbox);
	CHECK(memcmp(got, kept, sizeof(got)) == 0);
}

TEST_MAIN(TEST_OF(calls_are_answered_and_notes_keep_their_place),
	  TEST_OF(more_notes_than_there_is_room_for_all_arrive),
	  TEST_OF(offers_without_room_are_dropped), TEST_OF(notes_are_copied_whole))
