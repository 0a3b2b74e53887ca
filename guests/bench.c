/*
 * bench: one timed operation, REP times over N pages (or N calls): touch, cow, fork, mremap,
 * mprotect, getpid or swap. time=1 prints the microseconds that the operation itself took.
 */
#include "guest.h"

static u32 spent; /* microseconds */

static u32 now(void)
{
	struct timespec ts;

	must(syscall2(NR_clock_gettime, CLOCK_MONOTONIC, &ts), "clock_gettime");
	return (u32)ts.tv_sec * 1000000 + ts.tv_nsec / 1000; /* differences survive the wrap */
}

static void touch(u8 *area, u32 n, u32 value)
{
	for (u32 i = 0; i < n; i++)
		*(volatile u32 *)(area + i * PAGE_SIZE) = value;
}

static void nothing(u8 *area, u32 n)
{
	(void)area, (void)n;
}

static void do_touch(u8 *area, u32 n) { touch(area, n, 1); }

static void do_getpid(u8 *area, u32 n)
{
	(void)area;
	while (n--)
		getpid();
}

static void do_fork(u8 *area, u32 n)
{
	(void)area, (void)n;
	if (must(fork(), "fork") == 0)
		exit(0);
	waitpid(-1, NULL, 0);
}

static void do_mremap(u8 *area, u32 n)
{
	u8 *to = area + (n + 2) * PAGE_SIZE; /* main left room there */

	must(mremap(area, n * PAGE_SIZE, n * PAGE_SIZE, MREMAP_MAYMOVE | MREMAP_FIXED, to), "mremap");
	must(mremap(to, n * PAGE_SIZE, n * PAGE_SIZE, MREMAP_MAYMOVE | MREMAP_FIXED, area), "mremap");
}

static void do_mprotect(u8 *area, u32 n)
{
	must(mprotect(area, n * PAGE_SIZE, PROT_READ), "mprotect");
	must(mprotect(area, n * PAGE_SIZE, PROT_RW), "mprotect");
}

static void out(u8 *area, u32 n) { reclaim(area, n * PAGE_SIZE); }

/* A child shares the pages while the parent writes them. */
static int held[2], holder;

static void share(u8 *area, u32 n)
{
	char c;

	(void)area, (void)n;
	must(pipe(held), "pipe");
	holder = must(fork(), "fork");
	if (holder == 0) {
		close(held[1]);
		read(held[0], &c, 1);
		exit(0);
	}
}

static void unshare(u8 *area, u32 n)
{
	(void)area, (void)n;
	close(held[0]);
	close(held[1]);
	waitpid(holder, NULL, 0);
}

static void drop(u8 *area, u32 n)
{
	must(syscall3(NR_madvise, area, n * PAGE_SIZE, MADV_DONTNEED), "madvise");
}

static const struct op {
	const char *name;
	void (*before)(u8 *, u32), (*timed)(u8 *, u32), (*after)(u8 *, u32);
} ops[] = {
	{ "touch", drop, do_touch, nothing },
	{ "cow", share, do_touch, unshare },
	{ "fork", nothing, do_fork, nothing },
	{ "mremap", nothing, do_mremap, nothing },
	{ "mprotect", nothing, do_mprotect, nothing },
	{ "getpid", nothing, do_getpid, nothing },
	{ "swap", out, do_touch, nothing },
};

int main(int argc, char **argv)
{
	u32 n = param(argc, argv, "N", 256), rep = param(argc, argv, "REP", 10), start;
	u8 *area;

	for (const struct op *op = ops; argc > 1 && op < ops + sizeof(ops) / sizeof(*ops); op++) {
		if (!same(argv[1], op->name))
			continue;
		area = map_pages(2 * n + 2);
		must(munmap(area + n * PAGE_SIZE, (n + 2) * PAGE_SIZE), "munmap");
		touch(area, n, 2);
		for (u32 i = 0; i < rep; i++) {
			op->before(area, n);
			start = now();
			op->timed(area, n);
			spent += now() - start;
			op->after(area, n);
		}
		if (param(argc, argv, "time", 0))
			say("us=%u\n", spent);
		say("bench: %s done\n", op->name);
		return 0;
	}
	die("usage: bench touch|cow|fork|mremap|mprotect|getpid|swap [N=] [REP=] [time=1]\n");
}
