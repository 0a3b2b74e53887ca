/*
 * merge-order: R written pages that are read-only lie above R unwritten ones. N children make the
 * written ones writable and rewrite them, then the parent makes its own writable: the lower area,
 * which had no rmap object, takes over the upper one. Does it keep the upper one's place?
 */
#include "guest.h"

static void allow(void *addr, u32 pages, int prot)
{
	must(mprotect(addr, pages * PAGE_SIZE, prot), "mprotect");
}

int main(int argc, char **argv)
{
	u32 pages = param(argc, argv, "R", 16), n = param(argc, argv, "N", 4), total;
	u8 *both = map_pages(2 * pages), *written = both + pages * PAGE_SIZE;
	struct family f;

	family_init(&f);
	allow(both, pages, PROT_RWX); /* two areas before the first write */
	fill(written, pages, 0);
	allow(written, pages, PROT_READ);
	allow(both, pages, PROT_RW);
	for (u32 i = 1; i <= n; i++) {
		if (must(fork(), "fork") == 0) {
			check(written, pages, 0);
			allow(written, pages, PROT_RW);
			fill(written, pages, i);
			child_wait(&f);
			check(written, pages, i);
			child_exit(&f, checksum(written, pages));
		}
	}
	await_children(&f, n);
	mark("before", (ulong)both, 2 * pages * PAGE_SIZE);
	allow(written, pages, PROT_RW);
	mark("measure", (ulong)both, 2 * pages * PAGE_SIZE);
	release_children(&f, n);
	total = reap_children(&f, n);
	check(written, pages, 0);
	say("merge-order: %u pages, %u children, parent %x, children %x\n", pages, n,
	    checksum(both, 2 * pages), total);
	return 0;
}
