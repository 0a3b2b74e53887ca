/* mremap-exclusive: one process moves R written pages that nobody shares (S9). */
#include "guest.h"

int main(int argc, char **argv)
{
	u32 pages = param(argc, argv, "R", 64), len = pages * PAGE_SIZE;
	void *area = map_pages(pages), *to = find_room(pages);

	fill(area, pages, 1);
	mark("before", (ulong)area, len);
	must(mremap(area, len, len, MREMAP_MAYMOVE | MREMAP_FIXED, to), "mremap");
	mark("measure", (ulong)to, len);
	check(to, pages, 1);
	say("mremap-exclusive: %u pages, sum %x\n", pages, checksum(to, pages));
	return 0;
}
