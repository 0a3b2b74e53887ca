/* cousins: three children share a page; the first has it in swap, the second moved it (vmemu who). */
#include "guest.h"

int main(int argc UNUSED, char **argv UNUSED)
{
	void *page = map_pages(1), *to = find_room(1);
	struct family turn, end;
	u32 total;

	family_init(&turn);
	family_init(&end);
	fill(page, 1, 1);
	for (u32 child = 1; child <= 3; child++) {
		if (must(fork(), "fork"))
			continue;
		child_wait(&turn);
		if (child > 1)
			check(page, 1, 1);
		if (child == 2) {
			must(mremap(page, PAGE_SIZE, PAGE_SIZE, MREMAP_MAYMOVE | MREMAP_FIXED, to),
			     "mremap");
			page = to;
		}
		child_wait(&end);
		check(page, 1, 1);
		child_exit(&end, checksum(page, 1));
	}
	await_children(&turn, 3);
	reclaim(page, PAGE_SIZE); /* from all four; whoever reads it has it again */
	check(page, 1, 1);
	release_children(&turn, 3);
	await_children(&end, 3);
	mark("measure", (ulong)page, PAGE_SIZE);
	release_children(&end, 3);
	total = reap_children(&end, 3);
	say("cousins: parent %x, children %x\n", checksum(page, 1), total);
	return 0;
}
