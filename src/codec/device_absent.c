/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* device_absent.c - the devices whose libraries' headers were not there at build time.
 *
 * They stand in the lists with the forms that the real ones have, and say why they are of no
 * use. */
#include "codec/device.h"

#include <stddef.h>

#define FORM(form) (1u << (form))

#if !defined(GODWIT_HAVE_QPL) || !defined(GODWIT_HAVE_QATZIP) || \
	!defined(GODWIT_HAVE_UADK)

/* Behind a probe that says no: nobody gets here. */
static void *absent_open(enum unit_form form, enum direction direction, int level,
			 uint32_t jobs, struct gw_error *err)
{
	fail(err, GW_UNSUPPORTED, "this device is not in this godwit");
	return NULL;
}

static enum device_answer absent_submit(void *state, struct unit *unit)
{
	unit_failed(unit, "this device is not in this godwit", 0);
	return DEVICE_FAILED;
}

static struct unit *absent_reap(void *state, bool wait)
{
	return NULL;
}

static bool absent_close(void *state)
{
	return true;
}

#define ABSENT                                                             \
	.open = absent_open, .submit = absent_submit, .reap = absent_reap, \
	.close = absent_close

#endif

#ifndef GODWIT_HAVE_QPL
static int qpl_probe(struct gw_error *err)
{
	return fail(err, GW_UNSUPPORTED,
		    "this godwit was built without QPL's headers (Debian: libqpl-dev)");
}

const struct device device_qpl = {
	.name = "qpl",
	.accelerator = ACCELERATOR_QPL,
	.encodes = FORM(UNIT_DEFLATE),
	.decodes = FORM(UNIT_DEFLATE),
	.probe = qpl_probe,
	ABSENT,
};
#endif

#ifndef GODWIT_HAVE_QATZIP
static int qatzip_probe(struct gw_error *err)
{
	return fail(err, GW_UNSUPPORTED,
		    "this godwit was built without QATzip's headers (Debian: "
		    "libqatzip-dev)");
}

const struct device device_qatzip = {
	.name = "qatzip",
	.accelerator = ACCELERATOR_QATZIP,
	.encodes = FORM(UNIT_MEMBERS) | FORM(UNIT_BLOCKS),
	.decodes = FORM(UNIT_MEMBERS),
	.unit_bytes = 512u << 10,
	.probe = qatzip_probe,
	ABSENT,
};
#endif

#ifndef GODWIT_HAVE_UADK
static int uadk_probe(struct gw_error *err)
{
	return fail(err, GW_UNSUPPORTED,
		    "this godwit was built without UADK's headers (no package of "
		    "Debian's has them)");
}

const struct device device_uadk = {
	.name = "uadk",
	.accelerator = ACCELERATOR_UADK,
	.encodes = FORM(UNIT_ZLIB),
	.decodes = FORM(UNIT_ZLIB),
	.probe = uadk_probe,
	ABSENT,
};
#endif
