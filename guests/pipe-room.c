/* pipe-room: a pipe has 16 buffers of a page; how much fits depends on how it was written. */
#include "guest.h"

enum { F_SETFL = 4, O_NONBLOCK = 04000, PAGE = 4096 };

static int p[2];
static u8 *buf;

static void fresh(void)
{
	close(p[0]), close(p[1]);
	must(pipe(p), "pipe");
	for (int i = 0; i < 2; i++)
		must(syscall3(NR_fcntl, p[i], F_SETFL, O_NONBLOCK), "fcntl");
}

/* Write pieces until no more fits. */
static u32 fill_with(u32 piece)
{
	u32 sum = 0;
	long n;

	while ((n = write(p[1], buf, piece)) > 0)
		sum += n;
	return sum;
}

static u32 drain(u32 piece)
{
	u32 sum = 0;
	long n;

	while ((n = read(p[0], buf, piece)) > 0)
		sum += n;
	return sum;
}

int main(int argc UNUSED, char **argv UNUSED)
{
	static const u32 pieces[] = { 1, 100, 3000, 4095, 4096, 4097, 5000, 70000 };
	int status, total = 0;
	long n;

	buf = map_pages(20);
	for (u32 i = 0; i < sizeof(pieces) / sizeof(*pieces); i++) {
		fresh();
		say("pieces of %u: %u fit", pieces[i], fill_with(pieces[i]));
		say(", drained %u\n", drain(7777));
	}
	fresh();
	say("full of pages: %u", fill_with(PAGE));
	read(p[0], buf, 100);
	say(", 100 read: %d %d %d", (int)write(p[1], buf, 1), (int)write(p[1], buf, PAGE),
	    (int)write(p[1], buf, 5000));
	read(p[0], buf, PAGE - 100);
	say(", a page read: %d %d\n", (int)write(p[1], buf, 5000), (int)write(p[1], buf, 1));
	say("full and bad address: %d", (int)write(p[1], (void *)16, 1));
	close(p[0]);
	say(", nobody reads: %d, nothing written %d\n",
	    (on_signal(SIGPIPE, (void *)1), (int)write(p[1], (void *)16, 1)), (int)write(p[1], buf, 0));
	must(pipe(p), "pipe");
	if (must(fork(), "fork") == 0) {
		close(p[0]);
		exit((int)write(p[1], buf, 70000) == 70000 ? 5 : 6);
	}
	close(p[1]);
	while ((n = must(read(p[0], buf, 1000), "read")) > 0)
		total += n;
	must(waitpid(-1, &status, 0), "wait4");
	say("70000 at once: %d came, child %d\n", total, status >> 8);
	return 0;
}
