/* fork-readers: the parent writes R pages, forks N children that only read them (S3). */
#include "guest.h"

int main(int argc, char **argv)
{
	u32 pages = param(argc, argv, "R", 64), n = param(argc, argv, "N", 16), total;
	void *area = map_pages(pages);
	struct family f;

	family_init(&f);
	fill(area, pages, 1);
	for (u32 i = 0; i < n; i++) {
		if (must(fork(), "fork") == 0) {
			check(area, pages, 1);
			child_wait(&f);
			check(area, pages, 1);
			child_exit(&f, checksum(area, pages));
		}
	}
	await_children(&f, n);
	mark("measure", (ulong)area, pages * PAGE_SIZE);
	release_children(&f, n);
	total = reap_children(&f, n);
	say("fork-readers: %u pages, %u children, parent %x, children %x\n", pages, n,
	    checksum(area, pages), total);
	return 0;
}
