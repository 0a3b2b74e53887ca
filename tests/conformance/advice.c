/*
 * advice: memory calls that came after 2.6.7, and /proc/self/pagemap, smaps and clear_refs: what a
 * program can see of them.  What it prints is the same on every kernel that has them.
 */
#include "guest.h"

#ifdef __x86_64__
enum {
	NR_mlock_two = 325,
	NR_lock_all = 151,
	NR_unlock_all = 152,
	NR_pread_at = 17
};
#else
enum {
	NR_mlock_two = 376,
	NR_lock_all = 152,
	NR_unlock_all = 153,
	NR_pread_at = 180
};
#endif
enum { MAP_FIXED_NOREPLACE = 0x100000, MREMAP_DONTUNMAP = 4 };
enum {
	FREE = 8,
	DONTFORK = 10,
	DOFORK = 11,
	DONTDUMP = 16,
	DODUMP = 17,
	WIPEONFORK = 18,
	KEEPONFORK = 19,
	COLD = 20,
	PAGEOUT = 21,
	POPULATE_READ = 22,
	POPULATE_WRITE = 23,
};
enum { O_WRONLY = 1, PAGES = 8 };
#define ARENA ((u8 *)0x50000000ul)

static u8 text[65536];

static u8 *map_at(u8 *at, ulong pages, int prot, int flags)
{
#ifdef __x86_64__
	return (u8 *)syscall6(NR_mmap, (long)at, (long)(pages * PAGE_SIZE),
			      prot, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);
#else
	return (u8 *)syscall6(NR_mmap2, (long)at, (long)(pages * PAGE_SIZE),
			      prot, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);
#endif
}

static void fresh(void)
{
	syscall5(NR_munmap, (long)ARENA, 64 * PAGE_SIZE, 0, 0, 0);
	map_at(ARENA, PAGES, PROT_RW, MAP_FIXED);
}

static long advise(ulong page, ulong pages, int advice)
{
	return syscall5(NR_madvise, (long)(ARENA + page * PAGE_SIZE),
			(long)(pages * PAGE_SIZE), advice, 0, 0);
}

static void number(void)
{
	ulong i;

	for (i = 0; i < PAGES; i++)
		ARENA[i * PAGE_SIZE] = (u8)(i + 1);
}

/* The first byte of each page, or - where there is none. */
static void show(const char *what, u8 *at, ulong pages)
{
	u8 vector;
	ulong i;

	say("%s:", what);
	for (i = 0; i < pages; i++) {
		u8 *page = at + i * PAGE_SIZE;

		if (syscall5(NR_mincore, (long)page, PAGE_SIZE, (long)&vector,
			     0, 0))
			say(" -");
		else
			say(" %d", page[0]);
	}
	say("\n");
}

static void resident(const char *what, u8 *at, ulong pages)
{
	u8 vector[64];
	ulong i;

	say("%s %d, in memory:", what,
	    (int)syscall5(NR_mincore, (long)at, (long)(pages * PAGE_SIZE),
			  (long)vector, 0, 0));
	for (i = 0; i < pages; i++)
		say(" %d", vector[i] & 1);
	say("\n");
}

static long open_self(const char *path, int flags)
{
	return syscall5(NR_open, (long)path, flags, 0, 0, 0);
}

/* Bits 63, 62, 61, 56 and 55 of entries of pagemap, without the frame. */
static void pagemap(const char *what, u8 *at, ulong pages)
{
	long fd = open_self("/proc/self/pagemap", O_RDONLY);
	ulong i, first = (ulong)at / PAGE_SIZE * 8;
	u32 entry[2];

	say("%s:", what);
	for (i = 0; i < pages; i++) {
		if (syscall5(NR_pread_at, fd, (long)entry, 8,
			     (long)(first + i * 8), 0) != 8)
			say(" none");
		else
			say(" %s%s%s%s%s.", entry[1] >> 31 ? "p" : "",
			    entry[1] >> 30 & 1 ? "s" : "",
			    entry[1] >> 29 & 1 ? "f" : "",
			    entry[1] >> 24 & 1 ? "x" : "",
			    entry[1] >> 23 & 1 ? "d" : "");
	}
	say("\n");
	syscall5(NR_close, fd, 0, 0, 0, 0);
}

static void clear_refs(const char *how)
{
	long fd = open_self("/proc/self/clear_refs", O_WRONLY);

	say("clear_refs %s: %d\n", how,
	    (int)syscall5(NR_write, fd, (long)how, 1, 0, 0));
	syscall5(NR_close, fd, 0, 0, 0, 0);
}

static ulong read_all(const char *path)
{
	long fd = open_self(path, O_RDONLY), n;
	ulong length = 0;

	while ((n = syscall5(NR_read, fd, (long)(text + length),
			     sizeof(text) - 1 - length, 0, 0)) > 0)
		length += (ulong)n;
	syscall5(NR_close, fd, 0, 0, 0, 0);
	text[length] = 0;
	return length;
}

static int starts(const u8 *at, const char *with)
{
	while (*with)
		if (*at++ != (u8)*with++)
			return 0;
	return 1;
}

/* The numbers of the area at ARENA that do not depend on anybody else. */
static void smaps(const char *what)
{
	static const char *const names[] = {
		"Size:",      "Rss:",        "Pss:",   "Private_Dirty:",
		"Anonymous:", "Referenced:", "Locked:"
	};
	const u8 *at = text;
	ulong i;
	int here = 0;

	read_all("/proc/self/smaps");
	say("%s:", what);
	while (*at) {
		if (starts(at, "50000000-"))
			here = 1;
		else if (starts(at, "VmFlags:"))
			here = 0;
		for (i = 0; here && i < sizeof(names) / sizeof(*names); i++)
			if (starts(at, names[i])) {
				const u8 *digit = at;
				u32 value = 0;

				while (*digit != ':')
					digit++;
				while (*++digit == ' ')
					;
				while (*digit >= '0' && *digit <= '9')
					value = value * 10 +
						(u32)(*digit++ - '0');
				say(" %s%u", names[i], value);
			}
		while (*at && *at++ != '\n')
			;
	}
	say("\n");
}

static void in_child(const char *what)
{
	long pid;

	pid = syscall5(NR_fork, 0, 0, 0, 0, 0);
	if (!pid) {
		show(what, ARENA, PAGES);
		syscall5(NR_exit, 0, 0, 0, 0, 0);
	}
	syscall5(NR_wait4, pid, 0, 0, 0, 0);
}

static void ask_mmap(void)
{
	fresh();
	number();
	say("noreplace over %d\n",
	    (int)(long)map_at(ARENA + PAGE_SIZE, 1, PROT_RW,
			      MAP_FIXED_NOREPLACE));
	say("noreplace across %d\n",
	    (int)(long)map_at(ARENA - PAGE_SIZE, 2, PROT_RW,
			      MAP_FIXED_NOREPLACE));
	say("noreplace behind %d\n",
	    map_at(ARENA + PAGES * PAGE_SIZE, 2, PROT_RW,
		   MAP_FIXED_NOREPLACE) == ARENA + PAGES * PAGE_SIZE);
	say("noreplace odd %d\n",
	    (int)(long)map_at(ARENA + 20 * PAGE_SIZE + 1, 1, PROT_RW,
			      MAP_FIXED_NOREPLACE));
	show("noreplace", ARENA, PAGES + 3);
}

static void ask_fork(void)
{
	fresh();
	number();
	say("wipeonfork %d dontfork %d\n", (int)advise(1, 2, WIPEONFORK),
	    (int)advise(4, 2, DONTFORK));
	in_child("child");
	show("parent", ARENA, PAGES);
	say("keeponfork %d dofork %d\n", (int)advise(1, 1, KEEPONFORK),
	    (int)advise(4, 1, DOFORK));
	in_child("child");
	say("dontdump %d dodump %d\n", (int)advise(0, PAGES, DONTDUMP),
	    (int)advise(0, PAGES, DODUMP));
}

static void ask_pages(void)
{
	fresh();
	say("populate %d %d %d\n", (int)advise(0, 2, POPULATE_READ),
	    (int)advise(2, 2, POPULATE_WRITE),
	    (int)advise(6, 4, POPULATE_READ));
	resident("populated", ARENA, PAGES);
	syscall5(NR_mprotect, (long)ARENA, PAGE_SIZE, PROT_READ, 0, 0);
	syscall5(NR_mprotect, (long)(ARENA + PAGE_SIZE), PAGE_SIZE, PROT_NONE,
		 0, 0);
	say("populate what cannot be %d %d %d\n",
	    (int)advise(0, 1, POPULATE_WRITE), (int)advise(0, 1, POPULATE_READ),
	    (int)advise(1, 1, POPULATE_READ));
	fresh();
	number();
	say("cold %d pageout %d\n", (int)advise(0, 4, COLD),
	    (int)advise(4, 4, PAGEOUT));
	show("contents", ARENA, PAGES);
	say("free %d\n", (int)advise(0, 2, FREE));
	ARENA[0] = 77;
	say("written after free %d\n", ARENA[0]);
	syscall5(NR_mlock, (long)ARENA, PAGE_SIZE, 0, 0, 0);
	say("locked: %d %d %d %d\n", (int)advise(0, 1, FREE),
	    (int)advise(0, 1, COLD), (int)advise(0, 1, PAGEOUT),
	    (int)advise(0, 1, 4));
	say("unknown %d %d\n", (int)advise(0, 1, 7), (int)advise(0, 1, 99));
}

static void ask_mlock2(void)
{
	fresh();
	say("mlock2 %d %d\n",
	    (int)syscall5(NR_mlock_two, (long)ARENA, 4 * PAGE_SIZE, 1, 0, 0),
	    (int)syscall5(NR_mlock_two, (long)ARENA, PAGE_SIZE, 2, 0, 0));
	resident("on fault", ARENA, PAGES);
	smaps("on fault");
	ARENA[PAGE_SIZE] = 1;
	resident("used", ARENA, PAGES);
	smaps("used");
	say("mlock %d\n",
	    (int)syscall5(NR_mlock, (long)ARENA, 2 * PAGE_SIZE, 0, 0, 0));
	resident("locked", ARENA, PAGES);
	say("mlockall %d %d\n", (int)syscall5(NR_lock_all, 4, 0, 0, 0, 0),
	    (int)syscall5(NR_lock_all, 2 | 4, 0, 0, 0, 0));
	map_at(ARENA + 10 * PAGE_SIZE, 2, PROT_RW, MAP_FIXED);
	resident("future on fault", ARENA + 10 * PAGE_SIZE, 2);
	say("mlockall %d\n", (int)syscall5(NR_lock_all, 2, 0, 0, 0, 0));
	map_at(ARENA + 12 * PAGE_SIZE, 2, PROT_RW, MAP_FIXED);
	resident("future", ARENA + 12 * PAGE_SIZE, 2);
	syscall5(NR_unlock_all, 0, 0, 0, 0, 0);
}

static long remap(ulong old, ulong pages, ulong new_pages, int flags, ulong to)
{
	return syscall5(NR_mremap, (long)(ARENA + old * PAGE_SIZE),
			(long)(pages * PAGE_SIZE),
			(long)(new_pages * PAGE_SIZE), flags,
			(long)(ARENA + to * PAGE_SIZE));
}

static void ask_mremap(void)
{
	int stays = MREMAP_MAYMOVE | MREMAP_DONTUNMAP;

	fresh();
	number();
	say("dontunmap wrong %d %d %d\n",
	    (int)remap(0, 2, 2, MREMAP_DONTUNMAP, 20),
	    (int)remap(0, 2, 3, stays, 20),
	    (int)remap(0, 4, 4, stays | MREMAP_FIXED, 2));
	say("dontunmap %d\n", remap(2, 3, 3, stays | MREMAP_FIXED, 20) ==
				      (long)(ARENA + 20 * PAGE_SIZE));
	show("old", ARENA, PAGES);
	show("new", ARENA + 20 * PAGE_SIZE, 4);
	ARENA[2 * PAGE_SIZE] = 55;
	in_child("child");
	say("dontunmap by hint %d\n",
	    remap(0, 1, 1, stays, 30) == (long)(ARENA + 30 * PAGE_SIZE));
	show("hint", ARENA + 30 * PAGE_SIZE, 2);
	syscall5(NR_mlock, (long)(ARENA + 6 * PAGE_SIZE), 2 * PAGE_SIZE, 0, 0,
		 0);
	say("locked %d\n", remap(6, 2, 2, stays | MREMAP_FIXED, 40) ==
				   (long)(ARENA + 40 * PAGE_SIZE));
	resident("left", ARENA + 6 * PAGE_SIZE, 2);
	show("new", ARENA + 40 * PAGE_SIZE, 2);
}

static void ask_proc(void)
{
	fresh();
	smaps("untouched");
	pagemap("untouched", ARENA, 3);
	ARENA[0] = 1;
	ARENA[PAGE_SIZE] = 1;
	smaps("two written");
	pagemap("two written", ARENA, 3);
	clear_refs("4");
	pagemap("cleared", ARENA, 3);
	ARENA[PAGE_SIZE] = 2;
	pagemap("one written", ARENA, 3);
	ARENA[2 * PAGE_SIZE] = 2;
	pagemap("another", ARENA, 3);
	clear_refs("4");
	map_at(ARENA + PAGE_SIZE, 1, PROT_RW, MAP_FIXED);
	pagemap("mapped anew", ARENA, 3);
	syscall5(NR_mprotect, (long)ARENA, PAGE_SIZE, PROT_READ, 0, 0);
	syscall5(NR_mprotect, (long)ARENA, PAGE_SIZE, PROT_RW, 0, 0);
	pagemap("rights changed", ARENA, 1);
	ARENA[0] = 9;
	pagemap("written", ARENA, 1);
	clear_refs("1");
	smaps("not referenced");
	clear_refs("9");
	pagemap("unmapped", ARENA + 60 * PAGE_SIZE, 2);
}

int main(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	ask_mmap();
	ask_fork();
	ask_pages();
	ask_mlock2();
	ask_mremap();
	ask_proc();
	return 0;
}
