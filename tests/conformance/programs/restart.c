/* Restarts and their absence, alternate stacks, flags of handlers, codes of faults. */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static volatile int handled;
static int through[2];
static volatile int depth, raised;
static char stack[65536] __attribute__((aligned(16)));
static sigjmp_buf back;

static void feeds(int number)
{
	(void)number;
	if (++handled == 1 && write(through[1], "x", 1) != 1)
		_exit(1);
}

static void once(int flags)
{
	struct sigaction action = { .sa_handler = feeds, .sa_flags = flags };
	struct itimerval soon = { { 0 }, { 0, 30000 } };

	handled = 0;
	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &soon, NULL);
}

static void told(const char *what, long result)
{
	printf("%s: %ld %s, handled %d\n", what, result, result < 0 ? strerror(errno) : "", handled);
}

static void drain(void)
{
	char c;
	struct pollfd one = { .fd = through[0], .events = POLLIN };

	while (poll(&one, 1, 0) == 1 && read(through[0], &c, 1) == 1)
		;
}

static void restarts(int flags)
{
	struct timespec time = { 0, 60000000 }, left;
	struct pollfd one = { .fd = through[0], .events = POLLIN };
	fd_set set;
	pid_t child;
	sigset_t none;
	char c;

	printf("with flags %x\n", flags);
	once(flags);
	told("read", read(through[0], &c, 1));
	drain();
	once(flags);
	told("poll", poll(&one, 1, 1000));
	drain();
	FD_ZERO(&set);
	FD_SET(through[0], &set);
	once(flags);
	told("select", select(through[0] + 1, &set, NULL, NULL, NULL));
	drain();
	once(flags);
	told("nanosleep", nanosleep(&time, &left));
	printf("left %d\n", left.tv_nsec > 0 && left.tv_nsec < 60000000);
	drain();
	child = fork();
	if (!child) {
		usleep(100000);
		_exit(3);
	}
	once(flags);
	told("wait", waitpid(child, NULL, 0) == child ? 0 : -1);
	while (waitpid(child, NULL, 0) == child || errno == EINTR)
		;
	drain();
	once(flags);
	told("pause", pause());
	drain();
	sigemptyset(&none);
	once(flags);
	told("sigsuspend", sigsuspend(&none));
	drain();
}

static void nested(int number, siginfo_t *info, void *context)
{
	char here;

	(void)info;
	(void)context;
	depth++;
	if (++raised < 3)
		raise(number);
	printf("depth %d on the %s stack\n", depth,
	       &here >= stack && &here < stack + sizeof(stack) ? "other" : "usual");
	depth--;
}

static void flags(void)
{
	struct sigaction action = { .sa_sigaction = nested, .sa_flags = SA_SIGINFO }, was;
	stack_t other = { .ss_sp = stack, .ss_size = sizeof(stack) }, told_of;

	raised = 0;
	sigaction(SIGUSR1, &action, NULL);
	raise(SIGUSR1);
	action.sa_flags |= SA_NODEFER;
	raised = 0;
	sigaction(SIGUSR1, &action, NULL);
	raise(SIGUSR1);
	action.sa_flags |= SA_ONSTACK;
	sigaltstack(&other, &told_of);
	printf("before %d\n", told_of.ss_flags);
	raised = 0;
	sigaction(SIGUSR1, &action, NULL);
	raise(SIGUSR1);
	action.sa_flags = SA_SIGINFO | SA_RESETHAND;
	sigaction(SIGUSR1, &action, NULL);
	raised = 5;
	raise(SIGUSR1);
	sigaction(SIGUSR1, NULL, &was);
	printf("reset %d\n", was.sa_handler == SIG_DFL);
	other.ss_size = 100;
	printf("small %d %s\n", sigaltstack(&other, NULL), strerror(errno));
	other.ss_flags = 99;
	printf("odd %d %s\n", sigaltstack(&other, NULL), strerror(errno));
}

static void on_stack(int number, siginfo_t *info, void *context)
{
	stack_t now, none = { .ss_flags = SS_DISABLE };
	char here;
	int result = sigaltstack(NULL, &now);

	(void)info;
	(void)context;
	result = sigaltstack(&none, NULL);
	printf("signal %d: on %d, flags %x, change %d\n", number,
	       &here >= stack && &here < stack + sizeof(stack), (unsigned)now.ss_flags, result);
}

static void autodisarm(void)
{
	struct sigaction action = { .sa_sigaction = on_stack,
				    .sa_flags = SA_ONSTACK | SA_SIGINFO };
	stack_t other = { .ss_sp = stack, .ss_size = sizeof(stack) }, now;

	sigaction(SIGUSR2, &action, NULL);
	sigaltstack(&other, NULL);
	raise(SIGUSR2);
	sigaltstack(NULL, &now);
	printf("after %x %d\n", (unsigned)now.ss_flags, now.ss_sp == stack);
	other.ss_flags = 1 << 31; /* SS_AUTODISARM */
	printf("set %d\n", sigaltstack(&other, NULL));
	raise(SIGUSR2);
	sigaltstack(NULL, &now);
	printf("after %x %d\n", (unsigned)now.ss_flags, now.ss_sp == stack);
	other.ss_flags = SS_DISABLE;
	sigaltstack(&other, &now);
	printf("after %x\n", (unsigned)now.ss_flags);
}

static char *page, *area;

static void fault(int number, siginfo_t *info, void *context)
{
	(void)context;
	printf("signal %d code %d at %s\n", number, info->si_code,
	       (char *)info->si_addr == page ? "the page" : info->si_addr ? "some place" : "0");
	siglongjmp(back, 1);
}

static void faults(void)
{
	struct sigaction action = { .sa_sigaction = fault, .sa_flags = SA_SIGINFO };
	volatile int zero = 0;

	for (int i = 0; i < 6; i++)
		sigaction((int[]){ SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS }[i], &action, NULL);
	area = mmap(NULL, 8192, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	page = area;
	if (!sigsetjmp(back, 1))
		*(volatile char *)page = 1;
	page = area + 4096;
	munmap(page, 4096);
	if (!sigsetjmp(back, 1))
		*(volatile char *)page = 1;
	page = NULL;
	if (!sigsetjmp(back, 1))
		printf("%d\n", 1 / zero);
	if (!sigsetjmp(back, 1))
		__asm__ volatile("ud2");
	if (!sigsetjmp(back, 1))
		__asm__ volatile("hlt");
	if (!sigsetjmp(back, 1))
		__asm__ volatile("int3");
}

static void children(void)
{
	struct sigaction action = { .sa_handler = SIG_DFL, .sa_flags = SA_NOCLDWAIT };
	struct sigaction counts = { .sa_handler = feeds, .sa_flags = SA_NOCLDSTOP | SA_RESTART };
	siginfo_t info;
	int status;
	pid_t child;

	sigaction(SIGCHLD, &action, NULL);
	if (!fork())
		_exit(1);
	printf("no zombies: %d", wait(NULL));
	printf(" %s\n", strerror(errno));
	handled = 5;
	sigaction(SIGCHLD, &counts, NULL);
	child = fork();
	if (!child) {
		raise(SIGSTOP);
		_exit(4);
	}
	printf("stopped %d", waitpid(child, &status, WUNTRACED) == child);
	printf(" by %d, told %d\n", WSTOPSIG(status), handled - 5);
	kill(child, SIGCONT);
	printf("goes on %d", waitpid(child, &status, WCONTINUED) == child && WIFCONTINUED(status));
	printf(", told %d\n", handled - 5);
	memset(&info, 0, sizeof(info));
	printf("waitid %d", waitid(P_ALL, 0, &info, WEXITED | WNOWAIT));
	printf(" code %d status %d\n", info.si_code, info.si_status);
	printf("waitid %d", waitid(P_PGID, getpgrp(), &info, WEXITED));
	printf(" code %d status %d\n", info.si_code, info.si_status);
	printf("waitid %d", waitid(P_PID, child, &info, WEXITED));
	printf(" %s\n", strerror(errno));
	child = fork();
	if (!child)
		abort();
	waitid(P_PID, child, &info, WEXITED);
	printf("killed %d status %d\n", info.si_code == CLD_KILLED || info.si_code == CLD_DUMPED,
	       info.si_status);
	child = fork();
	if (!child)
		pause();
	info.si_pid = 77;
	printf("nothing yet %d", waitid(P_PID, child, &info, WEXITED | WNOHANG));
	printf(" %d\n", info.si_pid);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	printf("told %d\n", handled > 5);
}

int main(void)
{
	setvbuf(stdout, NULL, _IONBF, 0);
	if (pipe(through))
		return 1;
	restarts(0);
	restarts(SA_RESTART);
	flags();
	autodisarm();
	faults();
	children();
	return 0;
}
