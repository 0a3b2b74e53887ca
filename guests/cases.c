/*
 * cases: an area of four pages is written, forked, cut by mprotect and made whole again, moved by
 * mremap, and loses its child; marks created, forked, split, merged, moved and exited pass the
 * address of its last page.
 */
#include "guest.h"

enum { PAGES = 4 };

static void mark_last(const char *name, const u8 *area)
{
	check_page(area, PAGES - 1, 1);
	mark(name, (ulong)area + (PAGES - 1) * PAGE_SIZE, PAGE_SIZE);
}

int main(int argc UNUSED, char **argv UNUSED)
{
	u8 *area = map_pages(PAGES), *there = find_room(PAGES);
	struct family f;
	u32 total;

	family_init(&f);
	fill(area, PAGES, 1);
	mark_last("created", area);
	if (must(fork(), "fork") == 0) {
		check(area, PAGES, 1);
		child_wait(&f);
		check(area, PAGES, 1);
		child_exit(&f, checksum(area, PAGES));
	}
	await_children(&f, 1);
	mark_last("forked", area);
	must(mprotect(area + 2 * PAGE_SIZE, PAGE_SIZE, PROT_READ), "mprotect");
	mark_last("split", area);
	must(mprotect(area + 2 * PAGE_SIZE, PAGE_SIZE, PROT_READ | PROT_WRITE), "mprotect");
	mark_last("merged", area);
	must(mremap(area, PAGES * PAGE_SIZE, PAGES * PAGE_SIZE,
		    MREMAP_MAYMOVE | MREMAP_FIXED, there),
	     "mremap");
	area = there;
	mark_last("moved", area);
	release_children(&f, 1);
	total = reap_children(&f, 1);
	mark_last("exited", area);
	say("cases: parent %x, child %x\n", checksum(area, PAGES), total);
	return 0;
}
