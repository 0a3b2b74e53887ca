/*
 * mprotect-halves: two halves of an area, RW and RWX, are each written, then both made RW: may
 * they become one vma again (S14)? The smallest test of find_mergeable_anon_vma.
 */
#include "guest.h"

int main(int argc, char **argv)
{
	u32 pages = param(argc, argv, "R", 8), len = pages * PAGE_SIZE;
	u8 *area = map_pages(2 * pages);

	must(mprotect(area + len, len, PROT_RWX), "mprotect");
	mark("before", (ulong)area, 2 * len);
	fill(area, 2 * pages, 1);
	must(mprotect(area + len, len, PROT_RW), "mprotect");
	mark("measure", (ulong)area, 2 * len);
	check(area, 2 * pages, 1);
	say("mprotect-halves: 2 x %u pages, sum %x\n", pages, checksum(area, 2 * pages));
	return 0;
}
