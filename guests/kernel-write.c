/*
 * kernel-write: the kernel stores into pages that the program has only read so far (the zero
 * page, a page shared with a child); the program must see the new contents at once.
 */
#include "guest.h"

static int fds[2];

/* Let the kernel fill a page: through a pipe, so that read() does the store. */
static void kernel_store(u8 *page, u8 value)
{
	u8 bytes[16];

	for (u32 i = 0; i < sizeof(bytes); i++)
		bytes[i] = value;
	must(write(fds[1], bytes, sizeof(bytes)), "write");
	must(read(fds[0], page, sizeof(bytes)), "read");
}

int main(int argc, char **argv)
{
	u32 n = param(argc, argv, "R", 16);
	u8 *area = map_pages(n);
	u32 zeros = 0, stale = 0;
	int child, status;

	must(pipe(fds), "pipe");
	for (u32 i = 0; i < n; i++)
		zeros += *(volatile u8 *)(area + i * PAGE_SIZE) == 0;
	for (u32 i = 0; i < n; i++)
		kernel_store(area + i * PAGE_SIZE, 1 + i);
	for (u32 i = 0; i < n; i++)
		stale += *(volatile u8 *)(area + i * PAGE_SIZE) != (u8)(1 + i);

	child = must(fork(), "fork");
	for (u32 i = 0; i < n; i++) /* both read the shared pages, then the child is written */
		stale += *(volatile u8 *)(area + i * PAGE_SIZE) != (u8)(1 + i);
	if (child == 0) {
		for (u32 i = 0; i < n; i++)
			kernel_store(area + i * PAGE_SIZE, 100 + i);
		for (u32 i = 0; i < n; i++)
			stale += *(volatile u8 *)(area + i * PAGE_SIZE) != (u8)(100 + i);
		exit(stale);
	}
	must(waitpid(child, &status, 0), "waitpid");
	for (u32 i = 0; i < n; i++)
		stale += *(volatile u8 *)(area + i * PAGE_SIZE) != (u8)(1 + i);
	say("kernel-write: %u pages read as zero, %u stale, child found %u\n", zeros, stale,
	    (u32)status >> 8);
	return stale || status;
}
