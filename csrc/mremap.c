/* mremap.c - moves the ptes of a range to other addresses. */
#include "internal.h"

/*
 * The scheme cannot move a page that others map: give this mm its own copy at
 * the old address first (anonmm's early COW).  -1 = no memory.  Called with
 * page_table_lock, which is gone afterwards.
 */
static int make_page_exclusive(struct vmemu *m, struct mm_struct *mm,
			       struct vm_area_struct *vma, kulong address)
{
	pte_t *slot = pte_lookup(m, mm, address), orig = *slot;
	struct page *old = m->mem_map + pte_pfn(orig), *page;

	get_page(m, old);
	ptl_unlock(m, mm);
	page = make_private_copy(m, old);
	put_page(m, old);
	if (!page)
		return -1;
	ptl_lock(m, mm);
	step(m, STEP_write, slot);
	if (*slot != orig) {
		ptl_unlock(m, mm);
		put_page(m, page);
		return 0;
	}
	page_remove_rmap(m, old);
	put_page(m, old);
	*slot = (orig & ~(pte_t)PAGE_MASK) |
		(pte_t)pfn_of(m, page) << PAGE_SHIFT | _PAGE_DIRTY;
	page_add_anon_rmap(m, page, vma, address);
	lru_cache_add_active(m, page);
	ptl_unlock(m, mm);
	count(m, CNT_rmap_copies);
	return 0;
}

/* One pte; -1 = no memory, 1 = look again. */
static int move_one_page(struct vmemu *m, struct mm_struct *mm,
			 struct vm_area_struct *from, kulong old,
			 struct vm_area_struct *to, kulong new)
{
	pte_t *src = pte_lookup(m, mm, old), *dst;
	struct page *page;

	if (!src || !*src)
		return 0;
	ptl_lock(m, mm);
	dst = pte_alloc(m, mm, new);
	if (!dst) {
		ptl_unlock(m, mm);
		return -1;
	}
	step(m, STEP_write, src);
	if (pte_present(*src)) {
		page = m->mem_map + pte_pfn(*src);
		if (page->flags & PG_anon &&
		    m->rmap->move_anon(m, page, to, new))
			return make_page_exclusive(m, mm, from, old) ? -1 : 1;
	}
	BUG_ON(m, *dst != 0);
	*dst = *src;
	*src = 0;
	ptl_unlock(m, mm);
	count(m, CNT_mremap_ptes);
	return 0;
}

kulong move_page_tables(struct vmemu *m, struct mm_struct *mm,
			struct vm_area_struct *from, kulong old_address,
			struct vm_area_struct *to, kulong new_address,
			kulong length)
{
	kulong done = 0;

	flush_tlb(m);
	while (done < length) {
		int ret = move_one_page(m, mm, from, old_address + done, to,
					new_address + done);

		if (ret < 0)
			break;
		if (!ret)
			done += PAGE_SIZE;
	}
	return done;
}
