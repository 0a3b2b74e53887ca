/* filled: pages that fallocate() has made count as blocks, and as data when something was stored in them. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PAGE = 4096, PAGES = 8 };

static void show(const char *what, int fd, char *at)
{
	unsigned char resident[PAGES];
	struct stat status;
	off_t start = 0, end;
	int i;

	mincore(at, PAGES * PAGE, resident);
	fstat(fd, &status);
	printf("%s: ", what);
	for (i = 0; i < PAGES; i++)
		printf("%d", resident[i] & 1);
	printf(", %ld blocks, data:", (long)status.st_blocks);
	while ((start = lseek(fd, start, SEEK_DATA)) >= 0) {
		end = lseek(fd, start, SEEK_HOLE);
		printf(" %ld to %ld", (long)(start / PAGE), (long)(end / PAGE));
		start = end;
	}
	printf("\n");
}

int main(void)
{
	int fd = memfd_create("filled", 0);
	volatile char seen;
	char *at, byte = 1;

	ftruncate(fd, PAGES * PAGE);
	at = mmap(0, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	show("new", fd, at);
	fallocate(fd, 0, PAGE, 5 * PAGE);
	show("filled", fd, at);
	at[2 * PAGE] = 1;
	show("written", fd, at);
	seen = at[3 * PAGE];
	show("looked at", fd, at);
	pread(fd, &byte, 1, 4 * PAGE);
	show("read", fd, at);
	seen = at[7 * PAGE];
	show("hole looked at", fd, at);
	pwrite(fd, "x", 1, 5 * PAGE + 9);
	show("stored", fd, at);
	printf("%d %d %d\n", byte, at[5 * PAGE], at[5 * PAGE + 9]);
	fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 3 * PAGE,
		  PAGE);
	show("punched", fd, at);
	fallocate(fd, 0, 6 * PAGE, PAGE);
	madvise(at, PAGES * PAGE, MADV_PAGEOUT);
	printf("%d %d %d %d\n", at[0], at[2 * PAGE], at[5 * PAGE + 9],
	       at[6 * PAGE]);
	return seen;
}
