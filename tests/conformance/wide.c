/*
 * wide: what is x86-64's own about system calls: the layouts of structures, numbers beyond 32
 * bits, addresses at the end of the address space. What it prints is the same on every kernel.
 */
#include "guest.h"

#define sigaction kernel_sigaction
#define timespec kernel_timespec
#include <asm/poll.h>
#include <asm/stat.h>
#include <linux/resource.h>
#include <linux/sysinfo.h>
#include <linux/times.h>
#include <linux/uio.h>
#undef timespec
#undef sigaction

enum {
	NR_stat = 4, NR_fstat = 5, NR_lstat = 6, NR_poll = 7, NR_lseek = 8, NR_readv = 19,
	NR_msync = 26, NR_getrlimit = 97, NR_sysinfo = 99, NR_sigaltstack = 131,
	NR_arch_prctl = 158, NR_setrlimit = 160, NR_newfstatat = 262,
	NR_getuid = 102, NR_prlimit64 = 302, NR_rt_sigprocmask = 14,
};
enum { SET_GS = 0x1001, SET_FS, GET_FS, GET_GS };
enum { AT_FDCWD = -100, AT_EMPTY_PATH = 0x1000, MAP_NORESERVE = 0x4000, MS_ASYNC = 1 };
enum { SA_ONSTACK = 0x08000000 };
#define GB (1ul << 30)
#define ARENA 0x50000000ul

struct stack {
	void *sp;
	int flags;
	ulong size;
};

static u8 buffer[8192] __attribute__((aligned(4096)));

static void tell(const char *what, ulong value)
{
	say("%s %x%x\n", what, (u32)(value >> 32), (u32)value);
}

/* Poison the buffer; how much of it a call wrote is then seen, up to 64 bytes of padding. */
static void *fresh(void)
{
	memset(buffer, 0xa5, sizeof(buffer));
	return buffer;
}

static void tell_size(const char *what, ulong size)
{
	ulong n = sizeof(buffer);

	while (n && buffer[n - 1] == 0xa5)
		n--;
	say("%s wrote %s of %u bytes\n", what, n <= size && n + 64 > size ? "all" : "not", (u32)size);
}

static void tell_stat(const char *what, long ret, const struct stat *st)
{
	tell(what, ret);
	tell_size(what, sizeof(*st));
	tell(" mode", st->st_mode);
	tell(" nlink", st->st_nlink);
	tell(" rdev", st->st_rdev);
	tell(" mine", st->st_uid == syscall0(NR_getuid));
	tell(" blksize", st->st_blksize);
}

static void stats(void)
{
	struct stat *st;
	long fd = syscall3(NR_open, "/dev/zero", 2, 0);
	ulong ino;
	int fds[2];

	st = fresh();
	tell_stat("stat", syscall2(NR_stat, "/dev/zero", st), st);
	st = fresh();
	tell_stat("fstat", syscall2(NR_fstat, fd, st), st);
	ino = st->st_ino;
	st = fresh();
	tell_stat("newfstatat", syscall4(NR_newfstatat, AT_FDCWD, "/dev/zero", st, 0), st);
	tell("the same file", st->st_ino == ino);
	st = fresh();
	tell_stat("by descriptor", syscall4(NR_newfstatat, fd, "", st, AT_EMPTY_PATH), st);
	st = fresh();
	tell("lstat of a link", syscall2(NR_lstat, "/proc/self/exe", st));
	tell(" type", st->st_mode >> 12);
	st = fresh();
	tell("not followed", syscall4(NR_newfstatat, AT_FDCWD, "/proc/self/exe", st, 0x100));
	tell(" type", st->st_mode >> 12);
	st = fresh();
	tell("followed", syscall2(NR_stat, "/proc/self/exe", st));
	tell(" type", st->st_mode >> 12);
	pipe(fds);
	st = fresh();
	tell("fstat of a pipe", syscall2(NR_fstat, fds[0], st));
	tell(" type", st->st_mode >> 12);
	tell(" size", st->st_size);
}

static void limits(void)
{
	struct rlimit64 *limit, new = { 5 * GB, ~0ul };

	limit = fresh();
	tell("getrlimit", syscall2(NR_getrlimit, RLIMIT_LOCKS, limit));
	tell_size("getrlimit", sizeof(*limit));
	tell(" soft", limit->rlim_cur);
	tell(" hard", limit->rlim_max);
	tell("setrlimit", syscall2(NR_setrlimit, RLIMIT_LOCKS, &new));
	limit = fresh();
	tell("prlimit64", syscall4(NR_prlimit64, 0, RLIMIT_LOCKS, 0, limit));
	tell(" soft", limit->rlim_cur);
	tell(" hard", limit->rlim_max);
	new.rlim_cur = ~0ul;
	tell("prlimit64", syscall4(NR_prlimit64, 0, RLIMIT_LOCKS, &new, 0));
	tell("getrlimit", syscall2(NR_getrlimit, RLIMIT_LOCKS, fresh()));
	tell(" soft", limit->rlim_cur);
	tell("a long that is negative", syscall2(NR_getrlimit, RLIMIT_LOCKS | 1ul << 40, limit));
}

static void usage(void)
{
	struct sysinfo *info = fresh();
	struct rusage *used;
	struct tms *tms;

	tell("sysinfo", syscall1(NR_sysinfo, info));
	tell_size("sysinfo", sizeof(*info));
	tell(" unit", info->mem_unit);
	tell(" ram", info->totalram >= info->freeram && info->freeram > 0);
	tell(" whole pages", (info->totalram | info->freeram) % PAGE_SIZE);
	tell(" processes", info->procs > 0);
	used = fresh();
	tell("getrusage", syscall2(NR_getrusage, 0, used));
	tell_size("getrusage", sizeof(*used));
	tell(" times", used->ru_utime.tv_sec < 100 && (ulong)used->ru_stime.tv_usec < 1000000);
	tell(" faults", used->ru_minflt > 0 && used->ru_minflt < 100000);
	tms = fresh();
	tell("times", syscall1(NR_times, tms) >= 0);
	tell_size("times", sizeof(*tms));
	tell(" children", tms->tms_cutime);
}

static void files(void)
{
	struct pollfd *fd;
	struct iovec parts[2] = { { "first ", 6 }, { "second", 6 } };
	long file = syscall3(NR_open, "/proc/self/comm", 0, 0);
	int fds[2];
	char text[16];

	pipe(fds);
	fd = fresh();
	*fd = (struct pollfd){ .fd = fds[0], .events = POLLIN };
	fd[1] = (struct pollfd){ .fd = fds[1], .events = POLLOUT };
	fd[2] = (struct pollfd){ .fd = 99, .events = POLLIN };
	tell("poll", syscall3(NR_poll, fd, 3ul | 1ul << 40, 0));
	say(" %u %u %u\n", fd[0].revents, fd[1].revents, fd[2].revents);
	tell("writev", syscall3(NR_writev, fds[1], parts, 2));
	memset(text, 0, sizeof(text));
	parts[0] = (struct iovec){ text, 3 };
	parts[1] = (struct iovec){ text + 4, 9 };
	tell("readv", syscall3(NR_readv, fds[0], parts, 2));
	say(" %s %s\n", text, text + 4);
	write(fds[1], "12345", 5);
	tell("read of 4 GB", syscall3(NR_read, fds[0], buffer, 4 * GB + 8));
	tell("read of too much", syscall3(NR_read, fds[0], text, 1ul << 63));
	tell("a descriptor's upper half", syscall3(NR_write, fds[1] | 7ul << 32, "x", 1));
	tell("lseek", syscall3(NR_lseek, file, 5 * GB, 0));
	tell(" from there", syscall3(NR_lseek, file, 3 * GB, 1));
	tell(" nothing there", read(file, text, 4));
	tell(" back", syscall3(NR_lseek, file, -(8 * GB), 1));
	tell(" something there", read(file, text, 4));
	tell(" before the beginning", syscall3(NR_lseek, file, -(1 * GB), 0));
}

static ulong fs_word(void)
{
	ulong value;

	__asm__ volatile("movq %%fs:0, %0" : "=r"(value));
	return value;
}

static ulong gs_word(void)
{
	ulong value;

	__asm__ volatile("movq %%gs:8, %0" : "=r"(value));
	return value;
}

static void bases(void)
{
	static ulong one[2] = { 0x1111222233334444, 0 }, two[2] = { 0, 0x5555666677778888 };
	ulong got = 0;

	tell("set fs", syscall2(NR_arch_prctl, SET_FS, one));
	tell("set gs", syscall2(NR_arch_prctl, SET_GS, two));
	tell(" fs", fs_word());
	tell(" gs", gs_word());
	tell("get fs", syscall2(NR_arch_prctl, GET_FS, &got));
	tell(" which is", got - (ulong)one);
	tell("get gs", syscall2(NR_arch_prctl, GET_GS, &got));
	tell(" which is", got - (ulong)two);
	tell("not the kernel's", syscall2(NR_arch_prctl, SET_FS, 1ul << 63));
	tell("nor the hole's", syscall2(NR_arch_prctl, SET_GS, 1ul << 55));
	tell("nobody's", syscall2(NR_arch_prctl, 0x1fff, one));
	tell("a bad place", syscall2(NR_arch_prctl, GET_GS, 16));
	tell(" fs", fs_word());
}

static void clones(void)
{
	static int parent, child;
	static ulong tls[2] = { 0xabcd };
	int status;
	long pid = syscall5(NR_clone, 0x100000 | 0x1000000 | 0x80000 | SIGCHLD, 0, (long)&parent,
			    (long)&child, (long)tls);

	if (!pid) {
		tell("clone's tls", fs_word());
		tell(" its word", child == getpid());
		tell(" gs stays", gs_word());
		exit(0);
	}
	waitpid(pid, &status, 0);
	tell("clone", status);
	tell(" the parent's word", parent == pid);
	tell(" not the child's", child);
}

static struct siginfo seen;
static struct stack inside;
static long forbidden;

static void caught(int sig, struct siginfo *info, struct ucontext *uc)
{
	struct stack other = { buffer, 0, 8192 };

	seen = *info;
	syscall2(NR_sigaltstack, 0, &inside);
	forbidden = syscall2(NR_sigaltstack, &other, 0);
	uc->gregs[REG_IP] += 3; /* movq (%rax), %rax */
	tell("signal", sig);
}

static void poke(const char *what, ulong address)
{
	say("%s\n", what);
	__asm__ volatile("movq (%%rax), %%rax" : "+a"(address));
	tell(" code", seen.si_code);
	tell(" address", seen.si_addr);
}

static void signals(void)
{
	struct sigaction action = {
		.handler = caught, .flags = SA_SIGINFO | SA_RESTORER | SA_ONSTACK,
		.restorer = restore_rt, .mask = { 0x10, 0x80 },
	};
	struct stack stack = { 0, 0, 64 << 10 }, *old;
	struct sigaction *was;

	stack.sp = (void *)mmap(0, stack.size, PROT_RW, MAP_PRIVATE | MAP_ANONYMOUS);
	old = fresh();
	tell("sigaltstack", syscall2(NR_sigaltstack, 0, old));
	tell_size("sigaltstack", sizeof(*old));
	tell(" sp", (ulong)old->sp);
	tell(" flags", (u32)old->flags);
	tell(" size", old->size);
	tell("sigaltstack", syscall2(NR_sigaltstack, &stack, 0));
	tell("rt_sigaction", syscall4(NR_rt_sigaction, SIGSEGV, &action, 0, 8));
	was = fresh();
	tell("rt_sigaction", syscall4(NR_rt_sigaction, SIGSEGV, 0, was, 8));
	tell_size("rt_sigaction", 32);
	tell(" handler", was->handler == caught);
	tell(" flags", was->flags);
	tell(" restorer", was->restorer == restore_rt);
	tell(" mask", was->mask[0] | (ulong)was->mask[1] << 32);
	poke("beyond 4 GB", 0x7000000000);
	tell(" on the stack", inside.flags);
	tell(" which is", (inside.sp == stack.sp) + 2 * (inside.size == stack.size));
	tell(" and stays", forbidden);
	poke("the kernel's", 0xffff880000000000);
	poke("the last", -PAGE_SIZE);
	poke("the first", 0);
}

static void put(ulong address)
{
	*(volatile ulong *)address = address;
}

static ulong get(ulong address)
{
	return *(volatile ulong *)address - address;
}

static void large(void)
{
	ulong at = mmap(0, 8 * GB, PROT_RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE), to;
	u8 *vec = buffer;

	tell("mmap of 8 GB", at > -4096ul ? at : at % PAGE_SIZE);
	put(at);
	put(at + 5 * GB);
	put(at + 8 * GB - 8);
	tell(" touched", get(at) | get(at + 5 * GB) | get(at + 8 * GB - 8));
	tell("mincore", mincore((void *)(at + 5 * GB), 2 * PAGE_SIZE, vec));
	say(" %u %u\n", vec[0] & 1, vec[1] & 1);
	tell("mprotect of 6 GB", mprotect((void *)at, 6 * GB, PROT_READ));
	tell(" still there", get(at + 5 * GB));
	tell(" read only", syscall3(NR_read, 0, at + 5 * GB, 1) == 0);
	tell("msync", syscall3(NR_msync, at, 8 * GB, MS_ASYNC));
	tell("madvise", syscall3(NR_madvise, at + 7 * GB, 1 * GB, MADV_DONTNEED));
	tell(" emptied", *(ulong *)(at + 8 * GB - 8));
	tell("mprotect", mprotect((void *)at, 8 * GB, PROT_RW));
	tell("munmap", munmap((void *)(at + 6 * GB), 2 * GB));
	put(at + 6 * GB - 8);
	to = mremap((void *)at, 6 * GB, 10 * GB, MREMAP_MAYMOVE, 0);
	tell("mremap to 10 GB", to > -4096ul ? to : to % PAGE_SIZE);
	tell(" moved along", *(ulong *)(to + 5 * GB) == at + 5 * GB);
	put(to + 10 * GB - 8);
	to = mremap((void *)to, 10 * GB, 5 * GB + PAGE_SIZE, 0, 0);
	tell("mremap to 5 GB", *(ulong *)(to + 5 * GB) == at + 5 * GB);
	tell("munmap of 10 GB", munmap((void *)to, 10 * GB));
	tell("msync", syscall3(NR_msync, to, 10 * GB, MS_ASYNC));
}

static void ends(void)
{
	ulong p = mmap((void *)ARENA, 16 * PAGE_SIZE, PROT_RW,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED);
	ulong top = -PAGE_SIZE, hole = 1ul << 55;
	int fds[2];

	pipe(fds);
	tell("arena", p);
	tell("mmap at the top", syscall6(NR_mmap, top, PAGE_SIZE, 3, 0x32, -1, 0));
	tell("mmap in the hole", syscall6(NR_mmap, hole, PAGE_SIZE, 3, 0x32, -1, 0));
	tell("mmap of all", syscall6(NR_mmap, 0, 1ul << 47, 3, 0x4022, -1, 0));
	tell("mmap of more", syscall6(NR_mmap, 0, -1ul, 3, 0x4022, -1, 0));
	tell("mmap, odd offset", syscall6(NR_mmap, 0, PAGE_SIZE, 3, 0x22, -1, 1ul << 40 | 1));
	tell("a large offset", syscall6(NR_mmap, p, PAGE_SIZE, 3, 0x32, -1, 1ul << 40));
	tell("munmap of the top", munmap((void *)top, PAGE_SIZE));
	tell("munmap across it", munmap((void *)top, 2 * PAGE_SIZE));
	tell("munmap in the hole", munmap((void *)hole, PAGE_SIZE));
	tell("munmap of too much", munmap((void *)p, 1ul << 63));
	tell("munmap of all", munmap((void *)p, -1ul));
	tell("mprotect of the top", mprotect((void *)top, PAGE_SIZE, 0));
	tell("mprotect in the hole", mprotect((void *)hole, PAGE_SIZE, 0));
	tell("mprotect to the end", mprotect((void *)p, -p, PROT_RW));
	tell("mprotect across it", mprotect((void *)p, -1ul, PROT_RW));
	tell("mprotect across it", mprotect((void *)p, -PAGE_SIZE, PROT_RW));
	tell("madvise of the top", syscall3(NR_madvise, top, PAGE_SIZE, MADV_DONTNEED));
	tell("madvise across it", syscall3(NR_madvise, p, -PAGE_SIZE, MADV_DONTNEED));
	tell("madvise of all", syscall3(NR_madvise, p, -1ul, MADV_DONTNEED));
	tell("madvise in the hole", syscall3(NR_madvise, hole, PAGE_SIZE, MADV_DONTNEED));
	tell("mlock of the top", mlock((void *)top, PAGE_SIZE));
	tell("mlock across it", mlock((void *)p, -PAGE_SIZE));
	tell("mlock in the hole", mlock((void *)hole, PAGE_SIZE));
	tell("munlock across it", munlock((void *)p, -PAGE_SIZE));
	tell("munlock of the top", munlock((void *)top, PAGE_SIZE));
	tell("msync of the top", syscall3(NR_msync, top, PAGE_SIZE, MS_ASYNC));
	tell("msync across it", syscall3(NR_msync, p, -PAGE_SIZE, MS_ASYNC));
	tell("msync of all", syscall3(NR_msync, p, -1ul, MS_ASYNC));
	tell("mincore of the top", mincore((void *)top, PAGE_SIZE, buffer));
	tell("mincore across it", mincore((void *)p, -PAGE_SIZE, buffer));
	tell("mincore, odd", mincore((void *)p + 1, -PAGE_SIZE, buffer));
	tell("mincore into the top", mincore((void *)p, PAGE_SIZE, (u8 *)top));
	tell("mremap at the top", mremap((void *)top, PAGE_SIZE, 2 * PAGE_SIZE, MREMAP_MAYMOVE, 0));
	tell("mremap to the top", mremap((void *)p, PAGE_SIZE, PAGE_SIZE, 3, (void *)top));
	tell("mremap to the hole", mremap((void *)p, PAGE_SIZE, PAGE_SIZE, 3, (void *)hole));
	tell("brk in the hole", brk(hole) == brk(0));
	tell("read at the top", syscall3(NR_read, fds[0], top, 8));
	tell("write from the top", syscall3(NR_write, fds[1], -8ul, 16));
	tell("write from the hole", syscall3(NR_write, fds[1], hole, 16));
	tell("a set in the hole", syscall4(NR_rt_sigprocmask, 0, hole, 0, 8));
	tell("a set at the top", syscall4(NR_rt_sigprocmask, 0, -4ul, 0, 8));
	tell("a path in the hole", syscall3(NR_open, hole, 0, 0));
	tell("a path at the top", syscall3(NR_open, -1ul, 0, 0));
	tell("a futex in the hole", syscall6(NR_futex, hole, 0, 0, 0, 0, 0));
	tell("an unknown call", syscall1(1ul << 40 | 999, 0));
}

int main(int argc UNUSED, char **argv UNUSED)
{
	stats();
	limits();
	usage();
	files();
	bases();
	clones();
	signals();
	large();
	ends();
	return 0;
}
