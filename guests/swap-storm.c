/*
 * swap-storm: a working set of PAGES pages, rewritten in order and in disorder for PASSES passes,
 * every word verified before it is overwritten; FORK=1 lets a child verify what the parent changes.
 */
#include "guest.h"

static u8 *area, *version; /* the tag each page was last written with */
static u32 pages;

static void rewrite(u32 page)
{
	check_page(area, page, version[page]);
	fill_page(area, page, ++version[page]);
}

static u32 gcd(u32 a, u32 b)
{
	return b ? gcd(b, a % b) : a;
}

int main(int argc, char **argv)
{
	u32 passes = param(argc, argv, "PASSES", 2), stride, sum = 0;
	int forking = param(argc, argv, "FORK", 0), status = 0;

	pages = param(argc, argv, "PAGES", 256);
	if (!pages || passes > 100)
		die("swap-storm: PAGES must be at least 1, PASSES at most 100\n");
	area = map_pages(pages);
	version = map_pages(pages / PAGE_SIZE + 1);
	fill(area, pages, 0);
	for (stride = pages / 3 * 2 + 1; gcd(stride, pages) != 1;)
		stride++; /* a stride without common divisor visits every page once */
	for (u32 pass = 0; pass < passes; pass++) {
		for (u32 i = 0; i < pages; i++)
			rewrite(i);
		for (u32 i = 0, page = pass % pages; i < pages; i++, page = (page + stride) % pages)
			rewrite(page);
		mark("pass", pass, 0);
	}
	if (forking && must(fork(), "fork") == 0) {
		for (u32 page = 0; page < pages; page++)
			check_page(area, page, version[page]);
		for (u32 page = 0; page < pages; page += 16)
			rewrite(page);
		exit(0);
	}
	if (forking) {
		for (u32 page = 1; page < pages; page += 16)
			rewrite(page);
		must(waitpid(-1, &status, 0), "wait4");
	}
	mark("measure", (ulong)area, pages * PAGE_SIZE);
	for (u32 page = 0; page < pages; page++) {
		check_page(area, page, version[page]);
		sum += checksum(area + page * PAGE_SIZE, 1);
	}
	if (status)
		die("swap-storm: the child ended with status %x\n", status);
	say("swap-storm: %u pages, %u passes, ok, sum %x\n", pages, passes, sum);
	return 0;
}
