/* AF_UNIX: pairs, names, datagrams, descriptors and credentials that go along. */
#include "show.h"
#include <pthread.h>

static int ready(int fd)
{
	struct pollfd p = { fd, 0x3fff & ~POLLNVAL, 0 };

	poll(&p, 1, 0);
	return p.revents;
}

static socklen_t name(struct sockaddr_un *a, const char *s, int abstract)
{
	memset(a, 0, sizeof *a);
	a->sun_family = AF_UNIX;
	strcpy(a->sun_path + abstract, s);
	return 2 + abstract + strlen(s) + !abstract;
}

static void told(const char *what, int result, struct sockaddr_un *a, socklen_t n)
{
	printf("%s %d: %u", what, result, n);
	for (unsigned i = 2; i < n && i < sizeof *a; i++)
		printf("%c", a->sun_path[i - 2] ? a->sun_path[i - 2] : '@');
	printf("\n");
}

static void who(int fd)
{
	struct sockaddr_un a;
	socklen_t n = sizeof a;

	show(getsockname(fd, (void *)&a, &n));
	told("own", 0, &a, n);
	n = sizeof a;
	if (getpeername(fd, (void *)&a, &n))
		printf("peer: %s\n", strerrorname_np(errno));
	else
		told("peer", 0, &a, n);
}

static int give(int fd, int *fds, int count, int creds, const char *text)
{
	char control[512] = { 0 };
	struct iovec v = { (char *)text, strlen(text) };
	struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1, .msg_control = control };
	struct cmsghdr *c = (void *)control;

	if (creds) {
		c->cmsg_level = SOL_SOCKET, c->cmsg_type = SCM_CREDENTIALS;
		c->cmsg_len = CMSG_LEN(sizeof(struct ucred));
		*(struct ucred *)CMSG_DATA(c) = (struct ucred){ getpid(), getuid(), getgid() };
		m.msg_controllen += CMSG_SPACE(sizeof(struct ucred));
		c = (void *)(control + m.msg_controllen);
	}
	if (count) {
		c->cmsg_level = SOL_SOCKET, c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(count * 4);
		memcpy(CMSG_DATA(c), fds, count * 4);
		m.msg_controllen += CMSG_SPACE(count * 4);
	}
	if (!m.msg_controllen)
		m.msg_control = NULL;
	return sendmsg(fd, &m, 0);
}

static int taken[8];

static void take(int fd, int room, int flags)
{
	char control[512], text[100] = { 0 };
	struct iovec v[] = { { text, 3 }, { text + 3, 96 } };
	struct sockaddr_un a;
	struct msghdr m = { .msg_iov = v, .msg_iovlen = 2, .msg_control = control, .msg_name = &a,
			    .msg_namelen = sizeof a, .msg_controllen = room };
	int n = recvmsg(fd, &m, flags), at = 0;

	if (n < 0) {
		printf("recvmsg: %s\n", strerrorname_np(errno));
		return;
	}
	printf("recvmsg %d '%s' flags %#x name %u control %d:", n, text, m.msg_flags, m.msg_namelen,
	       (int)m.msg_controllen);
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
		printf(" %d.%d+%d", c->cmsg_level, c->cmsg_type, (int)(c->cmsg_len - CMSG_LEN(0)));
		if (c->cmsg_type == SCM_RIGHTS)
			for (unsigned i = 0; i < (c->cmsg_len - CMSG_LEN(0)) / 4; i++)
				memcpy(&taken[at++], CMSG_DATA(c) + 4 * i, 4);
		else if (c->cmsg_len >= CMSG_LEN(12))
			printf("(%d)", ((struct ucred *)CMSG_DATA(c))->pid == getpid());
	}
	printf(" cloexec %d\n", at ? fcntl(taken[0], F_GETFD) : -1);
}

static void streams(void)
{
	int s[2], on = 1, value;
	char buf[70000] = { 0 };
	socklen_t n = sizeof value;
	struct iovec v[] = { { buf, 3 }, { buf + 3, 4 } };
	struct ucred cred;

	show(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, s));
	show(fcntl(s[0], F_GETFD));
	printf("%#x\n", ready(s[0]));
	show(send(s[0], "hello world", 11, 0));
	printf("%#x %#x\n", ready(s[0]), ready(s[1]));
	show(recv(s[1], buf, 3, MSG_PEEK));
	show(recv(s[1], buf, 3, 0));
	printf("%.3s\n", buf);
	show(readv(s[1], v, 2));
	show(read(s[1], buf, 100));
	show(recv(s[1], buf, 100, MSG_DONTWAIT));
	show(write(s[0], "a", 1));
	show(write(s[0], "b", 1));
	show(read(s[1], buf, 100));
	show(recv(s[1], buf, 0, MSG_DONTWAIT));
	LATER(60, write(s[0], "x", 1); wait_ms(60); write(s[0], "yz", 2));
	show(recv(s[1], buf, 3, MSG_WAITALL));
	wait(NULL);
	LATER(60, write(s[0], "x", 1));
	show(recv(s[1], buf, 3, 0));
	wait(NULL);
	memset(buf, 'q', sizeof buf);
	show(write(s[0], buf, 70000));
	value = 0;
	while (value < 70000)
		value += read(s[1], buf, 10000);
	show(value);
	show(fcntl(s[0], F_SETFL, O_NONBLOCK));
	for (value = 0; (on = write(s[0], buf, 30000)) > 0;)
		value += on;
	show(value > 100000 && value < 300000);
	show(errno == EAGAIN);
	printf("%#x\n", ready(s[0]) & POLLOUT);
	while (recv(s[1], buf, 10000, MSG_DONTWAIT) > 0)
		;
	printf("%#x\n", ready(s[0]) & POLLOUT);
	show(getsockopt(s[0], SOL_SOCKET, SO_TYPE, &value, &n));
	show(value);
	n = sizeof cred;
	show(getsockopt(s[0], SOL_SOCKET, SO_PEERCRED, &cred, &n));
	show(cred.pid == getpid() && cred.uid == getuid());
	who(s[0]);
	show(shutdown(s[0], SHUT_WR));
	show(send(s[0], "x", 1, MSG_NOSIGNAL));
	printf("%#x %#x\n", ready(s[0]), ready(s[1]));
	show(read(s[1], buf, 10));
	show(write(s[1], "back", 4));
	show(read(s[0], buf, 10));
	show(shutdown(s[0], 3));
	show(send(s[1], "unread", 6, 0));
	close(s[0]);
	printf("%#x\n", ready(s[1]));
	show(send(s[1], "x", 1, MSG_NOSIGNAL));
	n = sizeof value;
	show(getsockopt(s[1], SOL_SOCKET, SO_ERROR, &value, &n));
	show(value);
	show(read(s[1], buf, 10));
	signal(SIGPIPE, SIG_IGN);
	show(write(s[1], "x", 1));
	close(s[1]);
}

static void names(void)
{
	struct sockaddr_un a;
	socklen_t n;
	int l, c, d, e;
	char buf[10];

	l = socket(AF_UNIX, SOCK_STREAM, 0);
	printf("%#x\n", ready(l));
	show(listen(l, 5));
	show(accept(l, NULL, NULL)); /* not listening */
	show(read(l, buf, 1));
	show(send(l, buf, 1, MSG_NOSIGNAL));
	who(l);
	n = name(&a, "sock", 0);
	show(connect(l, (void *)&a, n));
	show(bind(l, (void *)&a, 111));
	show(bind(l, (void *)&a, n));
	who(l);
	c = socket(AF_UNIX, SOCK_STREAM, 0);
	show(bind(c, (void *)&a, n));
	show(bind(c, (void *)&a, name(&a, "sock/", 0)));
	show(bind(c, (void *)&a, name(&a, "new/", 0)));
	show(bind(c, (void *)&a, name(&a, ".", 0)));
	name(&a, "sock", 0);
	show(connect(c, (void *)&a, n));
	show(listen(l, 1));
	printf("%#x\n", ready(l));
	show(connect(c, (void *)&a, n));
	show(connect(c, (void *)&a, n));
	printf("%#x %#x\n", ready(l), ready(c));
	show(write(c, "early", 5));
	d = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
	show(connect(d, (void *)&a, n));
	e = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
	show(connect(e, (void *)&a, n));
	close(e);
	n = sizeof a;
	e = accept4(l, (void *)&a, &n, SOCK_NONBLOCK);
	told("accept", e > 0, &a, n);
	show(fcntl(e, F_GETFL) == (O_RDWR | O_NONBLOCK));
	who(e), who(c);
	show(read(e, buf, 10));
	show(read(e, buf, 10));
	close(c);
	show(read(e, buf, 10));
	close(e);
	show(write(d, "x", 1));
	close(l);
	show(send(d, "x", 1, MSG_NOSIGNAL));
	show(send(d, "x", 1, MSG_NOSIGNAL));
	close(d);
	n = name(&a, "sock", 0);
	c = socket(AF_UNIX, SOCK_STREAM, 0);
	show(connect(c, (void *)&a, n));
	show(open("sock", O_RDONLY));
	show(unlink("sock"));
	show(connect(c, (void *)&a, n));
	n = name(&a, "abstract-vmemu", 1);
	show(connect(c, (void *)&a, n));
	l = socket(AF_UNIX, SOCK_SEQPACKET, 0);
	show(bind(l, (void *)&a, n));
	who(l);
	show(listen(l, 5));
	show(connect(c, (void *)&a, n));
	close(c);
	c = socket(AF_UNIX, SOCK_SEQPACKET, 0);
	show(send(c, "x", 1, MSG_NOSIGNAL));
	show(recv(c, buf, 1, 0));
	LATER(60, connect(c, (void *)&a, n); send(c, "one", 3, 0); send(c, "twotwotwotwo", 12, 0);
	      recv(c, buf, 10, 0));
	close(c);
	e = accept(l, NULL, NULL);
	show(e > 0);
	show(recv(e, buf, 10, 0));
	show(recv(e, buf, 10, MSG_TRUNC));
	show(send(e, "bye", 3, 0));
	show(recv(e, buf, 10, 0));
	wait(NULL);
	show(send(e, "bye", 3, MSG_NOSIGNAL));
	printf("%#x\n", ready(e));
	name(&a, "", 0);
	d = socket(AF_UNIX, SOCK_DGRAM, 0);
	show(bind(d, (void *)&a, 2));
	n = sizeof a;
	getsockname(d, (void *)&a, &n);
	show(n);
	show(socket(AF_UNIX, SOCK_STREAM, 9));
	show(socket(AF_UNIX, SOCK_RDM, 0));
	show(socket(AF_UNIX, 77, 0));
	show(socket(99, SOCK_STREAM, 0));
	show(socket(AF_INET, SOCK_SEQPACKET, 0));
	show(socket(AF_INET, SOCK_STREAM, IPPROTO_UDP));
	show(getsockopt(0, SOL_SOCKET, SO_TYPE, &a, &n));
	show(setsockopt(d, SOL_SOCKET, 999, &n, 4));
	show(setsockopt(d, IPPROTO_TCP, 1, &n, 4));
	show(setsockopt(d, SOL_SOCKET, SO_REUSEADDR, &n, 3));
}

static char big[300000];

static void datagrams(void)
{
	struct sockaddr_un a, b;
	socklen_t n, m;
	int x = socket(AF_UNIX, SOCK_DGRAM, 0), y = socket(AF_UNIX, SOCK_DGRAM, 0), s[2], count = 0;
	char buf[100];

	n = name(&a, "vmemu-x", 1);
	show(bind(x, (void *)&a, n));
	show(send(y, "x", 1, 0));
	show(sendto(y, "one", 3, 0, (void *)&a, n));
	show(sendto(y, "", 0, 0, (void *)&a, n));
	m = sizeof b;
	show(recvfrom(x, buf, 100, 0, (void *)&b, &m));
	show(m);
	show(recv(x, buf, 100, 0));
	show(connect(y, (void *)&a, n));
	who(y);
	m = name(&b, "vmemu-y", 1);
	show(bind(y, (void *)&b, m));
	show(send(y, "two two", 7, 0));
	m = sizeof b;
	show(recvfrom(x, buf, 3, 0, (void *)&b, &m));
	told("from", 0, &b, m);
	show(recv(x, buf, 3, MSG_DONTWAIT));
	show(sendto(x, "back", 4, 0, (void *)&b, m));
	show(read(y, buf, 100));
	while (send(y, "z", 1, MSG_DONTWAIT) == 1)
		count++;
	show(count);
	printf("%#x\n", ready(y));
	LATER(60, recv(x, buf, 1, 0));
	show(send(y, "z", 1, 0));
	wait(NULL);
	show(listen(x, 1));
	close(x);
	show(send(y, "z", 1, 0));
	show(send(y, "z", 1, 0));
	show(sendto(y, "z", 1, 0, (void *)&a, n));
	socketpair(AF_UNIX, SOCK_DGRAM, 0, s);
	show(write(s[0], "abc", 3));
	show(writev(s[0], (struct iovec[]){ { "de", 2 }, { "f", 1 } }, 2));
	show(read(s[1], buf, 2));
	show(readv(s[1], (struct iovec[]){ { buf, 1 }, { buf + 1, 9 } }, 2));
	show(send(s[0], big, sizeof big, 0));
	close(s[1]);
	show(send(s[0], "x", 1, 0));
	printf("%#x\n", ready(s[0]));
	close(s[0]), close(y);
}

static void going_along(void)
{
	int s[2], p[2], on = 1, four[4];
	char c;

	pipe(p);
	socketpair(AF_UNIX, SOCK_STREAM, 0, s);
	show(give(s[0], p, 2, 0, "two"));
	close(p[0]);
	take(s[1], 512, 0);
	write(p[1], "!", 1);
	show(read(taken[0], &c, 1));
	show(c == '!');
	show(give(s[0], &p[1], 1, 0, "abc"));
	show(write(s[0], "def", 3));
	take(s[1], 512, MSG_CMSG_CLOEXEC);
	take(s[1], 512, 0);
	show(give(s[0], &p[1], 1, 0, "abc"));
	show(read(s[1], &c, 1));
	take(s[1], 512, 0);
	show(give(s[0], (int[]){ 99 }, 1, 0, "bad"));
	show(setsockopt(s[1], SOL_SOCKET, SO_PASSCRED, &on, 4));
	show(write(s[0], "plain", 5));
	take(s[1], 512, 0);
	show(give(s[0], &p[1], 1, 1, "both"));
	take(s[1], 512, 0);
	show(give(s[0], &p[1], 1, 0, "small"));
	take(s[1], CMSG_SPACE(12), 0);
	show(give(s[0], &p[1], 1, 0, "tiny"));
	take(s[1], CMSG_LEN(4), 0);
	show(give(s[0], &p[1], 1, 0, "none"));
	take(s[1], 0, 0);
	for (int i = 0; i < 4; i++)
		four[i] = p[1];
	for (int room = 0; room < 80; room += 2) {
		give(s[0], four, 2, 0, "room");
		take(s[1], room, 0);
	}
	on = 0;
	setsockopt(s[1], SOL_SOCKET, SO_PASSCRED, &on, 4);
	show(give(s[0], four, 4, 0, "four"));
	take(s[1], CMSG_LEN(8), 0);
	show(give(s[0], &p[1], 1, 0, "peek"));
	take(s[1], 512, MSG_PEEK);
	take(s[1], 512, 0);
	/* a socket that is nowhere but in itself */
	show(give(s[0], s, 2, 0, "self"));
	close(s[0]), close(s[1]);
	socketpair(AF_UNIX, SOCK_DGRAM, 0, s);
	show(give(s[0], &p[1], 1, 1, "dgram"));
	take(s[1], 512, 0);
	show(give(s[0], four, 2, 0, "lost"));
	close(s[1]);
}

static int full[2];

static void *send_late(void *end)
{
	show(give(full[0], end, 1, 0, "late"));
	return NULL;
}

/* What waits to be sent along is open, though its descriptor has been closed. */
static void closed_meanwhile(void)
{
	char buf[4096] = { 0 };
	pthread_t thread;
	int p[2];

	pipe(p);
	socketpair(AF_UNIX, SOCK_STREAM, 0, full);
	while (send(full[0], buf, sizeof buf, MSG_DONTWAIT) > 0)
		;
	pthread_create(&thread, NULL, send_late, &p[1]);
	usleep(50000);
	close(p[1]);
	fcntl(p[0], F_SETFL, O_NONBLOCK);
	show(read(p[0], buf, 1));
	for (int n = 0; n != 4;)
		n = recv(full[1], buf, sizeof buf, MSG_PEEK) == 4 ? 4 : !read(full[1], buf, 4096);
	pthread_join(thread, NULL);
	take(full[1], 512, 0);
	show(write(taken[0], "!", 1));
	show(read(p[0], buf, 1));
	close(taken[0]);
	show(read(p[0], buf, 1));
	close(p[0]), close(full[0]), close(full[1]);
}

static void many(void)
{
	int s[2];
	char a[8] = { 0 }, b[8] = { 0 }, c[8] = { 0 };
	struct iovec v[] = { { "one", 3 }, { "three", 5 }, { a, 8 }, { b, 8 }, { c, 8 } };
	struct mmsghdr m[3] = { 0 };

	socketpair(AF_UNIX, SOCK_DGRAM, 0, s);
	for (int i = 0; i < 3; i++)
		m[i].msg_hdr.msg_iov = v + i, m[i].msg_hdr.msg_iovlen = 1;
	show(sendmmsg(s[0], m, 2, 0));
	printf("%u %u\n", m[0].msg_len, m[1].msg_len);
	for (int i = 0; i < 3; i++)
		m[i].msg_hdr.msg_iov = v + 2 + i;
	show(recvmmsg(s[1], m, 3, MSG_DONTWAIT, NULL));
	printf("%u %u %s %s\n", m[0].msg_len, m[1].msg_len, a, b);
	show(recvmmsg(s[1], m, 3, MSG_DONTWAIT, NULL));
	write(s[0], "x", 1);
	show(recvmmsg(s[1], m, 3, MSG_WAITFORONE, NULL));
	show(setsockopt(s[1], SOL_SOCKET, SO_RCVTIMEO, &(struct timeval){ 0, 2000 }, sizeof(struct timeval)));
	show(recv(s[1], a, 1, 0));
}

int main(void)
{
	streams();
	names();
	datagrams();
	going_along();
	closed_meanwhile();
	many();
	return 0;
}
