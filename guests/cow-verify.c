/* cow-verify: after fork, what the parent writes the child does not see, and the other way. */
#include "guest.h"

static u32 data_word = 1; /* .data is copied on write as well, from the file's page */

int main(int argc, char **argv)
{
	u32 pages = param(argc, argv, "R", 16), total;
	void *area = map_pages(pages), *untouched = map_pages(pages);
	struct family f;

	family_init(&f);
	fill(area, pages, 1);
	data_word = 2;
	if (must(fork(), "fork") == 0) {
		child_wait(&f); /* the parent writes first */
		check(area, pages, 1);
		if (data_word != 2 || checksum(untouched, pages) != 0)
			die("cow-verify: the child sees the parent's writes\n");
		fill(area, pages, 3);
		fill(untouched, pages, 4);
		data_word = 5;
		child_wait(&f); /* the parent looks */
		check(area, pages, 3);
		check(untouched, pages, 4);
		child_exit(&f, checksum(area, pages) + data_word);
	}
	await_children(&f, 1);
	for (u32 page = 0; page < pages; page += 2)
		fill_page(area, page, 2);
	data_word = 3;
	fill_page(untouched, 0, 6);
	release_children(&f, 1);
	await_children(&f, 1);
	mark("measure", (ulong)area, pages * PAGE_SIZE);
	for (u32 page = 0; page < pages; page++)
		check_page(area, page, page % 2 ? 1 : 2);
	check_page(untouched, 0, 6);
	if (data_word != 3 || checksum((u8 *)untouched + PAGE_SIZE, pages - 1) != 0)
		die("cow-verify: the parent sees the child's writes\n");
	release_children(&f, 1);
	total = reap_children(&f, 1);
	say("cow-verify: %u pages, parent %x, child %x\n", pages, checksum(area, pages), total);
	return 0;
}
