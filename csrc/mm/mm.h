/* mm/mm.h - page tables and areas from inside. */
#ifndef VMEMU_MM_MM_H
#define VMEMU_MM_MM_H
#include "mm/api.h"
#include "mm/walk.h"
#include "page/page.h"
#include "watch/step.h"

static inline bool pte_present(pte_t pte)
{
	return pte & (_PAGE_PRESENT | _PAGE_PROTNONE);
}

/* Not present, and no swap entry: the page of the file that is mapped there. */
static inline bool pte_file(pte_t pte)
{
	return !pte_present(pte) && pte & _PAGE_FILE;
}

static inline pte_t pgoff_to_pte(kulong pgoff)
{
	return pgoff_bits(pgoff) | _PAGE_FILE;
}

static inline pte_t mk_pte(struct vmemu *m, struct page *page, kulong prot)
{
	return ((pte_t)pfn_of(m, page) << PAGE_SHIFT) | prot;
}

/* A store to a pte that does not belong to the step that looked at it. */
static inline void set_pte(struct vmemu *m, pte_t *slot, pte_t pte)
{
	shared(m, STEP_write, slot);
	*slot = pte;
}

/* The explorer hears of rss where it decides whether a walker looks at mm. */
static inline void rss_inc(struct vmemu *m, struct mm_struct *mm)
{
	if (unlikely(!mm->rss))
		touch(m, STEP_write, &mm->rss);
	mm->rss++;
}

static inline void rss_sub(struct vmemu *m, struct mm_struct *mm, kulong n)
{
	if (n == mm->rss)
		touch(m, STEP_write, &mm->rss);
	if (mm->rss > mm->hiwater_rss)
		mm->hiwater_rss = mm->rss;
	mm->rss -= n;
}

static inline bool has_pages(struct vmemu *m, const struct mm_struct *mm)
{
	touch(m, STEP_read, &mm->rss);
	return mm->rss != 0;
}

static inline kulong vma_pgoff(const struct vm_area_struct *vma, kulong address)
{
	return ((address - vma->vm_start) >> PAGE_SHIFT) + vma->vm_pgoff;
}

/*
 * Where the vma would map the page of this index; false: nowhere.  Offsets wrap,
 * since a stack may have been moved up and grown down past offset 0, so the
 * address decides and not a comparison of offsets.
 */
static inline bool vma_address(const struct vm_area_struct *vma, kulong index,
			       kulong *address)
{
	*address = vma->vm_start + ((index - vma->vm_pgoff) << PAGE_SHIFT);
	return *address >= vma->vm_start && *address < vma->vm_end;
}

static inline int64_t vma_pages(const struct vm_area_struct *vma)
{
	return (int64_t)((vma->vm_end - vma->vm_start) >> PAGE_SHIFT);
}

/* What a pte that loses a page of this index keeps: where an area is nonlinear only
 * the pte says which page it was. */
static inline pte_t pte_left(const struct vm_area_struct *vma, kulong address,
			     kulong index)
{
	return vma->vm_flags & VM_NONLINEAR &&
			       vma_pgoff(vma, address) != index ?
		       pgoff_to_pte(index) :
		       0;
}

static inline bool is_cow_mapping(kulong vm_flags)
{
	return (vm_flags & (VM_SHARED | VM_MAYWRITE)) == VM_MAYWRITE;
}

/* mm/pgtable.c: NULL = no memory */
pte_t *table_alloc_to(struct vmemu *, struct mm_struct *, kulong address,
		      int level);

/* mm/vma.c: as vma_link(), for a copy of old with the same file and offsets */
void vma_link_copy(struct vmemu *, struct mm_struct *, struct vm_area_struct *,
		   struct vm_area_struct *old);
/* mm/vma.c: out of the list and tree, all at once; the first */
struct vm_area_struct *detach_vmas(struct vmemu *, struct mm_struct *);

/* mm/fault.c: with the same contents, mapped by nobody; NULL = no memory */
struct page *make_private_copy(struct vmemu *, struct page *);

#endif
