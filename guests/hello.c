/* hello: prints one line and exits with STATUS. */
#include "guest.h"

int main(int argc, char **argv)
{
	say("Hello from ring 3\n");
	return param(argc, argv, "STATUS", 0);
}
