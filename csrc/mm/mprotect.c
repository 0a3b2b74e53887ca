/* mm/mprotect.c - new protection bits for the ptes of a range. */
#include "mm/mm.h"
#include "watch/lock.h"
#include "watch/step.h"

/* Pages already private and dirty stay so; writability comes back by fault. */
void change_protection(struct vmemu *m, struct mm_struct *mm,
		       struct vm_area_struct *vma, kulong start, kulong end,
		       kulong prot)
{
	const pte_t keep = PAGE_MASK | _PAGE_ACCESSED | _PAGE_WRITTEN;
	const bool told = explored(m);
	uint32_t nr, i;
	uint64_t n = 0;
	pte_t *pte;

	(void)vma;
	ptl_lock(m, mm);
	owned(m, page_table, mm);
	for_each_table(m, mm, start, end, pte, nr)
		for (i = 0; i < nr; i++, pte++)
			if (pte_present(*pte)) {
				step_of_many(m, told, pte);
				*pte = (*pte & keep) | prot;
				n++;
			}
	m->watch.steps += n;
	m->counter[CNT_protect_ptes] += n;
	flush_tlb(m);
	ptl_unlock(m, mm);
}
