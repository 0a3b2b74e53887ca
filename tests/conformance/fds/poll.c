/* poll, ppoll, select, pselect on pipes; with timeouts and signals. */
#include "show.h"

static volatile int handled;

static void handler(int sig)
{
	handled += sig;
}

static int polled(int fd, int events, int timeout)
{
	struct pollfd p = { fd, events, 99 };
	int n = poll(&p, 1, timeout);

	printf("poll %#x: %d %#x\n", events, n, p.revents);
	return n;
}

static void sets(const char *what, int n, fd_set *r, fd_set *w, fd_set *e)
{
	printf("%s %d:", what, n);
	for (int fd = 0; fd < 64; fd++)
		if (FD_ISSET(fd, r) || FD_ISSET(fd, w) || FD_ISSET(fd, e))
			printf(" %d%s%s%s", fd, FD_ISSET(fd, r) ? "r" : "", FD_ISSET(fd, w) ? "w" : "",
			       FD_ISSET(fd, e) ? "e" : "");
	printf("\n");
}

int main(void)
{
	enum { ALL = 0x3fff };
	int p[2], q[2], fd = open("/dev/null", O_RDWR), file = open("/proc/self/exe", O_RDONLY);
	char big[65536] = { 0 };
	struct timespec t = { 0, 3000000 };
	struct timeval tv = { 0, 5000 };
	struct sigaction sa = { .sa_handler = handler };
	fd_set r, w, e;
	sigset_t set, none;

	pipe(p);
	polled(p[0], ALL, 0);
	polled(p[1], ALL, 0);
	polled(p[1], POLLOUT, -1);
	polled(p[1], POLLIN, 1);
	polled(fd, ALL, 0);
	polled(file, ALL, 0);
	polled(99, ALL, -1);
	polled(-1, ALL, 1);
	write(p[1], "x", 1);
	polled(p[0], ALL, -1);
	polled(p[0], POLLOUT, 1);
	write(p[1], big, 65535 - 4095);
	polled(p[1], ALL, 0);
	while (read(p[0], big, 4096) == 4096)
		polled(p[1], POLLOUT, 0);
	polled(p[0], ALL, 0);
	LATER(60, write(p[1], "y", 1));
	polled(p[0], POLLIN, -1);
	wait(NULL);
	close(p[1]);
	polled(p[0], ALL, -1);
	read(p[0], big, 10);
	polled(p[0], ALL, -1);
	polled(p[0], 0, -1);
	pipe(q);
	close(q[0]);
	polled(q[1], ALL, -1);
	polled(q[1], 0, -1);

	FD_ZERO(&r);
	FD_ZERO(&w);
	FD_ZERO(&e);
	FD_SET(p[0], &r), FD_SET(fd, &w), FD_SET(q[1], &w), FD_SET(q[1], &e), FD_SET(file, &r);
	sets("select", select(10, &r, &w, &e, NULL), &r, &w, &e);
	FD_ZERO(&r);
	FD_ZERO(&w);
	FD_ZERO(&e);
	FD_SET(p[0], &r), FD_SET(40, &r);
	show(select(41, &r, &w, &e, NULL));
	show(select(40, &r, &w, &e, &tv));
	show(select(-1, &r, &w, &e, NULL));
	close(p[0]), close(q[1]);
	pipe(p);
	FD_ZERO(&r);
	FD_SET(p[0], &r);
	tv.tv_usec = 5000;
	sets("select", select(10, &r, &w, &e, &tv), &r, &w, &e);
	printf("left %ld %ld\n", (long)tv.tv_sec, (long)tv.tv_usec);
	tv.tv_usec = -1;
	show(select(10, &r, &w, &e, &tv));
	tv.tv_sec = -1, tv.tv_usec = 0;
	show(select(10, &r, &w, &e, &tv));
	LATER(60, write(p[1], "y", 1));
	FD_SET(p[0], &r);
	tv.tv_sec = 100;
	sets("select", select(p[0] + 1, &r, NULL, NULL, &tv), &r, &w, &e);
	printf("left %d\n", tv.tv_sec == 99);
	wait(NULL);
	read(p[0], big, 10);

	sigaction(SIGUSR1, &sa, NULL);
	sigemptyset(&none);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	kill(getpid(), SIGUSR1);
	show(handled);
	show(ppoll(&(struct pollfd){ p[0], POLLIN, 0 }, 1, &t, NULL));
	show(handled);
	show(ppoll(&(struct pollfd){ p[1], POLLOUT, 0 }, 1, NULL, &none));
	show(handled);
	show(ppoll(&(struct pollfd){ p[0], POLLIN, 0 }, 1, NULL, &none));
	show(handled);
	sigprocmask(SIG_BLOCK, NULL, &set);
	show(sigismember(&set, SIGUSR1));
	LATER(60, kill(getppid(), SIGUSR1));
	FD_SET(p[0], &r);
	show(pselect(10, &r, NULL, NULL, NULL, &none));
	show(handled);
	wait(NULL);
	show(pselect(10, &r, NULL, NULL, &t, &none));
	show(syscall(SYS_ppoll, NULL, 0, &t, &none, 7));
	show(syscall(SYS_ppoll, NULL, 0, NULL, (void *)16, 8));
	t.tv_nsec = 1000000000;
	show(ppoll(NULL, 0, &t, NULL));
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	sa.sa_flags = SA_RESTART;
	sigaction(SIGUSR1, &sa, NULL);
	LATER(60, kill(getppid(), SIGUSR1); wait_ms(60); write(p[1], "z", 1));
	show(poll(&(struct pollfd){ p[0], POLLIN, 0 }, 1, -1));
	wait(NULL);
	read(p[0], big, 10);
	LATER(60, kill(getppid(), SIGCONT); wait_ms(60); write(p[1], "z", 1));
	show(poll(&(struct pollfd){ p[0], POLLIN, 0 }, 1, -1));
	wait(NULL);
	return 0;
}
