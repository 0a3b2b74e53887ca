/*
 * cut-vma: a written area of K pages cut into K vmas by mprotect (S19), then N forks, each of
 * which writes all it may (S20): how long is the list behind one page?
 */
#include "guest.h"

static void write_own(u8 *area, u32 k, u32 tag)
{
	for (u32 i = 0; i < k; i += 2)
		fill_page(area, i, tag);
}

static u32 verify(u8 *area, u32 k, u32 tag)
{
	for (u32 i = 0; i < k; i++)
		check_page(area, i, i % 2 ? 0 : tag);
	return checksum(area, k);
}

int main(int argc, char **argv)
{
	u32 k = param(argc, argv, "K", 64), n = param(argc, argv, "N", 0), total;
	u8 *area = map_pages(k);
	struct family f;

	family_init(&f);
	fill(area, k, 0);
	for (u32 i = 1; i < k; i += 2)
		must(mprotect(area + i * PAGE_SIZE, PAGE_SIZE, PROT_READ), "mprotect");
	for (u32 i = 1; i <= n; i++) {
		if (must(fork(), "fork") == 0) {
			write_own(area, k, i);
			child_wait(&f);
			child_exit(&f, verify(area, k, i));
		}
	}
	await_children(&f, n);
	mark("measure", (ulong)area, k * PAGE_SIZE);
	release_children(&f, n);
	total = reap_children(&f, n);
	say("cut-vma: %u pages, %u children, parent %x, children %x\n", k, n, verify(area, k, 0),
	    total);
	return 0;
}
