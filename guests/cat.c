/* cat: copies the files named on the command line, /proc/self/maps for one, to standard output. */
#include "guest.h"

int main(int argc, char **argv)
{
	char buf[1024];
	long fd, n;

	for (int i = 1; i < argc; i++) {
		fd = syscall2(NR_open, argv[i], O_RDONLY);
		if (fd < 0)
			die("cat: %s: errno %d\n", argv[i], (int)-fd);
		while ((n = must(read(fd, buf, sizeof(buf)), "read")) > 0)
			must(write(1, buf, n), "write");
		close(fd);
	}
	return 0;
}
