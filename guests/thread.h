/* thread.h - threads without a library. */
#ifndef THREAD_H
#define THREAD_H

enum {
	CLONE_VM = 0x100,
	CLONE_FS = 0x200,
	CLONE_FILES = 0x400,
	CLONE_SIGHAND = 0x800,
	CLONE_THREAD = 0x10000,
	CLONE_SYSVSEM = 0x40000,
	CLONE_SETTLS = 0x80000,
	CLONE_PARENT_SETTID = 0x100000,
	CLONE_CHILD_CLEARTID = 0x200000,
	CLONE_CHILD_SETTID = 0x1000000,
	/* What a thread library says, the words about its id and TLS apart. */
	CLONE_AS_THREAD = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD |
			  CLONE_SYSVSEM,
};

/* Somebody runs body() on pages of its own and must not return from it; gives its id. */
static UNUSED long clone_to(void (*body)(void), u32 pages, ulong flags, volatile u32 *parent_tid,
			    void *tls, volatile u32 *child_tid)
{
	ulong *stack = (ulong *)((u8 *)map_pages(pages) + pages * PAGE_SIZE - 16);
	long ret;

	*--stack = (ulong)body;
#ifdef __x86_64__
	register long r10 __asm__("r10") = (long)child_tid;
	register long r8 __asm__("r8") = (long)tls;

	__asm__ volatile("syscall\n\ttestq %%rax, %%rax\n\tjnz 1f\n\tpopq %%rax\n\tcall *%%rax\n1:"
			 : "=a"(ret)
			 : "0"(NR_clone), "D"(flags), "S"(stack), "d"(parent_tid), "r"(r10), "r"(r8)
			 : "rcx", "r11", "memory");
#else
	__asm__ volatile("int $0x80\n\ttestl %%eax, %%eax\n\tjnz 1f\n\tpopl %%eax\n\tcall *%%eax\n1:"
			 : "=a"(ret)
			 : "0"(NR_clone), "b"(flags), "c"(stack), "d"(parent_tid), "S"(tls),
			   "D"(child_tid)
			 : "memory");
#endif
	return must(ret, "clone");
}

static inline long futex(volatile u32 *word, int op, u32 value, long timeout, volatile u32 *second,
			 u32 last)
{
	return syscall6(NR_futex, (long)word, op, value, timeout, (long)second, last);
}

#endif
