/* unlinked: what becomes of files without a name, and of writes that meet a bad address. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum { PAGE = 4096 };

static void say(const char *what, long result)
{
	printf("%s: %ld %d\n", what, result, result < 0 ? errno : 0);
}

static const char *path_of(int fd)
{
	static char path[64];

	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	return path;
}

static void name(int fd)
{
	struct stat told;

	say("link", linkat(AT_FDCWD, path_of(fd), AT_FDCWD, "name", AT_SYMLINK_FOLLOW));
	fstat(fd, &told);
	printf("%d names\n", (int)told.st_nlink);
	unlink("name");
	say("again", linkat(AT_FDCWD, path_of(fd), AT_FDCWD, "name", AT_SYMLINK_FOLLOW));
	close(fd);
}

static void bad(int fd, char *end)
{
	struct iovec two[] = { { end - 3, 5 }, { end - 8, 8 } };
	char text[64] = "";

	say("write", write(fd, end - 10, 20));
	say("and", pwrite(fd, end - 7, 2 * PAGE, 4000));
	say("none", write(fd, end, 5));
	say("vector", pwritev(fd, two, 2, 0));
	say("position", lseek(fd, 0, SEEK_CUR));
	say("size", lseek(fd, 0, SEEK_END));
	say("read", pread(fd, text, 20, 0));
	printf("%.20s\n", text);
}

int main(void)
{
	char *page = mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int fd = open("unlinked", O_RDWR | O_CREAT | O_EXCL, 0600), ends[2];

	munmap(page + 2 * PAGE, PAGE);
	for (int i = 0; i < 2 * PAGE; i++)
		page[i] = 'a' + i % 26;
	unlink("unlinked");
	bad(fd, page + 2 * PAGE);
	name(fd);
	fd = open(".", O_TMPFILE | O_RDWR, 0600);
	bad(fd, page + 2 * PAGE);
	name(fd);
	name(open(".", O_TMPFILE | O_RDWR | O_EXCL, 0600));
	fd = memfd_create("bad", 0);
	bad(fd, page + 2 * PAGE);
	close(fd);
	pipe(ends);
	say("pipe", write(ends[1], page + 2 * PAGE - 10, 20));
	say("longer", write(ends[1], page + PAGE - 10, PAGE + 20));
	return 0;
}
