/*
 * bench: one operation over N pages (or N calls, or N steps), REP times and once more to warm up.
 *
 * time=1 prints what each repetition took, time=2 its CPU time and that of the children it has
 * waited for. Inside vmemu time is virtual, so there a repetition is marked instead, and whoever answers the marks reads the host's clock. What
 * one repetition does, and by what to divide, stands in bench/rows.py. evict=1 asks whoever reads
 * the output to evict, where there is no lab that could.
 */
#include "guest.h"
#include "bench/compute.h"
#include "bench/memory.h"
#include "bench/file.h"
#include "bench/process.h"
#include "bench/threads.h"

static void nothing(u32 n) { (void)n; }

static const struct row {
	const char *name;
	void (*setup)(u32), (*before)(u32), (*timed)(u32), (*after)(u32);
} rows[] = {
	{ "empty", nothing, nothing, nothing, nothing },
	{ "int", nothing, nothing, do_int, nothing },
	{ "sieve", get_area, nothing, do_sieve, nothing },
	{ "chase", set_chase, nothing, do_chase, nothing },
	{ "memcpy", get_two_areas, nothing, do_memcpy, nothing },
	{ "touch", get_area, drop, touch_all, nothing },
	{ "touch-map", nothing, nothing, do_touch_map, nothing },
	{ "read-map", nothing, nothing, do_read_map, nothing },
	{ "file-fault", get_windows, drop, read_all, nothing },
	{ "file-read", open_file, nothing, do_file_read, nothing },
	{ "cow", get_area, share, touch_all, unshare },
	{ "mremap", get_room, nothing, do_mremap, nothing },
	{ "mremap-aligned", get_aligned_room, nothing, do_mremap, nothing },
	{ "mprotect", get_area, nothing, do_mprotect, nothing },
	{ "mprotect-write", get_area, nothing, do_mprotect_write, nothing },
	{ "swapin", get_area, evict, touch_all, nothing },
	{ "swap", get_area, nothing, touch_all, nothing },
	{ "fork", get_area, nothing, do_fork, reap },
	{ "fork-wait", get_area, nothing, do_fork_wait, nothing },
	{ "exec", nothing, nothing, do_exec, nothing },
	{ "getpid", nothing, nothing, do_getpid, nothing },
	{ "umask", nothing, nothing, do_umask, nothing },
	{ "pipe", start_ring, nothing, do_ring, nothing },
	{ "switch", start_ring_of_8, nothing, do_ring, nothing },
	{ "futex", start_2_threads, nothing, do_threads, nothing },
	{ "thread-switch", start_8_threads, nothing, do_threads, nothing },
};

enum clock { CLOCK_NONE, CLOCK_GUEST, CLOCK_LAB };
static u32 clock_id = CLOCK_MONOTONIC;

static struct timespec now(void)
{
	enum { RUSAGE_CHILDREN = -1 };
	struct timespec ts;
	long usage[64]; /* two struct timevals, and more */

	must(syscall2(NR_clock_gettime, clock_id, &ts), "clock_gettime");
	if (clock_id == CLOCK_MONOTONIC)
		return ts;
	must(syscall2(NR_getrusage, RUSAGE_CHILDREN, usage), "getrusage");
	ts.tv_sec += usage[0] + usage[2];
	ts.tv_nsec += (usage[1] + usage[3]) * 1000;
	for (; ts.tv_nsec >= 1000000000; ts.tv_nsec -= 1000000000)
		ts.tv_sec++;
	return ts;
}

/* In two numbers: a swap pass of a slow disk is more nanoseconds than 32 bits hold. */
static void say_spent(struct timespec start, struct timespec end)
{
	if (end.tv_nsec < start.tv_nsec) {
		end.tv_sec--;
		end.tv_nsec += 1000000000;
	}
	say("s=%u ns=%u\n", (u32)(end.tv_sec - start.tv_sec), (u32)(end.tv_nsec - start.tv_nsec));
}

static void repeat(const struct row *row, u32 n, enum clock clock)
{
	struct timespec start = { 0, 0 }, end = { 0, 0 };

	row->before(n);
	if (clock == CLOCK_LAB)
		mark("begin", 0, 0);
	else if (clock == CLOCK_GUEST)
		start = now();
	row->timed(n);
	if (clock == CLOCK_LAB)
		mark("end", 0, 0);
	else if (clock == CLOCK_GUEST)
		end = now();
	row->after(n);
	if (clock == CLOCK_GUEST)
		say_spent(start, end);
}

int main(int argc, char **argv)
{
	u32 n = param(argc, argv, "N", 256), rep = param(argc, argv, "REP", 10);
	u32 time = param(argc, argv, "time", 0);
	enum clock clock = CLOCK_NONE;

	executed(argc, argv);
	ask_to_evict = param(argc, argv, "evict", 0);
	if (time == 2)
		clock_id = CLOCK_PROCESS_CPUTIME_ID;
	if (time) /* a lab that takes time answers 1 */
		clock = syscall4(NR_lab, LAB_MARK, "clock", 0, 0) == 1 ? CLOCK_LAB : CLOCK_GUEST;
	for (const struct row *row = rows; argc > 1 && row < rows + sizeof(rows) / sizeof(*rows);
	     row++) {
		if (!same(argv[1], row->name))
			continue;
		no_huge_pages();
		row->setup(n);
		repeat(row, n, CLOCK_NONE);
		for (u32 i = 0; i < rep; i++)
			repeat(row, n, clock);
		stop_ring();
		stop_threads();
		say("bench: %s done\n", row->name);
		return 0;
	}
	die("usage: bench ROW [N=256] [REP=10] [time=0] [evict=0] [through=PATH]; rows are in bench.c\n");
}
