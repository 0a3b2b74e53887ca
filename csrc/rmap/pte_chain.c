/*
 * rmap/pte_chain.c - Rik van Riel's pte chains, as in 2.6.6.
 *
 * Each page lists the ptes that map it, so nothing has to be looked for.  One pte
 * stands in page->mapping itself (PG_direct); two and more stand in a list of
 * pte_chains of one cache line each (Anton Blanchard's arrays, 2.5), of which only
 * the first may have free slots:
 *
 *   page: mapping -> | next, idx | -  -  pte pte | -> | next, 0 | pte pte pte pte |
 *
 * A pte's address leads to its page table, whose struct page has the mm and the
 * first address it maps.
 *
 * Of a file's page mapping is the file, so it has its list in page->private, which
 * nobody else uses while it is mapped; 2.6.6 had a field for it where mapcount is
 * here.  With files=areas, as in rmap 7 and 8, such pages have none, and are found by
 * the areas of their file.
 *
 * Costs nothing for a page that is mapped once, nor for a vma or mm; else a line
 * for each NRPTE ptes of a page, and a search of the list for each that goes.
 * What breaks it: many processes that share many pages.  fork makes an entry for
 * each page, exit looks for it, and the lists take more memory than the ptes.
 *
 * The list, PG_direct and where it begins are guarded by the page's page_map_lock.
 */
#include "core/core.h"
#include "mm/mm.h"
#include "mm/walk.h"
#include "page/page.h"
#include "rmap/rmap.h"
#include "watch/lock.h"
#include "watch/step.h"

/* 128 bytes, 64 or 32. */
uint32_t pte_chain_line(const struct vmemu *m)
{
	return 128u >> m->rmap_option[CHAIN_LINE];
}

uint32_t pte_chain_slots(const struct vmemu *m)
{
	return (uint32_t)((pte_chain_line(m) - sizeof(struct pte_chain)) /
			  sizeof(kptr));
}

static uint32_t cache_size(const struct vmemu *m, int i)
{
	(void)i;
	return pte_chain_line(m);
}

static uint32_t keeps_files(const struct vmemu *m)
{
	return m->rmap_option[CHAIN_FILES];
}

/* Where the page has its list, or its only pte. */
static kptr *list_of(struct page *page)
{
	return page->flags & PG_anon ? &page->mapping : &page->private;
}

static struct pte_chain *chain_at(struct vmemu *m, kptr k)
{
	return HOST(m, pte_chain, k);
}

static kptr next_of(const struct vmemu *m, const struct pte_chain *c)
{
	return c->next_and_idx & ~(kulong)(pte_chain_line(m) - 1);
}

static uint32_t first_used(const struct vmemu *m, const struct pte_chain *c)
{
	return (uint32_t)c->next_and_idx & (pte_chain_line(m) - 1);
}

/* ---- memory: whoever adds a pte has brought it along ------------------------ */

static int reserve(struct vmemu *m, int gfp)
{
	struct pte_chain *c;

	if (m->locks.held->reserve)
		return 0;
	c = kmem_cache_alloc(m, CACHE_pte_chain, gfp);
	if (!c)
		return -1;
	m->locks.held->reserve = kaddr(m, c);
	return 0;
}

static void unreserve(struct vmemu *m)
{
	kptr left = m->locks.held->reserve;

	m->locks.held->reserve = 0;
	if (left)
		kmem_cache_free(m, CACHE_pte_chain, chain_at(m, left));
}

static struct pte_chain *take_reserve(struct vmemu *m)
{
	kptr taken = m->locks.held->reserve;

	m->locks.held->reserve = 0;
	return BUG_ON(m, !taken) ? NULL : chain_at(m, taken);
}

/* ---- entries ------------------------------------------------------------------ */

/* A new head of the page's list, with what PG_direct said in it. */
static struct pte_chain *grow(struct vmemu *m, struct page *page)
{
	struct pte_chain *c = take_reserve(m);
	uint32_t i = pte_chain_slots(m);

	if (!c || BUG_ON(m, kaddr(m, c) & (pte_chain_line(m) - 1)))
		return NULL;
	if (page->flags & PG_direct) {
		c->ptes[--i] = *list_of(page);
		c->next_and_idx = i;
		page->flags &= ~(kulong)PG_direct;
	} else {
		c->next_and_idx = *list_of(page) | i;
	}
	*list_of(page) = kaddr(m, c);
	return c;
}

/* One more pte of a page that has one; page_map_lock is held. */
static void add_entry(struct vmemu *m, struct page *page, const pte_t *pte)
{
	struct pte_chain *c;

	owned(m, mapcount, page);
	if (page->flags & PG_direct ||
	    !first_used(m, chain_at(m, *list_of(page))))
		c = grow(m, page);
	else
		c = chain_at(m, *list_of(page));
	if (!c)
		return;
	c->next_and_idx--;
	c->ptes[first_used(m, c)] = kaddr(m, pte);
}

/* Where the page has this pte; it must have it. */
static kptr *find_entry(struct vmemu *m, struct page *page, kptr pte)
{
	uint32_t n = pte_chain_slots(m), i, looked = 0;
	kptr *found = NULL, at;

	if (page->flags & PG_direct)
		return *list_of(page) == pte ? list_of(page) : NULL;
	for (at = *list_of(page); at && !found;
	     at = next_of(m, chain_at(m, at))) {
		struct pte_chain *c = chain_at(m, at);

		for (i = first_used(m, c); i < n && !found; i++, looked++)
			if (c->ptes[i] == pte)
				found = &c->ptes[i];
	}
	m->counter[CNT_rmap_chain_slots] += looked;
	return found;
}

/* The first entry of all goes, and its pte_chain if it was the only one there. */
static void drop_first(struct vmemu *m, struct page *page)
{
	struct pte_chain *head = chain_at(m, *list_of(page));
	uint32_t i = first_used(m, head);

	if (i + 1 < pte_chain_slots(m)) {
		head->ptes[i] = 0;
		head->next_and_idx++;
		return;
	}
	*list_of(page) = next_of(m, head);
	kmem_cache_free(m, CACHE_pte_chain, head);
}

/* ---- a page gets a pte, loses one, moves -------------------------------------- */

static int add_anon(struct vmemu *m, struct page *page,
		    struct vm_area_struct *vma, kulong address,
		    enum add_how how)
{
	const pte_t *pte =
		pte_lookup(m, HOST(m, mm_struct, vma->vm_mm), address);

	if (BUG_ON(m, !pte))
		return 0;
	if (how == ADD_AGAIN) {
		add_entry(m, page, pte);
		return 0;
	}
	page->mapping = kaddr(m, pte);
	page->flags |= PG_direct;
	return 0;
}

static void add_file(struct vmemu *m, struct page *page, const pte_t *pte)
{
	if (page->mapcount) {
		add_entry(m, page, pte);
		return;
	}
	page->private = kaddr(m, pte);
	page->flags |= PG_direct;
}

static void dup_pte(struct vmemu *m, struct page *page,
		    struct vm_area_struct *parents, struct mm_struct *child,
		    const pte_t *pte)
{
	(void)parents, (void)child;
	add_entry(m, page, pte);
}

/* The first entry of the list moves into the hole. */
static void remove_pte(struct vmemu *m, struct page *page, struct mm_struct *mm,
		       const pte_t *pte)
{
	kptr *entry = find_entry(m, page, kaddr(m, pte));
	struct pte_chain *head;

	(void)mm;
	owned(m, mapcount, page);
	if (BUG_ON(m, !entry))
		return;
	if (page->flags & PG_direct) {
		page->flags &= ~(kulong)PG_direct;
		*list_of(page) = 0;
		return;
	}
	head = chain_at(m, *list_of(page));
	*entry = head->ptes[first_used(m, head)];
	drop_first(m, page);
}

/* The entry is rewritten where it stands: remove and add, without the memory. */
static uint32_t move_anon(struct vmemu *m, const pte_t *from, const pte_t *to,
			  uint32_t nr, struct vm_area_struct *vma,
			  kulong address)
{
	uint32_t i;

	(void)vma, (void)address;
	for (i = 0; i < nr; i++) {
		struct page *page = m->mem_map + pte_pfn(from[i]);
		kptr *entry;

		if (!pte_present(from[i]) || page->flags & PG_reserved ||
		    !rmap_has(m, page))
			continue;
		page_map_lock(m, page);
		owned(m, mapcount, page);
		touch(m, STEP_write, &page->mapcount); /* and its entries */
		entry = find_entry(m, page, kaddr(m, from + i));
		if (!BUG_ON(m, !entry))
			*entry = kaddr(m, to + i);
		page_map_unlock(m, page);
	}
	return nr;
}

/* ---- from a pte to its mm and address ------------------------------------------ */

static void table_added(struct vmemu *m, struct page *table,
			struct mm_struct *mm, kulong address)
{
	table->mapping = kaddr(m, mm);
	table->index = address;
}

/* False: that is enough. */
static bool try_entry(struct vmemu *m, struct page *page,
		      struct rmap_search *search, kptr pte)
{
	struct page *table = virt_to_page(m, host(m, pte));
	kulong slot = (pte & ~(kulong)PAGE_MASK) / sizeof(pte_t);

	if (BUG_ON(m, !(table->flags & PG_pgtable) || !table->mapping))
		return false;
	return rmap_try(m, page, search, HOST(m, mm_struct, table->mapping),
			NULL, table->index + (slot << PAGE_SHIFT));
}

/* Of a page whose list has one entry: where that is, else 0. */
static kptr only_entry(struct vmemu *m, struct page *page)
{
	const struct pte_chain *c = chain_at(m, *list_of(page));
	uint32_t last = pte_chain_slots(m) - 1;

	return first_used(m, c) == last && !next_of(m, c) ? c->ptes[last] : 0;
}

/* page_referenced makes a list of one pte PG_direct again. */
static void make_direct(struct vmemu *m, struct page *page)
{
	kptr only = only_entry(m, page), head = *list_of(page);

	if (!only)
		return;
	owned(m, mapcount, page);
	touch(m, STEP_write, &page->flags);
	*list_of(page) = only;
	page->flags |= PG_direct;
	kmem_cache_free(m, CACHE_pte_chain, chain_at(m, head));
}

/*
 * Who asks how try_to_unmap would go is told of the slots that remove_pte() would
 * look at: of those tried before, the entries that are kept.
 */
static uint32_t count_removal(struct vmemu *m, const struct rmap_search *search,
			      uint32_t found, uint32_t kept)
{
	if (!search->asked || search->walk != WALK_UNMAP)
		return 0;
	if (search->found == found || search->ret == SWAP_FAIL)
		return kept + 1;
	m->counter[CNT_rmap_chain_slots] += kept + 1;
	return kept;
}

/*
 * try_to_unmap takes entries away under the walk.  The hole gets the first entry
 * of all, which has been tried already; and when that was the only one of its
 * pte_chain, which is freed, the walk has nothing left to read there.
 */
static void walk(struct vmemu *m, struct page *page, struct rmap_search *search)
{
	uint32_t n = pte_chain_slots(m), i, found, kept = 0;
	bool more = true;
	kptr at, next;

	if (page->flags & PG_direct) {
		try_entry(m, page, search, *list_of(page));
		return;
	}
	if (search->asked && search->walk == WALK_UNMAP &&
	    only_entry(m, page)) { /* direct, once page_referenced was here */
		try_entry(m, page, search, only_entry(m, page));
		return;
	}
	for (at = *list_of(page); at && more; at = next) {
		struct pte_chain *c = chain_at(m, at);

		next = next_of(m, c);
		for (i = first_used(m, c); i < n && more; i++) {
			count(m, CNT_rmap_chain_slots);
			found = search->found;
			more = try_entry(m, page, search, c->ptes[i]);
			kept = count_removal(m, search, found, kept);
		}
	}
	if (search->walk == WALK_REFERENCED && !search->asked)
		make_direct(m, page);
}

const struct rmap_ops rmap_pte_chain = {
	.name = "pte_chain",
	.caches = { { "pte_chain", 128, 0, 0 } },
	.cache_size = cache_size,
	.locks_vma_tree = 1,
	.add_anon = add_anon,
	.move_anon = move_anon,
	.keeps_files = keeps_files,
	.add_file = add_file,
	.dup_pte = dup_pte,
	.remove_pte = remove_pte,
	.reserve = reserve,
	.unreserve = unreserve,
	.table_added = table_added,
	.walk = walk,
};
