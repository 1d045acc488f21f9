/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vcpu.c - one vCPU of a KVM guest, and the thread that runs it. */
#include "guest/vcpu.h"

#include <assert.h>
#include <errno.h>
#include <linux/kvm.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "guest/kvm_layout.h"

/* Only ever pending, never delivered: no handler is needed. */
#define KICK SIGUSR1

/* How long a throttled vCPU runs at a stretch. */
#define SLICE_NS (10 * NS_PER_MS)

struct vcpu {
	uint32_t index;
	int fd;
	const struct vcpu_board *board;
	struct kvm_run *run;
	size_t run_bytes;
	bool started;
	struct queue *commands;
	pthread_t thread;

	/* The thread's. */
	bool parked;
	bool unfinished; /* the last exit has to be finished in KVM */
	bool failed;
	struct gw_error error;
	timer_t timer; /* ends a slice */
	bool has_timer;
	uint64_t slice_end_ns;
	uint64_t kept_ns; /* from running, since the guest last asked */
	bool ring_failed; /* pages were lost, for good: whoever tracks is told */
	struct gw_error ring_error;
};

/* ---- exits ---- */

static const char *exit_name(uint32_t reason)
{
	static const char *const names[] = {
		[KVM_EXIT_UNKNOWN] = "unknown",
		[KVM_EXIT_EXCEPTION] = "exception",
		[KVM_EXIT_HYPERCALL] = "hypercall",
		[KVM_EXIT_DEBUG] = "debug",
		[KVM_EXIT_HLT] = "halt",
		[KVM_EXIT_MMIO] = "access to no memory",
		[KVM_EXIT_SHUTDOWN] = "shutdown (triple fault)",
		[KVM_EXIT_FAIL_ENTRY] = "refused by the CPU",
		[KVM_EXIT_INTERNAL_ERROR] = "KVM internal error",
		[KVM_EXIT_SYSTEM_EVENT] = "system event",
	};

	if (reason < sizeof(names) / sizeof(names[0]) && names[reason])
		return names[reason];
	return "nothing we know";
}

static int fail_exit(const struct kvm_run *run, struct gw_error *err)
{
	uint64_t detail = 0;

	switch (run->exit_reason) {
	case KVM_EXIT_UNKNOWN:
		detail = run->hw.hardware_exit_reason;
		break;
	case KVM_EXIT_MMIO:
		detail = run->mmio.phys_addr;
		break;
	case KVM_EXIT_FAIL_ENTRY:
		detail = run->fail_entry.hardware_entry_failure_reason;
		break;
	case KVM_EXIT_INTERNAL_ERROR:
		detail = run->internal.suberror;
		break;
	default:
		break;
	}
	return fail(err, GW_SYSTEM, "stopped by exit %u, %s, 0x%llx", run->exit_reason,
		    exit_name(run->exit_reason), (unsigned long long)detail);
}

/* Told, it begins anew. */
static uint32_t take_kept_us(struct vcpu *vcpu)
{
	uint64_t kept_us = vcpu->kept_ns / NS_PER_US;

	vcpu->kept_ns = 0;
	return kept_us < UINT32_MAX ? (uint32_t)kept_us : UINT32_MAX;
}

static int port_io(struct vcpu *vcpu, struct gw_error *err)
{
	struct kvm_run *run = vcpu->run;
	uint8_t *data = (uint8_t *)run + run->io.data_offset;
	const struct vcpu_board *board = vcpu->board;

	if (run->io.port == KVM_PORT_KEPT && run->io.direction == KVM_EXIT_IO_IN &&
	    run->io.size == sizeof(uint32_t) && run->io.count == 1) {
		uint32_t kept_us = htole32(take_kept_us(vcpu));

		memcpy(data, &kept_us, sizeof(kept_us));
		return 0;
	}
	if (run->io.size != 1)
		return fail(err, GW_SYSTEM, "%u bytes at once to port 0x%x, 1 is known",
			    run->io.size, run->io.port);
	for (uint32_t i = 0; i < run->io.count; i++) {
		int done = run->io.direction == KVM_EXIT_IO_OUT
				   ? board->write(board->state, vcpu->index, run->io.port,
						  data[i], err)
				   : board->read(board->state, vcpu->index, run->io.port,
						 &data[i], err);

		if (done < 0)
			return -1;
	}
	return 0;
}

/* False: pages were lost, now or before. */
static bool collect_ring(struct vcpu *vcpu)
{
	if (!vcpu->ring_failed &&
	    dirty_ring_collect(vcpu->board->ring, vcpu->index, &vcpu->ring_error) < 0)
		vcpu->ring_failed = true;
	return !vcpu->ring_failed;
}

static int handle_exit(struct vcpu *vcpu, struct gw_error *err)
{
	switch (vcpu->run->exit_reason) {
	case KVM_EXIT_IO:
		return port_io(vcpu, err);
	case KVM_EXIT_INTR:
		return 0;
	case KVM_EXIT_DIRTY_RING_FULL:
		if (collect_ring(vcpu))
			return 0;
		/* KVM would say the same again and again. */
		*err = vcpu->ring_error;
		return -1;
	default:
		return fail_exit(vcpu->run, err);
	}
}

/* Takes the signal off, so that the next KVM_RUN is not ended by it. */
static void take_kick(void)
{
	static const struct timespec now = { 0 };
	sigset_t kick;

	sigemptyset(&kick);
	sigaddset(&kick, KICK);
	while (sigtimedwait(&kick, NULL, &now) >= 0)
		;
}

/* Until something else is to be done.  1: a kick, 0: an exit, which was handled. */
static int run_once(struct vcpu *vcpu, struct gw_error *err)
{
	if (ioctl(vcpu->fd, KVM_RUN, 0) < 0) {
		if (errno == EINTR)
			return 1;
		/* Asks to be called again. */
		if (errno == EAGAIN)
			return 0;
		return fail_sys(err, errno, "KVM_RUN");
	}
	/* What fails there is for who tracks; the guest itself is sound. */
	if (vcpu->board->ring && dirty_ring_filling(vcpu->board->ring, vcpu->index))
		collect_ring(vcpu);
	return handle_exit(vcpu, err);
}

/* What KVM has begun for a port access is part of no state that can be read. */
static int finish(struct vcpu *vcpu, struct gw_error *err)
{
	int kicked = 0;

	if (!vcpu->unfinished)
		return 0;
	vcpu->unfinished = false;
	vcpu->run->immediate_exit = 1;
	while (kicked == 0)
		kicked = run_once(vcpu, err);
	vcpu->run->immediate_exit = 0;
	return kicked < 0 ? -1 : 0;
}

/* ---- the thread ---- */

static void stop_with(struct vcpu *vcpu, const struct gw_error *err)
{
	vcpu->failed = true;
	vcpu->error = *err;
	fail_in(&vcpu->error, "vCPU %u", vcpu->index);
	vcpu->board->failed(vcpu->board->state);
}

static void answer(struct queue *asker, int done, const struct gw_error *err)
{
	struct vcpu_answer answer = { .failed = done < 0 };

	if (done < 0)
		answer.err = *err;
	queue_give(asker, &answer);
}

static void park(struct vcpu *vcpu)
{
	struct gw_error err;

	if (!vcpu->failed && finish(vcpu, &err) < 0)
		stop_with(vcpu, &err);
	vcpu->parked = true;
	answer(vcpu->board->answers, vcpu->failed ? -1 : 0, &vcpu->error);
}

static void collect(struct vcpu *vcpu)
{
	answer(vcpu->board->collected, collect_ring(vcpu) ? 0 : -1, &vcpu->ring_error);
}

/* For how long it has to rest, in ms; 0: it may run; negative: until told. */
static int rest_ms(struct vcpu *vcpu)
{
	const struct vcpu_orders *orders = vcpu->board->orders;
	uint64_t percent = __atomic_load_n(&orders->throttle_percent, __ATOMIC_RELAXED);
	struct itimerspec end = { 0 };
	uint64_t now_ns, rest_end_ns;

	if (vcpu->parked || vcpu->failed ||
	    __atomic_load_n(&orders->halted, __ATOMIC_RELAXED))
		return -1;
	if (percent == 0)
		return 0;
	now_ns = clock_now_ns();
	if (now_ns < vcpu->slice_end_ns)
		return 0;
	rest_end_ns = vcpu->slice_end_ns + SLICE_NS * percent / (100 - percent);
	if (now_ns < rest_end_ns)
		return (int)((rest_end_ns - now_ns + NS_PER_MS - 1) / NS_PER_MS);
	vcpu->slice_end_ns = now_ns + SLICE_NS;
	end.it_value.tv_sec = (time_t)(vcpu->slice_end_ns / NS_PER_S);
	end.it_value.tv_nsec = (long)(vcpu->slice_end_ns % NS_PER_S);
	timer_settime(vcpu->timer, TIMER_ABSTIME, &end, NULL);
	return 0;
}

/* Takes commands until there are none and it may run.  False: it is over. */
static bool obey(struct vcpu *vcpu)
{
	enum vcpu_command command;

	for (;;) {
		int wait_ms = rest_ms(vcpu);

		if (queue_take(vcpu->commands, &command, wait_ms) != QUEUE_ITEM) {
			if (rest_ms(vcpu) == 0)
				return true;
			continue;
		}
		switch (command) {
		case VCPU_PARK:
			park(vcpu);
			break;
		case VCPU_RUN:
			vcpu->parked = false;
			break;
		case VCPU_COLLECT:
			collect(vcpu);
			break;
		case VCPU_LOOK:
			break;
		case VCPU_STOP:
			return false;
		}
	}
}

/* Signals: in KVM_RUN the kick alone is let through. */
static int prepare_thread(struct vcpu *vcpu, struct gw_error *err)
{
	struct sigevent kick = { .sigev_notify = SIGEV_THREAD_ID, .sigev_signo = KICK };
	uint64_t blocked = ~(UINT64_C(1) << (KICK - 1)); /* as the kernel has it */
	uint32_t length = sizeof(blocked);
	uint32_t mask[(sizeof(struct kvm_signal_mask) + sizeof(blocked)) / 4];

	memcpy(mask, &length, sizeof(length));
	memcpy((uint8_t *)mask + offsetof(struct kvm_signal_mask, sigset), &blocked,
	       sizeof(blocked));
	if (ioctl(vcpu->fd, KVM_SET_SIGNAL_MASK, mask) < 0)
		return fail_sys(err, errno, "KVM_SET_SIGNAL_MASK");
	kick._sigev_un._tid = gettid();
	if (timer_create(CLOCK_MONOTONIC, &kick, &vcpu->timer) < 0)
		return fail_sys(err, errno, "timer");
	vcpu->has_timer = true;
	return 0;
}

static void *vcpu_thread(void *opaque)
{
	struct vcpu *vcpu = opaque;
	struct gw_error err;
	int prepared = prepare_thread(vcpu, &err);

	answer(vcpu->board->answers, prepared, &err);
	while (prepared == 0) {
		uint64_t since_ns = clock_now_ns();
		int kicked = 0;

		if (!obey(vcpu))
			break;
		vcpu->kept_ns += clock_now_ns() - since_ns;

		vcpu->unfinished = true;
		while (kicked == 0)
			kicked = run_once(vcpu, &err);
		if (kicked < 0)
			stop_with(vcpu, &err);
		take_kick();
	}
	if (vcpu->has_timer)
		timer_delete(vcpu->timer);
	return NULL;
}

/* ---- its owner ---- */

struct vcpu *vcpu_new(int kvm_fd, int vm_fd, uint32_t index,
		      const struct vcpu_board *board, struct gw_error *err)
{
	OWNED(vcpu) struct vcpu *vcpu = calloc(1, sizeof(*vcpu));
	int run_bytes = ioctl(kvm_fd, KVM_GET_VCPU_MMAP_SIZE, 0);
	struct kvm_run *run;

	if (!vcpu) {
		fail_sys(err, ENOMEM, "vCPU %u", index);
		return NULL;
	}
	vcpu->index = index;
	vcpu->board = board;
	vcpu->parked = true;
	vcpu->fd = ioctl(vm_fd, KVM_CREATE_VCPU, index);
	if (run_bytes < (int)sizeof(*run) || vcpu->fd < 0) {
		fail_sys(err, errno, "KVM_CREATE_VCPU %u", index);
		return NULL;
	}
	run = mmap(NULL, (size_t)run_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu->fd,
		   0);
	if (run == MAP_FAILED) {
		fail_sys(err, errno, "map vCPU %u", index);
		return NULL;
	}
	vcpu->run = run;
	vcpu->run_bytes = (size_t)run_bytes;
	vcpu->commands = queue_new(sizeof(enum vcpu_command), 8, err);
	return vcpu->commands ? MOVE(vcpu) : NULL;
}

void vcpu_free(struct vcpu *vcpu)
{
	enum vcpu_command stop = VCPU_STOP;

	if (!vcpu)
		return;
	if (vcpu->started) {
		queue_give(vcpu->commands, &stop);
		pthread_join(vcpu->thread, NULL);
	}
	queue_free(vcpu->commands);
	if (vcpu->run)
		munmap(vcpu->run, vcpu->run_bytes);
	if (vcpu->fd >= 0)
		close(vcpu->fd);
	free(vcpu);
}

int vcpu_fd(const struct vcpu *vcpu)
{
	return vcpu->fd;
}

int vcpu_start(struct vcpu *vcpu, struct gw_error *err)
{
	struct vcpu_answer begun;
	sigset_t all, before;
	int refused;

	/* Blocked from its first moment on. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	refused = pthread_create(&vcpu->thread, NULL, vcpu_thread, vcpu);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (refused != 0)
		return fail_sys(err, refused, "vCPU %u: thread", vcpu->index);
	vcpu->started = true;
	queue_take(vcpu->board->answers, &begun, -1);
	if (!begun.failed)
		return 0;
	*err = begun.err;
	return fail_in(err, "vCPU %u", vcpu->index);
}

void vcpu_command(struct vcpu *vcpu, enum vcpu_command command)
{
	/* When it is full, there is something that makes it look. */
	if (command == VCPU_LOOK)
		queue_try_give(vcpu->commands, &command);
	else
		queue_give(vcpu->commands, &command);
	pthread_kill(vcpu->thread, KICK);
}

uint64_t vcpu_cpu_ns(const struct vcpu *vcpu)
{
	clockid_t clock;

	if (!vcpu->started || pthread_getcpuclockid(vcpu->thread, &clock) != 0)
		return 0;
	return clock_read_ns(clock);
}
