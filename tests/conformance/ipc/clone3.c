/* clone3: structures of all sizes, flags, signals and stacks that go together and that do not, ids, threads. */
#include "../fds/show.h"
#include <sys/mman.h>

struct args {
	uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls;
	uint64_t set_tid, set_tid_size, cgroup, later[500];
};

#define SIZE 88
#define PTR(p) ((uintptr_t)(p))

static struct args a;

/* A child that ends at once, or the error. */
static long make(size_t size)
{
	long child = syscall(435, &a, size);
	int status = -1;

	if (!child)
		_exit(3);
	if (child > 0 && (waitpid(child, &status, __WALL) != child || status != 0x300))
		printf("status %x\n", status);
	return child < 0 ? child : 1;
}

#define WITH(...) (a = (struct args){ __VA_ARGS__ }, make(SIZE))

static void sizes(void)
{
	char *page = mmap(0, 8192, 3, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	munmap(page + 4096, 4096);
	a = (struct args){ 0 };
	show(make(0));
	show(make(63));
	show(make(64));
	show(make(65));
	show(make(72));
	show(make(80));
	show(make(88));
	show(make(96));
	show(make(4096));
	show(make(4097));
	show(make(-1));
	a.later[100] = 1;
	show(make(88 + 800));
	show(make(88 + 808));
	show(make(4096));
	show(syscall(435, 0, 88));
	show(syscall(435, page + 4096, 88));
	show(syscall(435, page + 4096 - 80, 88));
	show(syscall(435, page + 4096 - 88, 96));
	show(syscall(435, page + 4096, 4097));
	show(syscall(435, page + 4096, 8));
}

static void wrong(void)
{
	int id = 77, ids[2] = { 5000, 1 };

	show(WITH(.flags = 1ULL << 34));
	show(WITH(.flags = 1ULL << 63));
	show(WITH(.flags = 0x400000));
	show(WITH(.flags = 17));
	show(WITH(.flags = 1));
	show(WITH(.flags = 0x10000));
	show(WITH(.flags = 0x800));
	show(WITH(.flags = 0x10800));
	show(WITH(.flags = 0x10900, .exit_signal = 17));
	show(WITH(.flags = 0x8000, .exit_signal = 17));
	show(WITH(.flags = 0x100000900));
	show(WITH(.exit_signal = 65));
	show(WITH(.exit_signal = 255));
	show(WITH(.exit_signal = 256));
	show(WITH(.exit_signal = 1ULL << 32));
	show(WITH(.exit_signal = -1));
	show(WITH(.exit_signal = 17, .stack = 4096));
	show(WITH(.exit_signal = 17, .stack_size = 4096));
	show(WITH(.exit_signal = 17, .stack = 4096, .stack_size = -4096ULL));
	show(WITH(.exit_signal = 17, .stack = -4096ULL, .stack_size = 4096));
	show(WITH(.exit_signal = 17, .set_tid = PTR(&id)));
	show(WITH(.exit_signal = 17, .set_tid_size = 1));
	show(WITH(.exit_signal = 17, .set_tid = PTR(&id), .set_tid_size = 33));
	show(WITH(.exit_signal = 17, .set_tid = 16, .set_tid_size = 1));
	show(WITH(.exit_signal = 17, .set_tid = 16, .set_tid_size = 1, .flags = 1));
	show(WITH(.exit_signal = 17, .set_tid = PTR(ids), .set_tid_size = 32));
	ids[0] = 0;
	show(WITH(.exit_signal = 17, .set_tid = PTR(ids), .set_tid_size = 1));
	ids[0] = -1;
	show(WITH(.exit_signal = 17, .set_tid = PTR(ids), .set_tid_size = 1));
	ids[0] = 1 << 30;
	show(WITH(.exit_signal = 17, .set_tid = PTR(ids), .set_tid_size = 1));
	ids[0] = getpid();
	show(WITH(.exit_signal = 17, .set_tid = PTR(ids), .set_tid_size = 1));
	ids[0] = 1;
	show(WITH(.exit_signal = 17, .set_tid = PTR(ids), .set_tid_size = 1));
	show(WITH(.exit_signal = 17, .flags = 0x200000000, .cgroup = 1ULL << 31));
	show(WITH(.exit_signal = 17, .flags = 0x200000000, .cgroup = 99));
	show(WITH(.exit_signal = 17, .flags = 0x200000000, .cgroup = 1));
	a = (struct args){ .exit_signal = 17, .flags = 0x200000000, .cgroup = 99 };
	show(make(80));
	show(WITH(.exit_signal = 17, .flags = 0x101000, .pidfd = PTR(&id), .parent_tid = PTR(&id)));
	show(WITH(.exit_signal = 17, .flags = 0x1000, .pidfd = 16));
	show(WITH(.exit_signal = 17, .flags = 0x100000, .parent_tid = 16));
	show(WITH(.exit_signal = 17, .flags = 0x1000000, .child_tid = 16));
	show(WITH(.exit_signal = 17, .flags = 0x80000, .tls = sizeof(long) == 8 ? 1ULL << 63 : 16));
}

static void nothing(int signo)
{
}

static int seen;

static void note(int signo)
{
	seen = signo;
}

static void signals(void)
{
	struct sigaction action;
	int status = 0, child;

	signal(SIGUSR1, nothing);
	signal(SIGUSR2, SIG_IGN);
	for (int clear = 0; clear < 2; clear++) {
		fflush(stdout);
		a = (struct args){ .flags = clear ? 0x100000000 : 0, .exit_signal = SIGCHLD };
		if (!(child = syscall(435, &a, SIZE))) {
			for (int signo = SIGUSR1; signo <= SIGUSR2; signo += SIGUSR2 - SIGUSR1) {
				sigaction(signo, NULL, &action);
				printf("clear %d: %d %s\n", clear, signo, action.sa_handler == SIG_DFL ? "default" :
				       action.sa_handler == SIG_IGN ? "ignored" : "handled");
			}
			fflush(stdout);
			_exit(0);
		}
		show(waitpid(child, &status, 0) == child);
	}
	static const int sent[] = { 0, SIGUSR1, SIGCHLD, 34, 64 };
	for (int i = 0; i < 5; i++) {
		seen = 0;
		if (sent[i])
			signal(sent[i], note);
		a = (struct args){ .exit_signal = sent[i] };
		if (!(child = syscall(435, &a, SIZE)))
			_exit(sent[i]);
		status = -1;
		if (sent[i] != SIGCHLD)
			show(waitpid(child, &status, 0));
		while (waitpid(child, &status, __WALL) < 0)
			;
		printf("signal %d: seen %d, status %x\n", sent[i], seen, status);
	}
	signal(SIGCHLD, SIG_DFL);
}

/* Who a child of CLONE_PARENT tells: as the maker itself would. */
static void parents(void)
{
	int status, maker, found, ends[2];

	signal(SIGUSR1, note);
	pipe(ends);
	fflush(stdout);
	a = (struct args){ .exit_signal = SIGUSR1 };
	if (!(maker = syscall(435, &a, SIZE))) {
		a = (struct args){ .flags = 0x8000 };
		int other = syscall(435, &a, SIZE);

		if (!other)
			_exit(5);
		write(ends[1], &other, sizeof(other));
		pause();
	}
	read(ends[0], &found, sizeof(found));
	while (waitpid(found, &status, __WALL) < 0)
		;
	printf("sibling: seen %d, status %x\n", seen, status);
	kill(maker, SIGKILL);
	while (waitpid(maker, &status, __WALL) < 0)
		;
}

static void ids(void)
{
	int status, fd = -1, child, parent = 0, wanted, told = 0;
	struct pollfd p = { .events = POLLIN };

	/* a free one */
	if (!(wanted = fork()))
		_exit(0);
	waitpid(wanted, &status, 0);
	a = (struct args){ .flags = 0x1101000, .exit_signal = SIGCHLD, .pidfd = PTR(&fd), .parent_tid = PTR(&parent),
			   .child_tid = PTR(&told), .set_tid = PTR(&wanted), .set_tid_size = 1 };
	if (!(child = syscall(435, &a, SIZE)))
		_exit(getpid() == wanted && told == wanted && !parent ? 9 : 8);
	p.fd = fd;
	printf("%d %d %d %d\n", child == wanted, parent == child, told, fd);
	show(poll(&p, 1, 10000));
	show(fcntl(fd, F_GETFD));
	waitpid(child, &status, 0);
	printf("%x\n", status);
	if (setuid(1000) == 0)
		show(WITH(.exit_signal = 17, .set_tid = PTR(&wanted), .set_tid_size = 1));
}

static volatile uintptr_t word;

/* A child on a stack of its own that shares memory, which the caller waits for. */
static void stacks(void)
{
	static char stack[65536] __attribute__((aligned(64)));
	long child = 435;
	int status;

	a = (struct args){ .flags = 0x100 | 0x4000, .exit_signal = SIGCHLD, .stack = PTR(stack),
			   .stack_size = sizeof(stack) };
#ifdef __x86_64__
	asm volatile("syscall; test %%rax, %%rax; jnz 1f; mov %%rsp, %3; mov $60, %%eax; mov $4, %%edi; syscall; 1:"
		     : "+a"(child) : "D"(&a), "S"(SIZE), "m"(word) : "rcx", "r11", "memory");
#else
	asm volatile("int $0x80; test %%eax, %%eax; jnz 1f; mov %%esp, %3; mov $1, %%eax; mov $4, %%ebx; int $0x80; 1:"
		     : "+a"(child) : "b"(&a), "c"(SIZE), "m"(word) : "memory");
#endif
	printf("%d\n", word == PTR(stack) + sizeof(stack));
	show(waitpid(child, &status, 0) == child);
	printf("%x\n", status);
}

int main(void)
{
	setvbuf(stdout, NULL, _IOFBF, 65536);
	sizes();
	wrong();
	signals();
	parents();
	stacks();
	ids();
	return 0;
}
