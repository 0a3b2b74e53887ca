/* nowhere: the names of what has none: a file of O_TMPFILE, a working directory outside of the root. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void where(const char *what)
{
	char path[4096] = "";
	long length = syscall(SYS_getcwd, path, sizeof path);

	printf("%s: %s %d\n", what, path, length == (long)strlen(path) + 1);
}

int main(void)
{
	int fd = open("/dev/shm", O_TMPFILE | O_RDWR, 0600);
	char link[64], name[4096] = "", *end;

	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	readlink(link, name, sizeof name - 1);
	end = strchr(name, ' ');
	printf("%.10s%s\n", name, end ? end : " has no end");
	mkdir("/dev/shm/nowhere", 0700);
	mkdir("/dev/shm/nowhere/below", 0700);
	chdir("/dev/shm/nowhere");
	where("here");
	fflush(stdout);
	if (!fork()) {
		chroot("/dev/shm/nowhere/below");
		where("outside");
		chdir("/");
		where("inside");
		return 0;
	}
	wait(0);
	rmdir("/dev/shm/nowhere/below");
	rmdir("/dev/shm/nowhere");
	where("removed");
	return 0;
}
