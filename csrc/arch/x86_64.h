/* arch/x86_64.h - types and page tables of x86-64: three levels for each
 * process as in 2.6.7, or four. */
#ifndef VMEMU_ARCH_X86_64_H
#define VMEMU_ARCH_X86_64_H

typedef uint64_t kptr;   /* kernel virtual address; 0 is NULL */
typedef uint64_t kulong; /* the guest kernel's unsigned long */
typedef int64_t klong;
typedef uint64_t pte_t; /* an entry of a table, of any level */

enum vmemu_geometry {
	BITS_PER_LONG = 64,
	TABLE_BITS = 9,       /* of an address that one level decodes */
	MAX_LEVELS = 4,       /* of tables */
	DEFAULT_LEVELS = 3,   /* and the fewest */
	TASK_SIZE_PGDS = 512, /* all entries of the top table are the user's */
	MAX_RAM_MB = 65536,
};

/* Named as in pt_regs of today's kernels, and as the manuals have them. */
struct cpu_regs {
	union {
		uint64_t ax, rax;
	};
	union {
		uint64_t cx, rcx;
	};
	union {
		uint64_t dx, rdx;
	};
	union {
		uint64_t bx, rbx;
	};
	union {
		uint64_t sp, rsp;
	};
	union {
		uint64_t bp, rbp;
	};
	union {
		uint64_t si, rsi;
	};
	union {
		uint64_t di, rdi;
	};
	uint64_t r8, r9, r10, r11, r12, r13, r14, r15;
	union {
		uint64_t ip, rip;
	};
	union {
		uint64_t flags, eflags, rflags;
	};
	uint64_t cs, ss, ds, es, fs, gs;
};

/* The file's page that a pte with _PAGE_FILE stands for, where others have a frame. */
enum { PTE_FILE_MAX_BITS = 40 };

#ifndef VMEMU_CDEF
static inline kulong pte_to_pgoff(pte_t pte)
{
	return pte >> 12;
}

static inline pte_t pgoff_bits(kulong pgoff)
{
	return pgoff << 12;
}
#endif

#define PAGE_OFFSET ((kptr)1 << 40)
#define TOP_LEVEL(m) ((m)->top_level)
#define TASK_SIZE(m) ((m)->task_size)
#define PRIk "lx" /* printf's conversion for a kulong */

#endif
