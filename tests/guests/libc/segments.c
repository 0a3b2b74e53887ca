/* segments.c - shared memory of System V: made, attached, counted, asked, removed. */
#define _GNU_SOURCE
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef SHM_EXEC
#define SHM_EXEC 0100000
#endif
#ifndef SHM_REMAP
#define SHM_REMAP 040000
#endif
#define PAGE 4096L
#define PAGES 300
#define KEY 0x766d6575

static sigjmp_buf back;
static volatile int armed, number;

static void on_fault(int sig)
{
	number = sig;
	if (!armed)
		_exit(99);
	siglongjmp(back, 1);
}

static int touch(volatile char *at, int write)
{
	int value;

	armed = 1;
	if (sigsetjmp(back, 1)) {
		value = -number;
	} else {
		if (write)
			*at = 5;
		value = *at;
	}
	armed = 0;
	return value;
}

static int error(long result)
{
	return result == -1 ? errno : 0;
}

static void show(const char *what, int id)
{
	struct shmid_ds ds;

	memset(&ds, 0, sizeof(ds));
	if (shmctl(id, IPC_STAT, &ds)) {
		printf("%s: error %d\n", what, errno);
		return;
	}
	printf("%s: key %x mode %o uid %d size %ld attached %ld, made by %s, "
	       "last %s, atime %d dtime %d ctime %d\n",
	       what, ds.shm_perm.__key, ds.shm_perm.mode, ds.shm_perm.uid == getuid(),
	       (long)ds.shm_segsz, (long)ds.shm_nattch,
	       ds.shm_cpid == getpid() ? "me" : "another",
	       ds.shm_lpid == getpid() ? "me" :
	       ds.shm_lpid	       ? "another" :
					 "nobody",
	       ds.shm_atime > 0, ds.shm_dtime > 0, ds.shm_ctime > 0);
}

static void keys(void)
{
	int id, other;

	shmctl(shmget(KEY, 1, 0), IPC_RMID, NULL);
	printf("none %d", error(shmget(KEY, PAGE, 0600)));
	id = shmget(KEY, 5000, IPC_CREAT | 0640);
	printf(" made %d again %d", error(id), shmget(KEY, 100, 0) == id);
	printf(" too large %d exclusive %d\n", error(shmget(KEY, 5001, 0)),
	       error(shmget(KEY, 100, IPC_CREAT | IPC_EXCL)));
	show("made", id);
	other = shmget(IPC_PRIVATE, 100, 0600);
	printf("another %d size 0 %d", other != id,
	       error(shmget(IPC_PRIVATE, 0, 0600)));
	printf(" bad id %d %d %d\n", error(shmctl(-1, IPC_RMID, NULL)),
	       error(shmctl(0x7fff0000, IPC_RMID, NULL)),
	       error((long)shmat(0x7fff0000, NULL, 0)));
	printf("bad command %d\n", error(shmctl(id, 77, NULL)));
	shmctl(other, IPC_RMID, NULL);
	shmctl(id, IPC_RMID, NULL);
	printf("gone %d %d\n", error(shmget(KEY, 1, 0)),
	       error(shmctl(id, IPC_RMID, NULL)));
}

static void child_of(int id, char *at)
{
	int status, n;
	size_t i, wrong = 0;

	fflush(stdout);
	if (!fork()) {
		for (i = 0; i < PAGES * PAGE; i += 128)
			wrong += *(unsigned *)(at + i) != i * 3;
		for (i = 0; i < PAGES * PAGE; i += 128)
			*(unsigned *)(at + i) = (unsigned)i * 5;
		printf("child sees %zu wrong\n", wrong);
		show("in child", id);
		n = shmdt(at);
		printf("child detaches %d\n", n);
		show("after", id);
		fflush(stdout);
		_exit(0);
	}
	wait(&status);
	fflush(stdout);
	if (!fork())
		_exit(0); /* attached */
	wait(&status);
}

static void attached(void)
{
	int id = shmget(IPC_PRIVATE, PAGES * PAGE - 100, 0600);
	char *at = shmat(id, NULL, 0), *read_only, *noise;
	struct shmid_ds ds;
	size_t i, wrong = 0;

	show("attached", id);
	for (i = 0; i < PAGES * PAGE; i += 128)
		*(unsigned *)(at + i) = (unsigned)i * 3;
	child_of(id, at);
	noise = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	memset(noise, 7, PAGES * PAGE);
	for (i = 0; i < PAGES * PAGE; i += 128)
		wrong += *(unsigned *)(at + i) != i * 5;
	printf("parent sees %zu wrong\n", wrong);
	read_only = shmat(id, NULL, SHM_RDONLY);
	printf("read-only %d %d %d\n", touch(read_only, 0) == at[0],
	       touch(read_only, 1),
	       error(mprotect(read_only, PAGE, PROT_READ | PROT_WRITE)));
	show("twice", id);
	printf("occupied %d unaligned %d\n", error((long)shmat(id, at, 0)),
	       error((long)shmat(id, read_only + 100, 0)));
	printf("remap nothing %d\n", error((long)shmat(id, NULL, SHM_REMAP)));
	printf("remap %d\n", shmat(id, noise + 77, SHM_REMAP | SHM_RND) ==
				     (void *)noise);
	printf("there %d\n", noise[5000] == at[5000]);
	printf("detach %d %d %d %d\n", error(shmdt(noise)), error(shmdt(noise)),
	       error(shmdt(at + PAGE)), error(shmdt(at + 1)));
	mprotect(read_only + 4 * PAGE, 2 * PAGE, PROT_NONE);
	show("cut in three", id);
	mprotect(read_only + 4 * PAGE, 2 * PAGE, PROT_READ);
	munmap(read_only + 8 * PAGE, 3 * PAGE);
	show("with a hole", id);
	printf("all parts %d\n", error(shmdt(read_only)));
	show("once", id);
	shmctl(id, IPC_STAT, &ds);
	ds.shm_perm.mode = 0444;
	printf("set %d\n", error(shmctl(id, IPC_SET, &ds)));
	show("set", id);
	printf("remove %d\n", error(shmctl(id, IPC_RMID, NULL)));
	show("removed", id);
	at[3] = 33;
	read_only = shmat(id, NULL, SHM_RDONLY);
	printf("still %d\n", read_only != (char *)-1 && read_only[3] == 33);
	shmdt(read_only);
	printf("last %d\n", error(shmdt(at)));
	show("gone", id);
	munmap(noise, PAGES * PAGE);
}

static void locked(void)
{
	int id = shmget(IPC_PRIVATE, 4 * PAGE, IPC_CREAT | 0777);
	char *at = shmat(id, NULL, SHM_EXEC);

	printf("lock %d\n", error(shmctl(id, SHM_LOCK, NULL)));
	show("locked", id);
	memset(at, 0xc3, 16); /* ret */
	((void (*)(void))at)();
	printf("executed, unlock %d\n", error(shmctl(id, SHM_UNLOCK, NULL)));
	show("unlocked", id);
	shmctl(id, IPC_RMID, NULL);
	fflush(stdout);
	if (!fork()) {
		char name[] = "/proc/self/exe";
		char *args[] = { name, (char *)"x", NULL };

		execve(name, args, NULL);
		_exit(1);
	}
	wait(NULL);
	show("exec let go", id);
	shmdt(at);
}

static void shown(void)
{
	int id = shmget(KEY, PAGE, IPC_CREAT | 0600);
	char *at = shmat(id, NULL, 0), line[512];
	FILE *maps = fopen("/proc/self/maps", "r");

	while (fgets(line, sizeof(line), maps))
		if (strstr(line, "SYSV"))
			printf("%.4s %s", strchr(line, ' ') + 1,
			       strstr(line, "/SYSV"));
	fclose(maps);
	shmctl(id, IPC_RMID, NULL);
	shmdt(at);
}

int main(int argc, char **argv)
{
	struct shm_info use;
	struct shminfo limits;

	(void)argv;
	if (argc > 1) /* executed again: nothing is attached */
		return 0;
	signal(SIGSEGV, on_fault);
	signal(SIGBUS, on_fault);
	keys();
	attached();
	locked();
	shown();
	printf("info %d use %d\n",
	       error(shmctl(0, IPC_INFO, (struct shmid_ds *)&limits)),
	       error(shmctl(0, SHM_INFO, (struct shmid_ds *)&use)));
	printf("min %ld segments %ld\n", (long)limits.shmmin,
	       (long)limits.shmmni);
	return 0;
}
