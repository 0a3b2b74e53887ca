/*
 * exec-family: the parent writes R pages, then N children fork and execute this program anew; each
 * writes R pages at the same address (S6): exec cuts families.
 */
#include "guest.h"

/* Far from the program, the stack and where mappings begin, on every kernel. */
#define AREA ((u8 *)0x60000000ul)

static u8 *map_area(u32 pages)
{
	must(mmap(AREA, pages * PAGE_SIZE, PROT_RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED),
	     "mmap");
	return AREA;
}

/* "NAME=number" */
static char *setting(char *text, const char *name, u32 value)
{
	char digits[10], *to = text;
	u32 n = 0;

	while (*name)
		*to++ = *name++;
	*to++ = '=';
	do
		digits[n++] = '0' + value % 10;
	while (value /= 10);
	while (n)
		*to++ = digits[--n];
	*to = 0;
	return text;
}

/* Executes this program as child i; its ends of the pipes stay open. */
static void execute(char *name, u32 pages, u32 i, const struct family *f)
{
	char texts[5][24], *envp[] = { NULL };
	char *argv[] = { name,
			 setting(texts[0], "R", pages),
			 setting(texts[1], "CHILD", i),
			 setting(texts[2], "READY", f->ready[1]),
			 setting(texts[3], "GO", f->go[0]),
			 setting(texts[4], "SUM", f->sum[1]),
			 NULL };

	must(syscall3(NR_execve, "/proc/self/exe", argv, envp), "execve");
}

static void executed(int argc, char **argv, u32 pages, u32 i)
{
	struct family f = { { -1, param(argc, argv, "READY", 0) },
			    { param(argc, argv, "GO", 0), -1 },
			    { -1, param(argc, argv, "SUM", 0) } };
	u8 *area = map_area(pages);

	fill(area, pages, i);
	child_wait(&f);
	check(area, pages, i);
	child_exit(&f, checksum(area, pages));
}

int main(int argc, char **argv)
{
	u32 pages = param(argc, argv, "R", 64), n = param(argc, argv, "N", 16);
	u32 child = param(argc, argv, "CHILD", 0), total;
	struct family f;
	u8 *area;

	if (child)
		executed(argc, argv, pages, child);
	area = map_area(pages);
	family_init(&f);
	fill(area, pages, 0);
	for (u32 i = 1; i <= n; i++)
		if (must(fork(), "fork") == 0)
			execute(argv[0], pages, i, &f);
	await_children(&f, n);
	mark("measure", (ulong)area, pages * PAGE_SIZE);
	release_children(&f, n);
	total = reap_children(&f, n);
	check(area, pages, 0);
	say("exec-family: %u pages, %u children, parent %x, children %x\n", pages, n,
	    checksum(area, pages), total);
	return 0;
}
