/*
 * merge-arena: an arena of R pages grows to 2 R by mremap and comes to lie directly below another
 * written area (S13): one vma, or two because the linear page offsets do not fit? WRITTEN=0 leaves
 * the arena unwritten until it has moved.
 */
#include "guest.h"

int main(int argc, char **argv)
{
	u32 pages = param(argc, argv, "R", 8), written = param(argc, argv, "WRITTEN", 1);
	u32 len = pages * PAGE_SIZE;
	u8 *both = map_pages(3 * pages), *arena = map_pages(pages);

	must(munmap(both, 2 * len), "munmap");
	for (u32 page = 2 * pages; page < 3 * pages; page++)
		fill_page(both, page, 1);
	if (written)
		fill(arena, pages, 2);
	mark("before", (ulong)both, 3 * len);
	must(mremap(arena, len, 2 * len, MREMAP_MAYMOVE | MREMAP_FIXED, both), "mremap");
	mark("measure", (ulong)both, 3 * len);
	if (!written)
		fill(both, pages, 2);
	check(both, pages, 2);
	for (u32 page = 2 * pages; page < 3 * pages; page++)
		check_page(both, page, 1);
	say("merge-arena: %u pages, sum %x\n", 3 * pages, checksum(both, 3 * pages));
	return 0;
}
