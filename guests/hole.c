/*
 * hole: 3 R written pages that N children only read; then the parent unmaps its middle third. In
 * which order do its two parts and the children's areas stand?
 */
#include "guest.h"

int main(int argc, char **argv)
{
	u32 pages = param(argc, argv, "R", 16), n = param(argc, argv, "N", 4), total;
	u8 *area = map_pages(3 * pages);
	struct family f;

	family_init(&f);
	fill(area, 3 * pages, 0);
	for (u32 i = 1; i <= n; i++) {
		if (must(fork(), "fork") == 0) {
			check(area, 3 * pages, 0);
			child_wait(&f);
			check(area, 3 * pages, 0);
			child_exit(&f, checksum(area, 3 * pages));
		}
	}
	await_children(&f, n);
	mark("before", (ulong)area, 3 * pages * PAGE_SIZE);
	must(munmap(area + pages * PAGE_SIZE, pages * PAGE_SIZE), "munmap");
	mark("measure", (ulong)area, 3 * pages * PAGE_SIZE);
	release_children(&f, n);
	total = reap_children(&f, n);
	for (u32 page = 0; page < 3 * pages; page++)
		if (page / pages != 1)
			check_page(area, page, 0);
	say("hole: 2 x %u pages, %u children, parent %x and %x, children %x\n", pages, n,
	    checksum(area, pages), checksum(area + 2 * pages * PAGE_SIZE, pages), total);
	return 0;
}
