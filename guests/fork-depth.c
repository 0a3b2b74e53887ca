/*
 * fork-depth: a process with R written pages has a child, this one has a child, and so on for D
 * levels, all of them alive; WRITE=1: each rewrites all pages before it forks, else it reads them.
 */
#include "guest.h"

/* The process at this depth, its pages and its descendants'. Only the first one returns. */
static void level(struct family *f, void *area, u32 pages, u32 depth, u32 last, u32 rewrite)
{
	int status = 0;

	check(area, pages, depth && rewrite ? depth - 1 : 0);
	if (rewrite)
		fill(area, pages, depth);
	if (depth < last && must(fork(), "fork") == 0)
		level(f, area, pages, depth + 1, last, rewrite);
	if (depth == 0)
		return;
	child_wait(f);
	check(area, pages, rewrite ? depth : 0);
	if (depth < last)
		must(waitpid(-1, &status, 0), "wait4");
	if (status)
		die("fork-depth: a child ended with status %x\n", status);
	child_exit(f, checksum(area, pages));
}

int main(int argc, char **argv)
{
	u32 depth = param(argc, argv, "D", 8), pages = param(argc, argv, "R", 16);
	u32 rewrite = param(argc, argv, "WRITE", 0) != 0, sum, total = 0;
	void *area = map_pages(pages);
	struct family f;

	family_init(&f);
	fill(area, pages, 0);
	level(&f, area, pages, 0, depth, rewrite);
	await_children(&f, depth);
	mark("measure", (ulong)area, pages * PAGE_SIZE);
	release_children(&f, depth);
	for (u32 i = 0; i < depth; i++, total += sum)
		must(read(f.sum[0], &sum, sizeof(sum)), "read");
	if (depth)
		must(waitpid(-1, NULL, 0), "wait4");
	check(area, pages, 0);
	say("fork-depth: %u levels, %u pages, first %x, others %x\n", depth, pages,
	    checksum(area, pages), total);
	return 0;
}
