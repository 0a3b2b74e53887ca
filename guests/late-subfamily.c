/*
 * late-subfamily: the root forks N idle children; only then child 1 maps and writes R pages and
 * forks a grandchild that shares them (S4). GRAND=0 leaves the grandchild out (S4b).
 */
#include "guest.h"

/* Child 1, once all its siblings exist. Returns a checksum that its own child confirmed. */
static u32 subfamily(u32 pages, u32 grand)
{
	void *area = map_pages(pages);
	struct family f;

	family_init(&f);
	fill(area, pages, 1);
	if (grand && must(fork(), "fork") == 0) {
		child_wait(&f);
		check(area, pages, 1);
		child_exit(&f, checksum(area, pages));
	}
	await_children(&f, grand);
	mark("measure", (ulong)area, pages * PAGE_SIZE);
	release_children(&f, grand);
	check(area, pages, 1);
	return reap_children(&f, grand) + checksum(area, pages);
}

int main(int argc, char **argv)
{
	u32 pages = param(argc, argv, "R", 64), n = param(argc, argv, "N", 16);
	u32 grand = param(argc, argv, "GRAND", 1) != 0, total;
	struct family first, idle;

	if (n == 0)
		die("late-subfamily: N must be at least 1\n");
	family_init(&first);
	family_init(&idle);
	for (u32 i = 1; i <= n; i++) {
		if (must(fork(), "fork") == 0) {
			child_wait(i == 1 ? &first : &idle);
			child_exit(i == 1 ? &first : &idle, i == 1 ? subfamily(pages, grand) : i);
		}
	}
	await_children(&first, 1);
	await_children(&idle, n - 1);
	release_children(&first, 1);
	must(read(first.sum[0], &total, sizeof(total)), "read");
	must(write(idle.sum[1], &total, sizeof(total)), "write");
	release_children(&idle, n - 1);
	say("late-subfamily: %u pages, %u children, sum %x\n", pages, n, reap_children(&idle, n));
	return 0;
}
