/* Packet mode: the other end of a terminal is told what happens to it (TIOCPKT). */
#include "show.h"
#include <pty.h>
#include <sys/ioctl.h>
#include <termios.h>

static int master, slave;

static void got(void)
{
	char buf[64];
	struct pollfd p = { master, POLLIN | POLLPRI | POLLOUT, 0 };
	int n;

	wait_ms(30);
	poll(&p, 1, 0);
	printf("  ready %#x", p.revents);
	for (n = 0; (n = read(master, buf, 10)) > 0;) {
		printf(" <");
		for (int i = 0; i < n; i++)
			printf(buf[i] < ' ' ? "\\%o" : "%c", buf[i]);
		printf(">");
	}
	printf(" %s\n", n ? strerrorname_np(errno) : "end");
}

int main(void)
{
	struct termios t;
	int on = 1, off = 0, value = 7;

	show(openpty(&master, &slave, NULL, NULL, NULL));
	fcntl(master, F_SETFL, O_NONBLOCK);
	show(ioctl(slave, TIOCPKT, &on));
	show(ioctl(master, TIOCGPKT, &value));
	show(value);
	show(ioctl(master, TIOCPKT, (void *)8));
	write(slave, "before", 6);
	show(ioctl(master, TIOCPKT, &on));
	show(ioctl(master, TIOCGPKT, &value));
	show(value);
	got();
	show(write(slave, "0123456789abcdef", 16));
	got();
	show(tcflow(slave, TCOOFF));
	got();
	show(tcflow(slave, TCOOFF));
	got();
	show(tcflow(slave, TCOON));
	show(write(slave, "x", 1));
	got();
	show(tcflow(slave, TCOOFF));
	show(tcflow(slave, TCOON));
	got();
	show(tcflush(slave, TCIFLUSH));
	got();
	show(tcflush(slave, TCOFLUSH));
	got();
	show(tcflush(slave, TCIOFLUSH));
	show(write(slave, "y", 1));
	got();
	show(write(master, "q\003", 2));
	got();
	show(write(master, "\023", 1));
	got();
	show(write(master, "\021", 1));
	got();
	tcgetattr(slave, &t);
	t.c_iflag &= ~IXON;
	show(tcsetattr(slave, TCSANOW, &t));
	got();
	t.c_cc[VSTOP] = 1;
	t.c_iflag |= IXON;
	show(tcsetattr(slave, TCSANOW, &t));
	got();
	t.c_cc[VSTOP] = 023;
	show(tcsetattr(slave, TCSANOW, &t));
	got();
	t.c_lflag &= ~ECHO;
	show(tcsetattr(slave, TCSAFLUSH, &t));
	got();
	show(write(slave, "z", 1));
	show(read(master, &value, 1));
	show(value & 255);
	got();
	show(tcflow(slave, TCOOFF));
	show(ioctl(master, TIOCPKT, &on));
	got();
	show(tcflow(slave, TCOON));
	show(ioctl(master, TIOCPKT, &off));
	show(ioctl(master, TIOCPKT, &on));
	got();
	show(ioctl(master, TIOCPKT, &off));
	show(tcflow(slave, TCOOFF));
	show(tcflow(slave, TCOON));
	show(write(slave, "end", 3));
	got();
	write(slave, "printed", 7);
	write(master, "typed\n", 6);
	wait_ms(30);
	show(tcflush(master, TCOFLUSH));
	show(ioctl(slave, FIONREAD, &value));
	show(value);
	show(tcflush(master, TCIFLUSH));
	show(ioctl(slave, FIONREAD, &value));
	show(value);
	got();
	write(slave, "printed", 7);
	wait_ms(30);
	show(tcflush(slave, TCIOFLUSH));
	show(ioctl(slave, FIONREAD, &value));
	show(value);
	got();
	show(tcflush(master, 7));
	show(ioctl(master, TIOCSIG, (void *)1));
	show(ioctl(master, TIOCSIG, (void *)SIGINT));
	show(ioctl(master, TIOCPKT, &on));
	write(slave, "last", 4);
	show(tcflow(slave, TCOOFF));
	close(slave);
	got();
	return 0;
}
