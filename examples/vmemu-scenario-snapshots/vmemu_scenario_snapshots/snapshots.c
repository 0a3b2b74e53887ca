/* snapshots.c */
#include "guest.h"

int main(int argc, char **argv)
{
	u32 pages = param(argc, argv, "R", 16), n = param(argc, argv, "N", 4);
	char *memory = map_pages(pages);
	struct family f;

	family_init(&f);
	fill(memory, pages, 0);
	for (u32 i = 1; i <= n; i++) {
		if (must(fork(), "fork") == 0) {     /* a snapshot: it keeps all as it is now */
			child_wait(&f);
			check(memory, pages, i - 1);
			child_exit(&f, checksum(memory, pages));
		}
		fill(memory, pages, i);              /* the database goes on writing */
	}
	await_children(&f, n);
	mark("measure", (ulong)memory, pages * PAGE_SIZE);
	release_children(&f, n);
	say("snapshots: %u of %u pages, sum %x\n", n, pages, reap_children(&f, n));
	return 0;
}
