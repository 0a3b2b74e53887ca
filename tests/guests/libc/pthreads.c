/* What the thread library makes of futexes; each part prints what it counted. */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { THREADS = 6 };

static pthread_t threads[THREADS];

static void start(void *(*run)(void *))
{
	for (long i = 0; i < THREADS; i++)
		if (pthread_create(&threads[i], NULL, run, (void *)i))
			abort();
}

static long join(void)
{
	void *result;
	long sum = 0;

	for (int i = 0; i < THREADS; i++) {
		pthread_join(threads[i], &result);
		sum += (long)result;
	}
	return sum;
}

static struct timespec in_ms(clockid_t clock, long ms)
{
	struct timespec at;

	clock_gettime(clock, &at);
	at.tv_nsec += ms * 1000000;
	at.tv_sec += at.tv_nsec / 1000000000;
	at.tv_nsec %= 1000000000;
	return at;
}

/* ---- a queue with two conditions */

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t filled = PTHREAD_COND_INITIALIZER, emptied = PTHREAD_COND_INITIALIZER;
static int queue[4], head, tail;

static void *work(void *number)
{
	long sum = 0;

	for (int i = 0; i < 100; i++) {
		pthread_mutex_lock(&mutex);
		if ((long)number % 2) {
			while (tail - head == 4)
				pthread_cond_wait(&emptied, &mutex);
			queue[tail++ % 4] = i;
			pthread_cond_signal(&filled);
		} else {
			while (tail == head)
				pthread_cond_wait(&filled, &mutex);
			sum += queue[head++ % 4];
			pthread_cond_broadcast(&emptied);
		}
		pthread_mutex_unlock(&mutex);
	}
	return (void *)sum;
}

/* ---- a barrier and a lock for readers */

static pthread_barrier_t barrier;
static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
static int written, serial;

static void *meet(void *number)
{
	long seen = 0;

	for (int i = 0; i < 20; i++) {
		if (pthread_barrier_wait(&barrier) == PTHREAD_BARRIER_SERIAL_THREAD)
			__sync_fetch_and_add(&serial, 1);
		if ((long)number == i % THREADS) {
			pthread_rwlock_wrlock(&rwlock);
			written++;
			pthread_rwlock_unlock(&rwlock);
		}
		pthread_barrier_wait(&barrier);
		pthread_rwlock_rdlock(&rwlock);
		seen += written == i + 1;
		pthread_rwlock_unlock(&rwlock);
	}
	return (void *)seen;
}

/* ---- once, keys, detached, semaphores */

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t key;
static sem_t done;
static int made, destroyed;

static void make(void)
{
	made++;
	usleep(1000);
}

static void destroy(void *value)
{
	__atomic_add_fetch(&destroyed, *(int *)value, __ATOMIC_SEQ_CST);
	free(value);
	sem_post(&done);
}

static void *detached(void *unused)
{
	int *value = malloc(sizeof(*value));

	(void)unused;
	pthread_once(&once, make);
	*value = 3;
	pthread_setspecific(key, value);
	return NULL;
}

/* ---- cancellation */

static int cleaned;

static void clean(void *unused)
{
	(void)unused;
	cleaned++;
	pthread_mutex_unlock(&mutex);
}

static void *wait_for_ever(void *number)
{
	if (number) {
		for (;;)
			pause();
	}
	pthread_mutex_lock(&mutex);
	pthread_cleanup_push(clean, NULL);
	for (;;)
		pthread_cond_wait(&filled, &mutex);
	pthread_cleanup_pop(1);
	return NULL;
}

static void *spin(void *unused)
{
	(void)unused;
	pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL);
	for (;;)
		;
	return NULL;
}

static void cancel(void)
{
	pthread_t a, b, c;
	void *result;
	int cancelled = 0;

	pthread_create(&a, NULL, wait_for_ever, NULL);
	pthread_create(&b, NULL, wait_for_ever, &a);
	pthread_create(&c, NULL, spin, NULL);
	usleep(10000);
	pthread_cancel(c);
	pthread_cancel(b);
	pthread_cancel(a);
	pthread_join(a, &result);
	cancelled += result == PTHREAD_CANCELED;
	pthread_join(b, &result);
	cancelled += result == PTHREAD_CANCELED;
	pthread_join(c, &result);
	cancelled += result == PTHREAD_CANCELED;
	printf("cancelled %d, cleaned %d, unlocked %d\n", cancelled, cleaned,
	       pthread_mutex_trylock(&mutex) == 0);
	pthread_mutex_unlock(&mutex);
}

/* ---- robust locks, and other kinds */

static pthread_mutex_t robust, other, careful, again;

static void *die_with_it(void *unused)
{
	(void)unused;
	pthread_mutex_lock(&robust);
	pthread_mutex_lock(&other);
	return NULL;
}

static void *wait_for_owner(void *unused)
{
	int error;

	(void)unused;
	error = pthread_mutex_lock(&robust);
	if (!error)
		pthread_mutex_unlock(&robust);
	return (void *)(long)error;
}

static void kinds(void)
{
	pthread_mutexattr_t attribute;
	pthread_t thread;
	void *result;
	struct timespec soon;
	int error, second, third;

	pthread_mutexattr_init(&attribute);
	pthread_mutexattr_setrobust(&attribute, PTHREAD_MUTEX_ROBUST);
	pthread_mutex_init(&robust, &attribute);
	pthread_mutex_init(&other, &attribute);
	pthread_create(&thread, NULL, die_with_it, NULL);
	pthread_join(thread, NULL);
	error = pthread_mutex_lock(&robust);
	second = pthread_mutex_consistent(&robust);
	pthread_mutex_unlock(&robust);
	printf("robust: owner died %d, consistent %d, again %d", error == EOWNERDEAD, second,
	       pthread_mutex_lock(&robust));
	pthread_create(&thread, NULL, wait_for_owner, NULL);
	usleep(2000);
	pthread_mutex_unlock(&robust);
	pthread_join(thread, &result);
	error = pthread_mutex_lock(&other);
	pthread_mutex_unlock(&other);
	printf(", waited %ld, not made consistent %d %d\n", (long)result, error == EOWNERDEAD,
	       pthread_mutex_lock(&other) == ENOTRECOVERABLE);
	pthread_mutexattr_init(&attribute);
	pthread_mutexattr_settype(&attribute, PTHREAD_MUTEX_ERRORCHECK);
	pthread_mutex_init(&careful, &attribute);
	pthread_mutexattr_settype(&attribute, PTHREAD_MUTEX_RECURSIVE);
	pthread_mutex_init(&again, &attribute);
	pthread_mutex_lock(&careful);
	error = pthread_mutex_lock(&careful) == EDEADLK;
	pthread_mutex_lock(&again);
	second = pthread_mutex_lock(&again);
	pthread_mutex_lock(&mutex);
	soon = in_ms(CLOCK_REALTIME, 5);
	third = pthread_mutex_timedlock(&mutex, &soon) == ETIMEDOUT;
	pthread_mutex_unlock(&mutex);
	printf("deadlock %d, recursive %d, timed out %d", error, second, third);
	soon = in_ms(CLOCK_REALTIME, 5);
	pthread_mutex_lock(&mutex);
	error = pthread_cond_timedwait(&filled, &mutex, &soon) == ETIMEDOUT;
	pthread_mutex_unlock(&mutex);
	soon = in_ms(CLOCK_REALTIME, 5);
	second = sem_timedwait(&done, &soon) == -1 && errno == ETIMEDOUT;
	printf(" %d %d\n", error, second);
}

/* ---- a signal in a wait */

static volatile int handled;

static void on_signal(int number)
{
	(void)number;
	handled++;
}

static void *hold(void *unused)
{
	(void)unused;
	return (void *)(long)(sem_wait(&done) ? errno == EINTR : 2);
}

static void interrupted(void)
{
	struct sigaction action = { .sa_handler = on_signal };
	void *result;
	pthread_t thread;

	for (int restarts = 0; restarts < 2; restarts++) {
		handled = 0;
		action.sa_flags = restarts ? SA_RESTART : 0;
		sigaction(SIGUSR1, &action, NULL);
		pthread_create(&thread, NULL, hold, NULL);
		do { /* a busy host may not have let it come to the wait */
			usleep(5000);
			pthread_kill(thread, SIGUSR1);
			usleep(5000);
			if (restarts)
				sem_post(&done);
		} while (pthread_tryjoin_np(thread, &result) == EBUSY);
		printf("interrupted: handled %d, %ld\n", handled > 0, (long)result);
	}
}

/* ---- a stop of all threads */

static volatile int ticks;

static void *tick(void *unused)
{
	(void)unused;
	for (;;) {
		ticks++;
		usleep(1000);
	}
	return NULL;
}

static void stops(void)
{
	int status;
	pid_t child = fork();

	if (!child) {
		pthread_t thread;

		pthread_create(&thread, NULL, tick, NULL);
		pthread_create(&thread, NULL, wait_for_ever, NULL);
		for (;;)
			pause();
	}
	usleep(10000);
	kill(child, SIGSTOP);
	printf("stopped %d", waitpid(child, &status, WUNTRACED) == child && WIFSTOPPED(status));
	printf(" once %d", waitpid(child, &status, WUNTRACED | WNOHANG));
	kill(child, SIGCONT);
	printf(", goes on %d", waitpid(child, &status, WCONTINUED) == child && WIFCONTINUED(status));
	kill(child, SIGTERM);
	printf(", ended %d", waitpid(child, &status, 0) == child && WTERMSIG(status) == SIGTERM);
	printf(" once %d\n", wait(NULL));
}

/* ---- words that two processes share */

struct both {
	pthread_mutex_t mutex;
	sem_t here, there;
	int value;
};

static void shared(void)
{
	struct both *both = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pthread_mutexattr_t attribute;
	int error, status;
	pid_t child;

	pthread_mutexattr_init(&attribute);
	pthread_mutexattr_setpshared(&attribute, PTHREAD_PROCESS_SHARED);
	pthread_mutexattr_setrobust(&attribute, PTHREAD_MUTEX_ROBUST);
	pthread_mutex_init(&both->mutex, &attribute);
	sem_init(&both->here, 1, 0);
	sem_init(&both->there, 1, 0);
	child = fork();
	if (!child) {
		for (int i = 0; i < 50; i++) {
			sem_wait(&both->there);
			both->value++;
			sem_post(&both->here);
		}
		pthread_mutex_lock(&both->mutex);
		sem_post(&both->here);
		for (;;)
			pause();
	}
	for (int i = 0; i < 50; i++) {
		both->value *= 2;
		both->value %= 1000003;
		sem_post(&both->there);
		sem_wait(&both->here);
	}
	sem_wait(&both->here);
	kill(child, SIGKILL);
	error = pthread_mutex_lock(&both->mutex);
	pthread_mutex_consistent(&both->mutex);
	pthread_mutex_unlock(&both->mutex);
	waitpid(child, &status, 0);
	printf("shared: value %d, owner died %d\n", both->value, error == EOWNERDEAD);
}

int main(void)
{
	pthread_attr_t attribute;
	pthread_t thread;

	setvbuf(stdout, NULL, _IONBF, 0);
	start(work);
	printf("queue: %ld", join());
	printf(", %d through it\n", head);
	pthread_barrier_init(&barrier, NULL, THREADS);
	start(meet);
	printf("met: seen %ld", join());
	printf(", serial %d, written %d\n", serial, written);
	sem_init(&done, 0, 0);
	pthread_key_create(&key, destroy);
	pthread_attr_init(&attribute);
	pthread_attr_setdetachstate(&attribute, PTHREAD_CREATE_DETACHED);
	for (int i = 0; i < THREADS; i++)
		pthread_create(&thread, &attribute, detached, NULL);
	for (int i = 0; i < THREADS; i++)
		sem_wait(&done);
	printf("made %d, destroyed %d\n", made, destroyed);
	cancel();
	kinds();
	interrupted();
	stops();
	shared();
	return 0;
}
