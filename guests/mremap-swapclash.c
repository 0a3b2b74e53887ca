/*
 * mremap-swapclash: shared pages are in swap when the parent moves them; then both sides read
 * them back, at different addresses: anonmm must copy at swap-in.
 */
#include "guest.h"

int main(int argc, char **argv)
{
	u32 pages = param(argc, argv, "R", 64), len = pages * PAGE_SIZE, total;
	void *area = map_pages(pages), *to = find_room(pages);
	struct family f;

	family_init(&f);
	fill(area, pages, 1);
	if (must(fork(), "fork") == 0) {
		child_wait(&f);
		check(area, pages, 1);
		child_wait(&f);
		fill(area, pages, 2);
		child_wait(&f);
		check(area, pages, 2);
		child_exit(&f, checksum(area, pages));
	}
	await_children(&f, 1);
	reclaim(area, len);
	mark("before", (ulong)area, len);
	must(mremap(area, len, len, MREMAP_MAYMOVE | MREMAP_FIXED, to), "mremap");
	check(to, pages, 1);
	release_children(&f, 1);
	await_children(&f, 1); /* the child has read its view */
	mark("measure", (ulong)to, len);
	release_children(&f, 1);
	await_children(&f, 1); /* the child has written */
	check(to, pages, 1);
	reclaim(to, len); /* once more, now unshared */
	check(to, pages, 1);
	release_children(&f, 1);
	total = reap_children(&f, 1);
	say("mremap-swapclash: %u pages, parent %x, child %x\n", pages, checksum(to, pages), total);
	return 0;
}
