/*
 * efault: mremap over an area that mprotect has cut and restored fails when its pieces did not
 * merge (S15). The result differs by scheme and kernel, so it goes to the lab and is not printed.
 */
#include "guest.h"

int main(int argc, char **argv)
{
	u32 k = param(argc, argv, "K", 8), len = k * PAGE_SIZE;
	const char *mode = param_str(argc, argv, "mode", "halves");
	int halves = same(mode, "halves"), prot = halves ? PROT_RWX : PROT_READ;
	u8 *area = map_pages(k), *to = find_room(k);
	long ret;

	if (!halves && !same(mode, "checkerboard"))
		die("efault: mode is halves or checkerboard\n");
	for (u32 i = 0; i < k; i++)
		if (halves ? i >= k / 2 : i % 2)
			must(mprotect(area + i * PAGE_SIZE, PAGE_SIZE, prot), "mprotect");
	for (u32 i = 0; i < k; i++)
		if (halves || i % 2 == 0)
			fill_page(area, i, 1);
	for (u32 i = 0; i < k; i++)
		if (halves ? i >= k / 2 : i % 2)
			must(mprotect(area + i * PAGE_SIZE, PAGE_SIZE, PROT_RW), "mprotect");
	mark("measure", (ulong)area, len);
	ret = mremap(area, len, len, MREMAP_MAYMOVE | MREMAP_FIXED, to);
	mark("result", (u32)ret > -4096u ? -ret : 0, 0);
	if ((u32)ret > -4096u && ret != -EFAULT)
		die("efault: mremap failed: errno %d\n", (int)-ret);
	if (ret == (long)to)
		for (u32 i = 0; i < k; i++)
			if (halves || i % 2 == 0)
				check_page(to, i, 1);
	say("efault: done\n");
	return 0;
}
