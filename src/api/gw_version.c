/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gw_version.c - which godwit this is. */
#include "godwit.h"

const char *gw_version(void)
{
	return GODWIT_VERSION;
}
