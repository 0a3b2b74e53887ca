/*
 * asker: makes the system calls that standard input lists, in a place that calls.py describes,
 * and writes the results of those that it shall report to standard output.
 */
#include "guest.h"

enum { O_RDWR = 2, ARENA = 0x50000000, POOL = 0x60000000 };

static struct {
	u32 calls;
	u8 pool[4 * PAGE_SIZE];
} head;

static struct call {
	long nr, arg[6], report;
} call;

static long make(const struct call *c)
{
	return syscall6(c->nr, c->arg[0], c->arg[1], c->arg[2], c->arg[3], c->arg[4], c->arg[5]);
}

static int read_all(void *to, u32 n)
{
	long got;

	for (u32 done = 0; done < n; done += got)
		if ((got = must(read(0, (u8 *)to + done, n - done), "read")) == 0)
			return 0;
	return 1;
}

static void map_at(ulong address, u32 pages)
{
	must(mmap((void *)address, pages * PAGE_SIZE, PROT_RW,
		  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED), "mmap");
}

int main(int argc UNUSED, char **argv UNUSED)
{
	int fds[2], broken[2];

	read_all(&head, sizeof(head));
	map_at(ARENA, 8);
	map_at(POOL, 4);
	must(pipe(fds), "pipe");
	must(syscall3(NR_open, "/dev/zero", O_RDWR, 0), "open");
	must(syscall3(NR_open, "/proc/self/comm", O_RDONLY, 0), "open");
	must(pipe(broken), "pipe");
	must(syscall2(NR_dup2, broken[1], broken[0]), "dup2");
	close(broken[1]);
	on_signal(SIGPIPE, (void *)1);
	for (u32 i = 0; i < head.calls; i++) {
		long ret;

		if (!read_all(&call, sizeof(call)))
			break;
		memcpy((void *)POOL, head.pool, sizeof(head.pool));
		ret = make(&call);
		if (call.report)
			write(1, &ret, sizeof(ret));
	}
	return 0;
}
