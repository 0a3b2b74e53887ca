/* modern: calls that programs of today make where the kernel has them. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *error(long result)
{
	return result < 0 ? strerrorname_np(errno) : "0";
}

#define SAY(call) printf("  " #call ": %s\n", error(call))
#define TELL(call) printf("  " #call ": %ld\n", (long)(call))

static void noted(int signo, siginfo_t *info, void *context)
{
	(void)context;
	printf("signal %d code %d pid %d\n", signo, info->si_code, info->si_pid == getppid());
	fflush(stdout);
}

static void processes(void)
{
	struct sigaction action = { .sa_sigaction = noted, .sa_flags = SA_SIGINFO };
	siginfo_t info = { .si_signo = SIGUSR2, .si_code = -1 }, told = { 0 };
	struct pollfd p = { .events = POLLIN };
	int ends[2], ready[2], child, fd, other, got;
	char byte = 0, line[200];
	FILE *f;

	pipe(ends);
	pipe(ready);
	if (!(child = fork())) {
		close(ends[1]);
		sigaction(SIGUSR1, &action, NULL);
		sigaction(SIGUSR2, &action, NULL);
		write(ready[1], "r", 1);
		while (read(ends[0], &byte, 1) < 0)
			;
		fflush(stdout);
		_exit(7);
	}
	read(ready[0], &byte, 1);
	fd = p.fd = syscall(SYS_pidfd_open, child, 0);
	printf("%d %d\n", fcntl(fd, F_GETFD), fcntl(fd, F_GETFL) & 3);
	sprintf(line, "/proc/self/fdinfo/%d", fd);
	f = fopen(line, "r");
	while (fgets(line, sizeof(line), f))
		if (!strncmp(line, "Pid:", 4))
			printf("pid %d\n", atoi(line + 4) == child);
	fclose(f);
	TELL(poll(&p, 1, 0));
	SAY(read(fd, line, 1));
	SAY(syscall(SYS_pidfd_send_signal, fd, 0, NULL, 0));
	SAY(syscall(SYS_pidfd_send_signal, fd, SIGUSR1, NULL, 0));
	usleep(100000);
	SAY(syscall(SYS_pidfd_send_signal, fd, SIGUSR2, &info, 0));
	usleep(100000);
	SAY(syscall(SYS_pidfd_send_signal, fd, SIGUSR1, &info, 0));
	info.si_code = 0;
	SAY(syscall(SYS_pidfd_send_signal, fd, SIGUSR2, &info, 0));
	SAY(syscall(SYS_pidfd_send_signal, fd, 77, NULL, 0));
	sprintf(line, "/proc/%d", child);
	other = open(line, O_DIRECTORY);
	SAY(syscall(SYS_pidfd_send_signal, other, 0, NULL, 0));
	SAY(syscall(SYS_pidfd_send_signal, other, SIGUSR1, NULL, 0));
	usleep(100000);
	SAY(syscall(SYS_pidfd_getfd, other, 0, 0));
	sprintf(line, "/proc/%d/task/%d", child, child);
	TELL(syscall(SYS_pidfd_send_signal, open(line, O_DIRECTORY), 0, NULL, 0));
	SAY(syscall(SYS_pidfd_send_signal, open("/proc", O_DIRECTORY), 0, NULL, 0));
	got = syscall(SYS_pidfd_getfd, fd, ready[1], 0);
	printf("got %s, %d\n", error(got), fcntl(got, F_GETFD));
	write(got, "x", 1);
	printf("read %zd\n", read(ready[0], &byte, 1));
	SAY(syscall(SYS_pidfd_getfd, fd, 999, 0));
	SAY(syscall(SYS_pidfd_getfd, got, 1, 0));
	printf("kcmp %ld %d %ld %ld %d %d\n", syscall(SYS_kcmp, getpid(), getpid(), 0, ready[1], ready[1]),
	       syscall(SYS_kcmp, getpid(), getpid(), 0, ready[1], ready[0]) > 0,
	       syscall(SYS_kcmp, getpid(), child, 0, ready[1], ready[1]),
	       syscall(SYS_kcmp, getpid(), child, 0, got, ready[1]),
	       syscall(SYS_kcmp, getpid(), child, 1, 0, 0) > 0, syscall(SYS_kcmp, getpid(), child, 2, 0, 0) > 0);
	SAY(syscall(SYS_kcmp, getpid(), child, 99, 0, 0));
	SAY(syscall(SYS_kcmp, getpid(), child, 0, 999, 0));
	SAY(waitid(3, fd, &told, WEXITED | WNOHANG));
	write(ends[1], "x", 1);
	close(ends[1]);
	TELL(poll(&p, 1, -1));
	SAY(syscall(SYS_pidfd_send_signal, fd, SIGUSR1, NULL, 0));
	SAY(syscall(SYS_pidfd_getfd, fd, 1, 0));
	SAY(waitid(3, fd, &told, WEXITED));
	printf("%d %d %d\n", told.si_pid == child, told.si_code, told.si_status);
	SAY(waitid(3, fd, &told, WEXITED));
	SAY(syscall(SYS_pidfd_send_signal, fd, 0, NULL, 0));
	SAY(syscall(SYS_pidfd_send_signal, other, 0, NULL, 0));
	close(other);
	TELL(poll(&p, 1, 0));
	close(fd);
	SAY(syscall(SYS_pidfd_open, child, 0));
	SAY(syscall(SYS_pidfd_open, -1, 0));
	SAY(syscall(SYS_pidfd_open, getpid(), 1 << 30));
	SAY(waitid(3, 0, &told, WEXITED));
	fd = syscall(SYS_pidfd_open, getpid(), O_NONBLOCK);
	printf("%d\n", fcntl(fd, F_GETFL) & O_NONBLOCK);
	fflush(stdout);
	if (!(child = syscall(SYS_clone, 0x1000 | SIGCHLD, 0, &other, 0, 0)))
		_exit(3);
	printf("clone %d\n", fcntl(other, F_GETFD));
	SAY(waitid(3, other, &told, WEXITED));
	printf("%d %d\n", told.si_pid == child, told.si_status);
	SAY(syscall(SYS_clone, 0x1000 | 0x100000 | SIGCHLD, 0, &other, 0, 0));
	if (!(child = fork()))
		while (1)
			pause();
	fd = syscall(SYS_pidfd_open, child, O_NONBLOCK);
	SAY(waitid(3, fd, &told, WEXITED));
	kill(child, 9);
	waitpid(child, NULL, 0);
}

static void memory(void)
{
	static char there[3 * 4096] = "there";
	struct iovec near[2], far[2];
	char here[8192] = "", *hole = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int ends[2], ready[2], child;
	char byte;

	pipe(ends);
	pipe(ready);
	munmap(hole + 4096, 4096);
	if (!(child = fork())) {
		close(ends[1]);
		strcpy(there, "child's");
		strcpy(hole, "edge");
		write(ready[1], "r", 1);
		read(ends[0], &byte, 1);
		printf("child has %s %s\n", there, there + 5000);
		fflush(stdout);
		_exit(0);
	}
	read(ready[0], &byte, 1);
	near[0] = (struct iovec){ here, 3 }, near[1] = (struct iovec){ here + 3, 5000 };
	far[0] = (struct iovec){ there, 6000 }, far[1] = (struct iovec){ hole, 8192 };
	TELL(syscall(SYS_process_vm_readv, child, near, 2, far, 1, 0));
	printf("%s\n", here);
	TELL(syscall(SYS_process_vm_readv, child, near, 2, far + 1, 1, 0));
	printf("%s\n", here);
	far[0].iov_base = hole + 4096;
	SAY(syscall(SYS_process_vm_readv, child, near, 2, far, 1, 0));
	SAY(syscall(SYS_process_vm_readv, child, near, 2, far, 1, 1));
	SAY(syscall(SYS_process_vm_readv, child, near, 2000, far, 1, 0));
	SAY(syscall(SYS_process_vm_readv, 0x7ffffff0, near, 2, far, 1, 0));
	SAY(syscall(SYS_process_vm_readv, 0x7ffffff0, near, 0, far, 1, 0));
	SAY(syscall(SYS_process_vm_readv, child, near, 2, NULL, 1, 0));
	far[0] = (struct iovec){ there + 5000, 100 };
	strcpy(here, "written");
	near[0] = (struct iovec){ here, 8 };
	TELL(syscall(SYS_process_vm_writev, child, near, 1, far, 1, 0));
	if (!fork()) {
		setuid(1234);
		SAY(syscall(SYS_process_vm_readv, child, near, 1, far, 1, 0));
		SAY(syscall(SYS_kcmp, getpid(), child, 1, 0, 0));
		fflush(stdout);
		_exit(0);
	}
	wait(NULL);
	fflush(stdout);
	close(ends[1]);
	waitpid(child, NULL, 0);
}

struct how {
	uint64_t flags, mode, resolve;
};

static void opens(int at, const char *path, uint64_t flags, uint64_t mode, uint64_t resolve)
{
	struct how how = { flags, mode, resolve };
	int fd = syscall(437, at, path, &how, sizeof(how));
	struct stat st;

	printf("  %s %lx %lo %lx: %s", path, (long)flags, (long)mode, (long)resolve, error(fd));
	if (fd >= 0 && !fstat(fd, &st))
		printf(" %o", st.st_mode);
	printf("\n");
	if (fd >= 0)
		close(fd);
}

static void resolving(void)
{
	static const char *const paths[] = { ".", "..", "f", "e/f", "e/../f", "e/../../x", "up", "out", "abs", "e/in", "/f", "/",
					     "/e/../../f", "nothing", "e/loop", "self/f" };
	struct { struct how how; uint64_t more; } more = { { 0 }, 0 };
	int at, i, j;

	mkdir("d", 0755);
	mkdir("d/e", 0755);
	close(open("d/f", O_CREAT | O_WRONLY, 0644));
	close(open("d/e/f", O_CREAT | O_WRONLY, 0600));
	close(open("x", O_CREAT | O_WRONLY, 0640));
	symlink("../x", "d/up");
	symlink("e/../../x", "d/out");
	symlink("/f", "d/abs");
	symlink("../f", "d/e/in");
	symlink("loop", "d/e/loop");
	symlink("/proc/self/cwd/d", "d/self");
	at = open("d", O_PATH);
	for (i = 0; i < 16; i++)
		for (j = 0; j < 5; j++)
			opens(at, paths[i], O_RDONLY, 0, j ? 1 << j : 0);
	opens(at, "new", O_CREAT | O_WRONLY, 0640, 8);
	opens(at, "../new", O_CREAT | O_WRONLY, 0640, 8);
	opens(at, "/other", O_CREAT | O_WRONLY, 0640, 16);
	opens(at, "other", O_RDONLY, 0, 0);
	opens(at, "f", O_RDONLY, 0640, 0);
	opens(at, "f", O_CREAT, 010000, 0);
	opens(at, "f", 1ull << 40, 0, 0);
	opens(at, "f", 0, 0, 64);
	opens(at, "f", 0, 0, 8 | 16);
	opens(at, "f", O_PATH | O_RDWR, 0, 0);
	opens(at, "f", O_RDWR | O_TRUNC, 0, 32);
	opens(999, "f", O_RDONLY, 0, 16);
	opens(999, "/f", O_RDONLY, 0, 16);
	opens(999, "/f", O_RDONLY, 0, 8);
	SAY(syscall(437, at, "f", &more, 23));
	SAY(syscall(437, at, "f", &more, 5000));
	TELL(syscall(437, at, "f", &more, 32) >= 0);
	more.more = 1;
	SAY(syscall(437, at, "f", &more, 32));
	SAY(syscall(437, at, "f", NULL, 24));
	chdir("..");
}

static void runs(int at, const char *path, int flags)
{
	static char *argv[] = { "modern", "told", NULL }, *envp[] = { NULL };

	fflush(stdout);
	if (!fork()) {
		syscall(SYS_execveat, at, path, argv, envp, flags);
		printf("  %s %x: %s\n", path, flags, error(-1));
		fflush(stdout);
		_exit(0);
	}
	wait(NULL);
}

static int told(int argc, char **argv)
{
	char path[4096] = "", *base;

	readlink("/proc/self/exe", path, sizeof(path) - 1);
	base = strrchr(path, '/');
	printf("  %d %s %s, exe %s\n", argc, argv[0], argv[argc - 1], base ? base + 1 : path);
	return 0;
}

static void executing(void)
{
	char data[65536];
	int in = open("/proc/self/exe", O_RDONLY), out, at, n, fd, file, script;

	mkdir("bin", 0755);
	out = open("bin/program", O_WRONLY | O_CREAT, 0755);
	fd = syscall(SYS_memfd_create, "memory", 0);
	while ((n = read(in, data, sizeof(data))) > 0) {
		write(out, data, n);
		write(fd, data, n);
	}
	close(in);
	close(out);
	symlink("program", "bin/link");
	at = open("bin", O_RDONLY);
	file = open("bin/program", O_RDONLY);
	runs(at, "program", 0);
	runs(at, "link", 0);
	runs(at, "link", AT_SYMLINK_NOFOLLOW);
	runs(at, "nothing", 0);
	runs(at, "", 0);
	runs(at, "", AT_EMPTY_PATH);
	runs(file, "", AT_EMPTY_PATH);
	runs(file, "program", 0);
	runs(fd, "", AT_EMPTY_PATH);
	runs(999, "program", 0);
	runs(999, "", AT_EMPTY_PATH);
	runs(AT_FDCWD, "bin/program", 0);
	runs(AT_FDCWD, "bin/program", AT_SYMLINK_NOFOLLOW);
	runs(AT_FDCWD, "bin/link", AT_SYMLINK_NOFOLLOW);
	runs(AT_FDCWD, "", AT_EMPTY_PATH);
	runs(at, "program", 1);
	out = open("bin/script", O_WRONLY | O_CREAT, 0755);
	write(out, "#!bin/program script\n", 21);
	close(out);
	runs(at, "script", 0);
	script = open("bin/script", O_RDONLY);
	runs(script, "", AT_EMPTY_PATH);
	out = open("bin/program", O_PATH);
	runs(out, "", AT_EMPTY_PATH);
	out = open("bin/program", O_WRONLY);
	printf("  written: %s\n", error(out));
}

struct attr {
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime, deadline, period;
	uint32_t min, max;
};

static void scheduled(void)
{
	struct attr a = { 0 };
	int i;
	static const struct attr set[] = {
		{ 48, 0, 0, 5 }, { 48, 3, 0, 7 }, { 48, 5, 0, 0 }, { 48, 1, 0, 0, 10 }, { 48, 2, 1, 0, 20 }, { 48, 1, 0, 0, 0 },
		{ 48, 0, 0, 0, 3 }, { 48, 99 }, { 40, 0 }, { 48, 0, 0, -5 }, { 48, 0, 8, 3, 0 }, { 48, 3, 0x10, 9 }, { 0, 0 },
		{ 48, 0, 1ull << 40 }, { 48, -1 }, { 48, 0, 0, 100 },
	};

	for (i = 0; i < 16; i++) {
		a = set[i];
		printf("  set %d: %s", i, error(syscall(SYS_sched_setattr, 0, &a, 0)));
		memset(&a, 0, sizeof(a));
		printf(" get %s", error(syscall(SYS_sched_getattr, 0, &a, 48, 0)));
		printf(" %u %u %lu %d %u, %d\n", a.size, a.policy, (long)a.flags, a.nice, a.priority,
		       sched_getscheduler(0));
	}
	SAY(syscall(SYS_sched_getattr, 0, &a, 47, 0));
	SAY(syscall(SYS_sched_getattr, 0, &a, 5000, 0));
	SAY(syscall(SYS_sched_getattr, 0, &a, 48, 1));
	SAY(syscall(SYS_sched_getattr, 0x7ffffff0, &a, 48, 0));
	SAY(syscall(SYS_sched_getattr, 0, NULL, 48, 0));
	SAY(syscall(SYS_sched_setattr, 0, NULL, 0));
	SAY(syscall(SYS_sched_setattr, 0, &a, 1));
	fflush(stdout);
	if (!fork()) {
		setuid(1234);
		a = set[3];
		SAY(syscall(SYS_sched_setattr, 0, &a, 0));
		a = set[9];
		SAY(syscall(SYS_sched_setattr, 0, &a, 0));
		a = set[1];
		SAY(syscall(SYS_sched_setattr, 0, &a, 0));
		SAY(syscall(SYS_sched_setattr, getppid(), &a, 0));
		SAY(syscall(SYS_sethostname, "x", 1));
		fflush(stdout);
		_exit(0);
	}
	wait(NULL);
}

static int worker(void *cwd)
{
	SAY(unshare(CLONE_FS | CLONE_FILES));
	close(0);
	chdir(cwd);
	fflush(stdout);
	return 0;
}

static void rest(void)
{
	static char stack[65536];
	int fd = open("f", O_CREAT | O_RDWR, 0644), ends[2];
	char here[200];

	pipe(ends);
	write(fd, "x", 1);
	SAY(sync_file_range(fd, 0, 10, 7));
	SAY(sync_file_range(fd, 0, 0, 0));
	SAY(sync_file_range(fd, -1, 0, 0));
	SAY(sync_file_range(fd, 0, 0, 8));
	SAY(sync_file_range(999, 0, 0, 8));
	SAY(sync_file_range(ends[0], 0, 0, 1));
	SAY(syncfs(fd));
	SAY(syncfs(999));
	SAY(unshare(0));
	SAY(unshare(1));
	SAY(unshare(CLONE_VM));
	SAY(unshare(CLONE_THREAD));
	SAY(setns(fd, 0));
	SAY(setns(999, 0));
	clone(worker, stack + 65536, CLONE_VM | CLONE_FS | CLONE_FILES | SIGCHLD, "/");
	wait(NULL);
	printf("shared %d %s\n", fcntl(0, F_GETFD), strrchr(getcwd(here, 200), '/') + 1);
}

int main(int argc, char **argv)
{
	if (argc > 1 && (!strcmp(argv[1], "told") || !strcmp(argv[argc - 1], "told") || !strcmp(argv[1], "script")))
		return told(argc, argv);
	if (mkdir(argv[1], 0755) || chdir(argv[1]))
		return 1;
	umask(022);
	processes();
	memory();
	scheduled();
	executing();
	rest();
	resolving();
	return 0;
}
