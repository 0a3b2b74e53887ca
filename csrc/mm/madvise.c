/*
 * mm/madvise.c - pages that will not be used soon: MADV_COLD, MADV_PAGEOUT.
 *
 * After what kernels since 5.4 do: pages that somebody else maps, too, are left alone.
 */
#include "mm/present.h"
#include "reclaim/reclaim.h"
#include "watch/step.h"

/* It is this mm's alone. */
static bool is_own(const struct page *page)
{
	return !(page->flags & PG_reserved) && page->mapcount == 1;
}

static void cool(struct vmemu *m, pte_t *pte, struct page *page, int how)
{
	(void)how;
	if (!is_own(page))
		return;
	step(m, STEP_write, pte);
	*pte &= ~(pte_t)_PAGE_ACCESSED;
	deactivate_page(m, page);
}

/* They are the next that reclaim looks at, unless they are used again. */
void madvise_cold(struct vmemu *m, struct mm_struct *mm, kulong start,
		  kulong end)
{
	each_present(m, mm, start, end, cool, 0);
}

/* They go now, as far as there is a place for them. */
int madvise_pageout(struct vmemu *m, struct mm_struct *mm, kulong start,
		    kulong end)
{
	int gone = 0;
	pte_t *pte;

	for (; (pte = next_table(m, mm, &start, end)); start += PAGE_SIZE) {
		shared(m, STEP_read, pte);
		if (pte_present(*pte) && is_own(m->mem_map + pte_pfn(*pte)))
			gone += pageout_range(m, mm, start, start + PAGE_SIZE);
	}
	return gone;
}
