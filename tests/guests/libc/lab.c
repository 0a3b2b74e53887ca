/* lab: everything in <vmemu.h>, and that errno stays as it is. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <vmemu.h>

enum { PAGE = 4096, TOUCHED = 8 };

int main(void)
{
	unsigned long long value = 1;
	/* a page that is never touched, and one that is no longer mapped */
	char *area = mmap(NULL, (TOUCHED + 2) * PAGE, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *untouched = area + TOUCHED * PAGE, *hole = untouched + PAGE;
	long result;

	munmap(hole, PAGE);
	memset(area, 'x', TOUCHED * PAGE);
	errno = 77;
	printf("inside %d\n", vmemu_inside());
	printf("mark %ld\n", vmemu_mark("touched", (unsigned long)area, TOUCHED * PAGE));
	printf("reclaim %ld\n", vmemu_reclaim(area + 1, TOUCHED * PAGE));
	printf("again %ld\n", vmemu_reclaim(area, TOUCHED * PAGE));
	vmemu_mark("reclaimed", 0, 0);
	printf("holds %c%c\n", area[0], area[TOUCHED * PAGE - 1]);
	result = vmemu_counter("enosys", &value);
	printf("counter %ld %llu\n", result, value);
	value = 1;
	result = vmemu_counter("no such", &value);
	printf("no such counter %ld %llu\n", result, value);
	printf("hole %ld\n", vmemu_reclaim(area, (TOUCHED + 2) * PAGE));
	printf("beyond %ld\n", vmemu_reclaim((void *)-PAGE, PAGE - 1));
	printf("no name %ld\n", vmemu_mark(hole, 0, 0));
	printf("check %ld\n", vmemu_check());
	printf("errno %d\n", errno);
	return 0;
}
