/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* legs.c - the connections that a relay stands on, towards either side. */
#include "sendrecv/legs.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "codec/engine.h"

uint32_t legs_formats(void)
{
	uint32_t formats = 1u << CODEC_NONE;
	struct gw_error ignored;

	for (uint32_t i = 0; i < CODEC_COUNT; i++)
		if (i != CODEC_NONE && engine_choose((enum codec_id)i, DECODE, 0,
						     ACCELERATOR_NONE, &ignored))
			formats |= 1u << i;
	return formats;
}

/* ---- a session ---- */

int legs_connect_pages(struct legs *legs, const struct address *to, uint32_t count,
		       const uint8_t session[SESSION_ID_BYTES], uint32_t formats,
		       const struct interrupt *interrupt, int patience_ms,
		       struct gw_error *err)
{
	struct hello hello = { .role = LINK_PAGE, .formats = formats };

	memcpy(hello.session, session, sizeof(hello.session));
	for (uint32_t i = 0; i < count; i++) {
		hello.index = i;
		legs->page_links[i] =
			session_connect(to, &hello, interrupt, patience_ms, NULL, err);
		if (!legs->page_links[i])
			return -1;
		legs->count = i + 1;
	}
	return 0;
}

static int seat(struct legs *legs, struct session_link *link, const struct hello *hello,
		uint32_t count, struct gw_error *err)
{
	if (hello->role == LINK_PAGE && hello->index < count &&
	    !legs->page_links[hello->index]) {
		legs->page_links[hello->index] = link;
		return 0;
	}
	session_link_free(link);
	return fail(err, GW_PEER,
		    "%s connection %u came twice or is not expected: page connections 0 "
		    "to %u are",
		    hello_role_name(hello->role), hello->index, count - 1);
}

int legs_receive_pages(struct legs *legs, struct reception *reception, uint32_t count,
		       const uint8_t session[SESSION_ID_BYTES], int patience_ms,
		       struct gw_error *err)
{
	uint64_t until_ns = clock_now_ns() + (uint64_t)patience_ms * NS_PER_MS;

	legs->count = count;
	for (uint32_t here = 0; here < count; here++) {
		uint64_t now_ns = clock_now_ns();
		int left_ms =
			now_ns < until_ns ? (int)((until_ns - now_ns) / NS_PER_MS) : 0;
		struct session_link *link;
		struct hello hello;
		int got = reception_next(reception, session, left_ms, &link, &hello, err);

		if (got == 0)
			return fail(err, GW_PEER,
				    "%u of %u page connections came within %d s", here,
				    count, patience_ms / 1000);
		if (got < 0 || seat(legs, link, &hello, count, err) < 0)
			return -1;
	}
	return 0;
}

/* ---- a QEMU ---- */

static int hold(struct guardian *guardian,
		int (*hold_it)(struct guardian *, int, struct gw_error *), int fd,
		struct gw_error *err)
{
	int failed = guardian ? hold_it(guardian, fd, err) : 0;

	if (fd >= 0)
		close(fd);
	return failed;
}

static struct channel *connect_guarded(const struct address *to,
				       struct guardian *guardian, bool is_main,
				       const struct interrupt *interrupt, int patience_ms,
				       struct gw_error *err)
{
	int fd = -1;
	OWNED(channel)
	struct channel *channel =
		door_connect(to, interrupt, patience_ms, guardian ? &fd : NULL, err);

	if (!channel)
		return NULL;
	if (hold(guardian, is_main ? guardian_hold_main : guardian_hold_page, fd, err) <
	    0)
		return NULL;
	return MOVE(channel);
}

int legs_connect_qemu(struct legs *legs, const struct address *to, uint32_t count,
		      const uint8_t uuid[16], struct guardian *guardian,
		      const struct interrupt *interrupt, int patience_ms,
		      struct gw_error *err)
{
	uint8_t bytes[MULTIFD_INIT_BYTES];
	struct multifd_init init;

	legs->main = connect_guarded(to, guardian, true, interrupt, patience_ms, err);
	if (!legs->main)
		return -1;
	memcpy(init.uuid, uuid, sizeof(init.uuid));
	for (uint32_t i = 0; i < count; i++) {
		legs->pages[i] =
			connect_guarded(to, guardian, false, interrupt, patience_ms, err);
		if (!legs->pages[i])
			return -1;
		legs->count = i + 1;
		init.id = (uint8_t)i;
		multifd_init_write(bytes, &init);
		if (channel_write_bytes(legs->pages[i], bytes, sizeof(bytes), err) < 0)
			return fail_in(err, "%s: page channel %u", to->uri, i);
	}
	return 0;
}

void legs_wish_for_user(const struct qmp_peer *qemu, struct door_wish *wish)
{
	char path[32];
	struct stat is;

	snprintf(path, sizeof(path), "/proc/%d", qmp_peer_pid(qemu));
	if (qmp_peer_pid(qemu) <= 0 || stat(path, &is) < 0 || is.st_uid == geteuid())
		return;
	wish->uid = is.st_uid;
	wish->gid = is.st_gid;
}

void legs_take_visitors(struct legs *legs, const struct door_visitors *visitors,
			uint32_t count)
{
	legs->main = visitors->main;
	for (uint32_t i = 0; i < count; i++)
		legs->pages[i] = visitors->pages[i];
	legs->count = count;
}

/* ---- either ---- */

struct relay_end legs_end(const struct legs *legs)
{
	return (struct relay_end){
		.main = legs->main,
		.pages = legs->pages,
		.main_link = legs->main_link,
		.page_links = legs->page_links,
		.count = legs->count,
	};
}

void legs_close_pages(struct legs *legs)
{
	for (uint32_t i = 0; i < legs->count; i++) {
		channel_free(MOVE(legs->pages[i]));
		session_link_free(MOVE(legs->page_links[i]));
	}
	legs->count = 0;
}

void legs_close(struct legs *legs)
{
	legs_close_pages(legs);
	channel_free(MOVE(legs->main));
	session_link_free(MOVE(legs->main_link));
}
