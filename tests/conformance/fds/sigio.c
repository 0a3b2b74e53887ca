/* sigio: signals of files that have become ready. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

static const char *error(long result)
{
	return result < 0 ? strerrorname_np(errno) : "0";
}

/* Signals are blocked, and taken when something has been done. */
static void told(const char *what)
{
	struct timespec none = { 0 };
	siginfo_t info;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGIO);
	sigaddset(&set, SIGRTMIN);
	printf("%s:", what);
	while (sigtimedwait(&set, &info, &none) > 0) {
		printf(" %d", info.si_signo == SIGIO ? 1 : 2);
		if (info.si_signo == SIGIO)
			printf(" code %d", info.si_code);
		else
			printf(" code %d band %lx fd %d", info.si_code, info.si_band, info.si_fd);
	}
	printf("\n");
	fflush(stdout);
}

#define DO(call) do { printf("%s ", error(call)); told(#call); } while (0)

static void async(int fd, int signal)
{
	fcntl(fd, F_SETOWN, getpid());
	fcntl(fd, F_SETSIG, signal);
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_ASYNC | O_NONBLOCK);
}

static void pipes(int signal)
{
	static char data[70000];
	int ends[2], other;

	printf("pipe\n");
	pipe(ends);
	async(ends[0], signal);
	DO(write(ends[1], data, 5));
	DO(read(ends[0], data, 5));
	DO(write(ends[1], data, 5));
	fcntl(ends[0], F_SETFL, O_NONBLOCK);
	DO(write(ends[1], data, 5));
	DO(read(ends[0], data, 100));
	async(ends[1], signal);
	DO(write(ends[1], data, 65536));
	DO(write(ends[1], data, 1));
	DO(read(ends[0], data, 65536));
	DO(close(ends[0]));
	DO(close(ends[1]));
	pipe(ends);
	async(ends[0], signal);
	other = dup(ends[1]);
	DO(close(ends[1]));
	DO(write(other, data, 1));
	DO(read(ends[0], data, 9));
	DO(close(other));
	close(ends[0]);
}

static void sockets(int signal)
{
	static char data[400000];
	struct sockaddr_un a = { .sun_family = AF_UNIX, .sun_path = "\0vmemu-sigio" };
	int ends[2], listener, caller, answer;

	printf("sockets\n");
	socketpair(AF_UNIX, SOCK_STREAM, 0, ends);
	async(ends[0], signal);
	DO(write(ends[1], data, 5));
	DO(read(ends[0], data, 9));
	DO(write(ends[0], data, 9));
	DO(read(ends[1], data, 9));
	while (write(ends[0], data, sizeof(data)) > 0)
		;
	told("full");
	while (recv(ends[1], data, sizeof(data), MSG_DONTWAIT) > 0)
		;
	told("empty");
	socketpair(AF_UNIX, SOCK_DGRAM, 0, ends);
	async(ends[0], signal);
	DO(send(ends[1], data, 5, 0));
	DO(send(ends[1], data, 5, 0));
	listener = socket(AF_UNIX, SOCK_STREAM, 0);
	bind(listener, (void *)&a, sizeof(a));
	listen(listener, 5);
	async(listener, signal);
	caller = socket(AF_UNIX, SOCK_STREAM, 0);
	DO(connect(caller, (void *)&a, sizeof(a)));
	DO(answer = accept(listener, NULL, NULL));
}

static void terminals(int signal)
{
	int master = posix_openpt(O_RDWR | O_NOCTTY), slave;
	char text[10];

	printf("terminal\n");
	unlockpt(master);
	grantpt(master);
	slave = open(ptsname(master), O_RDWR | O_NOCTTY);
	async(slave, signal);
	DO(write(master, "a", 1));
	write(master, "\n", 1);
	poll(&(struct pollfd){ slave, POLLIN }, 1, 1000); /* the host takes its time */
	usleep(50000); /* and lets the line be read before it tells */
	told("line");
	DO(read(slave, text, 9));
}

static void owners(void)
{
	struct f_owner_ex ex = { F_OWNER_TID, getpid() };
	int ends[2], on = 1, child, ready[2];
	char byte;

	printf("owners\n");
	pipe(ends);
	pipe(ready);
	printf("%s %d\n", error(fcntl(ends[0], F_SETOWN, 0x7ffffff0)), fcntl(ends[0], F_GETOWN));
	fcntl(ends[0], F_SETFL, O_ASYNC);
	DO(write(ends[1], "x", 1));
	read(ends[0], &byte, 1);
	printf("%s\n", error(fcntl(ends[0], F_SETOWN_EX, &ex)));
	memset(&ex, 0, sizeof(ex));
	printf("%s", error(fcntl(ends[0], F_GETOWN_EX, &ex)));
	printf(" %d %d\n", ex.type, ex.pid == getpid());
	DO(write(ends[1], "x", 1));
	read(ends[0], &byte, 1);
	fcntl(ends[0], F_SETOWN, -getpgrp());
	fcntl(ends[0], F_GETOWN_EX, &ex);
	printf("%d %d\n", ex.type, ex.pid == getpgrp());
	DO(write(ends[1], "x", 1));
	read(ends[0], &byte, 1);
	on = 0;
	ioctl(ends[0], FIOASYNC, &on);
	DO(write(ends[1], "x", 1));
	read(ends[0], &byte, 1);
	on = 1;
	ioctl(ends[0], FIOASYNC, &on);
	DO(write(ends[1], "x", 1));
	read(ends[0], &byte, 1);
	fflush(stdout);
	if (!(child = fork())) {
		setuid(1234);
		fcntl(ends[0], F_SETOWN, getppid());
		_exit(0);
	}
	waitpid(child, NULL, 0);
	DO(write(ends[1], "x", 1));
}

int main(void)
{
	sigset_t set;
	int i;

	closefrom(3);
	setpgid(0, 0);
	sigemptyset(&set);
	sigaddset(&set, SIGIO);
	sigaddset(&set, SIGRTMIN);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	for (i = 0; i < 2; i++) {
		pipes(i ? SIGRTMIN : 0);
		sockets(i ? SIGRTMIN : 0);
		terminals(i ? SIGRTMIN : 0);
	}
	owners();
	return 0;
}
