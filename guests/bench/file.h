/* Rows about files: pages of the program's own file, which are in the page cache. */
#ifndef BENCH_FILE_H
#define BENCH_FILE_H

enum { FILE_PAGES = 3 }; /* the program has at least so many */

static int own_file;

static void open_file(u32 n UNUSED)
{
	own_file = must(syscall3(NR_open, "/proc/self/exe", O_RDONLY, 0), "open");
}

/* Windows on the file, one behind the other, and every page has been there. */
static void get_windows(u32 n)
{
	open_file(n);
	area = map_pages(n);
	for (u32 i = 0; i + FILE_PAGES <= n; i += FILE_PAGES)
		must(mmap_file(area + i * PAGE_SIZE, FILE_PAGES * PAGE_SIZE, PROT_READ,
			       MAP_PRIVATE | MAP_FIXED, own_file), "mmap");
}

static void read_all(u32 n)
{
	for (u32 i = 0; i < n; i++)
		*(volatile u32 *)(area + i * PAGE_SIZE);
}

static void do_file_read(u32 n)
{
	static u8 page[PAGE_SIZE];

	for (u32 i = 0; i < n; i++)
		must(pread(own_file, page, PAGE_SIZE, i % FILE_PAGES * PAGE_SIZE), "pread");
}

#endif
