/* pipes: N rounds of ping-pong, then KB kilobytes through a pipe, end of file, broken pipe. */
#include "guest.h"

static volatile int broken;

static void on_pipe(int sig, struct siginfo *info, struct ucontext *uc)
{
	(void)info, (void)uc;
	broken = sig;
}

static void child(int in, int out, u32 rounds, u32 kb)
{
	u32 value, block[256];

	for (u32 i = 0; i < rounds; i++) {
		must(read(in, &value, sizeof(value)), "read");
		value += i;
		must(write(out, &value, sizeof(value)), "write");
	}
	for (u32 i = 0; i < kb; i++) {
		for (u32 j = 0; j < 256; j++)
			block[j] = i * STEP + j;
		for (u32 done = 0; done < sizeof(block);)
			done += must(write(out, (u8 *)block + done, sizeof(block) - done), "write");
	}
	exit(3);
}

int main(int argc, char **argv)
{
	u32 rounds = param(argc, argv, "N", 100), kb = param(argc, argv, "KB", 200);
	u32 value = 1, sum = 0, bytes = 0, word = 0;
	int down[2], up[2], status;
	long n;
	u8 buf[3000]; /* deliberately no divisor of anything */

	must(pipe(down), "pipe");
	must(pipe(up), "pipe");
	if (must(fork(), "fork") == 0)
		child(down[0], up[1], rounds, kb);
	close(down[0]);
	close(up[1]);
	for (u32 i = 0; i < rounds; i++) {
		must(write(down[1], &value, sizeof(value)), "write");
		must(read(up[0], &value, sizeof(value)), "read");
	}
	while ((n = must(read(up[0], buf, sizeof(buf)), "read")) > 0)
		for (long i = 0; i < n; i++, bytes++) {
			word = word >> 8 | (u32)buf[i] << 24;
			if (bytes % 4 == 3)
				sum = (sum << 5 | sum >> 27) + word;
		}
	must(waitpid(-1, &status, 0), "wait4");
	on_signal(SIGPIPE, on_pipe);
	n = write(down[1], &value, 1);
	say("pipes: %u rounds gave %u, %u bytes, sum %x, child %d, broken pipe %d signal %d\n",
	    rounds, value, bytes, sum, status >> 8, (int)-n, broken);
	return 0;
}
