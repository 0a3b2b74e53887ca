/* sem: System V's semaphores: errors, who waits and who wakes, what is taken back, who may. */
#define _GNU_SOURCE
#include "../fds/show.h"
#include <grp.h>
#include <limits.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/sem.h>

union semun { int val; void *buf; unsigned short *array; };

#define fork() (fflush(stdout), fork())

static int id;
static const unsigned short nothing[8];

/* OP(number, change, flags)... on the set. */
#define OP(...) ({ struct sembuf s[] = { __VA_ARGS__ }; semop(id, s, COUNT(s)); })
#define TIMED(ns, ...) ({ struct sembuf s[] = { __VA_ARGS__ }; struct timespec t = { 0, ns }; \
	semtimedop(id, s, COUNT(s), &t); })
#ifdef __i386__
#define CTL(...) syscall(394, __VA_ARGS__)
#else
#define CTL(...) syscall(66, __VA_ARGS__)
#endif
#define GET(n) semctl(id, n, GETVAL)
#define SET(n, v) semctl(id, n, SETVAL, (union semun){ .val = v })

static void values(const char *when)
{
	unsigned short all[8] = { 0 };

	semctl(id, 0, GETALL, (union semun){ .array = all });
	printf("%s:", when);
	for (int i = 0; i < 4; i++)
		printf(" %d", all[i]);
	printf("; own %d %d; wait %d %d\n", semctl(id, 0, GETPID) == getpid(), semctl(id, 1, GETPID) == getpid(),
	       semctl(id, 0, GETNCNT), semctl(id, 0, GETZCNT));
}

static void sets(void)
{
	int key = 0x56000000 | getpid(), other;
	struct semid_ds ds, *far = mmap(0, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct seminfo info;

	show(semget(key, 0, 0));
	show(semget(key, -1, IPC_CREAT));
	show(semget(key, 32001, IPC_CREAT));
	show(semget(key, 0, IPC_CREAT | 0600));
	show(semget(key, 3, IPC_CREAT | 0600) >= 0);
	id = semget(key, 0, 0);
	show(semget(key, 3, IPC_CREAT | IPC_EXCL | 0600));
	show(semget(key, 4, IPC_CREAT | 0600));
	show(semget(key, 3, 0) == id);
	show((other = semget(IPC_PRIVATE, 1, 0)) >= 0);
	show(other == id);
	show(semctl(other, 0, IPC_RMID));
	show(semctl(other, 0, IPC_RMID));
	show(semctl(other, 0, GETVAL));
	show(semctl(-1, 0, GETVAL));
	show(semctl(-1, 0, 99));
	show(semctl(id, 0, 99));
	show(semctl(id, 0, -1));
	show(semctl(id, 3, GETVAL));
	show(semctl(id, -1, GETPID));
	show(CTL(id, 3, GETALL, far));
	show(CTL(id, 0, SETALL, far));
	show(CTL(id, 0, IPC_STAT, far));
	show(CTL(id, 0, IPC_SET, far));
	show(CTL(-1, 0, IPC_SET, far));
	show(CTL(0x7fff0000, 0, IPC_SET, far));
	show(CTL(0, 0, IPC_INFO, far));
	show(SET(0, -1));
	show(SET(0, 32768));
	show(SET(3, 32768));
	show(SET(3, 1));
	show(semctl(0x7fff0000, 3, SETVAL, (union semun){ .val = -1 }));
	show(SET(0, 32767));
	show(semctl(id, 7, SETALL, (union semun){ .array = (unsigned short[]){ 1, 2, 32768 } }));
	show(GET(0));
	show(semctl(id, 7, SETALL, (union semun){ .array = (unsigned short[]){ 1, 2, 3 } }));
	values("set");
	show(semctl(id, 0, IPC_STAT, (union semun){ .buf = &ds }));
	printf("%d %d %o %d %d\n", ds.sem_perm.__key == key, ds.sem_perm.uid, ds.sem_perm.mode, (int)ds.sem_nsems,
	       (int)ds.sem_otime);
	printf("%d\n", time(0) - ds.sem_ctime < 100);
	ds.sem_perm.mode = 01777640;
	ds.sem_perm.uid = 7;
	ds.sem_perm.gid = 8;
	show(semctl(id, 0, IPC_SET, (union semun){ .buf = &ds }));
	show(semctl(id, 0, IPC_STAT, (union semun){ .buf = &ds }));
	printf("%d %d %d %d %o\n", ds.sem_perm.uid, ds.sem_perm.gid, ds.sem_perm.cuid, ds.sem_perm.cgid, ds.sem_perm.mode);
	ds.sem_perm.uid = -1;
	show(semctl(id, 0, IPC_SET, (union semun){ .buf = &ds }));
	show(semctl(0, 0, IPC_INFO, (union semun){ .buf = &info }) >= 0);
	printf("%d %d %d %d %d %d %d %d %d %d\n", info.semmap, info.semmni, info.semmns, info.semmnu, info.semmsl,
	       info.semopm, info.semume, info.semusz, info.semvmx, info.semaem);
	show(semctl(0, 0, SEM_INFO, (union semun){ .buf = &info }) >= 0);
	printf("%d %d %d\n", info.semmni, info.semusz >= 1, info.semaem >= 3);
	show(semctl(id & 32767, 0, SEM_STAT, (union semun){ .buf = &ds }) == id);
	show(semctl(id & 32767, 0, 20, (union semun){ .buf = &ds }) == id);
	show(semctl(32767, 0, SEM_STAT, (union semun){ .buf = &ds }));
	show(semctl(32767, 0, 20, (union semun){ .buf = &ds }));
	show(semctl(id, 0, IPC_RMID));
}

static void told(void)
{
	char line[300];
	FILE *f = fopen("/proc/sysvipc/sem", "r");
	int key, number;

	fgets(line, sizeof(line), f);
	printf("%s", line);
	while (fgets(line, sizeof(line), f)) {
		sscanf(line, "%d %d", &key, &number);
		line[62] = 0;
		if (number == id)
			printf("%.10s%s\n", line, line + 21);
	}
	fclose(f);
}

static void operations(void)
{
	struct sembuf many[501] = { 0 };
	struct timespec odd = { 0, 1000000000 }, past = { -1, 0 };

	id = semget(IPC_PRIVATE, 4, 0600);
	show(semop(id, many, 0));
	show(semop(id, many, 500));
	show(semop(id, many, 501));
	show(semop(id, (void *)16, 501));
	show(semop(id, (void *)16, 1));
	show(semop(-1, (void *)16, 1));
	show(semop(-1, many, 0));
	show(semop(-1, many, 1));
	show(semop(0x7fff0000, many, 1));
	show(semtimedop(id, many, 1, &odd));
	show(semtimedop(id, many, 1, &past));
	show(semtimedop(id, many, 501, &past));
	show(syscall(sizeof(long) == 8 ? 220 : 420, id, many, 501, 16));
	show(semtimedop(-1, many, 1, &odd));
	show(OP({ 4, 1, 0 }));
	show(OP({ 0, 1, 0 }, { 4, 1, IPC_NOWAIT }));
	show(OP({ 0, 1, 0 }, { 1, 5, 0 }));
	values("plus");
	show(OP({ 0, -1, IPC_NOWAIT }, { 1, -6, IPC_NOWAIT }));
	show(OP({ 1, -3, IPC_NOWAIT }, { 1, -2, IPC_NOWAIT }, { 1, 0, IPC_NOWAIT }));
	show(OP({ 0, 0, IPC_NOWAIT }));
	show(OP({ 1, 0, IPC_NOWAIT }));
	show(OP({ 0, -1, 0 }, { 0, 0, 0 }, { 0, 2, 0 }));
	values("both");
	show(OP({ 2, 32767, 0 }));
	show(OP({ 2, 1, 0 }));
	show(OP({ 3, 1, 0 }, { 2, 1, 0 }));
	show(OP({ 2, -32768, IPC_NOWAIT }));
	show(OP({ 2, -32767, SEM_UNDO }));
	show(OP({ 2, 32767, 0 }));
	show(OP({ 2, -32767, SEM_UNDO }));
	show(OP({ 2, 1, SEM_UNDO }));
	show(OP({ 2, -1, SEM_UNDO | IPC_NOWAIT }, { 2, -1, SEM_UNDO | IPC_NOWAIT }));
	values("limits");
	show(TIMED(0, { 1, -1, 0 }));
	show(TIMED(20000000, { 1, -1, 0 }));
	show(TIMED(20000000, { 0, 0, 0 }));
	told();
}

static void waits(void)
{
	int status, first, second;

	show(semctl(id, 0, SETALL, (union semun){ .array = (unsigned short *)nothing }));
	LATER(50, OP({ 0, 2, 0 }));
	show(OP({ 0, -2, 0 }));
	wait(&status);
	values("woken");
	LATER(50, SET(0, 5));
	show(OP({ 0, -3, 0 }));
	wait(&status);
	values("set");
	LATER(50, OP({ 0, -2, 0 }));
	show(OP({ 0, 0, 0 }, { 1, 1, 0 }));
	wait(&status);
	values("zero");
	LATER(50, values("seen"); semctl(id, 0, SETALL, (union semun){ .array = (unsigned short[]){ 1, 0, 9, 0 } }));
	show(OP({ 0, -1, 0 }, { 1, 0, 0 }, { 2, -9, 0 }));
	wait(&status);
	values("all");
	/* two wait: in turn, as far as they can */
	fflush(stdout);
	if (!(first = fork())) {
		show(OP({ 0, -3, 0 }));
		fflush(stdout);
		_exit(1);
	}
	wait_ms(50);
	if (!(second = fork())) {
		show(OP({ 0, -1, 0 }));
		fflush(stdout);
		_exit(2);
	}
	wait_ms(50);
	values("two");
	show(OP({ 0, 2, 0 }));
	printf("%d\n", wait(&status) == second);
	values("one");
	show(OP({ 0, 2, 0 }));
	printf("%d\n", wait(&status) == first);
	values("none");
	/* a wish that another wish fulfils */
	if (!fork()) {
		OP({ 3, -1, 0 });
		_exit(0);
	}
	if (!fork()) {
		OP({ 0, -1, 0 }, { 3, 1, 0 });
		_exit(0);
	}
	wait_ms(50);
	show(OP({ 0, 1, 0 }));
	wait(&status);
	wait(&status);
	values("chain");
	/* who waits for zero alone goes first, though others came before */
	SET(0, 1);
	if (!(first = fork()))
		_exit(OP({ 0, 0, 0 }, { 0, 1, 0 }));
	wait_ms(50);
	if (!(second = fork()))
		_exit(OP({ 0, 0, 0 }));
	wait_ms(50);
	show(OP({ 0, -1, 0 }));
	wait(&status);
	values("zero first");
	if (GET(0) == 1 && semctl(id, 0, GETZCNT))
		SET(0, 0);
	wait(&status);
	SET(0, 0);
	/* refused while it waits */
	SET(2, 32767);
	LATER(50, OP({ 0, 1, 0 }));
	show(OP({ 0, -1, 0 }, { 2, 1, 0 }));
	wait(&status);
	LATER(50, OP({ 0, 1, 0 }));
	show(OP({ 0, -2, 0 }, { 1, -1, IPC_NOWAIT }));
	wait(&status);
	SET(0, 0);
}

static void caught(int signo)
{
}

static void signals(void)
{
	struct sigaction action = { .sa_handler = caught, .sa_flags = SA_RESTART };
	int status, child;

	sigaction(SIGUSR1, &action, 0);
	LATER(50, kill(getppid(), SIGUSR1));
	show(OP({ 0, -1, 0 }));
	wait(&status);
	LATER(50, kill(getppid(), SIGUSR1));
	show(TIMED(900000000, { 0, -1, 0 }));
	wait(&status);
	values("signal");
	fflush(stdout);
	if (!(child = fork())) {
		OP({ 0, -1, SEM_UNDO });
		_exit(0);
	}
	wait_ms(50);
	kill(child, SIGKILL);
	wait(&status);
	printf("%x\n", status);
	values("killed");
	LATER(50, semctl(id, 0, IPC_RMID));
	show(OP({ 0, -1, SEM_UNDO }));
	wait(&status);
	show(OP({ 0, 1, 0 }));
	id = semget(IPC_PRIVATE, 4, 0600);
	SET(1, 1);
	LATER(50, semctl(id, 0, IPC_RMID));
	show(OP({ 1, 0, 0 }));
	wait(&status);
	id = semget(IPC_PRIVATE, 4, 0600);
}

static char stack[65536] __attribute__((aligned(64)));

static int adder(void *unused)
{
	OP({ 0, 3, SEM_UNDO });
	return 0;
}

static void undone(void)
{
	int status, ready[2];
	char byte;

	pipe(ready);
	SET(0, 1);
	fflush(stdout);
	if (!fork()) {
		OP({ 0, -1, SEM_UNDO });
		OP({ 1, 4, SEM_UNDO });
		OP({ 1, -1, SEM_UNDO });
		OP({ 1, 2, 0 });
		values("child");
		fflush(stdout);
		_exit(0);
	}
	wait(&status);
	values("undone");
	if (!fork()) {
		OP({ 1, 5, SEM_UNDO });
		SET(1, 2);
		OP({ 1, 1, SEM_UNDO });
		_exit(0);
	}
	wait(&status);
	values("set by value");
	if (!fork()) {
		OP({ 1, 5, SEM_UNDO });
		OP({ 1, -6, 0 });
		_exit(0);
	}
	wait(&status);
	values("not below zero");
	if (!fork()) {
		SET(0, 32767);
		OP({ 0, -5, SEM_UNDO });
		OP({ 0, 5, 0 });
		_exit(0);
	}
	wait(&status);
	values("not above all");
	SET(0, 0);
	/* a fork does not inherit what is taken back; exec keeps it; unshare takes it back at once */
	if (!fork()) {
		OP({ 0, 1, SEM_UNDO });
		if (!fork())
			_exit(0);
		wait(&status);
		values("grandchild");
		show(unshare(0x40000));
		values("unshared");
		fflush(stdout);
		_exit(0);
	}
	wait(&status);
	/* shared by CLONE_SYSVSEM: until the last has gone */
	if (!fork()) {
		clone(adder, stack + sizeof(stack), 0x40000 | SIGCHLD, 0);
		wait(&status);
		values("sharer gone");
		fflush(stdout);
		_exit(0);
	}
	wait(&status);
	values("all gone");
	if (!fork()) {
		clone(adder, stack + sizeof(stack), SIGCHLD, 0);
		wait(&status);
		values("not shared");
		fflush(stdout);
		_exit(0);
	}
	wait(&status);
	/* what is taken back wakes somebody */
	SET(0, 1);
	if (!fork()) {
		OP({ 0, -1, SEM_UNDO });
		write(ready[1], "x", 1);
		wait_ms(50);
		raise(SIGKILL);
	}
	read(ready[0], &byte, 1);
	show(OP({ 0, -1, 0 }));
	wait(&status);
	values("woken by an end");
	/* a set that goes takes everything with it */
	if (!fork()) {
		OP({ 0, 1, SEM_UNDO });
		semctl(id, 0, IPC_RMID);
		_exit(3);
	}
	wait(&status);
	printf("%x\n", status);
	id = semget(IPC_PRIVATE, 4, 0600);
}

static void permissions(void)
{
	struct semid_ds ds = { .sem_perm = { .mode = 0640, .uid = 100, .gid = 200 } };
	static const int who[][2] = { { 100, 1 }, { 101, 200 }, { 102, 300 }, { 0, 0 } };
	int status, key = 0x57000000 | getpid();

	for (int i = 0; i < 4; i++) {
		fflush(stdout);
		id = semget(key, 4, IPC_CREAT | 0640);
		semctl(id, 0, IPC_SET, (union semun){ .buf = &ds });
		if (!fork()) {
			setgroups(0, 0);
			setresgid(who[i][1], who[i][1], who[i][1]);
			setresuid(who[i][0], who[i][0], who[i][0]);
			printf("user %d\n", who[i][0]);
			show(semget(key, 5, 0400));
			show(semget(key, 4, 0400) == id);
			show(semget(key, 4, 0600) == id);
			show(semget(key, 4, 0) == id);
			show(OP({ 0, 0, 0 }));
			show(OP({ 0, 1, 0 }));
			show(OP({ 5, 1, 0 }));
			show(GET(0));
			show(GET(9));
			show(SET(0, 1));
			show(SET(9, 1));
			show(CTL(id, 0, GETALL, 16));
			show(CTL(id, 0, SETALL, 16));
			show(semctl(id, 0, IPC_STAT, (union semun){ .buf = &ds }));
			show(semctl(id & 32767, 0, SEM_STAT, (union semun){ .buf = &ds }) == id);
			show(semctl(id & 32767, 0, 20, (union semun){ .buf = &ds }) == id);
			ds.sem_perm.mode = 0600;
			show(semctl(id, 0, IPC_SET, (union semun){ .buf = &ds }));
			show(semctl(id, 0, IPC_RMID));
			fflush(stdout);
			_exit(0);
		}
		wait(&status);
		semctl(id, 0, IPC_RMID);
	}
}

#ifdef __i386__
struct old { int key; unsigned short uid, gid, cuid, cgid, mode, seq; int otime, ctime, no[4]; unsigned short nsems, pad; };

static void old(void)
{
	struct old ds = { 0 };
	unsigned value = 7, at = (unsigned)&ds;
	struct sembuf sop = { 0, -7, 0 };
	struct timespec t = { 0, 1000 };
	int ts[2] = { 0, 1000 };

	id = syscall(117, 2, IPC_PRIVATE, 4, 0604, 0, 0);
	show(id >= 0);
	show(syscall(117, 3, id, 1, SETVAL, 0, 0));
	show(syscall(117, 3, id, 1, SETVAL, 16, 0));
	show(syscall(117, 3, id, 1, SETVAL, &value, 0));
	show(syscall(117, 3, id, 1, GETVAL | 0x100, &value, 0));
	show(syscall(117, 3, id, 1, IPC_STAT, &at, 0));
	printf("%o %d %d %d\n", ds.mode, ds.nsems, ds.otime, ds.ctime != 0);
	ds.mode = 0666;
	ds.uid = 77;
	show(syscall(117, 3, id, 1, IPC_SET, &at, 0));
	show(syscall(117, 3, id, 1, IPC_STAT, &at, 0));
	printf("%o %d\n", ds.mode, ds.uid);
	sop.sem_num = 1;
	show(syscall(117, 1, id, 1, 0, &sop, 0));
	show(syscall(117, 4, id, 1, 0, &sop, ts));
	show(syscall(117, 4, id, 1, 0, &sop, 16));
	show(syscall(420, id, &sop, 1, &(struct { long long s, n; }){ 0, 1000 }));
	show(syscall(420, id, &sop, 1, &(struct { long long s, n; }){ -1, 1000 }));
	show(syscall(393, IPC_PRIVATE, 0, 0));
	show(syscall(394, id, 1, SETVAL, 3));
	show(syscall(394, id, 1, GETVAL, 0));
	show(syscall(394, id, 1, GETVAL | 0x100, 0));
	show(syscall(394, id, 0, IPC_RMID, 0));
	show(syscall(117, 99, 0, 0, 0, 0, 0));
	show(syscall(117, 0, 0, 0, 0, 0, 0));
}
#else
static void old(void)
{
	show(syscall(66, id, 1, GETVAL | 0x100, 0));
}
#endif

static void limits(void)
{
	int fd = open("/proc/sys/kernel/sem", O_RDWR);
	char line[100] = { 0 };

	read(fd, line, 99);
	printf("%s", line);
	close(fd);
}

int main(void)
{
	setvbuf(stdout, NULL, _IOFBF, 65536);
	sets();
	operations();
	waits();
	signals();
	undone();
	permissions();
	id = semget(IPC_PRIVATE, 2, 0600);
	old();
	semctl(id, 0, IPC_RMID);
	limits();
	return 0;
}
