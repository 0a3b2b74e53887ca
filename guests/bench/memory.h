/* Rows about memory: faults, moves, protection. */
#ifndef BENCH_MEMORY_H
#define BENCH_MEMORY_H

enum { PR_SET_THP_DISABLE = 41, PAGE_TABLE_PAGES = PAGE_SIZE / sizeof(long) };

static u8 *area, *room; /* room: unmapped, as long as the area */

/* The host would answer 512 touches by one huge page. */
static void no_huge_pages(void) { syscall5(NR_prctl, PR_SET_THP_DISABLE, 1, 0, 0, 0); }

static void touch(u8 *at, u32 n, u32 value)
{
	for (u32 i = 0; i < n; i++)
		*(volatile u32 *)(at + i * PAGE_SIZE) = value;
}

static void touch_all(u32 n) { touch(area, n, 1); }

static void get_area(u32 n)
{
	area = map_pages(n);
	touch(area, n, 1);
}

static void drop(u32 n)
{
	must(syscall3(NR_madvise, area, n * PAGE_SIZE, MADV_DONTNEED), "madvise");
}

static u8 *map(u32 n)
{
	return (u8 *)must(mmap(NULL, n * PAGE_SIZE, PROT_RW, MAP_PRIVATE | MAP_ANONYMOUS), "mmap");
}

static void do_touch_map(u32 n)
{
	u8 *fresh = map(n);

	touch(fresh, n, 1);
	must(munmap(fresh, n * PAGE_SIZE), "munmap");
}

static void do_read_map(u32 n)
{
	u8 *fresh = map(n);

	for (u32 i = 0; i < n; i++)
		*(volatile u32 *)(fresh + i * PAGE_SIZE);
	must(munmap(fresh, n * PAGE_SIZE), "munmap");
}

/*
 * Two places in one unmapped region, at the start of page tables or `skew` pages into them. The
 * area is mapped at the first.
 */
static void lay_out(u32 n, u32 skew)
{
	u32 span = (n + PAGE_TABLE_PAGES) / PAGE_TABLE_PAGES * PAGE_TABLE_PAGES;
	u8 *free = find_room(2 * span + PAGE_TABLE_PAGES + skew);

	area = (u8 *)(((ulong)free / PAGE_SIZE + PAGE_TABLE_PAGES - 1) / PAGE_TABLE_PAGES *
		      PAGE_TABLE_PAGES * PAGE_SIZE);
	room = area + (span + skew) * PAGE_SIZE;
	must(mmap(area, n * PAGE_SIZE, PROT_RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED), "mmap");
	touch(area, n, 1);
}

static void get_room(u32 n) { lay_out(n, 1); }
static void get_aligned_room(u32 n) { lay_out(n, 0); }

/* There and back: two moves. */
static void do_mremap(u32 n)
{
	u32 len = n * PAGE_SIZE;

	must(mremap(area, len, len, MREMAP_MAYMOVE | MREMAP_FIXED, room), "mremap");
	must(mremap(room, len, len, MREMAP_MAYMOVE | MREMAP_FIXED, area), "mremap");
}

static void do_mprotect(u32 n)
{
	must(mprotect(area, n * PAGE_SIZE, PROT_READ), "mprotect");
	must(mprotect(area, n * PAGE_SIZE, PROT_RW), "mprotect");
}

static void do_mprotect_write(u32 n)
{
	do_mprotect(n);
	touch_all(n);
}

static u32 ask_to_evict;

/* Done by the lab; without one, by whoever answers a line of output with a byte of input. */
static void evict(u32 n)
{
	char c;

	if (!ask_to_evict) {
		reclaim(area, n * PAGE_SIZE);
		return;
	}
	say("evict\n");
	must(read(0, &c, 1), "read");
}

#endif
