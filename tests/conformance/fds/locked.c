/* What of a terminal is locked stays as it is, whoever changes the rest. */
#include "show.h"
#include <sys/ioctl.h>
#include <termios.h>

/* The kernel's struct termios, which the C library's is not. */
struct ktermios { unsigned flags[4]; unsigned char line, cc[19]; };

static void print(int fd)
{
	struct ktermios t;

	show(ioctl(fd, TCGETS, &t));
	printf("%o %o %o %o %d %d\n", t.flags[0], t.flags[1], t.flags[2] & CSIZE, t.flags[3], t.cc[VINTR], t.cc[VMIN]);
}

int main(void)
{
	int master = open("/dev/ptmx", O_RDWR | O_NOCTTY), unlock = 0, slave, i;
	struct ktermios t, locked;
	char name[32];

	show(ioctl(master, TIOCGPTN, &i));
	sprintf(name, "/dev/pts/%d", i);
	show(ioctl(master, TIOCSPTLCK, &unlock));
	slave = open(name, O_RDWR | O_NOCTTY);
	memset(&locked, 0xff, sizeof locked);
	show(ioctl(slave, TIOCGLCKTRMIOS, &locked));
	for (i = 0; i < 4; i++)
		printf("%o ", locked.flags[i]);
	printf("%d %d %d\n", locked.line, locked.cc[0], locked.cc[18]);
	locked.flags[0] = ICRNL;
	locked.flags[3] = ECHO | ICANON;
	locked.cc[VINTR] = 1;
	show(ioctl(slave, TIOCSLCKTRMIOS, &locked));
	show(ioctl(slave, TIOCSLCKTRMIOS, (void *)16));
	show(ioctl(slave, TIOCGLCKTRMIOS, (void *)16));
	print(slave);
	show(ioctl(slave, TCGETS, &t));
	t.flags[0] = t.flags[1] = t.flags[3] = 0;
	t.cc[VINTR] = 9;
	t.cc[VMIN] = 7;
	show(ioctl(slave, TCSETS, &t));
	print(slave);
	show(ioctl(master, TIOCGLCKTRMIOS, &t));	/* the terminal's, from both ends */
	printf("%o %o %d\n", t.flags[0], t.flags[3], t.cc[VINTR]);
	memset(&locked, 0, sizeof locked);
	show(ioctl(slave, TIOCSLCKTRMIOS, &locked));
	t.flags[0] = t.flags[3] = 0;
	show(ioctl(slave, TCSETS, &t));
	show(setuid(1000));
	show(ioctl(slave, TIOCSLCKTRMIOS, &locked));
	show(ioctl(slave, TIOCGLCKTRMIOS, &locked));
	print(slave);
	return 0;
}
