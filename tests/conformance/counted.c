/* counted: what /proc tells of a task's calls and namespaces; in a machine, what drop_caches drops. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

static void counts(long *to)
{
	static const char *const names[] = { "rchar: ", "wchar: ", "syscr: ", "syscw: " };
	char text[512] = "";
	int i, fd = open("/proc/self/io", O_RDONLY);

	to[4] = read(fd, text, sizeof(text) - 1);
	close(fd);
	for (i = 0; i < 4; i++)
		to[i] = atol(strstr(text, names[i]) + 7);
}

static void told(const char *what, const long *before, const long *after)
{
	/* reading the counters is counted as well */
	printf("%s: %ld %ld, %ld %ld\n", what, after[0] - before[0] - before[4], after[1] - before[1],
	       after[2] - before[2] - 1, after[3] - before[3]);
	fflush(stdout);
}

#define COUNT(call) do { counts(before); call; counts(after); told(#call, before, after); } while (0)

static void io(int fd, int *ends)
{
	char data[100] = "";
	struct iovec v[2] = { { data, 10 }, { data + 10, 20 } };
	long before[5], after[5];

	COUNT(write(fd, data, 50));
	COUNT(pwrite(fd, data, 30, 100));
	COUNT(writev(fd, v, 2));
	COUNT(pread(fd, data, 100, 0));
	COUNT(lseek(fd, 0, SEEK_SET));
	COUNT(read(fd, data, 60));
	COUNT(readv(fd, v, 2));
	COUNT(preadv(fd, v, 2, 5));
	COUNT(write(ends[1], data, 40));
	COUNT(read(ends[0], data, 100));
	COUNT(read(999, data, 100));
}

static void namespaces(void)
{
	static const char *const kinds[] = { "cgroup", "ipc", "mnt", "net", "pid", "pid_for_children", "user", "uts" };
	char path[64], mine[64], his[64];
	struct stat st;
	int i, pid = fork();

	if (!pid)
		for (;;)
			pause();
	for (i = 0; i < 8; i++) {
		sprintf(path, "/proc/%d/ns/%s", pid, kinds[i]);
		his[readlink(path, his, 63)] = 0;
		sprintf(path, "/proc/self/ns/%s", kinds[i]);
		mine[readlink(path, mine, 63)] = 0;
		stat(path, &st);
		printf("%.*s %d %d %o\n", (int)(strchr(mine, '[') - mine), mine, !strcmp(mine, his),
		       st.st_ino == strtoul(strchr(mine, '[') + 1, 0, 10), st.st_mode);
	}
	stat("/proc/self/ns", &st);
	printf("%o\n", st.st_mode);
	kill(pid, 9);
	wait(NULL);
}

static void cached(const char *when, const char *path)
{
	unsigned char in[4];
	int fd = open(path, O_RDWR);
	char *at = mmap(0, 16384, PROT_READ, MAP_SHARED, fd, 0);

	mincore(at, 16384, in);
	printf("%s %d%d%d%d\n", when, in[0] & 1, in[1] & 1, in[2] & 1, in[3] & 1);
	fflush(stdout);
	munmap(at, 16384);
	close(fd);
}

static void drop(const char *path, const char *what)
{
	char data[4096] = "x";
	int fd = open(path, O_RDWR), caches = open("/proc/sys/vm/drop_caches", O_WRONLY), i;
	char *at = mmap(0, 4096, PROT_READ, MAP_SHARED, fd, 0);

	for (i = 0; i < 4; i++)
		pread(fd, data, 4096, i * 4096);
	pwrite(fd, data, 4096, 2 * 4096);
	at[0];
	*(volatile char *)at;
	cached("before", path);
	write(caches, what, 1);
	cached("after", path);
	munmap(at, 4096);
	fsync(fd);
	write(caches, what, 1);
	cached("at last", path);
}

int main(int argc, char **argv)
{
	int ends[2];

	if (argc > 2) {
		drop(argv[1], argv[2]);
		return 0;
	}
	pipe(ends);
	unlink(argv[1]);
	io(open(argv[1], O_RDWR | O_CREAT, 0600), ends);
	namespaces();
	return 0;
}
