/* jump-nowhere: a bad guest: jumps to an address where nothing is mapped; dies of SIGSEGV. */
#include "guest.h"

int main(int argc, char **argv)
{
	ulong target = param(argc, argv, "ADDR", 16);

	say("jump-nowhere: jumping\n");
	((void (*)(void))target)();
	say("jump-nowhere: came back\n");
	return 1;
}
