/* Job control and terminals: a pair, its line discipline, sessions, groups, stops, orphans. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

static int master;
static volatile int got[65];

static void handler(int number)
{
	got[number]++;
}

static void on(int number, int flags)
{
	struct sigaction action = { .sa_handler = handler, .sa_flags = flags };

	sigaction(number, &action, NULL);
}

static void little(void)
{
	nanosleep(&(struct timespec){ .tv_nsec = 20000000 }, NULL);
}

/* What the other end can read now, with what cannot be seen made visible. */
static void shown(const char *what)
{
	struct pollfd one = { .fd = master, .events = POLLIN };
	char data[4096];
	ssize_t n;

	printf("%s: ", what);
	little();
	while (poll(&one, 1, 20) == 1 && (n = read(master, data, sizeof(data))) > 0)
		for (ssize_t i = 0; i < n; i++)
			printf(data[i] >= 32 && data[i] < 127 ? "%c" : "<%d>", data[i]);
	printf("\n");
}

static void line(int tty, const char *typed)
{
	char data[256];
	ssize_t n;

	if (write(master, typed, strlen(typed)) < 0)
		printf("cannot type: %s\n", strerror(errno));
	little();
	n = read(tty, data, sizeof(data));
	printf("read %zd:", n);
	for (ssize_t i = 0; i < n; i++)
		printf(" %d", data[i]);
	printf("\n");
	shown("echo");
}

static void editing(int tty)
{
	struct termios set, was;
	int count;

	line(tty, "plain\r");
	line(tty, "erasx\177ed\n");
	line(tty, "two words\027one\n");
	line(tty, "all gone\025x\n");
	line(tty, "\t\001\177b\n");
	line(tty, "q\026\003uoted\n");
	line(tty, "end\004");
	line(tty, "\004");
	line(tty, "rep\022eat\n");
	if (write(master, "part", 4) != 4 || ioctl(tty, FIONREAD, &count))
		printf("failed\n");
	printf("counted %d\n", count);
	if (write(master, "\n", 1) != 1 || (little(), ioctl(tty, FIONREAD, &count)))
		printf("failed\n");
	printf("counted %d\n", count);
	tcflush(tty, TCIFLUSH);
	if (ioctl(tty, FIONREAD, &count))
		printf("failed\n");
	printf("flushed %d\n", count);
	shown("echo");
	tcgetattr(tty, &was);
	printf("flags %o %o %o\n", was.c_iflag, was.c_oflag, was.c_lflag);
	for (int i = 0; i < 17; i++)
		printf("%d ", was.c_cc[i]);
	printf("\n");
	set = was;
	set.c_lflag &= ~ECHO;
	tcsetattr(tty, TCSANOW, &set);
	line(tty, "unseen\n");
	set.c_lflag |= ECHONL;
	tcsetattr(tty, TCSADRAIN, &set);
	line(tty, "new line\n");
	set = was;
	set.c_oflag &= ~OPOST;
	set.c_iflag &= ~ICRNL;
	tcsetattr(tty, TCSAFLUSH, &set);
	line(tty, "a\rb\n");
	set = was;
	set.c_oflag |= OLCUC | XTABS;
	tcsetattr(tty, TCSANOW, &set);
	line(tty, "up\tper\n");
	set = was;
	set.c_lflag &= ~(ICANON | ECHO);
	set.c_cc[VMIN] = 1;
	set.c_cc[VTIME] = 0;
	tcsetattr(tty, TCSANOW, &set);
	line(tty, "raw\177");
	set.c_cc[VMIN] = 3;
	set.c_cc[VTIME] = 1;
	tcsetattr(tty, TCSANOW, &set);
	line(tty, "ab");
	line(tty, "abcd");
	set.c_cc[VMIN] = 0;
	tcsetattr(tty, TCSANOW, &set);
	line(tty, "");
	line(tty, "x");
	set.c_cc[VTIME] = 0;
	tcsetattr(tty, TCSANOW, &set);
	line(tty, "");
	tcsetattr(tty, TCSANOW, &was);
}

static void printing(int tty)
{
	struct winsize size = { 30, 100, 0, 0 };

	if (write(tty, "one\ntwo\tthree\r\n", 15) != 15)
		printf("failed\n");
	shown("printed");
	on(SIGWINCH, SA_RESTART);
	ioctl(master, TIOCSWINSZ, &size);
	memset(&size, 0, sizeof(size));
	ioctl(tty, TIOCGWINSZ, &size);
	printf("window %d %d, told %d\n", size.ws_row, size.ws_col, got[SIGWINCH]);
	ioctl(tty, TIOCSWINSZ, &size);
	printf("the same, told %d\n", got[SIGWINCH]);
	printf("isatty %d %d\n", isatty(tty), isatty(master));
	printf("name %d\n", !strcmp(ttyname(tty), ptsname(master)));
}

static void wait_for(pid_t child, int options)
{
	siginfo_t info;

	memset(&info, 0, sizeof(info));
	if (waitid(P_PID, child, &info, options))
		printf("waitid: %s\n", strerror(errno));
	else
		printf("child: signal %d code %d status %d\n", info.si_signo, info.si_code,
		       info.si_status);
}

static void background(int tty)
{
	pid_t child = fork();
	char c;

	if (!child) {
		setpgid(0, 0);
		signal(SIGTTIN, SIG_DFL);
		if (read(tty, &c, 1) == 1)
			_exit(c);
		_exit(99);
	}
	setpgid(child, child);
	wait_for(child, WSTOPPED);
	printf("foreground %d\n", tcgetpgrp(tty) == getpgrp());
	signal(SIGTTOU, SIG_IGN);
	printf("set %d\n", tcsetpgrp(tty, child));
	printf("child's %d\n", tcgetpgrp(tty) == child);
	if (write(master, "k\n", 2) != 2)
		printf("failed\n");
	kill(child, SIGCONT);
	wait_for(child, WCONTINUED);
	wait_for(child, WEXITED | WNOWAIT);
	wait_for(child, WEXITED);
	tcsetpgrp(tty, getpgrp());
	child = fork();
	if (!child) {
		setpgid(0, 0);
		signal(SIGTTOU, SIG_DFL);
		_exit(tcsetpgrp(tty, getpgrp()) ? errno : 0);
	}
	setpgid(child, child);
	wait_for(child, WSTOPPED);
	kill(-child, SIGKILL);
	wait_for(child, WEXITED);
	child = fork();
	if (!child) {
		setpgid(0, 0);
		signal(SIGTTIN, SIG_IGN);
		_exit(read(tty, &c, 1) < 0 ? errno : 0);
	}
	setpgid(child, child);
	wait_for(child, WEXITED);
	shown("echo");
}

static void keys(int tty)
{
	int status;
	char c;

	on(SIGINT, SA_RESTART);
	on(SIGQUIT, 0);
	if (write(master, "lost\003\034", 6) != 6)
		printf("failed\n");
	little();
	printf("interrupted %d, quit %d\n", got[SIGINT], got[SIGQUIT]);
	shown("echo");
	pid_t child = fork();

	if (!child) {
		setpgid(0, 0);
		signal(SIGTTOU, SIG_IGN);
		tcsetpgrp(tty, getpid());
		signal(SIGTTOU, SIG_DFL);
		if (write(tty, "go\n", 3) != 3)
			_exit(98);
		_exit(read(tty, &c, 1) == 1 ? c : 97);
	}
	while (read(master, &c, 1) == 1 && c != '\n')
		;
	if (write(master, "\032", 1) != 1)
		printf("failed\n");
	waitpid(child, &status, WUNTRACED);
	printf("stopped %d by %d\n", WIFSTOPPED(status), WSTOPSIG(status));
	kill(child, SIGCONT);
	if (write(master, "z\n", 2) != 2)
		printf("failed\n");
	waitpid(child, &status, 0);
	printf("exited %d with %d\n", WIFEXITED(status), WEXITSTATUS(status));
	tcsetpgrp(tty, getpgrp());
	shown("echo");
}

static void orphans(void)
{
	int told[2], status;
	char c;
	pid_t child;

	if (pipe(told))
		return;
	child = fork();
	if (!child) {
		pid_t grandchild = fork();

		if (!grandchild) {
			setpgid(0, 0);
			on(SIGHUP, 0);
			on(SIGCONT, 0);
			c = 'r';
			if (write(told[1], &c, 1) != 1)
				_exit(1);
			raise(SIGSTOP);
			little();
			c = '0' + got[SIGHUP] + 2 * got[SIGCONT];
			_exit(write(told[1], &c, 1) != 1);
		}
		if (read(told[0], &c, 1) != 1)
			_exit(1);
		waitpid(grandchild, &status, WUNTRACED);
		_exit(WIFSTOPPED(status));
	}
	waitpid(child, &status, 0);
	printf("parent of a stopped one %d\n", WEXITSTATUS(status));
	close(told[1]);
	if (read(told[0], &c, 1) == 1)
		printf("orphan %c\n", c);
	close(told[0]);
}

static void session(void)
{
	int tty = open(ptsname(master), O_RDWR), other;

	printf("session %d, group %d\n", getsid(0) == getpid(), getpgrp() == getpid());
	printf("controls %d\n", tcgetsid(tty) == getpid());
	printf("setsid %d %d\n", setsid(), errno == EPERM);
	other = open("/dev/tty", O_RDWR);
	printf("/dev/tty %d\n", other >= 0 && isatty(other));
	close(other);
	editing(tty);
	printing(tty);
	background(tty);
	keys(tty);
	orphans();
	printf("give up %d\n", ioctl(tty, TIOCNOTTY));
	other = open("/dev/tty", O_RDWR);
	printf("/dev/tty %d %d\n", other, errno == ENXIO);
	printf("take %d\n", ioctl(tty, TIOCSCTTY, 0));
	on(SIGHUP, 0);
	on(SIGCONT, 0);
	got[SIGHUP] = got[SIGCONT] = 0;
	close(master);
	little();
	printf("hung up %d %d\n", got[SIGHUP], got[SIGCONT]);
	printf("end of file %zd\n", read(tty, &other, 1));
	printf("write %zd %d\n", write(tty, "x", 1), errno == EIO);
}

static void other_end(void)
{
	struct pollfd one;
	char data[64];
	int tty;

	master = posix_openpt(O_RDWR | O_NOCTTY);
	printf("locked %d %d\n", open(ptsname(master), O_RDWR | O_NOCTTY), errno == EIO);
	unlockpt(master);
	tty = open(ptsname(master), O_RDWR | O_NOCTTY);
	one = (struct pollfd){ .fd = master, .events = POLLIN | POLLOUT };
	printf("poll %d", poll(&one, 1, 0));
	printf(" %x\n", one.revents);
	if (write(tty, "last", 4) != 4)
		printf("failed\n");
	close(tty);
	little();
	printf("poll %d", poll(&one, 1, 0));
	printf(" %x\n", one.revents);
	printf("read %zd\n", read(master, data, sizeof(data)));
	printf("read %zd %d\n", read(master, data, sizeof(data)), errno == EIO);
	fcntl(master, F_SETFL, O_NONBLOCK);
	tty = open(ptsname(master), O_RDWR | O_NOCTTY | O_NONBLOCK);
	printf("again %zd %d\n", read(master, data, sizeof(data)), errno == EAGAIN);
	printf("again %zd %d\n", read(tty, data, sizeof(data)), errno == EAGAIN);
	printf("ioctl %d %d\n", ioctl(tty, 0x1234), errno == ENOTTY);
	close(tty);
	close(master);
}

int main(void)
{
	int status;

	setvbuf(stdout, NULL, _IONBF, 0);
	other_end();
	master = posix_openpt(O_RDWR | O_NOCTTY);
	grantpt(master);
	unlockpt(master);
	if (!fork()) {
		setsid();
		session();
		_exit(0);
	}
	close(master);
	wait(&status);
	printf("%x\n", status);
	return 0;
}
