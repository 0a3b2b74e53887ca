/*
 * fork-bench: R pages are written once; then, LEVEL times, every process forks, and all read a word
 * of every page again. After Andrea Arcangeli's bench of March 2004.
 */
#include "guest.h"

static u32 read_all(const void *area, u32 pages)
{
	u32 sum = 0;

	for (u32 page = 0; page < pages; page++) {
		u32 word = *(const u32 *)((const u8 *)area + page * PAGE_SIZE);

		if (word != seed(1, page))
			die("page %u begins with %x\n", page, word);
		sum += word;
	}
	return sum;
}

int main(int argc, char **argv)
{
	u32 levels = param(argc, argv, "LEVEL", 4), pages = param(argc, argv, "R", 64);
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
	read_all(area, pages);
	if (first) {
		await_children(&f, others);
		mark("measure", (ulong)area, pages * PAGE_SIZE);
		release_children(&f, others);
	} else {
		child_wait(&f);
	}
	while (children--) {
		must(waitpid(-1, &status, 0), "wait4");
		if (status)
			die("fork-bench: a child ended with status %x\n", status);
	}
	if (!first)
		child_exit(&f, read_all(area, pages));
	for (u32 i = 0; i < others; i++, total += sum)
		must(read(f.sum[0], &sum, sizeof(sum)), "read");
	say("fork-bench: %u processes, %u pages, first %x, others %x\n", others + 1, pages,
	    checksum(area, pages), total);
	return 0;
}
