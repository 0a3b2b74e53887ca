/* waitv: futex_waitv: errors in order, who is woken and which word it was, times, signals. */
#define _GNU_SOURCE
#include "../fds/show.h"
#include <linux/futex.h>
#include <sys/mman.h>

#define fork() (fflush(stdout), fork())

struct waiter { uint64_t value, address; uint32_t flags, nothing; };
struct time { int64_t s, ns; };

static struct waiter w[129];
static uint32_t *words;

static void fill(int count, int flags)
{
	for (int i = 0; i < count; i++)
		w[i] = (struct waiter){ words[i], (uintptr_t)(words + i), flags, 0 };
}

static struct time after(int clock, long ms)
{
	struct timespec t;

	clock_gettime(clock, &t);
	t.tv_nsec += ms * 1000000;
	return (struct time){ t.tv_sec + t.tv_nsec / 1000000000, t.tv_nsec % 1000000000 };
}

static long wait_all(int count, int flags, void *timeout, int clock)
{
	return syscall(449, w, count, flags, timeout, clock);
}

static long wake(int index, int count, int flags)
{
	return syscall(SYS_futex, words + index, FUTEX_WAKE | flags, count, 0, 0, 0);
}

static void note(int signo)
{
}

int main(void)
{
	struct sigaction action = { .sa_handler = note };
	struct time t, odd = { 0, 1000000000 }, past = { 1, 0 }, negative = { -1, 0 };
	char *page = mmap(0, 8192, 3, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int status;

	munmap(page + 4096, 4096);
	words = mmap(0, 4096, 3, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	for (int i = 0; i < 130; i++)
		words[i] = 100 + i;
	fill(129, 2);
	show(syscall(449, 0, 1, 0, 0, 0));
	show(syscall(449, 16, 1, 1, 0, 0));
	show(syscall(449, 16, 0, 0, 0, 0));
	show(syscall(449, 16, 129, 0, 0, 0));
	show(syscall(449, 16, 1, 0, 16, 2));
	show(syscall(449, 16, 1, 0, 16, 1));
	show(syscall(449, 16, 1, 0, &odd, 1));
	show(syscall(449, 16, 1, 0, &negative, 0));
	show(syscall(449, 16, 1, 0, 0, 99));
	show(syscall(449, page + 4096 - 23, 1, 0, 0, 0));
	memcpy(page + 4096 - 24, w, 24);
	show(syscall(449, page + 4096 - 24, 2, 0, &past, 1));
	((struct waiter *)(page + 4096))[-1].flags = 0;
	show(syscall(449, page + 4096 - 24, 2, 0, &past, 1));
	for (int flags = 0; flags < 4; flags++) {
		w[0].flags = flags;
		show(wait_all(2, 0, &past, 1));
	}
	w[0].flags = 2 | 256;
	show(wait_all(2, 0, &past, 1));
	w[0].flags = 2;
	w[0].nothing = 1;
	show(wait_all(2, 0, &past, 1));
	w[0].nothing = 0;
	w[0].value |= 1ULL << 32;
	show(wait_all(2, 0, &past, 1));
	w[0].value = 1;
	show(wait_all(2, 0, &past, 1));
	w[1].address++;
	show(wait_all(2, 0, &past, 1));
	w[1].address = 16;
	show(wait_all(2, 0, &past, 1));
	w[1].address = (uintptr_t)page + 4096;
	show(wait_all(2, 0, &past, 1));
	fill(129, 2);
	show(wait_all(128, 0, &past, 0));
	t = after(CLOCK_MONOTONIC, 30);
	show(wait_all(128, 0, &t, 1));
	t = after(CLOCK_REALTIME, 30);
	show(wait_all(1, 0, &t, 0));
	LATER(50, printf("woken %ld %ld\n", wake(127, 5, 0), wake(0, 5, 0)));
	show(wait_all(128, 0, 0, 99));
	wait(&status);
	show(wake(3, 5, 0));
	/* private words are others */
	LATER(50, printf("woken %ld %ld\n", wake(1, 5, FUTEX_PRIVATE_FLAG), wake(1, 5, 0)));
	show(wait_all(3, 0, 0, 0));
	wait(&status);
	/* one word twice */
	w[1] = w[0];
	LATER(50, printf("woken %ld\n", wake(0, 5, 0)));
	show(wait_all(2, 0, 0, 0));
	wait(&status);
	fill(3, 2);
	sigaction(SIGUSR1, &action, 0);
	LATER(50, kill(getppid(), SIGUSR1));
	show(wait_all(3, 0, 0, 0));
	wait(&status);
	action.sa_flags = SA_RESTART;
	sigaction(SIGUSR1, &action, 0);
	LATER(50, kill(getppid(), SIGUSR1); wait_ms(50); printf("woken %ld\n", wake(2, 1, 0)));
	t = after(CLOCK_MONOTONIC, 900);
	show(wait_all(3, 0, &t, 1));
	wait(&status);
	/* a change before it sleeps again, after the signal */
	LATER(50, words[2]++; kill(getppid(), SIGUSR1));
	show(wait_all(3, 0, 0, 0));
	wait(&status);
	return 0;
}
