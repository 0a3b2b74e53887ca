/* secures: who a program with setuid or setgid is, and what of /proc and shared memory is whose. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *error(long result)
{
	return result < 0 ? strerrorname_np(errno) : "0";
}

static int told(void)
{
	struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct data[2] = { 0 };
	int u[3], g[3], signal;

	syscall(SYS_capget, &header, data);
	getresuid(&u[0], &u[1], &u[2]);
	getresgid(&g[0], &g[1], &g[2]);
	prctl(PR_GET_PDEATHSIG, &signal);
	printf("  %d %d %d, %d %d %d, caps %x %x, secure %ld, dumpable %d, signal %d\n", u[0], u[1], u[2],
	       g[0], g[1], g[2], data[0].effective & 0xff, data[0].permitted & 0xff,
	       getauxval(AT_SECURE), prctl(PR_GET_DUMPABLE), signal);
	return 0;
}

static void become(int uid, int gid)
{
	setgroups(0, NULL);
	syscall(SYS_setresgid, gid, gid, gid);
	syscall(SYS_setresuid, uid, uid, uid);
}

static void copy(const char *from, const char *to, int uid, int gid, int mode)
{
	char data[65536];
	int in = open(from, O_RDONLY), out = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0600), n;

	while ((n = read(in, data, sizeof(data))) > 0)
		write(out, data, n);
	close(in);
	close(out);
	chown(to, uid, gid);
	chmod(to, mode);
}

static void runs(const char *path, int uid, int gid, int real, int gained)
{
	fflush(stdout);
	if (!fork()) {
		become(uid, gid);
		if (real >= 0)
			syscall(SYS_setresuid, real, -1, -1);
		if (gained)
			prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
		prctl(PR_SET_PDEATHSIG, 9);
		execl(path, path, "told", NULL);
		printf("  %s\n", error(-1));
		fflush(stdout);
		_exit(0);
	}
	wait(NULL);
}

static void setid(const char *self)
{
	static const int modes[] = { 0755, 04755, 02755, 06755, 02745, 04711, 04644 };
	static const int owners[] = { 0, 1235 }, users[] = { 0, 1234, 1235 };
	unsigned i, j, k;

	for (i = 0; i < 7; i++)
		for (j = 0; j < 2; j++) {
			copy(self, "program", owners[j], owners[j], modes[i]);
			for (k = 0; k < 3; k++) {
				printf(" %o of %d by %d\n", modes[i], owners[j], users[k]);
				runs("./program", users[k], users[k], -1, 0);
			}
		}
	copy(self, "program", 0, 0, 06755);
	printf(" no new privileges\n");
	runs("./program", 1234, 1234, -1, 1);
	printf(" real root\n");
	runs("./program", 0, 0, 1234, 0);
	copy(self, "program", 1235, 1235, 04755);
	runs("./program", 0, 0, 1234, 0);
	runs("./program", 0, 0, 0, 1);
	copy("/dev/null", "script", 0, 0, 06755);
	truncate("script", 0);
	{
		int fd = open("script", O_WRONLY);

		write(fd, "#!./program told\n", 17);
		close(fd);
		chmod("script", 06755);
	}
	printf(" script\n");
	copy(self, "program", 0, 0, 0755);
	runs("./script", 1234, 1234, -1, 0);
}

static void looked(pid_t pid, const char *name)
{
	char path[64], text[64];
	struct stat st;
	int fd;

	sprintf(path, "/proc/%d/%s", pid, name);
	if (stat(path, &st))
		printf("  %s: stat %s,", name, error(-1));
	else
		printf("  %s: %o %d %d,", name, st.st_mode & 07777, st.st_uid, st.st_gid);
	fd = open(path, O_RDONLY);
	printf(" open %s,", error(fd));
	if (fd >= 0)
		printf(" read %s,", error(read(fd, text, 1)));
	close(fd);
	printf(" link %s\n", error(readlink(path, text, 9)) );
}

/* Somebody's files of /proc, looked at by himself, by another, and by the same one otherwise. */
static void looks(int own, int uid, int gid, int dumps)
{
	static const char *const names[] = { "", "maps", "environ", "auxv", "status", "exe", "cwd", "fd", "fd/0",
					     "smaps", "pagemap", "mem", "fdinfo", "task", "cmdline" };
	int ready[2], stay[2];
	char byte;
	unsigned i;
	pid_t child;

	printf(" %d of %d %d, dumpable %d\n", own, uid, gid, dumps);
	fflush(stdout);
	pipe(ready);
	pipe(stay);
	if (!(child = fork())) {
		become(1234, 1234);
		if (dumps)
			prctl(PR_SET_DUMPABLE, 1);
		write(ready[1], "r", 1);
		if (own)
			for (i = 0; i < 15; i++)
				looked(getpid(), names[i]);
		fflush(stdout);
		close(stay[1]);
		read(stay[0], &byte, 1);
		_exit(0);
	}
	read(ready[0], &byte, 1);
	if (!own && !fork()) {
		become(uid, gid);
		close(stay[1]);
		for (i = 0; i < 15; i++)
			looked(child, names[i]);
		fflush(stdout);
		_exit(0);
	} else if (!own)
		wait(NULL);
	close(stay[1]);
	waitpid(child, NULL, 0);
	close(stay[0]);
	close(ready[0]);
	close(ready[1]);
}

static void segment(int uid, int gid, int mode)
{
	struct shmid_ds ds = { .shm_perm.mode = 0600 };
	void *at;
	int n;

	printf(" segment %d %d %o\n", uid, gid, mode);
	fflush(stdout);
	if (!fork()) {
		become(1234, 1234);
		n = shmget(4711, 4096, IPC_CREAT | mode);
		shmctl(n, IPC_STAT, &ds);
		fflush(stdout);
		_exit(0);
	}
	wait(NULL);
	if (!fork()) {
		become(uid, gid);
		printf("  get %s\n", error(n = shmget(4711, 4096, 0)));
		printf("  get read %s\n", error(shmget(4711, 4096, 0444)));
		printf("  get write %s\n", error(shmget(4711, 4096, 0222)));
		printf("  large %s\n", error(shmget(4711, 8192, 0666)));
		printf("  attach %s\n", error((long)(at = shmat(n, NULL, 0)) == -1 ? -1 : 0));
		printf("  attach %s\n", error((long)(at = shmat(n, NULL, SHM_RDONLY)) == -1 ? -1 : 0));
		printf("  stat %s\n", error(shmctl(n, IPC_STAT, &ds)));
		ds.shm_perm.uid = 1236, ds.shm_perm.gid = 1237;
		printf("  set %s\n", error(shmctl(n, IPC_SET, &ds)));
		printf("  stat %s", error(shmctl(n, IPC_STAT, &ds)));
		printf(" %d %d %d %d %o\n", ds.shm_perm.uid, ds.shm_perm.gid, ds.shm_perm.cuid, ds.shm_perm.cgid,
		       ds.shm_perm.mode);
		printf("  remove %s\n", error(shmctl(n, IPC_RMID, NULL)));
		fflush(stdout);
		_exit(0);
	}
	wait(NULL);
	shmctl(shmget(4711, 4096, 0), IPC_RMID, NULL);
}

static void priorities(int uid)
{
	int ready[2], other;
	char byte;

	printf(" priorities %d\n", uid);
	fflush(stdout);
	pipe(ready);
	if (!(other = fork())) {
		become(1235, 1235);
		write(ready[1], "x", 1);
		for (;;)
			pause();
	}
	read(ready[0], &byte, 1);
	if (!fork()) {
		setrlimit(RLIMIT_NICE, &(struct rlimit){ 0, 0 });
		become(uid, uid);
		printf("  up %s\n", error(setpriority(PRIO_PROCESS, 0, 5)));
		printf("  down %s\n", error(setpriority(PRIO_PROCESS, 0, 3)));
		printf("  nice %s", error(syscall(SYS_setpriority, PRIO_PROCESS, 0, -5)));
		printf(" %d\n", getpriority(PRIO_PROCESS, 0));
		printf("  other %s\n", error(setpriority(PRIO_PROCESS, other, 5)));
		printf("  other %s\n", error(setpriority(PRIO_PROCESS, other, 5)));
		printf("  user %s\n", error(setpriority(PRIO_USER, 1235, 6)));
		printf("  nobody %s\n", error(setpriority(PRIO_PROCESS, 0x7ffffff0, 6)));
		fflush(stdout);
		_exit(0);
	}
	waitpid(-1, NULL, 0);
	kill(other, 9);
	waitpid(other, NULL, 0);
}

int main(int argc, char **argv)
{
	static const int modes[] = { 0600, 0640, 0604, 0000, 0444, 0222 };
	unsigned i;
	struct stat st;
	int ends[2];

	if (!strcmp(argv[1], "told"))
		return told();
	if (mkdir(argv[1], 0755) || chdir(argv[1]))
		return 1;
	umask(0);
	close(0);
	open("/dev/null", O_RDONLY);
	setid("/proc/self/exe");
	for (i = 0; i < 2; i++) {
		looks(1, 1234, 1234, i);
		looks(0, 1234, 1234, i);
		looks(0, 1234, 1235, i);
		looks(0, 1235, 1235, i);
		looks(0, 0, 0, i);
	}
	for (i = 0; i < 6; i++) {
		segment(1234, 1, modes[i]);
		segment(1235, 1234, modes[i]);
		segment(1235, 1235, modes[i]);
		segment(0, 0, modes[i]);
	}
	setpriority(PRIO_PROCESS, 0, 0); /* whatever the tests run with */
	priorities(0);
	priorities(1234);
	priorities(1235);
	become(1234, 1235);
	pipe(ends);
	fstat(ends[0], &st);
	printf("pipe %o %d %d\n", st.st_mode, st.st_uid, st.st_gid);
	fstat(syscall(SYS_memfd_create, "x", 0), &st);
	printf("memfd %o %d %d\n", st.st_mode, st.st_uid, st.st_gid);
	return 0;
}
