/* What adjtimex tells of a clock, and whom it refuses. */
#include "show.h"
#include <sys/timex.h>

int main(void)
{
	struct timex t = { 0 };
	struct timeval now;

	printf("%d\n", adjtimex(&t) >= 0);
	gettimeofday(&now, NULL);
	printf("%d %ld %ld %d\n", (int)sizeof t, t.tick, t.precision, labs(now.tv_sec - t.time.tv_sec) <= 1);
	t.modes = ADJ_OFFSET_SS_READ;
	printf("%d\n", adjtimex(&t) >= 0);
	printf("%ld\n", t.offset);
	t.modes = 0x8000;
	show(adjtimex(&t));
	t.modes = 0;
	printf("%d\n", clock_adjtime(CLOCK_REALTIME, &t) >= 0);
	show(clock_adjtime(CLOCK_MONOTONIC, &t));
	show(clock_adjtime(99, &t));
	show(syscall(SYS_adjtimex, 16));
	show(syscall(SYS_clock_adjtime, 99, 16));
	setuid(1000);
	t.modes = ADJ_TICK;
	show(adjtimex(&t));
	t.modes = ADJ_OFFSET_SINGLESHOT;
	show(adjtimex(&t));
	return 0;
}
