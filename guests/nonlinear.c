/*
 * nonlinear: a file of R pages is mapped once, then remap_file_pages puts each page at a
 * place of its own, in random order in which none stays, and a child inherits that (S27).
 */
#include "guest.h"

enum { MAP_SHARED = 1, O_RDWR = 2, O_CREAT = 0x40, O_EXCL = 0x80 };
#ifdef __x86_64__
enum { NR_pwrite64 = 18, NR_remap_file_pages = 216, NR_unlink = 87 };
#else
enum { NR_unlink = 10, NR_pwrite64 = 181, NR_remap_file_pages = 257 };
#endif

/* A new file that has no name any more. */
static int unnamed_file(void)
{
	char name[] = "/tmp/vmemu-nonline-000000000";
	u32 pid = (u32)getpid();
	int fd;

	for (u32 i = sizeof(name) - 2; pid; pid /= 10)
		name[i--] = (char)('0' + pid % 10);
	fd = (int)must(syscall3(NR_open, name, O_RDWR | O_CREAT | O_EXCL, 0600), "open");
	must(syscall1(NR_unlink, name), "unlink");
	return fd;
}

static void write_file(int fd, u32 pages)
{
	for (u32 n = 0; n < pages; n++) {
		u32 word = seed(0, n);
		ulong at = (ulong)n * PAGE_SIZE;
#ifdef __x86_64__
		long ret = syscall4(NR_pwrite64, fd, &word, sizeof(word), at);
#else
		long ret = syscall5(NR_pwrite64, fd, (long)&word, sizeof(word), (long)at, 0);
#endif
		must(ret, "pwrite64");
	}
}

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
	fd = unnamed_file();
	write_file(fd, pages);
	area = find_room(pages);
#ifdef __x86_64__
	must(syscall6(NR_mmap, (long)area, (long)(pages * PAGE_SIZE), PROT_RW, MAP_SHARED | MAP_FIXED,
		      fd, 0),
	     "mmap");
#else
	must(syscall6(NR_mmap2, (long)area, (long)(pages * PAGE_SIZE), PROT_RW,
		      MAP_SHARED | MAP_FIXED, fd, 0),
	     "mmap");
#endif
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
