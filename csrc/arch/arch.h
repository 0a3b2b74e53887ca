/* arch/arch.h - the architecture this core is built for, and what both share. */
#ifndef VMEMU_ARCH_H
#define VMEMU_ARCH_H

#if VMEMU_BITS == 64
#include "arch/x86_64.h"
#else
#include "arch/i386.h"
#endif

enum vmemu_layout {
	PAGE_SHIFT = 12,
	PAGE_SIZE = 4096,
	PTRS_PER_TABLE = 1 << TABLE_BITS,
	PMD_SHIFT = PAGE_SHIFT + TABLE_BITS, /* what one page table maps */
	GDT_PFN = 1,
	SWAPPER_PG_DIR_PFN = 2,
	ZERO_PAGE_PFN = 3,
	KERNEL_DATA_PFN = 4,
};

/* Bits of entries, present or not; drawn in mm/pgtable.c */
enum pte_bits {
	_PAGE_PRESENT = 0x001,
	_PAGE_RW = 0x002,
	_PAGE_USER = 0x004,
	_PAGE_ACCESSED = 0x020,
	_PAGE_DIRTY = 0x040,
	_PAGE_FILE = 0x040, /* not present: of which page of the file */
	_PAGE_PSE = 0x080,
	_PAGE_PROTNONE = 0x080,
	_PAGE_SOFT_DIRTY = 0x800, /* written since clear_refs asked */
	_PAGE_WRITTEN = _PAGE_DIRTY | _PAGE_SOFT_DIRTY,
};

#define PAGE_MASK (~(kulong)(PAGE_SIZE - 1))
#define PMD_SIZE ((kulong)1 << PMD_SHIFT)

#endif
