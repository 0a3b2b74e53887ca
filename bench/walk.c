/*
 * walk: what a reverse-map walk costs at least. A random ring of N places, and at each PAGES of it
 * in turn one word is read, which says where to go on: the cache misses of a walk that reads a
 * place's list node, its mm, its page directory and its page table, and nothing else.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

enum { LINES = 4, LINE = 64, STRIDE = 8192 + 576, WALKS = 64, HUGE = 2 << 20 };

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

int main(int argc, char **argv)
{
	uint32_t n = argc > 1 ? (uint32_t)atoi(argv[1]) : 64, at = 0, i, pass;
	uint32_t *order = calloc(n, sizeof(*order));
	size_t size = ((size_t)n * STRIDE + HUGE - 1) / HUGE * HUGE;
	char *base = aligned_alloc(HUGE, size), *ring;
	uint64_t start;

	if (!order || !base)
		return 1;
	ring = base;
	madvise(base, size, MADV_HUGEPAGE); /* as guest RAM has them */
	srand(1);
	for (i = 0; i < n; i++)
		order[i] = i;
	for (i = n - 1; i; i--) {
		uint32_t j = (uint32_t)rand() % (i + 1), swap = order[i];

		order[i] = order[j];
		order[j] = swap;
	}
	/* The lines of a place lie where those of an mm lie: in three frames. */
	for (i = 0; i < n; i++)
		for (uint32_t line = 0; line < LINES; line++) {
			uint32_t here = order[i] * STRIDE + line * (2048 + LINE);
			uint32_t next = line < LINES - 1 ? here + 2048 + LINE :
							   order[(i + 1) % n] * STRIDE;

			*(uint32_t *)(ring + here) = next;
		}
	at = order[0] * STRIDE;
	for (i = 0; i < n * LINES; i++)
		at = *(volatile uint32_t *)(ring + at);
	start = now();
	for (pass = 0; pass < WALKS; pass++)
		for (i = 0; i < n * LINES; i++)
			at = *(volatile uint32_t *)(ring + at);
	printf("%.3f\n", (double)(now() - start) / WALKS / n);
	return 0;
}
