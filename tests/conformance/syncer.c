/*
 * syncer: stores to each page of a shared mapping of `file`, syncs it, and does so again, ten
 * times; then it truncates the file by a page and stores there: SIGBUS ends it.
 */
#include "guest.h"

#ifdef __x86_64__
enum { NR_msync = 26, NR_ftruncate = 77 };
#else
enum { NR_msync = 144, NR_ftruncate = 93 };
#endif

enum { MAP_SHARED = 1, MS_ASYNC = 1, MS_SYNC = 4, O_RDWR = 2, PAGES = 8 };

int main(int argc UNUSED, char **argv UNUSED)
{
	int fd = must(syscall3(NR_open, "file", O_RDWR, 0), "open");
	u8 *at = (u8 *)must(mmap_file(NULL, PAGES * PAGE_SIZE, PROT_RW, MAP_SHARED, fd), "mmap");

	for (u32 round = 1; round <= 10; round++) {
		for (u32 i = 0; i < PAGES; i++)
			*(volatile u32 *)(at + i * PAGE_SIZE + 4 * i) = round << 8 | i;
		must(syscall3(NR_msync, at, PAGES * PAGE_SIZE, round & 1 ? MS_ASYNC : MS_SYNC),
		     "msync");
	}
	must(syscall3(NR_ftruncate, fd, (PAGES - 1) * PAGE_SIZE, 0), "ftruncate");
	write(1, "cut\n", 4);
	*(volatile u32 *)(at + (PAGES - 1) * PAGE_SIZE) = 1;
	write(1, "there\n", 6);
	return 0;
}
