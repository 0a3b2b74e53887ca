/* fork-server: the parent writes R pages, forks N children, each writes them all (S2). */
#include "guest.h"

int main(int argc, char **argv)
{
	u32 pages = param(argc, argv, "R", 64), n = param(argc, argv, "N", 16), total;
	void *area = map_pages(pages);
	struct family f;

	family_init(&f);
	fill(area, pages, 0);
	for (u32 i = 1; i <= n; i++) {
		if (must(fork(), "fork") == 0) {
			check(area, pages, 0);
			fill(area, pages, i);
			child_wait(&f);
			check(area, pages, i);
			child_exit(&f, checksum(area, pages));
		}
	}
	await_children(&f, n);
	mark("measure", (ulong)area, pages * PAGE_SIZE);
	release_children(&f, n);
	total = reap_children(&f, n);
	check(area, pages, 0);
	say("fork-server: %u pages, %u children, parent %x, children %x\n", pages, n,
	    checksum(area, pages), total);
	return 0;
}
