/* short-read: what a read cannot store stays where it was; what it could store is its result. */
#include "guest.h"

enum { F_SETFL = 4, O_NONBLOCK = 04000 };

int main(int argc UNUSED, char **argv UNUSED)
{
	u8 *page = map_pages(2), *bad = page + PAGE_SIZE, c[8] = "";
	int p[2], fd;

	must(pipe(p), "pipe");
	must(syscall3(NR_fcntl, p[0], F_SETFL, O_NONBLOCK), "fcntl");
	write(p[1], "k", 1);
	mprotect(bad, PAGE_SIZE, PROT_READ);
	say("pipe: %d", (int)read(p[0], bad, 1));
	say(", then %d %s", (int)read(p[0], c, 1), (char *)c);
	say(", then %d\n", (int)read(p[0], c, 1));

	write(p[1], page, PAGE_SIZE);
	write(p[1], page, PAGE_SIZE);
	say("two pages: %d", (int)read(p[0], page, 2 * PAGE_SIZE));
	say(", %d", (int)read(p[0], page + 1, PAGE_SIZE)); /* one byte is bad: nothing is read */
	say(", %d\n", (int)read(p[0], page, 2 * PAGE_SIZE));

	fd = must(syscall3(NR_open, "/proc/self/comm", O_RDONLY, 0), "open");
	say("proc: %d", (int)read(fd, bad, 3));
	say(", then %d %s\n", (int)read(fd, c, 4), (char *)c);
	fd = must(syscall3(NR_open, "/proc/self/maps", O_RDONLY, 0), "open");
	say("maps: %d, then %d\n", (int)read(fd, bad - 2, 9), (int)read(fd, c, 6));
	fd = must(syscall3(NR_open, "/dev/zero", O_RDONLY, 0), "open");
	say("zero: %d %d\n", (int)read(fd, bad - 5, 9), (int)read(fd, bad, 9));
	say("random: %d %d\n", (int)syscall3(NR_getrandom, bad, 4, 0),
	    (int)syscall3(NR_getrandom, bad, 0, 0));
	say("end of a file: %d\n", (int)read(0, bad, 3));
	close(p[1]);
	say("end of a pipe: %d\n", (int)read(p[0], bad, 3));
	return 0;
}
