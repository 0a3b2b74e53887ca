/* ids: who a process may become, by calls drawn from a seed; and what limits do. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static unsigned state;

static unsigned draw(unsigned n)
{
	state = state * 1664525 + 1013904223;
	return (state >> 16) % n;
}

static const long ids[] = { 0, 0, 1, 2, 65534, 70000, -1 };

static long id(void)
{
	return ids[draw(7)];
}

static void told(const char *name, long result)
{
	struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct data[2] = { 0 };
	unsigned u[3] = { 0 }, g[3] = { 0 };
	int error = result < 0 ? errno : 0;

	syscall(SYS_capget, &header, data);
	syscall(SYS_getresuid, &u[0], &u[1], &u[2]);
	syscall(SYS_getresgid, &g[0], &g[1], &g[2]);
	printf("  %s %ld %d: %u %u %u %ld, %u %u %u %ld, %u %u, caps %x %x %x, keep %d\n", name,
	       result, error, u[0], u[1], u[2], (long)syscall(SYS_setfsuid, -1), g[0], g[1], g[2],
	       (long)syscall(SYS_setfsgid, -1), (unsigned)geteuid(), (unsigned)getgid(),
	       data[0].effective & 0xff, data[0].permitted & 0xff, data[0].inheritable & 0xff,
	       prctl(PR_GET_KEEPCAPS));
}

static void become(void)
{
	struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct data[2] = { 0 };
	unsigned list[3];
	long a = id(), b = id(), c = id();

	switch (draw(12)) {
	case 0: told("setuid", syscall(SYS_setuid, a)); break;
	case 1: told("setgid", syscall(SYS_setgid, a)); break;
	case 2: told("setreuid", syscall(SYS_setreuid, a, b)); break;
	case 3: told("setregid", syscall(SYS_setregid, a, b)); break;
	case 4: told("setresuid", syscall(SYS_setresuid, a, b, c)); break;
	case 5: told("setresgid", syscall(SYS_setresgid, a, b, c)); break;
	case 6: told("setfsuid", syscall(SYS_setfsuid, a)); break;
	case 7: told("setfsgid", syscall(SYS_setfsgid, a)); break;
	case 8: told("keep", prctl(PR_SET_KEEPCAPS, draw(2))); break;
	case 9:
		list[0] = a, list[1] = b, list[2] = 7;
		told("setgroups", syscall(SYS_setgroups, draw(4), list));
		memset(list, 0, sizeof list);
		told("getgroups", syscall(SYS_getgroups, 3, list));
		printf("  %u %u %u\n", list[0], list[1], list[2]);
		break;
	case 10:
		syscall(SYS_capget, &header, data);
		data[0].permitted &= ~draw(4) & ~draw(16);
		data[0].effective = data[0].permitted & ~draw(8);
		data[1].effective = 0;
		told("capset", syscall(SYS_capset, &header, data));
		break;
	default:
		told("kill", kill(getppid(), 0));
		told("nproc", 0);
	}
}

static void child(void (*does)(int), int argument)
{
	int status;

	fflush(stdout);
	if (!fork()) {
		does(argument);
		fflush(stdout);
		_exit(0);
	}
	wait(&status);
	if (WIFSIGNALED(status))
		printf("killed by %d\n", WTERMSIG(status));
}

static void changes(int number)
{
	int i;

	state = number * 7919 + 1;
	printf("%d\n", number);
	for (i = 0; i < 8; i++)
		become();
}

static void noted(int signo)
{
	(void)signo;
	write(1, "signal\n", 7);
}

static void size(int handled)
{
	struct rlimit limit = { 100, 200 };
	int fd = open("file", O_RDWR | O_CREAT | O_TRUNC, 0600);
	char data[80] = { 0 };

	setrlimit(RLIMIT_FSIZE, &limit);
	if (handled)
		signal(SIGXFSZ, handled > 1 ? SIG_IGN : noted);
	setbuf(stdout, NULL);
	printf("write %zd\n", write(fd, data, 80));
	printf("write %zd\n", write(fd, data, 80));
	printf("truncate %d\n", ftruncate(fd, 100));
	printf("pwrite %zd\n", pwrite(fd, data, 80, 99));
	printf("pwrite %zd %d\n", pwrite(fd, data, 80, 100), errno);
	printf("truncate %d %d\n", ftruncate(fd, 101), errno);
	printf("cut %d\n", ftruncate(fd, 10));
	printf("write %zd %d\n", write(fd, data, 80), errno);
}

static void processes(int uid)
{
	struct rlimit limit = { 1, 1 };

	setrlimit(RLIMIT_NPROC, &limit);
	if (syscall(SYS_setresuid, uid, uid, uid))
		perror("setresuid");
	if (!fork())
		_exit(0);
	printf("fork %s\n", errno == EAGAIN ? "refused" : "done");
	limit.rlim_max = 2;
	printf("raise %d\n", setrlimit(RLIMIT_NPROC, &limit));
}

/* One end says who it is; an error, or what the other end is told. */
static void says(int *ends, const char *name, struct ucred *who)
{
	char control[64] = { 0 }, byte = 'x';
	struct iovec v = { &byte, 1 };
	struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1, .msg_control = control,
			    .msg_controllen = who ? CMSG_SPACE(sizeof(*who)) : 0 };
	struct cmsghdr *c = (void *)control;
	struct ucred got = { 0 };

	if (who) {
		c->cmsg_level = SOL_SOCKET, c->cmsg_type = SCM_CREDENTIALS;
		c->cmsg_len = CMSG_LEN(sizeof(*who));
		memcpy(CMSG_DATA(c), who, sizeof(*who));
	}
	if (sendmsg(ends[0], &m, 0) < 0) {
		printf("%s: %s\n", name, strerror(errno));
		return;
	}
	m.msg_controllen = sizeof(control);
	recvmsg(ends[1], &m, 0);
	memcpy(&got, CMSG_DATA(c), sizeof(got));
	printf("%s: own pid %d, %u %u\n", name, got.pid == getpid(), got.uid, got.gid);
}

/* What sockets tell of somebody whose ids differ, and what he may say that he is. */
static void sender(int root)
{
	struct ucred cred = { 0 };
	socklen_t n = sizeof(cred);
	int ends[2], on = 1;

	syscall(SYS_setresgid, 11, 12, 13);
	syscall(SYS_setresuid, 3000000000u, root ? 0 : 22, 23);
	socketpair(AF_UNIX, SOCK_STREAM, 0, ends);
	setsockopt(ends[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof(on));
	getsockopt(ends[1], SOL_SOCKET, SO_PEERCRED, &cred, &n);
	printf("peer: own pid %d, %u %u\n", cred.pid == getpid(), cred.uid, cred.gid);
	says(ends, "nothing", NULL);
	says(ends, "saved", &(struct ucred){ getpid(), 23, 13 });
	says(ends, "user", &(struct ucred){ getpid(), 24, 13 });
	says(ends, "group", &(struct ucred){ getpid(), 23, 14 });
	says(ends, "parent", &(struct ucred){ getppid(), 23, 13 });
	says(ends, "no user", &(struct ucred){ getpid(), -1, 13 });
	says(ends, "nobody", &(struct ucred){ 99999999, 23, 13 });
}

/* Process 1 is there for everybody, and nobody but root may signal it. */
static void first(int uid)
{
	syscall(SYS_setresuid, uid, uid, uid);
	printf("first: %d", kill(1, 0));
	printf(" %d", errno);
	printf(" %d", kill(1, 99));
	printf(" %d", errno);
	printf(" %d %d", getpgid(1) >= 0, getsid(1) >= 0);
	errno = 0;
	getpriority(PRIO_PROCESS, 1);
	printf(" %d", errno);
	printf(" %d %d\n", sched_getscheduler(1) >= 0, sched_getparam(1, &(struct sched_param){ 0 }));
}

int main(int argc, char **argv)
{
	int i;

	if (argc > 1 && chdir(argv[1]))
		return 1;
	for (i = 0; i < 60; i++)
		child(changes, i);
	for (i = 0; i < 3; i++)
		child(size, i);
	child(processes, 54321);
	child(first, 0);
	child(first, 22);
	child(sender, 0);
	child(sender, 1);
	return 0;
}
