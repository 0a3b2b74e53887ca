/* Record locks, locks of open files, flock(). */
#include "show.h"
#include <sys/file.h>

static int fd;

static int lock(int f, int command, int kind, long start, long length)
{
	struct flock l = { .l_type = kind, .l_whence = SEEK_SET, .l_start = start, .l_len = length };

	return fcntl(f, command, &l);
}

/* What another process finds locked. */
static void told(long start, long length)
{
	fflush(stdout);
	if (!fork()) {
		struct flock l = { .l_type = F_WRLCK, .l_start = start, .l_len = length };

		if (fcntl(fd, F_GETLK, &l))
			printf("getlk: %s\n", strerrorname_np(errno));
		else
			printf("getlk %ld+%ld: %d %d %ld+%ld %s\n", start, length, l.l_type, l.l_whence,
			       (long)l.l_start, (long)l.l_len, l.l_pid == getppid() ? "ours" :
			       l.l_pid == -1 ? "a file's" : l.l_pid ? "other" : "0");
		fflush(stdout);
		_exit(0);
	}
	wait(NULL);
}

int main(void)
{
	int two, p[2], q[2], status;
	char c;

	fd = open("locked", O_RDWR | O_CREAT, 0644);
	write(fd, "0123456789", 10);
	told(0, 0);
	show(lock(fd, F_SETLK, F_WRLCK, 0, 10));
	told(0, 0), told(10, 5), told(9, 1);
	show(lock(fd, F_SETLK, F_RDLCK, 3, 4));
	told(0, 3), told(3, 1), told(7, 0);
	show(lock(fd, F_SETLK, F_UNLCK, 4, 1));
	told(4, 1), told(3, 3);
	show(lock(fd, F_SETLK, F_WRLCK, 20, 0));
	told(15, 5), told(25, 1);
	show(lock(fd, F_SETLK, F_UNLCK, 0, 0));
	told(0, 0);
	show(lock(fd, F_SETLK, F_RDLCK, 10, -5));
	told(0, 0);
	show(lock(fd, F_SETLK, F_RDLCK, 4, -5));
	show(lock(fd, F_SETLK, F_RDLCK, -1, 5));
	show(lock(fd, F_SETLK, 7, 0, 5));
	show(fcntl(fd, F_SETLK, &(struct flock){ .l_whence = 9 }));
	show(fcntl(fd, F_SETLK, (void *)16));
	two = open("locked", O_RDONLY);
	show(lock(two, F_SETLK, F_WRLCK, 0, 5));
	show(lock(two, F_SETLK, F_RDLCK, 0, 5));
	told(0, 0);
	close(two);
	told(0, 0);
	lseek(fd, 4, SEEK_SET);
	show(fcntl(fd, F_SETLK, &(struct flock){ .l_type = F_WRLCK, .l_whence = SEEK_CUR, .l_start = -2, .l_len = 1 }));
	told(0, 0);
	show(fcntl(fd, F_SETLK, &(struct flock){ .l_type = F_WRLCK, .l_whence = SEEK_END, .l_start = 5, .l_len = 1 }));
	told(5, 0);
	show(fcntl(fd, F_SETLK, &(struct flock){ .l_type = F_UNLCK }));
	pipe(p), pipe(q);
	fflush(stdout);
	if (!fork()) {
		lock(fd, F_SETLK, F_WRLCK, 0, 1);
		write(p[1], "x", 1);
		wait_ms(60);
		_exit(0);
	}
	read(p[0], &c, 1);
	show(lock(fd, F_SETLK, F_WRLCK, 0, 2));
	show(lock(fd, F_SETLKW, F_WRLCK, 0, 2));
	wait(NULL);
	told(0, 0);
	fflush(stdout);
	if (!fork()) {
		lock(fd, F_SETLK, F_WRLCK, 100, 1);
		write(p[1], "x", 1);
		lock(fd, F_SETLKW, F_WRLCK, 0, 1);
		_exit(7);
	}
	read(p[0], &c, 1);
	wait_ms(60);
	show(lock(fd, F_SETLKW, F_WRLCK, 100, 1));
	show(lock(fd, F_SETLK, F_UNLCK, 0, 0));
	wait(&status);
	show(WEXITSTATUS(status));

	printf("of open files\n");
	two = open("locked", O_RDWR);
	show(lock(fd, F_OFD_SETLK, F_WRLCK, 0, 5));
	show(lock(two, F_OFD_SETLK, F_RDLCK, 4, 5));
	show(lock(two, F_OFD_SETLK, F_RDLCK, 5, 5));
	show(lock(fd, F_SETLK, F_RDLCK, 0, 1));
	show(fcntl(fd, F_OFD_SETLK, &(struct flock){ .l_type = F_RDLCK, .l_pid = 5 }));
	told(0, 0);
	fflush(stdout);
	if (!fork()) {
		show(lock(fd, F_OFD_SETLK, F_WRLCK, 1, 1));
		show(lock(two, F_OFD_SETLKW, F_WRLCK, 20, 1));
		fflush(stdout);
		_exit(0);
	}
	wait(NULL);
	show(lock(two, F_SETLK, F_RDLCK, 0, 1));
	close(two);
	told(6, 0);
	close(fd);
	fd = open("locked", O_RDWR);
	told(0, 0);

	printf("flock\n");
	two = open("locked", O_RDONLY);
	show(flock(fd, LOCK_SH));
	show(flock(two, LOCK_SH));
	show(flock(two, LOCK_EX | LOCK_NB));
	show(flock(fd, LOCK_EX | LOCK_NB));
	show(flock(two, LOCK_SH | LOCK_NB));
	show(flock(dup(fd), LOCK_UN));
	show(flock(two, LOCK_EX | LOCK_NB));
	show(lock(fd, F_SETLK, F_WRLCK, 0, 0));
	show(flock(fd, LOCK_SH | LOCK_EX));
	show(flock(99, LOCK_SH));
	fflush(stdout);
	if (!fork()) {
		close(two);
		write(p[1], "x", 1);
		show(flock(fd, LOCK_EX));
		fflush(stdout);
		_exit(0);
	}
	read(p[0], &c, 1);
	wait_ms(60);
	close(two);
	wait(NULL);
	show(flock(p[0], LOCK_EX));
	show(lock(p[0], F_SETLK, F_RDLCK, 0, 0));
	show(fcntl(fd, F_GETOWN));
	show(fcntl(p[0], F_SETOWN, getpid()));
	show(fcntl(p[0], F_GETOWN) == getpid());
	show(fcntl(p[0], F_SETOWN, -getpgrp()));
	show(fcntl(p[0], F_GETOWN) == -getpgrp());
	show(fcntl(p[0], F_SETOWN, 0));
	show(fcntl(p[0], F_SETFL, O_ASYNC));
	show(fcntl(p[0], F_GETFL) == O_ASYNC);
	unlink("locked");
	return 0;
}
