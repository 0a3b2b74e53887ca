/* What goes with a datagram of the internet: where it was sent to, hops that are left, the kind of service. */
#include "show.h"
#include <netinet/ip6.h>

static int from, to;

static void receive(int room)
{
	char data[8], control[400] __attribute__((aligned(8)));
	struct iovec iov = { data, sizeof data };
	struct msghdr m = { .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = room ? control : NULL,
			    .msg_controllen = room };
	int size;

	memset(control, 0x55, sizeof control);
	size = recvmsg(to, &m, MSG_DONTWAIT);
	if (size < 0) {
		show(size);
		return;
	}
	printf("%d bytes, %#x, %s of %d:", size, m.msg_flags,
	       m.msg_controllen ? "controls" : "nothing", room);
	if (m.msg_controllen > room)
		printf(" beyond");
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
		int length = c->cmsg_len - CMSG_LEN(0);

		printf(" %d,%d", c->cmsg_level, c->cmsg_type);
		if (c->cmsg_level == SOL_SOCKET)
			printf("(%s)", length == 2 * sizeof(long) ?
					       "a time" :
					       "part of it");
		else
			for (int i = 0; i < length; i++)
				printf("%c%02x", i ? ' ' : ':',
				       CMSG_DATA(c)[i]);
	}
	puts("");
}

static void send_with(int level, int type, const void *data, int size, int room)
{
	char control[64] __attribute__((aligned(8))) = { 0 };
	struct iovec iov = { "datagram", 8 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (size >= 0) {
		struct cmsghdr *c = (void *)control;

		m.msg_control = control, m.msg_controllen = CMSG_SPACE(size);
		c->cmsg_level = level, c->cmsg_type = type,
		c->cmsg_len = CMSG_LEN(size);
		memcpy(CMSG_DATA(c), data, size);
		printf("%d,%d ", level, type);
	}
	if (show(sendmsg(from, &m, 0)) > 0)
		receive(room);
}

static void set(int fd, int level, int name, int value)
{
	if (setsockopt(fd, level, name, &value, sizeof value))
		printf("%d,%d: %s\n", level, name, strerrorname_np(errno));
}

static void plain(int room)
{
	send_with(0, 0, NULL, -1, room);
}

static void number(int level, int type, int value)
{
	send_with(level, type, &value, sizeof value, 200);
}

static void start(int family, int mapped)
{
	struct sockaddr_in four = { AF_INET };
	struct sockaddr_in6 six = { AF_INET6 };
	struct sockaddr *a = family == AF_INET ? (void *)&four : (void *)&six;
	socklen_t n = family == AF_INET ? sizeof four : sizeof six;

	to = socket(family, SOCK_DGRAM, 0);
	from = socket(family, SOCK_DGRAM, 0);
	show(bind(to, a, n));
	getsockname(to, a, &n);
	inet_pton(AF_INET, "127.0.0.3", &four.sin_addr);
	inet_pton(AF_INET6, mapped ? "::ffff:127.0.0.3" : "::1",
		  &six.sin6_addr);
	show(connect(from, a, n));
	plain(200);
}

static void internet(void)
{
	struct in_pktinfo info = { 0, { htonl(0x7f000005) }, { 0 } };
	char none[12] = { 0 };

	start(AF_INET, 0);
	set(to, IPPROTO_IP, IP_PKTINFO, 1);
	plain(200);
	set(to, IPPROTO_IP, IP_RECVTTL, 1);
	set(to, IPPROTO_IP, IP_RECVTOS, 1);
	for (int room = 0; room < 90; room += 5)
		plain(room);
	set(from, IPPROTO_IP, IP_TTL, 7);
	set(from, IPPROTO_IP, IP_TOS, 0x10);
	plain(200);
	number(IPPROTO_IP, IP_TTL, 9);
	number(IPPROTO_IP, IP_TTL, 0);
	number(IPPROTO_IP, IP_TTL, 256);
	number(IPPROTO_IP, IP_TOS, 8);
	number(IPPROTO_IP, IP_TOS, 256);
	send_with(IPPROTO_IP, IP_TOS, "\4", 1, 200);
	send_with(IPPROTO_IP, IP_TTL, "\4", 1, 200);
	send_with(IPPROTO_IP, IP_PKTINFO, &info, sizeof info, 200);
	send_with(IPPROTO_IP, IP_PKTINFO, none, 11, 200);
	send_with(IPPROTO_IP, IP_PKTINFO, none, 12, 200);
	number(IPPROTO_IP, 99, 0);
	number(IPPROTO_IPV6, IPV6_HOPLIMIT, 3);
	number(99, 99, 0);
	set(to, IPPROTO_IP, IP_PKTINFO, 0);
	set(to, SOL_SOCKET, SO_TIMESTAMP, 1);
	for (int room = 11; room < 70; room += 4)
		plain(room);
	set(to, SOL_SOCKET, SO_TIMESTAMP, 0);
	plain(200);
	close(to), close(from);
}

static void internet6(int mapped)
{
	struct in6_pktinfo info = { IN6ADDR_LOOPBACK_INIT, 0 };

	start(AF_INET6, mapped);
	set(to, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
	plain(200);
	set(to, IPPROTO_IPV6, IPV6_RECVHOPLIMIT, 1);
	set(to, IPPROTO_IPV6, IPV6_RECVTCLASS, 1);
	for (int room = 0; room < 100; room += 5)
		plain(room);
	set(from, IPPROTO_IPV6, IPV6_UNICAST_HOPS, 7);
	set(from, IPPROTO_IPV6, IPV6_TCLASS, 0x10);
	plain(200);
	if (!mapped) {
		number(IPPROTO_IPV6, IPV6_HOPLIMIT, 9);
		number(IPPROTO_IPV6, IPV6_HOPLIMIT, -1);
		number(IPPROTO_IPV6, IPV6_HOPLIMIT, -2);
		number(IPPROTO_IPV6, IPV6_HOPLIMIT, 256);
		number(IPPROTO_IPV6, IPV6_TCLASS, 8);
		number(IPPROTO_IPV6, IPV6_TCLASS, -1);
		number(IPPROTO_IPV6, IPV6_TCLASS, 256);
		number(IPPROTO_IPV6, 99, 0);
		send_with(IPPROTO_IPV6, IPV6_HOPLIMIT, "\4", 1, 200);
		send_with(IPPROTO_IPV6, IPV6_PKTINFO, &info, sizeof info, 200);
		send_with(IPPROTO_IPV6, IPV6_PKTINFO, &info, 19, 200);
	}
	close(to), close(from);
}

int main(void)
{
	internet();
	internet6(0);
	internet6(1);
	return 0;
}
