/* msg: System V's queues of messages: errors, kinds, who waits and who wakes, room, who may. */
#define _GNU_SOURCE
#include "../fds/show.h"
#include <grp.h>
#include <limits.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>

#define fork() (fflush(stdout), fork())
#ifdef __i386__
#define SND 400
#define RCV 401
#define CTL 402
#else
#define SND 69
#define RCV 70
#define CTL 71
#endif
#define COPY 040000

static int id;
static struct { long type; char text[20000]; } m;

static long put(long type, const char *text)
{
	m.type = type;
	strcpy(m.text, text);
	return msgsnd(id, &m, strlen(text), IPC_NOWAIT);
}

static long get(long type, long size, int flags)
{
	long n;

	memset(&m, 0, 100);
	n = msgrcv(id, &m, size, type, flags);
	if (n >= 0)
		printf("[%ld %ld %.*s] ", n, m.type, (int)n, m.text);
	return n;
}

static void state(const char *when)
{
	struct msqid_ds ds;

	msgctl(id, IPC_STAT, &ds);
	printf("%s: %d messages, %d bytes of %d, sent %d, received %d, at %d %d\n", when, (int)ds.msg_qnum,
	       (int)ds.__msg_cbytes, (int)ds.msg_qbytes, ds.msg_lspid == getpid(), ds.msg_lrpid == getpid(),
	       ds.msg_stime != 0, ds.msg_rtime != 0);
}

static void queues(void)
{
	int key = 0x58000000 | getpid(), other;
	struct msqid_ds ds;
	struct msginfo info;
	char *far = mmap(0, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	show(msgget(key, 0));
	show(msgget(key, IPC_CREAT | 0600) >= 0);
	id = msgget(key, 0);
	show(msgget(key, IPC_CREAT | IPC_EXCL));
	show(msgget(key, 0777) == id);
	other = msgget(IPC_PRIVATE, 0600);
	show(other == id);
	show(msgctl(other, IPC_RMID, 0));
	show(msgctl(other, IPC_RMID, 0));
	show(syscall(CTL, other, IPC_STAT, far));
	show(syscall(CTL, -1, IPC_STAT, far));
	show(syscall(CTL, id, IPC_STAT, far));
	show(syscall(CTL, id, IPC_SET, far));
	show(syscall(CTL, other, IPC_SET, far));
	show(syscall(CTL, -1, IPC_SET, far));
	show(syscall(CTL, 0, IPC_INFO, far));
	show(syscall(CTL, id, -1, far));
	show(syscall(CTL, id, 99, far));
	show(syscall(CTL, 32767, MSG_STAT, far));
	show(syscall(CTL, 32767, 13, far));
	state("new");
	show(msgctl(id, IPC_STAT, &ds));
	printf("%d %d %o %d\n", ds.msg_perm.__key == key, ds.msg_perm.uid, ds.msg_perm.mode, (int)ds.msg_ctime > 0);
	ds.msg_perm.uid = 7;
	ds.msg_perm.gid = 8;
	ds.msg_perm.mode = 01777640;
	ds.msg_qbytes = 100;
	show(msgctl(id, IPC_SET, &ds));
	show(msgctl(id, IPC_STAT, &ds));
	printf("%d %d %d %o %d\n", ds.msg_perm.uid, ds.msg_perm.gid, ds.msg_perm.cuid, ds.msg_perm.mode, (int)ds.msg_qbytes);
	ds.msg_perm.uid = -1;
	show(msgctl(id, IPC_SET, &ds));
	show(msgctl(0, IPC_INFO, (void *)&info) >= 0);
	printf("%d %d %d %d %d %d %d %d\n", info.msgpool, info.msgmap, info.msgmax, info.msgmnb, info.msgmni,
	       info.msgssz, info.msgtql, info.msgseg);
	show(put(1, "abc"));
	show(msgctl(0, MSG_INFO, (void *)&info) >= 0);
	printf("%d %d %d\n", info.msgpool >= 1, info.msgmap >= 1, info.msgtql >= 3);
	show(msgctl(id & 32767, MSG_STAT, &ds) == id);
	show(msgctl(id & 32767, 13, &ds) == id);
	show(msgctl(id, IPC_RMID, 0));
}

static void errors(void)
{
	char *page = mmap(0, 8192, 3, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	munmap(page + 4096, 4096);
	id = msgget(IPC_PRIVATE, 0600);
	m.type = 1;
	show(syscall(SND, -1, 16, -1, 0));
	show(syscall(SND, -1, &m, 5, 0));
	show(syscall(SND, id, &m, -1, 0));
	show(syscall(SND, id, &m, 8193, 0));
	show(syscall(SND, 0x7fff0000, &m, 5, 0));
	show(syscall(SND, 0x7fff0000, page + 4096 - sizeof(long), 5, 0));
	*(long *)(page + 4096 - sizeof(long)) = 1;
	show(syscall(SND, 0x7fff0000, page + 4096 - sizeof(long), 5, 0));
	show(syscall(SND, id, page + 4096 - sizeof(long), 5, 0));
	show(syscall(SND, id, page + 4096 - sizeof(long), 0, 0));
	m.type = 0;
	show(syscall(SND, id, &m, 5, 0));
	m.type = -1;
	show(syscall(SND, id, &m, 5, 0));
	m.type = LONG_MAX;
	show(syscall(SND, id, &m, 8192, 0));
	state("two");
	show(syscall(RCV, -1, 16, 5, 0, IPC_NOWAIT));
	show(syscall(RCV, id, 16, -1, 0, IPC_NOWAIT));
	show(syscall(RCV, 0x7fff0000, 16, 5, 0, IPC_NOWAIT));
	show(get(7, 100, IPC_NOWAIT));
	show(get(LONG_MAX, 100, IPC_NOWAIT));
	show(get(LONG_MAX, 8191, 0));
	show(get(LONG_MAX, 1, MSG_NOERROR));
	/* a message that cannot be put down is lost */
	show(syscall(RCV, id, 16, 5, 0, IPC_NOWAIT));
	show(get(0, 1, IPC_NOWAIT));
	show(put(3, "xyz"));
	show(syscall(RCV, id, page + 4096 - sizeof(long), 5, 0, IPC_NOWAIT));
	printf("%ld\n", *(long *)(page + 4096 - sizeof(long)));
	state("none");
}

static void kinds(void)
{
	static const long types[] = { 5, 3, 9, 3, 7, 1, 5 };

	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < 7; i++)
			put(types[i], (char[]){ 'a' + i, 0 });
		switch (round) {
		case 0:
			show(get(0, 9, 0));
			show(get(3, 9, 0));
			show(get(-4, 9, 0));
			show(get(-4, 9, 0));
			show(get(-4, 9, IPC_NOWAIT));
			show(get(9, 9, MSG_EXCEPT));
			show(get(-7, 9, MSG_EXCEPT));
			show(get(LONG_MIN, 9, MSG_EXCEPT));
			show(get(9, 9, MSG_EXCEPT | IPC_NOWAIT));
			break;
		case 1:
			show(get(0, 9, COPY | IPC_NOWAIT));
			show(get(2, 9, COPY | IPC_NOWAIT));
			show(get(6, 9, COPY | IPC_NOWAIT));
			show(get(7, 9, COPY | IPC_NOWAIT));
			show(get(-1, 9, COPY | IPC_NOWAIT));
			show(get(0, 0, COPY | IPC_NOWAIT));
			show(get(0, 0, COPY | IPC_NOWAIT | MSG_NOERROR));
			show(get(0, 9, COPY));
			show(get(0, 9, COPY | MSG_EXCEPT | IPC_NOWAIT));
			show(syscall(RCV, 0x7fff0000, 16, 9, 0, COPY | IPC_NOWAIT));
			show(syscall(RCV, 0x7fff0000, &m, 9, 0, COPY | IPC_NOWAIT));
			state("copied");
			break;
		case 2:
			show(get(-3, 0, 0));
			show(get(-3, 0, MSG_NOERROR));
			show(get(-3, 9, 0));
		}
		while (msgrcv(id, &m, 9, 0, IPC_NOWAIT) >= 0)
			;
	}
	state("kinds");
}

static void caught(int signo)
{
}

static void waits(void)
{
	struct sigaction action = { .sa_handler = caught, .sa_flags = SA_RESTART };
	struct msqid_ds ds;
	int status, first, second;

	LATER(50, put(4, "first"); put(5, "other"));
	show(get(5, 100, 0));
	wait(&status);
	state("waited");
	show(get(0, 100, 0));
	LATER(50, put(4, "too long"); put(4, "fits"));
	show(get(0, 4, 0));
	wait(&status);
	state("too long");
	show(get(0, 4, IPC_NOWAIT));
	show(get(0, 9, IPC_NOWAIT));
	show(get(0, 9, IPC_NOWAIT));
	LATER(50, put(4, "too long"));
	show(get(0, 4, MSG_NOERROR));
	wait(&status);
	/* who came first has it first, among those who want it */
	if (!(first = fork())) {
		show(get(-5, 9, 0));
		fflush(stdout);
		_exit(1);
	}
	wait_ms(50);
	if (!(second = fork())) {
		show(get(2, 9, MSG_EXCEPT));
		fflush(stdout);
		_exit(2);
	}
	wait_ms(50);
	put(9, "nine");
	printf("%d\n", wait(&status) == second);
	put(2, "two");
	printf("%d\n", wait(&status) == first);
	state("both");
	/* no room: by bytes, by number */
	msgctl(id, IPC_STAT, &ds);
	ds.msg_qbytes = 10;
	show(msgctl(id, IPC_SET, &ds));
	show(put(1, "0123456789a"));
	show(put(1, "0123456"));
	show(put(1, "0123"));
	show(put(1, "012"));
	LATER(50, get(0, 9, 0); printf("\n"));
	show(msgsnd(id, &m, 7, 0));
	wait(&status);
	LATER(50, ds.msg_qbytes = 20; msgctl(id, IPC_SET, &ds));
	show(msgsnd(id, &m, 7, 0));
	wait(&status);
	while (msgrcv(id, &m, 9, 0, IPC_NOWAIT) >= 0)
		;
	for (int i = 0; i < 21; i++)
		if (put(1, "") < 0)
			printf("%d ", i);
	state("empty ones");
	while (msgrcv(id, &m, 9, 0, IPC_NOWAIT) >= 0)
		;
	/* signals */
	sigaction(SIGUSR1, &action, 0);
	LATER(50, kill(getppid(), SIGUSR1));
	show(get(0, 9, 0));
	wait(&status);
	LATER(50, kill(getppid(), SIGUSR1));
	show(msgsnd(id, &m, 21, 0));
	wait(&status);
	signal(SIGUSR1, SIG_IGN);
	LATER(50, kill(getppid(), SIGUSR1); put(1, "later"));
	show(get(0, 9, 0));
	wait(&status);
	/* stopped and continued meanwhile: it goes on waiting */
	if (!(first = fork())) {
		show(get(0, 9, 0));
		fflush(stdout);
		_exit(0);
	}
	wait_ms(50);
	kill(first, SIGSTOP);
	waitpid(first, &status, WUNTRACED);
	kill(first, SIGCONT);
	wait_ms(50);
	put(1, "went on");
	wait(&status);
	if (!(first = fork())) {
		get(0, 9, 0);
		_exit(0);
	}
	wait_ms(50);
	kill(first, SIGKILL);
	wait(&status);
	show(put(1, "kept"));
	state("killed");
	show(get(0, 9, 0));
	/* the queue goes */
	LATER(50, msgctl(id, IPC_RMID, 0));
	show(get(0, 9, 0));
	wait(&status);
	show(put(1, "gone"));
	id = msgget(IPC_PRIVATE, 0600);
	msgctl(id, IPC_STAT, &ds);
	ds.msg_qbytes = 10;
	msgctl(id, IPC_SET, &ds);
	LATER(50, msgctl(id, IPC_RMID, 0));
	show(msgsnd(id, &m, 11, 0));
	wait(&status);
}

static void told(void)
{
	char line[300];
	FILE *f = fopen("/proc/sysvipc/msg", "r");
	int key, number;

	fgets(line, sizeof(line), f);
	printf("%s", line);
	while (fgets(line, sizeof(line), f)) {
		sscanf(line, "%d %d", &key, &number);
		line[51] = 0;
		if (number == id)
			printf("%s\n", line + 21);
	}
	fclose(f);
}

static void permissions(void)
{
	struct msqid_ds ds = { .msg_perm = { .mode = 0640, .uid = 100, .gid = 200 }, .msg_qbytes = 16384 };
	static const int who[][2] = { { 100, 1 }, { 101, 200 }, { 102, 300 }, { 0, 0 } };
	int status, key = 0x59000000 | getpid();

	for (int i = 0; i < 4; i++) {
		id = msgget(key, IPC_CREAT | 0640);
		msgctl(id, IPC_SET, &ds);
		put(1, "something");
		told();
		if (!fork()) {
			setgroups(0, 0);
			setresgid(who[i][1], who[i][1], who[i][1]);
			setresuid(who[i][0], who[i][0], who[i][0]);
			printf("user %d\n", who[i][0]);
			show(msgget(key, 0400) == id);
			show(msgget(key, 0600) == id);
			show(msgget(key, IPC_CREAT) == id);
			show(put(1, "x"));
			show(syscall(SND, id, &m, 9000, 0));
			show(syscall(SND, id, &m, 8192, 0));
			show(get(7, 9, IPC_NOWAIT));
			show(get(0, 9, IPC_NOWAIT));
			show(msgctl(id, IPC_STAT, &ds));
			show(msgctl(id & 32767, MSG_STAT, &ds) == id);
			show(msgctl(id & 32767, 13, &ds) == id);
			ds.msg_qbytes = who[i][0] ? 16385 : 16384;
			ds.msg_perm.mode = 0600;
			show(msgctl(id, IPC_SET, &ds));
			ds.msg_qbytes = 10;
			show(msgctl(id, IPC_SET, &ds));
			show(msgctl(id, IPC_RMID, 0));
			fflush(stdout);
			_exit(0);
		}
		wait(&status);
		msgctl(id, IPC_RMID, 0);
	}
	/* stricter permissions end a wait */
	id = msgget(IPC_PRIVATE, 0666);
	if (!fork()) {
		setresuid(5, 5, 5);
		show(get(0, 9, 0));
		fflush(stdout);
		_exit(0);
	}
	wait_ms(50);
	msgctl(id, IPC_STAT, &ds);
	ds.msg_perm.mode = 0600;
	msgctl(id, IPC_SET, &ds);
	wait(&status);
	msgctl(id, IPC_RMID, 0);
}

#ifdef __i386__
struct old {
	int key;
	unsigned short uid, gid, cuid, cgid, mode, seq;
	int first, last, stime, rtime, ctime, wide_cbytes, wide_qbytes;
	unsigned short cbytes, qnum, qbytes, lspid, lrpid;
};

static void old(void)
{
	struct old ds = { 0 };
	struct { void *to; long type; } kludge = { &m, 2 };

	id = syscall(117, 13, IPC_PRIVATE, 0604, 0, 0, 0);
	show(id >= 0);
	m.type = 2;
	show(syscall(117, 11, id, 5, 0, &m, 0));
	show(syscall(117, 11, id, 6, 0, &m, 0));
	show(syscall(117, 12, id, 9, 0, 0, 0));
	show(syscall(117, 12, id, 9, 0, 16, 0));
	show(syscall(117, 14, id, IPC_STAT, 0, &ds, 0));
	printf("%o %d %d %d %d\n", ds.mode, ds.cbytes, ds.qnum, ds.qbytes, ds.stime != 0);
	show(syscall(117, 12, id, 9, 0, &kludge, 0));
	show(syscall(117, 12 | 1 << 16, id, 9, 0, &m, 2));
	show(syscall(117, 12 | 1 << 16, id, 9, IPC_NOWAIT, &m, 2));
	ds.qbytes = 50;
	ds.mode = 0666;
	show(syscall(117, 14, id, IPC_SET, 0, &ds, 0));
	show(syscall(117, 14, id, IPC_STAT, 0, &ds, 0));
	printf("%o %d\n", ds.mode, ds.qbytes);
	show(syscall(117, 14, id, IPC_RMID | 0x100, 0, 0, 0));
}
#else
static void old(void)
{
}
#endif

static void limits(void)
{
	static const char *names[] = { "msgmax", "msgmnb", "msgmni" };

	for (int i = 0; i < 3; i++) {
		char path[50], line[50] = { 0 };

		sprintf(path, "/proc/sys/kernel/%s", names[i]);
		int fd = open(path, O_RDONLY);
		read(fd, line, 49);
		printf("%s", line);
		close(fd);
	}
}

int main(void)
{
	setvbuf(stdout, NULL, _IOFBF, 65536);
	queues();
	errors();
	kinds();
	waits();
	permissions();
	old();
	limits();
	return 0;
}
