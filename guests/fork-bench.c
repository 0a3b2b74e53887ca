/*
 * fork-bench: R pages are written once; then, LEVEL times, every process forks, and all read
 * everything again. After Andrea Arcangeli's bench of March 2004.
 */
#include "guest.h"

int main(int argc, char **argv)
{
	u32 levels = param(argc, argv, "LEVEL", 4),
	    pages = param(argc, argv, "R", 64);
	u32 children = 0, others = (1u << levels) - 1, sum, total = 0;
	int status, first = 1;
	struct family f;
	void *area;

	if (levels > 12)
		die("fork-bench: LEVEL must be at most 12\n");
	area = map_pages(pages);
	family_init(&f);
	fill(area, pages, 1);
	for (u32 i = 0; i < levels; i++) {
		children++;
		if (must(fork(), "fork") == 0)
			children = first = 0;
	}
	check(area, pages, 1);
	if (first) {
		await_children(&f, others);
		mark("measure", (ulong)area, pages * PAGE_SIZE);
		release_children(&f, others);
	} else {
		child_wait(&f);
		check(area, pages, 1);
	}
	while (children--) {
		must(waitpid(-1, &status, 0), "wait4");
		if (status)
			die("fork-bench: a child ended with status %x\n",
			    status);
	}
	if (!first)
		child_exit(&f, checksum(area, pages));
	for (u32 i = 0; i < others; i++, total += sum)
		must(read(f.sum[0], &sum, sizeof(sum)), "read");
	say("fork-bench: %u processes, %u pages, first %x, others %x\n",
	    others + 1, pages, checksum(area, pages), total);
	return 0;
}
