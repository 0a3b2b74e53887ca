/*
 * zygote: a parent with R pages of heap forks N children that never call exec; each maps V areas
 * of its own, writes a page in each and reads the heap (S6b).
 */
#include "guest.h"

/* V areas of one page, an unmapped page between any two. */
static void map_own(u8 *room, u32 areas, u32 tag)
{
	must(mmap(room, (2 * areas - 1) * PAGE_SIZE, PROT_RW,
		  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED),
	     "mmap");
	for (u32 i = 1; i < areas; i++)
		must(munmap(room + (2 * i - 1) * PAGE_SIZE, PAGE_SIZE), "munmap");
	for (u32 i = 0; i < areas; i++)
		fill_page(room, 2 * i, tag);
}

static u32 check_own(u8 *room, u32 areas, u32 tag)
{
	u32 sum = 0;

	for (u32 i = 0; i < areas; i++) {
		check_page(room, 2 * i, tag);
		sum += checksum(room + 2 * i * PAGE_SIZE, 1);
	}
	return sum;
}

int main(int argc, char **argv)
{
	u32 pages = param(argc, argv, "R", 64), n = param(argc, argv, "N", 16);
	u32 areas = param(argc, argv, "V", 4), total;
	u8 *heap = (u8 *)((brk(0) + PAGE_SIZE - 1) & -PAGE_SIZE), *room;
	struct family f;

	if (areas == 0)
		die("zygote: V must be at least 1\n");
	family_init(&f);
	if (brk((ulong)heap + pages * PAGE_SIZE) != (long)(heap + pages * PAGE_SIZE))
		die("zygote: no memory for the heap\n");
	fill(heap, pages, 0);
	room = find_room(2 * areas - 1);
	for (u32 i = 1; i <= n; i++) {
		if (must(fork(), "fork") == 0) {
			map_own(room, areas, i);
			check(heap, pages, 0);
			child_wait(&f);
			check(heap, pages, 0);
			child_exit(&f, check_own(room, areas, i));
		}
	}
	await_children(&f, n);
	mark("measure", (ulong)room, (2 * areas - 1) * PAGE_SIZE);
	release_children(&f, n);
	total = reap_children(&f, n);
	check(heap, pages, 0);
	say("zygote: %u pages, %u children of %u areas, parent %x, children "
	    "%x\n",
	    pages, n, areas, checksum(heap, pages), total);
	return 0;
}
