/* memfd.c - memory with a descriptor: every set of seals, and what each forbids. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 16
#endif
#define PAGE 4096L

static int create(const char *name, unsigned flags)
{
	return (int)syscall(SYS_memfd_create, name, flags);
}

static int error(long result)
{
	return result < 0 ? errno : 0;
}

/* 0, or why the file could not be mapped that way; what is mapped goes again. */
static int mappable(int fd, int prot, int flags)
{
	void *at = mmap(NULL, 2 * PAGE, prot, flags, fd, 0);
	int ret = error(at == MAP_FAILED ? -1 : 0);

	if (at != MAP_FAILED) {
		if (prot == PROT_READ)
			ret = 100 + error(mprotect(at, 2 * PAGE,
						   PROT_READ | PROT_WRITE));
		munmap(at, 2 * PAGE);
	}
	return ret;
}

static void matrix(int seals)
{
	char byte = 'x';
	int fd = create("matrix", MFD_ALLOW_SEALING);

	ftruncate(fd, 2 * PAGE);
	pwrite(fd, "abc", 3, PAGE);
	printf("%2d: add %d get %d", seals, error(fcntl(fd, F_ADD_SEALS, seals)),
	       fcntl(fd, F_GET_SEALS));
	printf(" write %d append %d far %d", error(pwrite(fd, &byte, 1, 10)),
	       error(pwrite(fd, &byte, 1, 2 * PAGE)),
	       error(pwrite(fd, &byte, 1, 9 * PAGE)));
	printf(" grow %d", error(ftruncate(fd, 12 * PAGE)));
	printf(" shrink %d same %d", error(ftruncate(fd, PAGE)),
	       error(ftruncate(fd, lseek(fd, 0, SEEK_END))));
	printf(" punch %d alloc %d keep %d",
	       error(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			       0, PAGE)),
	       error(fallocate(fd, 0, 0, 14 * PAGE)),
	       error(fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 20 * PAGE)));
	printf(" rw %d r %d priv %d",
	       mappable(fd, PROT_READ | PROT_WRITE, MAP_SHARED),
	       mappable(fd, PROT_READ, MAP_SHARED),
	       mappable(fd, PROT_READ | PROT_WRITE, MAP_PRIVATE));
	printf(" more %d size %ld\n",
	       error(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK)),
	       (long)lseek(fd, 0, SEEK_END));
	close(fd);
}

static void busy(void)
{
	int fd = create("busy", MFD_ALLOW_SEALING);
	char *at;

	ftruncate(fd, PAGE);
	at = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	strcpy(at, "before");
	printf("busy %d future %d\n", error(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE)),
	       error(fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE)));
	strcpy(at, "after");
	printf("write %d, mapped %s\n", error(write(fd, "x", 1)), at);
	munmap(at, PAGE);
	printf("free %d\n", error(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE)));
	close(fd);
}

static void names(void)
{
	char name[300], target[64] = "", path[32];
	struct stat st;
	int fd, again, pipes[2];

	memset(name, 'n', sizeof(name));
	name[250] = 0;
	printf("long %d", error(create(name, 0)));
	name[249] = 0;
	fd = create(name, 0);
	printf(" %d", error(fd));
	close(fd);
	printf(" flags %d fault %d\n", error(create("x", 0x100)),
	       error(create((char *)-4096L, 0)));
	fd = create("name", MFD_CLOEXEC);
	printf("cloexec %d seals %d add %d\n", fcntl(fd, F_GETFD),
	       fcntl(fd, F_GET_SEALS),
	       error(fcntl(fd, F_ADD_SEALS, F_SEAL_GROW)));
	fstat(fd, &st);
	printf("mode %o links %d size %ld\n", st.st_mode, (int)st.st_nlink,
	       (long)st.st_size);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	readlink(path, target, sizeof(target) - 1);
	printf("%s\n", target);
	write(fd, "content", 7);
	again = open(path, O_RDONLY);
	printf("again %d %d, add %d\n", error(again),
	       (int)read(again, name, 100),
	       error(fcntl(again, F_ADD_SEALS, F_SEAL_GROW)));
	close(again);
	close(fd);
	fd = open("/dev/shm/vmemu-memfd", O_RDWR | O_CREAT, 0600);
	unlink("/dev/shm/vmemu-memfd");
	printf("tmpfs %d %d\n", fcntl(fd, F_GET_SEALS),
	       error(fcntl(fd, F_ADD_SEALS, F_SEAL_GROW)));
	close(fd);
	pipe(pipes);
	printf("pipe %d %d\n", error(fcntl(pipes[0], F_GET_SEALS)),
	       error(fcntl(pipes[1], F_ADD_SEALS, F_SEAL_GROW)));
	close(pipes[0]);
	close(pipes[1]);
}

/* A file that may not grow takes what whole pages, of the file, have of a write. */
static void crossing(void)
{
	static const long sizes[] = { 2 * PAGE, 2 * PAGE + 100, 50 };
	static const long places[] = { 0, 1, 49, PAGE - 2, PAGE + 1, 2 * PAGE - 2, 2 * PAGE, 2 * PAGE + 98 };
	static const char bytes[3 * PAGE];

	for (int i = 0; i < 3; i++) {
		int fd = create("crossing", MFD_ALLOW_SEALING);

		ftruncate(fd, sizes[i]);
		fcntl(fd, F_ADD_SEALS, F_SEAL_GROW);
		for (int j = 0; j < 8; j++)
			printf("%ld at %ld: %ld %ld %ld\n", sizes[i], places[j],
			       (long)pwrite(fd, bytes, 4, places[j]),
			       (long)pwrite(fd, bytes, PAGE + 10, places[j]),
			       (long)pwrite(fd, bytes, sizeof(bytes), places[j]));
		close(fd);
	}
}

int main(void)
{
	for (int seals = 0; seals < 32; seals++)
		matrix(seals);
	busy();
	crossing();
	names();
	return 0;
}
