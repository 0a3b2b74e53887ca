/*
 * orphans: a process writes R pages, forks N children and exits; they keep its pages (S7). The
 * first of them marks "measure"; the process above them all waits for the end.
 */
#include "guest.h"

static u32 wait_for(struct family *f, u32 n)
{
	u32 sum, total = 0;

	release_children(f, n);
	for (; n; n--, total += sum)
		must(read(f->sum[0], &sum, sizeof(sum)), "read");
	return total;
}

int main(int argc, char **argv)
{
	u32 pages = param(argc, argv, "R", 64), n = param(argc, argv, "N", 4), total;
	void *area = map_pages(pages);
	struct family first, others;

	if (n == 0 || pages == 0)
		die("orphans: R and N must be at least 1\n");
	family_init(&first);
	family_init(&others);
	if (must(fork(), "fork") == 0) {
		fill(area, pages, 1);
		for (u32 i = 0; i < n; i++) {
			if (must(fork(), "fork") == 0) {
				child_wait(i ? &others : &first);
				if (i == 0)
					mark("measure", (ulong)area, pages * PAGE_SIZE);
				check(area, pages, 1);
				fill_page(area, 0, i);
				child_exit(i ? &others : &first, checksum(area, pages));
			}
		}
		exit(0);
	}
	must(waitpid(-1, NULL, 0), "wait4");
	await_children(&first, 1);
	await_children(&others, n - 1);
	total = wait_for(&first, 1);
	total += wait_for(&others, n - 1);
	say("orphans: %u pages, %u children, sum %x\n", pages, n, total);
	return 0;
}
