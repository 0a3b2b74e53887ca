/* mqueue: POSIX's queues of messages: names, limits, priorities, who waits and who wakes, who is told. */
#define _GNU_SOURCE
#include "../fds/show.h"
#include <grp.h>
#include <limits.h>
#include <mqueue.h>
#include <sys/mman.h>
#include <sys/resource.h>

#define fork() (fflush(stdout), fork())
#ifdef __i386__
#define OPEN 277
#else
#define OPEN 240
#endif
#define UNLINK (OPEN + 1)
#define SEND (OPEN + 2)
#define RECEIVE (OPEN + 3)
#define NOTIFY (OPEN + 4)
#define SETATTR (OPEN + 5)

static char name[64], other[64], buffer[9000];
static mqd_t q;

static struct mq_attr attr(long messages, long size)
{
	return (struct mq_attr){ .mq_maxmsg = messages, .mq_msgsize = size };
}

static int make(int flags, long messages, long size)
{
	struct mq_attr a = attr(messages, size);

	return syscall(OPEN, name + 1, flags, 0600, &a);
}

static long put(const char *text, unsigned priority)
{
	return mq_send(q, text, strlen(text), priority);
}

static long get(void)
{
	unsigned priority = 77;
	long n = mq_receive(q, buffer, sizeof(buffer), &priority);

	if (n >= 0)
		printf("[%.*s %u] ", (int)n, buffer, priority);
	return n;
}

static struct timespec after(long ms)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	t.tv_nsec += ms % 1000 * 1000000;
	t.tv_sec += ms / 1000 + t.tv_nsec / 1000000000;
	t.tv_nsec %= 1000000000;
	return t;
}

static void names(void)
{
	char *far = mmap(0, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), much[5000];
	struct rlimit none, some;
	struct stat st;
	int fd;

	memset(much, 'x', sizeof(much));
	much[4999] = 0;
	show(syscall(OPEN, far, O_CREAT, 0600, far));
	show(syscall(OPEN, far, O_CREAT, 0600, 0));
	show(syscall(OPEN, "", O_CREAT, 0600, 0));
	show(syscall(OPEN, "", O_CREAT, 0600, far));
	show(syscall(OPEN, much, O_CREAT, 0600, 0));
	show(syscall(OPEN, much + 4999 - 256, O_CREAT, 0600, 0));
	show(syscall(OPEN, ".", O_CREAT, 0600, 0));
	show(syscall(OPEN, "..", O_CREAT, 0600, 0));
	show(syscall(OPEN, "a/b", O_CREAT, 0600, 0));
	show(syscall(OPEN, name, O_CREAT, 0600, 0));
	show(syscall(OPEN, name + 1, 0, 0600, 0));
	show(syscall(OPEN, name + 1, O_EXCL, 0600, 0));
	getrlimit(RLIMIT_NOFILE, &some);
	none = some;
	none.rlim_cur = 3;
	setrlimit(RLIMIT_NOFILE, &none);
	show(syscall(OPEN, name + 1, 0, 0600, 0));
	show(syscall(OPEN, "a/b", 0, 0600, 0));
	show(syscall(OPEN, "", 0, 0600, 0));
	setrlimit(RLIMIT_NOFILE, &some);
	show(make(O_CREAT, 0, 1));
	show(make(O_CREAT, 1, 0));
	show(make(O_CREAT, -1, 1));
	show(make(O_CREAT, 1, -1));
	show(make(O_CREAT, 65537, 1));
	show(make(O_CREAT, 1, (16 << 20) + 1));
	show(make(0, 0, 0));
	show(syscall(UNLINK, name + 1));
	show(syscall(UNLINK, name));
	show(syscall(UNLINK, "."));
	show(syscall(UNLINK, ""));
	show(syscall(UNLINK, far));
	show(syscall(UNLINK, much));
	show(syscall(UNLINK, much + 4999 - 256));
	umask(027);
	show((fd = syscall(OPEN, name + 1, O_CREAT | O_RDWR | O_NONBLOCK, 0666, 0)) > 2);
	show(fcntl(fd, F_GETFD));
	printf("%o\n", fcntl(fd, F_GETFL) & ~O_LARGEFILE);
	show(fstat(fd, &st));
	printf("%o %d %d %d %d\n", st.st_mode, st.st_uid, (int)st.st_size, (int)st.st_nlink, (int)st.st_blocks);
	show(make(O_CREAT | O_EXCL, 0, 0));
	show(make(3, 0, 0));
	show(close(make(O_CREAT, 0, 0)));
	show(syscall(UNLINK, name + 1));
	show(make(0, 0, 0));
	show(fstat(fd, &st));
	printf("%d\n", (int)st.st_nlink);
	show(write(fd, "abc", 3));
	show(read(fd, buffer, 200));
	printf("%s", buffer);
	show(read(fd, buffer, 200));
	show(lseek(fd, 6, SEEK_SET));
	show(read(fd, buffer, 3));
	show(lseek(fd, 0, SEEK_END));
	show(ftruncate(fd, 0) == 0 || errno == EINVAL);
	show(mmap(0, 4096, PROT_READ, MAP_SHARED, fd, 0) == MAP_FAILED);
	close(fd);
}

static void errors(void)
{
	struct mq_attr a = { 0 };
	struct timespec odd = { 0, 1000000000 }, past = { 1, 0 };
	char *far = mmap(0, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int reader, writer, file = open("/dev/null", O_RDWR);

	q = make(O_CREAT | O_RDWR, 3, 10);
	reader = make(O_RDONLY, 0, 0);
	writer = make(O_WRONLY, 0, 0);
	show(mq_timedsend(-1, far, 99, 99999, (void *)&odd));
	show(mq_timedsend(-1, far, 99, 99999, &past));
	show(mq_timedsend(-1, far, 99, 32767, &past));
	show(mq_timedsend(file, far, 99, 32767, &past));
	show(mq_timedsend(reader, far, 99, 32767, &past));
	show(mq_timedsend(writer, far, 99, 32767, &past));
	show(mq_timedsend(writer, far, 9, 32767, &past));
	show(mq_timedsend(writer, "", 0, 32767, &past));
	show(mq_timedsend(writer, "0123456789", 10, 0, &past));
	show(mq_timedreceive(-1, far, 9, 0, &odd));
	show(mq_timedreceive(-1, far, 9, 0, &past));
	show(mq_timedreceive(file, far, 9, 0, &past));
	show(mq_timedreceive(writer, far, 9, 0, &past));
	show(mq_timedreceive(reader, far, 9, 0, &past));
	show(mq_timedreceive(reader, far, 10, 0, &past));
	show(mq_timedreceive(reader, buffer, 10, 0, &past));
	show(mq_timedreceive(reader, buffer, 10, 0, &past));
	show(mq_timedreceive(reader, far, 10, 0, &past));
	show(syscall(SETATTR, -1, far, 0));
	show(syscall(SETATTR, -1, 0, far));
	show(syscall(SETATTR, file, 0, far));
	show(syscall(SETATTR, q, 0, far));
	a.mq_flags = O_RDWR;
	show(syscall(SETATTR, -1, &a, 0));
	show(syscall(SETATTR, -1, 0, 0));
	show(syscall(SETATTR, q, 0, 0));
	a.mq_flags = O_NONBLOCK;
	a.mq_maxmsg = 7;
	show(syscall(SETATTR, q, &a, &a));
	printf("%ld %ld %ld %ld\n", a.mq_flags, a.mq_maxmsg, a.mq_msgsize, a.mq_curmsgs);
	put("x", 1);
	show(mq_getattr(q, &a));
	printf("%ld %ld %ld %ld\n", a.mq_flags, a.mq_maxmsg, a.mq_msgsize, a.mq_curmsgs);
	show(get());
	show(get());
	show(put("1", 0) | put("2", 0) | put("3", 0));
	show(put("4", 0));
	show(mq_timedsend(q, "4", 1, 0, &past));
	show(mq_timedsend(writer, "4", 1, 0, &past));
	a.mq_flags = 0;
	show(mq_setattr(q, &a, 0));
	odd = after(30);
	show(mq_timedsend(q, "4", 1, 0, &odd));
	while (mq_timedreceive(reader, buffer, 10, 0, &past) >= 0)
		;
	odd = after(30);
	show(mq_timedreceive(q, buffer, 10, 0, &odd));
	close(q);
	close(reader);
	close(writer);
	mq_unlink(name);
}

static void order(void)
{
	static const char *what[] = { "a3", "b1", "c7", "d3", "e0", "f7" };

	q = make(O_CREAT | O_RDWR | O_NONBLOCK, 6, 8192);
	for (int i = 0; i < 6; i++)
		put(what[i], what[i][1] - '0');
	for (int i = 0; i < 7; i++)
		show(get());
	show(put("last", 32767));
	show(put("first", 32766));
	show(get());
	show(get());
	close(q);
	mq_unlink(name);
}

static volatile int caught;

static void note(int signo)
{
	caught++;
}

static void waits(void)
{
	struct sigaction action = { .sa_handler = note };
	struct timespec t = after(900);
	struct pollfd p = { .events = POLLIN | POLLOUT };
	int status, first;

	q = p.fd = make(O_CREAT | O_RDWR, 2, 10);
	LATER(50, put("late", 5));
	show(get());
	wait(&status);
	if (!(first = fork())) {
		show(get());
		fflush(stdout);
		_exit(1);
	}
	wait_ms(50);
	if (!fork()) {
		show(get());
		fflush(stdout);
		_exit(2);
	}
	wait_ms(50);
	put("one", 1);
	printf("%d\n", wait(&status) == first);
	put("two", 2);
	wait(&status);
	show(poll(&p, 1, 0));
	printf("%x\n", p.revents);
	put("a", 1);
	show(poll(&p, 1, 0));
	printf("%x\n", p.revents);
	put("b", 1);
	show(poll(&p, 1, 0));
	printf("%x\n", p.revents);
	/* who waits for room has the message put in, in its place */
	LATER(50, get(); printf("\n"));
	show(put("c", 9));
	wait(&status);
	show(get());
	show(get());
	p.events = POLLIN;
	LATER(50, put("polled", 1));
	show(poll(&p, 1, 2000));
	wait(&status);
	put("full", 1);
	p.events = POLLOUT;
	LATER(50, get(); printf("\n"));
	show(poll(&p, 1, 2000));
	wait(&status);
	show(get());
	/* signals: EINTR, or again */
	sigaction(SIGUSR1, &action, 0);
	LATER(50, kill(getppid(), SIGUSR1));
	show(get());
	wait(&status);
	action.sa_flags = SA_RESTART;
	sigaction(SIGUSR1, &action, 0);
	LATER(50, kill(getppid(), SIGUSR1); wait_ms(50); put("again", 3));
	show(get());
	wait(&status);
	put("a", 1);
	put("b", 1);
	LATER(50, kill(getppid(), SIGUSR1); wait_ms(50); get(); printf("\n"));
	show(put("c", 1));
	wait(&status);
	printf("caught %d\n", caught);
	if (!(first = fork())) {
		put("never", 9);
		_exit(0);
	}
	wait_ms(50);
	kill(first, SIGKILL);
	wait(&status);
	show(get());
	show(get());
	/* a queue without a name lives as long as somebody uses it */
	mq_unlink(name);
	LATER(50, put("child", 1));
	show(get());
	wait(&status);
	close(q);
}

static void told(int signo, siginfo_t *info, void *context)
{
	printf("signal %d code %d value %d from %d uid %d\n", signo, info->si_code, info->si_value.sival_int,
	       info->si_pid == getpid() ? 1 : info->si_pid > 0 ? 2 : 0, info->si_uid);
}

static void line(void)
{
	char text[100] = { 0 };

	lseek(q, 0, SEEK_SET);
	read(q, text, 99);
	*strstr(text, "NOTIFY_PID") = 0;
	printf("%s\n", text);
}

static void notes(void)
{
	struct sigaction action = { .sa_sigaction = told, .sa_flags = SA_SIGINFO | SA_RESTART };
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR2, .sigev_value.sival_int = 1234 };
	struct sigevent none = { .sigev_notify = SIGEV_NONE }, odd = { .sigev_notify = 7 };
	int status, file = open("/dev/null", O_RDWR), again;

	sigaction(SIGUSR2, &action, 0);
	q = make(O_CREAT | O_RDWR | O_NONBLOCK, 4, 10);
	show(syscall(NOTIFY, -1, 16));
	show(mq_notify(-1, &odd));
	show(mq_notify(-1, &event));
	show(mq_notify(-1, 0));
	show(mq_notify(file, &event));
	show(mq_notify(file, 0));
	event.sigev_signo = 65;
	show(mq_notify(q, &event));
	event.sigev_signo = -1;
	show(mq_notify(q, &event));
	event.sigev_signo = SIGUSR2;
	show(mq_notify(q, 0));
	show(mq_notify(q, &event));
	line();
	show(mq_notify(q, &event));
	show(mq_notify(q, &none));
	LATER(0, show(mq_notify(q, &none)); show(mq_notify(q, 0)); put("child's", 1));
	wait(&status);
	line();
	put("second", 1);
	show(get());
	show(get());
	show(put("third", 1));
	show(mq_notify(q, &event));
	show(put("not the first", 1));
	show(put("fourth", 1));
	show(get());
	show(get());
	show(put("fifth", 1));
	show(get());
	/* a receiver that waits comes first */
	show(mq_notify(q, &event));
	struct mq_attr a = { 0 };
	mq_setattr(q, &a, 0);
	LATER(50, put("over", 1));
	show(get());
	LATER(50, put("handed", 1));
	show(get());
	wait(&status);
	wait(&status);
	line();
	show(mq_notify(q, 0));
	line();
	show(mq_notify(q, &none));
	line();
	put("silent", 1);
	line();
	show(get());
	/* closing any descriptor ends it, a child's does not, an end of the process does */
	show(mq_notify(q, &event));
	LATER(0, close(q));
	wait(&status);
	line();
	again = dup(q);
	close(again);
	line();
	LATER(0, mq_notify(q, &event));
	wait(&status);
	show(mq_notify(q, &event));
	show(mq_notify(q, 0));
	close(q);
	mq_unlink(name);
}

static void threaded(union sigval value)
{
	printf("thread told %d\n", value.sival_int);
	fflush(stdout);
	mq_send(q, "from thread", 11, 3);
}

static void threads(void)
{
	struct sigevent event = { .sigev_notify = SIGEV_THREAD, .sigev_notify_function = threaded,
				  .sigev_value.sival_int = 42 };
	mqd_t back;

	back = q = make(O_CREAT | O_RDWR, 4, 100);
	event.sigev_signo = 1;
	show(syscall(NOTIFY, q, &event));
	show(mq_notify(q, &event));
	show(put("go", 1));
	show(get());
	show(get());
	show(mq_notify(q, &event));
	show(mq_notify(q, 0));
	close(q);
	mq_unlink(name);
}

static void permissions(void)
{
	static const int who[][2] = { { 100, 1 }, { 101, 200 }, { 102, 300 }, { 0, 0 } };
	struct rlimit some = { 5000, 5000 };
	int status;

	umask(0);
	for (int i = 0; i < 4; i++) {
		struct mq_attr a = attr(2, 10);

		q = syscall(OPEN, name + 1, O_CREAT | O_RDWR, 0640, &a);
		show(fchown(q, 100, 200));
		if (!fork()) {
			setgroups(0, 0);
			setresgid(who[i][1], who[i][1], who[i][1]);
			setresuid(who[i][0], who[i][0], who[i][0]);
			printf("user %d\n", who[i][0]);
			show(make(O_RDONLY, 0, 0) > 0);
			show(make(O_WRONLY, 0, 0) > 0);
			show(make(O_RDWR | O_CREAT, 0, 0) > 0);
			show(syscall(UNLINK, name + 1));
			if (who[i][0]) {
				strcpy(name, other);
				show(make(O_CREAT | O_RDWR, 11, 10));
				show(make(O_CREAT | O_RDWR, 10, 8193));
				show(make(O_CREAT | O_RDWR, 10, 8192) > 0);
				show(syscall(UNLINK, name + 1));
				setrlimit(RLIMIT_MSGQUEUE, &some);
				show(make(O_CREAT | O_RDWR, 10, 8192));
				show(make(O_CREAT | O_RDWR, 1, 4800));
				show(make(O_CREAT | O_RDWR, 1, 16) > 0);
				show(syscall(UNLINK, name + 1));
			}
			fflush(stdout);
			_exit(0);
		}
		wait(&status);
		close(q);
		mq_unlink(name);
	}
}

static void limits(void)
{
	static const char *names[] = { "msg_default", "msg_max", "msgsize_default", "msgsize_max", "queues_max" };
	struct rlimit limit;

	getrlimit(RLIMIT_MSGQUEUE, &limit);
	printf("%ld %ld\n", (long)limit.rlim_cur, (long)limit.rlim_max);
	for (int i = 0; i < 5; i++) {
		char path[60], text[50] = { 0 };

		sprintf(path, "/proc/sys/fs/mqueue/%s", names[i]);
		int fd = open(path, O_RDONLY);
		read(fd, text, 49);
		printf("%s", text);
		close(fd);
	}
}

int main(void)
{
	setvbuf(stdout, NULL, _IOFBF, 65536);
	sprintf(name, "/mq-%d", getpid());
	sprintf(other, "/mq-%d-other", getpid());
	names();
	errors();
	order();
	waits();
	notes();
	threads();
	permissions();
	limits();
	return 0;
}
