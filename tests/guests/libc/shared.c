/* shared.c - shared memory without a name and in /dev/shm: what is seen, by whom, and where not. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE 4096L
#define PAGES 400

static sigjmp_buf back;
static volatile int armed;
static volatile int code;
static char *volatile where;

static void on_fault(int sig, siginfo_t *info, void *context)
{
	(void)context;
	if (!armed)
		_exit(99);
	code = sig * 100 + info->si_code;
	where = info->si_addr;
	siglongjmp(back, 1);
}

/* What a touch of the byte says: its value, or -(signal * 100 + code). */
static int touch(volatile char *at, int write)
{
	int value;

	armed = 1;
	if (sigsetjmp(back, 1)) {
		value = where == at ? -code : -1;
	} else {
		if (write)
			*at = 5;
		value = *at;
	}
	armed = 0;
	return value;
}

static char *map(size_t pages, int prot, int flags, int fd, off_t offset)
{
	char *at = mmap(NULL, pages * PAGE, prot, flags, fd, offset);

	if (at == MAP_FAILED) {
		printf("mmap: %s\n", strerror(errno));
		exit(1);
	}
	return at;
}

static void fill(char *at, size_t pages, unsigned seed)
{
	for (size_t i = 0; i < pages * PAGE; i += 64)
		*(unsigned *)(at + i) = (unsigned)i * 2654435761u + seed;
}

static size_t wrong(const char *at, size_t pages, unsigned seed)
{
	size_t n = 0;

	for (size_t i = 0; i < pages * PAGE; i += 64)
		n += *(const unsigned *)(at + i) !=
		     (unsigned)i * 2654435761u + seed;
	return n;
}

static int in_child(void (*what)(char *), char *at)
{
	int status;

	fflush(stdout);
	if (!fork()) {
		what(at);
		fflush(stdout);
		_exit(0);
	}
	wait(&status);
	return status;
}

static void rewrite(char *at)
{
	printf("child sees %zu wrong\n", wrong(at, PAGES, 1));
	fill(at, PAGES, 2);
}

static void anonymous(void)
{
	char *at = map(PAGES, PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	char *noise = map(PAGES / 2, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	printf("zeros %d %d\n", touch(at, 0), touch(at + PAGES * PAGE - 1, 0));
	fill(at, PAGES, 1);
	printf("child %d\n", in_child(rewrite, at));
	fill(noise, PAGES / 2, 7);
	printf("parent sees %zu wrong\n", wrong(at, PAGES, 2));
	printf("dontneed %d\n", madvise(at, PAGES * PAGE, MADV_DONTNEED));
	printf("still %zu wrong\n", wrong(at, PAGES, 2));
	printf("remove %d\n", madvise(at + 8 * PAGE, 4 * PAGE, MADV_REMOVE));
	printf("hole %d %d %d\n", touch(at + 8 * PAGE, 0),
	       touch(at + 12 * PAGE - 64, 0), touch(at + 9 * PAGE, 1));
	printf("around %zu %zu\n", wrong(at, 8, 2),
	       wrong(at + 12 * PAGE, 1, 2 + 12u * 4096 * 2654435761u));
	printf("msync %d\n", msync(at, PAGES * PAGE, MS_SYNC));
	munmap(noise, PAGES / 2 * PAGE);
	munmap(at, PAGES * PAGE);
}

static void moved(void)
{
	char *at = map(16, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		       -1, 0);
	char *other, *twin;

	fill(at, 16, 3);
	other = mremap(at, 16 * PAGE, 20 * PAGE, MREMAP_MAYMOVE);
	printf("grown %d, %zu wrong\n", other != MAP_FAILED,
	       wrong(other, 16, 3));
	printf("beyond %d %d\n", touch(other + 16 * PAGE, 0),
	       touch(other + 19 * PAGE + 1, 1));
	other = mremap(other, 20 * PAGE, 8 * PAGE, 0);
	twin = mremap(other, 0, 8 * PAGE, MREMAP_MAYMOVE);
	printf("twin %d\n", twin != MAP_FAILED && twin != other);
	twin[5] = 99;
	printf("one memory %d\n", other[5]);
	munmap(other, 8 * PAGE);
	printf("left %d %d\n", touch(twin + 5, 0), touch(twin + PAGE, 1));
	printf("read-only %d %d\n", mprotect(twin, 8 * PAGE, PROT_READ),
	       touch(twin, 1));
	printf("again %d %d\n",
	       mprotect(twin, 8 * PAGE, PROT_READ | PROT_WRITE),
	       touch(twin, 1));
	munmap(twin, 8 * PAGE);
}

static void resident(void)
{
	char *at = map(8, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		       -1, 0);
	unsigned char in[8];
	int i, n = 0;

	mincore(at, 8 * PAGE, in);
	for (i = 0; i < 8; i++)
		n += in[i] & 1;
	printf("untouched %d in memory\n", n);
	printf("mlock %d\n", mlock(at, 8 * PAGE));
	mincore(at, 8 * PAGE, in);
	for (n = i = 0; i < 8; i++)
		n += in[i] & 1;
	printf("locked %d in memory\n", n);
	printf("munlock %d\n", munlock(at, 8 * PAGE));
	munmap(at, 8 * PAGE);
}

static void store(char *at)
{
	at[PAGE] = 44;
}

static void devzero(void)
{
	int fd = open("/dev/zero", O_RDWR);
	char *at = map(4, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	char *other = map(4, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	close(fd);
	in_child(store, at);
	printf("/dev/zero %d %d\n", at[PAGE], other[PAGE]);
	munmap(at, 4 * PAGE);
	munmap(other, 4 * PAGE);
}

static void named(void)
{
	const char *name = "/dev/shm/vmemu-shared-test";
	int fd, read_only;
	char *at, *private, bytes[64];

	unlink(name);
	fd = open(name, O_RDWR | O_CREAT | O_EXCL, 0600);
	read_only = open(name, O_RDONLY);
	printf("ftruncate %d\n", ftruncate(fd, 30 * PAGE + 100));
	at = map(34, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	private = map(32, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	fill(at, 30, 4);
	printf("private sees %zu wrong\n", wrong(private, 30, 4));
	strcpy(private + PAGE, "mine");
	printf("mine %d\n", !strcmp(at + PAGE, "mine"));
	pread(fd, bytes, 64, 2 * PAGE);
	printf("read %d\n", !memcmp(bytes, at + 2 * PAGE, 64));
	pwrite(fd, "written", 8, 3 * PAGE);
	printf("write %s %s\n", at + 3 * PAGE, private + 3 * PAGE);
	printf("tail %d %d %d\n", touch(at + 30 * PAGE + 200, 0),
	       touch(at + 31 * PAGE, 0), touch(at + 33 * PAGE, 1));
	at[30 * PAGE + 150] = 1;
	printf("longer %d %d\n", ftruncate(fd, 32 * PAGE),
	       touch(at + 30 * PAGE + 150, 0));
	printf("no right %d", mmap(NULL, PAGE, PROT_WRITE, MAP_SHARED,
				    read_only, 0) == MAP_FAILED);
	printf(" %d\n", errno == EACCES);
	strcpy(private + 20 * PAGE, "copy");
	printf("punch %d\n",
	       fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			 19 * PAGE + 100, 3 * PAGE));
	printf("punched %d %d %s\n", touch(at + 20 * PAGE, 0),
	       touch(private + 21 * PAGE, 0), private + 20 * PAGE);
	printf("data %ld hole %ld\n", (long)lseek(fd, 20 * PAGE, SEEK_DATA) / PAGE,
	       (long)lseek(fd, 0, SEEK_HOLE) / PAGE);
	printf("shorter %d\n", ftruncate(fd, 10 * PAGE + 10));
	printf("cut %d %d %d %d\n", touch(at + 10 * PAGE + 64, 0),
	       touch(at + 11 * PAGE, 0), touch(private + 20 * PAGE, 0),
	       touch(private + 9 * PAGE, 1));
	printf("left %zu wrong\n", wrong(at + 4 * PAGE, 6,
					 4 + 4u * 4096 * 2654435761u));
	unlink(name);
	close(fd);
	close(read_only);
	in_child(store, at);
	printf("unlinked %d %s\n", at[PAGE], private + PAGE);
	munmap(at, 34 * PAGE);
	printf("private alone %d\n", touch(private + 5 * PAGE, 0) == touch(private + 5 * PAGE, 0));
	munmap(private, 32 * PAGE);
}

/* The lines of /proc/self/maps that have a name, and what they permit. */
static void shown(const char *name)
{
	FILE *maps = fopen("/proc/self/maps", "r");
	char line[512];

	while (fgets(line, sizeof(line), maps))
		if (strstr(line, name))
			printf("%.4s %s", strchr(line, ' ') + 1,
			       strstr(line, name));
	fclose(maps);
}

static void names(void)
{
	int fd = open("/dev/shm/vmemu-name", O_RDWR | O_CREAT, 0600);
	char *at = map(1, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		       -1, 0);

	ftruncate(fd, PAGE);
	map(1, PROT_READ, MAP_SHARED, fd, 0);
	shown("/dev/zero");
	shown("/dev/shm");
	unlink("/dev/shm/vmemu-name");
	shown("/dev/shm");
	munmap(at, PAGE);
	close(fd);
}

int main(void)
{
	struct sigaction act = { .sa_flags = SA_SIGINFO };

	act.sa_sigaction = on_fault;
	sigaction(SIGBUS, &act, NULL);
	sigaction(SIGSEGV, &act, NULL);
	anonymous();
	moved();
	resident();
	devzero();
	named();
	names();
	return 0;
}
