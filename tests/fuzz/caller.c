/*
 * caller: makes the system calls that standard input lists.  Each worker is a process that
 * makes some of them and ends, or is ended by its alarm; its children make a few more.
 */
#include "guest.h"

#ifdef __x86_64__
enum { NR_setitimer = 38, NR_setsid = 112 };
#else
enum { NR_setitimer = 104, NR_setsid = 66 };
#endif
enum { CHILD_CALLS = 25 };
enum { ARENA = 0x50000000, ARENA_PAGES = 64, POOL = 0x60000000, POOL_PAGES = 4, CALLS = 2048 };

struct call {
	long nr, arg[6];
};

static struct {
	ulong first, workers, each;
	struct call calls[CALLS];
} list;

static long make(const struct call *c)
{
	return syscall6(c->nr, c->arg[0], c->arg[1], c->arg[2], c->arg[3], c->arg[4], c->arg[5]);
}

static void __attribute__((noreturn)) work(u32 at, u32 left)
{
	static const long soon[4] = { 0, 0, 0, 50000 };

	syscall0(NR_setsid);
	syscall3(NR_setitimer, 0, soon, 0);
	for (u32 depth = 0; left--; at++) {
		const struct call *c = &list.calls[at % CALLS];
		long ret = make(c);

		if (ret == 0 && (c->nr == NR_fork || c->nr == NR_vfork || c->nr == NR_clone)) {
			if (++depth > 2)
				exit(2);
			syscall3(NR_setitimer, 0, soon, 0);
			left = left < CHILD_CALLS ? left : CHILD_CALLS;
			at += 7;
		}
	}
	exit(3);
}

static void read_all(void *to, u32 n)
{
	long got;

	for (u32 done = 0; done < n; done += got)
		if ((got = read(0, (u8 *)to + done, n - done)) <= 0)
			exit(1);
}

static void *map_at(ulong address, u32 pages)
{
	return (void *)mmap((void *)address, pages * PAGE_SIZE, PROT_RW,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED);
}

int main(int argc UNUSED, char **argv UNUSED)
{
	void *pool = map_at(POOL, POOL_PAGES), *arena = map_at(ARENA, ARENA_PAGES);
	int fds[2];

	read_all(&list, sizeof(list));
	read_all(pool, POOL_PAGES * PAGE_SIZE);
	for (u32 i = 0; i < ARENA_PAGES / 2; i++)
		fill_page(arena, i, 1);
	pipe(fds);
	pipe(fds);
	for (u32 i = list.first; i < list.first + list.workers; i++) {
		long pid = fork();

		if (pid == 0)
			work(i * list.each, list.each);
		waitpid(pid, NULL, 0);
	}
	return 0;
}
