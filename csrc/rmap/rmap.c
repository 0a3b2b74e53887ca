/*
 * rmap/rmap.c - from a frame to the ptes that map it: what all schemes share.
 *
 * Object-based reverse mapping after Dave McCracken (file pages, 2003), Hugh
 * Dickins and Andrea Arcangeli (anonymous pages, 2004).  A scheme proposes
 * candidates (mm, address); the two *_one functions below walk that mm's page
 * table and act.  Schemes count a `probe` for each such walk and a `cmp` for a
 * candidate they reject without one.
 *
 * PG_anon is set, with mapping and index, while at least one pte maps the page.
 */
#include "rmap/rmap.h"
#include "core/core.h"
#include "file/file.h"
#include "mm/mm.h"
#include "page/page.h"
#include "swap/swap.h"
#include "watch/lock.h"
#include "watch/step.h"

int rmap_mm_init(struct vmemu *m, struct mm_struct *mm)
{
	return m->rmap->mm_init ? m->rmap->mm_init(m, mm) : 0;
}

int rmap_mm_dup(struct vmemu *m, struct mm_struct *child,
		struct mm_struct *parent)
{
	return m->rmap->mm_dup ? m->rmap->mm_dup(m, child, parent) : 0;
}

void rmap_mm_exit(struct vmemu *m, struct mm_struct *mm)
{
	if (m->rmap->mm_exit)
		m->rmap->mm_exit(m, mm);
}

/* The batch's object hears of the pages that pointed at it. */
void put_orphans(struct vmemu *m, struct rmap_batch *batch)
{
	if (batch->orphans && m->rmap->put_anon)
		m->rmap->put_anon(m, batch->mapping, batch->orphans);
	batch->orphans = 0;
}

static void touch_mapped(struct vmemu *m, struct page *page)
{
	touch(m, STEP_write, &page->mapcount);
	touch(m, STEP_write, &page->flags);
}

/*
 * The page gets one more pte; page_map_lock is held.  false: the scheme cannot
 * follow it here.
 */
static ALWAYS_INLINE bool add_anon_rmap(struct vmemu *m, struct page *page,
					struct vm_area_struct *vma,
					kulong address, enum add_how first)
{
	const struct mm_struct *mm = HOST(m, mm_struct, vma->vm_mm);

	address &= PAGE_MASK;
	owned(m, mapcount, page);
	if (!page->mapcount) {
		m->rmap->add_anon(m, page, vma, address, first);
		if (stop_kept(m))
			stop_added(m, page, mm, first);
		touch_mapped(m, page);
		page->flags |= PG_anon;
		page->mapcount = 1;
		m->pages.nr_mapped++;
		return true;
	}
	BUG_ON(m, !(page->flags & PG_anon));
	if (m->rmap->add_anon(m, page, vma, address, ADD_AGAIN))
		return false;
	if (stop_kept(m))
		stop_added(m, page, mm, ADD_AGAIN);
	touch_mapped(m, page);
	page->mapcount++;
	return true;
}

void page_add_anon_rmap(struct vmemu *m, struct page *page,
			struct vm_area_struct *vma, kulong address)
{
	if (BUG_ON(m, page->flags & PG_reserved))
		return;
	page_map_lock_short(m, page);
	BUG_ON(m, !add_anon_rmap(m, page, vma, address, ADD_NEW));
	page_map_unlock_short(m, page);
}

/*
 * The same for a page that others may have mapped already, and may be moving:
 * false if the scheme cannot follow it here, so that it must be copied.  Asked
 * and done under one lock, or mremap could come in between.
 */
bool page_share_anon_rmap(struct vmemu *m, struct page *page,
			  struct vm_area_struct *vma, kulong address)
{
	bool added;

	page_map_lock_short(m, page);
	added = add_anon_rmap(m, page, vma, address, ADD_BACK);
	page_map_unlock_short(m, page);
	return added;
}

void page_own_anon_rmap(struct vmemu *m, struct page *page,
			struct vm_area_struct *vma, kulong address)
{
	if (!(m->rmap->own_anon || stop_kept(m)) || !(page->flags & PG_anon))
		return;
	page_map_lock(m, page);
	if (m->rmap->own_anon)
		m->rmap->own_anon(m, page, vma, address & PAGE_MASK);
	if (stop_kept(m))
		stop_owned(m, page, HOST(m, mm_struct, vma->vm_mm));
	page_map_unlock(m, page);
}

void page_add_file_rmap(struct vmemu *m, struct page *page, const pte_t *pte)
{
	BUG_ON(m, page->flags & PG_anon);
	page_map_lock_short(m, page);
	owned(m, mapcount, page);
	if (m->rmap_files)
		m->rmap->add_file(m, page, pte);
	if (!page->mapcount++)
		m->pages.nr_mapped++;
	page_map_unlock_short(m, page);
}

/* One pte less; page_map_lock is held. */
static void remove_rmap(struct vmemu *m, struct page *page,
			struct mm_struct *mm, const pte_t *pte)
{
	struct rmap_batch batch = { .unmapped = 0 };

	drop_rmap(m, page, mm, pte, &batch, true);
	if (batch.unmapped)
		touch(m, STEP_write, &page->flags);
	finish_rmap_batch(m, &batch);
}

void page_remove_rmap(struct vmemu *m, struct page *page, struct mm_struct *mm,
		      const pte_t *pte)
{
	page_map_lock_short(m, page);
	remove_rmap(m, page, mm, pte);
	page_map_unlock_short(m, page);
}

static ALWAYS_INLINE pte_t *page_check_address(struct vmemu *m,
					       struct page *page,
					       struct mm_struct *mm,
					       kulong address)
{
	pte_t *pte = pte_lookup(m, mm, address);

	if (!pte || !pte_present(*pte) || pte_pfn(*pte) != pfn_of(m, page))
		return NULL;
	return pte;
}

pte_t *page_pte(struct vmemu *m, struct page *page, struct mm_struct *mm,
		kulong address)
{
	return page_check_address(m, page, mm, address);
}

/*
 * One candidate of page_referenced: 1 if its pte was young (it is old then).
 */
static ALWAYS_INLINE int page_referenced_one(struct vmemu *m, struct page *page,
					     struct mm_struct *mm,
					     kulong address,
					     struct rmap_search *search)
{
	int referenced = 0;
	pte_t *pte;

	if (!ptl_trylock_short(m, mm))
		return 0;
	pte = page_check_address(m, page, mm, address);
	if (pte) {
		step(m, STEP_write, pte);
		search->left--;
		search->found++;
		if (*pte & _PAGE_ACCESSED) {
			owned(m, page_table, mm);
			*pte &= ~(pte_t)_PAGE_ACCESSED;
			flush_tlb(m); /* or the CPU would not set it again */
			referenced = 1;
		}
	}
	ptl_unlock_short(m, mm, pte != NULL);
	return referenced;
}

/* The flags of an area whose page reclaim wants, mmap_sem not held. */
static bool is_locked(struct vmemu *m, const struct vm_area_struct *vma)
{
	step(m, STEP_read, &vma->vm_flags);
	return vma->vm_flags & (VM_LOCKED | VM_RESERVED);
}

/* Mutation d: a bit lock in vm_flags, as proposed in 2004 and 2010. */
static void mark_vma(struct vmemu *m, struct vm_area_struct *vma, bool on)
{
	kulong flags;

	if (!(m->watch.mutations & MUTATE_d) || !vma)
		return;
	shared(m, STEP_read, &vma->vm_flags);
	flags = vma->vm_flags;
	shared(m, STEP_write, &vma->vm_flags);
	vma->vm_flags = on ? flags | VM_LOCK_RMAP : flags & ~VM_LOCK_RMAP;
}

/* Not under two mutations: b has looked before page_table_lock was taken, and c at
 * nonlinear areas, under i_mmap_lock. */
static bool tests_locked(struct vmemu *m, const struct vm_area_struct *vma)
{
	if (likely(!(m->watch.mutations & (MUTATE_b | MUTATE_c))))
		return true;
	return !(m->watch.mutations & MUTATE_b) &&
	       !(vma->vm_flags & VM_NONLINEAR);
}

/* Whether the pte may go: not locked in memory, not young, nobody else's page,
 * but for `held` references: the swap cache's, and who is about to take it. */
static bool may_unmap(struct vmemu *m, const struct page *page,
		      const struct vm_area_struct *vma, pte_t *pte,
		      int32_t held)
{
	if (tests_locked(m, vma) && is_locked(m, vma))
		return false;
	shared(m, STEP_write, pte);
	if (*pte & _PAGE_ACCESSED) {
		*pte &= ~(pte_t)_PAGE_ACCESSED;
		flush_tlb(m);
		return false;
	}
	if (unlikely(m->watch.mutations & MUTATE_f))
		return true;
	shared(m, STEP_read, &page->_count);
	/* Somebody else holds a reference: a later write would copy the page
	 * away from under them. */
	return !(page->flags & PG_swapcache) ||
	       page->_count == (int32_t)page->mapcount + held;
}

/* Takes the page out of the pte, for an anonymous one leaving its entry. */
static void clear_pte(struct vmemu *m, struct page *page, struct mm_struct *mm,
		      pte_t *pte, pte_t left)
{
	pte_t old;

	step(m, STEP_write, pte);
	owned(m, page_table, mm);
	old = *pte;
	*pte = left;
	flush_tlb(m);
	touch(m, STEP_write, &page->flags);
	if (old & _PAGE_DIRTY)
		set_page_dirty(m, page);
	if (page->flags & PG_anon) {
		BUG_ON(m, !(page->flags & PG_swapcache));
		BUG_ON(m, swap_duplicate(m, page->private));
		set_pte(m, pte, swp_entry_to_pte(page->private));
	}
	rss_sub(m, mm, 1);
	remove_rmap(m, page, mm, pte);
	put_page(m, page);
}

/* One pte less, page_table_lock and the page's locks held; false: it stays. */
static ALWAYS_INLINE bool detach(struct vmemu *m, struct page *page,
				 struct mm_struct *mm,
				 struct vm_area_struct *vma, pte_t *pte,
				 kulong address, int32_t held)
{
	bool goes;

	mark_vma(m, vma, true);
	goes = may_unmap(m, page, vma, pte, held);
	if (goes)
		clear_pte(m, page, mm, pte,
			  pte_left(vma, address, page->index));
	mark_vma(m, vma, false);
	return goes;
}

/* The same for a sweep, which came to the page by its pte. */
bool rmap_detach(struct vmemu *m, struct page *page, struct mm_struct *mm,
		 struct vm_area_struct *vma, pte_t *pte, kulong address,
		 int32_t held)
{
	bool goes;

	page_map_lock(m, page);
	goes = detach(m, page, mm, vma, pte, address, held);
	page_map_unlock(m, page);
	if (goes)
		event(m, EV_unmap, pfn_of(m, page), 0,
		      page->mapcount ? SWAP_AGAIN : SWAP_SUCCESS);
	return goes;
}

/*
 * One candidate of try_to_unmap.  SWAP_AGAIN: not mapped here, page_table_lock was
 * taken, or unmapped and others remain.
 */
static ALWAYS_INLINE int try_to_unmap_one(struct vmemu *m, struct page *page,
					  struct mm_struct *mm,
					  struct vm_area_struct *vma,
					  kulong address,
					  struct rmap_search *search)
{
	int ret = SWAP_AGAIN;
	pte_t *pte;

	if (unlikely(m->watch.mutations & MUTATE_b)) {
		if (!vma)
			vma = find_vma_prev(m, mm, address, NULL);
		if (vma && is_locked(m, vma))
			return SWAP_FAIL;
	}
	if (!ptl_trylock(m, mm))
		return SWAP_AGAIN;
	pte = page_check_address(m, page, mm, address);
	if (pte && !vma) {
		vma = find_vma(m, mm, address);
		if (BUG_ON(m, !vma || vma->vm_start > address))
			pte = NULL;
	}
	if (pte) {
		search->found++;
		step(m, STEP_read, pte);
		if (!detach(m, page, mm, vma, pte, address, 2))
			ret = SWAP_FAIL;
	}
	ptl_unlock(m, mm);
	return ret;
}

/* Ptes to be found yet; one that was found has gone, or the walk ends. */
static ALWAYS_INLINE uint32_t left_to_unmap(const struct page *page,
					    const struct rmap_search *search)
{
	if (likely(search->exact))
		return page->mapcount;
	return search->all == STOP_NEVER ? STOP_NEVER :
					   search->all - search->found;
}

/* A page table walked for one candidate, but for what is counted of it. */
static ALWAYS_INLINE bool
try_candidate(struct vmemu *m, struct page *page, struct rmap_search *search,
	      struct mm_struct *mm, struct vm_area_struct *vma, kulong address)
{
	if (unlikely(m->check.finding))
		return rmap_try_noted(m, page, search, mm, vma, address);
	if (search->walk == WALK_REFERENCED) {
		search->young +=
			page_referenced_one(m, page, mm, address, search);
		return search->left != 0;
	}
	search->ret = try_to_unmap_one(m, page, mm, vma, address, search);
	search->left = left_to_unmap(page, search);
	return search->left && search->ret != SWAP_FAIL;
}

bool rmap_try(struct vmemu *m, struct page *page, struct rmap_search *search,
	      struct mm_struct *mm, struct vm_area_struct *vma, kulong address)
{
	if (unlikely(!search->exact && search->found == search->mapped))
		count(m, CNT_rmap_wasted);
	count_walk(m, search, CNT_unmap_probes, CNT_referenced_probes);
	return try_candidate(m, page, search, mm, vma, address);
}

void walk_for(struct vmemu *m, struct page *page, struct rmap_search *search)
{
	if (search->file && !m->rmap_files)
		walk_file(m, page, search);
	else
		m->rmap->walk(m, page, search);
}

void walk_page(struct vmemu *m, struct page *page, struct rmap_search *search)
{
	search->exact = !stop_kept(m) || !(page->flags & PG_anon);
	search->mapped = page->mapcount;
	search->all = search->exact ? page->mapcount : stop_after(m, page);
	search->left = search->all;
	search->ret = SWAP_AGAIN;
	if (m->rmap->sweep) /* nobody can */
		return;
	search->file = !(page->flags & PG_anon);
	count_walk(m, search, CNT_unmap_pages, CNT_referenced_pages);
	walk_for(m, page, search);
}

/* How often the page was referenced since the last call; ages its ptes. */
int page_referenced(struct vmemu *m, struct page *page)
{
	struct rmap_search search = { .walk = WALK_REFERENCED };
	int referenced = 0;

	shared(m, STEP_write, &page->flags);
	if (page->flags & PG_referenced) {
		page->flags &= ~(kulong)PG_referenced;
		referenced++;
	}
	page_map_lock(m, page);
	if (page->mapcount)
		walk_page(m, page, &search);
	page_map_unlock(m, page);
	return referenced + search.young;
}

static uint64_t unmap_probes(const struct vmemu *m)
{
	return m->counter[CNT_unmap_probes] + m->counter[CNT_file_unmap_probes];
}

/* Removes every pte of a page that reclaim holds; enum swap_result. */
int try_to_unmap(struct vmemu *m, struct page *page)
{
	struct rmap_search search = { .walk = WALK_UNMAP };
	uint64_t before = unmap_probes(m);

	page_map_lock(m, page);
	if (page->mapcount)
		walk_page(m, page, &search);
	if (!page->mapcount)
		search.ret = SWAP_SUCCESS;
	page_map_unlock(m, page);
	event(m, EV_unmap, pfn_of(m, page),
	      (uint32_t)(unmap_probes(m) - before), (uint32_t)search.ret);
	return search.ret;
}
