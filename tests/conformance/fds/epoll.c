/* epoll: level, edge, once, nested; what closing a descriptor does. */
#include "show.h"

static int ep;

static int add(int fd, unsigned events)
{
	struct epoll_event e = { .events = events, .data.u64 = 0x100000000ull + fd };

	return epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e);
}

static int mod(int fd, unsigned events)
{
	struct epoll_event e = { .events = events, .data.u64 = 0x200000000ull + fd };

	return epoll_ctl(ep, EPOLL_CTL_MOD, fd, &e);
}

static int del(int fd)
{
	return epoll_ctl(ep, EPOLL_CTL_DEL, fd, NULL);
}

static void events(int most, int timeout)
{
	struct epoll_event e[8];
	int n = epoll_wait(ep, e, most, timeout);

	printf("%d events:", n);
	for (int i = 0; i < n; i++)
		printf(" %llx=%x", (unsigned long long)e[i].data.u64, e[i].events);
	printf("\n");
}

int main(void)
{
	int p[2], q[2], one, two, chain[8];
	char c[8];
	struct epoll_event ev = { .events = EPOLLIN };

	show(epoll_create(0));
	show(epoll_create1(1));
	ep = epoll_create1(EPOLL_CLOEXEC);
	show(fcntl(ep, F_GETFD));
	pipe(p), pipe(q);
	show(add(p[0], EPOLLIN));
	show(add(p[0], EPOLLIN));
	show(mod(q[0], EPOLLIN));
	show(del(q[0]));
	show(add(ep, EPOLLIN));
	show(add(99, EPOLLIN));
	show(add(open("/proc/self/exe", O_RDONLY), EPOLLIN));
	show(add(open("/dev/null", O_RDONLY), EPOLLIN));
	show(epoll_ctl(p[0], EPOLL_CTL_ADD, q[0], &ev));
	show(epoll_ctl(ep, 7, q[0], &ev));
	show(epoll_wait(ep, &ev, 0, 0));
	show(epoll_wait(p[0], &ev, 1, 0));
	show(epoll_wait(ep, (void *)16, 1, 0));
	events(8, 0);
	show(add(p[1], EPOLLOUT));
	events(8, -1);
	events(8, -1);
	write(p[1], "ab", 2);
	events(8, -1);
	events(1, -1);
	events(1, -1);
	events(1, -1);
	show(mod(p[1], 0));
	events(8, -1);
	read(p[0], c, 8);
	events(8, 2);
	LATER(60, write(p[1], "c", 1));
	events(8, -1);
	wait(NULL);
	printf("edges\n");
	show(mod(p[0], EPOLLIN | EPOLLET));
	events(8, 0);
	events(8, 0);
	write(p[1], "d", 1);
	events(8, 0);
	events(8, 0);
	read(p[0], c, 1);
	events(8, 0);
	write(p[1], "e", 1);
	write(p[1], "f", 1);
	events(8, 0);
	events(8, 0);
	printf("once\n");
	show(mod(p[0], EPOLLIN | EPOLLONESHOT));
	events(8, 0);
	write(p[1], "g", 1);
	events(8, 0);
	show(mod(p[0], EPOLLIN | EPOLLONESHOT));
	events(8, 0);
	printf("closing\n");
	show(mod(p[0], EPOLLIN));
	events(8, 0);
	one = dup(p[0]);
	close(p[0]);
	events(8, 0);
	show(del(p[0]));
	close(one);
	events(8, 0);
	show(add(q[0], EPOLLIN | EPOLLRDHUP));
	close(q[1]);
	events(8, 0);
	close(q[0]);
	events(8, 0);
	close(p[1]);
	printf("exclusive\n");
	pipe(p);
	show(add(p[0], EPOLLIN | EPOLLEXCLUSIVE));
	show(mod(p[0], EPOLLIN));
	show(del(p[0]));
	show(add(p[0], EPOLLIN | EPOLLEXCLUSIVE | EPOLLONESHOT));
	show(add(p[0], EPOLLIN | EPOLLEXCLUSIVE));
	write(p[1], "x", 1);
	events(8, 0);
	printf("nested\n");
	one = ep;
	two = ep = epoll_create1(0);
	show(add(one, EPOLLIN));
	events(8, 0);
	show(poll(&(struct pollfd){ two, POLLIN, 0 }, 1, 0));
	ep = one;
	show(add(two, EPOLLIN));
	ep = two;
	read(p[0], c, 8);
	events(8, 0);
	show(poll(&(struct pollfd){ two, POLLIN, 0 }, 1, 0));
	LATER(60, write(p[1], "c", 1));
	events(8, -1);
	wait(NULL);
	for (int i = 0; i < 8; i++) {
		chain[i] = epoll_create1(0);
		if (i)
			show(epoll_ctl(chain[i], EPOLL_CTL_ADD, chain[i - 1], &ev));
	}
	show(epoll_ctl(chain[0], EPOLL_CTL_ADD, chain[2], &ev));
	show(epoll_pwait(two, &ev, 1, -1, NULL));
	show(syscall(SYS_epoll_pwait2, two, &ev, 1, &(struct { long long s, n; }){ 0, 1000 }, NULL, 8));
	show(syscall(SYS_epoll_pwait2, two, &ev, 1, &(struct { long long s, n; }){ 0, -1 }, NULL, 8));
	show(read(two, c, 8));
	show(write(two, c, 8));
	show(lseek(two, 0, 0));
	return 0;
}
