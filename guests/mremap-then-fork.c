/* mremap-then-fork: moves R written pages first and forks afterwards: the order matters (S12). */
#include "guest.h"

int main(int argc, char **argv)
{
	u32 pages = param(argc, argv, "R", 64), len = pages * PAGE_SIZE, total;
	void *area = map_pages(pages), *to = find_room(pages);
	struct family f;

	family_init(&f);
	fill(area, pages, 1);
	mark("before", (ulong)area, len);
	must(mremap(area, len, len, MREMAP_MAYMOVE | MREMAP_FIXED, to), "mremap");
	if (must(fork(), "fork") == 0) {
		child_wait(&f);
		check(to, pages, 1);
		child_exit(&f, checksum(to, pages));
	}
	await_children(&f, 1);
	mark("measure", (ulong)to, len);
	release_children(&f, 1);
	total = reap_children(&f, 1);
	check(to, pages, 1);
	say("mremap-then-fork: %u pages, parent %x, child %x\n", pages, checksum(to, pages), total);
	return 0;
}
