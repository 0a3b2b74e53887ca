/* threads: a process with threads: their ids, their TLS, their end, signals for one and for all. */
#include "guest.h"
#include "thread.h"

enum {
	THREAD = CLONE_AS_THREAD | CLONE_SETTLS | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID,
};
enum { FUTEX_WAIT, FUTEX_WAKE, FUTEX_WAKE_OP = 5, MAX = 64 };
enum { SIGUSR1 = 10, SIGUSR2 = 12, SIG_BLOCK = 0, SIG_UNBLOCK = 1 };

#ifdef __x86_64__
enum {
	NR_gettid = 186,
	NR_tgkill = 234,
	NR_rt_sigprocmask = 14,
	NR_sched_yield = 24,
	NR_exit_group = 231,
	NR_arch_prctl = 158,
	NR_robust = 273,
	NR_get_robust = 274
};
#else
enum {
	NR_gettid = 224,
	NR_tgkill = 270,
	NR_rt_sigprocmask = 175,
	NR_sched_yield = 158,
	NR_exit_group = 252,
	NR_set_thread_area = 243,
	NR_robust = 311,
	NR_get_robust = 312
};
#endif

struct thread {
	ulong self; /* its own TLS begins here: the first word is its address */
	ulong mine;
	volatile u32 tid, told;
	u32 wrong;
	int rank;
};

static struct thread threads[MAX];
static volatile u32 counter, handled, handler_tid, gate;
static long process;
#ifndef __x86_64__
static u32 entry; /* of the GDT */
#endif

static struct thread *tls(void)
{
	struct thread *self;

#ifdef __x86_64__
	__asm__ volatile("movq %%fs:0, %0" : "=r"(self));
#else
	__asm__ volatile("movl %%gs:0, %0" : "=r"(self));
#endif
	return self;
}

static void add(volatile u32 *word, u32 n)
{
	__asm__ volatile("lock addl %1, %0" : "+m"(*word) : "r"(n));
}

static void run(void)
{
	struct thread *self = tls();

	self->wrong += self != &threads[self->rank] ||
		       syscall0(NR_gettid) != (long)self->tid ||
		       (long)self->tid == process || getpid() != process;
	while (!gate)
		futex(&gate, FUTEX_WAIT, 0, 0, NULL, 0);
	for (int i = 0; i < 50; i++) {
		self->mine += self->rank;
		add(&counter, 1);
		syscall0(NR_sched_yield);
		self->wrong += tls() != self;
	}
	self->wrong += self->mine != 50ul * self->rank;
	if (self->rank % 4 == 1) { /* stay until a signal comes */
		u32 set[2] = { 1 << (SIGUSR1 - 1), 0 };

		syscall4(NR_rt_sigprocmask, SIG_UNBLOCK, set, 0, 8);
		while (!handled)
			sleep_ms(5);
	}
	exit(7); /* this thread, not the process */
}

/* What a thread's TLS is: on i386 a segment that gs selects, on x86-64 the base of fs. */
static void *tls_of(struct thread *thread)
{
	thread->self = (ulong)thread;
#ifdef __x86_64__
	return thread;
#else
	static u32 desc[4];

	desc[0] = entry, desc[1] = (u32)thread, desc[2] = 0xfffff,
	desc[3] = 0x51;
	return desc;
#endif
}

static void own_tls(struct thread *thread)
{
#ifdef __x86_64__
	must(syscall2(NR_arch_prctl, 0x1002, tls_of(thread)), "arch_prctl");
#else
	entry = -1;
	u32 *desc = tls_of(thread);

	must(syscall1(NR_set_thread_area, desc), "set_thread_area");
	entry = desc[0];
	__asm__ volatile("movw %w0, %%gs" : : "r"(entry * 8 + 3));
#endif
}

/* Who waited for a thread's tid to become 0 may be earlier than its end. */
static int is_gone(u32 tid)
{
	int answer = 0;

	for (int tries = 0; !answer && tries < 1000; tries++) {
		if (tries)
			sleep_ms(1);
		answer = syscall3(NR_tgkill, process, tid, 0);
	}
	return answer == -3;
}

static long start_thread(struct thread *thread, void (*body)(void))
{
	thread->told = clone_to(body, 2, THREAD, &thread->tid, tls_of(thread), &thread->tid);
	return thread->told;
}

static void join(struct thread *thread)
{
	for (u32 tid; (tid = thread->tid) != 0;)
		futex(&thread->tid, FUTEX_WAIT, tid, 0, NULL, 0);
}

static void handler(int number UNUSED, struct siginfo *info UNUSED,
		    struct ucontext *context UNUSED)
{
	handler_tid = syscall0(NR_gettid);
	add(&handled, 1);
}

static void block(int how, int number)
{
	u32 set[2] = { 1u << (number - 1), 0 };

	syscall4(NR_rt_sigprocmask, how, set, 0, 8);
}

static void end_all(void)
{
	syscall1(NR_exit_group, 5);
}

static void __attribute__((noreturn)) wait_for_ever(void)
{
	for (;;)
		sleep_ms(1000);
}

int main(int argc, char **argv)
{
	u32 n = param(argc, argv, "N", 6), wrong = 0, woken = 0, gone = 0,
	    word = 5, other = 3;
	ulong head = 0, length = 0;
	int status;

	if (n < 2 || n >= MAX)
		die("N= takes 2 to %d\n", MAX - 1);
	process = getpid();
	own_tls(&threads[0]);
	on_signal(SIGUSR1, handler);
	on_signal(SIGUSR2, handler);
	block(SIG_BLOCK, SIGUSR1);
	for (u32 i = 1; i <= n; i++) {
		threads[i].rank = i;
		wrong += start_thread(&threads[i], run) == process;
	}
	gate = 1;
	futex(&gate, FUTEX_WAKE, n, 0, NULL, 0);
	for (u32 i = 1; i <= n; i++)
		if (i % 4 != 1)
			join(&threads[i]);
	say("no child to wait for: %d\n", (int)waitpid(-1, &status, 1));
	syscall2(NR_kill, process,
		 SIGUSR1); /* blocked here: one of the others takes it */
	for (u32 i = 1; i <= n; i++) {
		join(&threads[i]);
		wrong += threads[i].wrong;
		woken += threads[i].told == handler_tid;
		gone += is_gone(threads[i].told);
	}
	say("%d threads, counter %u, wrong %u, a signal for one %u %u, gone "
	    "%u\n",
	    n, counter, wrong, handled, woken, gone);
	syscall3(NR_tgkill, process, process, SIGUSR2);
	say("to oneself: %u, here %d, of another process: %d\n", handled,
	    (int)handler_tid == process,
	    (int)syscall3(NR_tgkill, 1, process, 0));
	woken = futex(&gate, FUTEX_WAKE_OP, 1, 1, &word,
		      1u << 28 | 2u << 12 | 5);
	say("wake op: %d %u", woken, word);
	woken = futex(&gate, FUTEX_WAKE_OP, 1, 1, &word,
		      4u << 28 | 5u << 24 | 1u << 12);
	say(", %d %u, unknown %d %d, unaligned %d\n", woken, word,
	    (int)futex(&gate, FUTEX_WAKE_OP, 1, 1, &other, 5u << 28),
	    (int)futex(&gate, FUTEX_WAKE_OP, 1, 1, &other, 7u << 24),
	    (int)futex((u32 *)((u8 *)&gate + 1), FUTEX_WAKE_OP, 1, 1, &other,
		       0));
	say("robust list: %d",
	    (int)syscall2(NR_robust, &word, 3 * sizeof(long)));
	say(" %d", (int)syscall3(NR_get_robust, 0, &head, &length));
	say(" %d %d\n", head == (ulong)&word, length == 3 * sizeof(long));
	syscall2(NR_robust, 0, 3 * sizeof(long));
	if (must(fork(), "fork") == 0) {
		process = getpid();
		start_thread(&threads[1], wait_for_ever);
		start_thread(&threads[2], end_all);
		wait_for_ever();
	}
	must(waitpid(-1, &status, 0), "wait4");
	say("exit_group: %x", (u32)status);
	if (must(fork(), "fork") == 0) {
		start_thread(&threads[1], end_all);
		exit(1);
	}
	must(waitpid(-1, &status, 0), "wait4");
	say(", after the first thread: %x\n", (u32)status);
	return 0;
}
