/* madvise: MADV_DONTNEED on every second of R pages: those read zero again, the others stay. */
#include "guest.h"

int main(int argc, char **argv)
{
	u32 pages = param(argc, argv, "R", 16), zero = 0;
	u8 *area = map_pages(pages);

	fill(area, pages, 1);
	mark("before", (ulong)area, pages * PAGE_SIZE);
	for (u32 page = 1; page < pages; page += 2) {
		u8 *p = area + page * PAGE_SIZE;

		must(syscall3(NR_madvise, p, PAGE_SIZE, MADV_DONTNEED), "madvise");
	}
	mark("measure", (ulong)area, pages * PAGE_SIZE);
	for (u32 page = 0; page < pages; page++) {
		if (page % 2)
			zero += checksum(area + page * PAGE_SIZE, 1) == 0;
		else
			check_page(area, page, 1);
	}
	say("madvise: %u of %u pages read zero, sum %x\n", zero, pages, checksum(area, pages));
	return 0;
}
