/*
 * fork-chain: G generations; each writes one new page, forks the next and exits, so that every
 * page outlives the process that made it (S8).
 */
#include "guest.h"

int main(int argc, char **argv)
{
	u32 generations = param(argc, argv, "G", 200), sum;
	void *area = map_pages(generations);
	int result[2], alive[2];
	char c;

	must(pipe(result), "pipe");
	must(pipe(alive), "pipe");
	if (must(fork(), "fork") != 0) { /* the original: waits for the last of them to report */
		close(result[1]);
		close(alive[1]);
		must(waitpid(-1, NULL, 0), "wait4");
		if (read(result[0], &sum, sizeof(sum)) != sizeof(sum))
			die("fork-chain: the chain broke\n");
		read(result[0], &c, 1); /* end of file: the last one is gone as well */
		say("fork-chain: %u generations, sum %x\n", generations, sum);
		return 0;
	}
	for (u32 i = 0; i < generations; i++) {
		close(alive[0]);
		close(alive[1]);
		must(pipe(alive), "pipe");
		fill_page(area, i, i);
		if (i == generations - 1)
			break;
		if (must(fork(), "fork") != 0)
			exit(0);
		close(alive[1]);
		read(alive[0], &c, 1); /* end of file: our parent and its memory are gone */
	}
	mark("measure", (ulong)area, generations * PAGE_SIZE);
	for (u32 i = 0; i < generations; i++)
		check_page(area, i, i);
	sum = checksum(area, generations);
	must(write(result[1], &sum, sizeof(sum)), "write");
	return 0;
}
