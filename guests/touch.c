/* touch: reads PAGES pages (the zero page), then writes them: one process, nothing shared (S1). */
#include "guest.h"

int main(int argc, char **argv)
{
	u32 pages = param(argc, argv, "PAGES", 64);
	u32 *area = map_pages(pages), sum;

	sum = checksum(area, pages);
	mark("read", (ulong)area, pages * PAGE_SIZE);
	fill(area, pages, 1);
	mark("measure", (ulong)area, pages * PAGE_SIZE);
	check(area, pages, 1);
	say("touch: %u pages, read %x, written %x\n", pages, sum, checksum(area, pages));
	return 0;
}
