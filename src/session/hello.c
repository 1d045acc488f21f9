/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* hello.c - how two godwits open a session, and what they tell each other in words. */
#include "session/hello.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "codec/codec.h"

static const char *const role_names[] = {
	[LINK_MAIN] = "main",
	[LINK_PAGE] = "page",
	[LINK_PREEMPT] = "preempt",
};
#define SESSION_DIGITS 32u
static_assert(SESSION_DIGITS == 2 * SESSION_ID_BYTES, "two a byte");
#define ROLE_COUNT (sizeof(role_names) / sizeof(role_names[0]))

/* ---- writing ---- */

static int write_json(struct session_link *link, enum session_record type,
		      json_t *message, struct gw_error *err)
{
	OWNED_MEMORY char *text =
		message ? json_dumps(message, JSON_COMPACT | JSON_ENSURE_ASCII) : NULL;
	size_t length;

	json_decref(message);
	if (!text)
		return fail_sys(err, ENOMEM, "JSON message");
	length = strlen(text);
	if (length > SESSION_TEXT_BYTES_MAX)
		return fail(err, GW_USAGE,
			    "JSON message: %zu bytes, at most %u are allowed", length,
			    SESSION_TEXT_BYTES_MAX);
	return session_link_write_bytes(link, type, text, length, err);
}

static json_t *opening(void)
{
	return json_pack("{s:s, s:{s:i, s:i}}", "godwit", gw_version(), "protocol",
			 "oldest", SESSION_PROTOCOL_OLDEST, "newest",
			 SESSION_PROTOCOL_NEWEST);
}

static json_t *format_names(uint32_t formats)
{
	json_t *names = json_array();

	for (unsigned i = 0; i < CODEC_COUNT; i++)
		if (formats & (1u << i))
			json_array_append_new(
				names, json_string(codec_by_id((enum codec_id)i)->name));
	return names;
}

static void write_hex(char *out, const uint8_t *bytes, size_t length)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < length; i++) {
		*out++ = digits[bytes[i] >> 4];
		*out++ = digits[bytes[i] & 15];
	}
	*out = '\0';
}

int hello_write(struct session_link *link, const struct hello *hello,
		struct gw_error *err)
{
	char session[SESSION_DIGITS + 1];
	json_t *message = opening();

	write_hex(session, hello->session, SESSION_ID_BYTES);
	json_object_set_new(message, "session", json_string(session));
	json_object_set_new(message, "role", json_string(role_names[hello->role]));
	json_object_set_new(message, "index", json_integer(hello->index));
	json_object_set_new(message, "formats", format_names(hello->formats));
	if (hello->about)
		json_object_set(message, "about", hello->about);
	return write_json(link, SESSION_HELLO, message, err);
}

int hello_refuse(struct session_link *link, const char *why, struct gw_error *err)
{
	json_t *message = opening();

	json_object_set_new(message, "refused", json_string(why));
	return write_json(link, SESSION_HELLO, message, err);
}

int control_write(struct session_link *link, json_t *message, struct gw_error *err)
{
	return write_json(link, SESSION_CONTROL, message, err);
}

/* ---- reading ---- */

static json_t *parse_object(const void *text, size_t length, struct gw_error *err)
{
	json_error_t why;
	json_t *json = json_loadb(text, length, JSON_REJECT_DUPLICATES, &why);
	char shown[128];

	if (json_is_object(json))
		return json;
	if (json)
		fail(err, GW_PEER, "JSON message: a list, not an object");
	else
		fail(err, GW_PEER, "JSON message, byte %d: %s", why.position,
		     printable(shown, sizeof(shown), why.text,
			       (unsigned)strlen(why.text)));
	json_decref(json);
	return NULL;
}

static int fail_member(const char *name, const char *allowed, struct gw_error *err)
{
	return fail(err, GW_PEER, "hello: its \"%s\" is not %s", name, allowed);
}

/* A number in a range, of an object's member. */
static int parse_number(const json_t *object, const char *name, uint32_t least,
			uint32_t *number, struct gw_error *err)
{
	const json_t *member = json_object_get(object, name);
	json_int_t value = json_integer_value(member);

	if (!json_is_integer(member) || value < least || value > UINT32_MAX)
		return fail(err, GW_PEER,
			    "hello: its \"%s\" is not a number from %u to %u", name,
			    least, UINT32_MAX);
	*number = (uint32_t)value;
	return 0;
}

static int parse_version(const json_t *json, struct hello *hello, struct gw_error *err)
{
	const json_t *version = json_object_get(json, "godwit");

	if (!json_is_string(version))
		return fail_member("godwit", "a version", err);
	printable(hello->version, sizeof(hello->version), json_string_value(version),
		  (unsigned)json_string_length(version));
	return 0;
}

static int parse_protocol(const json_t *json, struct hello *hello, struct gw_error *err)
{
	const json_t *range = json_object_get(json, "protocol");
	uint32_t oldest = 0, newest = 0;

	if (parse_number(range, "oldest", 1, &oldest, err) < 0 ||
	    parse_number(range, "newest", oldest, &newest, err) < 0)
		return -1;
	if (newest < SESSION_PROTOCOL_OLDEST || oldest > SESSION_PROTOCOL_NEWEST)
		return fail(err, GW_UNSUPPORTED,
			    "the other side's godwit %s speaks protocols %u to %u, this "
			    "one %d to %d: the older of the two has to be updated",
			    hello->version, oldest, newest, SESSION_PROTOCOL_OLDEST,
			    SESSION_PROTOCOL_NEWEST);
	hello->protocol =
		newest < SESSION_PROTOCOL_NEWEST ? newest : SESSION_PROTOCOL_NEWEST;
	return 0;
}

/* What the other side says of why it wants no session. */
static int parse_refusal(const json_t *json, struct gw_error *err)
{
	const json_t *refused = json_object_get(json, "refused");
	char why[160];

	if (!refused)
		return 0;
	if (!json_is_string(refused))
		return fail_member("refused", "a text", err);
	return fail(err, GW_UNSUPPORTED, "the other side refuses: %s",
		    printable(why, sizeof(why), json_string_value(refused),
			      (unsigned)json_string_length(refused)));
}

static int digit_of(char letter)
{
	if (letter >= '0' && letter <= '9')
		return letter - '0';
	return letter >= 'a' && letter <= 'f' ? letter - 'a' + 10 : -1;
}

static int parse_session(const json_t *json, struct hello *hello, struct gw_error *err)
{
	const json_t *member = json_object_get(json, "session");
	const char *text = json_string_value(member);
	bool good = json_string_length(member) == SESSION_DIGITS;

	for (size_t i = 0; good && i < SESSION_ID_BYTES; i++) {
		int high = digit_of(*text++), low = digit_of(*text++);

		good = high >= 0 && low >= 0;
		if (good)
			hello->session[i] = (uint8_t)(high << 4 | low);
	}
	return good ? 0 : fail_member("session", "32 hexadecimal digits", err);
}

static int parse_role(const json_t *json, struct hello *hello, struct gw_error *err)
{
	const char *text = json_string_value(json_object_get(json, "role"));

	for (unsigned i = 0; text && i < ROLE_COUNT; i++)
		if (strcmp(text, role_names[i]) == 0) {
			hello->role = (enum link_role)i;
			return 0;
		}
	return fail_member("role", "main, page or preempt", err);
}

static int parse_formats(const json_t *json, struct hello *hello, struct gw_error *err)
{
	const json_t *names = json_object_get(json, "formats");

	if (!json_is_array(names))
		return fail_member("formats", "a list", err);
	for (size_t i = 0; i < json_array_size(names); i++) {
		const char *name = json_string_value(json_array_get(names, i));
		struct gw_error unknown;
		const struct codec *codec = name ? codec_by_name(name, &unknown) : NULL;

		if (codec)
			hello->formats |= 1u << codec->id;
	}
	return 0;
}

static int parse_about(json_t *json, struct hello *hello, struct gw_error *err)
{
	json_t *about = json_object_get(json, "about");

	if (!about || hello->role != LINK_MAIN)
		return 0;
	if (!json_is_object(about))
		return fail_member("about", "an object", err);
	hello->about = json_incref(about);
	return 0;
}

int hello_parse(const void *text, size_t length, struct hello *hello,
		struct gw_error *err)
{
	json_t *json = parse_object(text, length, err);
	int status;

	if (!json)
		return fail_in(err, "hello");
	memset(hello, 0, sizeof(*hello));
	/* First what every later protocol says too. */
	status = parse_version(json, hello, err) < 0 ||
				 parse_protocol(json, hello, err) < 0 ||
				 parse_refusal(json, err) < 0 ||
				 parse_session(json, hello, err) < 0 ||
				 parse_role(json, hello, err) < 0 ||
				 parse_number(json, "index", 0, &hello->index, err) < 0 ||
				 parse_formats(json, hello, err) < 0 ||
				 parse_about(json, hello, err) < 0
			 ? -1
			 : 0;
	json_decref(json);
	return status;
}

static int read_text(struct session_link *link, int timeout_ms, uint8_t *text,
		     struct record_head *head, struct gw_error *err)
{
	int got = session_link_read_within(link, timeout_ms, text, SESSION_TEXT_BYTES_MAX,
					   head, err);

	if (got == 0)
		return fail(err, GW_PEER, "no hello within %d ms", timeout_ms);
	if (got < 0 && err->kind == GW_UNSUPPORTED)
		err->kind = GW_PEER; /* not even records */
	if (got > 0 && head->type != SESSION_HELLO)
		return fail(err, GW_PEER, "a record of type %d, not a hello", head->type);
	return got < 0 ? -1 : 0;
}

int hello_read(struct session_link *link, int timeout_ms, struct hello *hello,
	       struct gw_error *err)
{
	OWNED_MEMORY uint8_t *text = malloc(SESSION_TEXT_BYTES_MAX);
	struct record_head head;

	if (!text)
		return fail_sys(err, ENOMEM, "hello");
	if (read_text(link, timeout_ms, text, &head, err) < 0)
		return -1;
	return hello_parse(text, head.length, hello, err);
}

const char *hello_role_name(enum link_role role)
{
	return role_names[role];
}

void hello_deinit(struct hello *hello)
{
	json_decref(hello->about);
	hello->about = NULL;
}

json_t *control_read(struct session_link *link, const struct record_head *head,
		     struct gw_error *err)
{
	/* One more, for a body of none. */
	OWNED_MEMORY uint8_t *text = malloc(head->length + 1u);
	struct iovec body = { .iov_base = text, .iov_len = head->length };

	if (head->type != SESSION_CONTROL) {
		fail(err, GW_PEER, "a record of type %d where words are expected",
		     head->type);
		return NULL;
	}
	if (!text) {
		fail_sys(err, ENOMEM, "control message");
		return NULL;
	}
	if (session_link_read_body(link, &body, 1, err) < 0)
		return NULL;
	return parse_object(text, head->length, err);
}

const char *control_word(const json_t *message)
{
	const char *word = json_string_value(json_object_get(message, "say"));

	return word ? word : "";
}
