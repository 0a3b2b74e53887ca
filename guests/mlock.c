/* mlock: R locked pages stay resident whatever reclaim tries; once unlocked they may go. */
#include "guest.h"

static u32 resident(void *area, u32 pages)
{
	u8 vec[64];
	u32 n = 0;

	must(mincore(area, pages * PAGE_SIZE, vec), "mincore");
	for (u32 i = 0; i < pages; i++)
		n += vec[i] & 1;
	return n;
}

int main(int argc, char **argv)
{
	u32 pages = param(argc, argv, "R", 8), len = pages * PAGE_SIZE;
	void *area = map_pages(pages);

	if (pages > 64)
		die("mlock: R must be at most 64\n");
	must(mlock(area, len), "mlock"); /* brings the pages in */
	say("mlock: %u of %u pages resident before the first touch\n", resident(area, pages), pages);
	fill(area, pages, 1);
	reclaim(area, len);
	mark("measure", (ulong)area, len);
	say("mlock: %u of %u pages resident after reclaim\n", resident(area, pages), pages);
	must(munlock(area, len), "munlock");
	reclaim(area, len);
	mark("unlocked", (ulong)area, len);
	check(area, pages, 1);
	say("mlock: sum %x\n", checksum(area, pages));
	return 0;
}
