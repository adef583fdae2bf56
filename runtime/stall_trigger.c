/*
 * What makes the signal of the stall detector come.
 *
 * The perf event: PERF_COUNT_SW_TASK_CLOCK of the thread, a timer of high resolution that the kernel runs only while the thread is on its CPU. Each
 * firing leaves the kernel's call chain in a ring that we map. It needs kernel.perf_event_paranoid <= 1 or CAP_PERFMON.
 *
 * The timer: timer_create() on the thread's CPU time, looked at by the kernel's tick (so every 4 ms at 250 Hz), and a reason for the tick to go on
 * where nohz_full would stop it. It does not see a single system call that takes long. Always to be had.
 */
#include "runtime/stall.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/perf_event.h>
#include <pthread.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

/* ---- The perf event ---- */

static int perf_open(uint64_t period_ns)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.size = sizeof attr,
		.config = PERF_COUNT_SW_TASK_CLOCK,
		.sample_period = period_ns,
		.sample_type = PERF_SAMPLE_CALLCHAIN,
		.exclude_callchain_user = 1,
		.disabled = 1,
		.wakeup_events = 1,
	};

	return (int)syscall(SYS_perf_event_open, &attr, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
}

/* Each firing sends `signal_number` to this thread. */
static int perf_direct(int fd, int signal_number)
{
	struct f_owner_ex owner = {.type = F_OWNER_TID, .pid = gettid()};

	if (fcntl(fd, F_SETSIG, signal_number) < 0 || fcntl(fd, F_SETOWN_EX, &owner) < 0 || fcntl(fd, F_SETFL, O_ASYNC) < 0)
		return -1;
	return ioctl(fd, PERF_EVENT_IOC_ENABLE, 0);
}

static void perf_close(struct zok__stall *self)
{
	if (self->perf_ring)
		munmap(self->perf_ring, 2 * self->page_size);
	self->perf_ring = NULL;
	close(self->perf_fd);
}

static bool perf_start(struct zok__stall *self, int signal_number)
{
	self->perf_fd = perf_open(self->period_ns);
	if (self->perf_fd < 0) {
		self->error = errno;
		return false;
	}
	self->page_size = (size_t)sysconf(_SC_PAGESIZE);
	self->perf_ring = mmap(NULL, 2 * self->page_size, PROT_READ | PROT_WRITE, MAP_SHARED, self->perf_fd, 0);
	if (self->perf_ring == MAP_FAILED)
		self->perf_ring = NULL;
	if (self->perf_ring && perf_direct(self->perf_fd, signal_number) == 0) {
		self->trigger = ZOK__STALL_PERF;
		return true;
	}
	self->error = errno;
	perf_close(self);
	return false;
}

/* From the ring at `position`, which may wrap. */
static void perf_copy(const struct zok__stall *self, void *to, uint64_t position, size_t size)
{
	const char *data = (const char *)self->perf_ring + self->page_size;
	size_t at = position & (self->page_size - 1), first = self->page_size - at < size ? self->page_size - at : size;

	memcpy(to, data + at, first);
	memcpy((char *)to + first, data, size - first);
}

/* A sample holds a count and as many addresses, among them marks (PERF_CONTEXT_KERNEL), which lie above all addresses. */
static unsigned perf_chain(const struct zok__stall *self, uint64_t position, uint64_t *frames, unsigned frames_max)
{
	uint64_t count, address;
	unsigned taken = 0;

	perf_copy(self, &count, position + sizeof(struct perf_event_header), sizeof count);
	for (uint64_t i = 0; i < count && taken < frames_max; i++) {
		perf_copy(self, &address, position + sizeof(struct perf_event_header) + (1 + i) * sizeof address, sizeof address);
		if (address < (uint64_t)PERF_CONTEXT_MAX)
			frames[taken++] = address;
	}
	return taken;
}

static unsigned perf_take(struct zok__stall *self, uint64_t *frames, unsigned frames_max, unsigned *frame_count)
{
	struct perf_event_mmap_page *page = self->perf_ring;
	/* Acquire, and release below: what perf_event_open(2) asks of who reads the ring. */
	uint64_t head = __atomic_load_n(&page->data_head, __ATOMIC_ACQUIRE), position = page->data_tail, last = 0;
	unsigned fired = 0;
	struct perf_event_header header;

	while (head - position >= sizeof header) {
		perf_copy(self, &header, position, sizeof header);
		if (header.size < sizeof header || header.size > head - position)
			break;
		if (header.type == PERF_RECORD_SAMPLE) {
			last = position;
			fired++;
		}
		position += header.size;
	}
	if (fired > 0)
		*frame_count = perf_chain(self, last, frames, frames_max);
	__atomic_store_n(&page->data_tail, head, __ATOMIC_RELEASE);
	return fired;
}

/* ---- The timer ---- */

static bool timer_start(struct zok__stall *self, int signal_number)
{
	struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = signal_number};
	struct timespec period = {.tv_sec = (time_t)(self->period_ns / ZOK_S), .tv_nsec = (long)(self->period_ns % ZOK_S)};

	event._sigev_un._tid = gettid(); /* glibc 2.36 has no other name for sigev_notify_thread_id */
	if (timer_create(CLOCK_THREAD_CPUTIME_ID, &event, &self->timer) < 0) {
		self->error = errno;
		return false;
	}
	self->trigger = ZOK__STALL_TIMER;
	if (timer_settime(self->timer, 0, &(struct itimerspec){.it_interval = period, .it_value = period}, NULL) == 0)
		return true;
	self->error = errno;
	zok__stall_trigger_stop(self);
	return false;
}

/* ---- Either ---- */

bool zok__stall_trigger_start(struct zok__stall *self, enum zok__stall_trigger wanted, int signal_number)
{
	self->trigger = ZOK__STALL_OFF;
	self->error = 0;
	if (wanted == ZOK__STALL_PERF && perf_start(self, signal_number))
		return true;
	if (timer_start(self, signal_number))
		return true;
	/* Dearer, but better than nothing (stall.h). */
	return wanted == ZOK__STALL_AUTO && perf_start(self, signal_number);
}

void zok__stall_trigger_stop(struct zok__stall *self)
{
	if (self->trigger == ZOK__STALL_PERF)
		perf_close(self);
	else if (self->trigger == ZOK__STALL_TIMER)
		timer_delete(self->timer);
	self->trigger = ZOK__STALL_OFF;
}

unsigned zok__stall_trigger_take(struct zok__stall *self, const siginfo_t *info, uint64_t *frames, unsigned frames_max,
				 unsigned *frame_count)
{
	*frame_count = 0;
	if (self->trigger == ZOK__STALL_PERF)
		return perf_take(self, frames, frames_max, frame_count);
	/* Its overruns say nothing: they come with a tick that is late, or longer than the period. */
	return self->trigger == ZOK__STALL_TIMER && info->si_code == SI_TIMER;
}
