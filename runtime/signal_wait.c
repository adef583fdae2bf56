/*
 * Signals that programs await: zokio/signal.h. A handler marks the signal as pending in each seat that has it open and posts the seat's one message to
 * its core, which gives it to who waits. Seats lie in static memory, which a handler may look at whenever it comes; opening and closing is under
 * a lock, which no handler takes.
 */
#include "runtime/runtime.h"

#include "core/log.h"
#include "core/owner.h"
#include "core/relax.h"
#include "core/sanitizer.h"
#include "zokio/signal.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>

enum { SEATS = 64, SIGNALS = 64, FIRST_OF_LIBC = 32 }; /* SIGNALS: 1 to 64, a bit each */

struct zok_signals {
	uint64_t set;	  /* atomic: what it has open; 0: none, and handlers pass it by */
	uint64_t pending; /* atomic */
	unsigned posting; /* atomic: handlers that are about it */
	bool is_posted;	  /* atomic: the message is on its way */
	struct zok__message message;
	/* its core's */
	struct zok_core *core; /* under the lock; NULL: the seat is free */
	uint64_t blocked;      /* in this thread, for the sanitizer's sake */
	bool is_closed;	       /* and waits for its message to come */
	struct zok_list waiters;
};

/* What stood in a signal's place before the first that opened it. */
struct taken {
	unsigned count;
	struct sigaction before;
};

static struct zok_signals seats[SEATS];
static struct taken taken[SIGNALS + 1];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static uint64_t bit_of(int number)
{
	return 1ull << (number - 1);
}

/* ---- The handler ---- */

/* Sequentially consistent with close_seat(): either it waits for us, or we see that nothing is open. */
static void mark(struct zok_signals *seat, uint64_t bit)
{
	__atomic_fetch_add(&seat->posting, 1, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&seat->set, __ATOMIC_SEQ_CST) & bit) {
		__atomic_fetch_or(&seat->pending, bit, __ATOMIC_SEQ_CST);
		/* Pairs with told(): who finds it posted has marked before told() looks. */
		if (!__atomic_exchange_n(&seat->is_posted, true, __ATOMIC_SEQ_CST))
			zok__mail_post(seat->core, &seat->message);
	}
	/* Release pairs with the acquire in close_seat(): the core is not touched any more. */
	__atomic_fetch_sub(&seat->posting, 1, __ATOMIC_RELEASE);
}

static void handle(int number)
{
	int saved_errno = errno;

	/* Relaxed: a first look; mark() looks again. */
	for (int i = 0; i < SEATS; i++)
		if (__atomic_load_n(&seats[i].set, __ATOMIC_RELAXED) & bit_of(number))
			mark(&seats[i], bit_of(number));
	errno = saved_errno;
}

/* ---- On the core ---- */

/* The lowest that is pending, which is so no more; 0: none. Acquire/release: what was done before the signal was raised is seen. */
static int take(struct zok_signals *seat)
{
	uint64_t pending = __atomic_load_n(&seat->pending, __ATOMIC_ACQUIRE);
	int number = __builtin_ffsll((long long)pending);

	if (number > 0)
		__atomic_fetch_and(&seat->pending, ~bit_of(number), __ATOMIC_ACQ_REL);
	return number;
}

static void free_seat(struct zok_signals *seat)
{
	pthread_mutex_lock(&lock);
	seat->core = NULL;
	pthread_mutex_unlock(&lock);
}

static void told(struct zok_core *core, struct zok__message *message)
{
	struct zok_signals *seat = ZOK_CONTAINER_OF(message, struct zok_signals, message);
	int number;

	__atomic_store_n(&seat->is_posted, false, __ATOMIC_SEQ_CST);
	if (seat->is_closed) {
		free_seat(seat);
		return;
	}
	while (!zok_list_is_empty(&seat->waiters) && (number = take(seat)) > 0) {
		struct zok_signal_wait *wait = ZOK_CONTAINER_OF(seat->waiters.next, struct zok_signal_wait, waiting);

		zok_list_remove(&wait->waiting);
		zok_future_complete(&wait->future, number);
	}
}

/* ---- Opening and closing ---- */

/* Under the lock, both. */
static void take_signal(int number)
{
	struct sigaction action = {.sa_handler = handle, .sa_flags = SA_RESTART};

	sigemptyset(&action.sa_mask);
	if (taken[number].count++ == 0)
		sigaction(number, &action, &taken[number].before);
}

static void give_signal_back(int number)
{
	if (--taken[number].count == 0)
		sigaction(number, &taken[number].before, NULL);
}

static void for_each(uint64_t set, void (*fn)(int number))
{
	for (; set; set &= set - 1)
		fn(__builtin_ffsll((long long)set));
}

/* Under ThreadSanitizer a core leaves them to threads that run no fibers, as the runtime does its own: signals.c. Returns what was not blocked before. */
static uint64_t leave_to_others(uint64_t bits)
{
	uint64_t blocked = 0;
	sigset_t set, before;

	if (!ZOK__SANITIZER_KEEPS_SIGNALS)
		return 0;
	sigemptyset(&set);
	for (int i = 1; i <= SIGNALS; i++)
		if (bits & bit_of(i))
			sigaddset(&set, i);
	pthread_sigmask(SIG_BLOCK, &set, &before);
	for (int i = 1; i <= SIGNALS; i++)
		if (bits & bit_of(i) && sigismember(&before, i) == 0)
			blocked |= bit_of(i);
	return blocked;
}

static void take_again(uint64_t blocked)
{
	sigset_t set;

	sigemptyset(&set);
	for (; blocked; blocked &= blocked - 1)
		sigaddset(&set, __builtin_ffsll((long long)blocked));
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

/* On its core. From here on no handler touches it, nor the core on its account. */
static void close_seat(struct zok_signals *seat)
{
	uint64_t set = seat->set;

	pthread_mutex_lock(&lock);
	for_each(set, give_signal_back);
	pthread_mutex_unlock(&lock);
	__atomic_store_n(&seat->set, 0, __ATOMIC_SEQ_CST);
	while (__atomic_load_n(&seat->posting, __ATOMIC_SEQ_CST) > 0)
		zok__cpu_relax();
	take_again(seat->blocked);
	while (!zok_list_is_empty(&seat->waiters)) {
		struct zok_signal_wait *wait = ZOK_CONTAINER_OF(seat->waiters.next, struct zok_signal_wait, waiting);

		zok_list_remove(&wait->waiting);
		zok_future_complete(&wait->future, -EBADF);
	}
	seat->is_closed = true;
}

/* The core runs no message any more: what is on its way to it is as if it had come. */
static void finish(struct zok__core_part *part)
{
	struct zok_core *core = zok__core();

	for (int i = 0; i < SEATS; i++) {
		if (seats[i].core != core)
			continue;
		if (!seats[i].is_closed)
			close_seat(&seats[i]);
		free_seat(&seats[i]);
	}
	core->signals = NULL;
}

static struct zok__core_part part = {.finish = finish};

/* NULL: all are taken. */
static struct zok_signals *find_seat(struct zok_core *core)
{
	struct zok_signals *seat = NULL;

	pthread_mutex_lock(&lock);
	for (int i = 0; i < SEATS && !seat; i++)
		if (!seats[i].core)
			seat = &seats[i];
	if (seat)
		seat->core = core;
	pthread_mutex_unlock(&lock);
	return seat;
}

static int refuse(int number, const char *why)
{
	zok__log(ZOK_LOG_ERROR, "zok_signal_open: signal %d: %s", number, why);
	return -EINVAL;
}

/* Whether the runtime's own stall detector has it. */
static bool is_of_the_runtime(int number)
{
	struct sigaction now;

	return number >= SIGRTMIN && taken[number].count == 0 && sigaction(number, NULL, &now) == 0 && (now.sa_flags & SA_SIGINFO);
}

static bool is_awaitable(int number)
{
	static const int refused[] = {SIGKILL, SIGSTOP, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS};

	for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++)
		if (number == refused[i])
			return false;
	/* Those between are the C library's. */
	return number >= 1 && (number < FIRST_OF_LIBC || number >= SIGRTMIN) && number <= SIGRTMAX;
}

/* The bits, or 0 and the log says why. */
static uint64_t read_numbers(const int *numbers)
{
	uint64_t bits = 0;

	for (; *numbers; numbers++) {
		if (!is_awaitable(*numbers))
			return refuse(*numbers, "it cannot be awaited"), 0;
		if (is_of_the_runtime(*numbers))
			return refuse(*numbers,
				      "it has a handler that wants more of it, as the stall detector's (zok_options.stall_signal)"),
			       0;
		bits |= bit_of(*numbers);
	}
	if (bits == 0)
		refuse(0, "there is none before the 0; it takes one at least");
	return bits;
}

int zok_signal_open(struct zok_signals **out, const int *numbers)
{
	struct zok_core *core = zok__core();
	uint64_t bits = read_numbers(numbers);
	struct zok_signals *seat = bits ? find_seat(core) : NULL;

	if (!seat)
		return bits ? -EMFILE : -EINVAL;
	core->signals = &part;
	zok_list_init(&seat->waiters);
	seat->message.run = told;
	seat->is_closed = false;
	seat->blocked = leave_to_others(bits);
	__atomic_store_n(&seat->is_posted, false, __ATOMIC_RELAXED);
	__atomic_store_n(&seat->pending, 0, __ATOMIC_RELAXED);
	/* Before the handler is there, so that none comes in vain. */
	__atomic_store_n(&seat->set, bits, __ATOMIC_SEQ_CST);
	pthread_mutex_lock(&lock);
	for_each(bits, take_signal);
	pthread_mutex_unlock(&lock);
	*out = seat;
	return 0;
}

int zok_signal_close(struct zok_signals *signals)
{
	if (!signals)
		return 0;
	if (zok__is_foreign(signals->core, "a signal"))
		return -EXDEV;
	close_seat(signals);
	if (!__atomic_load_n(&signals->is_posted, __ATOMIC_SEQ_CST))
		free_seat(signals);
	return 0;
}

/* ---- Waiting ---- */

static bool wait_poll(struct zok_future *future)
{
	struct zok_signal_wait *wait = ZOK_CONTAINER_OF(future, struct zok_signal_wait, future);
	int number;

	if (future->state != ZOK_FUTURE_PREPARED)
		return false;
	number = zok__is_foreign(wait->signals->core, "a signal") ? -EXDEV : take(wait->signals);
	if (number != 0) {
		future->waker = NULL;
		zok_future_complete(future, number);
		return true;
	}
	future->state = ZOK_FUTURE_PENDING;
	zok_list_push_back(&wait->signals->waiters, &wait->waiting);
	return false;
}

static void wait_cancel(struct zok_future *future)
{
	zok_list_remove(&ZOK_CONTAINER_OF(future, struct zok_signal_wait, future)->waiting);
	zok_future_complete(future, -ECANCELED);
}

static const struct zok_future_ops wait_ops = {.poll = wait_poll, .cancel = wait_cancel, .name = "a signal"};

void zok_signal_wait_prepare(struct zok_signal_wait *wait, struct zok_signals *signals)
{
	zok_future_prepare(&wait->future, &wait_ops);
	wait->signals = signals;
}

int zok_signal_wait(struct zok_signals *signals)
{
	struct zok_signal_wait wait;

	zok_signal_wait_prepare(&wait, signals);
	return (int)zok_await(&wait.future);
}
