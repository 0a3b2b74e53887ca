/* What a program learns of the interfaces: of "lo" alone, as hosts have others as well. */
#include "show.h"
#include <ifaddrs.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <sys/ioctl.h>

static void addresses(void)
{
	struct ifaddrs *all, *i;
	char host[64], mask[64];

	show(getifaddrs(&all));
	for (int family = AF_INET; family;
	     family = family == AF_INET  ? AF_INET6 :
		      family == AF_INET6 ? AF_PACKET :
					   0)
		for (i = all; i; i = i->ifa_next) {
			struct sockaddr_in6 *six = (void *)i->ifa_addr,
					    *six_mask = (void *)i->ifa_netmask;
			struct sockaddr_in *four = (void *)six,
					   *four_mask = (void *)six_mask;

			if (strcmp(i->ifa_name, "lo") || !four ||
			    four->sin_family != family)
				continue;
			printf("lo %d %#x\n", family, i->ifa_flags);
			if (family == AF_PACKET)
				continue;
			inet_ntop(family,
				  family == AF_INET ? (void *)&four->sin_addr :
						      &six->sin6_addr,
				  host, 64);
			inet_ntop(family,
				  family == AF_INET ?
					  (void *)&four_mask->sin_addr :
					  &six_mask->sin6_addr,
				  mask, 64);
			printf("%s %s\n", host, mask);
		}
	freeifaddrs(all);
}

static void names(void)
{
	struct if_nameindex *all = if_nameindex();
	char name[IF_NAMESIZE];

	show(all != NULL);
	for (int i = 0; all && all[i].if_index; i++)
		if (!strcmp(all[i].if_name, "lo"))
			printf("%u lo\n", all[i].if_index);
	show(if_nametoindex("lo"));
	show(if_nametoindex("none"));
	puts(if_indextoname(1, name));
	show(if_indextoname(9999, name) == NULL);
}

static void requests(int fd)
{
	static const struct {
		const char *name;
		int number;
	} all[] = {
		{ "flags", SIOCGIFFLAGS },
		{ "address", SIOCGIFADDR },
		{ "other end", SIOCGIFDSTADDR },
		{ "broadcast", SIOCGIFBRDADDR },
		{ "mask", SIOCGIFNETMASK },
		{ "metric", SIOCGIFMETRIC },
		{ "mtu", SIOCGIFMTU },
		{ "hardware", SIOCGIFHWADDR },
		{ "index", SIOCGIFINDEX },
		{ "queue", SIOCGIFTXQLEN },
	};
	struct ifreq r, many[64];
	struct ifconf c = { sizeof many, { (void *)many } };

	for (unsigned n = 0; n < COUNT(all); n++) {
		memset(&r, 0, sizeof r);
		strcpy(r.ifr_name, "lo");
		printf("%s ", all[n].name);
		show(ioctl(fd, all[n].number, &r));
		for (unsigned i = 0; i < 16; i++)
			printf("%02x", ((unsigned char *)&r)[16 + i]);
		strcpy(r.ifr_name, "none");
		printf(" ");
		show(ioctl(fd, all[n].number, &r));
	}
	show(ioctl(fd, SIOCGIFMTU, 8));
	show(ioctl(fd, SIOCGIFCONF, &c));
	show(c.ifc_len % sizeof r);
	for (unsigned n = 0; n < c.ifc_len / sizeof r; n++)
		if (!strcmp(many[n].ifr_name, "lo"))
			puts(inet_ntoa(((struct sockaddr_in *)&many[n].ifr_addr)
					       ->sin_addr));
	c.ifc_len = sizeof r - 1;
	show(ioctl(fd, SIOCGIFCONF, &c));
	show(c.ifc_len);
	c.ifc_buf = NULL;
	show(ioctl(fd, SIOCGIFCONF, &c));
	show(c.ifc_len >= (int)sizeof r);
	close(fd);
}

static struct {
	struct nlmsghdr head;
	union {
		struct ifinfomsg link;
		struct ifaddrmsg address;
		char rest[200];
	};
} ask;

/* What is answered, as far as it is about lo: types, flags, and which attributes, in the order of their numbers. */
static void answers(int fd)
{
	static char buf[65536];
	struct sockaddr_nl from = { 77, 77, 77, 77 };
	socklen_t n = sizeof from;

	for (int over = 0, first = 1; !over; first = 0) {
		int size = recvfrom(fd, buf, sizeof buf, MSG_DONTWAIT,
				    (void *)&from, &n);

		if (size < 0) {
			show(size);
			return;
		}
		if (first)
			printf("from %d %d %d, %u\n", from.nl_family,
			       from.nl_pid, from.nl_groups, n);

		for (struct nlmsghdr *h = (void *)buf; NLMSG_OK(h, size);
		     h = NLMSG_NEXT(h, size)) {
			struct ifinfomsg *link = NLMSG_DATA(h);
			struct ifaddrmsg *address = NLMSG_DATA(h);
			struct rtattr *a = NULL;
			int left = 0;

			over |= h->nlmsg_type == NLMSG_DONE ||
				!(h->nlmsg_flags & NLM_F_MULTI);
			if (h->nlmsg_type == RTM_NEWLINK &&
			    link->ifi_index == 1) {
				printf("link %#x %d %d %#x %#x\n",
				       h->nlmsg_flags & ~NLM_F_DUMP_FILTERED,
				       link->ifi_family, link->ifi_type,
				       link->ifi_flags, link->ifi_change);
				a = IFLA_RTA(link), left = IFLA_PAYLOAD(h);
			} else if (h->nlmsg_type == RTM_NEWADDR &&
				   address->ifa_index == 1) {
				printf("address %#x %d /%d %#x %d\n",
				       h->nlmsg_flags & ~NLM_F_DUMP_FILTERED,
				       address->ifa_family,
				       address->ifa_prefixlen,
				       address->ifa_flags, address->ifa_scope);
				a = IFA_RTA(address), left = IFA_PAYLOAD(h);
			} else if (h->nlmsg_type == NLMSG_ERROR) {
				struct nlmsgerr *e = NLMSG_DATA(h);

				printf("error %d, to %d seq %d, seq %d\n",
				       e->error, e->msg.nlmsg_type,
				       e->msg.nlmsg_seq, h->nlmsg_seq);
			} else if (h->nlmsg_type == NLMSG_DONE) {
				printf("done %d, seq %d\n",
				       *(int *)NLMSG_DATA(h), h->nlmsg_seq);
			}
			for (; a && RTA_OK(a, left); a = RTA_NEXT(a, left)) {
				int number = h->nlmsg_type == RTM_NEWLINK ?
						     a->rta_type :
						     -a->rta_type;

				if (number == IFLA_IFNAME ||
				    number == -IFA_LABEL)
					printf("  %d %s\n", number,
					       (char *)RTA_DATA(a));
				else if (number == IFLA_MTU ||
					 number == IFLA_TXQLEN ||
					 number == -IFA_FLAGS)
					printf("  %d %u\n", number,
					       *(unsigned *)RTA_DATA(a));
				else if (number == IFLA_ADDRESS ||
					 number == IFLA_BROADCAST ||
					 number == -IFA_ADDRESS ||
					 number == -IFA_LOCAL)
					printf("  %d %d bytes, the last %d\n",
					       number, (int)RTA_PAYLOAD(a),
					       ((unsigned char *)RTA_DATA(
						       a))[RTA_PAYLOAD(a) - 1]);
				else if (number == IFLA_OPERSTATE)
					printf("  %d %d\n", number,
					       *(unsigned char *)RTA_DATA(a));
			}
		}
	}
	show(recv(fd, buf, sizeof buf, MSG_DONTWAIT));
}

static void send_it(int fd, int type, int flags, int size)
{
	static int seq;

	ask.head.nlmsg_len = NLMSG_LENGTH(size);
	ask.head.nlmsg_type = type;
	ask.head.nlmsg_flags = flags;
	ask.head.nlmsg_seq = ++seq;
	printf("%d %#x: ", type, flags);
	show(send(fd, &ask, ask.head.nlmsg_len, 0));
	answers(fd);
	memset(&ask, 0, sizeof ask);
}

static void messages(void)
{
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE),
	    other, value = 7;
	struct sockaddr_nl a = { AF_NETLINK }, b = { 0 };
	socklen_t n = sizeof b;

	show(getsockname(fd, (void *)&b, &n));
	show(b.nl_pid);
	show(n);
	show(bind(fd, (void *)&a, 11));
	show(bind(fd, (void *)&a, sizeof a));
	show(getsockname(fd, (void *)&b, &n));
	show(b.nl_pid == getpid());
	show(bind(fd, (void *)&b, sizeof b));
	b.nl_pid++;
	show(bind(fd, (void *)&b, sizeof b));
	other = socket(AF_NETLINK, SOCK_DGRAM, NETLINK_ROUTE);
	show(connect(other, (void *)&a, sizeof a));
	n = sizeof b;
	show(getpeername(other, (void *)&b, &n));
	show(b.nl_pid);
	show(getsockname(other, (void *)&b, &n));
	show(b.nl_pid != getpid() && b.nl_pid);
	b.nl_pid = getpid();
	close(other);
	other = socket(AF_NETLINK, SOCK_DGRAM, NETLINK_ROUTE);
	show(bind(other, (void *)&b, sizeof b));
	close(other);
	show(getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &value, (n = 4, &n)));
	show(value);
	show(getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &value, &n));
	show(value);
	show(listen(fd, 1));
	show(accept(fd, NULL, NULL));
	show(shutdown(fd, SHUT_RD));
	show(socket(AF_NETLINK, SOCK_STREAM, 0));
	show(socket(AF_NETLINK, SOCK_RAW, 31));
	show(socket(AF_NETLINK, SOCK_RAW, 32));
	show(socketpair(AF_NETLINK, SOCK_RAW, 0, (int[2]){ 0 }));
	show(poll(&(struct pollfd){ fd, POLLIN, 0 }, 1, 0));
	show(poll(&(struct pollfd){ fd, POLLOUT, 0 }, 1, 0));
	show(recv(fd, &a, 1, MSG_DONTWAIT));

	send_it(fd, RTM_GETLINK, NLM_F_REQUEST | NLM_F_DUMP, sizeof ask.link);
	send_it(fd, RTM_GETADDR, NLM_F_REQUEST | NLM_F_DUMP,
		sizeof ask.address);
	ask.address.ifa_family = AF_INET;
	send_it(fd, RTM_GETADDR, NLM_F_REQUEST | NLM_F_DUMP,
		sizeof ask.address);
	ask.address.ifa_family = AF_INET6;
	send_it(fd, RTM_GETADDR, NLM_F_REQUEST | NLM_F_DUMP, 1);
	ask.link.ifi_index = 1;
	send_it(fd, RTM_GETLINK, NLM_F_REQUEST, sizeof ask.link);
	ask.link.ifi_index = 1;
	send_it(fd, RTM_GETLINK, NLM_F_REQUEST | NLM_F_ACK, sizeof ask.link);
	ask.link.ifi_index = 9999;
	send_it(fd, RTM_GETLINK, NLM_F_REQUEST, sizeof ask.link);
	send_it(fd, RTM_GETLINK, NLM_F_REQUEST, sizeof ask.link);
	memcpy(ask.rest + 16, "\7\0\3\0lo\0", 7);
	send_it(fd, RTM_GETLINK, NLM_F_REQUEST, 24);
	send_it(fd, NLMSG_NOOP, NLM_F_REQUEST | NLM_F_ACK, 0);
	send_it(fd, 4000, NLM_F_REQUEST, 4);
	send_it(fd, 4000, NLM_F_REQUEST, 0);
	send_it(fd, 4000, 0, 4);

	for (int i = 0; i < 2000; i++) {
		ask.head = (struct nlmsghdr){ NLMSG_LENGTH(sizeof ask.link),
					      RTM_GETLINK, NLM_F_REQUEST, i };
		ask.link.ifi_index = 1;
		send(fd, &ask, ask.head.nlmsg_len, 0);
	}
	show(recv(fd, &ask, sizeof ask, MSG_DONTWAIT));
	show(recv(fd, &ask, sizeof ask, MSG_DONTWAIT));
	close(fd);
}

int main(void)
{
	addresses();
	names();
	requests(socket(AF_INET, SOCK_DGRAM, 0));
	requests(socket(AF_INET6, SOCK_STREAM, 0));
	requests(socket(AF_UNIX, SOCK_STREAM, 0));
	messages();
	return 0;
}
