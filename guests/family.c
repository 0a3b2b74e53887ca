/* family: two children share a page, one copies it; pages go to swap and return (docs/tour.md). */
#include "guest.h"

static void wait_for(int pipe[2])
{
	char c;

	must(read(pipe[0], &c, 1), "read");
}

static void wake(int pipe[2])
{
	must(write(pipe[1], "", 1), "write");
}

static u32 status_of(int pid)
{
	int status;

	must(waitpid(pid, &status, 0), "wait4");
	return status >> 8;
}

int main(int argc UNUSED, char **argv UNUSED)
{
	volatile u32 *page = map_pages(1);
	int first, second, to_first[2], to_second[2], to_parent[2];

	must(pipe(to_first), "pipe");
	must(pipe(to_second), "pipe");
	must(pipe(to_parent), "pipe");

	page[0] = 1;
	mark("written", (ulong)page, PAGE_SIZE);

	first = must(fork(), "fork");
	if (first == 0) {
		wait_for(to_first);
		page[0] = 2;
		mark("copied", (ulong)page, PAGE_SIZE);
		reclaim((void *)page, PAGE_SIZE);
		mark("evicted", (ulong)page, PAGE_SIZE);
		if (page[0] != 2)
			die("the first child reads %u\n", page[0]);
		mark("back", (ulong)page, PAGE_SIZE);
		wake(to_parent);
		wait_for(to_first);
		exit(page[0]);
	}
	second = must(fork(), "fork");
	if (second == 0) {
		wait_for(to_second);
		exit(page[0]);
	}
	mark("forked", (ulong)page, PAGE_SIZE);

	wake(to_first);
	wait_for(to_parent);
	reclaim((void *)page, PAGE_SIZE);
	mark("gone", (ulong)page, PAGE_SIZE);

	wake(to_first);
	wake(to_second);
	first = status_of(first);
	second = status_of(second);
	say("family: parent %u, first child %u, second child %u\n", page[0],
	    first, second);
	return 0;
}
