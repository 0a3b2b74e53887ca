/* brk: grows the heap by R pages, writes, shrinks, grows again: what returns must read zero. */
#include "guest.h"

int main(int argc, char **argv)
{
	u32 pages = param(argc, argv, "R", 32), len = pages * PAGE_SIZE, sum;
	ulong start = (brk(0) + PAGE_SIZE - 1) & -(ulong)PAGE_SIZE;
	u8 *heap = (u8 *)start;

	if (brk(start + len) != (long)(start + len))
		die("brk: cannot grow\n");
	mark("before", start, len);
	sum = checksum(heap, pages);
	fill(heap, pages, 1);
	mark("measure", start, len);
	say("brk: fresh %x, written %x\n", sum, checksum(heap, pages));
	if (brk(start + len / 2) != (long)(start + len / 2))
		die("brk: cannot shrink\n");
	check(heap, pages / 2, 1);
	if (brk(start + len) != (long)(start + len))
		die("brk: cannot grow again\n");
	check(heap, pages / 2, 1);
	sum = checksum(heap + pages / 2 * PAGE_SIZE, pages - pages / 2);
	say("brk: %u pages kept, %u pages again fresh %x\n", pages / 2, pages - pages / 2, sum);
	if (brk(-0x10000ul) != (long)(start + len))
		die("brk: grew into the kernel\n");
	return 0;
}
