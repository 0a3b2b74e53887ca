/* mprotect-stripes: K stripes of R pages, RW and RWX in turn, all written, all restored (S14b). */
#include "guest.h"

int main(int argc, char **argv)
{
	u32 k = param(argc, argv, "K", 8), pages = param(argc, argv, "R", 2);
	u32 len = pages * PAGE_SIZE;
	u8 *area = map_pages(k * pages);

	for (u32 i = 1; i < k; i += 2)
		must(mprotect(area + i * len, len, PROT_RWX), "mprotect");
	mark("before", (ulong)area, k * len);
	fill(area, k * pages, 1);
	for (u32 i = 1; i < k; i += 2)
		must(mprotect(area + i * len, len, PROT_RW), "mprotect");
	mark("measure", (ulong)area, k * len);
	check(area, k * pages, 1);
	say("mprotect-stripes: %u x %u pages, sum %x\n", k, pages, checksum(area, k * pages));
	return 0;
}
