/* Children, a pipe from each, and the program executing itself. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static int executed(int argc, char **argv)
{
	char **each;
	int i;

	for (i = 1; i < argc; i++)
		printf("argument %s\n", argv[i]);
	for (each = environ; *each; each++)
		printf("environment %s\n", *each);
	printf("%s %s\n", argv[0], getenv("ONE"));
	return 9;
}

int main(int argc, char **argv)
{
	char *again[] = { "itself", "again", "", "three words here", NULL };
	char *with[] = { "ONE=1", "TWO=", "EMPTY", NULL };
	int ends[2], status, i;
	char line[100];
	ssize_t n;

	if (argc > 1 && !strcmp(argv[1], "again"))
		return executed(argc, argv);
	for (i = 0; i < 5; i++) {
		if (pipe(ends))
			return 1;
		if (fork() == 0) {
			close(ends[0]);
			snprintf(line, sizeof(line), "child %d of %s", i,
				 getppid() > 1 ? "a parent" : "nobody");
			if (write(ends[1], line, strlen(line)) < 0)
				_exit(1);
			_exit(i);
		}
		close(ends[1]);
		n = read(ends[0], line, sizeof(line) - 1);
		line[n < 0 ? 0 : n] = 0;
		close(ends[0]);
		wait(&status);
		printf("%s: %d\n", line, WEXITSTATUS(status));
	}
	printf("nobody left %d\n", wait(NULL) == -1 && errno == ECHILD);
	fflush(stdout);
	if (fork() == 0)
		abort();
	wait(&status);
	printf("aborted %d\n", WIFSIGNALED(status) ? WTERMSIG(status) : -1);
	fflush(stdout);
	if (vfork() == 0) {
		execve("/nowhere/at/all", again, with);
		_exit(errno == ENOENT ? 5 : 6);
	}
	wait(&status);
	printf("not found %d\n", WEXITSTATUS(status));
	fflush(stdout);
	execve("/proc/self/exe", again, with);
	perror("execve");
	return 1;
}
