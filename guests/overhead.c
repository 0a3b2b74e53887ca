/*
 * overhead: K vmas, what does each cost (S22)? mode=own: lone written pages, each vma with its own
 * anon_vma; mode=unwritten: the same, never touched; mode=shared: one written area cut by mprotect.
 */
#include "guest.h"

int main(int argc, char **argv)
{
	u32 k = param(argc, argv, "K", 1024), sum = 0;
	const char *mode = param_str(argc, argv, "mode", "own");
	int shared = same(mode, "shared"), own = same(mode, "own");
	u32 step = shared ? 1 : 2, len = k * step * PAGE_SIZE;
	u8 *area;

	if (!shared && !own && !same(mode, "unwritten"))
		die("overhead: mode is own, unwritten or shared\n");
	mark("before", k, 0);
	area = map_pages(k * step);
	if (shared)
		fill(area, k, 1); /* while it is one vma */
	for (u32 i = 1; i < k * step; i += 2) {
		if (shared)
			must(mprotect(area + i * PAGE_SIZE, PAGE_SIZE, PROT_READ), "mprotect");
		else
			must(munmap(area + i * PAGE_SIZE, PAGE_SIZE), "munmap");
	}
	for (u32 i = 0; own && i < k; i++)
		fill_page(area, 2 * i, 1);
	mark("measure", (ulong)area, len);
	for (u32 i = 0; i < k; i++)
		sum += checksum(area + i * step * PAGE_SIZE, 1);
	say("overhead: %u vmas, %s, sum %x\n", k, mode, sum);
	return 0;
}
