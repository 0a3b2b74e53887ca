/*
 * mremap-data: pages of .data, private to the process by copy on write, are shared by fork and then
 * moved: their linear offset is the file's, not the address (S21).
 */
#include "guest.h"

enum { PAGES = 16 };
static u8 data[PAGES * PAGE_SIZE] __attribute__((aligned(4096))) = { 1 };

int main(int argc, char **argv)
{
	void *to = find_room(PAGES);
	struct family f;
	u32 total;

	(void)argc, (void)argv;
	family_init(&f);
	fill(data, PAGES, 1);
	if (must(fork(), "fork") == 0) {
		child_wait(&f);
		check(data, PAGES, 1);
		fill(data, PAGES, 2);
		child_exit(&f, checksum(data, PAGES));
	}
	await_children(&f, 1);
	mark("before", (ulong)data, sizeof(data));
	must(mremap(data, sizeof(data), sizeof(data), MREMAP_MAYMOVE | MREMAP_FIXED, to), "mremap");
	mark("measure", (ulong)to, sizeof(data));
	check(to, PAGES, 1);
	release_children(&f, 1);
	total = reap_children(&f, 1);
	check(to, PAGES, 1);
	say("mremap-data: %u pages, parent %x, child %x\n", (u32)PAGES, checksum(to, PAGES), total);
	return 0;
}
