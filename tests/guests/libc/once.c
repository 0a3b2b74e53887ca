/* What a program without threads calls of those that are for threads; memory across fork. */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static __thread int mine = 5;
static pthread_once_t control = PTHREAD_ONCE_INIT;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;

static void once(void) { puts("once"); }

int main(void)
{
	char *memory = malloc(1 << 20);
	int status;

	memset(memory, 'x', 1 << 20);
	pthread_once(&control, once);
	pthread_once(&control, once);
	pthread_mutex_lock(&mutex);
	printf("locked %d\n", pthread_mutex_trylock(&mutex) == EBUSY);
	pthread_cond_broadcast(&condition);
	pthread_mutex_unlock(&mutex);
	fflush(stdout);
	if (fork() == 0) {
		mine++;
		printf("child %d\n", mine);
		exit(mine);
	}
	wait(&status);
	printf("parent %d, child %d, %c\n", mine, WEXITSTATUS(status), memory[12345]);
	return 0;
}
