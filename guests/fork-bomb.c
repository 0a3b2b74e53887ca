/*
 * fork-bomb: forks until fork fails or LIMIT children exist; each writes R pages and stays. LIMIT=0
 * means no limit and is obeyed only inside vmemu.
 */
#include "guest.h"

int main(int argc, char **argv)
{
	u32 limit = param(argc, argv, "LIMIT", 0), pages = param(argc, argv, "R", 4), n = 0;
	void *area = map_pages(pages);
	int stay[2];
	long pid = 0;
	char c;

	if (!limit && !in_lab())
		die("fork-bomb: outside vmemu a LIMIT is required\n");
	must(pipe(stay), "pipe");
	for (; !limit || n < limit; n++) {
		pid = fork();
		if (pid < 0)
			break;
		if (pid == 0) {
			fill(area, pages, n);
			close(stay[1]);
			read(stay[0], &c, 1); /* end of file once the parent closes it */
			check(area, pages, n);
			exit(0);
		}
	}
	mark("measure", n, pid < 0 ? -pid : 0);
	close(stay[0]);
	close(stay[1]);
	while (waitpid(-1, NULL, 0) > 0)
		;
	if (pid >= 0)
		say("fork-bomb: %u children\n", n);
	else
		say("fork-bomb: stopped by errno %d\n", (int)-pid);
	return 0;
}
