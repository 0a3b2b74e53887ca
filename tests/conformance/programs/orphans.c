/* Whose child an orphan becomes, and what it is told of its parent's end. */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static int tells[2];
static pid_t parent;

static int reaper(void)
{
	int set = -1;

	prctl(PR_GET_CHILD_SUBREAPER, &set);
	return set;
}

static int heard(void)
{
	int what = -1;

	if (read(tells[0], &what, sizeof(what)) != sizeof(what))
		_exit(1);
	return what;
}

static void tell(int what)
{
	if (write(tells[1], &what, sizeof(what)) != sizeof(what))
		_exit(1);
}

/* A grandchild that outlives its parent, or ends before it and is no zombie of anybody's who waits. */
static pid_t family(int first)
{
	int go[2];
	pid_t child, grandchild;
	char byte;

	pipe(go);
	child = fork();
	if (!child) {
		close(go[1]);
		grandchild = fork();
		if (!grandchild) {
			if (!first)
				read(go[0], &byte, 1);
			tell(getppid());
			_exit(7);
		}
		if (first)
			waitid(P_PID, grandchild, NULL, WEXITED | WNOWAIT);
		tell(grandchild);
		_exit(0);
	}
	close(go[0]);
	if (first)
		heard();
	grandchild = heard();
	waitpid(child, NULL, 0);
	close(go[1]);
	if (!first)
		printf("its parent is me: %d\n", heard() == getpid());
	return grandchild;
}

static void inherits(int first)
{
	int status = -1;
	pid_t grandchild = family(first), got = waitpid(-1, &status, 0);

	printf("orphan %d: %d, status %x\n", first, got == grandchild, got > 0 ? status : 0);
	printf("none left: %d\n", wait(NULL) == -1 && errno == ECHILD);
}

static void dies(int number, siginfo_t *info, void *context)
{
	(void)context;
	tell(number * 100 + info->si_code * 10 + (info->si_pid == parent));
	_exit(0);
}

static void orphan(void)
{
	struct sigaction action = { .sa_sigaction = dies, .sa_flags = SA_SIGINFO };

	parent = getppid();
	sigaction(SIGUSR1, &action, NULL);
	prctl(PR_SET_PDEATHSIG, SIGUSR1);
	tell(0);
	for (;;)
		pause();
}

static void *forks(void *unused)
{
	(void)unused;
	if (!fork())
		orphan();
	heard();
	return NULL;
}

static void death(void)
{
	pthread_t thread;
	pid_t child = fork();
	int number;

	if (!child) {
		if (!fork())
			orphan();
		heard();
		_exit(0);
	}
	waitpid(child, NULL, 0);
	printf("of a process %d\n", heard());
	wait(NULL);
	pthread_create(&thread, NULL, forks, NULL);
	pthread_join(thread, NULL);
	parent = getpid();
	printf("of a thread %d\n", heard());
	wait(NULL);
	child = fork();
	if (!child) {
		prctl(PR_SET_PDEATHSIG, SIGUSR2);
		if (!fork()) {
			number = -1;
			prctl(PR_GET_PDEATHSIG, &number);
			tell(number);
			_exit(0);
		}
		printf("not inherited: %d\n", heard());
		fflush(stdout);
		_exit(0);
	}
	waitpid(child, NULL, 0);
}

static void handled(int number)
{
	(void)number;
}

static void resets(void)
{
	struct sigaction action = { .sa_handler = handled, .sa_flags = SA_RESETHAND | SA_NODEFER };

	sigaddset(&action.sa_mask, SIGUSR2);
	sigaction(SIGUSR1, &action, NULL);
	raise(SIGUSR1);
	sigaction(SIGUSR1, NULL, &action);
	printf("reset %d, flags %x, mask %d\n", action.sa_handler == SIG_DFL,
	       action.sa_flags & (SA_RESETHAND | SA_NODEFER),
	       sigismember(&action.sa_mask, SIGUSR2));
}

int main(void)
{
	setvbuf(stdout, NULL, _IONBF, 0);
	pipe(tells);
	printf("%d\n", prctl(PR_SET_CHILD_SUBREAPER, 1));
	printf("I am %d\n", reaper());
	if (!fork()) {
		printf("a child is %d\n", reaper());
		_exit(0);
	}
	wait(NULL);
	inherits(0);
	inherits(1);
	signal(SIGCHLD, SIG_IGN);
	if (!fork()) {
		family(1);
		_exit(0);
	}
	printf("ignored: %d\n", wait(NULL) == -1 && errno == ECHILD);
	signal(SIGCHLD, SIG_DFL);
	death();
	prctl(PR_SET_CHILD_SUBREAPER, 0);
	printf("I am %d\n", reaper());
	family(1);
	printf("init has it: %d\n", wait(NULL) == -1 && errno == ECHILD);
	resets();
	printf("timing %d %d %d\n", prctl(PR_GET_TIMING), prctl(PR_SET_TIMING, PR_TIMING_STATISTICAL),
	       prctl(PR_SET_TIMING, PR_TIMING_TIMESTAMP));
	return 0;
}
