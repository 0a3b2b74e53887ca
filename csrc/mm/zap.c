/*
 * mm/zap.c - ptes and their pages on the way out: munmap, exit, MADV_DONTNEED.
 *
 * After zap_page_range() and struct mmu_gather of mm/memory.c of 2.6.7.  The
 * loop exists in two compilations, one for when nobody watches locks and steps and
 * the scheme has nothing to do for each pte: asking for each of the many pages took
 * a third of its time.
 */
#include "file/file.h"
#include "mm/mm.h"
#include "reclaim/reclaim.h"
#include "rmap/rmap.h"
#include "swap/swap.h"
#include "watch/lock.h"
#include "watch/step.h"

/* Pages that lost a pte, freed together (struct mmu_gather). */
struct gather {
	uint32_t n;
	uint32_t rss; /* that the mm has lost */
	struct rmap_batch rmap;
	kulong flags;       /* any page's */
	struct page *freed; /* the last one */
	struct page *pages[64];
};

static void flush_gather(struct vmemu *m, struct gather *gather)
{
	bool told = explored(m);
	uint32_t i;

	put_orphans(m, &gather->rmap);
	for (i = 0; (told || gather->flags & PG_swapcache) && i < gather->n;
	     i++) {
		shared(m, STEP_read, &gather->pages[i]->flags);
		if (gather->pages[i]->flags & PG_swapcache)
			leave_swap_cache(m, gather->pages[i]);
	}
	release_below(m, gather->pages, gather->n, &gather->freed);
	gather->n = 0;
	gather->flags = 0;
}

/* What a pte says of its page: a file's is counted then, an anonymous one's not. */
static inline void dirty_page(struct vmemu *m, struct page *page)
{
	if (likely(page->flags & (PG_anon | PG_dirty)))
		page->flags |= PG_dirty;
	else
		set_page_dirty(m, page);
}

static ALWAYS_INLINE void zap_pte(struct vmemu *m, struct mm_struct *mm,
				  pte_t *slot, struct gather *gather,
				  const bool watched)
{
	pte_t pte = *slot;
	struct page *page;

	*slot = 0;
	if (!pte_present(pte)) {
		if (!pte_file(pte))
			free_swap_and_cache(m, pte_to_swp_entry(pte));
		return;
	}
	page = m->mem_map + pte_pfn(pte);
	if (page->flags & PG_reserved)
		return;
	if (watched)
		touch(m, STEP_write, &page->flags);
	if (pte & _PAGE_DIRTY)
		dirty_page(m, page);
	if (pte & _PAGE_ACCESSED && !(page->flags & PG_anon))
		mark_page_accessed(m, page);
	gather->rss++;
	gather->flags |= page->flags;
	if (watched)
		page_map_lock(m, page);
	drop_rmap(m, page, mm, slot, &gather->rmap, watched);
	if (watched)
		page_map_unlock(m, page);
	gather->pages[gather->n++] = page;
	if (gather->n == sizeof(gather->pages) / sizeof(*gather->pages))
		flush_gather(m, gather);
}

/*
 * The struct page of a pte some way ahead.  They are often in no cache near, and
 * those of x86-64 are nearly twice as long as those of i386.
 */
static inline void prefetch_page(struct vmemu *m, const pte_t *pte,
				 const pte_t *end)
{
	enum { AHEAD = 32 };

	if (end - pte > AHEAD)
		__builtin_prefetch(m->mem_map + pte_pfn(pte[AHEAD]), 1);
}

/* The first of the ptes that may not be empty: large areas are mostly so. */
static inline pte_t *skip_empty(pte_t *pte, const pte_t *end)
{
	while (end - pte >= 8 && !(pte[0] | pte[1] | pte[2] | pte[3] | pte[4] |
				   pte[5] | pte[6] | pte[7]))
		pte += 8;
	return pte;
}

static ALWAYS_INLINE void zap_ptes(struct vmemu *m, struct mm_struct *mm,
				   pte_t *pte, pte_t *end,
				   struct gather *gather, const bool watched)
{
	uint32_t rss = gather->rss;
	uint64_t n = 0;

	while (pte < end) {
		if (!*pte) {
			pte = skip_empty(pte + 1, end);
			continue;
		}
		if (watched)
			shared(m, STEP_write, pte);
		else
			prefetch_page(m, pte, end);
		zap_pte(m, mm, pte++, gather, watched);
		n++;
	}
	m->watch.steps += n;
	m->counter[CNT_zap_ptes] += n;
	if (!watched)
		m->locks.stat[LOCK_page_map].acquired += gather->rss - rss;
}

static void zap_range(struct vmemu *m, struct mm_struct *mm, kulong start,
		      kulong end, struct gather *gather)
{
	pte_t *pte;
	uint32_t nr;

	owned(m, page_table, mm);
	for_each_table(m, mm, start, end, pte, nr) {
		if (unlikely(m->watch.bits | m->rmap_each_pte))
			zap_ptes(m, mm, pte, pte + nr, gather, true);
		else
			zap_ptes(m, mm, pte, pte + nr, gather, false);
	}
}

/* The mm's and the machine's counts follow once all is gone. */
static void finish_gather(struct vmemu *m, struct mm_struct *mm,
			  struct gather *gather)
{
	flush_tlb(m);
	flush_gather(m, gather);
	rss_sub(m, mm, gather->rss);
	finish_rmap_batch(m, &gather->rmap);
}

/*
 * After zap_details of 2.6.7: in a nonlinear area a file's pages are where ptes say, and
 * those that go stay written down.  Its file ptes stay.
 */
void zap_nonlinear(struct vmemu *m, struct vm_area_struct *vma, kulong start,
		   kulong end, kulong first, kulong last)
{
	struct mm_struct *mm = HOST(m, mm_struct, vma->vm_mm);
	struct gather gather = { .n = 0 };
	pte_t *pte;
	uint32_t nr, i;

	ptl_lock(m, mm);
	owned(m, page_table, mm);
	for_each_table(m, mm, start, end, pte, nr)
		for (i = 0; i < nr; i++, pte++) {
			kulong at = start + ((kulong)i << PAGE_SHIFT), index;

			shared(m, STEP_write, pte);
			if (!pte_present(*pte))
				continue;
			index = m->mem_map[pte_pfn(*pte)].index;
			if (index < first || index > last)
				continue;
			zap_pte(m, mm, pte, &gather, true);
			*pte = pte_left(vma, at, index);
			count(m, CNT_zap_ptes);
		}
	finish_gather(m, mm, &gather);
	ptl_unlock(m, mm);
}

/* Unmaps [start, end): pages and swap slots nobody else uses are freed. */
void zap_page_range(struct vmemu *m, struct mm_struct *mm,
		    struct vm_area_struct *vma, kulong start, kulong end)
{
	struct gather gather = { .n = 0 };

	if (vma->vm_flags & VM_NONLINEAR) {
		zap_nonlinear(m, vma, start, end, 0, ~(kulong)0);
		return;
	}
	ptl_lock(m, mm);
	zap_range(m, mm, start, end, &gather);
	finish_gather(m, mm, &gather);
	ptl_unlock(m, mm);
}

void unmap_vmas(struct vmemu *m, struct mm_struct *mm, kulong start, kulong end)
{
	struct vm_area_struct *vma = find_vma_prev(m, mm, start, NULL);
	struct gather gather = { .n = 0 };

	ptl_lock(m, mm);
	while (vma && vma->vm_start < end) {
		zap_range(m, mm, vma->vm_start > start ? vma->vm_start : start,
			  vma->vm_end < end ? vma->vm_end : end, &gather);
		vma = vma->vm_next ? HOST(m, vm_area_struct, vma->vm_next) :
				     NULL;
	}
	finish_gather(m, mm, &gather);
	ptl_unlock(m, mm);
}
