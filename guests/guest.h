/*
 * guest.h - what a freestanding guest needs, i386 or x86-64, and nothing else.
 *
 * A guest includes this one file, defines main(argc, argv) and is linked without a C library.
 * It runs unchanged on any kernel that executes its binary: outside vmemu the lab call is an
 * unknown system call and fails with -ENOSYS, which every guest ignores. So that its output is
 * the same everywhere, a guest never prints an address, a pid, a time or what the lab returned.
 *
 * System call wrappers return what the kernel returned: a negative errno on failure.
 */
#ifndef GUEST_H
#define GUEST_H

#include <stdarg.h>

typedef unsigned char u8;
typedef unsigned int u32;
typedef unsigned long ulong; /* and an address */

#define NULL ((void *)0)
#define PAGE_SIZE 4096ul
#define PAGE_WORDS (PAGE_SIZE / 4)
#define UNUSED __attribute__((unused))

/* ---- constants, by their kernel names ---- */

enum { PROT_NONE = 0, PROT_READ = 1, PROT_WRITE = 2, PROT_EXEC = 4, PROT_RW = 3, PROT_RWX = 7 };
enum { MAP_PRIVATE = 2, MAP_FIXED = 0x10, MAP_ANONYMOUS = 0x20 };
enum { MREMAP_MAYMOVE = 1, MREMAP_FIXED = 2 };
enum { ENOENT = 2, EINTR = 4, ECHILD = 10, EAGAIN = 11, ENOMEM = 12, EFAULT = 14, EINVAL = 22,
       EPIPE = 32, ENOSYS = 38 };
enum { SIGILL = 4, SIGBUS = 7, SIGFPE = 8, SIGSEGV = 11, SIGPIPE = 13, SIGTERM = 15, SIGCHLD = 17 };
enum { SA_SIGINFO = 4, SA_RESTORER = 0x04000000 };
enum { SEGV_MAPERR = 1, SEGV_ACCERR = 2, FPE_INTDIV = 1, ILL_ILLOPN = 2, CLD_EXITED = 1 };
enum { CLOCK_MONOTONIC = 1, CLOCK_PROCESS_CPUTIME_ID = 2 };
enum { WNOHANG = 1, MADV_DONTNEED = 4, O_RDONLY = 0 };

#ifdef __x86_64__
enum {
	NR_read = 0, NR_write = 1, NR_open = 2, NR_close = 3, NR_mmap = 9, NR_mprotect = 10,
	NR_munmap = 11, NR_brk = 12, NR_rt_sigaction = 13, NR_rt_sigreturn = 15, NR_pread64 = 17,
	NR_writev = 20,
	NR_pipe = 22, NR_mremap = 25, NR_mincore = 27, NR_madvise = 28, NR_dup2 = 33,
	NR_nanosleep = 35, NR_getpid = 39, NR_clone = 56, NR_fork = 57, NR_vfork = 58,
	NR_execve = 59, NR_exit = 60, NR_wait4 = 61, NR_kill = 62, NR_uname = 63, NR_fcntl = 72,
	NR_umask = 95, NR_gettimeofday = 96, NR_getrusage = 98, NR_times = 100, NR_setpgid = 109,
	NR_mlock = 149, NR_munlock = 150, NR_prctl = 157, NR_futex = 202, NR_clock_gettime = 228,
	NR_getrandom = 318,
	NR_lab = 0x766d, /* "vm": private to vmemu */
};
#else
enum {
	NR_exit = 1, NR_fork = 2, NR_read = 3, NR_write = 4, NR_open = 5, NR_close = 6,
	NR_execve = 11, NR_getpid = 20, NR_kill = 37, NR_pipe = 42, NR_times = 43, NR_brk = 45,
	NR_fcntl = 55, NR_setpgid = 57, NR_umask = 60, NR_dup2 = 63, NR_getrusage = 77,
	NR_gettimeofday = 78, NR_munmap = 91, NR_wait4 = 114, NR_clone = 120, NR_uname = 122, NR_mprotect = 125,
	NR_writev = 146, NR_mlock = 150, NR_munlock = 151, NR_nanosleep = 162, NR_mremap = 163,
	NR_prctl = 172, NR_rt_sigreturn = 173, NR_rt_sigaction = 174, NR_pread64 = 180,
	NR_vfork = 190,
	NR_mmap2 = 192, NR_mincore = 218, NR_madvise = 219, NR_futex = 240, NR_clock_gettime = 265,
	NR_getrandom = 355,
	NR_lab = 0x766d, /* "vm": private to vmemu */
};
#endif

/* ---- system calls ---- */

#ifdef __x86_64__
static inline long syscall6(long nr, long a, long b, long c, long d, long e, long f)
{
	register long r10 __asm__("r10") = d, r8 __asm__("r8") = e, r9 __asm__("r9") = f;
	long ret;

	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "0"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return ret;
}

static inline long syscall5(long nr, long a, long b, long c, long d, long e)
{
	return syscall6(nr, a, b, c, d, e, 0);
}

/* As a C library has it: no register is set that the call does not look at. */
static inline long syscall0(long nr)
{
	long ret;

	__asm__ volatile("syscall" : "=a"(ret) : "0"(nr) : "rcx", "r11", "memory");
	return ret;
}
#else
static inline long syscall5(long nr, long a, long b, long c, long d, long e)
{
	long ret;

	__asm__ volatile("int $0x80"
			 : "=a"(ret)
			 : "0"(nr), "b"(a), "c"(b), "d"(c), "S"(d), "D"(e)
			 : "memory");
	return ret;
}

static inline long syscall0(long nr)
{
	long ret;

	__asm__ volatile("int $0x80" : "=a"(ret) : "0"(nr) : "memory");
	return ret;
}

/* The sixth argument travels in ebp, which the compiler cannot name. */
static UNUSED long syscall6(long nr, long a, long b, long c, long d, long e, long f)
{
	long ret, args[2] = { f, nr };

	__asm__ volatile("pushl %%ebp\n\tmovl (%%eax), %%ebp\n\tmovl 4(%%eax), %%eax\n\t"
			 "int $0x80\n\tpopl %%ebp"
			 : "=a"(ret)
			 : "0"(args), "b"(a), "c"(b), "d"(c), "S"(d), "D"(e)
			 : "memory");
	return ret;
}
#endif

#define syscall1(nr, a) syscall5(nr, (long)(a), 0, 0, 0, 0)
#define syscall2(nr, a, b) syscall5(nr, (long)(a), (long)(b), 0, 0, 0)
#define syscall3(nr, a, b, c) syscall5(nr, (long)(a), (long)(b), (long)(c), 0, 0)
#define syscall4(nr, a, b, c, d) syscall5(nr, (long)(a), (long)(b), (long)(c), (long)(d), 0)

#ifdef __x86_64__
static inline long mmap_file(void *addr, ulong len, int prot, int flags, int fd)
{
	return syscall6(NR_mmap, (long)addr, len, prot, flags, fd, 0);
}
#else
/* The offset is 0, so it need not come from memory. */
static inline long mmap_file(void *addr, ulong len, int prot, int flags, int fd)
{
	long ret;

	__asm__ volatile("pushl %%ebp\n\txorl %%ebp, %%ebp\n\tint $0x80\n\tpopl %%ebp"
			 : "=a"(ret)
			 : "0"(NR_mmap2), "b"(addr), "c"(len), "d"(prot), "S"(flags), "D"(fd)
			 : "memory");
	return ret;
}
#endif

static inline long mmap(void *addr, ulong len, int prot, int flags)
{
	return mmap_file(addr, len, prot, flags, -1);
}

/* The offset fits into a register. */
static inline long pread(int fd, void *to, ulong len, ulong offset)
{
	return syscall5(NR_pread64, fd, (long)to, len, offset, 0);
}

static inline void __attribute__((noreturn)) exit(int status)
{
	for (;;)
		syscall1(NR_exit, status);
}

static inline long fork(void) { return syscall0(NR_fork); }
static inline long getpid(void) { return syscall0(NR_getpid); }
static inline long pipe(int fd[2]) { return syscall1(NR_pipe, fd); }
static inline long close(int fd) { return syscall1(NR_close, fd); }
static inline long read(int fd, void *buf, u32 n) { return syscall3(NR_read, fd, buf, n); }
static inline long write(int fd, const void *buf, u32 n) { return syscall3(NR_write, fd, buf, n); }
static inline long brk(ulong end) { return syscall1(NR_brk, end); }
static inline long munmap(void *addr, ulong len) { return syscall2(NR_munmap, addr, len); }
static inline long mlock(void *addr, ulong len) { return syscall2(NR_mlock, addr, len); }
static inline long munlock(void *addr, ulong len) { return syscall2(NR_munlock, addr, len); }

static inline long mprotect(void *addr, ulong len, int prot)
{
	return syscall3(NR_mprotect, addr, len, prot);
}

static inline long mremap(void *old, ulong old_len, ulong new_len, int flags, void *to)
{
	return syscall5(NR_mremap, (long)old, old_len, new_len, flags, (long)to);
}

static inline long mincore(void *addr, ulong len, u8 *vec)
{
	return syscall3(NR_mincore, addr, len, vec);
}

static inline long waitpid(int pid, int *status, int options)
{
	return syscall4(NR_wait4, pid, status, options, 0);
}

struct timespec {
	long tv_sec, tv_nsec;
};

static inline void sleep_ms(u32 ms)
{
	struct timespec ts = { ms / 1000, ms % 1000 * 1000000 };

	syscall2(NR_nanosleep, &ts, 0);
}

/* ---- the lab call: number 0x766d, an operation, three arguments ---- */

enum { LAB_MARK, LAB_RECLAIM, LAB_COUNTER, LAB_CHECK, LAB_TRIM };

/* Let the lab take over here; what a and b mean stands in guests/README.md. */
static inline void mark(const char *name, ulong a, ulong b)
{
	syscall4(NR_lab, LAB_MARK, name, a, b);
}

/* Have the calling process's pages of [addr, addr + len) unmapped and written to swap. */
static inline void reclaim(void *addr, ulong len)
{
	syscall4(NR_lab, LAB_RECLAIM, addr, len, 0);
}

/* Whether vmemu runs us; also has it check itself. */
static inline int in_lab(void)
{
	return syscall1(NR_lab, LAB_CHECK) == 0;
}

/* ---- what the compiler calls behind our back (string instructions: no loop to recognise) ---- */

static void *memcpy(void *to, const void *from, ulong n) __attribute__((used));
static void *memcpy(void *to, const void *from, ulong n)
{
	void *d = to;

	__asm__ volatile("rep movsb" : "+D"(d), "+S"(from), "+c"(n) : : "memory");
	return to;
}

static void *memset(void *to, int byte, ulong n) __attribute__((used));
static void *memset(void *to, int byte, ulong n)
{
	void *d = to;

	__asm__ volatile("rep stosb" : "+D"(d), "+c"(n) : "a"(byte) : "memory");
	return to;
}

/* ---- printing ---- */

/* %s, %d, %u, %x (8 digits) and %% into one write, so that lines of processes never mix. */
static UNUSED void vsay(int fd, const char *fmt, va_list ap)
{
	char line[512], digits[12];
	u32 n = 0, value, base, i;

	for (; *fmt && n < sizeof(line) - 40; fmt++) {
		if (*fmt != '%') {
			line[n++] = *fmt;
			continue;
		}
		if (*++fmt == '%') {
			line[n++] = '%';
		} else if (*fmt == 's') {
			for (const char *s = va_arg(ap, char *); *s && n < sizeof(line) - 40;)
				line[n++] = *s++;
		} else {
			value = va_arg(ap, u32);
			base = *fmt == 'x' ? 16 : 10;
			if (*fmt == 'd' && (int)value < 0) {
				line[n++] = '-';
				value = -value;
			}
			i = 0;
			do
				digits[i++] = "0123456789abcdef"[value % base];
			while ((value /= base) != 0 || (base == 16 && i < 8));
			while (i)
				line[n++] = digits[--i];
		}
	}
	write(fd, line, n);
}

static UNUSED void __attribute__((format(printf, 1, 2))) say(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsay(1, fmt, ap);
	va_end(ap);
}

static UNUSED void __attribute__((noreturn, format(printf, 1, 2))) die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsay(2, fmt, ap);
	va_end(ap);
	exit(1);
}

/* Pass a successful result through; on failure say which call it was and exit with 1. */
static UNUSED long must(long ret, const char *what)
{
	if ((ulong)ret > -4096ul)
		die("%s failed: errno %d\n", what, (int)-ret);
	return ret;
}

/* ---- parameters: NAME=value arguments, anywhere on the command line ---- */

static UNUSED const char *param_str(int argc, char **argv, const char *name, const char *value)
{
	for (int i = 1; i < argc; i++) {
		const char *a = argv[i], *n = name;

		while (*n && *a == *n)
			a++, n++;
		if (!*n && *a == '=')
			value = a + 1;
	}
	return value;
}

static UNUSED u32 param(int argc, char **argv, const char *name, u32 value)
{
	const char *s = param_str(argc, argv, name, NULL);

	if (!s)
		return value;
	for (value = 0; *s >= '0' && *s <= '9'; s++)
		value = value * 10 + (*s - '0');
	if (*s)
		die("%s= takes a decimal number\n", name);
	return value;
}

static UNUSED int same(const char *a, const char *b)
{
	while (*a && *a == *b)
		a++, b++;
	return *a == *b;
}

/* ---- memory: areas, patterns, checksums ---- */

/* Map pages of private anonymous memory whose neighbours on both sides are unmapped. */
static UNUSED void *map_pages(u32 pages)
{
	u8 *p = (u8 *)must(mmap(NULL, (pages + 2) * PAGE_SIZE, PROT_RW,
				MAP_PRIVATE | MAP_ANONYMOUS), "mmap");

	munmap(p, PAGE_SIZE);
	munmap(p + (pages + 1) * PAGE_SIZE, PAGE_SIZE);
	return p + PAGE_SIZE;
}

/* Find room for pages, surrounded by unmapped pages, and leave it unmapped. */
static UNUSED void *find_room(u32 pages)
{
	void *p = map_pages(pages);

	munmap(p, pages * PAGE_SIZE);
	return p;
}

/* What word i of a page holds is seed(tag, page) + i * STEP: every word of every page differs. */
#define STEP 0x9e3779b1u

static inline u32 seed(u32 tag, u32 page)
{
	u32 x = tag * 0x85ebca6bu + page * 0xc2b2ae35u + 0x27d4eb2fu;

	return x ^ x >> 15;
}

static UNUSED void fill_page(void *addr, u32 page, u32 tag)
{
	u32 *word = (u32 *)((u8 *)addr + page * PAGE_SIZE), x = seed(tag, page);

	for (u32 i = 0; i < PAGE_WORDS; i++, x += STEP)
		word[i] = x;
}

static UNUSED void check_page(const void *addr, u32 page, u32 tag)
{
	const u32 *word = (const u32 *)((const u8 *)addr + page * PAGE_SIZE);
	u32 x = seed(tag, page);

	for (u32 i = 0; i < PAGE_WORDS; i++, x += STEP)
		if (word[i] != x)
			die("page %u word %u holds %x instead of %x\n", page, i, word[i], x);
}

/* Write the pattern of tag to pages of memory. */
static UNUSED void fill(void *addr, u32 pages, u32 tag)
{
	for (u32 page = 0; page < pages; page++)
		fill_page(addr, page, tag);
}

/* Die unless pages of memory hold the pattern of tag. */
static UNUSED void check(const void *addr, u32 pages, u32 tag)
{
	for (u32 page = 0; page < pages; page++)
		check_page(addr, page, tag);
}

static UNUSED u32 checksum(const void *addr, u32 pages)
{
	const u32 *word = addr;
	u32 sum = 0;

	for (u32 i = 0; i < pages * PAGE_WORDS; i++)
		sum = (sum << 5 | sum >> 27) + word[i];
	return sum;
}

/* ---- a family: children that wait until the parent, or the lab, has seen them ---- */

struct family {
	int ready[2], go[2], sum[2];
};

static UNUSED void family_init(struct family *f)
{
	must(pipe(f->ready), "pipe");
	must(pipe(f->go), "pipe");
	must(pipe(f->sum), "pipe");
}

/* In a child: say that we are ready, then sleep until the parent lets us go. */
static UNUSED void child_wait(struct family *f)
{
	char c = 0;

	must(write(f->ready[1], &c, 1), "write");
	must(read(f->go[0], &c, 1), "read");
}

/* In a child: hand our checksum to the parent and exit. */
static UNUSED void __attribute__((noreturn)) child_exit(struct family *f, u32 sum)
{
	must(write(f->sum[1], &sum, sizeof(sum)), "write");
	exit(0);
}

/* In the parent: sleep until n children are ready. */
static UNUSED void await_children(struct family *f, u32 n)
{
	for (char c; n; n--)
		must(read(f->ready[0], &c, 1), "read");
}

/* In the parent: let n children go on. */
static UNUSED void release_children(struct family *f, u32 n)
{
	for (char c = 0; n; n--)
		must(write(f->go[1], &c, 1), "write");
}

/* In the parent: wait for n children, die if one failed, return how their checksums add up. */
static UNUSED u32 reap_children(struct family *f, u32 n)
{
	u32 sum, total = 0;
	int status;

	for (u32 i = 0; i < n; i++) {
		must(waitpid(-1, &status, 0), "wait4");
		if (status)
			die("a child ended with status %x\n", status);
		must(read(f->sum[0], &sum, sizeof(sum)), "read");
		total += sum;
	}
	return total;
}

/* ---- signals ---- */

struct siginfo {
	int si_signo, si_errno, si_code;
	union {
		ulong si_addr;
		struct {
			int si_pid, si_uid, si_status;
		};
		int pad[28];
	};
};

/* Up to the saved registers; gregs in the order of struct sigcontext. */
#ifdef __x86_64__
enum { REG_IP = 16 };
#else
enum { REG_IP = 14 };
#endif
struct ucontext {
	ulong uc_flags, uc_link, uc_stack[3];
	ulong gregs[19];
};

struct sigaction {
	void (*handler)(int, struct siginfo *, struct ucontext *);
	ulong flags;
	void (*restorer)(void);
	u32 mask[2];
};

void restore_rt(void);
#ifdef __x86_64__
__asm__(".text\nrestore_rt:\n\tmovl $15, %eax\n\tsyscall\n");
#else
__asm__(".text\nrestore_rt:\n\tmovl $173, %eax\n\tint $0x80\n");
#endif

static UNUSED void on_signal(int sig, void (*handler)(int, struct siginfo *, struct ucontext *))
{
	struct sigaction sa = { handler, SA_SIGINFO | SA_RESTORER, restore_rt, { 0, 0 } };

	must(syscall4(NR_rt_sigaction, sig, &sa, 0, 8), "rt_sigaction");
}

/* ---- start: the stack holds argc, argv[], NULL, envp[], NULL, the auxiliary vector ---- */

int main(int argc, char **argv);
static UNUSED char **environ;

static void __attribute__((used, noreturn)) start(long *stack)
{
	environ = (char **)(stack + 1 + stack[0] + 1);
	exit(main(stack[0], (char **)(stack + 1)));
}

#ifdef __x86_64__
__asm__(".text\n.globl _start\n_start:\n"
	"\txorl %ebp, %ebp\n\tmovq %rsp, %rdi\n\tandq $-16, %rsp\n\tcall start\n");
#else
__asm__(".text\n.globl _start\n_start:\n"
	"\txorl %ebp, %ebp\n\tmovl %esp, %eax\n\tandl $-16, %esp\n"
	"\tsubl $12, %esp\n\tpushl %eax\n\tcall start\n");
#endif

#endif
