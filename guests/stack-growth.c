/* stack-growth: recursion over KB kilobytes of stack: each new page below it is a growth fault. */
#include "guest.h"

static u32 __attribute__((noinline)) descend(u32 depth)
{
	volatile u32 frame[256]; /* 1 KB */
	u32 sum = 0;

	for (u32 i = 0; i < 256; i++)
		frame[i] = depth * STEP + i;
	if (depth)
		sum = descend(depth - 1);
	else
		mark("measure", (ulong)frame, 0);
	for (u32 i = 0; i < 256; i++) {
		if (frame[i] != depth * STEP + i)
			die("stack-growth: frame %u word %u is wrong\n", depth, i);
		sum += frame[i];
	}
	return sum;
}

int main(int argc, char **argv)
{
	u32 kb = param(argc, argv, "KB", 1024);

	say("stack-growth: %u KB, sum %x\n", kb, descend(kb));
	return 0;
}
