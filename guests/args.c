/* args: prints its arguments and checks the initial stack and the auxiliary vector. */
#include "guest.h"

enum { AT_NULL, AT_PHDR = 3, AT_PHENT, AT_PHNUM, AT_PAGESZ, AT_ENTRY = 9 };
extern char _start[];

int main(int argc, char **argv)
{
	ulong seen[32] = { 0 }, *aux;
	u32 envs = 0, i;

	for (i = 1; argv[i]; i++)
		say("args: %u: %s\n", i, argv[i]);
	while (environ[envs])
		envs++;
	for (aux = (ulong *)(environ + envs + 1); aux[0] != AT_NULL; aux += 2)
		if (aux[0] < 32)
			seen[aux[0]] = aux[1];
	say("args: %d arguments, stack %s, auxiliary vector %s\n", argc - 1,
	    (int)i == argc && (!envs || (ulong)environ[0] > (ulong)aux) ? "ok" : "wrong",
	    seen[AT_PAGESZ] == PAGE_SIZE && seen[AT_ENTRY] == (ulong)_start &&
			    seen[AT_PHENT] == (sizeof(long) == 8 ? 56 : 32) &&
			    *(u32 *)seen[AT_PHDR] <= 7 && seen[AT_PHNUM] > 1 ? "ok" : "wrong");
	return 0;
}
