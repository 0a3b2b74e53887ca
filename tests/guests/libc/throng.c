/* 200 threads in one process, each with memory of its own and a part of what all have. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { THREADS = 200, OWN = 8 * 4096, SHARED = 64 * 4096, ROUNDS = 3 };

static pthread_barrier_t barrier;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static unsigned char *shared;
static unsigned long counter;
static __thread unsigned char local[2000];

static unsigned char pattern(long number, int round, int at)
{
	return number * 7 + round * 31 + at / 4096 * 3 + at;
}

static void *run(void *argument)
{
	long number = (long)argument, wrong = 0;
	unsigned char *own = mmap(NULL, OWN, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (own == MAP_FAILED)
		return (void *)-1L;
	memset(local, number, sizeof(local));
	for (int round = 0; round < ROUNDS; round++) {
		for (int at = 0; at < OWN; at++)
			own[at] = pattern(number, round, at);
		for (int at = number; at < SHARED; at += THREADS)
			shared[at] = pattern(number, round, at);
		pthread_barrier_wait(&barrier);
		for (int at = 0; at < OWN; at++)
			wrong += own[at] != pattern(number, round, at);
		for (int at = 0; at < SHARED; at += 509)
			wrong += shared[at] != pattern(at % THREADS, round, at);
		pthread_mutex_lock(&mutex);
		counter += round + 1;
		pthread_mutex_unlock(&mutex);
		pthread_barrier_wait(&barrier);
	}
	for (unsigned at = 0; at < sizeof(local); at++)
		wrong += local[at] != (unsigned char)number;
	munmap(own, OWN);
	return (void *)wrong;
}

int main(void)
{
	static pthread_t threads[THREADS];
	pthread_attr_t attribute;
	long wrong = 0, started = 0;
	void *result;

	shared = calloc(1, SHARED);
	pthread_barrier_init(&barrier, NULL, THREADS);
	pthread_attr_init(&attribute);
	pthread_attr_setstacksize(&attribute, 64 << 10);
	for (long i = 0; i < THREADS; i++)
		started += !pthread_create(&threads[i], &attribute, run, (void *)i);
	if (started != THREADS) {
		printf("%ld threads\n", started);
		_exit(1);
	}
	for (long i = 0; i < THREADS; i++) {
		pthread_join(threads[i], &result);
		wrong += (long)result;
	}
	printf("%d threads, %ld bytes wrong, counter %lu\n", THREADS, wrong, counter);
	return 0;
}
