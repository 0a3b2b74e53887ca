/* resets: connections that are refused or end at once, and levels that no socket has. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct sockaddr_in place;
static socklen_t length = sizeof(place);
static int listener;

static void say(const char *what, long result)
{
	printf("%s: %ld %d\n", what, result, result < 0 ? errno : 0);
}

static void use(const char *what, int fd)
{
	char byte = 'x';

	printf("%s\n", what);
	say("read", read(fd, &byte, 1));
	say("read again", read(fd, &byte, 1));
	say("write", write(fd, &byte, 1));
	say("shutdown", shutdown(fd, SHUT_RDWR));
}

static void refused(void)
{
	struct sockaddr_in nobody = place;
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	nobody.sin_port = htons(1);
	say("connect", connect(fd, (void *)&nobody, sizeof(nobody)));
	use("refused", fd);
	say("connect again", connect(fd, (void *)&place, sizeof(place)));
	close(accept(listener, NULL, NULL));
	close(fd);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	if (connect(fd, (void *)&nobody, sizeof(nobody)) < 0 && errno == EINPROGRESS)
		usleep(1000);
	else
		errno = EINPROGRESS;
	say("then", connect(fd, (void *)&nobody, sizeof(nobody)) < 0 ? -1 : 0);
	close(fd);
}

/* What one side finds after the other closed with an option of SO_LINGER, having sent something or not. */
static void lingers(int on, int seconds, int sends)
{
	struct linger linger = { on, seconds };
	int fd = socket(AF_INET, SOCK_STREAM, 0), other;

	connect(fd, (void *)&place, sizeof(place));
	other = accept(listener, NULL, NULL);
	if (sends)
		write(fd, "s", 1);
	say("linger", setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)));
	close(fd);
	usleep(1000);
	use("closed", other);
	close(other);
}

static void levels(void)
{
	static const int families[] = { AF_INET, AF_INET6, AF_UNIX };

	for (int i = 0; i < 3; i++)
		for (int type = SOCK_STREAM; type <= SOCK_DGRAM; type++) {
			int fd = socket(families[i], type, 0), value = 1;
			socklen_t size = sizeof(value);

			say("get", getsockopt(fd, 77, 1, &value, &size));
			say("set", setsockopt(fd, 77, 1, &value, sizeof(value)));
			close(fd);
		}
}

int main(void)
{
	signal(SIGPIPE, SIG_IGN);
	place.sin_family = AF_INET;
	place.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	listener = socket(AF_INET, SOCK_STREAM, 0);
	bind(listener, (void *)&place, sizeof(place));
	getsockname(listener, (void *)&place, &length);
	listen(listener, 5);
	refused();
	for (int sends = 0; sends < 2; sends++) {
		lingers(0, 0, sends);
		lingers(1, 0, sends);
		lingers(1, 5, sends);
	}
	levels();
	return 0;
}
