/* ioctl() that every file answers, and what poll() says of the standard streams. */
#include "show.h"
#include <sys/ioctl.h>

static void ask(const char *name, int fd)
{
	int value = -1, on = 1, off = 0;

	puts(name);
	show(ioctl(fd, FIONREAD, &value));
	show(value);
	show(ioctl(fd, FIOASYNC, &off));
	show(ioctl(fd, FIOASYNC, &on));
	show(fcntl(fd, F_GETFL) & O_ASYNC);
	show(ioctl(fd, FIOASYNC, &on));
	show(ioctl(fd, FIOASYNC, &off));
	show(fcntl(fd, F_GETFL) & O_ASYNC);
	show(ioctl(fd, FIOASYNC, (void *)8));
	show(ioctl(fd, FIONBIO, &on));
	show(fcntl(fd, F_GETFL) & O_NONBLOCK);
	show(ioctl(fd, FIONBIO, &off));
	show(fcntl(fd, F_GETFL) & O_NONBLOCK);
	show(ioctl(fd, FIONBIO, (void *)8));
	show(ioctl(fd, 0xdead, &value));
	close(fd);
}

int main(void)
{
	struct pollfd p[] = { { 1, POLLIN | POLLOUT, 0 }, { 2, POLLIN | POLLOUT, 0 } };
	int pair[2];

	show(poll(p, 2, 0));
	show(p[0].revents);
	show(p[1].revents);
	pipe(pair);
	write(pair[1], "12345", 5);
	ask("pipe", pair[0]);
	signal(SIGPIPE, SIG_IGN);
	ask("its other end", pair[1]);
	socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
	write(pair[1], "12345", 5);
	ask("socket", pair[0]);
	socketpair(AF_UNIX, SOCK_DGRAM, 0, pair);
	write(pair[1], "123", 3), write(pair[1], "45", 2);
	ask("datagrams", pair[0]);
	ask("tcp", socket(AF_INET, SOCK_STREAM, 0));
	ask("udp", socket(AF_INET, SOCK_DGRAM, 0));
	ask("eventfd", eventfd(3, 0));
	ask("timerfd", timerfd_create(CLOCK_MONOTONIC, 0));
	ask("null", open("/dev/null", O_RDWR));
	ask("zero", open("/dev/zero", O_RDWR));
	ask("terminal", open("/dev/ptmx", O_RDWR | O_NOCTTY));
	pair[0] = open("/tmp", O_RDWR | O_TMPFILE, 0600);
	write(pair[0], "12345", 5);
	lseek(pair[0], 2, SEEK_SET);
	ask("file", pair[0]);
	ask("directory", open("/tmp", O_RDONLY));
	ask("proc", open("/proc/self/stat", O_RDONLY));
	return 0;
}
