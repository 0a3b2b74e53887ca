/*
 * runner64: what runner.c does, for x86-64: executes the streams of bytes that standard input
 * lists, each in a child of its own, which a timer ends.  Some children catch signals, step
 * over what raised one, and go on.
 */
#include <asm/prctl.h>
#include <asm/sigcontext.h>
#include <asm/unistd.h>
#include <linux/mman.h>
#include <linux/signal.h>

#include <asm/ucontext.h>

typedef unsigned int u32;
typedef unsigned long u64;
typedef unsigned char u8;

enum { CODE = 0x50000000, DATA = 0x51000000, PAGE = 4096, PAGES = 2, BYTES = 4096 };
enum { CATCH = 1, TLS = 2, FLUSH = 4, PAIR = 8, READ_ONLY = 16, SIGNALS_MAX = 24 };
enum { NR_LAB = 0x766d, RESTORER = 0x04000000, PROTECT_ALL = 7, PROTECT_CODE = 5 };

struct stream {
	u32 flags, entry, size, eflags;
	u64 regs[16]; /* in the order of their numbers */
	u8 bytes[BYTES];
};

struct stream stream;
static u64 other_stack[1024];
static u32 caught;

static long call(long nr, long a, long b, long c, long d, long e, long f)
{
	register long r10 __asm__("r10") = d, r8 __asm__("r8") = e, r9 __asm__("r9") = f;

	__asm__ volatile("syscall"
			 : "+a"(nr)
			 : "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return nr;
}

static long must(long result)
{
	if (result < 0)
		call(__NR_exit, 9, 0, 0, 0, 0, 0);
	return result;
}

static void copy(void *to, const void *from, u64 n)
{
	__asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(n) : : "memory");
}

/* In a static variable, since a handler may come to a stream that has lost all registers. */
static void caught_one(int sig, siginfo_t *info, struct ucontext *context)
{
	(void)sig, (void)info;
	if (++caught > SIGNALS_MAX)
		call(__NR_exit, 3, 0, 0, 0, 0, 0);
	context->uc_mcontext.rip += 1 + caught % 4;
}

__asm__(".globl restore\nrestore: mov $15, %eax; syscall\n"
	".globl _start\n_start: and $-16, %rsp; call begin");
void restore(void);

static void map_at(long address)
{
	must(call(__NR_mmap, address, PAGES * PAGE, PROTECT_ALL,
		  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
	*(volatile u8 *)address = 1;
	*(volatile u8 *)(address + PAGE) = 2;
}

static void catch_signals(void)
{
	static const u8 signals[] = { SIGILL, SIGTRAP, SIGBUS, SIGFPE, SIGSEGV };
	static const struct {
		void *handler;
		u64 flags;
		void *restorer;
		u64 mask;
	} action = { caught_one, SA_SIGINFO | SA_ONSTACK | SA_NODEFER | RESTORER, restore, 0 };
	static const stack_t stack = { other_stack, 0, sizeof(other_stack) };

	must(call(__NR_sigaltstack, (long)&stack, 0, 0, 0, 0, 0));
	for (u32 i = 0; i < sizeof(signals); i++)
		must(call(__NR_rt_sigaction, signals[i], (long)&action, 0, 8, 0, 0));
}

static void __attribute__((noreturn)) execute(void)
{
	static const u64 soon[4] = { 0, 0, 0, 10 };

	if (stream.flags & CATCH)
		catch_signals();
	if (stream.flags & TLS) {
		must(call(__NR_arch_prctl, ARCH_SET_FS, DATA, 0, 0, 0, 0));
		must(call(__NR_arch_prctl, ARCH_SET_GS, CODE, 0, 0, 0, 0));
	}
	copy((void *)(long)(CODE + stream.entry % PAGE), stream.bytes, stream.size);
	if (stream.flags & READ_ONLY)
		must(call(__NR_mprotect, CODE, PAGES * PAGE, PROTECT_CODE, 0, 0, 0));
	if (stream.flags & FLUSH)
		must(call(__NR_munmap, DATA + PAGE, PAGE, 0, 0, 0, 0));
	must(call(__NR_setitimer, 0, (long)soon, 0, 0, 0, 0));
	__asm__ volatile(
		"mov stream+12, %eax; push %rax; popf; lea stream+16, %rax\n\t"
		"mov 8(%rax), %rcx; mov 16(%rax), %rdx; mov 24(%rax), %rbx; mov 32(%rax), %rsp\n\t"
		"mov 40(%rax), %rbp; mov 48(%rax), %rsi; mov 56(%rax), %rdi; mov 64(%rax), %r8\n\t"
		"mov 72(%rax), %r9; mov 80(%rax), %r10; mov 88(%rax), %r11; mov 96(%rax), %r12\n\t"
		"mov 104(%rax), %r13; mov 112(%rax), %r14; mov 120(%rax), %r15\n\t"
		"mov (%rax), %rax; push %rax; mov stream+4, %eax; xchg %rax, (%rsp); ret");
	__builtin_unreachable();
}

static int read_all(void *to, u64 n)
{
	long got;

	for (u64 done = 0; done < n; done += (u64)got) {
		got = call(__NR_read, 0, (long)to + (long)done, (long)(n - done), 0, 0, 0);
		if (got <= 0)
			return 0;
	}
	return 1;
}

void begin(void)
{
	map_at(CODE);
	map_at(DATA);
	for (long n = 0; read_all(&stream, sizeof(stream)); n++) {
		call(NR_LAB, 0, (long)"stream", n, 0, 0, 0);
		if (must(call(__NR_fork, 0, 0, 0, 0, 0, 0)) == 0)
			execute();
		if (!(stream.flags & PAIR))
			call(__NR_wait4, -1, 0, 0, 0, 0, 0);
	}
	while (call(__NR_wait4, -1, 0, 0, 0, 0, 0) > 0)
		;
	call(__NR_exit, 0, 0, 0, 0, 0, 0);
}
