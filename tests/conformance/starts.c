/* starts: how a program was started, for every program alike; or starts another one.
 *
 * starts exec PROGRAM ARGUMENT...   says which error execve() gives, or nothing
 * starts ...                        says what it finds
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <unistd.h>

extern char **environ;
void _start(void);

static __thread int counter = 41;
static __thread char zeros[8192];
static int constructed;

__attribute__((constructor)) static void construct(void)
{
	constructed++;
}

static const char *own(unsigned long type)
{
	const ElfW(Phdr) *phdr = (const void *)getauxval(AT_PHDR);
	unsigned long i;

	for (i = 0; i < getauxval(AT_PHNUM); i++)
		if (phdr[i].p_type == type)
			return "there";
	return "not there";
}

int main(int argc, char **argv)
{
	char exe[4096] = "", comm[17] = "";
	size_t i;

	if (argc > 2 && !strcmp(argv[1], "exec")) {
		execve(argv[2], argv + 2, environ);
		printf("errno %d\n", errno);
		return 1;
	}
	for (i = 0; argv[i]; i++)
		printf("argv[%zu] %s\n", i, argv[i]);
	for (i = 0; environ[i]; i++)
		printf("environ[%zu] %s\n", i, environ[i]);
	printf("execfn %s\n", (const char *)getauxval(AT_EXECFN));
	printf("program headers %s, interpreter %s\n", own(PT_LOAD), own(PT_INTERP));
	printf("entry %s\n", getauxval(AT_ENTRY) == (unsigned long)_start ? "mine" : "not mine");
	if (getauxval(AT_BASE))
		printf("loader %s\n", memcmp((void *)getauxval(AT_BASE), ELFMAG, SELFMAG) ? "no" : "yes");
	printf("secure %lu, page %lu, random %s\n", getauxval(AT_SECURE), getauxval(AT_PAGESZ),
	       getauxval(AT_RANDOM) ? "yes" : "no");
	prctl(PR_GET_NAME, comm);
	readlink("/proc/self/exe", exe, sizeof exe - 1);
	printf("comm %s, exe %s\n", comm, exe);
	counter++;
	for (i = 0; i < sizeof zeros; i++)
		counter += zeros[i];
	printf("thread's own %d, constructors %d\n", counter, constructed);
	return fflush(stdout) ? 1 : 7;
}
