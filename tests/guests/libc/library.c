/* Numbers as text, sorting, jumps, the environment, time, variables of a thread, atexit(). */
#include <errno.h>
#include <locale.h>
#include <math.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>

enum { COUNT = 100000 };

static __thread long counted = 1000, zero;
static __thread char label[40] = "initialised";
static jmp_buf back;

static void numbers(void)
{
	double values[] = { 0.1, -2.5e300, 1e-310, 123456789.0, 2.0 / 3, INFINITY, -0.0 };
	unsigned i;

	for (i = 0; i < sizeof(values) / sizeof(*values); i++)
		printf("%g %.17g %e %.3f %a\n", values[i], values[i], values[i], fabs(values[i]),
		       values[i]);
	printf("%.10f %.10f %.10f\n", sqrt(2), sin(1), fmod(-123.75, 10));
	printf("%Lg %lld %llu %zu %p\n", 1.0L / 3, -(1LL << 62), ~0ULL, sizeof(int), (void *)0);
	printf("%g %ld %lu\n", strtod("-12.5e-3xyz", NULL), strtol("-0x7f", NULL, 0),
	       (unsigned long)atoi("42"));
	errno = 0;
	values[0] = strtod("1e999", NULL);
	printf("%s %d\n", values[0] == HUGE_VAL ? "huge" : "?", errno == ERANGE);
}

static int compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static void sorting(void)
{
	uint32_t *all = malloc(COUNT * sizeof(*all)), x = 1, key, sum = 0;
	unsigned i, wrong = 0;

	for (i = 0; i < COUNT; i++)
		all[i] = x = x * 1664525 + 1013904223;
	key = all[COUNT / 3];
	qsort(all, COUNT, sizeof(*all), compare);
	for (i = 1; i < COUNT; i++) {
		wrong += all[i - 1] > all[i];
		sum = sum * 31 + all[i];
	}
	printf("sorted %u wrong, sum %u, found %d\n", wrong, sum,
	       bsearch(&key, all, COUNT, sizeof(*all), compare) != NULL);
	free(all);
}

static void __attribute__((noinline)) deep(int n)
{
	volatile char room[1000];

	room[0] = (char)n;
	if (!n)
		longjmp(back, 7);
	deep(n - 1);
	room[1] = room[0];
}

static void times(void)
{
	time_t when = 1087344000;
	struct timespec first, second, pause = { 0, 2000000 };
	struct timeval tv;
	char text[80];
	struct tm tm;

	gmtime_r(&when, &tm);
	strftime(text, sizeof(text), "%a %Y-%m-%d %H:%M:%S %j", &tm);
	printf("%s %ld\n", text, (long)(mktime(&tm) == when));
	clock_gettime(CLOCK_MONOTONIC, &first);
	nanosleep(&pause, NULL);
	clock_gettime(CLOCK_MONOTONIC, &second);
	printf("slept %d\n", (second.tv_sec - first.tv_sec) * 1000000000LL + second.tv_nsec -
				     first.tv_nsec >= 2000000);
	gettimeofday(&tv, NULL);
	printf("%d %d %d\n", time(NULL) - tv.tv_sec <= 1, tv.tv_sec >= when, clock() >= 0);
}

static void last(void) { printf("last\n"); }
static void before(void) { printf("before it, %ld\n", counted); }

int main(void)
{
	volatile int jumps = 0;

	atexit(last);
	atexit(before);
	setlocale(LC_ALL, "");
	numbers();
	sorting();
	if (setjmp(back) != 7) {
		jumps++;
		deep(50);
	}
	printf("jumped %d\n", jumps);
	printf("%s %s\n", getenv("COLOUR"), getenv("NONE") ? "?" : "none");
	setenv("COLOUR", "green", 1);
	printf("%s\n", getenv("COLOUR"));
	times();
	counted++;
	printf("%ld %ld %s\n", counted, zero, label);
	return 3;
}
