/*
 * Sets the clock, and says what waited for a time of it, and for how long in
 * seconds of CLOCK_MONOTONIC.  Not for the host, whose clock is everybody's.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define SECOND 1000000000LL

static long long now(clockid_t clock)
{
	struct timespec time;

	clock_gettime(clock, &time);
	return time.tv_sec * SECOND + time.tv_nsec;
}

static struct timespec in(clockid_t clock, double seconds)
{
	long long then = now(clock) + (long long)(seconds * SECOND);

	return (struct timespec){ then / SECOND, then % SECOND };
}

static const char *result(int failed)
{
	return failed ? strerrorname_np(errno) : "done";
}

static const char *set(double seconds)
{
	struct timespec then = in(CLOCK_REALTIME, seconds);

	return result(clock_settime(CLOCK_REALTIME, &then));
}

/* ---- who waits while somebody else sets the clock ---- */

static const char *sleeps(clockid_t clock, double seconds)
{
	struct timespec then = in(clock, seconds);

	return clock_nanosleep(clock, TIMER_ABSTIME, &then, NULL) ? "?" : "woken";
}

static const char *waits_long(void)
{
	return sleeps(CLOCK_REALTIME, 1000);
}

static const char *waits_two(void)
{
	return sleeps(CLOCK_REALTIME, 2);
}

static const char *waits_since_boot(void)
{
	return sleeps(CLOCK_MONOTONIC, 2);
}

static const char *sleeps_two(void)
{
	struct timespec two = { 2, 0 };

	return clock_nanosleep(CLOCK_REALTIME, 0, &two, NULL) ? "?" : "woken";
}

static const char *waits_for_a_semaphore(void)
{
	struct timespec then = in(CLOCK_REALTIME, 1000);
	sem_t sem;

	sem_init(&sem, 0, 0);
	return result(sem_timedwait(&sem, &then));
}

static const char *waits_for_a_condition(clockid_t clock, double seconds)
{
	pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
	pthread_condattr_t how;
	pthread_cond_t cond;
	struct timespec then = in(clock, seconds);

	pthread_condattr_init(&how);
	pthread_condattr_setclock(&how, clock);
	pthread_cond_init(&cond, &how);
	pthread_mutex_lock(&mutex);
	errno = pthread_cond_timedwait(&cond, &mutex, &then);
	return result(errno);
}

static const char *waits_for_a_condition_long(void)
{
	return waits_for_a_condition(CLOCK_REALTIME, 1000);
}

static const char *waits_for_a_condition_since_boot(void)
{
	return waits_for_a_condition(CLOCK_MONOTONIC, 2);
}

static const char *waits_for_a_message(void)
{
	struct timespec then = in(CLOCK_REALTIME, 1000);
	char message[8192];
	mqd_t queue = mq_open("/queue", O_RDONLY | O_CREAT, 0600, NULL);

	return result(mq_timedreceive(queue, message, sizeof(message), NULL, &then));
}

static const char *waits_for_a_timer(int flags, double seconds)
{
	struct timespec then = in(CLOCK_REALTIME, seconds);
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1 };
	struct itimerspec spec = { .it_value = then };
	sigset_t set;
	timer_t timer;

	if (!flags)
		spec.it_value = (struct timespec){ (long)seconds, 0 };
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	timer_create(CLOCK_REALTIME, &event, &timer);
	timer_settime(timer, flags, &spec, NULL);
	sigwaitinfo(&set, NULL);
	timer_delete(timer);
	return "fired";
}

static const char *waits_for_a_timer_at(void)
{
	return waits_for_a_timer(TIMER_ABSTIME, 1000);
}

static const char *waits_for_a_timer_in(void)
{
	return waits_for_a_timer(0, 2);
}

static const char *reads_a_timer(int flags, int fd)
{
	struct itimerspec spec = { .it_value = in(CLOCK_REALTIME, 1000) };
	unsigned long long ticks;

	timerfd_settime(fd, flags, &spec, NULL);
	return result(read(fd, &ticks, 8) < 0);
}

static const char *reads_a_timer_at(void)
{
	return reads_a_timer(TFD_TIMER_ABSTIME, timerfd_create(CLOCK_REALTIME, 0));
}

static const char *reads_a_timer_that_is_cancelled(void)
{
	int fd = timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK);
	struct itimerspec spec = { .it_value = in(CLOCK_REALTIME, 1000) };
	struct pollfd polled = { .fd = fd, .events = POLLIN };
	unsigned long long ticks;
	const char *first;

	timerfd_settime(fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &spec, NULL);
	poll(&polled, 1, -1);
	first = result(read(fd, &ticks, 8) < 0);
	return read(fd, &ticks, 8) < 0 && errno == EAGAIN ? first : "twice";
}

static const char *waits_for_an_alarm(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGALRM);
	alarm(2);
	sigwaitinfo(&set, NULL);
	return "fired";
}

struct waiting {
	const char *(*what)(void);
	const char *ended;
	double seconds;
};

static void *waiter(void *pointer)
{
	struct waiting *waiting = pointer;
	long long before = now(CLOCK_MONOTONIC);

	waiting->ended = waiting->what();
	waiting->seconds = (double)(now(CLOCK_MONOTONIC) - before) / SECOND;
	return NULL;
}

/* What becomes of it when the clock is set after half a second. */
static void during(const char *name, const char *(*what)(void), double seconds)
{
	struct waiting waiting = { what };
	struct timespec half = { 0, SECOND / 2 };
	pthread_t thread;

	pthread_create(&thread, NULL, waiter, &waiting);
	nanosleep(&half, NULL);
	set(seconds);
	pthread_join(thread, NULL);
	printf("%s: %s after %.1f s\n", name, waiting.ended, waiting.seconds);
}

/* ---- what it says then ---- */

static void booted(void)
{
	char line[4096];
	FILE *file = fopen("/proc/stat", "r");
	long long at;

	while (fgets(line, sizeof(line), file))
		if (sscanf(line, "btime %lld", &at) == 1)
			printf("btime + uptime - time: %d\n",
			       (int)(at + now(CLOCK_BOOTTIME) / SECOND - time(NULL)));
	fclose(file);
}

static void tells(long long seconds)
{
	struct timespec then = { (time_t)seconds, SECOND / 2 };
	struct timeval day;
	struct stat stat;
	int fd;

	printf("set: %s\n", result(clock_settime(CLOCK_REALTIME, &then)));
	gettimeofday(&day, NULL);
	fd = open("/tmp/file", O_CREAT | O_WRONLY | O_TRUNC, 0600);
	if (write(fd, "x", 1) != 1)
		abort();
	fstat(fd, &stat);
	close(fd);
	printf("time %d, gettimeofday %d, mtime %d, TAI %d, monotonic %d\n",
	       (int)(time(NULL) - seconds), (int)(day.tv_sec - seconds),
	       (int)(stat.st_mtime - seconds),
	       (int)(now(CLOCK_TAI) / SECOND - seconds), (int)(now(CLOCK_MONOTONIC) / SECOND));
	booted();
}

static void overrun(void)
{
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1 };
	struct itimerspec spec = { .it_interval = { 1, 0 }, .it_value = in(CLOCK_REALTIME, 1) };
	sigset_t usr1;
	timer_t timer;

	sigemptyset(&usr1);
	sigaddset(&usr1, SIGUSR1);
	timer_create(CLOCK_REALTIME, &event, &timer);
	timer_settime(timer, TIMER_ABSTIME, &spec, NULL);
	set(10);
	sigwaitinfo(&usr1, NULL);
	printf("overruns %d\n", timer_getoverrun(timer));
	timer_delete(timer);
}

static void refuses(void)
{
	struct timespec odd = { 2000000000, SECOND }, early = { 0, 0 };
	struct timeval odd_day = { 2000000000, 1000000 };
	struct timezone zone = { -60, 1 }, far = { 901, 0 };

	printf("odd: %s\n", result(clock_settime(CLOCK_REALTIME, &odd)));
	printf("before boot: %s\n", result(clock_settime(CLOCK_REALTIME, &early)));
	printf("monotonic: %s\n", result(clock_settime(CLOCK_MONOTONIC, &early)));
	printf("odd day: %s\n", result(settimeofday(&odd_day, NULL)));
	printf("far: %s\n", result(syscall(SYS_settimeofday, NULL, &far)));
	printf("zone: %s", result(syscall(SYS_settimeofday, NULL, &zone)));
	syscall(SYS_gettimeofday, NULL, &far);
	printf(" %d %d\n", far.tz_minuteswest, far.tz_dsttime);
	if (setuid(1000))
		abort();
	printf("without capability: %s %s\n", set(1), result(syscall(SYS_settimeofday, NULL, &zone)));
}

int main(void)
{
	sigset_t all;

	setvbuf(stdout, NULL, _IOLBF, 0);
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL);
	tells(1767225600);
	if (sizeof(time_t) > 4)
		tells(6000000000);
	tells(1767225600);
	during("sleep until, set later", waits_long, 2000);
	during("sleep until, set back", waits_two, -5);
	during("sleep until, since boot", waits_since_boot, 2000);
	during("sleep for", sleeps_two, 2000);
	during("semaphore", waits_for_a_semaphore, 2000);
	during("condition", waits_for_a_condition_long, 2000);
	during("condition, since boot", waits_for_a_condition_since_boot, 2000);
	during("message", waits_for_a_message, 2000);
	during("timer at", waits_for_a_timer_at, 2000);
	during("timer in", waits_for_a_timer_in, 2000);
	during("timerfd", reads_a_timer_at, 2000);
	during("timerfd, cancelled", reads_a_timer_that_is_cancelled, 1);
	during("alarm", waits_for_an_alarm, 2000);
	overrun();
	refuses();
	return 0;
}
