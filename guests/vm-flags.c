/*
 * vm-flags: mlock, munlock, madvise and mprotect of N areas in turn, a call for each. While they
 * are locked, and again when not, H other pages are written and the areas paged out. An area is V
 * vmas of R pages.
 */
#include "guest.h"

enum { MADV_RANDOM = 1 };

/* Pieces whose protection alternates, so that they stay vmas of their own. */
static u8 *make_area(u32 vmas, u32 pages)
{
	u8 *area = map_pages(vmas * pages);
	u32 i;

	for (i = 1; i < vmas; i += 2)
		must(mprotect(area + i * pages * PAGE_SIZE, pages * PAGE_SIZE, PROT_RWX), "mprotect");
	return area;
}

int main(int argc, char **argv)
{
	u32 n = param(argc, argv, "N", 8), vmas = param(argc, argv, "V", 2);
	u32 pages = param(argc, argv, "R", 1), other = param(argc, argv, "H", 64);
	u32 len = vmas * pages * PAGE_SIZE, i, sum = 0;
	static u8 *area[1024], *heap;

	if (n > sizeof(area) / sizeof(*area))
		die("vm-flags: N must be at most 1024\n");
	for (i = 0; i < n; i++)
		area[i] = make_area(vmas, pages);
	heap = map_pages(other);
	for (i = 0; i < n; i++) /* not before all are there: areas must not merge, written */
		fill(area[i], vmas * pages, 1);
	mark("mlock", n, 0);
	for (i = 0; i < n; i++)
		must(mlock(area[i], len), "mlock");
	mark("write-locked", other, 0);
	fill(heap, other, 2);
	mark("reclaim-locked", n, 0);
	for (i = 0; i < n; i++)
		reclaim(area[i], len);
	mark("munlock", n, 0);
	for (i = 0; i < n; i++)
		must(munlock(area[i], len), "munlock");
	mark("write", other, 0);
	fill(heap, other, 3);
	mark("measure", (ulong)area[0], len);
	mark("madvise", n, 0);
	for (i = 0; i < n; i++)
		must(syscall3(NR_madvise, area[i], len, MADV_RANDOM), "madvise");
	mark("reclaim", n, 0);
	for (i = 0; i < n; i++)
		reclaim(area[i], len);
	mark("mprotect", n, 0);
	for (i = 0; i < n; i++)
		must(mprotect(area[i], len, PROT_READ), "mprotect");
	mark("end", 0, 0);
	for (i = 0; i < n; i++) {
		check(area[i], vmas * pages, 1);
		sum += checksum(area[i], vmas * pages);
	}
	check(heap, other, 3);
	say("vm-flags: %u areas, sum %x\n", n, sum);
	return 0;
}
