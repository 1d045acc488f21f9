/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vmm.c - the smallest thing that migrates: memory, something that writes to it, and a counter.
 *
 *	cc vmm.c $(pkg-config --cflags --libs godwit) -pthread -o vmm
 *
 *	vmm receive URI     waits for a guest, runs it, and checks that it is whole
 *	vmm run --to URI    makes a guest, lets it run, and migrates it
 *	vmm                 both, as two processes
 *
 * The "machine" has 64 MiB of memory and one "processor", a thread that goes through that memory:
 * each step counts one up and writes the count, and where it belongs, into the page that is next.
 * The counter is all the state there is.  A page that a migration lost, or brought an old version
 * of, does not hold what the counter says it has to hold: that is how the machine checks itself. */
#include <errno.h>
#include <godwit.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MEMORY_BYTES (UINT64_C(64) << 20)
#define PAGES (MEMORY_BYTES / GW_PAGE_BYTES)
/* Pages that are written over and over, at the beginning of memory. */
#define WORKING_SET (PAGES / 4)
#define STEP_NS 20000

/* The state as it travels: big-endian, so that hosts need not be alike. */
#define STATE_NAME "vmm/counter"
#define STATE_VERSION 1
#define STATE_BYTES 8

struct vmm {
	uint8_t *memory;
	struct gw_ram *ram;
	uint64_t counter; /* the processor's while it runs */
	atomic_bool running;
	pthread_t processor;
};

/* ---- the machine ---- */

/* What a page holds: the count at which it was written last, and its own number. */
struct stamp {
	uint64_t count;
	uint64_t page;
};

static void *processor(void *user)
{
	const struct timespec step = { 0, STEP_NS };
	struct vmm *vmm = user;

	while (atomic_load(&vmm->running)) {
		uint64_t page = vmm->counter % WORKING_SET;
		const struct stamp stamp = { ++vmm->counter, page };

		memcpy(vmm->memory + page * GW_PAGE_BYTES, &stamp, sizeof(stamp));
		nanosleep(&step, NULL);
	}
	return NULL;
}

static int run(struct vmm *vmm, struct gw_error *err)
{
	int sys;

	atomic_store(&vmm->running, true);
	sys = pthread_create(&vmm->processor, NULL, processor, vmm);
	if (sys == 0)
		return 0;
	atomic_store(&vmm->running, false);
	return gw_fail(err, GW_SYSTEM, "processor: %s", strerror(sys));
}

static void halt(struct vmm *vmm)
{
	if (atomic_exchange(&vmm->running, false))
		pthread_join(vmm->processor, NULL);
}

/* While it does not run: is each page what the counter says it has to be? */
static int check(const struct vmm *vmm, struct gw_error *err)
{
	for (uint64_t page = 0; page < PAGES; page++) {
		const uint8_t *at = vmm->memory + page * GW_PAGE_BYTES;
		uint64_t expected = 0;
		struct stamp seen;

		/* The last time that the processor came by. */
		if (page < WORKING_SET && vmm->counter > page)
			expected = vmm->counter - (vmm->counter - page - 1) % WORKING_SET;
		memcpy(&seen, at, sizeof(seen));
		if (seen.page != page || seen.count != expected)
			return gw_fail(
				err, GW_PEER,
				"page %llu holds count %llu of page %llu, count %llu "
				"was expected",
				(unsigned long long)page, (unsigned long long)seen.count,
				(unsigned long long)seen.page,
				(unsigned long long)expected);
	}
	return 0;
}

static int make_machine(struct vmm *vmm, struct gw_error *err)
{
	*vmm = (struct vmm){ 0 };
	vmm->memory = mmap(NULL, MEMORY_BYTES, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (vmm->memory == MAP_FAILED)
		return gw_fail(err, GW_SYSTEM, "memory: %s", strerror(errno));
	vmm->ram = gw_ram_new(err);
	if (!vmm->ram)
		return -1;
	return gw_ram_add(vmm->ram, "ram", vmm->memory, MEMORY_BYTES, err);
}

static void free_machine(struct vmm *vmm)
{
	halt(vmm);
	gw_ram_free(vmm->ram);
	munmap(vmm->memory, MEMORY_BYTES);
}

/* ---- what the library asks of it ---- */

static int on_pause(void *user, struct gw_error *err)
{
	(void)err;
	halt(user);
	return 0;
}

static int on_resume(void *user, struct gw_error *err)
{
	return run(user, err);
}

static int on_save(void *user, struct gw_state *state, struct gw_error *err)
{
	const struct vmm *vmm = user;
	uint8_t bytes[STATE_BYTES];

	for (int i = 0; i < STATE_BYTES; i++)
		bytes[i] = (uint8_t)(vmm->counter >> (56 - 8 * i));
	return gw_state_add(state, STATE_NAME, 0, STATE_VERSION, bytes, sizeof(bytes),
			    err);
}

static void on_progress(void *user, const struct gw_progress *now)
{
	(void)user;
	printf("source: %s, round %u, %llu of %llu MiB remain\n",
	       gw_status_name(now->status), now->round,
	       (unsigned long long)now->remaining_bytes >> 20,
	       (unsigned long long)now->total_bytes >> 20);
	if (now->convergence == GW_CONVERGENCE_NO)
		printf("source: %s\n", now->explanation);
}

static int on_load(void *user, const struct gw_section *section, struct gw_error *err)
{
	const uint8_t *bytes = section->bytes;
	struct vmm *vmm = user;

	/* It comes from somebody else: believe nothing. */
	if (strcmp(section->name, STATE_NAME) != 0 || section->version != STATE_VERSION ||
	    section->length != STATE_BYTES)
		return gw_fail(err, GW_PEER, "version %u, %zu bytes: not known here",
			       section->version, section->length);
	vmm->counter = 0;
	for (int i = 0; i < STATE_BYTES; i++)
		vmm->counter = vmm->counter << 8 | bytes[i];
	return 0;
}

static int on_start(void *user, struct gw_error *err)
{
	struct vmm *vmm = user;

	/* A real one would just run; this one is here to show that nothing got lost. */
	if (check(vmm, err) < 0)
		return -1;
	printf("destination: %llu pages as they were, the counter is at %llu\n",
	       (unsigned long long)PAGES, (unsigned long long)vmm->counter);
	return run(vmm, err);
}

/* ---- two sides ---- */

/* Both ends must agree on it. */
static const char *const channels = "4";

static int send_machine(struct vmm *vmm, const char *uri, struct gw_error *err)
{
	const struct gw_source_ops ops = {
		.struct_size = sizeof(ops),
		.pause = on_pause,
		.save = on_save,
		.resume = on_resume,
		.progress = on_progress,
	};
	struct gw_dirty *dirty = gw_dirty_own(vmm->ram, "auto", err);
	struct gw_source *source =
		dirty ? gw_source_new(vmm->ram, dirty, &ops, vmm, NULL, err) : NULL;
	int failed = source ? 0 : -1;

	if (failed == 0 &&
	    (gw_source_set(source, "multifd", "on", err) < 0 ||
	     gw_source_set(source, "multifd-channels", channels, err) < 0 ||
	     gw_source_set(source, "multifd-compression", "zstd", err) < 0))
		failed = -1;
	if (failed == 0)
		failed = gw_source_run(source, uri, err);
	if (failed == 0) {
		const struct gw_source_report *report = gw_source_report(source);

		printf("source: moved in %.1f ms, %.1f ms of them paused, %llu KiB "
		       "sent\n",
		       (double)report->total_ns / 1e6, (double)report->downtime_ns / 1e6,
		       (unsigned long long)report->wire_bytes >> 10);
	}
	gw_source_free(source);
	gw_dirty_free(dirty);
	return failed;
}

static int run_mode(const char *uri, struct gw_error *err)
{
	const struct timespec warm_up = { 0, 100000000 };
	struct vmm vmm;
	int failed = make_machine(&vmm, err);

	for (uint64_t page = 0; failed == 0 && page < PAGES; page++) {
		const struct stamp stamp = { 0, page };

		memcpy(vmm.memory + page * GW_PAGE_BYTES, &stamp, sizeof(stamp));
	}
	if (failed == 0)
		failed = run(&vmm, err);
	if (failed == 0) {
		nanosleep(&warm_up, NULL);
		failed = send_machine(&vmm, uri, err);
	}
	free_machine(&vmm);
	return failed;
}

/* Runs on for a while where it arrived; then all must be as if it had never moved. */
static int live_on(struct vmm *vmm, struct gw_error *err)
{
	const struct timespec while_it_runs = { 0, 200000000 };
	uint64_t arrived_at;

	halt(vmm);
	arrived_at = vmm->counter;
	if (run(vmm, err) < 0)
		return -1;
	nanosleep(&while_it_runs, NULL);
	halt(vmm);
	if (vmm->counter <= arrived_at)
		return gw_fail(err, GW_SYSTEM, "the counter stands still at %llu",
			       (unsigned long long)vmm->counter);
	if (check(vmm, err) < 0)
		return -1;
	printf("destination: the counter went on to %llu\n",
	       (unsigned long long)vmm->counter);
	return 0;
}

/* `tell`: where the address is written to once somebody can connect; -1: standard output. */
static int receive_mode(const char *uri, int tell, struct gw_error *err)
{
	const struct gw_destination_ops ops = {
		.struct_size = sizeof(ops),
		.load = on_load,
		.start = on_start,
	};
	const struct gw_destination_options options = {
		.struct_size = sizeof(options),
		.fresh_memory = true,
	};
	struct gw_destination *destination = NULL;
	const char *at = NULL;
	struct vmm vmm;
	int failed = make_machine(&vmm, err);

	if (failed == 0)
		destination = gw_destination_new(vmm.ram, &ops, &vmm, &options, err);
	if (destination && gw_destination_set(destination, "multifd", "on", err) == 0 &&
	    gw_destination_set(destination, "multifd-channels", channels, err) == 0)
		at = gw_destination_listen(destination, uri, err);
	if (at && tell >= 0)
		dprintf(tell, "%s", at);
	else if (at)
		printf("destination: listening on %s\n", at);
	failed = at ? gw_destination_run(destination, err) : -1;
	if (failed == 0)
		failed = live_on(&vmm, err);
	gw_destination_free(destination);
	free_machine(&vmm);
	return failed;
}

/* ---- both ---- */

static int self_test(struct gw_error *err)
{
	char uri[256] = "";
	int told[2], status;
	size_t used = 0;
	ssize_t got;
	pid_t child;

	if (pipe(told) < 0)
		return gw_fail(err, GW_SYSTEM, "pipe: %s", strerror(errno));
	child = fork();
	if (child < 0)
		return gw_fail(err, GW_SYSTEM, "fork: %s", strerror(errno));
	if (child == 0) {
		close(told[0]);
		if (receive_mode("tcp:127.0.0.1:0", told[1], err) == 0)
			exit(EXIT_SUCCESS);
		fprintf(stderr, "vmm: destination: %s\n", err->text);
		exit(EXIT_FAILURE);
	}
	close(told[1]);
	/* tcp:127.0.0.1:PORT comes in one piece, for it is short. */
	do
		got = read(told[0], uri + used, sizeof(uri) - 1 - used);
	while (got < 0 && errno == EINTR);
	close(told[0]);
	if (got <= 0 || run_mode(uri, err) < 0) {
		if (got <= 0)
			gw_fail(err, GW_SYSTEM,
				"the destination did not begin to listen");
		kill(child, SIGTERM);
		waitpid(child, NULL, 0);
		return -1;
	}
	if (waitpid(child, &status, 0) != child || !WIFEXITED(status) ||
	    WEXITSTATUS(status) != EXIT_SUCCESS)
		return gw_fail(err, GW_PEER, "the guest did not arrive in one piece");
	printf("vmm: moved, verified, running (libgodwit %s)\n", gw_version());
	return 0;
}

int main(int argc, char **argv)
{
	struct gw_error err;
	int failed;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc == 1) {
		failed = self_test(&err);
	} else if (argc == 4 && strcmp(argv[1], "run") == 0 &&
		   strcmp(argv[2], "--to") == 0) {
		failed = run_mode(argv[3], &err);
	} else if (argc == 3 && strcmp(argv[1], "receive") == 0) {
		failed = receive_mode(argv[2], -1, &err);
	} else {
		fprintf(stderr, "usage: vmm [run --to URI | receive URI]\n");
		return 2;
	}
	if (failed < 0)
		fprintf(stderr, "vmm: %s\n", err.text);
	return failed < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
