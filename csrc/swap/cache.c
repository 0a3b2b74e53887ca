/*
 * swap/cache.c - the swap cache and its I/O.
 *
 * After mm/swap_state.c and mm/page_io.c of 2.6.6: pages in transit to and from
 * swap, found by entry, so that ptes that share a slot share the page.  I/O is
 * synchronous.
 */
#include "core/core.h"
#include "page/page.h"
#include "reclaim/reclaim.h"
#include "swap/swap.h"
#include "watch/lock.h"
#include "watch/step.h"

/* What stands for the cache's slot of an entry, to the explorer. */
static const void *cache_slot(struct vmemu *m, uint32_t entry)
{
	return (uint8_t *)swap_map(m, &m->swap.info[swp_type(entry)],
				   swp_offset(entry)) +
	       1;
}

/* Puts a frame into the cache, whose share of the slot is counted: 0, -1 = no memory. */
static int attach(struct vmemu *m, struct page *page, uint32_t entry)
{
	struct address_space *space = &m->k->swapper_space;

	touch(m, STEP_write, cache_slot(m, entry));
	if (radix_tree_insert(m, &space->page_tree, entry >> 1, page))
		return -1;
	touch(m, STEP_write, &page->flags);
	page->flags |= PG_swapcache;
	page->private = entry;
	get_page(m, page);
	space->nrpages++;
	return 0;
}

/* Whether private is the reverse map's: a file's page that is mapped. */
static bool private_is_mapped(const struct page *page)
{
	return page->mapcount && !(page->flags & PG_anon);
}

/* -1: no memory, or a file's page that somebody has mapped meanwhile. */
int add_to_swap_cache(struct vmemu *m, struct page *page, uint32_t entry)
{
	shared(m, STEP_write, cache_slot(m, entry));
	return private_is_mapped(page) ? -1 : attach(m, page, entry);
}

enum entered { ENTERED, RACED, UNUSED, NO_MEMORY };

/*
 * Puts a frame into the cache for a slot that ptes use, and counts that.  2.6
 * counted first and backed out when somebody else had entered a page meanwhile;
 * here both happen under swap_lock.
 */
static enum entered enter_swap_cache(struct vmemu *m, struct page *page,
				     uint32_t entry)
{
	uint16_t *map =
		swap_map(m, &m->swap.info[swp_type(entry)], swp_offset(entry));
	struct page *other;
	enum entered ret;

	spin_lock(m, LOCK_swap, &m->k->swap_lock);
	touch(m, STEP_write, map);
	other = radix_tree_lookup(m, &m->k->swapper_space.page_tree,
				  entry >> 1);
	touch(m, STEP_read, cache_slot(m, entry));
	if (other)
		ret = RACED;
	else if (!*map)
		ret = UNUSED;
	else if (attach(m, page, entry))
		ret = NO_MEMORY;
	else
		ret = ENTERED;
	if (ret == ENTERED)
		++*map;
	spin_unlock(m, LOCK_swap, &m->k->swap_lock);
	return ret;
}

/*
 * Drops the cache's reference on the page and on its slot, if no more than
 * `users` hold one on the page, or whoever does (0).  The page is locked, and
 * nobody can find it in the cache between the look and the deed.
 */
bool delete_from_swap_cache(struct vmemu *m, struct page *page, int32_t users)
{
	struct address_space *space = &m->k->swapper_space;
	uint32_t entry = page->private;

	if (BUG_ON(m, !(page->flags & PG_swapcache)))
		return false;
	shared(m, STEP_write, cache_slot(m, entry));
	touch(m, STEP_read, &page->_count);
	if (users && page->_count > users)
		return false;
	touch(m, STEP_write, &page->flags);
	radix_tree_delete(m, &space->page_tree, entry >> 1);
	space->nrpages--;
	page->flags &= ~(kulong)(PG_swapcache | PG_reclaim);
	if (!private_is_mapped(page)) /* back in its file it may be */
		page->private = 0;
	swap_free(m, entry);
	put_page(m, page);
	return true;
}

/* Gives an anonymous page a slot: 1, or 0 when swap is full or no memory. */
int add_to_swap(struct vmemu *m, struct page *page)
{
	uint32_t entry = get_swap_page(m);

	if (!entry)
		return 0;
	if (add_to_swap_cache(m, page, entry)) {
		swap_free(m, entry);
		return 0;
	}
	page->flags |= PG_uptodate | PG_dirty;
	return 1;
}

struct page *lookup_swap_cache(struct vmemu *m, uint32_t entry)
{
	struct page *page;

	shared(m, STEP_read, cache_slot(m, entry));
	page = radix_tree_lookup(m, &m->k->swapper_space.page_tree, entry >> 1);
	if (page)
		get_page(m, page);
	return page;
}

void swap_writepage(struct vmemu *m, struct page *page)
{
	shared(m, STEP_read, page_address(m, page));
	touch(m, STEP_write, &page->flags);
	might_sleep(m, "writing to swap");
	swap_write(m, page, page->private);
	page->flags &= ~(kulong)PG_dirty;
	count(m, CNT_pswpout);
	waits_for_io(m);
	event(m, EV_swapout, pfn_of(m, page), page->private, 0);
}

/* A frame with the slot's contents, in the cache and counted; NULL = memory. */
static struct page *read_one(struct vmemu *m, uint32_t entry, bool ahead,
			     struct swap_reads *reads)
{
	struct page *page, *raced = NULL;
	enum entered result;

	swap_read_check(m, reads);
	page = alloc_page(m, GFP_KERNEL);
	if (!page)
		return NULL;
	/* Reclaim or another fault may have put it there, or its last user may
	 * have gone. */
	do {
		result = enter_swap_cache(m, page, entry);
		if (result == RACED)
			raced = lookup_swap_cache(m, entry);
	} while (result == RACED && !raced);
	if (result != ENTERED) {
		put_page(m, page);
		return raced;
	}
	swap_read(m, reads, page);
	page->flags |= PG_uptodate;
	count(m, CNT_pswpin);
	waits_for_io(m);
	event(m, EV_swapread, pfn_of(m, page), entry, ahead);
	lru_cache_add_active(m, page);
	return page;
}

/* The used slots around an entry, an aligned block of 2^page_cluster. */
static void swapin_readahead(struct vmemu *m, uint32_t entry,
			     struct swap_reads *reads)
{
	struct swap_info *si = &m->swap.info[swp_type(entry)];
	uint32_t target = swp_offset(entry);
	uint32_t offset = target >> m->page_cluster << m->page_cluster;
	uint32_t end = offset + (1u << m->page_cluster);

	if (!offset)
		offset = 1;
	for (; offset < end && offset < si->max; offset++) {
		uint32_t near = swp_entry(swp_type(entry), offset);
		uint16_t used = *swap_map(m, si, offset);
		struct page *page;

		if (offset == target)
			continue;
		if (!used || used == SWAP_MAP_BAD)
			break;
		page = lookup_swap_cache(m, near);
		if (!page) {
			page = read_one(m, near, true, reads);
			if (!page)
				break;
			page->flags |= PG_reclaim; /* vmemu: read ahead */
			count(m, CNT_swap_ra);
		}
		put_page(m, page);
	}
}

/* The counted page of an entry; *major is set when it had to be read. */
struct page *read_swap_cache(struct vmemu *m, uint32_t entry, int readahead,
			     int *major)
{
	struct page *page = lookup_swap_cache(m, entry);
	struct swap_reads reads;

	*major = 0;
	if (page) {
		if (page->flags & PG_reclaim) {
			page->flags &= ~(kulong)PG_reclaim;
			count(m, CNT_swap_ra_hit);
		} else {
			count(m, CNT_swap_cache_hit);
		}
		return page;
	}
	reads.n = 0;
	page = read_one(m, entry, false, &reads);
	if (!page)
		return NULL;
	*major = 1;
	if (readahead && m->page_cluster)
		swapin_readahead(m, entry, &reads);
	swap_read_flush(m, &reads);
	return page;
}

bool vm_swap_full(struct vmemu *m)
{
	return swap_used(m) * 2 > swap_total(m);
}

/* Nobody else has the page: one pte, and at most the swap cache. */
bool can_share_swap_page(struct vmemu *m, struct page *page)
{
	if (page->flags & PG_reserved)
		return false;
	shared(m, STEP_read, &page->_count);
	if (page->flags & PG_swapcache)
		return page->_count == 2 && swap_count(m, page->private) == 1;
	return page->_count == 1;
}

/* The caller's is the only reference besides the cache's: leave the cache. */
int remove_exclusive_swap_page(struct vmemu *m, struct page *page)
{
	if (!(page->flags & PG_swapcache))
		return 0;
	shared(m, STEP_read, &page->_count);
	if (page->_count != 2 || swap_count(m, page->private) != 1 ||
	    !delete_from_swap_cache(m, page, 2))
		return 0;
	touch(m, STEP_write, &page->flags);
	page->flags |= PG_dirty;
	return 1;
}

/* The caller drops its reference next: let the swap cache drop its own too. */
void leave_swap_cache(struct vmemu *m, struct page *page)
{
	if (trylock_page(m, page)) {
		remove_exclusive_swap_page(m, page);
		unlock_page(m, page);
	}
}

/* A pte with this entry goes; so does a cached page that only it kept. */
void free_swap_and_cache(struct vmemu *m, uint32_t entry)
{
	struct page *page;

	if (swap_free(m, entry) != 1)
		return;
	page = lookup_swap_cache(m, entry);
	if (!page)
		return;
	if (trylock_page(m, page)) {
		/* Before it was locked it may have become another entry's. */
		if (page->flags & PG_swapcache && page->private == entry &&
		    delete_from_swap_cache(m, page, vm_swap_full(m) ? 0 : 2)) {
			touch(m, STEP_write, &page->flags);
			page->flags |= PG_dirty;
		}
		unlock_page(m, page);
	}
	put_page(m, page);
}
