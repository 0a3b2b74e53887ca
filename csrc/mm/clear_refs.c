/*
 * mm/clear_refs.c - which pages were used, and which written, since somebody asked.
 *
 * What /proc/PID/clear_refs does.  A write sets _PAGE_SOFT_DIRTY together with
 * _PAGE_DIRTY, as the CPU does it here; later kernels take a write fault for it.
 */
#include "file/file.h"
#include "mm/present.h"
#include "watch/step.h"

static bool is_wanted(const struct page *page, int kinds)
{
	if (page->flags & PG_reserved)
		return false;
	return kinds &
	       (page->flags & PG_anon ? CLEAR_REFS_ANON : CLEAR_REFS_MAPPED);
}

static void unuse(struct vmemu *m, pte_t *pte, struct page *page, int kinds)
{
	if (!is_wanted(page, kinds))
		return;
	step(m, STEP_write, pte);
	*pte &= ~(pte_t)_PAGE_ACCESSED;
	page->flags &= ~(kulong)PG_referenced;
}

/* Pages of these kinds (enum clear_refs) have not been used. */
void clear_referenced(struct vmemu *m, struct mm_struct *mm, int kinds)
{
	each_present(m, mm, 0, TASK_SIZE(m), unuse, kinds);
}

static void unwrite(struct vmemu *m, pte_t *pte, struct page *page, int how)
{
	(void)how;
	if (!(*pte & _PAGE_WRITTEN))
		return;
	step(m, STEP_write, pte);
	if (*pte & _PAGE_DIRTY && !(page->flags & PG_reserved))
		set_page_dirty(m, page);
	*pte &= ~(pte_t)_PAGE_WRITTEN;
}

/* No page has been written: the next write of each is noticed. */
void clear_soft_dirty(struct vmemu *m, struct mm_struct *mm)
{
	each_present(m, mm, 0, TASK_SIZE(m), unwrite, 0);
}
