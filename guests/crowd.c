/*
 * crowd: N children of a process with K lone written pages, a vma each. All sleep, all write every
 * page, all exit: what does one more of them cost?
 */
#include "guest.h"

/* Sleeps until the parent closes its end, which wakes everybody at once. */
static void await_close(const int gate[2])
{
	char c;

	must(read(gate[0], &c, 1), "read");
}

int main(int argc, char **argv)
{
	u32 k = param(argc, argv, "K", 40), n = param(argc, argv, "N", 16);
	u8 *area = map_pages(2 * k);
	int start[2], stop[2];
	struct family f;

	family_init(&f);
	must(pipe(start), "pipe");
	must(pipe(stop), "pipe");
	for (u32 i = 0; i < k; i++) {
		must(munmap(area + (2 * i + 1) * PAGE_SIZE, PAGE_SIZE), "munmap");
		fill_page(area, 2 * i, 0);
	}
	mark("fork", n, k);
	for (u32 i = 1; i <= n; i++) {
		char c = 0;

		if (must(fork(), "fork"))
			continue;
		close(start[1]);
		close(stop[1]);
		must(write(f.ready[1], &c, 1), "write");
		await_close(start);
		for (u32 page = 0; page < k; page++)
			*(u32 *)(area + 2 * page * PAGE_SIZE) = i;
		must(write(f.ready[1], &c, 1), "write");
		await_close(stop);
		exit(*(u32 *)area != i);
	}
	await_children(&f, n);
	mark("fault", n, k);
	close(start[1]);
	await_children(&f, n);
	mark("exit", n, k);
	close(stop[1]);
	for (u32 i = 0; i < n; i++) {
		int status;

		must(waitpid(-1, &status, 0), "wait4");
		if (status)
			die("a child ended with status %x\n", status);
	}
	mark("end", n, k);
	say("crowd: %u pages, %u children\n", k, n);
	return 0;
}
