/* Streams and datagrams of the internet, on loopback. */
#include "show.h"

static int ready(int fd)
{
	struct pollfd p = { fd, 0x3fff & ~POLLNVAL, 0 };

	poll(&p, 1, 0);
	return p.revents;
}

static struct sockaddr_in at(const char *host, int port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(port) };

	inet_pton(AF_INET, host, &a.sin_addr);
	return a;
}

static struct sockaddr_in6 at6(const char *host, int port)
{
	struct sockaddr_in6 a = { .sin6_family = AF_INET6, .sin6_port = htons(port) };

	inet_pton(AF_INET6, host, &a.sin6_addr);
	return a;
}

static void who(int fd, int port)
{
	struct sockaddr_storage a;
	char host[64] = "";
	socklen_t n = sizeof a;

	for (int peer = 0; peer < 2; peer++, n = sizeof a) {
		struct sockaddr_in *four = (void *)&a;
		struct sockaddr_in6 *six = (void *)&a;

		memset(&a, 0, sizeof a);
		if ((peer ? getpeername : getsockname)(fd, (void *)&a, &n)) {
			printf("%d: %s\n", peer, strerrorname_np(errno));
			continue;
		}
		inet_ntop(a.ss_family, a.ss_family == AF_INET ? (void *)&four->sin_addr : &six->sin6_addr,
			  host, sizeof host);
		printf("%d: %d %s %u port %s\n", peer, a.ss_family, host, n,
		       ntohs(four->sin_port) == port ? "ours" : four->sin_port ? "some" : "none");
	}
}

static int port;

static int bound(int kind)
{
	int fd = socket(AF_INET, kind, 0);
	struct sockaddr_in a = at("127.0.0.1", 0);
	socklen_t n = sizeof a;

	bind(fd, (void *)&a, n);
	getsockname(fd, (void *)&a, &n);
	port = ntohs(a.sin_port);
	return fd;
}

static void pair(int *a, int *b)
{
	int l = bound(SOCK_STREAM);
	struct sockaddr_in to = at("127.0.0.1", port);

	listen(l, 5);
	*a = socket(AF_INET, SOCK_STREAM, 0);
	connect(*a, (void *)&to, sizeof to);
	*b = accept(l, NULL, NULL);
	close(l);
}

static int error(int fd)
{
	int value = 0;
	socklen_t n = sizeof value;

	getsockopt(fd, SOL_SOCKET, SO_ERROR, &value, &n);
	return value;
}

static void streams(void)
{
	int l = bound(SOCK_STREAM), c = socket(AF_INET, SOCK_STREAM, 0), d, e, value = 1;
	struct sockaddr_in a = at("127.0.0.1", port), far = at("0.0.0.0", port);
	char buf[100000] = { 0 };
	socklen_t n = sizeof a;

	printf("%#x\n", ready(c));
	show(send(c, "x", 1, MSG_NOSIGNAL));
	show(recv(c, buf, 1, 0));
	show(shutdown(c, SHUT_WR));
	show(connect(c, (void *)&a, sizeof a));
	show(connect(c, (void *)&a, 15));
	a.sin_family = 77;
	show(connect(c, (void *)&a, sizeof a));
	a.sin_family = AF_INET;
	show(bind(l, (void *)&a, sizeof a));
	show(bind(c, (void *)&a, sizeof a));
	show(accept(l, NULL, NULL));
	show(listen(l, 5));
	printf("%#x\n", ready(l));
	who(l, port);
	close(c);
	c = socket(AF_INET, SOCK_STREAM, 0);
	who(c, port);
	show(connect(c, (void *)&far, sizeof far));
	show(connect(c, (void *)&far, sizeof far));
	printf("%#x %#x\n", ready(l), ready(c));
	who(c, port);
	show(write(c, "early", 5));
	d = accept4(l, (void *)&a, &n, SOCK_CLOEXEC);
	show(d > 0);
	show(n);
	who(d, port);
	show(fcntl(d, F_GETFD));
	show(recv(d, buf, 2, MSG_PEEK));
	show(recv(d, buf, 100, 0));
	show(recv(d, buf, 100, MSG_DONTWAIT));
	show(recv(d, buf, 0, MSG_DONTWAIT));
	n = sizeof a;
	show(write(c, "ab", 2));
	show(recvfrom(d, buf, 10, 0, (void *)&a, &n));
	show(n);
	show(setsockopt(c, IPPROTO_TCP, TCP_NODELAY, &value, 4));
	show(setsockopt(c, SOL_SOCKET, SO_KEEPALIVE, &value, 4));
	show(setsockopt(c, IPPROTO_TCP, 999, &value, 4));
	show(setsockopt(c, 200, 1, &value, 4));
	n = 4, value = 0;
	show(getsockopt(c, IPPROTO_TCP, TCP_NODELAY, &value, &n));
	show(value);
	LATER(60, write(c, "x", 1); wait_ms(60); write(c, "yz", 2));
	show(recv(d, buf, 3, MSG_WAITALL));
	wait(NULL);
	LATER(60, value = 0; while (value < 300000) value += read(d, buf, 100000); write(d, "k", 1));
	value = 0;
	while (value < 300000)
		value += write(c, buf, 100000);
	show(read(c, buf, 1));
	wait(NULL);
	show(shutdown(c, SHUT_WR));
	printf("%#x %#x\n", ready(c), ready(d));
	show(read(d, buf, 10));
	show(write(d, "back", 4));
	show(read(c, buf, 10));
	close(d);
	wait_ms(60);
	show(read(c, buf, 10));
	printf("%#x\n", ready(c));
	close(c);
	close(l);

	pair(&c, &d);
	close(d);
	wait_ms(60);
	printf("%#x\n", ready(c));
	show(read(c, buf, 10));
	show(send(c, "x", 1, MSG_NOSIGNAL));
	wait_ms(60);
	show(send(c, "x", 1, MSG_NOSIGNAL));
	show(send(c, "x", 1, MSG_NOSIGNAL));
	printf("%#x\n", ready(c));
	close(c);

	pair(&c, &d);
	write(c, "unread", 6);
	close(d);
	wait_ms(60);
	printf("%#x\n", ready(c));
	show(read(c, buf, 10));
	show(read(c, buf, 10));
	signal(SIGPIPE, SIG_IGN);
	show(write(c, "x", 1));
	close(c);
}

static void without_waiting(void)
{
	int l = bound(SOCK_STREAM), c = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), d;
	struct sockaddr_in a = at("127.0.0.1", port), far = at("240.0.0.1", 80);

	show(connect(c, (void *)&a, sizeof a));
	wait_ms(60);
	printf("%#x\n", ready(c));
	show(error(c));
	show(error(c));
	close(c);
	c = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	show(listen(l, 5));
	show(connect(c, (void *)&a, sizeof a));
	show(poll(&(struct pollfd){ c, POLLOUT, 0 }, 1, -1));
	show(error(c));
	show(connect(c, (void *)&a, sizeof a));
	show(connect(c, (void *)&a, sizeof a));
	d = accept(l, NULL, NULL);
	show(fcntl(l, F_SETFL, O_NONBLOCK));
	show(accept(l, NULL, NULL));
	show(read(c, &a, 1));
	show(fcntl(d, F_GETFL) == O_RDWR);
	close(l), close(c), close(d);
	c = socket(AF_INET, SOCK_STREAM, 0);
	a = at("1.2.3.4", 5);
	show(bind(c, (void *)&a, sizeof a));
	show(connect(c, (void *)&a, 1));
}

static void addresses(void)
{
	int x = bound(SOCK_STREAM), y = socket(AF_INET, SOCK_STREAM, 0), on = 1, z;
	struct sockaddr_in a = at("127.0.0.1", port), b = at("127.0.0.2", port), any = at("0.0.0.0", port);
	struct sockaddr_in6 six = at6("::1", port), mapped = at6("::ffff:127.0.0.1", port), all = at6("::", port);

	show(bind(y, (void *)&any, sizeof any));
	show(bind(y, (void *)&b, sizeof b));
	close(y);
	y = socket(AF_INET, SOCK_STREAM, 0);
	setsockopt(x, SOL_SOCKET, SO_REUSEADDR, &on, 4);
	show(bind(y, (void *)&a, sizeof a));
	setsockopt(y, SOL_SOCKET, SO_REUSEADDR, &on, 4);
	show(bind(y, (void *)&a, sizeof a));
	show(listen(x, 1));
	show(listen(y, 1));
	close(x), close(y);
	x = socket(AF_INET, SOCK_DGRAM, 0);
	show(bind(x, (void *)&a, sizeof a));
	close(x);
	x = socket(AF_INET6, SOCK_STREAM, 0);
	show(bind(x, (void *)&all, sizeof all));
	y = socket(AF_INET, SOCK_STREAM, 0);
	show(bind(y, (void *)&a, sizeof a));
	show(listen(x, 5));
	show(connect(y, (void *)&a, sizeof a));
	z = accept(x, NULL, NULL);
	who(z, port);
	who(y, port);
	close(y), close(z);
	y = socket(AF_INET6, SOCK_STREAM, 0);
	show(connect(y, (void *)&mapped, sizeof mapped));
	who(y, port);
	close(y);
	y = socket(AF_INET6, SOCK_STREAM, 0);
	show(connect(y, (void *)&six, sizeof six));
	who(y, port);
	show(bind(y, (void *)&six, sizeof six));
	close(x);
	close(y);
	x = socket(AF_INET6, SOCK_STREAM, 0);
	show(setsockopt(x, IPPROTO_IPV6, IPV6_V6ONLY, &on, 4));
	show(bind(x, (void *)&a, sizeof a));
	show(bind(x, (void *)&six, 20));
}

static void datagrams(void)
{
	int x = bound(SOCK_DGRAM), y = socket(AF_INET, SOCK_DGRAM, 0), z;
	struct sockaddr_in a = at("127.0.0.1", port), b;
	char buf[100];
	static char big[70000];
	socklen_t n = sizeof b;

	printf("%#x\n", ready(y));
	show(send(y, "x", 1, 0));
	show(getpeername(y, (void *)&b, &n));
	show(sendto(y, "hello", 5, 0, (void *)&a, sizeof a));
	n = sizeof b;
	show(recvfrom(x, buf, 3, 0, (void *)&b, &n));
	show(n);
	show(sendto(x, "reply", 5, 0, (void *)&b, n));
	show(recv(y, buf, 100, 0));
	show(connect(y, (void *)&a, sizeof a));
	who(y, port);
	show(write(y, "", 0));
	show(write(y, "more", 4));
	show(recv(x, buf, 100, 0));
	show(recv(x, buf, 100, MSG_TRUNC | MSG_PEEK));
	printf("%#x\n", ready(x));
	show(recv(x, buf, 2, MSG_TRUNC));
	show(recv(x, buf, 2, MSG_DONTWAIT));
	z = socket(AF_INET, SOCK_DGRAM, 0);
	getsockname(y, (void *)&b, &n);
	show(sendto(z, "stranger", 8, 0, (void *)&b, sizeof b));
	show(recv(y, buf, 100, MSG_DONTWAIT));
	show(send(y, big, 65508, 0));
	show(send(y, big, 65507, 0));
	show(recv(x, big, 70000, 0));
	show(listen(y, 1));
	show(accept(y, NULL, NULL));
	close(x);
	show(send(y, "x", 1, 0));
	wait_ms(60);
	printf("%#x\n", ready(y));
	show(send(y, "x", 1, 0));
	show(send(y, "x", 1, 0));
	wait_ms(60);
	show(recv(y, buf, 1, 0));
	show(shutdown(y, SHUT_RD));
	show(recv(y, buf, 1, 0));
	printf("%#x\n", ready(y));
	b.sin_family = AF_UNSPEC;
	show(connect(y, (void *)&b, sizeof b));
	show(send(y, "x", 1, 0));
	show(sendto(z, "x", 1, 0, (void *)&a, sizeof a));
	wait_ms(60);
	show(error(z));
	show(socketpair(AF_INET, SOCK_DGRAM, 0, (int[2]){ 0 }));
}

/* What connect() gave an end goes with its connection; what bind() gave stays. */
static void apart(void)
{
	int there = bound(SOCK_DGRAM), at_port = port;
	struct sockaddr_in6 six = at6("::1", port), mapped = at6("::ffff:127.0.0.1", port), all = at6("::", 0);
	struct sockaddr_in a = at("127.0.0.1", port), any = at("0.0.0.0", 0), b;
	struct sockaddr none = { AF_UNSPEC };
	socklen_t n = sizeof b;
	int x = socket(AF_INET6, SOCK_DGRAM, 0);

	show(connect(x, (void *)&six, sizeof six));
	who(x, port);
	show(connect(x, &none, sizeof none));
	who(x, port);
	show(connect(x, (void *)&mapped, sizeof mapped));
	who(x, port);
	show(connect(x, (void *)&mapped, sizeof mapped));
	who(x, port);
	show(connect(x, &none, sizeof none));
	show(connect(x, (void *)&a, sizeof a));
	who(x, port);
	close(x);
	for (int k = 0; k < 4; k++) {
		x = socket(AF_INET, SOCK_DGRAM, 0);
		b = k & 1 ? a : any, b.sin_port = 0;
		show(bind(x, (void *)&b, sizeof b));
		if (k & 2) {
			getsockname(x, (void *)&b, &n);
			close(x);
			x = socket(AF_INET, SOCK_DGRAM, 0);
			show(bind(x, (void *)&b, sizeof b));
		}
		at_port = ntohs(b.sin_port);
		show(connect(x, (void *)&a, sizeof a));
		who(x, at_port);
		show(connect(x, &none, sizeof none));
		who(x, at_port);
		show(sendto(x, "x", 1, 0, (void *)&a, sizeof a));
		who(x, at_port);
		close(x);
	}
	close(there);
	there = bound(SOCK_STREAM);
	listen(there, 5);
	a.sin_port = htons(port);
	for (int k = 0; k < 3; k++) {
		x = socket(AF_INET, SOCK_STREAM, 0);
		b = k & 1 ? a : any, b.sin_port = 0;
		if (k)
			show(bind(x, (void *)&b, sizeof b));
		show(connect(x, (void *)&a, sizeof a));
		who(x, port);
		show(connect(x, &none, sizeof none));
		getsockname(x, (void *)&b, &n);
		puts(inet_ntoa(b.sin_addr)); /* the port is one that Linux shows and has given back */
		close(x);
	}
	close(there);
}

int main(void)
{
	apart();
	streams();
	without_waiting();
	addresses();
	datagrams();
	return 0;
}
