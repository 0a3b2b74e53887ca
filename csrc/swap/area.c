/*
 * swap/area.c - swap areas: the map of slots, allocation in clusters, swapoff.
 *
 * After mm/swapfile.c of 2.6.6.  A slot's map entry counts the ptes that hold
 * its swap entry, plus one for the swap cache.  Slot 0 is the header's.  The
 * maps stand in guest frames, as vmalloc'ed ones would.
 */
#include "core/core.h"
#include "mm/mm.h"
#include "page/page.h"
#include "reclaim/reclaim.h"
#include "rmap/rmap.h"
#include "swap/swap.h"
#include "watch/lock.h"
#include "watch/step.h"

#include <stdlib.h>
#include <unistd.h>

#define MAP_PER_FRAME (PAGE_SIZE / sizeof(uint16_t))

uint16_t *swap_map(struct vmemu *m, struct swap_info *si, uint32_t offset)
{
	return (uint16_t *)host(m, si->map_frames[offset / MAP_PER_FRAME]) +
	       offset % MAP_PER_FRAME;
}

static struct swap_info *swap_of(struct vmemu *m, uint32_t entry)
{
	struct swap_info *si = &m->swap.info[swp_type(entry)];

	BUG_ON(m, si->fd < 0 || swp_offset(entry) == 0 ||
			  swp_offset(entry) >= si->max);
	return si;
}

static void free_map(struct vmemu *m, struct swap_info *si)
{
	while (si->nr_map_frames)
		put_page(m,
			 virt_to_page(
				 m,
				 host(m, si->map_frames[--si->nr_map_frames])));
	free(si->map_frames);
	si->map_frames = NULL;
}

/* A new area of `pages` pages, header included: its type, or -1. */
int swap_add(struct vmemu *m, int fd, uint32_t pages, int prio)
{
	uint32_t frames = (pages + MAP_PER_FRAME - 1) / MAP_PER_FRAME;
	struct swap_info *si;
	int type;

	for (type = 0; type < MAX_SWAPFILES && m->swap.info[type].fd >= 0;
	     type++)
		;
	if (type == MAX_SWAPFILES)
		return -1;
	si = &m->swap.info[type];
	memset(si, 0, sizeof(*si));
	si->fd = -1;
	si->map_frames = calloc(frames, sizeof(*si->map_frames));
	if (!si->map_frames)
		return -1;
	while (si->nr_map_frames < frames) {
		struct page *page = alloc_page(m, GFP_ZERO);

		if (!page) {
			free_map(m, si);
			return -1;
		}
		page->flags |= PG_vmalloc;
		si->map_frames[si->nr_map_frames++] =
			kaddr(m, page_address(m, page));
	}
	spin_lock(m, LOCK_swap, &m->k->swap_lock);
	owned(m, swap_map, m->k);
	*swap_map(m, si, 0) = SWAP_MAP_BAD;
	si->fd = fd;
	si->prio = prio;
	si->max = pages;
	si->pages = pages - 1;
	si->lowest_bit = si->cluster_next = 1;
	si->highest_bit = pages - 1;
	si->writeok = 1;
	spin_unlock(m, LOCK_swap, &m->k->swap_lock);
	return type;
}

/* Whether slots of the area may be handed out: not during swapoff. */
void swap_set_writeok(struct vmemu *m, int type, int writeok)
{
	spin_lock(m, LOCK_swap, &m->k->swap_lock);
	owned(m, swap_map, m->k);
	touch(m, STEP_write, &m->k->swap_lock);
	m->swap.info[type].writeok = (uint32_t)writeok;
	spin_unlock(m, LOCK_swap, &m->k->swap_lock);
}

/* swapoff's last step: nothing is in use any more. */
void swap_remove(struct vmemu *m, int type)
{
	struct swap_info *si = &m->swap.info[type];
	int fd = si->fd;

	swap_write_flush(m);
	spin_lock(m, LOCK_swap, &m->k->swap_lock);
	owned(m, swap_map, m->k);
	touch(m, STEP_write, &m->k->swap_lock);
	BUG_ON(m, si->inuse != 0);
	si->fd = -1;
	spin_unlock(m, LOCK_swap, &m->k->swap_lock);
	if (m->watch.rewinds) /* the next run wants file and map again */
		return;
	close(fd);
	free_map(m, si);
}

/* A free run of SWAPFILE_CLUSTER slots: its first, or 0. */
static uint32_t find_cluster(struct vmemu *m, struct swap_info *si)
{
	uint32_t offset = si->lowest_bit, run = 0;

	if (si->pages - si->inuse < SWAPFILE_CLUSTER)
		return 0;
	for (; offset <= si->highest_bit; offset++) {
		run = *swap_map(m, si, offset) ? 0 : run + 1;
		if (run == SWAPFILE_CLUSTER)
			return offset - SWAPFILE_CLUSTER + 1;
	}
	return 0;
}

static uint32_t first_free(struct vmemu *m, struct swap_info *si, uint32_t from)
{
	for (; from <= si->highest_bit; from++)
		if (!*swap_map(m, si, from))
			return from;
	return 0;
}

/* Slots in ascending runs, so that pages evicted together lie together. */
static uint32_t scan_swap_map(struct vmemu *m, struct swap_info *si)
{
	uint32_t offset = 0;

	if (si->cluster_nr) {
		si->cluster_nr--;
		offset = first_free(m, si, si->cluster_next);
	} else {
		si->cluster_nr = SWAPFILE_CLUSTER - 1;
		offset = find_cluster(m, si);
	}
	if (!offset)
		offset = first_free(m, si, si->lowest_bit);
	if (!offset)
		return 0;
	*swap_map(m, si, offset) = 1;
	si->inuse++;
	si->cluster_next = offset + 1;
	if (offset == si->lowest_bit)
		si->lowest_bit++;
	if (offset == si->highest_bit)
		si->highest_bit--;
	if (si->inuse == si->pages) {
		si->lowest_bit = si->max;
		si->highest_bit = 0;
	}
	return offset;
}

/* A slot with map count 1, from the area of highest priority; 0 = all full. */
static uint32_t find_slot(struct vmemu *m)
{
	uint32_t tried = 0;

	for (;;) {
		int type, best = -1;
		uint32_t offset;

		for (type = 0; type < MAX_SWAPFILES; type++) {
			const struct swap_info *si = &m->swap.info[type];

			if (si->fd >= 0 && si->writeok &&
			    !(tried >> type & 1) && si->highest_bit &&
			    (best < 0 || si->prio > m->swap.info[best].prio))
				best = type;
		}
		if (best < 0)
			return 0;
		tried |= 1u << best;
		offset = scan_swap_map(m, &m->swap.info[best]);
		if (offset)
			return swp_entry((uint32_t)best, offset);
	}
}

uint32_t get_swap_page(struct vmemu *m)
{
	uint32_t entry;

	spin_lock(m, LOCK_swap, &m->k->swap_lock);
	touch(m, STEP_add, &m->k->swap_lock); /* any free slot will do */
	entry = find_slot(m);
	spin_unlock(m, LOCK_swap, &m->k->swap_lock);
	return entry;
}

/* One more pte (or the cache) holds the entry.  0, or -1 if the slot is free. */
int swap_duplicate(struct vmemu *m, uint32_t entry)
{
	uint16_t *map = swap_map(m, swap_of(m, entry), swp_offset(entry));
	bool free;

	spin_lock(m, LOCK_swap, &m->k->swap_lock);
	touch(m, STEP_add, map);
	free = *map == 0 || BUG_ON(m, *map >= SWAP_MAP_MAX);
	if (!free)
		++*map;
	spin_unlock(m, LOCK_swap, &m->k->swap_lock);
	return free ? -1 : 0;
}

/* How many users of the slot are left. */
static uint32_t slot_free(struct vmemu *m, struct swap_info *si,
			  uint32_t offset)
{
	uint16_t *map = swap_map(m, si, offset);

	touch(m, STEP_write, map);
	if (BUG_ON(m, *map == 0 || *map == SWAP_MAP_BAD) || --*map)
		return *map;
	si->inuse--;
	if (offset < si->lowest_bit)
		si->lowest_bit = offset;
	if (offset > si->highest_bit)
		si->highest_bit = offset;
	return 0;
}

uint32_t swap_free(struct vmemu *m, uint32_t entry)
{
	uint32_t left;

	spin_lock(m, LOCK_swap, &m->k->swap_lock);
	left = slot_free(m, swap_of(m, entry), swp_offset(entry));
	spin_unlock(m, LOCK_swap, &m->k->swap_lock);
	return left;
}

uint32_t swap_count(struct vmemu *m, uint32_t entry)
{
	uint32_t n;

	spin_lock(m, LOCK_swap, &m->k->swap_lock);
	touch(m, STEP_read, swap_map(m, swap_of(m, entry), swp_offset(entry)));
	n = *swap_map(m, swap_of(m, entry), swp_offset(entry));
	spin_unlock(m, LOCK_swap, &m->k->swap_lock);
	return n;
}

uint32_t swap_total(struct vmemu *m)
{
	uint32_t sum = 0;
	int i;

	for (i = 0; i < MAX_SWAPFILES; i++)
		if (m->swap.info[i].fd >= 0)
			sum += m->swap.info[i].pages;
	return sum;
}

uint32_t swap_used(struct vmemu *m)
{
	uint32_t sum = 0;
	int i;

	for (i = 0; i < MAX_SWAPFILES; i++)
		if (m->swap.info[i].fd >= 0)
			sum += m->swap.info[i].inuse;
	return sum;
}

uint32_t swap_slots(struct vmemu *m, int type, uint32_t *offsets,
		    uint16_t *users, uint32_t max)
{
	struct swap_info *si = &m->swap.info[type];
	uint32_t offset, n = 0;

	for (offset = 0; offset < si->nr_map_frames * MAP_PER_FRAME; offset++) {
		uint16_t count = *swap_map(m, si, offset);

		if (!count || count == SWAP_MAP_BAD)
			continue;
		if (n < max) {
			offsets[n] = offset;
			users[n] = count;
		}
		n++;
	}
	return n;
}

/* ---- swapoff ------------------------------------------------------------- */

/* Maps the page where the entry is; page_table_lock and the page are locked. */
static void unuse_pte(struct vmemu *m, struct mm_struct *mm,
		      struct vm_area_struct *vma, kulong address,
		      struct page *page)
{
	pte_t *slot = pte_lookup(m, mm, address);
	uint32_t entry = pte_to_swp_entry(*slot);

	shared(m, STEP_read, &vma->vm_flags);
	rss_inc(m, mm);
	set_pte(m, slot,
		(mk_pte(m, page, vma->vm_page_prot) & ~(pte_t)_PAGE_ACCESSED) |
			_PAGE_SOFT_DIRTY);
	swap_free(m, entry);
	count(m, CNT_swapin);
	event(m, EV_swapin, address, entry, pfn_of(m, page));
}

/* The vma, if the address still has that pte; page_table_lock is held. */
static struct vm_area_struct *still_there(struct vmemu *m, struct mm_struct *mm,
					  kulong address, pte_t orig)
{
	pte_t *slot = pte_lookup(m, mm, address);

	if (!slot)
		return NULL;
	step(m, STEP_write, slot);
	return *slot == orig ? find_vma_prev(m, mm, address, NULL) : NULL;
}

/* The page is mapped elsewhere in a way the scheme cannot follow: map a copy. */
static int unuse_by_copy(struct vmemu *m, struct mm_struct *mm, kulong address,
			 pte_t orig, struct page *page)
{
	struct page *copy = make_private_copy(m, page);
	struct vm_area_struct *vma;

	if (!copy)
		return -1;
	ptl_lock(m, mm);
	vma = still_there(m, mm, address, orig);
	if (vma) {
		copy->flags |= PG_dirty;
		lru_cache_add_active(m, copy);
		count(m, CNT_rmap_copies);
		page_add_anon_rmap(m, copy, vma, address);
		unuse_pte(m, mm, vma, address, copy);
	} else {
		put_page(m, copy);
	}
	ptl_unlock(m, mm);
	return 0;
}

/* No pte refers to the slot any more: the page gives it up.  It is locked. */
static void drop_last_slot(struct vmemu *m, struct page *page)
{
	if (!(page->flags & PG_swapcache) || swap_count(m, page->private) != 1)
		return;
	delete_from_swap_cache(m, page, 0);
	page->flags |= PG_dirty;
}

/* One swapped pte; -1 = no memory. */
static int unuse_one(struct vmemu *m, struct mm_struct *mm, kulong address,
		     pte_t orig)
{
	struct vm_area_struct *vma;
	struct page *page;
	bool clash = false;
	int major, ret = 0;

	page = read_swap_cache(m, pte_to_swp_entry(orig), 1, &major);
	if (!page) {
		ptl_lock(m, mm);
		ret = still_there(m, mm, address, orig) ? -1 : 0;
		ptl_unlock(m, mm);
		return ret;
	}
	lock_page(m, page);
	ptl_lock(m, mm);
	vma = still_there(m, mm, address, orig);
	if (vma) {
		clash = !page_share_anon_rmap(m, page, vma, address);
		if (!clash) {
			get_page(m, page);
			unuse_pte(m, mm, vma, address, page);
			drop_last_slot(m, page);
		}
	}
	ptl_unlock(m, mm);
	unlock_page(m, page);
	if (clash)
		ret = unuse_by_copy(m, mm, address, orig, page);
	put_page(m, page);
	return ret;
}

static bool is_swapped_to(pte_t pte, int type)
{
	return pte && !pte_present(pte) && !pte_file(pte) &&
	       swp_type(pte_to_swp_entry(pte)) == (uint32_t)type;
}

/* The first pte from *address on that is swapped to the area, or 0. */
static pte_t next_swapped(struct vmemu *m, struct mm_struct *mm, int type,
			  kulong *address)
{
	struct vm_area_struct *vma = find_vma_prev(m, mm, *address, NULL);
	kulong at = *address;
	const pte_t *pte;
	uint32_t nr, i;

	for (; vma; vma = vma->vm_next ? HOST(m, vm_area_struct, vma->vm_next) :
					 NULL) {
		if (at < vma->vm_start)
			at = vma->vm_start;
		for_each_table(m, mm, at, vma->vm_end, pte, nr)
			for (i = 0; i < nr; i++)
				if (is_swapped_to(pte[i], type)) {
					*address =
						at + ((kulong)i << PAGE_SHIFT);
					return pte[i];
				}
	}
	return 0;
}

/*
 * Brings back every page of mm that is swapped to the area.  The vmas are
 * guarded by page_table_lock, or by mmap_sem since rmap 39 took it out of them;
 * objects that find an area's pages are so in any case.
 */
int unuse_mm(struct vmemu *m, struct mm_struct *mm, int type)
{
	bool use_sem = !m->rmap->locks_vma_tree || m->rmap->range_lock;
	kulong address = 0;
	int ret = 0;
	pte_t pte;

	if (use_sem)
		down_read(m, mm);
	do {
		ptl_lock(m, mm);
		pte = next_swapped(m, mm, type, &address);
		ptl_unlock(m, mm);
		if (!pte)
			break;
		if (!rmap_reserve(m, GFP_KERNEL)) {
			ret = -1;
			break;
		}
		ret = unuse_one(m, mm, address, pte);
		rmap_unreserve(m);
	} while (!ret); /* looks again: reclaim may have run */
	if (use_sem)
		up_read(m, mm);
	return ret;
}

/*
 * After an unuse_mm of every mm: the cached pages give up slots that no pte
 * refers to.  Reclaim may have put a shared page back meanwhile; returns the
 * slots still in use.
 */
uint32_t swap_drop_cache(struct vmemu *m, int type)
{
	struct swap_info *si = &m->swap.info[type];
	uint32_t offset;

	for (offset = 1; offset < si->max && si->inuse; offset++) {
		uint32_t entry = swp_entry((uint32_t)type, offset);
		struct page *page;

		if (!*swap_map(m, si, offset))
			continue;
		page = lookup_swap_cache(m, entry);
		if (!page)
			continue;
		lock_page(m, page);
		drop_last_slot(m, page);
		unlock_page(m, page);
		put_page(m, page);
	}
	return si->inuse;
}
