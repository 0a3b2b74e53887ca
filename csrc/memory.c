/*
 * memory.c - zap and copy of page-table ranges, and the primitives of a fault.
 *
 * After mm/memory.c of 2.6.7.  Which primitive a fault needs, and whether it is
 * allowed at all, is decided in vmemu/mm/fault.py.  Any allocation may reclaim
 * and so change ptes: each function looks at the pte again after one.
 */
#include "internal.h"

/* No frame: outside the hook reclaim has failed, inside it could not run. */
static int no_memory(struct vmemu *m)
{
	return m->in_hook ? FAULT_OUTSIDE : FAULT_OOM;
}

static void zap_pte(struct vmemu *m, struct mm_struct *mm, pte_t *slot)
{
	pte_t pte = *slot;
	struct page *page;

	*slot = 0;
	count(m, CNT_zap_ptes);
	if (!pte_present(pte)) {
		free_swap_and_cache(m, pte_to_swp_entry(pte));
		return;
	}
	page = m->mem_map + pte_pfn(pte);
	if (page->flags & PG_reserved)
		return;
	if (pte & _PAGE_DIRTY)
		page->flags |= PG_dirty;
	if (pte & _PAGE_ACCESSED && !(page->flags & PG_anon))
		mark_page_accessed(m, page);
	mm->rss--;
	page_remove_rmap(m, page);
	free_page_and_swap_cache(m, page);
}

/* Unmaps [start, end): pages and swap slots nobody else uses are freed. */
void zap_page_range(struct vmemu *m, struct mm_struct *mm,
		    struct vm_area_struct *vma, kulong start, kulong end)
{
	(void)vma;
	while (start < end) {
		kulong next = (start + PGDIR_SIZE) & ~(PGDIR_SIZE - 1);
		pte_t *pte = pte_lookup(m, mm, start);

		if (next > end)
			next = end;
		if (pte)
			for (; start < next; start += PAGE_SIZE, pte++)
				if (*pte)
					zap_pte(m, mm, pte);
		start = next;
	}
	flush_tlb(m);
}

static pte_t copy_pte(struct vmemu *m, struct mm_struct *dst,
		      const struct vm_area_struct *vma, pte_t *src)
{
	pte_t pte = *src;
	struct page *page;

	count(m, CNT_fork_ptes);
	if (!pte_present(pte)) {
		swap_duplicate(m, pte_to_swp_entry(pte));
		return pte;
	}
	page = m->mem_map + pte_pfn(pte);
	if (page->flags & PG_reserved)
		return pte;
	if (is_cow_mapping(vma))
		*src = pte &= ~(pte_t)_PAGE_RW;
	if (vma->vm_flags & VM_SHARED)
		pte &= ~(pte_t)_PAGE_DIRTY;
	get_page(m, page);
	page_dup_rmap(m, page);
	dst->rss++;
	return pte & ~(pte_t)_PAGE_ACCESSED;
}

/* fork: dst gets src's ptes of one vma, write-protected; -1 = no memory. */
int copy_page_range(struct vmemu *m, struct mm_struct *dst,
		    struct mm_struct *src, struct vm_area_struct *vma)
{
	kulong start = vma->vm_start, end = vma->vm_end;

	flush_tlb(m);
	while (start < end) {
		kulong next = (start + PGDIR_SIZE) & ~(PGDIR_SIZE - 1);
		pte_t *from, *to;

		if (next > end || next < start)
			next = end;
		if (pte_lookup(m, src, start)) {
			to = pte_alloc(m, dst, start);
			from = pte_lookup(m, src, start);
			if (!to)
				return -1;
			for (; start < next; start += PAGE_SIZE, from++, to++)
				if (*from)
					*to = copy_pte(m, dst, vma, from);
		}
		start = next;
	}
	return 0;
}

static void map_anon(struct vmemu *m, struct mm_struct *mm,
		     struct vm_area_struct *vma, kulong address, pte_t *slot,
		     struct page *page)
{
	pte_t pte = mk_pte(m, page, vma->vm_page_prot);

	if (vma->vm_flags & VM_WRITE)
		pte |= _PAGE_RW;
	*slot = pte | _PAGE_DIRTY;
	mm->rss++;
	page_add_anon_rmap(m, page, vma, address);
	lru_cache_add_active(m, page);
}

/* First touch: the zero page for a read, a cleared frame for a write. */
int do_anonymous_page(struct vmemu *m, struct mm_struct *mm,
		      struct vm_area_struct *vma, kulong address, int write)
{
	pte_t *slot = pte_alloc(m, mm, address);
	struct page *page;

	if (!slot)
		return no_memory(m);
	if (!write) {
		*slot = mk_pte(m, m->mem_map + ZERO_PAGE_PFN,
			       vma->vm_page_prot);
		return FAULT_MINOR;
	}
	page = alloc_page(m, GFP_ZERO);
	if (!page)
		return no_memory(m);
	slot = pte_lookup(m, mm, address);
	if (BUG_ON(m, *slot != 0)) {
		put_page(m, page);
		return FAULT_MINOR;
	}
	map_anon(m, mm, vma, address, slot, page);
	count(m, CNT_pgzero);
	return FAULT_MINOR;
}

/* First touch of a file page; a private write gets its own copy at once. */
int do_no_page(struct vmemu *m, struct mm_struct *mm,
	       struct vm_area_struct *vma, kulong address, int write)
{
	int ret = FAULT_MINOR;
	struct page *page = filemap_nopage(m, vma, address, &ret), *copy = NULL;
	pte_t *slot;

	if (!page)
		return ret == FAULT_OOM ? no_memory(m) : ret;
	if (write) {
		copy = alloc_page(m, GFP_KERNEL);
		if (!copy) {
			put_page(m, page);
			return no_memory(m);
		}
		memcpy(page_address(m, copy), page_address(m, page), PAGE_SIZE);
		put_page(m, page);
	}
	slot = pte_alloc(m, mm, address);
	if (!slot) {
		put_page(m, copy ? copy : page);
		return no_memory(m);
	}
	if (copy) {
		map_anon(m, mm, vma, address, slot, copy);
		count(m, CNT_pgcow);
		return ret;
	}
	*slot = mk_pte(m, page, vma->vm_page_prot & ~(kulong)_PAGE_RW);
	mm->rss++;
	page_add_file_rmap(m, page);
	return ret;
}

/*
 * A frame with the same contents that nothing maps yet, or NULL.  The caller's
 * pte keeps the old one alive only until reclaim runs, so it is held here.
 */
struct page *make_private_copy(struct vmemu *m, struct page *old)
{
	struct page *page;

	get_page(m, old);
	page = alloc_page(m, GFP_KERNEL);
	if (page)
		memcpy(page_address(m, page), page_address(m, old), PAGE_SIZE);
	put_page(m, old);
	return page;
}

/*
 * A write to a present read-only pte: reuse a page nobody else has, or copy
 * (a "COW").
 */
int do_wp_page(struct vmemu *m, struct mm_struct *mm,
	       struct vm_area_struct *vma, kulong address)
{
	pte_t *slot = pte_lookup(m, mm, address), orig = *slot;
	struct page *old = m->mem_map + pte_pfn(orig), *page;

	if (can_share_swap_page(m, old)) {
		*slot = orig | _PAGE_RW | _PAGE_DIRTY | _PAGE_ACCESSED;
		return FAULT_MINOR;
	}
	if (page_executed(old) && m->in_hook)
		return FAULT_OUTSIDE; /* cached blocks of the old frame */
	page = make_private_copy(m, old);
	if (!page)
		return no_memory(m);
	slot = pte_lookup(m, mm, address);
	if (*slot != orig) { /* reclaimed or aged meanwhile: fault again */
		put_page(m, page);
		return FAULT_MINOR;
	}
	*slot = 0;
	/* In the hook the fill replaces this address's TLB entry; elsewhere the
	 * CPU may still read the old frame through it. */
	if (!m->in_hook || page_executed(old))
		flush_tlb(m);
	if (!(old->flags & PG_reserved)) {
		mm->rss--;
		page_remove_rmap(m, old);
		put_page(m, old);
		count(m, CNT_pgcow);
	} else {
		count(m, CNT_pgzero);
	}
	map_anon(m, mm, vma, address, slot, page);
	event(m, EV_cow, address, pte_pfn(orig), pfn_of(m, page));
	return FAULT_MINOR;
}

/* The page may not be mapped here as it is: map a copy (anonmm's swap-in). */
static int swap_in_copy(struct vmemu *m, struct mm_struct *mm,
			struct vm_area_struct *vma, kulong address, pte_t orig,
			struct page *page)
{
	struct page *copy = make_private_copy(m, page);
	pte_t *slot;

	put_page(m, page);
	if (!copy)
		return no_memory(m);
	slot = pte_lookup(m, mm, address);
	if (*slot != orig) {
		put_page(m, copy);
		return FAULT_MINOR;
	}
	*slot = 0;
	map_anon(m, mm, vma, address, slot, copy);
	swap_free(m, pte_to_swp_entry(orig));
	count(m, CNT_rmap_copies);
	return FAULT_MINOR;
}

/* The pte holds a swap entry: bring the page back, with readahead. */
int do_swap_page(struct vmemu *m, struct mm_struct *mm,
		 struct vm_area_struct *vma, kulong address, int write)
{
	pte_t *slot = pte_lookup(m, mm, address), orig = *slot, pte;
	uint32_t entry = pte_to_swp_entry(orig);
	struct page *page;
	int major = 0;

	page = read_swap_cache(m, entry, !(vma->vm_flags & VM_RAND_READ),
			       &major);
	slot = pte_lookup(m, mm, address);
	if (!page)
		return *slot == orig ? no_memory(m) : FAULT_MINOR;
	if (*slot != orig) {
		put_page(m, page);
		return FAULT_MINOR;
	}
	if (m->rmap->clash(m, page, vma, address & PAGE_MASK)) {
		int ret = swap_in_copy(m, mm, vma, address, orig, page);

		return ret == FAULT_MINOR && major ? FAULT_MAJOR : ret;
	}
	mark_page_accessed(m, page);
	swap_free(m, entry);
	if (vm_swap_full(m))
		remove_exclusive_swap_page(m, page);
	mm->rss++;
	pte = mk_pte(m, page, vma->vm_page_prot);
	if (write && can_share_swap_page(m, page)) {
		pte |= _PAGE_RW | _PAGE_DIRTY;
		write = 0;
	}
	*slot = pte;
	page_add_anon_rmap(m, page, vma, address);
	event(m, EV_swapin, address, entry, pfn_of(m, page));
	if (write) {
		int ret = do_wp_page(m, mm, vma, address);

		if (ret > FAULT_MAJOR)
			return ret;
	}
	return major ? FAULT_MAJOR : FAULT_MINOR;
}

static bool permits(pte_t pte, int access)
{
	return pte & _PAGE_PRESENT &&
	       (access != ACCESS_WRITE || pte & _PAGE_RW);
}

/* Faults in every page of [start, end) that does not permit the access. */
int make_pages_present(struct vmemu *m, struct mm_struct *mm, kulong start,
		       kulong end, int write)
{
	int access = write ? ACCESS_WRITE : ACCESS_READ;

	for (; start < end; start += PAGE_SIZE) {
		pte_t *pte;

		while (!(pte = pte_lookup(m, mm, start)) ||
		       !permits(*pte, access)) {
			int ret = page_fault(m, mm, start, access);

			if (ret > FAULT_MAJOR)
				return ret;
		}
	}
	return FAULT_MINOR;
}
