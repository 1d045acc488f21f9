/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* device_qatzip.c - Intel's QuickAssist Technology, through QATzip.
 *
 * Without QATzip's software backup: the fallback is ours, and counted.  A call cuts a packet into
 * requests of UNIT_MEMBER_BYTES, which are in the device together, and comes back when all are
 * done; so what is submitted is finished, and given out by reap.
 *
 * QATzip must not be entered where there is no device: every call then takes one of the process's
 * keys for thread-specific data, for ever, and writes to stderr (1.3.1 and 2.0.0).  So QATlib is
 * asked first.
 *
 * UNIT_BLOCKS is QATzip's raw format without its end: each request is flushed in full, no block is
 * final, all end at a byte, for QATzip itself puts them one after the other (1.3.1,
 * compBufferSetup).  What a device ends them with is in no document: the empty block is added
 * where it is not there. */
#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <qatzip.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/pages.h"
#include "codec/device.h"
#include "codec/device_trial.h"
#include "codec/gzip_member.h"
#include "codec/vendor_for_tests.h"
#include "codec/vendor_library.h"

/* A packet, so that its requests are in the device together. */
#define UNIT_BYTES_MAX (512u << 10)

/* NOLINTBEGIN(cppcoreguidelines-avoid-non-const-global-variables): one a process */
static struct {
	int (*is_qat_available)(void);
	QzLogLevel_T (*set_log_level)(QzLogLevel_T level);
	int (*init)(QzSession_T *session, unsigned char sw_backup);
	int (*get_defaults)(QzSessionParamsDeflate_T *params);
	int (*setup)(QzSession_T *session, QzSessionParamsDeflate_T *params);
	int (*compress)(QzSession_T *session, const unsigned char *source,
			unsigned int *source_bytes, unsigned char *room,
			unsigned int *room_bytes, unsigned int last);
	int (*decompress)(QzSession_T *session, const unsigned char *source,
			  unsigned int *source_bytes, unsigned char *room,
			  unsigned int *room_bytes);
	int (*teardown)(QzSession_T *session);
	void *(*malloc)(size_t bytes, int numa, int pinned);
} qz;

/* icp_sal_... is libqat's, which libqatzip brings along. */
static const struct vendor_symbol symbols[] = {
	{ "icp_sal_userIsQatAvailable", &qz.is_qat_available },
	{ "qzSetLogLevel", &qz.set_log_level },
	{ "qzInit", &qz.init },
	{ "qzGetDefaultsDeflate", &qz.get_defaults },
	{ "qzSetupSessionDeflate", &qz.setup },
	{ "qzCompress", &qz.compress },
	{ "qzDecompress", &qz.decompress },
	{ "qzTeardownSession", &qz.teardown },
	{ "qzMalloc", &qz.malloc },
};
#define SYMBOLS (sizeof(symbols) / sizeof(symbols[0]))

static unsigned char sw_backup;
/* NOLINTEND(cppcoreguidelines-avoid-non-const-global-variables) */

void device_qatzip_compute_in_software(void)
{
	sw_backup = 1;
}

struct qatzip_state {
	QzSession_T session;
	bool set_up;
	/* A unit that QATzip gave up on while requests of it may still be in the device: it never
	 * comes back, and nothing of this state is touched again. */
	bool lost;
	enum unit_form form;
	enum direction direction;
	int level;
	uint32_t jobs;
	struct qatzip_state *next_lost;
	uint32_t finished_count;
	struct unit *finished[]; /* in order */
};

/* ---- sessions ---- */

static void session_end(struct qatzip_state *state)
{
	qz.teardown(&state->session);
	state->session = (QzSession_T){ 0 };
	state->set_up = false;
}

/* What the library answered; below 0 there is no session. */
static int session_begin(struct qatzip_state *state)
{
	QzSessionParamsDeflate_T params;
	int answer = qz.init(&state->session, sw_backup);

	/* QZ_DUPLICATE says that the process has done so before. */
	if (answer != QZ_OK && answer != QZ_DUPLICATE)
		return answer < 0 ? answer : -answer;
	answer = qz.get_defaults(&params);
	if (answer != QZ_OK)
		return answer;
	params.data_fmt =
		state->form == UNIT_MEMBERS ? QZ_DEFLATE_GZIP_EXT : QZ_DEFLATE_RAW;
	params.common_params.comp_lvl = (unsigned)state->level;
	params.common_params.hw_buff_sz = UNIT_MEMBER_BYTES;
	params.common_params.input_sz_thrshold = QZ_COMP_THRESHOLD_MINIMUM;
	params.common_params.sw_backup = sw_backup;
	answer = qz.setup(&state->session, &params);
	if (answer < 0)
		return answer;
	/* "No hardware": set up it is all the same. */
	if (sw_backup == 0 && state->session.hw_session_stat != QZ_OK) {
		session_end(state);
		return QZ_NOSW_NO_HW;
	}
	state->set_up = true;
	return QZ_OK;
}

/* ---- probe ---- */

static const char *meaning(int answer)
{
	switch (answer) {
	case QZ_NOSW_NO_HW:
		return "the device cannot be started; does the service qat run, may this "
		       "user "
		       "use it (group qat), is locked memory limited";
	case QZ_NOSW_NO_MDRV:
		return "no memory driver";
	case QZ_NOSW_NO_INST_ATTACH:
		return "no free compression instance; ServicesEnabled=dc in "
		       "/etc/sysconfig/qat "
		       "makes more";
	case QZ_NOSW_LOW_MEM:
		return "no memory that the device can reach; is locked memory limited";
	default:
		return "no meaning is known";
	}
}

static int fail_session(const char *call, int answer, struct gw_error *err)
{
	return fail(err, GW_UNSUPPORTED, "QATzip's %s answered %d: %s", call, answer,
		    meaning(answer));
}

static int find_device(struct gw_error *err)
{
	/* Old libraries say on stderr that they cannot open it. */
	if (access("/dev/vfio", F_OK) < 0)
		return fail(err, GW_UNSUPPORTED,
			    "there is no QAT for programs on this host: /dev/vfio is "
			    "missing");
	if (!qz.is_qat_available())
		return fail(
			err, GW_UNSUPPORTED,
			"QATlib finds no QAT (icp_sal_userIsQatAvailable): is there one, "
			"does the service qat run, is this user in group qat");
	return 0;
}

static int qatzip_probe(struct gw_error *err)
{
	if (vendor_library_load("libqatzip.so.3", "Debian: libqatzip3", symbols, SYMBOLS,
				err) < 0)
		return -1;
	qz.set_log_level(LOG_NONE);
	if (sw_backup == 0 && find_device(err) < 0)
		return -1;
	return device_trial(&device_qatzip, UNIT_MEMBERS, err);
}

/* ---- one channel and direction ---- */

static void *qatzip_open(enum unit_form form, enum direction direction, int level,
			 uint32_t jobs, struct gw_error *err)
{
	struct qatzip_state *state;
	int answer;

	assert(form == UNIT_MEMBERS || (form == UNIT_BLOCKS && direction == ENCODE));
	state = calloc(1, sizeof(*state) + jobs * sizeof(struct unit *));
	if (!state) {
		fail_sys(err, ENOMEM, "QATzip");
		return NULL;
	}
	state->form = form;
	state->direction = direction;
	/* A decoder's is of no meaning, but has to be one. */
	state->level = direction == ENCODE ? level : QZ_DEFLATE_COMP_LVL_MINIMUM;
	state->jobs = jobs;
	answer = session_begin(state);
	if (answer < 0) {
		fail_session("session", answer, err);
		free(state);
		return NULL;
	}
	return state;
}

/* Room that the empty block takes. */
#define MARKER_BYTES 5u

/* Where the blocks end with other than an empty one, that is added: they end at a byte. */
static void end_blocks(struct unit *unit)
{
	static const uint8_t empty[MARKER_BYTES] = { 0, 0, 0, 0xff, 0xff };
	uint8_t *end = unit->room.bytes + unit->produced;

	if (unit->produced >= MARKER_BYTES && memcmp(end - 4, empty + 1, 4) == 0)
		return;
	memcpy(end, empty, MARKER_BYTES);
	unit->produced += MARKER_BYTES;
}

static int encode(struct qatzip_state *state, struct unit *unit)
{
	bool blocks = state->form == UNIT_BLOCKS;
	unsigned int reserve = blocks ? MARKER_BYTES : 0;
	unsigned int read = (unsigned int)unit->source.length;
	unsigned int written = (unsigned int)unit->room.length - reserve;
	int answer;

	if (unit->room.length <= reserve) {
		unit_full(unit);
		return QZ_OK;
	}
	answer = qz.compress(&state->session, unit->source.bytes, &read, unit->room.bytes,
			     &written, blocks ? 0 : 1);
	if (answer == QZ_BUF_ERROR) {
		unit_full(unit);
	} else if (answer != QZ_OK) {
		unit_failed(unit, "qzCompress", answer);
	} else if (read != unit->source.length) {
		unit_failed(unit, "qzCompress left pages unread", (int)read);
	} else {
		unit_done(unit, written);
		if (blocks)
			end_blocks(unit);
	}
	return answer;
}

/* "Success" is also said of damaged members: that input was left over is the only sign. */
static int decode(struct qatzip_state *state, struct unit *unit)
{
	unsigned int read = (unsigned int)unit->source.length;
	unsigned int written = (unsigned int)unit->room.length;
	int answer;

	/* QATzip looks at a member's header without looking at its length. */
	if (unit->source.length < GZIP_MEMBER_HEADER_BYTES + GZIP_MEMBER_TRAILER_BYTES) {
		unit_failed(unit, "too short for a member", (int)unit->source.length);
		return QZ_OK;
	}
	answer = qz.decompress(&state->session, unit->source.bytes, &read,
			       unit->room.bytes, &written);
	if (answer != QZ_OK)
		unit_failed(unit, "qzDecompress", answer);
	else if (read != unit->source.length)
		unit_failed(unit, "qzDecompress left bytes unread", (int)read);
	else if (written != unit->room.length)
		unit_failed(unit, "qzDecompress wrote less than the pages", (int)written);
	else
		unit_done(unit, written);
	return answer;
}

static enum device_answer qatzip_submit(void *opaque, struct unit *unit)
{
	struct qatzip_state *state = opaque;
	int answer;

	assert(state->finished_count < state->jobs);
	if (state->lost)
		return DEVICE_TAKEN;
	/* Larger members, QATzip's own software's for one, are not for the device. */
	if (state->direction == DECODE && sw_backup == 0 &&
	    !gzip_members_are_for_qat(unit->source))
		return DEVICE_DECLINED;
	if (!state->set_up) {
		answer = session_begin(state);
		if (answer < 0) {
			unit_failed(unit, "qzSetupSession", answer);
			return DEVICE_FAILED;
		}
	}
	answer = state->direction == ENCODE ? encode(state, unit) : decode(state, unit);
	/* All instances are with other channels. */
	if (answer == QZ_NOSW_NO_INST_ATTACH)
		return DEVICE_BUSY;
	/* Among others where polling failed (1.3.1, qzCompress), requests being in flight. */
	if (answer == QZ_FAIL && sw_backup == 0) {
		state->lost = true;
		return DEVICE_TAKEN;
	}
	/* After an error a session goes on in the middle of the old stream. */
	if (unit->answer != UNIT_DONE)
		session_end(state);
	state->finished[state->finished_count++] = unit;
	return DEVICE_TAKEN;
}

static struct unit *qatzip_reap(void *opaque, bool wait)
{
	struct qatzip_state *state = opaque;
	struct unit *unit = state->finished[0];

	if (state->finished_count == 0)
		return NULL;
	state->finished_count--;
	memmove(state->finished, state->finished + 1,
		state->finished_count * sizeof(struct unit *));
	return unit;
}

/* Where a leak checker finds it. */
static void lost_keep(struct qatzip_state *state)
{
	/* NOLINTNEXTLINE(cppcoreguidelines-avoid-non-const-global-variables): one a process */
	static struct qatzip_state *lost;

	state->next_lost = __atomic_exchange_n(&lost, state, __ATOMIC_ACQ_REL);
}

static bool qatzip_close(void *opaque)
{
	struct qatzip_state *state = opaque;

	if (state->lost) {
		lost_keep(state);
		return false;
	}
	if (state->set_up)
		session_end(state);
	free(state);
	return true;
}

/* ---- memory ---- */

/* QATzip never forgets that an address was pinned (1.3.1, qzMemUnRegAddr does nothing) and would
 * have the device read what later lies there.  So pinned memory is not freed, but kept for the
 * next channel. */
struct kept {
	struct kept *next;
	size_t bytes;
};

/* NOLINTBEGIN(cppcoreguidelines-avoid-non-const-global-variables): one a process */
static pthread_mutex_t kept_lock = PTHREAD_MUTEX_INITIALIZER;
static struct kept *kept;
/* NOLINTEND(cppcoreguidelines-avoid-non-const-global-variables) */

static void qatzip_release(void *memory, size_t bytes)
{
	struct kept *released = memory;

	released->bytes = bytes;
	pthread_mutex_lock(&kept_lock);
	released->next = kept;
	kept = released;
	pthread_mutex_unlock(&kept_lock);
}

static void *kept_take(size_t bytes)
{
	struct kept **at = &kept, *found;

	pthread_mutex_lock(&kept_lock);
	while (*at && (*at)->bytes != bytes)
		at = &(*at)->next;
	found = *at;
	if (found)
		*at = found->next;
	pthread_mutex_unlock(&kept_lock);
	return found;
}

static void *qatzip_allocate(size_t bytes)
{
	void *memory = kept_take(bytes);
	uintptr_t at;

	if (memory || sw_backup)
		return memory;
	memory = qz.malloc(bytes + PAGE_BYTES, QZ_AUTO_SELECT_NUMA_NODE, PINNED_MEM);
	at = ((uintptr_t)memory + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES;
	return memory ? (void *)at : NULL;
}

const struct device device_qatzip = {
	.name = "qatzip",
	.accelerator = ACCELERATOR_QATZIP,
	.encodes = 1u << UNIT_MEMBERS | 1u << UNIT_BLOCKS,
	.decodes = 1u << UNIT_MEMBERS,
	.unit_bytes = UNIT_BYTES_MAX,
	/* Generation 6 does not verify what it has made; members have a CRC. */
	.verify = 1u << UNIT_BLOCKS,
	.probe = qatzip_probe,
	.open = qatzip_open,
	.submit = qatzip_submit,
	.reap = qatzip_reap,
	.close = qatzip_close,
	.allocate = qatzip_allocate,
	.release = qatzip_release,
};
