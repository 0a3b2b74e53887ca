/*
 * nonlinear: a file of R pages is mapped once, then remap_file_pages puts each page at a
 * place of its own, in random order in which none stays, and a child inherits that (S27).
 */
#include "guest.h"
#include "file.h"

#ifdef __x86_64__
enum { NR_remap_file_pages = 216 };
#else
enum { NR_remap_file_pages = 257 };
#endif

/* Each number below n once, as the seed has it, in one cycle: none of two or more stays. */
static void shuffle(u32 *order, u32 n, u32 tag)
{
	for (u32 i = 1; i < n; i++) {
		u32 j = seed(tag, i) % i;

		order[i] = order[j];
		order[j] = i;
	}
}

static u32 verify(const u8 *area, const u32 *order, u32 pages)
{
	u32 sum = 0;

	for (u32 i = 0; i < pages; i++) {
		u32 word = *(u32 *)(area + i * PAGE_SIZE);

		if (word != seed(0, order[i]))
			die("page %u holds %x instead of %x\n", i, word, seed(0, order[i]));
		sum = (sum << 5 | sum >> 27) + word;
	}
	return sum;
}

int main(int argc, char **argv)
{
	u32 pages = param(argc, argv, "R", 128), tag = param(argc, argv, "SEED", 1), total;
	u32 *order = map_pages((u32)((pages * sizeof(u32) + PAGE_SIZE - 1) / PAGE_SIZE));
	u32 again = param(argc, argv, "FORK", 0), sum;
	struct family f;
	u8 *area;
	int fd;

	family_init(&f);
	fd = unnamed_file(pages);
	area = find_room(pages);
	must(mmap_file(area, pages * PAGE_SIZE, PROT_RW, MAP_SHARED | MAP_FIXED, fd), "mmap");
	shuffle(order, pages, tag);
	for (u32 i = 0; i < pages; i++)
		must(syscall5(NR_remap_file_pages, (long)(area + i * PAGE_SIZE), PAGE_SIZE, 0,
			      (long)order[i], 0),
		     "remap_file_pages");
	verify(area, order, pages);
	for (u32 i = 0; i < again; i++)
		if (must(fork(), "fork") == 0) {
			verify(area, order, pages);
			child_wait(&f);
			child_exit(&f, verify(area, order, pages));
		}
	await_children(&f, again);
	mark("measure", (ulong)area, PAGE_SIZE);
	release_children(&f, again);
	total = reap_children(&f, again);
	sum = verify(area, order, pages);
	say("nonlinear: %u pages, %u children, parent %x, children %x\n", pages, again, sum, total);
	return 0;
}
