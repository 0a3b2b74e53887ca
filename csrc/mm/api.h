/* mm/api.h - what mm/ does, for Python and for others. */
#ifndef VMEMU_MM_API_H
#define VMEMU_MM_API_H
#include "structs.h"

/* mm/mmap.c: 0, or -1 = no memory */
int vm_enough_memory(struct vmemu *, int64_t pages); /* charges them */
int dup_mmap(struct vmemu *, struct mm_struct *child, struct mm_struct *parent);
void exit_mmap(struct vmemu *, struct mm_struct *);

/* mm/pgtable.c */
struct mm_struct *mm_alloc(struct vmemu *);
void mm_free(struct vmemu *, struct mm_struct *); /* page tables are gone */
pte_t *pte_offset(struct vmemu *, struct mm_struct *, kulong address);
pte_t *pte_alloc(struct vmemu *, struct mm_struct *, kulong address);
int pte_kind_at(struct vmemu *, struct mm_struct *, kulong address);
pte_t pte_value(struct vmemu *, struct mm_struct *, kulong address);
/* Addresses and values of ptes that are not 0, the first max; how many there are. */
uint32_t mm_ptes(struct vmemu *, struct mm_struct *, kulong *addresses,
		 pte_t *ptes, uint32_t max);
/* the first page from start on that has a page table; end = none before it */
kulong next_mapped(struct vmemu *, struct mm_struct *, kulong start,
		   kulong end);
void free_pgtables(
	struct vmemu *, struct mm_struct *, kulong start,
	kulong end); /* those whose whole extent is in [start, end) */
void flush_tlb(struct vmemu *);
kulong vm_page_prot(kulong vm_flags); /* protection_map[] */

/* mm/vma.c */
struct vm_area_struct *find_vma(struct vmemu *, struct mm_struct *,
				kulong address);
struct vm_area_struct *find_vma_prev(struct vmemu *, struct mm_struct *,
				     kulong address,
				     struct vm_area_struct **prev);
struct vm_area_struct *vma_alloc(struct vmemu *); /* zeroed; NULL */
void vma_free(struct vmemu *, struct vm_area_struct *);
void vma_copy(struct vmemu *, struct vm_area_struct *to,
	      const struct vm_area_struct *from);
void vma_link(struct vmemu *, struct mm_struct *, struct vm_area_struct *);
/*
 * New ends for vma, whose offset follows.  insert, a copy of what is left of it,
 * goes beside it; else the vma behind gives or takes what lies between, and is
 * unlinked (then empty) when nothing is left of it.
 */
void vma_adjust(struct vmemu *, struct vm_area_struct *, kulong start,
		kulong end, struct vm_area_struct *insert);
/* Pages more, or less, in total_vm and locked_vm. */
void mm_account(struct vmemu *, struct mm_struct *, int64_t total,
		int64_t locked);
/* Returns the pages it grew by: another fault may have been first. */
kulong vma_expand_down(struct vmemu *, struct vm_area_struct *, kulong start);
void vma_unlink(struct vmemu *, struct mm_struct *, struct vm_area_struct *);
void vma_file_unlink(struct vmemu *, struct vm_area_struct *);
kulong get_unmapped_area(struct vmemu *, struct mm_struct *, kulong low,
			 kulong high, kulong length, int topdown);

/* mm/fault.c: each returns enum fault_result */
int page_fault(struct vmemu *, struct mm_struct *, kulong address, int access);
int page_fault_locked(struct vmemu *, struct mm_struct *, kulong address,
		      int access); /* mmap_sem is held */
int handle_pte_fault(struct vmemu *, struct mm_struct *,
		     struct vm_area_struct *, kulong address, int write);
int vma_permits(struct vm_area_struct *, int access); /* yes or no */

/* mm/zap.c, mm/fork.c, mm/gup.c */
/* Every vma's part of [start, end). */
void unmap_vmas(struct vmemu *, struct mm_struct *, kulong start, kulong end);
void zap_page_range(struct vmemu *, struct mm_struct *, struct vm_area_struct *,
		    kulong start, kulong end);
/* Of a nonlinear area, pages first to last of its file. */
void zap_nonlinear(struct vmemu *, struct vm_area_struct *, kulong start,
		   kulong end, kulong first, kulong last);
int copy_page_range(struct vmemu *, struct mm_struct *dst,
		    struct mm_struct *src, struct vm_area_struct *);
int make_pages_present(struct vmemu *, struct mm_struct *, kulong start,
		       kulong end, int write); /* enum fault_result */
/* With a reference; NULL = the access is not possible.  mmap_sem is held. */
struct page *get_user_page(struct vmemu *, struct mm_struct *, kulong address,
			   int write);
/* What a device does to a page it was given that way, set_page_dirty included. */
void device_write(struct vmemu *, struct page *, kulong offset, uint8_t);

/* mm/mprotect.c, mm/mremap.c */
void change_protection(struct vmemu *, struct mm_struct *,
		       struct vm_area_struct *, kulong start, kulong end,
		       kulong prot);
/* Returns the bytes moved; less than length when memory ran out. */
kulong move_page_tables(struct vmemu *, struct mm_struct *,
			struct vm_area_struct *from, kulong old_address,
			struct vm_area_struct *to, kulong new_address,
			kulong length);

/* mm/clear_refs.c */
void clear_referenced(struct vmemu *, struct mm_struct *, int kinds);
void clear_soft_dirty(struct vmemu *, struct mm_struct *);

/* mm/madvise.c */
void madvise_cold(struct vmemu *, struct mm_struct *, kulong start, kulong end);
int madvise_pageout(struct vmemu *, struct mm_struct *, kulong start,
		    kulong end); /* pages unmapped */

/* mm/msync.c */
void filemap_sync(struct vmemu *, struct mm_struct *, kulong start, kulong end);
void sync_mms(struct vmemu *);

/* mm/fremap.c: from now on ptes say which pages of its file the area maps */
void vma_set_nonlinear(struct vmemu *, struct vm_area_struct *);
/* Pages of the file from pgoff on, at [start, end) of a nonlinear area: enum
 * fault_result; cached: only what is in memory, and the others when they are used. */
int filemap_populate(struct vmemu *, struct vm_area_struct *, kulong start,
		     kulong end, kulong pgoff, int cached);

/* mm/uaccess.c: -1 = EFAULT */
int64_t copy_from_user(struct vmemu *, struct mm_struct *, void *to,
		       kulong from, kulong n); /* bytes copied */
int64_t copy_to_user(struct vmemu *, struct mm_struct *, kulong to,
		     const void *from, kulong n); /* bytes copied */
int64_t strncpy_from_user(struct vmemu *, struct mm_struct *, void *to,
			  kulong from, kulong n); /* length, n = too long, -1 */

#endif
