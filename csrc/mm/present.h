/* mm/present.h - one thing done to each page that is mapped in a range. */
#ifndef VMEMU_MM_PRESENT_H
#define VMEMU_MM_PRESENT_H
#include "mm/mm.h"
#include "watch/lock.h"

typedef void visit_pte(struct vmemu *, pte_t *, struct page *, int how);

/* The visit may take bits from the pte, no more. */
static ALWAYS_INLINE void each_present(struct vmemu *m, struct mm_struct *mm,
				       kulong start, kulong end,
				       visit_pte *visit, int how)
{
	uint32_t nr, i;
	pte_t *pte;

	ptl_lock(m, mm);
	owned(m, page_table, mm);
	for_each_table(m, mm, start, end, pte, nr)
		for (i = 0; i < nr; i++, pte++)
			if (pte_present(*pte))
				visit(m, pte, m->mem_map + pte_pfn(*pte), how);
	flush_tlb(m); /* or the CPU would not set the bits again */
	ptl_unlock(m, mm);
}

#endif
