/* arch/i386.h - types and page tables of i386, two levels without PAE. */
#ifndef VMEMU_ARCH_I386_H
#define VMEMU_ARCH_I386_H

typedef uint32_t kptr;   /* kernel virtual address; 0 is NULL */
typedef uint32_t kulong; /* the guest kernel's unsigned long */
typedef int32_t klong;
typedef uint32_t pte_t; /* an entry of a table, of any level */

enum vmemu_geometry {
	BITS_PER_LONG = 32,
	TABLE_BITS = 10,      /* of an address that one level decodes */
	MAX_LEVELS = 2,       /* of tables */
	DEFAULT_LEVELS = 2,   /* and the fewest */
	TASK_SIZE_PGDS = 768, /* entries of the top table below PAGE_OFFSET */
	MAX_RAM_MB = 896,     /* lowmem */
	TASK_UNMAPPED_BASE = 0x40000000, /* where mmap begins to look */
};

/* Named as in pt_regs of today's kernels, and as the manuals have them. */
struct cpu_regs {
	union {
		uint32_t ax, eax;
	};
	union {
		uint32_t cx, ecx;
	};
	union {
		uint32_t dx, edx;
	};
	union {
		uint32_t bx, ebx;
	};
	union {
		uint32_t sp, esp;
	};
	union {
		uint32_t bp, ebp;
	};
	union {
		uint32_t si, esi;
	};
	union {
		uint32_t di, edi;
	};
	union {
		uint32_t ip, eip;
	};
	union {
		uint32_t flags, eflags;
	};
	uint32_t cs, ss, ds, es, fs, gs;
};

/* The file's page that a pte with _PAGE_FILE stands for: bits 1 to 5 and 8 to 31 have
 * it, the others are those of present ptes. */
enum { PTE_FILE_MAX_BITS = 29 };

#ifndef VMEMU_CDEF
static inline kulong pte_to_pgoff(pte_t pte)
{
	return (pte >> 1 & 0x1f) | pte >> 8 << 5;
}

static inline pte_t pgoff_bits(kulong pgoff)
{
	return (pgoff & 0x1f) << 1 | pgoff >> 5 << 8;
}
#endif

#define PAGE_OFFSET 0xC0000000u
#define TOP_LEVEL(m) 1
#define TASK_SIZE(m) PAGE_OFFSET
#define PRIk "x" /* printf's conversion for a kulong */

#endif
