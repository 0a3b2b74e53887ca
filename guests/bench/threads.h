/* Rows about threads. */
#ifndef BENCH_THREADS_H
#define BENCH_THREADS_H
#include "thread.h"

/*
 * Threads in a ring: each waits on a word of its own until the one before it sets and wakes it.
 * The first of them is the one that is timed.
 */
enum { WAIT = 128, WAKE = 129, TOKEN = 1, STOP = 2 }; /* for this process alone */
static u32 threads, started;
static volatile u32 token[RING_MAX][16]; /* each in a cache line of its own */

static u32 take_token(u32 me)
{
	u32 value;

	while (!(value = *token[me]))
		futex(token[me], WAIT, 0, 0, NULL, 0);
	*token[me] = 0;
	return value;
}

static void give_token(u32 to, u32 value)
{
	*token[to] = value;
	futex(token[to], WAKE, 1, 0, NULL, 0);
}

static void pass_tokens(void)
{
	u32 me = __sync_add_and_fetch(&started, 1), value;

	do {
		value = take_token(me);
		give_token((me + 1) % threads, value);
	} while (value != STOP);
	exit(0);
}

static void start_threads(u32 size)
{
	threads = size;
	for (u32 i = 1; i < size; i++)
		clone_to(pass_tokens, 2, CLONE_AS_THREAD, NULL, NULL, NULL);
}

static void start_2_threads(u32 n)
{
	(void)n;
	start_threads(2);
}

static void start_8_threads(u32 n)
{
	(void)n;
	start_threads(8);
}

/* N rounds. */
static void do_threads(u32 n)
{
	while (n--) {
		give_token(1, TOKEN);
		take_token(0);
	}
}

static void stop_threads(void)
{
	if (!threads)
		return;
	give_token(1, STOP);
	take_token(0);
}

#endif
