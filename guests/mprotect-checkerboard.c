/*
 * mprotect-checkerboard: K written pages between unwritten read-only ones, all restored to RW
 * (S14c): no written page had a neighbour to share an anon_vma with.
 */
#include "guest.h"

int main(int argc, char **argv)
{
	u32 k = param(argc, argv, "K", 8);
	u8 *area = map_pages(2 * k);

	for (u32 i = 0; i < k; i++)
		must(mprotect(area + (2 * i + 1) * PAGE_SIZE, PAGE_SIZE, PROT_READ), "mprotect");
	mark("before", (ulong)area, 2 * k * PAGE_SIZE);
	for (u32 i = 0; i < k; i++)
		fill_page(area, 2 * i, 1);
	for (u32 i = 0; i < k; i++)
		must(mprotect(area + (2 * i + 1) * PAGE_SIZE, PAGE_SIZE, PROT_RW), "mprotect");
	mark("measure", (ulong)area, 2 * k * PAGE_SIZE);
	for (u32 i = 0; i < k; i++)
		check_page(area, 2 * i, 1);
	say("mprotect-checkerboard: %u pages, sum %x\n", k, checksum(area, 2 * k));
	return 0;
}
