/*
 * runner: executes the streams of bytes that standard input lists, each in a child of its
 * own, which a timer ends.  Some children catch signals, step over what raised one, and go on.
 */
#include "guest.h"

#ifdef __x86_64__
enum { NR_setitimer = 38, NR_sigaltstack = 131, NR_arch_prctl = 158, REGS = 16 };
enum { ARCH_SET_GS = 0x1001, ARCH_SET_FS = 0x1002 };
#else
enum { NR_setitimer = 104, NR_sigaltstack = 186, NR_set_thread_area = 243, REGS = 9 };
#endif
enum { CODE = 0x50000000, CODE_PAGES = 2, DATA = 0x51000000, DATA_PAGES = 2, BYTES = 4096 };
enum { SIGALRM = 14, SIGTRAP = 5, SA_NODEFER = 0x40000000, SA_ONSTACK = 0x08000000 };
enum { CATCH = 1, TLS = 2, FLUSH = 4, PAIR = 8, READ_ONLY = 16, SIGNALS_MAX = 24 };

struct stream {
	u32 flags, entry, size, eflags;
	ulong regs[REGS]; /* i386: as popal has them, esp; x86-64: in the order of their numbers */
	u8 bytes[BYTES];
};

static struct stream stream;
static ulong entry __attribute__((used)); /* as wide as a jump through memory reads it */
static u8 other_stack[8192];
static u32 caught;

/* In a static variable, since a handler may come to a stream that has lost all registers. */
static void caught_one(int sig UNUSED, struct siginfo *info UNUSED, struct ucontext *context)
{
	if (++caught > SIGNALS_MAX)
		exit(3);
	context->gregs[REG_IP] += 1 + caught % 4;
}

static void map_at(ulong address, u32 pages)
{
	must(mmap((void *)address, pages * PAGE_SIZE, PROT_RWX,
		  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED), "mmap");
}

static void catch_signals(void)
{
	static const u8 signals[] = { SIGILL, SIGTRAP, SIGBUS, SIGFPE, SIGSEGV };
	struct sigaction sa = { caught_one, SA_SIGINFO | SA_RESTORER | SA_NODEFER | SA_ONSTACK,
				restore_rt, { 0, 0 } };
	struct { void *at; int flags; ulong size; } stack = { other_stack, 0, sizeof(other_stack) };

	must(syscall2(NR_sigaltstack, &stack, 0), "sigaltstack");
	for (u32 i = 0; i < sizeof(signals); i++)
		must(syscall4(NR_rt_sigaction, signals[i], &sa, 0, 8), "rt_sigaction");
}

#ifdef __x86_64__
static void load_tls(void)
{
	must(syscall2(NR_arch_prctl, ARCH_SET_FS, DATA), "arch_prctl");
	must(syscall2(NR_arch_prctl, ARCH_SET_GS, CODE), "arch_prctl");
}

static void __attribute__((noreturn)) enter(void)
{
	__asm__ volatile("pushq %1\n\tpopfq\n\t"
			 "movq 8(%0), %%rcx\n\tmovq 16(%0), %%rdx\n\tmovq 24(%0), %%rbx\n\t"
			 "movq 32(%0), %%rsp\n\tmovq 40(%0), %%rbp\n\tmovq 48(%0), %%rsi\n\t"
			 "movq 56(%0), %%rdi\n\tmovq 64(%0), %%r8\n\tmovq 72(%0), %%r9\n\t"
			 "movq 80(%0), %%r10\n\tmovq 88(%0), %%r11\n\tmovq 96(%0), %%r12\n\t"
			 "movq 104(%0), %%r13\n\tmovq 112(%0), %%r14\n\tmovq 120(%0), %%r15\n\t"
			 "movq (%0), %0\n\tjmp *entry"
			 : : "a"(stream.regs), "r"((ulong)stream.eflags) : "memory");
	__builtin_unreachable();
}
#else
static void load_tls(void)
{
	struct { u32 entry, base, limit, flags; } desc = { -1u, DATA, 0xfffff, 0x51 };

	must(syscall1(NR_set_thread_area, &desc), "set_thread_area");
	__asm__ volatile("movw %w0, %%gs" : : "r"(desc.entry * 8 + 3));
}

static void __attribute__((noreturn)) enter(void)
{
	__asm__ volatile("movl %0, %%esp\n\tpopfl\n\tpopal\n\tpopl %%esp\n\tjmp *entry"
			 : : "r"(&stream.eflags) : "memory");
	__builtin_unreachable();
}
#endif

static void __attribute__((noreturn)) execute(void)
{
	static const long soon[4] = { 0, 0, 0, 10 };
	u8 *code = (u8 *)CODE;

	if (stream.flags & CATCH)
		catch_signals();
	if (stream.flags & TLS)
		load_tls();
	memcpy(code + stream.entry % PAGE_SIZE, stream.bytes, stream.size);
	if (stream.flags & READ_ONLY)
		must(mprotect(code, CODE_PAGES * PAGE_SIZE, PROT_READ | PROT_EXEC), "mprotect");
	if (stream.flags & FLUSH)
		must(munmap((void *)(DATA + PAGE_SIZE), PAGE_SIZE), "munmap");
	must(syscall3(NR_setitimer, 0, soon, 0), "setitimer");
	entry = stream.entry;
	enter();
}

static int read_all(void *to, u32 n)
{
	long got;

	for (u32 done = 0; done < n; done += got)
		if ((got = read(0, (u8 *)to + done, n - done)) <= 0)
			return 0;
	return 1;
}

int main(int argc UNUSED, char **argv UNUSED)
{
	map_at(CODE, CODE_PAGES);
	map_at(DATA, DATA_PAGES);
	fill_page((void *)DATA, 0, 1);
	fill_page((void *)DATA, 1, 2);
	for (u32 n = 0; read_all(&stream, sizeof(stream)); n++) {
		mark("stream", n, 0);
		if (must(fork(), "fork") == 0)
			execute();
		if (!(stream.flags & PAIR))
			waitpid(-1, NULL, 0);
	}
	while (waitpid(-1, NULL, 0) > 0)
		;
	return 0;
}
