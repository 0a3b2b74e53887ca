/* sleepers: N children, started in reverse, sleep rank x STEP ms: they wake by rank. */
#include "guest.h"

int main(int argc, char **argv)
{
	u32 n = param(argc, argv, "N", 4), step = param(argc, argv, "STEP", 100);
	struct family f;
	u32 rank;

	family_init(&f);
	for (u32 i = n; i > 0; i--) {
		if (must(fork(), "fork") == 0) {
			child_wait(&f);
			sleep_ms(i * step);
			child_exit(&f, i);
		}
	}
	await_children(&f, n);
	release_children(&f, n);
	say("sleepers:");
	for (u32 i = 0; i < n; i++) {
		must(read(f.sum[0], &rank, sizeof(rank)), "read");
		say(" %u", rank);
	}
	while (waitpid(-1, NULL, 0) > 0)
		;
	say("\n");
	return 0;
}
