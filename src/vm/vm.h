/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vm.h - a guest of ours behind a QMP server and a human monitor.
 *
 * One thread, the one that calls vm_run(), owns the guest, the parameters, the server and the
 * monitor.  A migration has a thread of its own, which asks for what belongs to the vm (pause,
 * resume, save, load) through a mailbox and waits for the answer, and tells its progress the
 * same way:
 *
 *	clients ──▶ server, monitor ─┐
 *	                             ├─▶ vm's thread: guest, parameters, state ──▶ events
 *	migration thread ──mailbox──▶┘        │
 *	      ▲──── answers, cancel, limits ──┘
 */
#ifndef VM_VM_H
#define VM_VM_H

#include "base/interrupt.h"
#include "base/log.h"
#include "guest/guest.h"
#include "migrate/capabilities.h"
#include "migrate/parameters.h"

/* The QEMU whose commands, names and texts a vm has. */
enum { VM_SPEAKS_MAJOR = 7, VM_SPEAKS_MINOR = 2, VM_SPEAKS_MICRO = 0 };

struct vm_options {
	struct guest_options guest; /* console: the vm's own */
	const struct fill *fill;    /* of a guest that begins here */
	uint32_t threads;	    /* that fill it */
	const char *name;	    /* query-name; may be NULL */
	const char *incoming;	    /* URI, "defer", or NULL: the guest begins here */
	const char *qmp;	    /* "unix:PATH" or NULL */
	const char *monitor;	    /* "stdio", "unix:PATH" or NULL */
	const char *serial;	    /* "stdio", "null", "file:PATH" */
	bool paused;		    /* begins paused, as QEMU's -S */
	/* The machine type in the stream; NULL: guest_machine_name() */
	const char *machine;
	struct parameters parameters; /* at first */
	struct capabilities capabilities;
	int patience_ms;
	const char *package; /* "godwit 0.1.0": what query-version calls it */
	const struct log *log;
	/* The vm is up: `listening` is where an incoming migration may connect, or "".  Again for
	 * each migrate-incoming. */
	void (*ready)(void *state, const char *listening);
	void *ready_state;
};

enum vm_end {
	VM_QUIT,     /* told to: quit, or the interrupt, while the guest was here */
	VM_MIGRATED, /* quit after the guest went elsewhere */
	VM_UNKNOWN,  /* quit when the guest may have gone elsewhere: nobody said */
};

/* Runs until somebody says quit or `stop` is raised, then cancels a migration that is under way.
 * -1: it could not begin, or the guest that was to come with --incoming did not. */
int vm_run(const struct vm_options *options, const struct interrupt *stop,
	   enum vm_end *end, struct gw_error *err);

#endif
