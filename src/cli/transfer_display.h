/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* transfer_display.h - what `send` and `recv` show of a migration, on its way and at its end. */
#ifndef CLI_TRANSFER_DISPLAY_H
#define CLI_TRANSFER_DISPLAY_H

#include "cli/display.h"
#include "sendrecv/transfer.h"

struct transfer_display {
	struct display display;
	struct transfer_observer observer; /* for the job; points back here */
	bool streamed;			   /* a look was told to programs ... */
	uint64_t streamed_ns;		   /* ... then */
	char streamed_state[32];	   /* ... in this state */
};

/* After display_open(). */
void transfer_display_init(struct transfer_display *display);

/* The table for people, on standard output. */
void transfer_print_report(const struct transfer_report *report);

/* The list of one object for programs; NULL when memory is out. */
json_t *transfer_report_json(const struct transfer_report *report);

#endif
