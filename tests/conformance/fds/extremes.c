/* Numbers as large, or as far below 0, as a program can make them, where others are told of them. */
#include "show.h"

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

int main(void)
{
	users();
	owners();
	return 0;
}
