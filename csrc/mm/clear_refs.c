/*
 * mm/clear_refs.c - which pages were used, and which written, since somebody asked.
 *
 * What /proc/PID/clear_refs does.  A write sets _PAGE_SOFT_DIRTY together with
 * _PAGE_DIRTY, as the CPU does it here; later kernels take a write fault for it.
 */
#include "file/file.h"
#include "mm/mm.h"
#include "watch/lock.h"
#include "watch/step.h"

static bool is_wanted(const struct page *page, int kinds)
{
	if (page->flags & PG_reserved)
		return false;
	return kinds &
	       (page->flags & PG_anon ? CLEAR_REFS_ANON : CLEAR_REFS_MAPPED);
}

/* Pages of these kinds (enum clear_refs) have not been used. */
void clear_referenced(struct vmemu *m, struct mm_struct *mm, int kinds)
{
	kulong at = 0;
	uint32_t nr, i;
	pte_t *pte;

	ptl_lock(m, mm);
	owned(m, page_table, mm);
	for_each_table(m, mm, at, TASK_SIZE(m), pte, nr)
		for (i = 0; i < nr; i++, pte++) {
			struct page *page;

			if (!pte_present(*pte))
				continue;
			page = m->mem_map + pte_pfn(*pte);
			if (!is_wanted(page, kinds))
				continue;
			step(m, STEP_write, pte);
			*pte &= ~(pte_t)_PAGE_ACCESSED;
			page->flags &= ~(kulong)PG_referenced;
		}
	flush_tlb(m);
	ptl_unlock(m, mm);
}

/* No page has been written: the next write of each is noticed. */
void clear_soft_dirty(struct vmemu *m, struct mm_struct *mm)
{
	kulong at = 0;
	uint32_t nr, i;
	pte_t *pte;

	ptl_lock(m, mm);
	owned(m, page_table, mm);
	for_each_table(m, mm, at, TASK_SIZE(m), pte, nr)
		for (i = 0; i < nr; i++, pte++) {
			struct page *page;

			if (!pte_present(*pte) || !(*pte & _PAGE_WRITTEN))
				continue;
			page = m->mem_map + pte_pfn(*pte);
			step(m, STEP_write, pte);
			if (*pte & _PAGE_DIRTY && !(page->flags & PG_reserved))
				set_page_dirty(m, page);
			*pte &= ~(pte_t)_PAGE_WRITTEN;
		}
	flush_tlb(m); /* or the CPU would not set the bits again */
	ptl_unlock(m, mm);
}
