/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* godwit.h - live migration of virtual machines over parallel channels.
 *
 * The one public header.  Every name in it starts with gw_ or GW_.
 *
 *	source                                  destination
 *	gw_ram_new(), gw_ram_add() ...          gw_ram_new(), gw_ram_add() ...   the same blocks
 *	gw_dirty_own() or gw_dirty_new()
 *	gw_source_new(), gw_source_set() ...    gw_destination_new(), _set() ...
 *	                                        gw_destination_listen()
 *	gw_source_run()   ────────────────────▶ gw_destination_run()
 *	pause, save                             load, start
 *
 * Handles are opaque and belong to whoever made them; a handle that is given to another call is
 * borrowed until that other handle is freed, unless it says "taken over".  A handle is used by one
 * thread at a time, but for the calls marked "any thread".  There is no global state: any number
 * of migrations may run in one process, each on threads of its own.
 *
 * Calls that can fail take `struct gw_error *err` last; it is set on failure and untouched on
 * success.  No pointer is NULL but where it says that it may be.  The library prints nothing,
 * changes no signal's disposition and never exits.  Structs that the caller fills in start with
 * `struct_size`, set to their sizeof, so that they can grow (struct gw_log stays as it is, and so
 * does struct gw_error); fields that are not set are zero, and zero is the default.  Structs that
 * the library fills in may grow at their end.  Texts end with NUL.  Pages are GW_PAGE_BYTES, as QEMU's on x86. */
#ifndef GODWIT_H
#define GODWIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define GW_API __attribute__((visibility("default")))

#define GW_PAGE_BYTES 4096u

/**
 * gw_version() - the library's own version
 *
 * Any thread.  It cannot fail.
 *
 * Return: "0.1.0", for as long as the library is loaded.
 */
GW_API const char *gw_version(void);

/* ---- errors ---- */

/* What a caller can do about a failure, not where it happened. */
enum gw_error_kind {
	GW_SYSTEM = 1,	/* the operating system refused; `sys` holds errno */
	GW_PEER,	/* the other side left or broke the protocol */
	GW_UNSUPPORTED, /* understood, but not available here */
	GW_USAGE,	/* the caller asked for something that cannot be */
	GW_CANCELLED,	/* somebody asked us to stop */
};

/* An error is a value: nothing to free, valid for as long as the struct is.  `text` is one
 * lower-case sentence without a full stop that names the thing, the value seen and the value
 * allowed; refusals of parameters are in QEMU's own words. */
struct gw_error {
	enum gw_error_kind kind;
	int sys;
	char text[256];
};

/**
 * gw_fail() - sets an error, for callbacks that have to say why they fail
 * @err:    what the callback was given
 * @kind:   what can be done about it
 * @format: printf's; cut where it does not fit
 *
 * Any thread.
 *
 * Return: -1, so that a callback can `return gw_fail(...)`.
 */
GW_API int gw_fail(struct gw_error *err, enum gw_error_kind kind, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* ---- what the library has to say meanwhile ---- */

enum gw_log_level { GW_LOG_ERROR, GW_LOG_WARNING, GW_LOG_INFO, GW_LOG_DEBUG };

/* A plain value, part of the options below; without `line` nothing is formatted.  `line` is called
 * from any thread, several at once; `text` is one line without its end, good for the call. */
struct gw_log {
	enum gw_log_level level; /* the most detail that is wanted */
	void (*line)(void *user, enum gw_log_level level, const char *text);
	void *user;
};

/* ---- guest memory ---- */

#define GW_BLOCKS_MAX 4096u

struct gw_ram;

/**
 * gw_ram_new() - an empty list of guest memory
 * @err: set on failure
 *
 * Any one thread.  Errors: GW_SYSTEM no memory.
 *
 * Return: the list, or NULL.
 */
GW_API struct gw_ram *gw_ram_new(struct gw_error *err);

/* Not before everything that borrowed it is freed.  The memory stays as it is.  NULL is fine. */
GW_API void gw_ram_free(struct gw_ram *ram);

/**
 * gw_ram_add() - one block of guest memory, borrowed while the list lives
 * @ram:    the list
 * @name:   1 to 255 bytes, unlike all others; the destination must have it, too
 * @host:   where it is, on a page's boundary
 * @length: in bytes, a multiple of GW_PAGE_BYTES, not 0
 * @err:    set on failure
 *
 * Blocks are numbered from 0, in the order in which they are added; source and destination add
 * the same names and lengths in the same order.  At the source it must be writable memory of this
 * process, for a tracker of gw_dirty_own() private or shared memory as userfaultfd takes it.
 * Errors: GW_USAGE alignment, length, name, overlap, more than GW_BLOCKS_MAX, or the list is in
 * use by a tracker, a source or a destination and can no longer change.
 *
 * Return: 0, or -1.
 */
GW_API int gw_ram_add(struct gw_ram *ram, const char *name, void *host, uint64_t length,
		      struct gw_error *err);

/* A block as callbacks see it; good for the call. */
struct gw_block {
	uint32_t index;
	const char *name;
	void *host;
	uint64_t length;
};

/* ---- which pages were written ---- */

struct gw_dirty;

/* A dirty tracker of the caller's: a hypervisor's dirty log, or a bitmap that a VMM keeps.  All
 * calls come from the thread that runs the source, or that frees the tracker, while the guest
 * writes.
 *
 * A write that happened before harvest() was called is in its answer or was in an earlier one; one
 * that happens later is in a later one; one in between may be in both. */
struct gw_dirty_ops {
	size_t struct_size;
	const char *name; /* for reports; must outlive the tracker */
	/* From now on writes are recorded.  May come again after stop(). */
	int (*start)(void *user, struct gw_error *err);
	/* ORs the pages of `block` written since the last harvest (or start) into `bitmap`, page
	 * i at bit i % 64 of word i / 64, and watches them again.  Bits past the block's last page
	 * must stay clear.  Adds the number of pages found to *found, whether or not their bits
	 * were set before. */
	int (*harvest)(void *user, const struct gw_block *block, uint64_t *bitmap,
		       uint64_t *found, struct gw_error *err);
	/* Writes need not be recorded any more. */
	void (*stop)(void *user);
	/* The tracker is gone.  NULL: nothing to do. */
	void (*free)(void *user);
};

/**
 * gw_dirty_new() - a tracker that the caller supplies
 * @ops:  copied; all but free are required
 * @user: passed to them; taken over, also on failure, when it has a free
 * @err:  set on failure
 *
 * Any one thread.  Errors: GW_USAGE an entry is missing; GW_SYSTEM no memory.
 * Source: the harvest is QEMU's memory_global_dirty_log_sync() turned round.
 *
 * Return: the tracker, or NULL.
 */
GW_API struct gw_dirty *gw_dirty_new(const struct gw_dirty_ops *ops, void *user,
				     struct gw_error *err);

/**
 * gw_dirty_own() - the kernel tells which memory of this process was written
 * @ram: its blocks are watched; borrowed
 * @how: "auto" takes the first that the kernel has; or by name "wp-async" (Linux 6.7) or "wp-sync"
 *       (Linux 5.14: a write waits for a thread of the library to take note of it)
 * @err: set on failure
 *
 * For guests that are threads of this process.  Any one thread.  With "wp-sync" memory must not be
 * discarded (MADV_DONTNEED) while a source runs, and where only user-mode faults may be handled
 * the kernel's own writes to it, read() or KVM's, fail with EFAULT.
 * Errors: GW_UNSUPPORTED what the kernel lacks or refuses, and the sysctl or device to look at;
 * GW_USAGE no such way.  Source: userfaultfd(2), PAGEMAP_SCAN in ioctl_pagemap_scan(2).
 *
 * Return: the tracker, or NULL.
 */
GW_API struct gw_dirty *gw_dirty_own(struct gw_ram *ram, const char *how,
				     struct gw_error *err);

/* "wp-async", or the name that came with the ops; good while the tracker lives.  Any thread. */
GW_API const char *gw_dirty_name(const struct gw_dirty *dirty);

/* Not before the sources that borrowed it are freed.  NULL is fine. */
GW_API void gw_dirty_free(struct gw_dirty *dirty);

/* ---- what a guest has besides memory ---- */

/* The sections of one guest, all together. */
#define GW_STATE_BYTES_MAX (64u << 20)
#define GW_STATE_SECTIONS_MAX 1024u
#define GW_STATE_NAME_MAX 200u

/* Where a save callback puts sections; good for that call. */
struct gw_state;

/**
 * gw_state_add() - one section of state: bytes under a name
 * @state:    as the callback was given it
 * @name:     1 to GW_STATE_NAME_MAX graphic ASCII characters
 * @instance: tells sections of one name apart
 * @version:  of what the bytes mean; the destination may refuse it
 * @bytes:    copied; NULL when there are none
 * @length:   their number
 * @err:      set on failure
 *
 * Sections arrive in the order in which they are added.  Errors: GW_USAGE name, the same name and
 * instance twice, more than GW_STATE_SECTIONS_MAX, or GW_STATE_BYTES_MAX in sum; GW_SYSTEM no
 * memory.  Source: libgodwit(3), "State".
 *
 * Return: 0, or -1.
 */
GW_API int gw_state_add(struct gw_state *state, const char *name, uint32_t instance,
			uint32_t version, const void *bytes, size_t length,
			struct gw_error *err);

/* One section as it arrives; good for the call.  Bytes and names are the peer's: check them. */
struct gw_section {
	const char *name;
	uint32_t instance;
	uint32_t version;
	bool early; /* ahead of memory: to refuse it costs nothing yet */
	const void *bytes;
	size_t length;
};

/* ---- how far it is ---- */

/* QEMU's MigrationStatus. */
enum gw_status {
	GW_STATUS_NONE,
	GW_STATUS_SETUP,
	GW_STATUS_ACTIVE,
	GW_STATUS_PRE_SWITCHOVER, /* paused; waits for gw_source_continue() */
	GW_STATUS_DEVICE,
	GW_STATUS_COMPLETED,
	GW_STATUS_FAILED,
	GW_STATUS_CANCELLING,
	GW_STATUS_CANCELLED,
};

/* "none", "setup", ... as QEMU spells them; NULL when it is none of them.  Any thread. */
GW_API const char *gw_status_name(enum gw_status status);

/* Will what is left ever fit into the downtime limit? */
enum gw_convergence {
	GW_CONVERGENCE_UNKNOWN, /* not watched for long enough */
	GW_CONVERGENCE_YES,
	GW_CONVERGENCE_NO,
};

/* One moment of a source.  Times in ns, sizes in bytes. */
struct gw_progress {
	enum gw_status status;
	uint32_t round; /* the pass over memory that is under way, from 1 */
	uint64_t elapsed_ns;
	uint64_t setup_ns; /* 0 until it is over */
	uint64_t total_bytes;
	/* A page that is still to come and was written meanwhile is sent twice and counts so:
	 * this may be more than there is. */
	uint64_t remaining_bytes;
	uint64_t normal_pages; /* moved, all rounds */
	uint64_t zero_pages;
	uint64_t wire_bytes;	       /* over all channels */
	uint64_t dirty_bytes_per_s;    /* the guest writes; 0 before it was measured */
	uint64_t bytes_per_s;	       /* of guest memory that move; likewise */
	uint64_t wire_bytes_per_s;     /* likewise */
	uint64_t expected_downtime_ns; /* if it were now; UINT64_MAX: nothing measured */
	uint64_t downtime_would_do_ms; /* a limit that would end it; 0: not known */
	uint32_t throttle_percent;     /* of auto-converge; 0: not throttled */
	enum gw_convergence convergence; /* the verdict, and ... */
	const char *explanation; /* ... its reasons in a sentence; "" when unknown */
};

/* Where the guest is after gw_source_run(). */
enum gw_guest {
	GW_GUEST_AT_SOURCE,	 /* it runs, or stayed paused, here as before */
	GW_GUEST_AT_DESTINATION, /* confirmed; without "return-path", everything was taken */
	GW_GUEST_UNKNOWN, /* it is paused here, and may run there: ask before resuming it */
};

/* What came of a source.  Times in ns, sizes in bytes. */
struct gw_source_report {
	enum gw_status status;
	enum gw_guest guest;
	uint64_t setup_ns;
	uint64_t total_ns;
	uint64_t
		downtime_ns; /* from pause to the destination's answer; 0: no guest moved */
	/* Where that went; resume is from the last bytes to the answer. */
	uint64_t stop_ns;
	uint64_t last_sync_ns;
	uint64_t last_pages_ns;
	uint64_t state_ns;
	uint64_t resume_ns;
	uint64_t ram_bytes;
	uint64_t wire_bytes; /* over all channels */
	uint64_t normal_pages;
	uint64_t zero_pages;
	uint32_t rounds;
	uint32_t throttle_percent_most;
	enum gw_convergence convergence; /* the last verdict */
	/* Who compressed, such as "isal" or "qpl", good while the library is loaded; NULL: nobody
	 * had to.  And what it did, in units that are the method's: pages, members, packets. */
	const char *engine;
	uint64_t engine_units;
	uint64_t device_units;	  /* of these, by a device */
	uint64_t fallback_units;  /* of these, by software in the device's stead */
	uint64_t device_retries;  /* its queue was full, and it was asked again */
	uint64_t device_failures; /* its answers that could not be used */
	uint64_t raw_pages;	  /* sent as they are: they do not shrink */
};

/* What came of a destination. */
struct gw_destination_report {
	enum gw_status status;
	bool started;	   /* the guest runs here, whether or not the source heard it */
	uint64_t total_ns; /* from the stream's first byte to its end */
	uint64_t wire_bytes;
	uint64_t normal_pages;
	uint64_t zero_pages;
	/* Who decompressed, and what it did: as of the source. */
	const char *engine;
	uint64_t engine_units;
	uint64_t device_units;
	uint64_t fallback_units;
	uint64_t device_retries;
	uint64_t device_failures;
	uint64_t raw_pages;
};

/* ---- source ---- */

struct gw_source;

/* The guest to be moved.  All calls come from the thread in gw_source_run().  A callback that
 * fails returns a negative number and sets *err, by gw_fail() or from what failed in it; the
 * migration then fails with that reason and the guest runs on. */
struct gw_source_ops {
	size_t struct_size;
	/* No write to memory happens after it returns. */
	int (*pause)(void *user, struct gw_error *err);
	/* Calls gw_state_add() for all that the guest is besides its memory. */
	int (*save)(void *user, struct gw_state *state, struct gw_error *err);
	/* Runs on as if nothing had been; called only when no guest runs at the destination. */
	int (*resume)(void *user, struct gw_error *err);
	/* What the destination must accept before any memory moves (the CPU's features, say).
	 * NULL: nothing. */
	int (*save_early)(void *user, struct gw_state *state, struct gw_error *err);
	/* The guest is kept from running for so many percent of the time, 0 to 99, until told
	 * otherwise; 0 comes last.  NULL: it cannot be, and "auto-converge" is refused. */
	void (*throttle)(void *user, uint32_t percent);
	/* About ten times a second and at each change of status.  NULL: nobody looks. */
	void (*progress)(void *user, const struct gw_progress *progress);
};

struct gw_source_options {
	size_t struct_size;
	/* What kind of guest, which a destination may check; NULL: "godwit". */
	const char *machine;
	/* How the destination speaks, "qemu-7.2" to "qemu-11.1"; NULL: as the newest, which a
	 * destination of this library understands. */
	const char *dialect;
	/* The peer is gone when no byte moves for so long; 0: 30 s. */
	uint32_t patience_ms;
	/* From the last bytes to the destination's answer; 0: 60 s. */
	uint32_t answer_patience_ms;
	struct gw_log log;
};

/**
 * gw_source_new() - a guest, ready to be sent once
 * @ram:     at least one block; borrowed
 * @dirty:   borrowed; of one running source at a time
 * @ops:     copied
 * @user:    passed to them
 * @options: copied, texts too; NULL: all defaults
 * @err:     set on failure
 *
 * Any one thread.  After a failed run make another one from the same parts to try again.
 * Errors: GW_USAGE an entry is missing, no blocks, no such dialect, a tracker for other memory;
 * GW_UNSUPPORTED the structs are of a newer version and use what this one does not have.
 *
 * Return: the source, or NULL.
 */
GW_API struct gw_source *gw_source_new(struct gw_ram *ram, struct gw_dirty *dirty,
				       const struct gw_source_ops *ops, void *user,
				       const struct gw_source_options *options,
				       struct gw_error *err);

/* Not while it runs, nor while another thread is in a call with it.  NULL is fine. */
GW_API void gw_source_free(struct gw_source *source);

/**
 * gw_source_set() - a migration parameter or capability, under QEMU's name
 * @source: the source
 * @name:   "max-bandwidth" (bytes a second, 0: no limit), "downtime-limit" (ms),
 *          "multifd-channels", "multifd-compression" ("none", "zlib", "zstd", "qpl", "uadk",
 *          "qatzip"), "multifd-zlib-level", "multifd-zstd-level", "multifd-qatzip-level",
 *          "cpu-throttle-initial" and the others of auto-converge; godwit's own
 *          "compression-accelerator" ("auto", "none", or "qpl", "qatzip", "uadk": that device
 *          or a failure; "reference", "simulated") and "compression-accelerator-jobs" (units in
 *          a device's hands, 1 to 128); or a capability: "multifd", "return-path", "auto-converge",
 *          "pause-before-switchover", "switchover-ack"
 * @value:  a decimal number without a unit, "on" or "off", or a word
 * @err:    set on failure
 *
 * Ranges and defaults are QEMU's, but that "return-path" is on: without it nobody tells the source
 * that its guest arrived.  So multifd is off, with 2 channels when it is on, and the bandwidth is
 * limited to 128 MiB/s.  Before gw_source_run() by the owner's thread.  While it runs
 * "max-bandwidth" and "downtime-limit" take effect at once, from any thread; of two calls at one
 * moment either may win.
 * Errors: GW_USAGE with QEMU's text, or too late for that parameter; GW_UNSUPPORTED QEMU has it and
 * godwit does not.  Source: QEMU qapi/migration.json.
 *
 * Return: 0, or -1 and nothing has changed.
 */
GW_API int gw_source_set(struct gw_source *source, const char *name, const char *value,
			 struct gw_error *err);

/* The longest value, its NUL included. */
#define GW_VALUE_BYTES_MAX 256u

/**
 * gw_source_get() - what a parameter or capability is set to
 * @source: the source
 * @name:   as above
 * @value:  filled in as gw_source_set() takes it
 * @room:   of it; GW_VALUE_BYTES_MAX is always enough
 * @err:    set on failure
 *
 * Owner's thread; any thread while it runs.  Errors: GW_USAGE no such name, or too little room.
 *
 * Return: 0, or -1.
 */
GW_API int gw_source_get(const struct gw_source *source, const char *name, char *value,
			 size_t room, struct gw_error *err);

/**
 * gw_source_run() - migrate
 * @source: once a source
 * @uri:    "tcp:HOST:PORT", "unix:PATH", or "fd:N", a connection of one's own, which carries one
 *          channel: not with multifd.  It is taken over, but by a call that is refused outright:
 *          for its URI, or for a source or a tracker that is in use
 * @err:    set on failure; the reason, as the destination gave it where it did
 *
 * Blocks until the guest is at one place or the other; calls back meanwhile.  Never two guests:
 * before the last bytes are sent every failure leaves the guest running here; after that only the
 * destination's own word says who runs.  gw_source_report() tells where the guest is, also after
 * success and failure alike.
 * Errors: GW_PEER the destination left, stalled or refused; GW_CANCELLED; GW_USAGE the URI, or it
 * ran before; GW_SYSTEM nobody listens there; GW_UNSUPPORTED the device that is set as
 * "compression-accelerator", and why it cannot be used; and what callbacks fail with.
 * Source: docs/protocol.md.
 *
 * Return: 0 when the guest is at the destination, or -1.
 */
GW_API int gw_source_run(struct gw_source *source, const char *uri, struct gw_error *err);

/* Any thread, a callback or a signal handler, any number of times, before or while it runs; good
 * for as long as the source lives.  True: the guest will not run at the destination.  False: too
 * late, it may run there already; nothing happens. */
GW_API bool gw_source_cancel(struct gw_source *source);

/* Goes on from GW_STATUS_PRE_SWITCHOVER; does nothing in another status.  Any thread, while it
 * runs. */
GW_API void gw_source_continue(struct gw_source *source);

/* As far as it got, on failure too; not while it runs.  Good while the source lives. */
GW_API const struct gw_source_report *gw_source_report(const struct gw_source *source);

/* ---- destination ---- */

struct gw_destination;

/* The guest that arrives.  All calls come from the thread in gw_destination_run(); failures as of
 * struct gw_source_ops: the source is told, and its guest runs on. */
struct gw_destination_ops {
	size_t struct_size;
	/* One section of the source's save() or save_early().  A name or version that it does not
	 * know should be refused. */
	int (*load)(void *user, const struct gw_section *section, struct gw_error *err);
	/* Everything has arrived: run.  After a failure nothing may run here. */
	int (*start)(void *user, struct gw_error *err);
	/* At each change.  NULL: nobody looks. */
	void (*status)(void *user, enum gw_status now);
};

struct gw_destination_options {
	size_t struct_size;
	/* As the source's; NULL: any is welcome. */
	const char *machine;
	/* The blocks are private memory that nobody wrote to: zero pages need not be written. */
	bool fresh_memory;
	/* The peer is gone when no byte moves for so long, once it began; 0: 30 s. */
	uint32_t patience_ms;
	struct gw_log log;
};

/**
 * gw_destination_new() - a place for one guest
 * @ram:     at least one block, with the source's names, lengths and order; borrowed.  Written from
 *           gw_destination_run() on, with bytes that are the source's until it succeeded
 * @ops:     copied
 * @user:    passed to them
 * @options: copied, texts too; NULL: all defaults
 * @err:     set on failure
 *
 * Any one thread.  Errors: GW_USAGE an entry is missing, no blocks; GW_UNSUPPORTED the structs are
 * of a newer version and use what this one does not have.
 *
 * Return: the destination, or NULL.
 */
GW_API struct gw_destination *
gw_destination_new(struct gw_ram *ram, const struct gw_destination_ops *ops, void *user,
		   const struct gw_destination_options *options, struct gw_error *err);

/* Not while it runs, nor while another thread is in a call with it.  NULL is fine. */
GW_API void gw_destination_free(struct gw_destination *destination);

/**
 * gw_destination_set() - a parameter or capability, under QEMU's name
 * @destination: the destination
 * @name:        "multifd", "multifd-channels" and "switchover-ack" have to be as at the
 *               source; "compression-accelerator" and its jobs are this side's own choice; the
 *               others of gw_source_set() are checked and do nothing here
 * @value:       as for gw_source_set()
 * @err:         set on failure
 *
 * Owner's thread, before gw_destination_listen().  The method is the source's alone to choose.
 * Errors: as gw_source_set().  Source: QEMU qapi/migration.json.
 *
 * Return: 0, or -1 and nothing has changed.
 */
GW_API int gw_destination_set(struct gw_destination *destination, const char *name,
			      const char *value, struct gw_error *err);

/* As gw_source_get(); not while another thread sets. */
GW_API int gw_destination_get(const struct gw_destination *destination, const char *name,
			      char *value, size_t room, struct gw_error *err);

/**
 * gw_destination_listen() - open the place where the source connects
 * @destination: once
 * @uri:         "tcp:HOST:PORT" (port 0: any; no host: all addresses), "unix:PATH", or "fd:N", a
 *               listening socket, or without multifd the connection itself: taken over on success
 * @err:         set on failure
 *
 * Owner's thread.  A source may connect from now on; it waits for gw_destination_run().
 * Errors: GW_SYSTEM the address; GW_USAGE the URI, or it listens already; GW_UNSUPPORTED the
 * device that is set as "compression-accelerator", and why it cannot be used.
 *
 * Return: the URI to connect to, with the port that was chosen, good while the destination lives;
 * or NULL.
 */
GW_API const char *gw_destination_listen(struct gw_destination *destination,
					 const char *uri, struct gw_error *err);

/**
 * gw_destination_run() - wait for the source, and take its guest in
 * @destination: after gw_destination_listen(), once
 * @err:         set on failure
 *
 * Blocks until the guest runs here or will not, calls back meanwhile, and waits for the first
 * connection for ever; a source that leaves before all its connections are there is forgotten, and
 * the next one waited for.  After a failure the contents of memory are undefined.
 * Errors: GW_PEER a stream that is broken, cut or of another guest; GW_CANCELLED; GW_UNSUPPORTED
 * named; GW_USAGE it does not listen; and what callbacks fail with.
 * Source: docs/protocol.md.
 *
 * Return: 0 when the guest was started, or -1.
 */
GW_API int gw_destination_run(struct gw_destination *destination, struct gw_error *err);

/* Any thread, a callback or a signal handler, any number of times, before or while it runs; good
 * for as long as the destination lives.  Once start() was called the guest stays. */
GW_API void gw_destination_cancel(struct gw_destination *destination);

/* As far as it got, on failure too; not while it runs.  Good while the destination lives. */
GW_API const struct gw_destination_report *
gw_destination_report(const struct gw_destination *destination);

#ifdef __cplusplus
}
#endif

#endif
