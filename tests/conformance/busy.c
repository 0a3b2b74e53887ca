/* busy: what runs is not written, and what is written is not run. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void copy(const char *from, const char *to)
{
	static char data[1 << 20];
	int in = open(from, O_RDONLY), out = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0755);
	ssize_t n;

	while ((n = read(in, data, sizeof data)) > 0)
		write(out, data, n);
	close(in), close(out);
}

static void told(const char *what, int result)
{
	printf("%s: %s\n", what, result < 0 ? strerror(errno) : "done");
	fflush(stdout);
	if (result > 2)
		close(result);
}

static void runs(const char *what, const char *path)
{
	int status, pid = fork();

	if (!pid) {
		execl(path, path, "wait", (char *)0);
		_exit(errno);
	}
	if (!strcmp(what, "while it runs")) {
		usleep(100000);
		told("write to what runs", open(path, O_RDWR));
		told("read what runs", open(path, O_RDONLY));
		told("cut what runs", truncate(path, 10));
		told("replace what runs", unlink(path));
	}
	waitpid(pid, &status, 0);
	printf("%s: %d\n", what, WEXITSTATUS(status));
}

int main(int argc, char **argv)
{
	const char *self = argv[0];
	char other[4096];
	int fd;

	if (argc > 1) {
		usleep(300000);
		return 7;
	}
	snprintf(other, sizeof other, "%s-copy", self);
	unlink(other);
	copy(self, other);
	told("write to oneself", open(self, O_WRONLY));
	told("append to oneself", open(self, O_RDWR | O_APPEND));
	told("cut oneself by opening", open(self, O_RDONLY | O_TRUNC));
	told("read oneself", open(self, O_RDONLY));
	told("cut oneself", truncate(self, 0));
	fd = open(other, O_RDWR);
	runs("while it is written", other);
	close(fd);
	fd = open(other, O_RDONLY);
	runs("while it runs", other);
	return 0;
}
