/* Numbers as large, or as far below 0, as a program can make them, where others are told of them. */
#include "show.h"
#include <sys/mman.h>

static void users(void)
{
	int pid, fd;
	char info[128] = { 0 };
	struct signalfd_siginfo told;
	siginfo_t child;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGRTMIN);
	sigprocmask(SIG_BLOCK, &set, NULL);
	if (!(pid = fork())) {
		show(setuid(0xf0000000));
		fflush(stdout);
		_exit(3);
	}
	show(waitid(P_PID, pid, &child, WEXITED | WNOWAIT));
	printf("waitid: %x, %d\n", child.si_uid, child.si_status);
	show(sigwaitinfo(&set, &child));
	printf("SIGCHLD: %x, %d\n", child.si_uid, child.si_status);
	waitpid(pid, NULL, 0);

	fd = signalfd(-1, &set, 0);
	((siginfo_t *)info)->si_code = -7;
	((siginfo_t *)info)->si_pid = -5;
	((siginfo_t *)info)->si_uid = 0xf0000001;
	show(syscall(SYS_rt_sigqueueinfo, getpid(), SIGRTMIN, info));
	show(read(fd, &told, sizeof told));
	printf("signalfd: %d, %x, code %d\n", (int)told.ssi_pid, told.ssi_uid, told.ssi_code);
	show(syscall(SYS_rt_sigqueueinfo, getpid(), SIGRTMIN, info));
	show(sigwaitinfo(&set, &child));
	printf("siginfo: %d, %x\n", child.si_pid, child.si_uid);
}

static void owners(void)
{
	int ends[2];
	struct {
		int type, pid;
	} owner[] = { { 0, -1 }, { 1, -1 }, { 2, -1 }, { 1, 1 << 31 }, { 2, 1 << 31 }, { 3, 0 } };

	pipe(ends);
	show(fcntl(ends[0], F_SETOWN, 1 << 31));
	show(fcntl(ends[0], F_SETOWN, (1 << 31) + 1));
	for (int i = 0; i < 6; i++) {
		if (owner[i].pid == -1)
			owner[i].pid = -(owner[i].type == 2 ? getpgrp() : getpid());
		show(fcntl(ends[0], F_SETOWN_EX, owner + i));
		printf("%d\n", fcntl(ends[0], F_GETOWN));
	}
	owner[0].type = 2, owner[0].pid = getpgrp();
	show(fcntl(ends[0], F_SETOWN_EX, owner));
	printf("%d\n", fcntl(ends[0], F_GETOWN) == -getpgrp());
	close(ends[0]), close(ends[1]);
}

static void set(int fd, int level, int name, int value)
{
	socklen_t n = sizeof value;

	printf("%d,%d = %d: ", level, name, value);
	show(setsockopt(fd, level, name, &value, sizeof value));
	show(getsockopt(fd, level, name, &value, &n));
	printf("%d\n", value);
}

static void services(void)
{
	static const int values[] = { -2, -1, 0, 1, 3, 255, 256, 300, 1 << 30 };
	struct sockaddr_in a = { AF_INET, 0, { htonl(INADDR_LOOPBACK) } };
	socklen_t n = sizeof a, size = sizeof(long[2]);
	long time[2];
	char data[8], control[200];
	struct iovec iov = { data, sizeof data };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
	int to = socket(AF_INET, SOCK_DGRAM, 0), from = socket(AF_INET, SOCK_DGRAM, 0);
	int six = socket(AF_INET6, SOCK_DGRAM, 0), on = 1;

	bind(to, (void *)&a, n);
	getsockname(to, (void *)&a, &n);
	connect(from, (void *)&a, n);
	setsockopt(to, IPPROTO_IP, IP_RECVTOS, &on, sizeof on);
	setsockopt(to, IPPROTO_IP, IP_RECVTTL, &on, sizeof on);
	for (int i = 0; i < sizeof values / sizeof *values; i++) {
		set(from, IPPROTO_IP, IP_TOS, values[i]);
		set(from, IPPROTO_IP, IP_TTL, values[i]);
		set(six, IPPROTO_IPV6, IPV6_UNICAST_HOPS, values[i]);
		set(six, IPPROTO_IPV6, IPV6_TCLASS, values[i]);
		send(from, "x", 1, 0);
		m.msg_control = control, m.msg_controllen = sizeof control;
		show(recvmsg(to, &m, 0));
		for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c))
			printf("%d,%d: %d\n", c->cmsg_level, c->cmsg_type,
			       c->cmsg_type == IP_TOS ? *CMSG_DATA(c) : *(int *)CMSG_DATA(c));
	}
	printf("times\n");
	show(setsockopt(to, SOL_SOCKET, 66, (int64_t[]){ 0x200000003, 0 }, 16)); /* SO_RCVTIMEO_NEW */
	show(getsockopt(to, SOL_SOCKET, 20, time, &size)); /* SO_RCVTIMEO_OLD */
	printf("%ld %ld %d\n", time[0], time[1], size);
	close(to), close(from), close(six);
}

static void halves(void)
{
	char *there = mmap(NULL, 3 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	static char here[3 * 4096] __attribute__((aligned(4096)));
	struct iovec near, far;

	munmap(there + 4096, 4096);
	near = (struct iovec){ here + 2048, 8192 };
	far = (struct iovec){ there, 8192 };
	show(syscall(SYS_process_vm_readv, getpid(), &near, 1, &far, 1, 0));
	show(syscall(SYS_process_vm_writev, getpid(), &near, 1, &far, 1, 0));
	near = (struct iovec){ there + 100, 8192 };
	far = (struct iovec){ here + 1000, 8192 };
	show(syscall(SYS_process_vm_readv, getpid(), &near, 1, &far, 1, 0));
	show(syscall(SYS_process_vm_writev, getpid(), &near, 1, &far, 1, 0));
}

int main(void)
{
	users();
	owners();
	services();
	halves();
	return 0;
}
