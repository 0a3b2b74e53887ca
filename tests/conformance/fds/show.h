/* show.h: what a program prints of a call: its result, or the error's name. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <arpa/inet.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/select.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* show(EXPRESSION): its text and value. */
#define show(e) show_((long)(e), #e)
#define COUNT(a) (sizeof(a) / sizeof *(a))

static inline long show_(long value, const char *text)
{
	if (value == -1)
		printf("%s: %s\n", text, strerrorname_np(errno));
	else
		printf("%s: %ld\n", text, value);
	return value;
}

static inline void sleep_ms(int ms)
{
	struct timespec t = { ms / 1000, ms % 1000 * 1000000L };

	while (nanosleep(&t, &t))
		;
}

/* Whether a process runs, or could: on a busy host it may not have come to its sleep yet. */
static inline int runs(int pid)
{
	char path[40], state = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	file = fopen(path, "r");
	if (!file)
		return 0;
	fscanf(file, "%*d (%*[^)]) %c", &state);
	fclose(file);
	return state == 'R';
}

static inline int child_runs(void)
{
	int pid, found = 0;
	char path[60];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/task/%d/children", getpid());
	file = fopen(path, "r");
	while (file && !found && fscanf(file, "%d", &pid) == 1)
		found = runs(pid);
	if (file)
		fclose(file);
	return found;
}

/* So many milliseconds, and until parent and children have come to their sleep. */
static inline void wait_ms(int ms)
{
	int error = errno;

	sleep_ms(ms);
	for (int tries = 0; ms && tries < 2000 && (runs(getppid()) || child_runs()); tries++)
		sleep_ms(1);
	errno = error;
}

/* Runs in a child after so many milliseconds, which then ends. */
#define LATER(ms, ...) do { fflush(stdout); \
	if (!fork()) { wait_ms(ms); __VA_ARGS__; fflush(stdout); _exit(0); } } while (0)
