/* arch/i386.h - types and page tables of i386, as far as the C core and Python both name them. */
#ifndef VMEMU_ARCH_I386_H
#define VMEMU_ARCH_I386_H

typedef uint32_t kptr;   /* kernel virtual address; 0 is NULL */
typedef uint32_t kulong; /* the guest kernel's unsigned long */
typedef uint32_t pte_t;
typedef uint32_t pgd_t;

enum vmemu_layout {
	PAGE_SHIFT = 12,
	PAGE_SIZE = 4096,
	PTRS_PER_PTE = 1024,
	PTRS_PER_PGD = 1024,
	PGDIR_SHIFT = 22,
	TASK_SIZE_PGDS = 768, /* pgd entries below PAGE_OFFSET */
	GDT_PFN = 1,
	SWAPPER_PG_DIR_PFN = 2,
	ZERO_PAGE_PFN = 3,
	KERNEL_DATA_PFN = 4,
	LOWMEM_MAX_MB = 896,
	TASK_UNMAPPED_BASE = 0x40000000, /* where mmap begins to look */
};

/* i386 pte bits; drawn in mm/pgtable.c */
enum pte_bits {
	_PAGE_PRESENT = 0x001,
	_PAGE_RW = 0x002,
	_PAGE_USER = 0x004,
	_PAGE_ACCESSED = 0x020,
	_PAGE_DIRTY = 0x040,
	_PAGE_PSE = 0x080,
	_PAGE_PROTNONE = 0x080,
};

#define PAGE_OFFSET 0xC0000000u
#define PAGE_MASK (~(kulong)(PAGE_SIZE - 1))
#define PGDIR_SIZE ((kulong)1 << PGDIR_SHIFT)
#define TASK_SIZE PAGE_OFFSET

#endif
