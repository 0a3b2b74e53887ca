/* removed: a working directory that has been removed, and one whose path is too long. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define NAME "a-directory-with-a-name-of-some-length-so-that-a-path-gets-too-long-soon"
enum { DEEP = 60 };

static void say(const char *what, long result)
{
	printf("%s: %ld %d\n", what, result, result < 0 ? errno : 0);
}

static void gone(void)
{
	char text[1000] = "";
	struct stat told;
	int fd;

	mkdir("gone", 0700);
	chdir("gone");
	rmdir("../gone");
	fd = open(".", O_RDONLY | O_DIRECTORY);
	say("open", fd < 0 ? -1 : 0);
	say("getdents", syscall(SYS_getdents64, fd, text, sizeof(text)));
	say("fstat", fstat(fd, &told));
	printf("%o, %d links\n", told.st_mode, (int)told.st_nlink);
	say("stat", stat(".", &told));
	say("fchdir", fchdir(fd));
	say("access", access(".", R_OK | X_OK));
	say("getcwd", syscall(SYS_getcwd, text, sizeof(text)));
	say("create", open("new", O_CREAT | O_RDWR, 0600));
	say("mkdir", mkdir("new", 0700));
	say("find", open("new", O_RDONLY));
	memset(text, 0, sizeof(text));
	readlink("/proc/self/cwd", text, sizeof(text) - 1);
	printf("%s\n", strrchr(text, '/'));
	close(fd);
	say("above", chdir(".."));
}

static void deep(void)
{
	char path[8192];
	int made = 0;

	while (made < DEEP && !mkdir(NAME, 0700) && !chdir(NAME))
		made++;
	say("deep", made);
	say("getcwd", syscall(SYS_getcwd, path, sizeof(path)));
	say("with little room", syscall(SYS_getcwd, path, 10));
	say("readlink", readlink("/proc/self/cwd", path, sizeof(path)));
	while (made--) {
		chdir("..");
		rmdir(NAME);
	}
}

int main(int argc, char **argv)
{
	if (argc > 1)
		chdir(argv[1]);
	gone();
	deep();
	return 0;
}
