/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gw_status.h - states and verdicts, as the public header counts them. */
#ifndef API_GW_STATUS_H
#define API_GW_STATUS_H

#include "godwit.h"
#include "migrate/convergence.h"
#include "migrate/state.h"

enum gw_status status_of(enum migration_state state);
enum gw_convergence convergence_of(enum convergence_verdict verdict);

#endif
