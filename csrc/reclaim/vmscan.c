/*
 * reclaim/vmscan.c - the two LRU lists and what reclaim does to a batch of pages.
 *
 * After mm/vmscan.c of 2.6.6.  How much to scan, and when, is decided in
 * vmemu/reclaim/vmscan.py.
 */
#include "core/core.h"
#include "file/file.h"
#include "mm/mm.h"
#include "page/page.h"
#include "reclaim/reclaim.h"
#include "rmap/rmap.h"
#include "swap/swap.h"
#include "watch/lock.h"
#include "watch/step.h"

/* The order of a list matters only to who takes pages from its end. */
static void touch_lru(struct vmemu *m, const struct page *page)
{
	if (!explored(m))
		return;
	touch(m, STEP_write, &page->lru);
	touch(m, STEP_add,
	      page->flags & PG_active ? &m->k->zone.active_list :
					&m->k->zone.inactive_list);
}

static void add_to_list(struct vmemu *m, struct page *page)
{
	struct zone *zone = &m->k->zone;

	owned(m, lru, zone);
	touch_lru(m, page);
	page->flags |= PG_lru;
	if (page->flags & PG_active) {
		list_add(m, &page->lru, &zone->active_list);
		zone->nr_active++;
	} else {
		list_add(m, &page->lru, &zone->inactive_list);
		zone->nr_inactive++;
	}
}

/* Off its list, PG_active kept; lru_lock is held. */
static void del_from_list(struct vmemu *m, struct page *page)
{
	struct zone *zone = &m->k->zone;

	owned(m, lru, zone);
	touch_lru(m, page);
	list_del(m, &page->lru);
	page->flags &= ~(kulong)PG_lru;
	if (page->flags & PG_active)
		zone->nr_active--;
	else
		zone->nr_inactive--;
}

static void lru_lock(struct vmemu *m)
{
	spin_lock(m, LOCK_lru, &m->k->zone.lru_lock);
}

static void lru_unlock(struct vmemu *m)
{
	spin_unlock(m, LOCK_lru, &m->k->zone.lru_lock);
}

/* Around one page. */
static void lru_lock_short(struct vmemu *m)
{
	spin_lock_short(m, LOCK_lru, &m->k->zone.lru_lock, 1);
}

static void lru_unlock_short(struct vmemu *m)
{
	spin_unlock_short(m, LOCK_lru, &m->k->zone.lru_lock, 1, 0);
}

void lru_cache_add(struct vmemu *m, struct page *page)
{
	if (BUG_ON(m, page->flags & (PG_lru | PG_active)))
		return;
	lru_lock_short(m);
	add_to_list(m, page);
	lru_unlock_short(m);
}

void lru_cache_add_active(struct vmemu *m, struct page *page)
{
	if (BUG_ON(m, page->flags & (PG_lru | PG_active)))
		return;
	page->flags |= PG_active;
	lru_lock_short(m);
	add_to_list(m, page);
	lru_unlock_short(m);
}

void lru_remove(struct vmemu *m, struct page *page)
{
	lru_lock_short(m);
	del_from_list(m, page);
	lru_unlock_short(m);
}

/* To the inactive list's head, as if it had not been used. */
void deactivate_page(struct vmemu *m, struct page *page)
{
	page->flags &= ~(kulong)PG_referenced;
	if ((page->flags & (PG_lru | PG_active)) != (PG_lru | PG_active))
		return;
	lru_lock_short(m);
	del_from_list(m, page);
	page->flags &= ~(kulong)PG_active;
	add_to_list(m, page);
	lru_unlock_short(m);
	count(m, CNT_pgdeactivate);
}

/* Its last reference goes, and nothing is left to do but to free the frame. */
static bool goes_plainly(const struct page *page, kulong active)
{
	const kulong known =
		(kulong) ~(PG_referenced | PG_uptodate | PG_dirty | PG_reclaim);

	return page->_count == 1 && page->mapcount == 0 &&
	       (page->flags & known) == (PG_lru | active);
}

/*
 * Pages that became old together are freed together, and mostly stand in the
 * LRU list as they are to stand on the free list, the first one last: such a run,
 * up to n pages, changes lists as a whole.  Returns its length.
 */
static uint32_t release_run(struct vmemu *m, struct page *const *pages,
			    uint32_t n, struct list_head *above)
{
	struct zone *zone = &m->k->zone;
	kulong active = pages[0]->flags & PG_active;
	bool told = explored(m);
	uint32_t i = 0;

	if (!goes_plainly(pages[0], active))
		return 0;
	owned(m, lru, zone);
	do {
		if (told) {
			touch(m, STEP_write, &pages[i]->_count);
			touch_lru(m, pages[i]);
		}
		ready_to_free(pages[i++]);
	} while (i < n && pages[i - 1]->lru.prev == kaddr(m, &pages[i]->lru) &&
		 goes_plainly(pages[i], active));
	if (active)
		zone->nr_active -= i;
	else
		zone->nr_inactive -= i;
	free_run(m, pages[0], pages[i - 1], above);
	return i;
}

/*
 * put_page() for many, under one lru_lock.  *below, NULL at first, is the last
 * one freed by the call before: the next ones go below it on the free list.  So
 * all are allocated again in the order they are given in.
 */
void release_below(struct vmemu *m, struct page *const *pages, uint32_t n,
		   struct page **below)
{
	struct list_head *above = &m->k->zone.free_list;
	uint32_t i, run, freed = 0, quarantined = 0;

	if (!n)
		return;
	lru_lock(m);
	if (*below && (*below)->flags & PG_buddy) /* nobody took it since */
		above = &(*below)->lru;
	for (i = 0; i < n; i++) {
		struct page *page = pages[i];

		touch(m, STEP_write, &page->_count);
		run = release_run(m, pages + i, n - i, above);
		if (run) {
			freed += run;
			i += run - 1;
		} else {
			if (BUG_ON(m, page->_count <= 0) || --page->_count)
				continue;
			if (page->flags & PG_lru)
				del_from_list(m, page);
			if (!free_frame(m, page, above)) {
				quarantined++;
				continue;
			}
			freed++;
		}
		*below = pages[i];
		above = &pages[i]->lru;
	}
	lru_unlock(m);
	frames_freed(m, freed, quarantined);
}

void release_pages(struct vmemu *m, struct page *const *pages, uint32_t n)
{
	struct page *below = NULL;

	release_below(m, pages, n, &below);
}

static bool is_inactive(const struct page *page)
{
	return (page->flags & (PG_active | PG_lru)) == PG_lru;
}

/* inactive,unreferenced -> inactive,referenced -> active,unreferenced */
void mark_page_accessed(struct vmemu *m, struct page *page)
{
	shared(m, STEP_write, &page->flags);
	touch(m, STEP_read, &page->lru);
	if (!is_inactive(page) || !(page->flags & PG_referenced)) {
		page->flags |= PG_referenced;
		return;
	}
	lru_lock(m);
	if (is_inactive(page)) { /* reclaim may have taken it meanwhile */
		del_from_list(m, page);
		page->flags |= PG_active;
		page->flags &= ~(kulong)PG_referenced;
		add_to_list(m, page);
		count(m, CNT_pgactivate);
	}
	lru_unlock(m);
}

static bool mapping_inuse(struct vmemu *m, const struct page *page)
{
	shared(m, STEP_read, &page->mapcount);
	if (page->mapcount || page->flags & PG_swapcache)
		return true;
	return page->mapping &&
	       !i_mmap_empty(m, HOST(m, address_space, page->mapping));
}

enum fate {
	FATE_FREED,
	FATE_KEEP,
	FATE_ACTIVATE,
	FATE_MAPPED, /* kept: a sweep has to unmap it first */
};

/* The page is ours alone and clean: drops the cache's reference. */
static enum fate drop_from_cache(struct vmemu *m, struct page *page)
{
	shared(m, STEP_read, &page->_count);
	if (page->_count != 2)
		return FATE_KEEP;
	if (page->flags & PG_swapcache)
		return delete_from_swap_cache(m, page, 2) ? FATE_FREED :
							    FATE_KEEP;
	if (!page->mapping || page->flags & PG_dirty)
		return FATE_KEEP;
	remove_from_page_cache(m, page);
	return FATE_FREED;
}

/* FATE_FREED: no pte has the page any more. */
static enum fate unmap_page(struct vmemu *m, struct page *page, bool force,
			    int *referenced)
{
	*referenced = page_referenced(m, page);
	if (*referenced && !force && mapping_inuse(m, page))
		return FATE_ACTIVATE;
	shared(m, STEP_read, &page->flags);
	if (page->flags & PG_anon && !(page->flags & PG_swapcache) &&
	    !add_to_swap(m, page))
		return FATE_ACTIVATE;
	shared(m, STEP_read, &page->mapcount);
	if (page->mapcount)
		switch (try_to_unmap(m, page)) {
		case SWAP_FAIL:
			return FATE_ACTIVATE;
		case SWAP_AGAIN:
			return FATE_KEEP;
		}
	return FATE_FREED;
}

/* Writes a dirty page to where it belongs; false: that cannot be done now. */
static bool pageout(struct vmemu *m, struct page *page)
{
	const struct address_space *mapping = page_mapping(m, page);

	if (mapping && test_clear_page_dirty(m, page) &&
	    a_ops(mapping)->writepage(m, page) == WRITEPAGE_ACTIVATE) {
		set_page_dirty(m, page);
		return false;
	}
	if (page->flags & PG_dirty && page->flags & PG_swapcache)
		swap_writepage(m, page);
	return true;
}

/* The page is locked, and the caller holds a reference. */
static enum fate shrink_locked_page(struct vmemu *m, struct page *page,
				    bool force)
{
	int referenced = 0;

	if (m->rmap->sweep) { /* 2.4: the sweep has asked, and unmaps */
		shared(m, STEP_read, &page->mapcount);
		if (page->mapcount)
			return FATE_MAPPED;
	} else {
		enum fate fate = unmap_page(m, page, force, &referenced);

		if (fate != FATE_FREED)
			return fate;
	}
	shared(m, STEP_read, &page->_count);
	if (page->_count == 1) /* its last user went while we held it */
		return FATE_FREED;
	shared(m, STEP_write, &page->flags);
	if (page->flags & PG_dirty) {
		if (referenced && !force)
			return FATE_KEEP;
		if (!pageout(m, page))
			return FATE_ACTIVATE;
	}
	return drop_from_cache(m, page);
}

/*
 * One isolated page, for which the caller holds a reference.  FATE_FREED: the
 * caller's is the last one.
 */
static enum fate shrink_page(struct vmemu *m, struct page *page, bool force)
{
	enum fate fate;

	if (!trylock_page(m, page))
		return FATE_KEEP;
	fate = shrink_locked_page(m, page, force);
	unlock_page(m, page);
	return fate;
}

/*
 * Takes the page at the cold end of a list, with a reference; NULL: there is
 * none.  One without references is being freed by another path, which waits for
 * lru_lock to take it off.  lru_lock is held.
 */
static struct page *isolate_tail(struct vmemu *m, struct list_head *list,
				 uint32_t nr)
{
	touch(m, STEP_write, list);
	while (nr--) {
		struct page *page = ENTRY(m, list->prev, page, lru);

		touch(m, STEP_read, &page->_count);
		del_from_list(m, page);
		if (likely(page->_count)) {
			get_page(m, page);
			return page;
		}
		add_to_list(m, page);
	}
	return NULL;
}

/* Takes up to n pages off the cold end of the inactive list, with references. */
static uint32_t isolate_pages(struct vmemu *m, struct page **batch, uint32_t n)
{
	struct zone *zone = &m->k->zone;
	uint32_t i = 0;

	lru_lock(m);
	while (i < n && (batch[i] = isolate_tail(m, &zone->inactive_list,
						 zone->nr_inactive)))
		i++;
	lru_unlock(m);
	return i;
}

/*
 * What became of a batch of the inactive list; freed pages and those that wait for
 * a sweep are counted.
 */
static void shrink_batch(struct vmemu *m, struct page *const *batch, uint32_t n,
			 uint32_t *freed, uint32_t *mapped)
{
	uint32_t i;

	for (i = 0; i < n; i++) {
		struct page *page = batch[i];
		enum fate fate = shrink_page(m, page, false);

		if (fate == FATE_FREED) {
			++*freed;
		} else {
			*mapped += fate == FATE_MAPPED;
			if (fate == FATE_ACTIVATE) {
				page->flags |= PG_active;
				count(m, CNT_pgactivate);
			}
			lru_lock(m);
			add_to_list(m, page);
			lru_unlock(m);
		}
		put_page(m, page);
	}
}

/*
 * Scans up to nr_to_scan pages from the cold end; the number freed.  Where a sweep
 * unmaps pages, one is due when more than a tenth of those to be scanned were
 * found mapped.
 */
uint32_t shrink_cache(struct vmemu *m, uint32_t nr_to_scan)
{
	struct zone *zone = &m->k->zone;
	struct page *batch[SWAP_CLUSTER_MAX];
	uint32_t freed = 0, mapped = 0, unmapped = 0, n;
	uint32_t max_mapped = nr_to_scan / 10;

	m->pages.memalloc++;
	touch(m, STEP_read, &zone->inactive_list);
	while (nr_to_scan && zone->nr_inactive) {
		n = isolate_pages(m, batch,
				  nr_to_scan < SWAP_CLUSTER_MAX ?
					  nr_to_scan :
					  SWAP_CLUSTER_MAX);
		if (!n)
			break;
		nr_to_scan -= n;
		zone->pages_scanned += n;
		m->counter[CNT_pgscan] += n;
		spend(m, n * SCAN_NS);
		shrink_batch(m, batch, n, &freed, &mapped);
		if (mapped > max_mapped) {
			unmapped += m->rmap->sweep(m, NULL);
			mapped = 0;
		}
	}
	if (unmapped > freed)
		m->counter[CNT_sweep_collateral] += unmapped - freed;
	swap_write_flush(m);
	m->pages.memalloc--;
	m->counter[CNT_pgsteal] += freed;
	return freed;
}

/* Whether an active page, off its list, goes back there. */
static bool stays_active(struct vmemu *m, struct page *page, int reclaim_mapped,
			 bool swap)
{
	if (m->rmap->sweep) { /* 2.4: ages by PG_referenced, mapped or not */
		if (page_referenced(m, page))
			return true;
	} else if (page->mapcount &&
		   (!reclaim_mapped || page_referenced(m, page))) {
		return true;
	}
	return !swap && page->flags & PG_anon;
}

/* Moves cold pages from the active to the inactive list. */
void refill_inactive_zone(struct vmemu *m, uint32_t nr_pages,
			  int reclaim_mapped)
{
	struct zone *zone = &m->k->zone;
	uint32_t moved = 0, scanned = 0;
	bool swap = swap_total(m) != 0;

	touch(m, STEP_read, &zone->active_list);
	/* Not past the pages that were there at the start. */
	if (nr_pages > zone->nr_active)
		nr_pages = zone->nr_active;
	for (; scanned < nr_pages; scanned++) {
		struct page *page;

		lru_lock(m);
		page = isolate_tail(m, &zone->active_list, zone->nr_active);
		lru_unlock(m);
		if (!page)
			break;
		if (!stays_active(m, page, reclaim_mapped, swap)) {
			page->flags &= ~(kulong)PG_active;
			moved++;
		}
		lru_lock(m);
		add_to_list(m, page);
		lru_unlock(m);
		put_page(m, page);
	}
	zone->pages_scanned += scanned;
	m->counter[CNT_pgrefill] += scanned;
	spend(m, scanned * SCAN_NS);
	m->counter[CNT_pgdeactivate] += moved;
}

static int evict_page(struct vmemu *m, struct page *page)
{
	enum fate fate;

	lru_lock(m);
	touch(m, STEP_read, &page->_count);
	touch(m, STEP_read, &page->lru);
	if (!(page->flags & PG_lru) || !page->_count) {
		lru_unlock(m);
		return 0;
	}
	del_from_list(m, page);
	get_page(m, page);
	lru_unlock(m);
	m->pages.memalloc++;
	if (m->rmap->sweep && page->mapcount)
		m->rmap->sweep(m, page);
	fate = shrink_page(m, page, true);
	m->pages.memalloc--;
	if (fate != FATE_FREED) {
		lru_lock(m);
		add_to_list(m, page);
		lru_unlock(m);
	}
	put_page(m, page);
	return fate == FATE_FREED;
}

/* Evicts one page now, recently used or not: 1 when its frame is free. */
int reclaim_page(struct vmemu *m, struct page *page)
{
	int freed = evict_page(m, page);

	swap_write_flush(m);
	return freed;
}

/* Evicts the present pages of a range of mm: how many of its ptes went. */
int pageout_range(struct vmemu *m, struct mm_struct *mm, kulong start,
		  kulong end)
{
	int gone = 0;
	pte_t *pte;

	for (; (pte = next_table(m, mm, &start, end)); start += PAGE_SIZE) {
		shared(m, STEP_read, pte);
		if (!pte_present(*pte))
			continue;
		evict_page(m, m->mem_map + pte_pfn(*pte));
		pte = pte_lookup(m, mm, start); /* the table may be gone */
		gone += pte && !pte_present(*pte);
	}
	swap_write_flush(m);
	return gone;
}
