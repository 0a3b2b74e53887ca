/* Rows about the CPU and its memory accesses. */
#ifndef BENCH_COMPUTE_H
#define BENCH_COMPUTE_H

#include "memory.h"

static volatile u32 result; /* keeps the loops alive */

/* N steps of a linear congruence with a shift: six instructions. */
static void do_int(u32 n)
{
	u32 x = 1;

	while (n--) {
		x = x * 1103515245u + 12345u;
		x ^= x >> 7;
	}
	result = x;
}

/* Primes below N * PAGE_SIZE, a byte for each number. */
static void do_sieve(u32 n)
{
	u32 limit = n * PAGE_SIZE;

	memset(area, 1, limit);
	for (u32 i = 2; i * i < limit; i++)
		if (area[i])
			for (u32 j = i * i; j < limit; j += i)
				area[j] = 0;
	result = area[limit - 1];
}

/* One pointer in each of the area's cache lines, linked into a single random cycle. */
enum { LINE = 64, LINES = 4096 / LINE };

static ulong *line(u32 i) { return (ulong *)(area + i * LINE); }

static void set_chase(u32 n)
{
	u32 x = 1, lines = n * LINES, j, k;

	get_area(n);
	for (u32 i = 0; i < lines; i++)
		*line(i) = i;
	for (u32 i = lines - 1; i; i--) { /* Sattolo */
		x = x * 1664525u + 1013904223u;
		j = (x >> 4) % i;
		k = *line(i), *line(i) = *line(j), *line(j) = k;
	}
	for (u32 i = 0; i < lines; i++)
		*line(i) = (ulong)line(*line(i));
}

static void do_chase(u32 n)
{
	ulong at = (ulong)area;

	for (u32 hops = n * LINES; hops; hops--)
		at = *(volatile ulong *)at;
	result = at;
}

static void get_two_areas(u32 n)
{
	get_area(n);
	room = map_pages(n);
	touch(room, n, 1);
}

/* Sixteen times, since few pages stay in the CPU's TLB and caches. */
static void do_memcpy(u32 n)
{
	for (u32 i = 0; i < 16; i++) {
		void *to = room, *from = area;
		u32 words = n * PAGE_WORDS;

		__asm__ volatile("rep movsl" : "+D"(to), "+S"(from), "+c"(words) : : "memory");
	}
}

#endif
