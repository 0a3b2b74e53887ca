/*
 * hits.c - which basic blocks of the core ran: a byte each, in the file that
 * VMEMU_REACH_MAP names, so that child processes add theirs.
 *
 * Linked into the copy of the core that reach.py builds with gcc's
 * -fsanitize-coverage=trace-pc.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define SIZE (4 << 20) /* more than the core's text; reach.py knows it too */
#define PLAIN __attribute__((no_sanitize_coverage))

extern const char __ehdr_start __attribute__((visibility("hidden")));
static uint8_t nowhere[SIZE];
static uint8_t *map = nowhere;

PLAIN __attribute__((constructor)) static void open_map(void)
{
	/* mutants are made, and judged, in the core for i386 */
	const char *path = VMEMU_BITS == 32 ? getenv("VMEMU_REACH_MAP") : NULL;
	int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
	void *p;

	if (fd < 0)
		return;
	p = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (p != MAP_FAILED)
		map = p;
}

PLAIN void __sanitizer_cov_trace_pc(void)
{
	uintptr_t at = (uintptr_t)__builtin_return_address(0) -
		       (uintptr_t)&__ehdr_start;

	if (at < SIZE)
		map[at] = 1;
}
