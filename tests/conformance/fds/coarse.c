/* Coarse clocks go from tick to tick, and a pair of readings is a tick apart sooner or later (MariaDB waits for it). */
#include "show.h"

static long long now(int clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static void look(int fine, int coarse)
{
	struct timespec resolution;
	long long before, told, after, one, two;
	int same = 0, late = 0, behind = 0;
	long pairs = 0;

	clock_getres(coarse, &resolution);
	printf("resolution %d\n", resolution.tv_nsec >= 900000 && resolution.tv_nsec <= 10000000);
	for (int k = 0; k < 100; k++) {
		before = now(fine), told = now(coarse), after = now(fine);
		late += told > after;
		behind += told < before - 2 * resolution.tv_nsec - 50000000;
		same += told == now(coarse);
	}
	printf("late %d behind %d same %d\n", late, behind, same > 50);
	do {
		one = now(coarse) / 1000000;
		two = now(coarse) / 1000000;
	} while (one == two && ++pairs < 10000000);
	printf("a pair apart %d\n", one != two);
}

int main(void)
{
	look(CLOCK_MONOTONIC, CLOCK_MONOTONIC_COARSE);
	look(CLOCK_REALTIME, CLOCK_REALTIME_COARSE);
	return 0;
}
