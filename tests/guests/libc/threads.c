/* Threads that come and go, and what they share and do not share. */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { THREADS = 8, ROUNDS = 500 };

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static __thread int own = 5;
static int total;
static pid_t process;

static void *add(void *number)
{
	for (int i = 0; i < ROUNDS; i++) {
		pthread_mutex_lock(&mutex);
		total++;
		own++;
		pthread_mutex_unlock(&mutex);
	}
	if (getpid() != process || syscall(SYS_gettid) == process)
		printf("wrong ids\n");
	return (char *)number + own;
}

static void count(void)
{
	pthread_t threads[THREADS];
	void *result;
	int right = 0;

	for (long i = 0; i < THREADS; i++)
		if (pthread_create(&threads[i], NULL, add, (void *)(i * 1000)))
			printf("no thread\n");
	for (long i = 0; i < THREADS; i++) {
		pthread_join(threads[i], &result);
		right += (long)result == i * 1000 + ROUNDS + 5;
	}
	printf("%d threads, %d right, in all %d, own %d\n", THREADS, right, total, own);
}

static volatile sig_atomic_t taken;
static volatile pid_t taker;

static void on_signal(int number)
{
	(void)number;
	taker = syscall(SYS_gettid);
	taken++;
}

static volatile pid_t waiting;

static void *take(void *unused)
{
	sigset_t set;

	(void)unused;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	waiting = syscall(SYS_gettid);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
	while (!taken)
		usleep(1000);
	return NULL;
}

static void signals(void)
{
	struct sigaction action = { .sa_handler = on_signal };
	sigset_t set;
	pthread_t thread;

	sigaction(SIGUSR1, &action, NULL);
	sigaction(SIGUSR2, &action, NULL);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	kill(process, SIGUSR1);
	printf("blocked: %d\n", taken);
	pthread_create(&thread, NULL, take, NULL);
	pthread_join(thread, NULL);
	printf("taken by the other: %d\n", taken == 1 && taker == waiting);
	kill(process, SIGUSR2);
	printf("taken here: %d\n", taken == 2 && taker == process);
	sigpending(&set);
	printf("pending %d\n", sigismember(&set, SIGUSR1));
	printf("no such thread %d\n", pthread_kill(pthread_self(), 0));
}

static void *leave(void *how)
{
	usleep(1000);
	if (!how)
		_exit(3);
	if (how == (void *)1)
		raise(SIGTERM);
	if (how == (void *)2)
		execl("/proc/self/exe", "threads", "again", NULL);
	if (how == (void *)3)
		return NULL;
	kill(getpid(), SIGKILL);
	return NULL;
}

static void ends(void)
{
	for (long how = 0; how < 5; how++) {
		int status;
		pid_t child = fork();

		if (!child) {
			pthread_t thread;

			for (int i = 0; i < 3; i++)
				pthread_create(&thread, NULL, leave, (void *)(i == 1 ? how : 3));
			if (how == 3)
				pthread_exit(NULL);
			for (;;)
				pause();
		}
		waitpid(child, &status, 0);
		printf("ended %x\n", status);
		printf("no other child: %d\n", wait(NULL) == -1 && errno == ECHILD);
	}
}

static void *fork_here(void *unused)
{
	int status;
	pid_t child = fork();

	(void)unused;
	if (!child)
		_exit(syscall(SYS_gettid) == getpid() && getppid() == process ? 7 : 8);
	if (child != waitpid(-1, &status, 0))
		printf("wrong child\n");
	return (void *)(long)status;
}

int main(int argc, char **argv)
{
	pthread_t thread;
	void *result;

	process = getpid();
	if (argc > 1) {
		printf("%s: the leader: %d\n", argv[1], syscall(SYS_gettid) == process);
		return 9;
	}
	setvbuf(stdout, NULL, _IONBF, 0);
	count();
	signals();
	ends();
	pthread_create(&thread, NULL, fork_here, NULL);
	pthread_join(thread, &result);
	printf("forked: %lx\n", (long)result);
	return 0;
}
