/* fork-brk: the child of a process with a written heap grows it by brk: one vma or two (S18)? */
#include "guest.h"

int main(int argc, char **argv)
{
	u32 pages = param(argc, argv, "R", 8), len = pages * PAGE_SIZE, total;
	ulong start = (brk(0) + PAGE_SIZE - 1) & -(ulong)PAGE_SIZE;
	u8 *heap = (u8 *)start;
	struct family f;

	family_init(&f);
	if (brk(start + len) != (long)(start + len))
		die("fork-brk: cannot grow\n");
	fill(heap, pages, 1);
	if (must(fork(), "fork") == 0) {
		fill(heap, pages, 2);
		if (brk(start + 2 * len) != (long)(start + 2 * len))
			die("fork-brk: the child cannot grow\n");
		fill(heap + len, pages, 3);
		mark("measure", start, 2 * len);
		child_wait(&f);
		check(heap, pages, 2);
		check(heap + len, pages, 3);
		child_exit(&f, checksum(heap, 2 * pages));
	}
	await_children(&f, 1);
	check(heap, pages, 1);
	release_children(&f, 1);
	total = reap_children(&f, 1);
	say("fork-brk: %u pages, parent %x, child %x\n", pages, checksum(heap, pages), total);
	return 0;
}
