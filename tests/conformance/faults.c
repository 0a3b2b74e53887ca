/*
 * faults: executes the pieces of code that standard input lists, each with registers of its
 * own, and writes what signal it ends with and what the handler sees.  A program of x86-64
 * without a library, since fs is the pieces' as well.
 */
#include <asm/prctl.h>
#include <asm/sigcontext.h>
#include <asm/unistd.h>
#include <linux/mman.h>
#include <linux/signal.h>

#include <asm/ucontext.h>

typedef unsigned long u64;

enum { CODE = 0x50000000, READ_ONLY = 0x52000000, EDGE = 0x53000000, PAGE = 4096 };
enum { FS = 0x55000000, GS = 0x56000000, PROTECT_ALL = 7 };

static struct piece {
	u64 regs[16]; /* in the order of their numbers */
	u64 at;
} piece;

static struct {
	u64 signal, code, address, vector, error, ip;
	u64 regs[16];
} seen;

static u64 other_stack[4096];
u64 kept_sp;

static long call(long nr, long a, long b, long c, long d, long e, long f)
{
	register long r10 __asm__("r10") = d, r8 __asm__("r8") = e, r9 __asm__("r9") = f;

	__asm__ volatile("syscall"
			 : "+a"(nr)
			 : "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return nr;
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

static void map_at(long address, long bytes)
{
	if (call(__NR_mmap, address, bytes, PROTECT_ALL, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
		 -1, 0) != address)
		call(__NR_exit, 9, 0, 0, 0, 0, 0);
}

__asm__(".globl restore\nrestore: mov $15, %eax; syscall\n"
	/* Loads all registers and jumps; the handler comes back behind it. */
	".globl execute\nexecute:\n\t"
	"push %rbx; push %rbp; push %r12; push %r13; push %r14; push %r15\n\t"
	"mov %rsp, kept_sp; push $0x202; popf; fninit; push $0x1f80; ldmxcsr (%rsp)\n\t"
	"pcmpeqd %xmm0, %xmm0; pcmpeqd %xmm1, %xmm1; mov %rdi, %rax\n\t"
	"mov 8(%rax), %rcx; mov 16(%rax), %rdx; mov 24(%rax), %rbx; mov 32(%rax), %rsp\n\t"
	"mov 40(%rax), %rbp; mov 48(%rax), %rsi; mov 56(%rax), %rdi; mov 64(%rax), %r8\n\t"
	"mov 72(%rax), %r9; mov 80(%rax), %r10; mov 88(%rax), %r11; mov 96(%rax), %r12\n\t"
	"mov 104(%rax), %r13; mov 112(%rax), %r14; mov 120(%rax), %r15\n\t"
	"mov (%rax), %rax; jmp *piece+128\n"
	".globl executed\nexecuted:\n\t"
	"cld; pop %r15; pop %r14; pop %r13; pop %r12; pop %rbp; pop %rbx; ret\n"
	".globl _start\n_start: and $-16, %rsp; call begin");

void restore(void);
void execute(struct piece *);
extern char executed[];

static void caught(int signal, siginfo_t *info, struct ucontext *context)
{
	struct sigcontext *c = &context->uc_mcontext;
	const u64 regs[] = { c->rax, c->rcx, c->rdx, c->rbx, c->rsp, c->rbp, c->rsi, c->rdi,
			     c->r8, c->r9, c->r10, c->r11, c->r12, c->r13, c->r14, c->r15 };

	seen.signal = (u64)signal;
	seen.code = (u64)info->si_code;
	seen.address = (u64)info->si_addr;
	seen.vector = c->trapno;
	seen.error = c->err;
	seen.ip = c->rip;
	for (int i = 0; i < 16; i++)
		seen.regs[i] = regs[i];
	c->rip = (u64)executed;
	c->rsp = kept_sp;
	c->eflags = 0x202;
}

void begin(void)
{
	static const int signals[] = { SIGILL, SIGTRAP, SIGBUS, SIGFPE, SIGSEGV };
	static struct {
		void *handler;
		u64 flags;
		void *restorer;
		u64 mask;
	} action = { caught, SA_SIGINFO | SA_ONSTACK | 0x04000000, restore, 0 };
	static stack_t stack = { other_stack, 0, sizeof(other_stack) };
	u64 size;

	read_all(&size, sizeof(size));
	map_at(CODE, (long)size);
	read_all((void *)CODE, size);
	map_at(READ_ONLY, 2 * PAGE);
	map_at(EDGE, PAGE);
	*(volatile char *)READ_ONLY = *(volatile char *)(READ_ONLY + PAGE) = 0;
	call(__NR_mprotect, READ_ONLY, 2 * PAGE, 1, 0, 0, 0);
	call(__NR_arch_prctl, ARCH_SET_FS, FS, 0, 0, 0, 0);
	call(__NR_arch_prctl, ARCH_SET_GS, GS, 0, 0, 0, 0);
	call(__NR_sigaltstack, (long)&stack, 0, 0, 0, 0, 0);
	for (int i = 0; i < 5; i++)
		call(__NR_rt_sigaction, signals[i], (long)&action, 0, 8, 0, 0);
	while (read_all(&piece, sizeof(piece))) {
		execute(&piece);
		call(__NR_write, 1, (long)&seen, sizeof(seen), 0, 0, 0);
	}
	call(__NR_exit, 0, 0, 0, 0, 0, 0);
}
