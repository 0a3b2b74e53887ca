/* write-code: a bad guest: writes to its own read-only code; dies of SIGSEGV. */
#include "guest.h"

int main(int argc, char **argv)
{
	(void)argc, (void)argv;
	say("write-code: writing\n");
	*(volatile u8 *)main = 0xc3;
	say("write-code: survived\n");
	return 1;
}
