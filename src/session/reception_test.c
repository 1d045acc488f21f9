/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* reception_test.c - sessions meet, strangers are shown out, and nobody waits for either. */
#include "session/reception.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>

#include "base/clock.h"
#include "codec/codec.h"
#include "tests/check.h"

#define PATIENCE_MS 10000 /* never used up by who does as it should */
#define GUESTS_MAX 400

struct fixture {
	char directory[40];
	struct address at;
	struct interrupt *interrupt;
	struct listener *listener;
	struct reception *reception;
	struct log log;
	char lines[4096]; /* of the log */
	unsigned line_count;
	struct channel *guests[GUESTS_MAX];
	unsigned guest_count;
	struct gw_error err;
};

static void keep_line(void *state, enum log_level level, const char *text)
{
	struct fixture *f = state;
	size_t used = strlen(f->lines);

	f->line_count++;
	snprintf(f->lines + used, sizeof(f->lines) - used, "%s\n", text);
}

static void set_up(struct fixture *f, int patience_ms)
{
	struct reception_options options = {
		.formats = 1u << CODEC_ZLIB,
		.patience_ms = patience_ms,
		.log = &f->log,
	};
	char uri[64];

	memset(f, 0, sizeof(*f));
	f->log = (struct log){ LOG_LEVEL_DEBUG, keep_line, f };
	strcpy(f->directory, "/tmp/godwit-reception-XXXXXX");
	CHECK(mkdtemp(f->directory));
	snprintf(uri, sizeof(uri), "unix:%s/s", f->directory);
	CHECK_OK(address_parse(&f->at, uri, &f->err), &f->err);
	f->interrupt = interrupt_new(&f->err);
	f->listener = listener_open(&f->at, GUESTS_MAX, f->interrupt, &f->err);
	CHECK(f->interrupt && f->listener);
	f->reception = reception_new(f->listener, &options, f->interrupt, &f->err);
	CHECK(f->reception);
}

static void tear_down(struct fixture *f)
{
	reception_free(f->reception);
	for (unsigned i = 0; i < f->guest_count; i++)
		channel_free(f->guests[i]);
	listener_free(f->listener);
	interrupt_free(f->interrupt);
	rmdir(f->directory);
}

/* Somebody connects and says that, and no more. */
static struct channel *arrive(struct fixture *f, const void *bytes, size_t length)
{
	struct channel *guest = channel_connect(&f->at, NULL, PATIENCE_MS, &f->err);

	CHECK(guest);
	if (length > 0)
		CHECK_OK(channel_write_bytes(guest, bytes, length, &f->err), &f->err);
	f->guests[f->guest_count++] = guest;
	return guest;
}

static struct hello hello_of(enum link_role role, uint32_t index, uint8_t session)
{
	return (struct hello){
		.session = { session },
		.role = role,
		.index = index,
		.formats = 1u << CODEC_ZSTD,
	};
}

/* The bytes of a hello, for those who do not say it in one go. */
static size_t hello_bytes(const struct hello *hello, uint8_t bytes[1024])
{
	struct gw_error err = { 0 };
	struct channel *ends[2];
	struct session_link *link;
	ptrdiff_t length;

	CHECK_OK(channel_pair(ends, NULL, &err), &err);
	link = session_link_new(ends[0], &err);
	CHECK(link);
	CHECK_OK(hello_write(link, hello, &err), &err);
	length = channel_read_some(ends[1], bytes, 1024, &err);
	CHECK(length > 0 && length < 1024);
	session_link_free(link);
	channel_free(ends[1]);
	return (size_t)length;
}

static struct channel *arrive_with_hello(struct fixture *f, enum link_role role,
					 uint32_t index, uint8_t session)
{
	struct hello hello = hello_of(role, index, session);
	uint8_t bytes[1024];
	size_t length = hello_bytes(&hello, bytes);

	return arrive(f, bytes, length);
}

static struct channel *arrive_with_record(struct fixture *f, enum session_record type,
					  const char *body)
{
	struct iovec iov = { (void *)body, strlen(body) };
	uint8_t head[SESSION_HEAD_BYTES];
	struct channel *guest;

	record_write_head(head, type, 0, &iov, 1);
	guest = arrive(f, head, sizeof(head));
	CHECK_OK(channel_write_bytes(guest, body, strlen(body), &f->err), &f->err);
	return guest;
}

/* What the reception has answered to the guest that came as the how manieth, who leaves. */
static void check_answer(struct fixture *f, unsigned guest, const char *refusal)
{
	struct gw_error err = { 0 };
	struct session_link *link = session_link_new(f->guests[guest], &err);
	struct hello answer;

	f->guests[guest] = NULL;
	CHECK(link);
	CHECK_EQ(hello_read(link, PATIENCE_MS, &answer, &err), -1);
	CHECK_STR(err.text, refusal);
	session_link_free(link);
}

/* ---- who connects, in a thread ---- */

struct caller {
	const struct address *to;
	struct hello ours;
	int timeout_ms;
	struct session_link *link;
	struct hello theirs;
	struct gw_error err;
	atomic_bool is_back;
	pthread_t thread;
};

static void *call(void *opaque)
{
	struct caller *caller = opaque;

	caller->link = session_connect(caller->to, &caller->ours, NULL,
				       caller->timeout_ms, &caller->theirs, &caller->err);
	caller->is_back = true;
	return NULL;
}

static void start_call(struct caller *caller, struct fixture *f, enum link_role role,
		       uint32_t index, uint8_t session)
{
	memset(caller, 0, sizeof(*caller));
	caller->to = &f->at;
	caller->ours = hello_of(role, index, session);
	caller->timeout_ms = PATIENCE_MS;
	CHECK_EQ(pthread_create(&caller->thread, NULL, call, caller), 0);
}

static void end_call(struct caller *caller)
{
	pthread_join(caller->thread, NULL);
}

/* The caller has a link to `link`. */
static void check_joined(struct caller *caller, struct session_link *link)
{
	struct gw_error err = { 0 };
	struct record_head head;

	end_call(caller);
	if (!caller->link)
		CHECK_FAIL("%s", caller->err.text);
	CHECK_OK(session_link_write(link, SESSION_END, NULL, 0, &err), &err);
	CHECK_EQ(session_link_read_head(caller->link, &head, &err), 1);
	CHECK_EQ(head.type, SESSION_END);
	CHECK_EQ(head.sequence, 1); /* behind the hello */
	hello_deinit(&caller->theirs);
	session_link_free(caller->link);
	session_link_free(link);
}

static struct session_link *receive_main(struct fixture *f, uint8_t session)
{
	struct hello theirs;
	struct session_link *link = reception_main(f->reception, &theirs, &f->err);

	if (!link)
		CHECK_FAIL("%s", f->err.text);
	CHECK_EQ(theirs.role, LINK_MAIN);
	CHECK_EQ(theirs.session[0], session);
	CHECK_EQ(theirs.formats, 1u << CODEC_ZSTD);
	hello_deinit(&theirs);
	return link;
}

static struct session_link *receive_next(struct fixture *f, uint8_t session,
					 struct hello *theirs)
{
	const uint8_t id[SESSION_ID_BYTES] = { session };
	struct session_link *link = NULL;
	int status =
		reception_next(f->reception, id, PATIENCE_MS, &link, theirs, &f->err);

	if (status != 1)
		CHECK_FAIL("%d: %s", status, f->err.text);
	return link;
}

TEST(the_connections_of_a_session_find_each_other)
{
	struct caller main_call, calls[3];
	struct session_link *main_link;
	struct hello answer = hello_of(LINK_MAIN, 0, 7);
	bool seen[3] = { false };
	struct fixture f;

	set_up(&f, PATIENCE_MS);
	start_call(&main_call, &f, LINK_MAIN, 0, 7);
	main_link = receive_main(&f, 7);
	answer.formats = 1u << CODEC_QPL;
	answer.about = json_pack("{s:b}", "ready", 1);
	CHECK_OK(hello_write(main_link, &answer, &f.err), &f.err);
	end_call(&main_call);
	CHECK(main_call.link);
	CHECK_EQ(main_call.theirs.formats, 1u << CODEC_QPL);
	CHECK(json_equal(main_call.theirs.about, answer.about));
	json_decref(answer.about);

	start_call(&calls[0], &f, LINK_PAGE, 0, 7);
	start_call(&calls[1], &f, LINK_PAGE, 1, 7);
	start_call(&calls[2], &f, LINK_PREEMPT, 2, 7);
	for (int i = 0; i < 3; i++) {
		struct hello theirs;
		struct session_link *link = receive_next(&f, 7, &theirs);

		CHECK(theirs.index < 3 && !seen[theirs.index]);
		seen[theirs.index] = true;
		CHECK_EQ(theirs.role, theirs.index == 2 ? LINK_PREEMPT : LINK_PAGE);
		CHECK(!theirs.about);
		check_joined(&calls[theirs.index], link);
	}
	CHECK_EQ(calls[1].theirs.formats, 1u << CODEC_ZLIB);
	CHECK_EQ(f.line_count, 0);
	check_joined(&main_call, main_link);
	tear_down(&f);
}

TEST(mains_are_received_in_the_order_in_which_they_came)
{
	struct fixture f;

	set_up(&f, PATIENCE_MS);
	for (uint8_t i = 1; i <= 3; i++)
		arrive_with_hello(&f, LINK_MAIN, 0, i);
	for (uint8_t i = 1; i <= 3; i++)
		session_link_free(receive_main(&f, i));
	tear_down(&f);
}

TEST(the_silent_and_the_strange_delay_nobody)
{
	struct hello slow = hello_of(LINK_PAGE, 0, 7);
	uint8_t bytes[1024];
	size_t length = hello_bytes(&slow, bytes);
	struct session_link *link;
	struct hello theirs;
	struct fixture f;

	set_up(&f, PATIENCE_MS);
	for (int i = 0; i < 40; i++)
		arrive(&f, NULL, 0);
	arrive(&f, "GET / HTTP/1.0\r\nHost: godwit\r\n\r\n", 31);
	arrive(&f, bytes, length / 2);
	arrive(&f, bytes, 7);
	channel_finish(arrive(&f, NULL, 0));
	channel_finish(arrive(&f, bytes, length - 1));
	bytes[30] ^= 1;
	arrive(&f, bytes, length);
	arrive(&f, "QEVM\0\0\0\3\7\0\0\0\nmicrovm-10", 23);
	arrive_with_hello(&f, LINK_MAIN, 0, 7);
	link = receive_main(&f, 7);
	session_link_free(link);
	/* Among them, too. */
	arrive_with_hello(&f, LINK_PAGE, 5, 7);
	link = receive_next(&f, 7, &theirs);
	CHECK_EQ(theirs.index, 5);
	session_link_free(link);
	CHECK_CONTAINS(
		f.lines,
		"listener: connection dropped: record type 71: 1 to 6 are known\n");
	CHECK_CONTAINS(f.lines, "listener: connection dropped: record 0: the other side "
				"closed the connection\n");
	CHECK_CONTAINS(f.lines, "listener: connection dropped: record 0: checksum 0x");
	CHECK_EQ(f.line_count, 4);
	tear_down(&f);
}

TEST(a_hello_may_come_in_pieces_beside_others)
{
	struct hello slow = hello_of(LINK_PAGE, 4, 7);
	uint8_t bytes[1024];
	size_t length = hello_bytes(&slow, bytes);
	struct channel *piecemeal;
	struct hello theirs;
	struct fixture f;

	set_up(&f, PATIENCE_MS);
	piecemeal = arrive(&f, NULL, 0);
	for (size_t i = 0; i < length; i++) {
		struct session_link *link;

		CHECK_OK(channel_write_bytes(piecemeal, bytes + i, 1, &f.err), &f.err);
		if (i % 10 == 0) {
			/* Served while the other has got so far. */
			arrive_with_hello(&f, LINK_PAGE, 9, 7);
			link = receive_next(&f, 7, &theirs);
			CHECK_EQ(theirs.index, 9);
			session_link_free(link);
		}
	}
	session_link_free(receive_next(&f, 7, &theirs));
	CHECK_EQ(theirs.index, 4);
	CHECK_EQ(f.line_count, 0);
	tear_down(&f);
}

TEST(who_stays_silent_is_shown_out)
{
	const uint8_t id[SESSION_ID_BYTES] = { 7 };
	struct session_link *link = NULL;
	struct hello theirs;
	struct channel *silent;
	struct fixture f;
	char byte;

	set_up(&f, 20);
	silent = arrive(&f, "\1\0", 2);
	while (f.line_count == 0)
		CHECK_EQ(reception_next(f.reception, id, 10, &link, &theirs, &f.err), 0);
	CHECK_STR(f.lines,
		  "listener: connection dropped: it has not said hello in time\n");
	/* With bytes of its own unread it would see a reset; these were read. */
	CHECK_EQ(channel_read_some(silent, &byte, 1, &f.err), 0);
	tear_down(&f);
}

struct watcher {
	struct fixture *f;
	struct channel *silent;
	ptrdiff_t seen;
};

/* Sees the end of one connection, and only then opens a session. */
static void *come_after(void *opaque)
{
	struct watcher *watcher = opaque;
	struct gw_error err;
	char byte;

	watcher->seen = channel_read_some(watcher->silent, &byte, 1, &err);
	if (watcher->seen == 0)
		arrive_with_hello(watcher->f, LINK_MAIN, 0, 7);
	else
		interrupt_raise(watcher->f->interrupt);
	return NULL;
}

TEST(who_waits_for_ever_shows_the_silent_out_in_time)
{
	struct watcher watcher;
	pthread_t thread;
	struct fixture f;

	set_up(&f, 20);
	watcher.f = &f;
	watcher.silent = arrive(&f, NULL, 0);
	channel_set_read_patience(watcher.silent, 5000);
	CHECK_EQ(pthread_create(&thread, NULL, come_after, &watcher), 0);
	session_link_free(receive_main(&f, 7));
	pthread_join(thread, NULL);
	CHECK_EQ(watcher.seen, 0);
	tear_down(&f);
}

TEST(several_that_leave_at_once_take_nobody_along)
{
	const uint8_t id[SESSION_ID_BYTES] = { 7 };
	struct session_link *link = NULL;
	struct hello theirs;
	struct fixture f;

	set_up(&f, PATIENCE_MS);
	for (unsigned i = 0; i < 6; i++)
		arrive(&f, NULL, 0);
	for (unsigned i = 0; i < 20; i++) /* a call seats one at least */
		CHECK_EQ(reception_next(f.reception, id, 0, &link, &theirs, &f.err), 0);
	for (unsigned i = 0; i < 6; i++)
		channel_finish(f.guests[i]);
	arrive_with_hello(&f, LINK_PAGE, 3, 7);
	session_link_free(receive_next(&f, 7, &theirs));
	CHECK_EQ(theirs.index, 3);
	CHECK_EQ(f.line_count, 6);
	tear_down(&f);
}

TEST(who_spoke_while_nobody_listened_is_heard)
{
	const uint8_t id[SESSION_ID_BYTES] = { 7 };
	struct hello hello = hello_of(LINK_PAGE, 1, 7);
	uint8_t bytes[1024];
	size_t length = hello_bytes(&hello, bytes);
	struct session_link *link = NULL;
	struct channel *late;
	struct hello theirs;
	struct fixture f;

	set_up(&f, 50);
	late = arrive(&f, bytes, 10);
	CHECK_EQ(reception_next(f.reception, id, 1, &link, &theirs, &f.err), 0);
	CHECK_OK(channel_write_bytes(late, bytes + 10, length - 10, &f.err), &f.err);
	interrupt_sleep(NULL, 60 * NS_PER_MS); /* its time is over */
	session_link_free(receive_next(&f, 7, &theirs));
	CHECK_EQ(theirs.index, 1);
	tear_down(&f);
}

TEST(more_strangers_than_seats_keep_nobody_out)
{
	struct hello theirs;
	struct fixture f;

	set_up(&f, PATIENCE_MS);
	for (unsigned i = 0; i < 300; i++)
		arrive(&f, NULL, 0);
	arrive_with_hello(&f, LINK_PAGE, 3, 7);
	session_link_free(receive_next(&f, 7, &theirs));
	CHECK_EQ(theirs.index, 3);
	CHECK(f.line_count >= 300 - 289);
	CHECK_CONTAINS(f.lines, "listener: connection dropped: too many connections that "
				"say nothing\n");
	tear_down(&f);
}

/* ---- who is not wanted ---- */

static void check_told(struct caller *caller, struct fixture *f, const char *why)
{
	char text[600];

	end_call(caller);
	CHECK(!caller->link);
	snprintf(text, sizeof(text), "%.500s: the other side refuses: %s", f->at.uri,
		 why);
	CHECK_STR(caller->err.text, text);
	CHECK_EQ(caller->err.kind, GW_UNSUPPORTED);
}

/* Looks after connections until the caller has its answer. */
static void serve(struct fixture *f, uint8_t session, struct caller *until)
{
	const uint8_t id[SESSION_ID_BYTES] = { session };
	struct session_link *link = NULL;
	struct hello theirs;

	while (!until->is_back)
		CHECK_EQ(reception_next(f->reception, id, 10, &link, &theirs, &f->err),
			 0);
}

TEST(another_session_is_told_that_this_one_is_busy)
{
	static const enum link_role roles[] = { LINK_MAIN, LINK_PAGE, LINK_PREEMPT };
	struct caller caller;
	struct fixture f;

	set_up(&f, PATIENCE_MS);
	for (size_t i = 0; i < 3; i++) {
		start_call(&caller, &f, roles[i], 0, 8);
		serve(&f, 7, &caller);
		check_told(&caller, &f, "busy with another session");
	}
	CHECK_CONTAINS(f.lines,
		       "listener: connection dropped: busy with another session\n");
	CHECK_EQ(f.line_count, 3);
	tear_down(&f);
}

TEST(a_session_differs_in_any_byte_of_its_id)
{
	struct hello theirs;
	struct fixture f;

	set_up(&f, PATIENCE_MS);
	for (unsigned byte = 0; byte < SESSION_ID_BYTES; byte++) {
		struct hello other = hello_of(LINK_PAGE, 1, 7);
		uint8_t bytes[1024];
		size_t length;

		other.session[byte] ^= 0x10;
		length = hello_bytes(&other, bytes);
		arrive(&f, bytes, length);
	}
	arrive_with_hello(&f, LINK_PAGE, 2, 7);
	session_link_free(receive_next(&f, 7, &theirs));
	CHECK_EQ(theirs.index, 2);
	CHECK_EQ(f.line_count, SESSION_ID_BYTES);
	tear_down(&f);
}

TEST(a_second_main_of_a_session_is_refused)
{
	struct caller caller;
	struct fixture f;

	set_up(&f, PATIENCE_MS);
	start_call(&caller, &f, LINK_MAIN, 0, 7);
	serve(&f, 7, &caller);
	check_told(&caller, &f, "this session has its main connection");
	tear_down(&f);
}

TEST(without_a_session_there_is_no_page_connection)
{
	struct fixture f;

	set_up(&f, PATIENCE_MS);
	arrive_with_hello(&f, LINK_PAGE, 0, 7);
	arrive_with_hello(&f, LINK_PREEMPT, 0, 7);
	arrive_with_hello(&f, LINK_MAIN, 0, 7);
	session_link_free(receive_main(&f, 7));
	for (unsigned i = 0; i < 2; i++)
		check_answer(&f, i,
			     "the other side refuses: there is no session that this "
			     "connection could belong to");
	tear_down(&f);
}

TEST(a_godwit_too_far_away_gets_an_answer_to_tell)
{
	struct session_link *link;
	struct record_head head;
	struct fixture f;
	uint8_t text[1024];
	json_t *answer, *range;

	set_up(&f, PATIENCE_MS);
	arrive_with_record(&f, SESSION_HELLO,
			   "{\"godwit\":\"3.1\","
			   "\"protocol\":{\"oldest\":4,\"newest\":6}}");
	arrive_with_hello(&f, LINK_MAIN, 0, 7);
	session_link_free(receive_main(&f, 7));
	link = session_link_new(f.guests[0], &f.err);
	f.guests[0] = NULL;
	CHECK(link);
	CHECK_EQ(session_link_read_within(link, PATIENCE_MS, text, sizeof(text), &head,
					  &f.err),
		 1);
	CHECK_EQ(head.type, SESSION_HELLO);
	answer = json_loadb((char *)text, head.length, 0, NULL);
	range = json_object_get(answer, "protocol");
	CHECK_EQ(json_integer_value(json_object_get(range, "oldest")), 1);
	CHECK_EQ(json_integer_value(json_object_get(range, "newest")), 1);
	CHECK_STR(json_string_value(json_object_get(answer, "godwit")), gw_version());
	CHECK_CONTAINS(json_string_value(json_object_get(answer, "refused")),
		       "godwit 3.1 speaks protocols 4 to 6, this one 1 to 1");
	CHECK_CONTAINS(f.lines, "godwit 3.1 speaks protocols 4 to 6, this one 1 to 1");
	json_decref(answer);
	session_link_free(link);
	tear_down(&f);
}

TEST(a_hello_that_is_wrong_is_told_what_is)
{
	struct fixture f;

	set_up(&f, PATIENCE_MS);
	arrive_with_record(&f, SESSION_HELLO, "[]");
	arrive_with_record(&f, SESSION_CONTROL, "{\"say\":\"abort\"}");
	arrive_with_hello(&f, LINK_MAIN, 0, 7);
	session_link_free(receive_main(&f, 7));
	check_answer(
		&f, 0,
		"the other side refuses: hello: JSON message: a list, not an object");
	check_answer(&f, 1, "record 0: the other side closed the connection");
	CHECK_CONTAINS(f.lines, "its first record is no hello\n");
	tear_down(&f);
}

TEST(an_index_twice_or_out_of_range_is_the_callers_affair)
{
	static const uint32_t indexes[] = { 1, 1, 255, UINT32_MAX };
	struct hello theirs;
	struct fixture f;

	set_up(&f, PATIENCE_MS);
	for (size_t i = 0; i < 4; i++)
		arrive_with_hello(&f, LINK_PAGE, indexes[i], 7);
	for (size_t i = 0; i < 4; i++) {
		session_link_free(receive_next(&f, 7, &theirs));
		CHECK_EQ(theirs.index, indexes[i]);
	}
	tear_down(&f);
}

/* ---- waiting ---- */

TEST(a_time_without_anybody_is_told_from_an_error)
{
	const uint8_t id[SESSION_ID_BYTES] = { 7 };
	struct session_link *link = NULL;
	struct hello theirs;
	struct fixture f;

	set_up(&f, PATIENCE_MS);
	CHECK_EQ(reception_next(f.reception, id, 0, &link, &theirs, &f.err), 0);
	arrive(&f, NULL, 0);
	CHECK_EQ(reception_next(f.reception, id, 20, &link, &theirs, &f.err), 0);
	CHECK(!link);
	CHECK_EQ(f.line_count, 0);
	tear_down(&f);
}

static void *raise_soon(void *opaque)
{
	interrupt_sleep(NULL, 10 * NS_PER_MS);
	interrupt_raise(opaque);
	return NULL;
}

TEST(an_interrupt_ends_the_wait)
{
	const uint8_t id[SESSION_ID_BYTES] = { 7 };
	struct session_link *link = NULL;
	struct hello theirs;
	pthread_t thread;
	struct fixture f;

	set_up(&f, PATIENCE_MS);
	CHECK_EQ(pthread_create(&thread, NULL, raise_soon, f.interrupt), 0);
	CHECK(!reception_main(f.reception, &theirs, &f.err));
	CHECK_EQ(f.err.kind, GW_CANCELLED);
	pthread_join(thread, NULL);
	arrive_with_hello(&f, LINK_PAGE, 0, 7);
	CHECK_EQ(reception_next(f.reception, id, PATIENCE_MS, &link, &theirs, &f.err),
		 -1);
	CHECK_EQ(f.err.kind, GW_CANCELLED);
	tear_down(&f);
}

/* ---- who connects, and to whom ---- */

/* The next to connect, for those who answer in their own way. */
static struct channel *answer_door(struct fixture *f)
{
	int fd = listener_accept(f->listener, PATIENCE_MS, &f->err);
	struct channel *channel;

	CHECK(fd >= 0);
	channel = channel_from_fd(fd, NULL, &f->err);
	CHECK(channel);
	return channel;
}

/* The caller fails with the address and that. */
static void check_failed(struct caller *caller, enum gw_error_kind kind, const char *why)
{
	char text[600];

	end_call(caller);
	CHECK(!caller->link);
	snprintf(text, sizeof(text), "%.500s: %s", caller->to->uri, why);
	CHECK_STR(caller->err.text, text);
	CHECK_EQ(caller->err.kind, kind);
}

TEST(where_nobody_listens_can_be_tried_again)
{
	struct hello ours = hello_of(LINK_MAIN, 0, 7);
	struct fixture f;

	set_up(&f, PATIENCE_MS);
	listener_stop(f.listener);
	CHECK(!session_connect(&f.at, &ours, NULL, PATIENCE_MS, NULL, &f.err));
	CHECK_EQ(f.err.kind, GW_SYSTEM);
	CHECK_EQ(f.err.sys, ENOENT);
	CHECK_CONTAINS(f.err.text, f.at.uri);
	tear_down(&f);
}

static void *call_without_interest(void *opaque)
{
	struct caller *caller = opaque;

	caller->link = session_connect(caller->to, &caller->ours, NULL,
				       caller->timeout_ms, NULL, &caller->err);
	return NULL;
}

TEST(the_answer_may_be_of_no_interest)
{
	struct caller caller = { .timeout_ms = PATIENCE_MS };
	struct session_link *link;
	struct hello answer;
	struct fixture f;

	set_up(&f, PATIENCE_MS);
	caller.to = &f.at;
	caller.ours = hello_of(LINK_MAIN, 0, 7);
	CHECK_EQ(pthread_create(&caller.thread, NULL, call_without_interest, &caller), 0);
	link = receive_main(&f, 7);
	answer = caller.ours;
	answer.about = json_object(); /* which is freed as well */
	CHECK_OK(hello_write(link, &answer, &f.err), &f.err);
	json_decref(answer.about);
	check_joined(&caller, link);
	tear_down(&f);
}

TEST(a_qemu_that_says_nothing_is_no_godwit)
{
	struct hello ours = hello_of(LINK_MAIN, 0, 7);
	char text[600];
	struct fixture f;

	set_up(&f, PATIENCE_MS);
	CHECK(!session_connect(&f.at, &ours, NULL, 50, NULL, &f.err));
	snprintf(text, sizeof(text),
		 "%.500s: the other side is no godwit recv: no hello within 50 ms",
		 f.at.uri);
	CHECK_STR(f.err.text, text);
	CHECK_EQ(f.err.kind, GW_PEER);
	tear_down(&f);
}

TEST(an_interrupt_ends_the_wait_for_an_answer)
{
	struct hello ours = hello_of(LINK_MAIN, 0, 7);
	pthread_t thread;
	struct fixture f;

	set_up(&f, PATIENCE_MS);
	CHECK_EQ(pthread_create(&thread, NULL, raise_soon, f.interrupt), 0);
	CHECK(!session_connect(&f.at, &ours, f.interrupt, PATIENCE_MS, NULL, &f.err));
	pthread_join(thread, NULL);
	CHECK_EQ(f.err.kind, GW_CANCELLED);
	CHECK(!strstr(f.err.text, "no godwit"));
	tear_down(&f);
}

TEST(a_qemu_that_closes_is_no_godwit)
{
	struct channel *peer;
	struct caller caller;
	uint8_t bytes[1024];
	struct fixture f;

	set_up(&f, PATIENCE_MS);
	start_call(&caller, &f, LINK_MAIN, 0, 7);
	peer = answer_door(&f);
	CHECK(channel_read_some(peer, bytes, sizeof(bytes), &f.err) > 0);
	channel_free(peer);
	check_failed(&caller, GW_PEER,
		     "the other side is no godwit recv: record 0: the other side closed "
		     "the connection");
	tear_down(&f);
}

TEST(garbage_for_an_answer_is_no_godwit)
{
	struct channel *peer;
	struct caller caller;
	struct fixture f;

	set_up(&f, PATIENCE_MS);
	start_call(&caller, &f, LINK_MAIN, 0, 7);
	peer = answer_door(&f);
	CHECK_OK(channel_write_bytes(peer, "SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n", 32,
				     &f.err),
		 &f.err);
	check_failed(
		&caller, GW_PEER,
		"the other side is no godwit recv: record type 83: 1 to 6 are known");
	channel_free(peer);
	tear_down(&f);
}

TEST(a_listener_too_far_away_is_told_with_both_ranges)
{
	static const char body[] = "{\"godwit\":\"3.1\",\"protocol\":{\"oldest\":4,"
				   "\"newest\":6},\"refused\":\"too old\"}";
	struct session_link *peer;
	struct caller caller;
	struct fixture f;

	set_up(&f, PATIENCE_MS);
	start_call(&caller, &f, LINK_MAIN, 0, 7);
	peer = session_link_new(answer_door(&f), &f.err);
	CHECK(peer);
	CHECK_OK(session_link_write_bytes(peer, SESSION_HELLO, body, strlen(body),
					  &f.err),
		 &f.err);
	check_failed(&caller, GW_UNSUPPORTED,
		     "the other side's godwit 3.1 speaks protocols 4 to 6, this one 1 to "
		     "1: the older of the two has to be updated");
	session_link_free(peer);
	tear_down(&f);
}

TEST(an_answer_to_somebody_else_is_refused)
{
	struct hello answers[] = {
		hello_of(LINK_PAGE, 2, 7),
		hello_of(LINK_PREEMPT, 1, 7),
		hello_of(LINK_PAGE, 1, 8),
	};
	struct session_link *peer;
	struct caller caller;
	struct fixture f;

	set_up(&f, PATIENCE_MS);
	for (size_t i = 0; i < 3; i++) {
		start_call(&caller, &f, LINK_PAGE, 1, 7);
		peer = session_link_new(answer_door(&f), &f.err);
		CHECK(peer);
		CHECK_OK(hello_write(peer, &answers[i], &f.err), &f.err);
		check_failed(&caller, GW_PEER,
			     "the answer is for another connection than this one");
		session_link_free(peer);
	}
	tear_down(&f);
}

TEST_MAIN(TEST_OF(the_connections_of_a_session_find_each_other),
	  TEST_OF(mains_are_received_in_the_order_in_which_they_came),
	  TEST_OF(the_silent_and_the_strange_delay_nobody),
	  TEST_OF(a_hello_may_come_in_pieces_beside_others),
	  TEST_OF(who_stays_silent_is_shown_out),
	  TEST_OF(who_waits_for_ever_shows_the_silent_out_in_time),
	  TEST_OF(several_that_leave_at_once_take_nobody_along),
	  TEST_OF(who_spoke_while_nobody_listened_is_heard),
	  TEST_OF(more_strangers_than_seats_keep_nobody_out),
	  TEST_OF(another_session_is_told_that_this_one_is_busy),
	  TEST_OF(a_session_differs_in_any_byte_of_its_id),
	  TEST_OF(a_second_main_of_a_session_is_refused),
	  TEST_OF(without_a_session_there_is_no_page_connection),
	  TEST_OF(a_godwit_too_far_away_gets_an_answer_to_tell),
	  TEST_OF(a_hello_that_is_wrong_is_told_what_is),
	  TEST_OF(an_index_twice_or_out_of_range_is_the_callers_affair),
	  TEST_OF(a_time_without_anybody_is_told_from_an_error),
	  TEST_OF(an_interrupt_ends_the_wait),
	  TEST_OF(where_nobody_listens_can_be_tried_again),
	  TEST_OF(the_answer_may_be_of_no_interest),
	  TEST_OF(a_qemu_that_says_nothing_is_no_godwit),
	  TEST_OF(an_interrupt_ends_the_wait_for_an_answer),
	  TEST_OF(a_qemu_that_closes_is_no_godwit),
	  TEST_OF(garbage_for_an_answer_is_no_godwit),
	  TEST_OF(a_listener_too_far_away_is_told_with_both_ranges),
	  TEST_OF(an_answer_to_somebody_else_is_refused))
