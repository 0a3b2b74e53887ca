/* FIFOs, sizes of pipes, splice and its like, close_range, special files. */
#include "show.h"
#include <sys/sendfile.h>
#include <sys/sysmacros.h>

static int ready(int fd)
{
	struct pollfd p = { fd, 0x3fff & ~POLLNVAL, 0 };

	poll(&p, 1, 0);
	return p.revents;
}

static void fifos(void)
{
	struct stat st;
	char buf[100];
	int r, w, b, ep;

	show(mkfifo("f", 0640));
	show(mkfifo("f", 0640));
	show(stat("f", &st));
	printf("%o %ld\n", st.st_mode, (long)st.st_size);
	show(open("f", O_WRONLY | O_NONBLOCK));
	r = open("f", O_RDONLY | O_NONBLOCK);
	show(r > 0);
	printf("%#x\n", ready(r));
	show(read(r, buf, 10));
	w = open("f", O_WRONLY);
	show(read(r, buf, 10));
	show(write(w, "hello", 5));
	printf("%#x %#x\n", ready(r), ready(w));
	close(w);
	printf("%#x\n", ready(r));
	show(read(r, buf, 10));
	show(read(r, buf, 10));
	show(lseek(r, 0, SEEK_SET));
	fstat(r, &st);
	printf("%o\n", st.st_mode);
	close(r);
	LATER(60, w = open("f", O_WRONLY); write(w, "late", 4));
	r = open("f", O_RDONLY);
	show(read(r, buf, 10));
	wait(NULL);
	show(read(r, buf, 10));
	close(r);
	LATER(60, r = open("f", O_RDONLY); read(r, buf, 10));
	w = open("f", O_WRONLY);
	show(write(w, "x", 1));
	wait(NULL);
	signal(SIGPIPE, SIG_IGN);
	show(write(w, "x", 1));
	close(w);
	b = open("f", O_RDWR);
	show(write(b, "both", 4));
	printf("%#x\n", ready(b));
	show(read(b, buf, 10));
	show((fcntl(b, F_GETFL) & O_ACCMODE) == O_RDWR);
	show(fcntl(b, F_SETFL, O_NONBLOCK));
	show(read(b, buf, 10));
	write(b, "kept", 4);
	r = open("f", O_RDONLY);
	close(b);
	show(read(r, buf, 10));
	close(r);
	r = open("f", O_RDONLY | O_NONBLOCK);
	show(read(r, buf, 10));
	close(r);
	show(unlink("f"));
	show(mknod("s", S_IFSOCK | 0600, 0));
	show(open("s", O_RDONLY));
	show(mknod("r", 0600, 0));
	show(stat("r", &st));
	printf("%o\n", st.st_mode);
	show(mknod("d", S_IFDIR | 0600, 0));
	show(mknod("x", 0170000 | 0600, 0));
	unlink("s"), unlink("r");
}

static void sizes(void)
{
	static char buf[200000];
	int p[2], n;

	pipe2(p, O_NONBLOCK);
	show(fcntl(p[0], F_GETPIPE_SZ));
	show(fcntl(p[1], F_SETPIPE_SZ, 1));
	show(write(p[1], buf, 5000));
	show(write(p[1], buf, 1));
	show(fcntl(p[1], F_SETPIPE_SZ, 100000));
	show(write(p[1], buf, 200000));
	show(fcntl(p[1], F_SETPIPE_SZ, 65536));
	show(fcntl(p[1], F_SETPIPE_SZ, 0));
	for (n = 0; read(p[0], buf, 1000) > 0; n++)
		;
	show(n);
	show(fcntl(0, F_GETPIPE_SZ));
	close(p[0]), close(p[1]);
}

static void splices(void)
{
	int p[2], q[2], f = open("data", O_RDWR | O_CREAT, 0644), g = open("copy", O_RDWR | O_CREAT, 0644), s[2];
	static char buf[100000];
	loff_t off = 3, out = 5;
	off_t at = 2;
	struct iovec v[] = { { "one", 3 }, { "two", 3 } };

	for (unsigned i = 0; i < sizeof buf; i++)
		buf[i] = i;
	write(f, buf, 50000);
	pipe2(p, O_NONBLOCK), pipe2(q, O_NONBLOCK);
	show(splice(f, &off, p[1], NULL, 10, 0));
	show(off);
	show(lseek(f, 0, SEEK_CUR));
	show(read(p[0], buf, 100));
	printf("%d\n", buf[0]);
	lseek(f, 0, SEEK_SET);
	show(splice(f, NULL, p[1], NULL, 20, 0));
	show(lseek(f, 0, SEEK_CUR));
	show(tee(p[0], q[1], 5, 0));
	show(tee(p[0], q[1], 500, 0));
	show(read(q[0], buf, 100));
	show(splice(p[0], NULL, g, &out, 7, 0));
	show(out);
	show(splice(p[0], NULL, q[1], NULL, 100, 0));
	show(read(q[0], buf, 100));
	show(splice(p[0], NULL, q[1], NULL, 100, 0));
	show(splice(p[0], NULL, p[1], NULL, 100, 0));
	show(splice(f, NULL, g, NULL, 100, 0));
	show(splice(p[0], &off, g, NULL, 100, 0));
	show(splice(f, NULL, p[1], NULL, 100, 64));
	show(splice(p[1], NULL, g, NULL, 100, 0));
	show(splice(99, NULL, g, NULL, 100, 0));
	show(splice(f, NULL, p[1], NULL, 0, 0));
	show(tee(f, p[1], 10, 0));
	show(vmsplice(p[1], v, 2, 0));
	show(read(p[0], buf, 100));
	show(vmsplice(f, v, 2, 0));
	show(sendfile(g, f, &at, 1000));
	show((long)at);
	show(sendfile(g, f, NULL, 100));
	show(lseek(g, 0, SEEK_CUR));
	at = 49990;
	show(sendfile(p[1], f, &at, 100));
	show(sendfile(p[1], f, &at, 100));
	show(sendfile(f, g, (void *)16, 1));
	show(sendfile(99, g, NULL, 1));
	socketpair(AF_UNIX, SOCK_STREAM, 0, s);
	at = 0;
	show(sendfile(s[0], f, &at, 5000));
	show(recv(s[1], buf, 6000, MSG_WAITALL | MSG_DONTWAIT) > 0);
	close(p[0]);
	show(splice(f, NULL, p[1], NULL, 10, 0));
	off = 0, out = 100;
	show(copy_file_range(f, &off, g, &out, 300, 0));
	show(off), show(out);
	show(copy_file_range(f, &off, g, &out, 300, 1));
	show(copy_file_range(f, &off, f, &out, 300, 0));
	off = 60000;
	show(copy_file_range(f, &off, g, NULL, 300, 0));
	show(copy_file_range(q[0], NULL, g, NULL, 300, 0));
	lseek(f, 0, SEEK_SET);
	show(preadv2(f, v, 0, -1, 0));
	v[0].iov_base = buf, v[1].iov_base = buf + 3;
	show(preadv2(f, v, 2, -1, 0));
	show(lseek(f, 0, SEEK_CUR));
	show(preadv2(f, v, 2, 10, 0x4000000));
	show(pwritev2(g, v, 2, 0, RWF_APPEND));
	show(lseek(g, 0, SEEK_END));
	show(preadv2(q[0], v, 2, 0, 0));
	unlink("data"), unlink("copy");
	show(close_range(200, 100, 0));
	show(close_range(0, 1, 64));
	dup2(1, 50), dup2(1, 51), dup2(1, 60);
	show(close_range(50, 51, 4));
	show(fcntl(51, F_GETFD));
	show(close_range(51, ~0u, 0));
	show(fcntl(60, F_GETFD));
	show(fcntl(50, F_GETFD));
	show(dup3(1, 1, 0));
	show(dup3(1, 50, O_CLOEXEC));
	show(fcntl(1, F_DUPFD_CLOEXEC, 70));
	show(fcntl(70, F_GETFD));
	show(fcntl(1, F_DUPFD, 70));
}

int main(void)
{
	fifos();
	sizes();
	splices();
	return 0;
}
