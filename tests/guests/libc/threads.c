/* A thread, and what is said if there can be none. */
#include <pthread.h>
#include <stdio.h>
#include <string.h>

static void *run(void *value) { return (char *)value + 1; }

int main(void)
{
	char bytes[2];
	pthread_t thread;
	void *result = NULL;
	int error = pthread_create(&thread, NULL, run, bytes);

	if (error) {
		printf("pthread_create: %s\n", strerror(error));
		return 1;
	}
	pthread_join(thread, &result);
	printf("joined %d\n", result == bytes + 1);
	return 0;
}
