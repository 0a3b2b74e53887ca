/*
 * filer: makes the system calls that standard input lists, and writes each result and as many
 * bytes of a buffer as the list says to standard output.  filing.py makes the lists.
 */
#include "guest.h"

enum { POOL = 0x60000000, POOL_PAGES = 64, OUT = 0x61000000, OUT_PAGES = 4 };

static struct call {
	long nr, arg[6];
	ulong dump;
} call;

static int read_all(void *to, ulong n)
{
	long got;

	for (ulong done = 0; done < n; done += got)
		if ((got = read(0, (u8 *)to + done, n - done)) <= 0)
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
	map_at(POOL, POOL_PAGES);
	map_at(OUT, OUT_PAGES);
	if (!read_all((void *)POOL, POOL_PAGES * PAGE_SIZE))
		return 1;
	while (read_all(&call, sizeof(call))) {
		long ret;

		memset((void *)OUT, 0, OUT_PAGES * PAGE_SIZE);
		ret = syscall6(call.nr, call.arg[0], call.arg[1], call.arg[2], call.arg[3],
			       call.arg[4], call.arg[5]);
		write(1, &ret, sizeof(ret));
		if (call.dump)
			write(1, (void *)OUT, call.dump);
	}
	return 0;
}
