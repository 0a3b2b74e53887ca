/* vfork-exec: vfork and execve of the program named by the first argument; prints its status. */
#include "guest.h"

/*
 * The child runs on our stack until it has executed the program: no C in between. It exits
 * with the errno of a failed execve.
 */
static long vfork_exec(const char *path, char **argv, char **envp)
{
	long ret;

#ifdef __x86_64__
	__asm__ volatile("syscall\n\t"
			 "testl %%eax, %%eax\n\t"
			 "jnz 1f\n\t"
			 "movl %2, %%eax\n\t"
			 "syscall\n\t"
			 "movl %%eax, %%edi\n\t"
			 "negl %%edi\n\t"
			 "movl %3, %%eax\n\t"
			 "syscall\n"
			 "1:"
			 : "=a"(ret)
			 : "0"(NR_vfork), "i"(NR_execve), "i"(NR_exit), "D"(path), "S"(argv), "d"(envp)
			 : "rcx", "r11", "memory");
#else
	__asm__ volatile("int $0x80\n\t"
			 "testl %%eax, %%eax\n\t"
			 "jnz 1f\n\t"
			 "movl %2, %%eax\n\t"
			 "int $0x80\n\t"
			 "movl %%eax, %%ebx\n\t"
			 "negl %%ebx\n\t"
			 "movl %3, %%eax\n\t"
			 "int $0x80\n"
			 "1:"
			 : "=a"(ret)
			 : "0"(NR_vfork), "i"(NR_execve), "i"(NR_exit), "b"(path), "c"(argv), "d"(envp)
			 : "memory");
#endif
	return ret;
}

int main(int argc, char **argv)
{
	char *missing[] = { "/nonexistent/program", NULL };
	int status;

	if (argc < 2)
		die("usage: vfork-exec PROGRAM [args]\n");
	must(vfork_exec(argv[1], argv + 1, environ), "vfork");
	must(waitpid(-1, &status, 0), "wait4");
	say("vfork-exec: status %x\n", status);
	must(vfork_exec(missing[0], missing, environ), "vfork");
	must(waitpid(-1, &status, 0), "wait4");
	say("vfork-exec: no such program: errno %d\n", status >> 8);
	return 0;
}
