/* Signals that carry something: their order, what comes with them, timers, waiting for them. */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static volatile int handled;

static void told(const char *what, int number, const siginfo_t *info)
{
	printf("%s: %d code %d", what, number, info->si_code);
	if (info->si_code == SI_TIMER)
		printf(" value %d", info->si_value.sival_int);
	else
		printf(" from %d", info->si_pid == getpid());
	if (info->si_code == SI_QUEUE)
		printf(" value %d", info->si_value.sival_int);
	printf("\n");
}

static void handler(int number, siginfo_t *info, void *context)
{
	(void)context;
	handled++;
	told("handler", number, info);
}

static void set(int number, int flags)
{
	struct sigaction action = { .sa_sigaction = handler, .sa_flags = SA_SIGINFO | flags };

	sigaction(number, &action, NULL);
}

static void queue(int number, int value)
{
	if (sigqueue(getpid(), number, (union sigval){ .sival_int = value }))
		printf("queue %d: %s\n", number, strerror(errno));
}

static void order(void)
{
	sigset_t all, none;

	for (int i = SIGRTMIN; i < SIGRTMIN + 4; i++)
		set(i, 0);
	set(SIGUSR1, 0);
	sigfillset(&all);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &all, NULL);
	queue(SIGRTMIN + 2, 1);
	queue(SIGRTMIN, 2);
	queue(SIGRTMIN + 2, 3);
	queue(SIGUSR1, 4);
	queue(SIGUSR1, 5);
	queue(SIGRTMIN, 6);
	raise(SIGRTMIN + 1);
	sigprocmask(SIG_SETMASK, &none, NULL);
	printf("%d handled\n", handled);
}

static void quiet(int number)
{
	(void)number;
}

static void waiting(void)
{
	struct sigaction action = { .sa_handler = quiet };

	sigaction(SIGTERM, &action, NULL);
	sigset_t some, was;
	siginfo_t info;
	struct timespec none = { 0 }, little = { .tv_nsec = 1000000 };

	sigemptyset(&some);
	sigaddset(&some, SIGUSR2);
	sigaddset(&some, SIGRTMIN + 5);
	sigprocmask(SIG_BLOCK, &some, &was);
	printf("nothing: %d %d\n", sigtimedwait(&some, &info, &none), errno == EAGAIN);
	printf("nothing: %d %d\n", sigtimedwait(&some, &info, &little), errno == EAGAIN);
	queue(SIGRTMIN + 5, 7);
	queue(SIGRTMIN + 5, 8);
	queue(SIGUSR2, 9);
	for (int i = 0; i < 3; i++)
		told("waited", sigwaitinfo(&some, &info), &info);
	sigset_t pending;

	queue(SIGUSR2, 10);
	sigpending(&pending);
	printf("pending %d %d\n", sigismember(&pending, SIGUSR2), sigismember(&pending, SIGUSR1));
	signal(SIGUSR2, SIG_IGN);
	sigpending(&pending);
	printf("pending %d\n", sigismember(&pending, SIGUSR2));
	pid_t child = fork();

	if (!child)
		for (;;) {
			usleep(1000);
			kill(getppid(), SIGTERM);
		}
	int result = sigwaitinfo(&some, &info);

	printf("interrupted: %d %d\n", result, errno == EINTR);
	kill(child, SIGKILL);
	wait(NULL);
	if (!fork()) {
		usleep(1000);
		sigqueue(getppid(), SIGRTMIN + 5, (union sigval){ .sival_int = 11 });
		_exit(0);
	}
	printf("late: %d\n", sigwaitinfo(&some, &info));
	printf("of the child %d, value %d\n", info.si_pid != getpid(), info.si_value.sival_int);
	wait(NULL);
	sigprocmask(SIG_SETMASK, &was, NULL);
}

static void forged(void)
{
	siginfo_t info = { .si_code = SI_USER };
	pid_t child = fork();

	if (!child) {
		pause();
		_exit(0);
	}
	printf("forged: %ld", syscall(SYS_rt_sigqueueinfo, child, SIGTERM, &info));
	printf(" %d\n", errno == EPERM);
	info.si_code = -60;
	info.si_pid = 77;
	info.si_value.sival_int = 12;
	set(SIGUSR1, 0);
	printf("own code: %ld\n", syscall(SYS_rt_sigqueueinfo, getpid(), SIGUSR1, &info));
	printf("to a thread: %ld\n", syscall(SYS_rt_tgsigqueueinfo, getpid(), getpid(), SIGUSR1, &info));
	kill(child, SIGKILL);
	wait(NULL);
}

static void limit(void)
{
	struct rlimit few = { 500, 500 }; /* of all that the user's programs have queued */
	sigset_t some;
	int queued = 0;

	set(SIGRTMIN + 6, 0);
	sigemptyset(&some);
	sigaddset(&some, SIGRTMIN + 6);
	sigprocmask(SIG_BLOCK, &some, NULL);
	setrlimit(RLIMIT_SIGPENDING, &few);
	for (int i = 0; i < 1000; i++)
		queued += !sigqueue(getpid(), SIGRTMIN + 6, (union sigval){ 0 });
	printf("few queued %d, then %d\n", queued > 0 && queued <= 500, errno == EAGAIN);
	printf("kill all the same %d\n", kill(getpid(), SIGRTMIN + 6));
	exit(0);
}

static void counts(int number)
{
	(void)number;
	handled++;
}

static void interval(int which, int number)
{
	struct itimerval fast = { { 0, 2000 }, { 0, 3000 } }, now, never = { 0 };

	struct sigaction action = { .sa_handler = counts, .sa_flags = SA_RESTART };

	handled = 0;
	sigaction(number, &action, NULL);
	setitimer(which, &fast, &now);
	printf("before %ld %ld\n", (long)now.it_value.tv_usec, (long)now.it_interval.tv_usec);
	getitimer(which, &now);
	printf("left %d of %ld\n", now.it_value.tv_usec > 0 && now.it_value.tv_usec < 20000,
	       (long)now.it_interval.tv_usec);
	while (handled < 3)
		;
	setitimer(which, &never, &now);
	printf("was %ld\n", (long)now.it_interval.tv_usec);
	getitimer(which, &now);
	printf("now %ld %ld\n", (long)now.it_value.tv_usec, (long)now.it_interval.tv_usec);
}

static void timers(void)
{
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN + 1,
				  .sigev_value = { .sival_int = 42 } };
	struct itimerspec spec = { { 0, 1000000 }, { 0, 1000000 } }, now;
	struct itimerspec never = { 0 };
	sigset_t some;
	siginfo_t info;
	timer_t timer, silent;

	sigemptyset(&some);
	sigaddset(&some, SIGRTMIN + 1);
	sigprocmask(SIG_BLOCK, &some, NULL);
	printf("create %d\n", timer_create(CLOCK_MONOTONIC, &event, &timer));
	timer_gettime(timer, &now);
	printf("not set %d\n", !now.it_value.tv_sec && !now.it_value.tv_nsec);
	timer_settime(timer, 0, &spec, NULL);
	told("timer", sigwaitinfo(&some, &info), &info);
	usleep(10500);
	told("late", sigwaitinfo(&some, &info), &info);
	printf("overrun %d\n", timer_getoverrun(timer) > 3 && info.si_overrun > 3);
	timer_settime(timer, 0, &never, &now);
	printf("interval %ld\n", now.it_interval.tv_nsec);
	spec.it_value = (struct timespec){ 0, 1 };
	spec.it_interval.tv_nsec = 0;
	timer_settime(timer, TIMER_ABSTIME, &spec, NULL);
	told("past", sigwaitinfo(&some, &info), &info);
	event.sigev_notify = SIGEV_NONE;
	printf("create %d\n", timer_create(CLOCK_REALTIME, &event, &silent));
	spec.it_value = (struct timespec){ 0, 1000 };
	timer_settime(silent, 0, &spec, NULL);
	usleep(1000);
	timer_gettime(silent, &now);
	printf("over %d\n", !now.it_value.tv_sec && !now.it_value.tv_nsec);
	printf("delete %d %d %d\n", timer_delete(timer), timer_delete(silent), timer_delete(silent));
	event.sigev_notify = SIGEV_SIGNAL;
	event.sigev_signo = 99;
	printf("bad %d\n", timer_create(CLOCK_REALTIME, &event, &timer));
	event.sigev_signo = SIGRTMIN + 1;
	printf("cpu %d\n", timer_create(CLOCK_PROCESS_CPUTIME_ID, &event, &timer));
	spec.it_value = (struct timespec){ 0, 1000000 };
	timer_settime(timer, 0, &spec, NULL);
	for (sigset_t pending = { 0 }; !sigismember(&pending, SIGRTMIN + 1);)
		sigpending(&pending);
	told("used", sigwaitinfo(&some, &info), &info);
	printf("alarm %u", alarm(10));
	printf(" %u", alarm(0));
	printf(" %u\n", alarm(0));
}

int main(void)
{
	setvbuf(stdout, NULL, _IONBF, 0);
	order();
	waiting();
	forged();
	if (!fork())
		limit();
	wait(NULL);
	interval(ITIMER_REAL, SIGALRM);
	interval(ITIMER_VIRTUAL, SIGVTALRM);
	interval(ITIMER_PROF, SIGPROF);
	timers();
	return 0;
}
