/*
 * wild: a bad guest: hands bad pointers to system calls and counts how often it hears EFAULT.
 * ALL=1, inside vmemu only, tries every system call number that does not end, stop or block us.
 */
#include "guest.h"

#ifdef __x86_64__
#define TASK_SIZE 0x7fc0000000ul
#else
#define TASK_SIZE 0xc0000000
#endif

enum { POINTERS = 8, LAST_CALL = 460 };

static ulong wild[POINTERS + 1] = { 0, 4, TASK_SIZE, -2ul };
static u8 *good;
static int fd[2];

/* What forks, waits, closes, kills, exits or blocks; brk, setrlimit, personality, mlockall. */
#ifdef __x86_64__
static const short skipped[] = { 3, 7, 12, 13, 14, 15, 23, 34, 35, 37, 38, 56, 57, 58, 60, 61,
				 62, 130, 135, 151, 160, 200, 202, 219, 230, 231, 234, 247, 270,
				 271, 281, 282, 289, 291, 292, 435, 436 };
#else
static const short skipped[] = { 1, 2, 6, 7, 26, 27, 29, 37, 45, 63, 72, 75, 82, 88, 119, 120,
				 136, 142, 152, 173, 177, 179, 190, 238, 252, 270, 308, 309,
				 330, 436 };
#endif

static u32 call(const char *name, long nr, int at, long a, long b, long c, long d)
{
	long arg[4] = { a, b, c, d };
	u32 faults = 0;

	for (u32 i = 0; i < POINTERS; i++) {
		ulong iov[2] = { wild[i], 16 };

		if (nr == NR_wait4 && must(fork(), "fork") == 0)
			exit(0); /* a zombie whose status has somewhere to go */
		if (nr == NR_read)
			must(write(fd[1], good, 16), "write");
		arg[at & 3] = at > 3 ? (long)iov : (long)wild[i];
		faults += syscall4(nr, arg[0], arg[1], arg[2], arg[3]) == -EFAULT;
	}
	while (nr == NR_wait4 && waitpid(-1, NULL, 0) > 0)
		;
	say("wild: %s: EFAULT for %u of %u\n", name, faults, (u32)POINTERS);
	return faults;
}

/* Returns how many of all calls gave EFAULT; that differs by kernel. */
static u32 call_everything(void)
{
	u32 faults = 0, s = 0;

	must(write(fd[1], good, 512), "write"); /* so that no read ever blocks */
	for (long nr = 0; nr <= LAST_CALL; nr++) {
		if (s < sizeof(skipped) / sizeof(*skipped) && skipped[s] == nr) {
			s++;
			continue;
		}
		for (u32 i = 0; i <= POINTERS; i++) {
			long p = wild[i];

			faults += syscall5(nr, p, p, p, p, p) == -EFAULT;
			faults += syscall5(nr, fd[0], p, 16, p, p) == -EFAULT;
			faults += syscall5(nr, fd[1], p, 16, p, p) == -EFAULT;
		}
	}
	return faults;
}

int main(int argc, char **argv)
{
	u32 sum = 0;

	good = map_pages(3);
	fill(good, 1, 1);
	wild[4] = (ulong)good + 3 * PAGE_SIZE; /* unmapped */
	wild[5] = (ulong)good + 3 * PAGE_SIZE - 2; /* begins well */
	memset(good + 3 * PAGE_SIZE - 2, 'x', 2);
	must(mprotect(good + PAGE_SIZE, PAGE_SIZE, PROT_READ), "mprotect");
	wild[6] = (ulong)good + PAGE_SIZE; /* read-only zeroes */
	wild[7] = (ulong)find_room(1); /* unmapped on all sides */
	wild[POINTERS] = TASK_SIZE - 1; /* ALL only: where vmemu has the last byte of the stack */
	must(pipe(fd), "pipe");
	sum += call("read", NR_read, 1, fd[0], 0, 16, 0);
	sum += call("write", NR_write, 1, fd[1], 0, 16, 0);
	sum += call("writev", NR_writev, 1, fd[1], 0, 1, 0);
	sum += call("writev from", NR_writev, 4 + 1, fd[1], 0, 1, 0);
	sum += call("open", NR_open, 0, 0, 0, 0, 0);
	sum += call("pipe", NR_pipe, 0, 0, 0, 0, 0);
	sum += call("wait4", NR_wait4, 1, -1, 0, 0, 0);
	sum += call("times", NR_times, 0, 0, 0, 0, 0);
	sum += call("gettimeofday", NR_gettimeofday, 0, 0, 0, 0, 0);
	sum += call("uname", NR_uname, 0, 0, 0, 0, 0);
	sum += call("nanosleep", NR_nanosleep, 0, 0, 0, 0, 0);
	sum += call("rt_sigaction", NR_rt_sigaction, 1, 10, 0, 0, 8);
	sum += call("mincore", NR_mincore, 2, (long)good, PAGE_SIZE, 0, 0);
	sum += call("getrusage", NR_getrusage, 1, 0, 0, 0, 0);
	sum += call("clock_gettime", NR_clock_gettime, 1, CLOCK_MONOTONIC, 0, 0, 0);
	if (param(argc, argv, "ALL", 0)) {
		if (!in_lab())
			die("wild: ALL=1 is for vmemu only\n");
		mark("measure", call_everything(), 0);
	}
	check(good, 1, 1);
	say("wild: %u in all, and still here\n", sum);
	return 0;
}
