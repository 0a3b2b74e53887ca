/*
 * mm/memory.c - fork's copy of page-table ranges, and the primitives of a fault.
 *
 * After mm/memory.c of 2.6.7.  Which primitive a fault needs, and whether it is
 * allowed at all, is decided in vmemu/mm/fault.py.  Any allocation may reclaim
 * and so change ptes: each function looks at the pte again after one.
 */
#include "core/core.h"
#include "file/file.h"
#include "mm/mm.h"
#include "page/page.h"
#include "rmap/rmap.h"
#include "swap/swap.h"
#include "watch/lock.h"
#include "watch/step.h"

/* No frame: outside the hook reclaim has failed, inside it could not run. */
static int no_memory(struct vmemu *m)
{
	return m->in_hook ? FAULT_OUTSIDE : FAULT_OOM;
}

static ALWAYS_INLINE pte_t copy_pte(struct vmemu *m, struct mm_struct *dst,
				    pte_t *src, kulong vm_flags, kulong *rss,
				    const bool watched)
{
	pte_t pte = *src;
	struct page *page;

	if (!pte_present(pte)) {
		BUG_ON(m, swap_duplicate(m, pte_to_swp_entry(pte)));
		return pte;
	}
	page = m->mem_map + pte_pfn(pte);
	if (page->flags & PG_reserved)
		return pte;
	if (is_cow_mapping(vm_flags))
		*src = pte &= ~(pte_t)_PAGE_RW;
	if (vm_flags & VM_SHARED)
		pte &= ~(pte_t)_PAGE_DIRTY;
	page_dup(m, page, watched);
	if (watched)
		rss_inc(m, dst);
	else
		++*rss;
	return pte & ~(pte_t)_PAGE_ACCESSED;
}

/* The ptes of one page table; see mm/zap.c on the two compilations. */
static ALWAYS_INLINE void copy_ptes(struct vmemu *m, struct mm_struct *dst,
				    pte_t *to, pte_t *from, uint32_t nr,
				    kulong vm_flags, const bool watched)
{
	kulong rss = 0;
	uint32_t i, n = 0;

	for (i = 0; i < nr; i++)
		if (from[i]) {
			if (watched)
				shared(m, STEP_write, &from[i]);
			to[i] = copy_pte(m, dst, &from[i], vm_flags, &rss,
					 watched);
			if (watched)
				touch(m, STEP_write, &to[i]);
			n++;
		}
	dst->rss += rss;
	if (!watched)
		m->lock_stat[LOCK_page_map].acquired += rss;
	m->steps += n;
	m->counter[CNT_fork_ptes] += n;
}

/* fork: dst gets src's ptes of one vma, write-protected; -1 = no memory. */
int copy_page_range(struct vmemu *m, struct mm_struct *dst,
		    struct mm_struct *src, struct vm_area_struct *vma)
{
	kulong at = vma->vm_start, end = vma->vm_end;
	pte_t *from, *to;
	uint32_t nr;

	flush_tlb(m);
	for_each_table(m, src, at, end, from, nr) {
		ptl_lock(m, dst);
		to = pte_alloc(m, dst, at);
		if (!to) {
			ptl_unlock(m, dst);
			return -1;
		}
		/* Nobody waits for src with dst held the other way round: only
		 * reclaim knows the child yet. */
		lockdep_nest(m);
		ptl_lock(m, src);
		owned(m, page_table, src);
		owned(m, page_table, dst);
		if (unlikely(m->watch))
			copy_ptes(m, dst, to, from, nr, vma->vm_flags, true);
		else
			copy_ptes(m, dst, to, from, nr, vma->vm_flags, false);
		ptl_unlock(m, src);
		ptl_unlock(m, dst);
	}
	return 0;
}

static void map_anon(struct vmemu *m, struct mm_struct *mm,
		     struct vm_area_struct *vma, kulong address, pte_t *slot,
		     struct page *page)
{
	pte_t pte = mk_pte(m, page, vma->vm_page_prot);

	owned(m, page_table, mm);
	if (vma->vm_flags & VM_WRITE)
		pte |= _PAGE_RW;
	set_pte(m, slot, pte | _PAGE_DIRTY);
	rss_inc(m, mm);
	page_add_anon_rmap(m, page, vma, address);
	lru_cache_add_active(m, page);
}

/* First touch: the zero page for a read, a cleared frame for a write. */
int do_anonymous_page(struct vmemu *m, struct mm_struct *mm,
		      struct vm_area_struct *vma, kulong address, int write)
{
	pte_t *slot = pte_lookup(m, mm, address);
	struct page *page;

	if (!write) {
		step(m, STEP_write, slot);
		owned(m, page_table, mm);
		*slot = mk_pte(m, m->mem_map + ZERO_PAGE_PFN,
			       vma->vm_page_prot);
		ptl_unlock(m, mm);
		return FAULT_MINOR;
	}
	ptl_unlock(m, mm);
	page = alloc_page(m, GFP_ZERO);
	if (!page)
		return no_memory(m);
	ptl_lock_short(m, mm);
	step(m, STEP_write, slot);
	if (*slot) { /* another thread was faster */
		ptl_unlock_short(m, mm, 1);
		put_page(m, page);
		return FAULT_MINOR;
	}
	map_anon(m, mm, vma, address, slot, page);
	ptl_unlock_short(m, mm, 1);
	count(m, CNT_pgzero);
	spend(m, CLEAR_NS);
	event(m, EV_zero, address, 0, pfn_of(m, page));
	return FAULT_MINOR;
}

/* First touch of a file page; a private write gets its own copy at once. */
int do_no_page(struct vmemu *m, struct mm_struct *mm,
	       struct vm_area_struct *vma, kulong address, int write)
{
	pte_t *slot = pte_lookup(m, mm, address);
	int ret = FAULT_MINOR;
	struct page *page, *copy;
	uint32_t from;

	ptl_unlock(m, mm);
	page = filemap_nopage(m, vma, address, &ret);
	if (!page)
		return ret == FAULT_OOM ? no_memory(m) : ret;
	from = pfn_of(m, page);
	if (write) {
		copy = make_private_copy(m, page);
		put_page(m, page);
		if (!copy)
			return no_memory(m);
		page = copy;
	}
	ptl_lock(m, mm);
	step(m, STEP_write, slot);
	if (*slot) {
		put_page(m, page);
	} else if (write) {
		map_anon(m, mm, vma, address, slot, page);
		count(m, CNT_pgcow);
		event(m, EV_cow, address, from, pfn_of(m, page));
	} else {
		owned(m, page_table, mm);
		*slot = mk_pte(m, page, vma->vm_page_prot & ~(kulong)_PAGE_RW);
		rss_inc(m, mm);
		page_add_file_rmap(m, page);
	}
	ptl_unlock(m, mm);
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
	if (page) {
		shared(m, STEP_read, page_address(m, old));
		memcpy(page_address(m, page), page_address(m, old), PAGE_SIZE);
		spend(m, COPY_NS);
	}
	put_page(m, old);
	return page;
}

/* Nobody but this pte needs the page; nobody can come to, while it is locked. */
static bool may_reuse(struct vmemu *m, struct page *page)
{
	bool reuse;

	if (page->flags & PG_reserved || !trylock_page(m, page))
		return false;
	reuse = can_share_swap_page(m, page);
	unlock_page(m, page);
	return reuse;
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
	bool zero = old->flags & PG_reserved;

	if (may_reuse(m, old)) {
		step(m, STEP_write, slot);
		owned(m, page_table, mm);
		*slot = orig | _PAGE_RW | _PAGE_DIRTY | _PAGE_ACCESSED;
		ptl_unlock(m, mm);
		return FAULT_MINOR;
	}
	if (page_executed(old) && m->in_hook) {
		ptl_unlock(m, mm);
		return FAULT_OUTSIDE; /* cached blocks of the old frame */
	}
	get_page(m, old);
	ptl_unlock(m, mm);
	page = make_private_copy(m, old);
	put_page(m, old);
	if (!page)
		return no_memory(m);
	ptl_lock(m, mm);
	step(m, STEP_write, slot);
	if (*slot != orig) { /* reclaimed or aged meanwhile: fault again */
		ptl_unlock(m, mm);
		put_page(m, page);
		return FAULT_MINOR;
	}
	owned(m, page_table, mm);
	*slot = 0;
	/* In the hook the fill replaces this address's TLB entry; elsewhere the
	 * CPU may still read the old frame through it. */
	if (!m->in_hook || page_executed(old))
		flush_tlb(m);
	if (!zero) {
		rss_sub(m, mm, 1);
		page_remove_rmap(m, old);
		put_page(m, old);
	}
	map_anon(m, mm, vma, address, slot, page);
	ptl_unlock(m, mm);
	count(m, zero ? CNT_pgzero : CNT_pgcow);
	event(m, zero ? EV_zero : EV_cow, address, pte_pfn(orig),
	      pfn_of(m, page));
	return FAULT_MINOR;
}

/* The page may not be mapped here as it is: map a copy. */
static int swap_in_copy(struct vmemu *m, struct mm_struct *mm,
			struct vm_area_struct *vma, kulong address, pte_t orig,
			struct page *page)
{
	struct page *copy = make_private_copy(m, page);
	pte_t *slot = pte_lookup(m, mm, address);

	put_page(m, page);
	if (!copy)
		return no_memory(m);
	ptl_lock(m, mm);
	step(m, STEP_write, slot);
	if (*slot != orig) {
		ptl_unlock(m, mm);
		put_page(m, copy);
		return FAULT_MINOR;
	}
	*slot = 0;
	map_anon(m, mm, vma, address, slot, copy);
	swap_free(m, pte_to_swp_entry(orig));
	ptl_unlock(m, mm);
	count(m, CNT_rmap_copies);
	count(m, CNT_swapin);
	event(m, EV_swapin, address, pte_to_swp_entry(orig), pfn_of(m, copy));
	return FAULT_MINOR;
}

/* The pte holds a swap entry: bring the page back, with readahead. */
int do_swap_page(struct vmemu *m, struct mm_struct *mm,
		 struct vm_area_struct *vma, kulong address, int write)
{
	pte_t *slot = pte_lookup(m, mm, address), orig = *slot, pte;
	uint32_t entry = pte_to_swp_entry(orig);
	struct page *page;
	int major = 0, ret;

	ptl_unlock(m, mm);
	page = read_swap_cache(m, entry, !(vma->vm_flags & VM_RAND_READ),
			       &major);
	if (!page) {
		shared(m, STEP_read, slot);
		return *slot == orig ? no_memory(m) : FAULT_MINOR;
	}
	ret = major ? FAULT_MAJOR : FAULT_MINOR;
	mark_page_accessed(m, page);
	lock_page(m, page);
	ptl_lock(m, mm);
	step(m, STEP_write, slot);
	if (*slot != orig) {
		ptl_unlock(m, mm);
		unlock_page(m, page);
		put_page(m, page);
		return FAULT_MINOR;
	}
	if (!page_share_anon_rmap(m, page, vma, address)) {
		int copied;

		ptl_unlock(m, mm);
		unlock_page(m, page);
		copied = swap_in_copy(m, mm, vma, address, orig, page);
		return copied == FAULT_MINOR ? ret : copied;
	}
	owned(m, page_table, mm);
	swap_free(m, entry);
	if (vm_swap_full(m))
		remove_exclusive_swap_page(m, page);
	rss_inc(m, mm);
	pte = mk_pte(m, page, vma->vm_page_prot);
	if (write && can_share_swap_page(m, page)) {
		pte |= _PAGE_RW | _PAGE_DIRTY;
		write = 0;
	}
	unlock_page(m, page);
	set_pte(m, slot, pte);
	count(m, CNT_swapin);
	event(m, EV_swapin, address, entry, pfn_of(m, page));
	if (write) { /* gives the lock back */
		int copied = do_wp_page(m, mm, vma, address);

		return copied > FAULT_MAJOR ? copied : ret;
	}
	ptl_unlock(m, mm);
	return ret;
}

static bool permits(pte_t pte, int access)
{
	return pte & _PAGE_PRESENT &&
	       (access != ACCESS_WRITE || pte & _PAGE_RW);
}

/* follow_page: the page, if the pte permits the access by now; else NULL. */
static struct page *follow_page(struct vmemu *m, struct mm_struct *mm,
				kulong address, int access, bool get)
{
	struct page *page = NULL;
	pte_t *pte;

	ptl_lock(m, mm);
	pte = pte_lookup(m, mm, address);
	if (pte)
		step(m, STEP_read, pte);
	if (pte && permits(*pte, access)) {
		page = m->mem_map + pte_pfn(*pte);
		if (get)
			get_page(m, page);
	}
	ptl_unlock(m, mm);
	return page;
}

/*
 * Faults in every page of [start, end) that does not permit the access, as
 * get_user_pages() does; mmap_sem is held.
 */
int make_pages_present(struct vmemu *m, struct mm_struct *mm, kulong start,
		       kulong end, int write)
{
	int access = write ? ACCESS_WRITE : ACCESS_READ;

	for (; start < end; start += PAGE_SIZE)
		while (!follow_page(m, mm, start, access, false)) {
			int ret = page_fault_locked(m, mm, start, access);

			if (ret > FAULT_MAJOR)
				return ret;
		}
	return FAULT_MINOR;
}

struct page *get_user_page(struct vmemu *m, struct mm_struct *mm,
			   kulong address, int write)
{
	int access = write ? ACCESS_WRITE : ACCESS_READ;
	struct page *page;

	while (!(page = follow_page(m, mm, address, access, true)))
		if (page_fault_locked(m, mm, address, access) > FAULT_MAJOR)
			return NULL;
	return page;
}
