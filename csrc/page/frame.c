/*
 * page/frame.c - guest frames: one free list, three watermarks, a quarantine.
 *
 * The list is a stack, its top at the end.  Frames freed in a run come back in
 * the order they were freed in, which mostly is that of their addresses: the
 * host copies and clears them two or three times faster than downwards.
 *
 * Order-0 part of mm/page_alloc.c of 2.6.6.  Below pages_low kswapd is asked
 * for; below pages_min an ordinary allocation reclaims for itself; the rest is
 * for reclaim (PF_MEMALLOC) and, by half, for atomic allocations.
 */
#include "core/core.h"
#include "page/page.h"
#include "reclaim/reclaim.h"
#include "swap/swap.h"
#include "watch/lock.h"
#include "watch/step.h"

static struct page *take_frame(struct vmemu *m, uint32_t leave)
{
	struct zone *zone = &m->k->zone;
	struct page *page;

	if (zone->free_pages <= leave)
		return NULL;
	page = ENTRY(m, zone->free_list.prev, page, lru);
	list_del(m, &page->lru);
	BUG_ON(m, page->_count != 0 || page->mapcount != 0 ||
			  page->flags != PG_buddy);
	zone->free_pages--;
	page->flags = 0;
	page->_count = 1;
	page->private = page->mapping = page->index = 0;
	if (unlikely(pfn_of(m, page) >= m->pages.handed_out))
		m->pages.handed_out = pfn_of(m, page) + 1;
	count(m, CNT_pgalloc);
	return page;
}

/*
 * One frame, or NULL when reclaim and the OOM killer could not help (or when
 * the TLB-fill hook must not reclaim: the fault is then asked again outside).
 */
struct page *alloc_page(struct vmemu *m, int gfp)
{
	struct zone *zone = &m->k->zone;
	struct page *page;

	if (unlikely(m->swap.writes.n))
		swap_write_flush(m);
	if (!(gfp & GFP_ATOMIC)) { /* else: inside a radix tree's lock */
		step(m, STEP_alloc, zone);
		might_sleep(m, "allocating a page");
	}
	page = take_frame(m, zone->pages_low);

	if (likely(page))
		goto got;
	m->pages.want_kswapd = 1;
	if (m->fault.in_hook)
		return NULL;
	if (m->pages.nr_quarantine)
		drop_code(m);
	if (m->pages.memalloc) {
		page = take_frame(m, 0);
		if (page)
			goto got;
		return NULL;
	}
	for (;;) {
		page = take_frame(m, gfp & GFP_ATOMIC ? zone->pages_min / 2 :
							zone->pages_min);
		if (page)
			goto got;
		/* Zero: nothing could be freed and nobody was killed. */
		if (gfp & GFP_ATOMIC || py_reclaim_entry(m, gfp) <= 0)
			return NULL;
		if (m->pages.nr_quarantine)
			drop_code(m);
	}
got:
	if (gfp & GFP_ZERO)
		memset(page_address(m, page), 0, PAGE_SIZE);
	return page;
}

void get_page(struct vmemu *m, struct page *page)
{
	touch(m, STEP_add, &page->_count);
	page->_count++;
}

/*
 * Nobody refers to the page, and no list does: it is put below another one on
 * the free list, or on top (above is the list's head).  False: it is in
 * quarantine, not free yet.  The caller counts.
 */
bool free_frame(struct vmemu *m, struct page *page, struct list_head *above)
{
	if (BUG_ON(m,
		   page->mapcount != 0 ||
			   page->flags & (PG_lru | PG_swapcache | PG_anon |
					  PG_direct | PG_reserved | PG_buddy |
					  PG_slab | PG_locked | PG_maplock)))
		return false;
	if (page_executed(page)) {
		page->flags = PG_arch_1;
		list_add_tail(m, &page->lru, &m->k->quarantine);
		m->pages.nr_quarantine++;
		return false;
	}
	page->flags = PG_buddy;
	list_add_tail(m, &page->lru, above);
	return true;
}

/*
 * The same for frames of a run that are ready: they stand in a list one before the
 * other, the first one last, and so are allocated again in their order.
 */
void free_run(struct vmemu *m, struct page *first, struct page *last,
	      struct list_head *above)
{
	list_move_run(m, &last->lru, &first->lru, above);
}

/* The frames of a batch that nobody refers to. */
void frames_freed(struct vmemu *m, uint32_t freed, uint32_t quarantined)
{
	m->k->zone.free_pages += freed;
	m->counter[CNT_pgfree] += freed + quarantined;
}

static void last_reference_gone(struct vmemu *m, struct page *page)
{
	bool freed = free_frame(m, page, &m->k->zone.free_list);

	frames_freed(m, freed, !freed);
}

void put_page(struct vmemu *m, struct page *page)
{
	if (page->flags & PG_reserved)
		return;
	shared(m, STEP_write, &page->_count);
	if (BUG_ON(m, page->_count <= 0))
		return;
	if (--page->_count)
		return;
	if (page->flags & PG_lru)
		lru_remove(m, page);
	last_reference_gone(m, page);
}

/* Drops the only reference, of a page that nobody else can come by. */
void free_page(struct vmemu *m, struct page *page)
{
	if (BUG_ON(m, page->_count != 1))
		return;
	page->_count = 0;
	last_reference_gone(m, page);
}

/* ---- frames whose code has been translated --------------------------------- */

static void release_quarantine(struct vmemu *m)
{
	struct zone *zone = &m->k->zone;

	while (!list_empty(m, &m->k->quarantine)) {
		struct page *page = ENTRY(m, m->k->quarantine.next, page, lru);

		list_del(m, &page->lru);
		page->flags = PG_buddy;
		list_add_tail(m, &page->lru, &zone->free_list);
		zone->free_pages++;
	}
	m->pages.nr_quarantine = 0;
}

void drop_code(struct vmemu *m)
{
	struct list_head *head = &m->k->quarantine;
	kptr at;

	if (m->fault.in_hook)
		return;
	if (m->cpu_ops)
		for (at = head->next; at != kaddr(m, head);
		     at = HOST(m, list_head, at)->next)
			m->cpu_ops->remove_blocks(m, ENTRY(m, at, page, lru));
	release_quarantine(m);
}

void code_written(struct vmemu *m, struct page *page)
{
	if (!page_executed(page) || BUG_ON(m, m->fault.in_hook))
		return;
	if (m->cpu_ops)
		m->cpu_ops->remove_blocks(m, page);
	page->flags &= ~(kulong)PG_arch_1;
}

uint32_t page_to_pfn(struct vmemu *m, const struct page *page)
{
	return pfn_of(m, page);
}

/* ---- what frames serve as ---------------------------------------------------- */

const char *frame_kind_name(int kind)
{
	static const char *const names[NR_FRAME_KINDS] = {
		"reserved", "free",      "slab", "pagetable", "swapmap",
		"anon",     "swapcache", "file", "other"
	};

	return kind >= 0 && kind < NR_FRAME_KINDS ? names[kind] : NULL;
}

static enum frame_kind kind_of(kulong flags)
{
	static const kulong bits[FRAME_other] = {
		PG_reserved, PG_buddy, PG_slab,      PG_pgtable,
		PG_vmalloc,  PG_anon,  PG_swapcache, PG_lru,
	};
	int kind;

	for (kind = 0; kind < FRAME_other; kind++)
		if (flags & bits[kind])
			break;
	return (enum frame_kind)kind;
}

void frame_kinds(struct vmemu *m, uint32_t *counts, uint8_t *kinds)
{
	uint32_t pfn;

	memset(counts, 0, NR_FRAME_KINDS * sizeof(*counts));
	for (pfn = 0; pfn < m->nr_frames; pfn++) {
		enum frame_kind kind = kind_of(m->mem_map[pfn].flags);

		counts[kind]++;
		if (kinds)
			kinds[pfn] = (uint8_t)kind;
	}
}
