/*
 * windows: W windows of S pages each on one file, mapped by each of T tasks (rmap-test, S24, S25),
 * or mapped once, in reverse if it is told so, and then forked FORKS times (test-mmap2, S26).
 */
#include "guest.h"
#include "file.h"

struct windows {
	int fd;
	u32 w, s, reverse;
	u8 *room; /* each window is followed by a page that is not mapped */
};

static u8 *window(const struct windows *all, u32 i)
{
	return all->room + (ulong)i * (all->s + 1) * PAGE_SIZE;
}

static void map_window(const struct windows *all, u32 i)
{
	ulong offset = (ulong)i * all->s;

#ifdef __x86_64__
	long ret = syscall6(NR_mmap, (long)window(all, i), all->s * PAGE_SIZE, PROT_READ,
			    MAP_SHARED | MAP_FIXED, all->fd, (long)(offset * PAGE_SIZE));
#else
	long ret = syscall6(NR_mmap2, (long)window(all, i), (long)(all->s * PAGE_SIZE), PROT_READ,
			    MAP_SHARED | MAP_FIXED, all->fd, (long)offset);
#endif
	must(ret, "mmap");
}

static void map_all(const struct windows *all)
{
	for (u32 i = 0; i < all->w; i++)
		map_window(all, all->reverse ? all->w - 1 - i : i);
}

/* Looks at each page; dies unless it is the right one. */
static u32 verify(const struct windows *all)
{
	u32 sum = 0;

	for (u32 i = 0; i < all->w; i++)
		for (u32 page = 0; page < all->s; page++) {
			u32 n = i * all->s + page, word = *(u32 *)(window(all, i) + page * PAGE_SIZE);

			if (word != seed(0, n))
				die("page %u holds %x instead of %x\n", n, word, seed(0, n));
			sum += word;
		}
	return sum;
}

/* A child that maps nothing has its own windows, else it has the parent's. */
static void start_child(struct family *f, const struct windows *all, int maps)
{
	if (must(fork(), "fork") == 0) {
		if (maps)
			map_all(all);
		verify(all);
		child_wait(f);
		child_exit(f, verify(all));
	}
	await_children(f, 1);
}

int main(int argc, char **argv)
{
	u32 tasks = param(argc, argv, "T", 1), forks = param(argc, argv, "FORKS", 0), total, sum;
	struct windows all = { .w = param(argc, argv, "W", 64), .s = param(argc, argv, "S", 7),
			       .reverse = param(argc, argv, "REVERSE", 0) };
	u32 pages = all.w * (all.s + 1);
	struct family f;

	family_init(&f);
	all.fd = unnamed_file(all.w * all.s);
	all.room = find_room(pages);
	for (u32 i = 1; i < tasks; i++)
		start_child(&f, &all, 1);
	map_all(&all);
	verify(&all);
	for (u32 i = 0; i < forks; i++)
		start_child(&f, &all, 0);
	mark("measure", (ulong)all.room, pages * PAGE_SIZE);
	release_children(&f, tasks - 1 + forks);
	total = reap_children(&f, tasks - 1 + forks);
	sum = verify(&all);
	say("windows: %u of %u pages, %u tasks, parent %x, children %x\n", all.w, all.s,
	    tasks + forks, sum, total);
	return 0;
}
