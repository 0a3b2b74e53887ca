/* futex: words that processes with one memory sleep on; and what a program alone is answered. */
#include "guest.h"

enum { CLONE_VM = 0x100, CLONE_CHILD_CLEARTID = 0x200000 };
enum { WAIT = 128, WAKE, CMP_REQUEUE = 132, WAIT_BITSET = 137, WAKE_BITSET }; /* all PRIVATE */

static volatile u32 word = 7, other = 7, tid = 1, woken;

static long futex(volatile u32 *at, int op, u32 value, void *timeout, volatile u32 *to, u32 last)
{
	return syscall6(NR_futex, (long)at, op, value, (long)timeout, (long)to, last);
}

static void child(void)
{
	long ret = futex(&word, WAIT, 7, NULL, NULL, 0);

	woken += ret == 0 ? 1 : 100;
	exit(0);
}

/* A process that shares our memory and runs child() on a stack of its own; it is the nth that sleeps. */
static void start_child(int nth)
{
	ulong *stack = (ulong *)((u8 *)map_pages(1) + PAGE_SIZE - 16);
	long ret;

	*--stack = (ulong)child;
#ifdef __x86_64__
	register long r10 __asm__("r10") = (long)&tid;

	__asm__ volatile("syscall\n\ttestq %%rax, %%rax\n\tjnz 1f\n\tpopq %%rax\n\tcall *%%rax\n1:"
			 : "=a"(ret)
			 : "0"(NR_clone), "D"(CLONE_VM | CLONE_CHILD_CLEARTID | SIGCHLD), "S"(stack),
			   "d"(0), "r"(r10)
			 : "rcx", "r11", "memory");
#else
	__asm__ volatile("int $0x80\n\ttestl %%eax, %%eax\n\tjnz 1f\n\tpopl %%eax\n\tcall *%%eax\n1:"
			 : "=a"(ret)
			 : "0"(NR_clone), "b"(CLONE_VM | CLONE_CHILD_CLEARTID | SIGCHLD), "c"(stack),
			   "d"(0), "S"(0), "D"(&tid)
			 : "memory");
#endif
	must(ret, "clone");
	/* who moves them to where they are counts them */
	for (int tries = 0;
	     tries < 2000 && futex(&word, CMP_REQUEUE, 0, (void *)100, &word, 7) < nth; tries++)
		sleep_ms(1);
}

int main(int argc UNUSED, char **argv UNUSED)
{
	struct timespec soon = { 0, 20000000 }, odd = { 0, 1000000000 };
	int status;

	say("alone: wake %d %d, wait for another value %d, for a while %d\n",
	    (int)futex(&word, WAKE, 1, NULL, NULL, 0),
	    (int)futex(&word, WAKE, 0x7fffffff, NULL, NULL, 0),
	    (int)futex(&word, WAIT, 8, NULL, NULL, 0),
	    (int)futex(&word, WAIT, 7, &soon, NULL, 0));
	say("refused: %d %d %d %d %d %d\n", (int)futex((u32 *)((u8 *)&word + 1), WAKE, 1, 0, 0, 0),
	    (int)futex((u32 *)16, WAIT, 7, NULL, NULL, 0),
	    (int)futex(&word, WAIT, 7, &odd, NULL, 0), (int)futex(&word, WAIT, 7, (void *)16, 0, 0),
	    (int)futex(&word, WAKE_BITSET, 1, NULL, NULL, 0),
	    (int)futex(&word, 77, 1, NULL, NULL, 0));
	for (int i = 0; i < 3; i++)
		start_child(i + 1);
	say("one woken: %d", (int)futex(&word, WAKE, 1, NULL, NULL, 0));
	must(waitpid(-1, &status, 0), "wait4");
	say(", in all %u, tid %u\n", woken, tid);
	say("none moved: %d", (int)futex(&word, CMP_REQUEUE, 0, (void *)5, &other, 8));
	say(", two moved: %d", (int)futex(&word, CMP_REQUEUE, 0, (void *)5, &other, 7));
	say(", none here: %d", (int)futex(&word, WAKE, 5, NULL, NULL, 0));
	say(", woken there: %d\n", (int)futex(&other, WAKE_BITSET, 5, NULL, NULL, 1));
	must(waitpid(-1, &status, 0), "wait4");
	must(waitpid(-1, &status, 0), "wait4");
	say("in all %u\n", woken);
	return 0;
}
