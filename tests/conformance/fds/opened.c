/* opened: what F_GETFL and fdinfo tell of how files were opened. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* Programs of 32 bits ask for O_LARGEFILE, those of 64 bits have it always. */
enum { LARGE = 0100000 };

static void show(const char *what, int fd)
{
	char path[64], text[300] = "";
	unsigned flags = 0;
	int info;

	snprintf(path, sizeof path, "/proc/self/fdinfo/%d", fd);
	info = open(path, O_RDONLY);
	read(info, text, sizeof text - 1);
	close(info);
	sscanf(strstr(text, "flags:") + 6, "%o", &flags);
	printf("%s: %o %o", what, fcntl(fd, F_GETFL) & ~LARGE, flags & ~LARGE);
	fcntl(fd, F_SETFL, O_APPEND | O_NONBLOCK | O_SYNC | O_NOFOLLOW);
	printf(" %o\n", fcntl(fd, F_GETFL) & ~LARGE);
	close(fd);
}

int main(void)
{
	int ends[2];

	mkdir("/tmp/opened", 0700);
	chdir("/tmp/opened");
	show("directory", open(".", O_RDONLY));
	show("as one",
	     open(".", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
	show("path", open(".", O_PATH));
	show("path, closed by exec", open(".", O_PATH | O_CLOEXEC));
	show("path of a directory", open(".", O_PATH | O_DIRECTORY));
	show("path, not followed",
	     open(".", O_PATH | O_NOFOLLOW | O_RDWR | O_APPEND));
	show("without a name", open("/dev/shm", O_TMPFILE | O_RDWR, 0600));
	show("made",
	     open("file",
		  O_CREAT | O_TRUNC | O_EXCL | O_NOCTTY | O_RDWR | O_APPEND,
		  0600));
	show("cut", open("file", O_TRUNC | O_WRONLY | O_NONBLOCK));
	show("in step", open("file", O_SYNC | O_WRONLY));
	show("data in step", open("file", O_DSYNC | O_NOATIME));
	pipe2(ends, O_NONBLOCK | O_CLOEXEC);
	show("pipe", ends[0]);
	show("its other end", ends[1]);
	show("device", open("/dev/zero", O_RDWR | O_NOFOLLOW));
	show("proc", open("/proc/self/maps", O_RDONLY));
	show("memfd", memfd_create("memfd", MFD_CLOEXEC));
	unlink("file");
	chdir("/");
	rmdir("/tmp/opened");
	return 0;
}
