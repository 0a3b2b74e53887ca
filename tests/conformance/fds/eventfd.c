/* eventfd, timerfd, signalfd. */
#include "show.h"

static int ready(int fd)
{
	struct pollfd p = { fd, 0xffff & ~POLLNVAL, 0 };

	poll(&p, 1, 0);
	return p.revents;
}

static void timer(int fd)
{
	struct itimerspec t;

	show(timerfd_gettime(fd, &t));
	printf("value %s, interval %ld\n", t.it_value.tv_sec || t.it_value.tv_nsec ? "some" : "none",
	       t.it_interval.tv_nsec);
}

int main(void)
{
	int e = eventfd(3, EFD_NONBLOCK), s = eventfd(2, EFD_SEMAPHORE | EFD_CLOEXEC), t, fd;
	uint64_t v = 0;
	struct stat st;
	struct itimerspec i = { { 0, 0 }, { 0, 3000000 } }, old;
	struct signalfd_siginfo info[3];
	sigset_t set;

	printf("%#x\n", ready(e));
	show(read(e, &v, 4));
	show(read(e, &v, 0));
	show(read(e, &v, 16));
	show(v);
	show(read(e, &v, 8));
	printf("%#x\n", ready(e));
	v = -1;
	show(write(e, &v, 8));
	show(write(e, &v, 7));
	v = -2;
	show(write(e, &v, 8));
	v = 1;
	show(write(e, &v, 8));
	printf("%#x\n", ready(e));
	v = 0;
	show(write(e, &v, 8));
	show(readv(e, (struct iovec[]){ { &v, 4 }, { (char *)&v + 4, 4 } }, 2));
	show(v == (uint64_t)-2);
	v = 7;
	show(write(e, &v, 8));
	show(read(e, (void *)16, 8));
	show(read(e, &v, 8));
	show(lseek(e, 0, SEEK_CUR));
	show(pread(e, &v, 8, 0));
	show(fstat(e, &st));
	printf("%o\n", st.st_mode);
	show(fcntl(e, F_GETFL) == (O_RDWR | O_NONBLOCK));
	show(fcntl(s, F_GETFD));
	show(read(s, &v, 8));
	show(v);
	show(read(s, &v, 8));
	LATER(60, v = 1; write(s, &v, 8));
	show(read(s, &v, 8));
	wait(NULL);
	show(eventfd(0, 8));

	show(timerfd_create(2, 0));
	show(timerfd_create(CLOCK_MONOTONIC, 1));
	t = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
	timer(t);
	show(timerfd_settime(t, 4, &i, NULL));
	show(timerfd_settime(e, 0, &i, NULL));
	show(timerfd_settime(99, 0, &i, NULL));
	i.it_value.tv_nsec = -1;
	show(timerfd_settime(t, 0, &i, NULL));
	i.it_value.tv_nsec = 0, i.it_value.tv_sec = 1000;
	show(timerfd_settime(t, 0, &i, &old));
	timer(t);
	printf("%#x\n", ready(t));
	i.it_value.tv_nsec = 3000000, i.it_value.tv_sec = 0;
	show(timerfd_settime(t, 0, &i, NULL));
	show(read(t, &v, 8));
	show(v);
	timer(t);
	i.it_interval.tv_nsec = 20000000;
	show(timerfd_settime(t, 0, &i, NULL));
	wait_ms(50);
	printf("%#x\n", ready(t));
	show(read(t, &v, 8));
	show(v >= 2);
	timer(t);
	show(poll(&(struct pollfd){ t, POLLIN, 0 }, 1, -1));
	show(read(t, &v, 8));
	show(v >= 1);
	show(fcntl(t, F_SETFL, O_NONBLOCK));
	i.it_value.tv_sec = 1000;
	show(timerfd_settime(t, 0, &i, NULL));
	show(read(t, &v, 8));
	show(write(t, &v, 8));
	show(read(t, &v, 7));
	clock_gettime(CLOCK_REALTIME, &i.it_value);
	i.it_value.tv_sec -= 10;
	i.it_interval.tv_nsec = 0;
	close(t);
	t = timerfd_create(CLOCK_REALTIME, 0);
	show(timerfd_settime(t, TFD_TIMER_ABSTIME, &i, NULL));
	show(read(t, &v, 8));
	show(v);
	i.it_value.tv_sec += 100;
	show(timerfd_settime(t, TFD_TIMER_ABSTIME, &i, &old));
	timer(t);
	memset(&i, 0, sizeof i);
	show(timerfd_settime(t, 0, &i, &old));
	show(old.it_value.tv_sec);
	timer(t);

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1), sigaddset(&set, SIGUSR2), sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	fd = signalfd(-1, &set, SFD_NONBLOCK);
	printf("%#x\n", ready(fd));
	show(read(fd, info, sizeof info));
	show(read(fd, info, 127));
	kill(getpid(), SIGUSR2), kill(getpid(), SIGUSR1);
	printf("%#x\n", ready(fd));
	show(read(fd, info, 130));
	show(info[0].ssi_signo);
	show(info[0].ssi_code);
	show(info[0].ssi_pid == getpid());
	show(read(fd, info, sizeof info));
	show(info[0].ssi_signo);
	show(fcntl(fd, F_SETFL, 0));
	LATER(60, _exit(7));
	show(read(fd, info, sizeof info));
	printf("%u %d %d\n", info[0].ssi_signo, info[0].ssi_code, info[0].ssi_status);
	wait(NULL);
	sigdelset(&set, SIGCHLD);
	show(signalfd(fd, &set, 0) == fd);
	e = epoll_create1(0);
	epoll_ctl(e, EPOLL_CTL_ADD, fd, &(struct epoll_event){ .events = EPOLLIN });
	LATER(60, kill(getppid(), SIGUSR1));
	show(epoll_wait(e, &(struct epoll_event){ 0 }, 1, -1));
	show(read(fd, info, sizeof info));
	show(info[0].ssi_signo);
	wait(NULL);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	show(signalfd(fd, &set, 0) == fd);
	kill(getpid(), SIGUSR1);
	printf("%#x\n", ready(fd));
	show(signalfd(e, &set, 0));
	show(signalfd(99, &set, 0));
	show(signalfd(-1, &set, 1));
	return 0;
}
