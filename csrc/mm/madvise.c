/*
 * mm/madvise.c - pages that will not be used soon: MADV_COLD, MADV_PAGEOUT.
 *
 * After what kernels since 5.4 do: pages that somebody else maps, too, are left alone.
 */
#include "mm/mm.h"
#include "reclaim/reclaim.h"
#include "watch/lock.h"
#include "watch/step.h"

/* The page of a pte, if it is this mm's alone; else NULL. */
static struct page *own_page(struct vmemu *m, pte_t pte)
{
	struct page *page;

	if (!pte_present(pte))
		return NULL;
	page = m->mem_map + pte_pfn(pte);
	return page->flags & PG_reserved || page->mapcount != 1 ? NULL : page;
}

/* They are the next that reclaim looks at, unless they are used again. */
void madvise_cold(struct vmemu *m, struct mm_struct *mm, kulong start,
		  kulong end)
{
	uint32_t nr, i;
	pte_t *pte;

	ptl_lock(m, mm);
	owned(m, page_table, mm);
	for_each_table(m, mm, start, end, pte, nr)
		for (i = 0; i < nr; i++, pte++) {
			struct page *page = own_page(m, *pte);

			if (!page)
				continue;
			step(m, STEP_write, pte);
			*pte &= ~(pte_t)_PAGE_ACCESSED;
			deactivate_page(m, page);
		}
	flush_tlb(m);
	ptl_unlock(m, mm);
}

/* They go now, as far as there is a place for them. */
int madvise_pageout(struct vmemu *m, struct mm_struct *mm, kulong start,
		    kulong end)
{
	int gone = 0;
	pte_t *pte;

	for (; (pte = next_table(m, mm, &start, end)); start += PAGE_SIZE) {
		shared(m, STEP_read, pte);
		if (own_page(m, *pte))
			gone += pageout_range(m, mm, start, start + PAGE_SIZE);
	}
	return gone;
}
