/* Files of /proc/net: their first lines, and what they tell of sockets of one's own. */
#include "show.h"

static void head(const char *path)
{
	char line[400];
	FILE *file = fopen(path, "r");

	printf("%s: %s", path, file && fgets(line, sizeof line, file) ? line : "nothing\n");
	if (file)
		fclose(file);
}

/* All words of the line but the first, where the number of the line or the kernel's address is. */
static void own(const char *path, int fd, const char *name)
{
	struct sockaddr_in a = { 0 };
	socklen_t n = sizeof a;
	struct stat st;
	char line[400], inode[32], *word, *rest;
	FILE *file = fopen(path, "r");
	int ours = 0;

	fstat(fd, &st);
	getsockname(fd, (void *)&a, &n);
	sprintf(inode, "%lu", (unsigned long)st.st_ino);
	printf("%s:", name);
	while (file && fgets(line, sizeof line, file)) {
		char all[400];

		strcpy(all, line);
		for (word = strtok_r(line, " \n", &rest); word; word = strtok_r(NULL, " \n", &rest))
			ours |= !strcmp(word, inode);
		if (!ours)
			continue;
		printf(" %d bytes", (int)strlen(all) - (strchr(path, '6') || strstr(path, "unix") ? (int)strlen(all) : 0));
		strtok_r(all, " \n", &rest);
		while ((word = strtok_r(NULL, " \n", &rest))) {
			char *colon = strchr(word, ':');

			if (!strcmp(word, inode))
				word = "inode";
			else if (strlen(word) == 16 && !strchr(word, '/'))
				word = "pointer";
			else if (colon && strtol(colon + 1, NULL, 16) == ntohs(a.sin_port) && colon - word != 2)
				strcpy(colon + 1, "PORT");
			printf(" %s", word);
		}
		break;
	}
	puts(ours ? "" : " not there");
	if (file)
		fclose(file);
}

int main(void)
{
	int l = socket(AF_INET, SOCK_STREAM, 0), c = socket(AF_INET, SOCK_STREAM, 0), d, s[2], one = 1;
	struct sockaddr_in a = { AF_INET, 0, { htonl(INADDR_LOOPBACK) } };
	struct sockaddr_in6 six = { AF_INET6, 0, 0, IN6ADDR_LOOPBACK_INIT };
	struct sockaddr_un u = { AF_UNIX, "\0procnet" };
	socklen_t n = sizeof a;

	head("/proc/net/unix");
	head("/proc/net/tcp");
	head("/proc/net/tcp6");
	head("/proc/net/udp");
	head("/proc/net/udp6");
	head("/proc/net/raw");
	head("/proc/net/dev");
	head("/proc/net/route");
	head("/proc/net/arp");
	own("/proc/net/tcp", l, "tcp, new");
	bind(l, (void *)&a, n);
	listen(l, 5);
	own("/proc/net/tcp", l, "tcp, listening");
	getsockname(l, (void *)&a, &n);
	connect(c, (void *)&a, n);
	own("/proc/net/tcp", l, "tcp, one waiting");
	d = accept(l, NULL, NULL);
	close(l);
	write(c, "12345", 5);
	for (int k = 0; k < 3; k++) {
		struct sockaddr_in peer;
		char line[400], told[2][100] = { "", "" }; /* Linux has them in no order */
		FILE *file = fopen("/proc/net/tcp", "r");

		n = sizeof peer;
		getsockname(c, (void *)&peer, &n);
		while (fgets(line, sizeof line, file)) {
			unsigned int at, to, port, there, state, sent, waiting;

			sscanf(line, "%*s %x:%x %x:%x %x %x:%x", &at, &port, &to, &there, &state, &sent, &waiting);
			if (port == ntohs(a.sin_port))
				sprintf(told[0], "accepted: %x %x %d state %x %d\n", at, to, there == ntohs(peer.sin_port), state, waiting);
			if (there == ntohs(a.sin_port) && port == ntohs(peer.sin_port))
				sprintf(told[1], "connected: %x %x state %x %d\n", at, to, state, waiting);
		}
		fclose(file);
		printf("%s%s", told[0], told[1]);
		if (!k)
			shutdown(c, SHUT_WR);
		else
			close(d);
		wait_ms(200); /* the other side has answered */
		if (k == 1)
			break;
	}
	l = socket(AF_INET, SOCK_DGRAM, 0);
	own("/proc/net/udp", l, "udp, new");
	a.sin_port = 0;
	bind(l, (void *)&a, sizeof a);
	own("/proc/net/udp", l, "udp");
	l = socket(AF_INET6, SOCK_DGRAM, 0);
	bind(l, (void *)&six, sizeof six);
	own("/proc/net/udp6", l, "udp6");
	l = socket(AF_INET6, SOCK_STREAM, 0);
	bind(l, (void *)&six, sizeof six);
	listen(l, 5);
	own("/proc/net/tcp6", l, "tcp6");
	l = socket(AF_UNIX, SOCK_STREAM, 0);
	own("/proc/net/unix", l, "unix, new");
	bind(l, (void *)&u, sizeof(sa_family_t) + 8);
	own("/proc/net/unix", l, "unix, bound");
	listen(l, 5);
	own("/proc/net/unix", l, "unix, listening");
	socketpair(AF_UNIX, SOCK_SEQPACKET, 0, s);
	own("/proc/net/unix", s[0], "unix, pair");
	close(s[1]);
	own("/proc/net/unix", s[0], "unix, alone");
	l = socket(AF_UNIX, SOCK_DGRAM, 0);
	memcpy(u.sun_path, "\0any\0by\303\244te", 11);
	bind(l, (void *)&u, sizeof(sa_family_t) + 11);
	own("/proc/net/unix", l, "unix, of any bytes");
	return 0;
}
