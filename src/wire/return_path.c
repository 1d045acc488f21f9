/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* return_path.c - what the destination says on main's way back. */
#include "wire/return_path.h"

#include <assert.h>
#include <stdbool.h>

struct message_rule {
	const char *name;
	bool supported;
	uint16_t length; /* of the supported ones */
};

static const struct message_rule rules[] = {
	[RETURN_SHUT] = { "SHUT", true, 4 },
	[RETURN_PONG] = { "PONG", true, 4 },
	[RETURN_REQ_PAGES_ID] = { "REQ_PAGES_ID (post-copy)" },
	[RETURN_REQ_PAGES] = { "REQ_PAGES (post-copy)" },
	[RETURN_RECV_BITMAP] = { "RECV_BITMAP (post-copy recovery)" },
	[RETURN_RESUME_ACK] = { "RESUME_ACK (post-copy recovery)" },
	[RETURN_SWITCHOVER_ACK] = { "SWITCHOVER_ACK", true, 0 },
};

#define RULE_COUNT (sizeof(rules) / sizeof(rules[0]))

int return_path_read(struct cursor *in, struct return_path_message *message,
		     struct gw_error *err)
{
	const struct message_rule *rule;
	uint16_t type, length;

	if (cursor_at_end(in))
		return in->failed ? cursor_fail(in, err, "return path") : 0;
	type = cursor_be16(in);
	length = cursor_be16(in);
	if (in->overrun)
		return cursor_fail(in, err, "return path");
	if (type == 0 || type >= RULE_COUNT)
		return fail(err, GW_PEER,
			    "return path: message type %u, 1 to %zu are known", type,
			    RULE_COUNT - 1);
	if (length > RETURN_PATH_MESSAGE_BYTES_MAX)
		return fail(err, GW_PEER, "return path: %u bytes of data, at most %u",
			    length, RETURN_PATH_MESSAGE_BYTES_MAX);
	rule = &rules[type];
	if (!rule->supported)
		return fail(err, GW_UNSUPPORTED, "return path: %s is not supported",
			    rule->name);
	if (length != rule->length)
		return fail(err, GW_PEER, "return path: %s of %u bytes, expected %u",
			    rule->name, length, rule->length);
	message->type = (enum return_path_type)type;
	message->value = length > 0 ? cursor_be32(in) : 0;
	if (in->overrun)
		return cursor_fail(in, err, "return path");
	return 1;
}

void return_path_write(struct writer *out, const struct return_path_message *message)
{
	assert(message->type < RULE_COUNT && rules[message->type].supported);
	writer_be16(out, (uint16_t)message->type);
	writer_be16(out, rules[message->type].length);
	if (rules[message->type].length > 0)
		writer_be32(out, message->value);
}
