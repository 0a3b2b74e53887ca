/* ends: mmap, mlock, madvise, shmat, clone, exec and wait where they end: what programs are answered there. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE 4096
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)
#define RW (PROT_READ | PROT_WRITE)
enum { SHARED_VALIDATE = 3, FIXED_NOREPLACE = 0x100000, DONTNEED_LOCKED = 24 };

#define SHOW(call) show(#call, (long)(call))
#define MAPPED(call) show(#call, (void *)(call) == MAP_FAILED ? -1 : 0)

static void show(const char *call, long result)
{
	printf("%s: %ld%s%s\n", call, result, result == -1 ? " " : "",
	       result == -1 ? strerrorname_np(errno) : "");
	fflush(stdout);
}

static char *fresh(int pages)
{
	return mmap(0, pages * PAGE, RW, ANON, -1, 0);
}

static void resident(const char *what, char *at, int pages)
{
	unsigned char told[64];
	int i;

	mincore(at, pages * PAGE, told);
	printf("%s:", what);
	for (i = 0; i < pages; i++)
		printf(" %d", told[i] & 1);
	printf("\n");
}

static int new_file(int pages)
{
	int fd = memfd_create("file", 0);

	ftruncate(fd, pages * PAGE);
	return fd;
}

static void flags(void)
{
	int fd = new_file(4);

	MAPPED(mmap(0, PAGE, PROT_READ, SHARED_VALIDATE, fd, 0));
	MAPPED(mmap(0, PAGE, PROT_READ,
		    SHARED_VALIDATE | MAP_NORESERVE | MAP_POPULATE, fd, 0));
	MAPPED(mmap(0, PAGE, PROT_READ, SHARED_VALIDATE | 0x800000, fd, 0));
	MAPPED(mmap(0, PAGE, PROT_READ, SHARED_VALIDATE | 0x80000, fd, 0));
	MAPPED(mmap(0, PAGE, PROT_READ, SHARED_VALIDATE | MAP_ANONYMOUS, -1,
		    0));
	MAPPED(mmap(0, PAGE, PROT_READ, MAP_SHARED | 0x800000, fd, 0));
	MAPPED(mmap(0, PAGE, PROT_READ, MAP_PRIVATE | 0x800000, fd, 0));
	resident("populated", mmap(0, 4 * PAGE, RW, ANON | MAP_POPULATE, -1, 0),
		 4);
	resident("non-blocking",
		 mmap(0, 4 * PAGE, RW, ANON | MAP_POPULATE | MAP_NONBLOCK, -1,
		      0),
		 4);
	MAPPED(syscall(sizeof(long) == 8 ? SYS_mmap : 192, 0, PAGE, PROT_READ,
		       MAP_PRIVATE, fd, -PAGE));
	close(fd);
	SHOW(madvise(mmap(0, PAGE, PROT_READ, MAP_SHARED, new_file(1), 0), PAGE,
		     MADV_REMOVE));
}

static void locks(void)
{
	char *memory = fresh(8);

	if (sizeof(long) ==
	    8) { /* where lengths wrap depends on the kernel's width */
		SHOW(mlock(memory, (size_t)-1));
		SHOW(mlock(memory + 1, (size_t)-1));
		SHOW(munlock(memory, (size_t)-1));
		SHOW(mlock((void *)-PAGE, 2 * PAGE));
	}
	SHOW(mlock(mmap(0, PAGE, PROT_NONE, ANON, -1, 0), PAGE));
	SHOW(mlock(mmap(0, 4 * PAGE, RW, MAP_SHARED, new_file(2), 0),
		   4 * PAGE));
	memset(memory, 7, 8 * PAGE);
	SHOW(mlock(memory, 4 * PAGE));
	SHOW(madvise(memory, 8 * PAGE, MADV_DONTNEED));
	printf("%d %d\n", memory[0], memory[7 * PAGE]);
	SHOW(madvise(memory, 8 * PAGE, DONTNEED_LOCKED));
	printf("%d %d\n", memory[0], memory[7 * PAGE]);
}

static void limited(int by, int user)
{
	struct rlimit limit = { by * PAGE, by * PAGE };
	char *memory = fresh(8);

	setrlimit(RLIMIT_MEMLOCK, &limit);
	if (setuid(user))
		_exit(9);
	printf("%d pages for user %d\n", by, user);
	SHOW(mlock(memory, 0));
	SHOW(mlock(memory, 2 * PAGE));
	SHOW(mlock(memory, 8 * PAGE));
	SHOW(syscall(sizeof(long) == 8 ? 325 : 376, memory, 8 * PAGE, 2));
	SHOW(syscall(sizeof(long) == 8 ? 325 : 376, memory, 8 * PAGE, 1));
	SHOW(munlock(memory, PAGE));
	MAPPED(mmap(0, PAGE, RW, ANON | MAP_LOCKED, -1, 0));
	MAPPED(mmap(0, 16 * PAGE, RW, ANON | MAP_LOCKED, -1, 0));
	MAPPED(mremap(memory, 8 * PAGE, 32 * PAGE, MREMAP_MAYMOVE));
	SHOW(mlockall(0));
	SHOW(mlockall(MCL_CURRENT));
	SHOW(mlockall(MCL_FUTURE));
	MAPPED(mmap(0, 16 * PAGE, RW, ANON, -1, 0));
	SHOW(munlockall());
}

/* What root may lock all the same, others may not, whoever says that all is to be locked. */
static void renounced(void)
{
	struct rlimit limit = { 4 * PAGE, 4 * PAGE };
	int id = shmget(IPC_PRIVATE, 16 * PAGE, 0666);

	setrlimit(RLIMIT_MEMLOCK, &limit);
	SHOW(mlockall(MCL_FUTURE));
	MAPPED(shmat(id, 0, 0));
	shmctl(id, IPC_RMID, 0);
	if (setuid(1234))
		_exit(9);
	MAPPED(shmat(id, 0, 0));
	MAPPED(mmap(0, 16 * PAGE, RW, ANON, -1, 0));
}

static int child(void *argument)
{
	return argument != 0;
}

static void others(char *self)
{
	static char stack[65536] __attribute__((aligned(16)));
	char *none[] = { 0 };
	int status, id = shmget(IPC_PRIVATE, 2 * PAGE, 0600);

	if (sizeof(long) == 8) {
		MAPPED(shmat(id, (void *)-PAGE, 0));
		MAPPED(shmat(id, (void *)-(2 * PAGE), 0));
	}
	shmctl(id, IPC_RMID, 0);
	SHOW(clone(child, stack + 65536, CLONE_FS | CLONE_NEWNS | SIGCHLD, 0));
	SHOW(waitpid(INT_MIN, &status, 0));
	SHOW(waitpid(INT_MIN, &status, WNOHANG));
	SHOW(waitpid(INT_MIN + 1, &status, 0));
	if (!fork()) {
		execve(self, none, none);
		_exit(9);
	}
	wait(&status);
	printf("%x\n", status);
}

int main(int argc, char **argv)
{
	static const struct {
		int pages, user;
	} drawn[] = { { 0, 0 }, { 0, 1234 }, { 4, 0 }, { 4, 1234 } };
	unsigned i;

	if (argc == 1 && !argv[0][0]) {
		printf("no arguments: %d\n", argc);
		return 0;
	}
	flags();
	locks();
	for (i = 0; i < 4; i++) {
		int status;

		fflush(stdout);
		if (!fork()) {
			limited(drawn[i].pages, drawn[i].user);
			fflush(stdout);
			_exit(0);
		}
		wait(&status);
		printf("%x\n", status);
		fflush(stdout);
	}
	fflush(stdout);
	if (!fork()) {
		renounced();
		_exit(0);
	}
	wait(NULL);
	others(argc > 1 ? argv[1] : "/proc/self/exe");
	return 0;
}
