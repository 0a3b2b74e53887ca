/* Handlers with siginfo; a stack that overflows, caught on another one. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static sigjmp_buf back;
static char *other, *page;
static const size_t SIZE = 64 << 10;
static volatile int depth, handled;

static void caught(int sig, siginfo_t *info, void *context)
{
	char here;

	(void)context;
	handled++;
	if (sig == SIGUSR1) {
		printf("told by %s, %d %d\n", info->si_pid == getpid() ? "oneself" : "?",
		       info->si_code == SI_USER, info->si_uid == getuid());
		return;
	}
	printf("signal %d code %d on the %s stack, at the page %d\n", sig, info->si_code,
	       &here >= other && &here < other + SIZE ? "other" : "usual",
	       (char *)info->si_addr == page);
	siglongjmp(back, 1);
}

static int __attribute__((noinline)) overflow(int n)
{
	volatile char room[4000];

	depth = n;
	room[n % 4000] = 1;
	return overflow(n + 1) + room[0];
}

int main(void)
{
	struct sigaction action = { .sa_sigaction = caught, .sa_flags = SA_SIGINFO | SA_ONSTACK };
	struct sigaction simple = { .sa_sigaction = caught, .sa_flags = SA_SIGINFO };
	stack_t stack, was;
	sigset_t set;

	setvbuf(stdout, NULL, _IONBF, 0);
	other = malloc(SIZE);
	stack = (stack_t){ .ss_sp = other, .ss_size = SIZE };
	sigaltstack(&stack, NULL);
	sigaltstack(NULL, &was);
	printf("stack %d %d\n", was.ss_sp == other, was.ss_size == SIZE);
	sigaction(SIGUSR1, &simple, NULL);
	sigaction(SIGSEGV, &action, NULL);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	kill(getpid(), SIGUSR1);
	printf("blocked, %d\n", handled);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	printf("unblocked, %d\n", handled);
	page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (!sigsetjmp(back, 1))
		*page = 1;
	if (!sigsetjmp(back, 1))
		overflow(1);
	printf("deep %d, %d\n", depth > 500, handled);
	if (!sigsetjmp(back, 1))
		overflow(1);
	printf("again %d, %d\n", depth > 500, handled);
	raise(SIGTERM);
	return 0;
}
