/*
 * file/shmem.c - pages of tmpfs and of shared memory: in guest frames or in swap.
 *
 * After mm/shmem.c of 2.6.7.  A page is in the page cache of its file, or in swap,
 * or it is a hole:
 *
 *   page_tree[index] -> struct page      swap_tree[index] -> swap entry
 *
 * Reclaim moves a page from the first to the swap cache and its file remembers the
 * entry (shmem_writepage, which later writes at once, as since 2.6.29); whoever needs
 * it moves it back.  2.6.7 had a vector of entries in place of swap_tree, with pages
 * of their own; later kernels have them in page_tree.  The map of a slot counts the
 * file as one user.
 */
#include "file/shmem.h"
#include "core/core.h"
#include "mm/mm.h"
#include "page/page.h"
#include "reclaim/reclaim.h"
#include "swap/swap.h"
#include "watch/lock.h"
#include "watch/step.h"

/* ---- what is counted --------------------------------------------------------- */

uint64_t shmem_max_blocks(struct vmemu *m, uint32_t sb)
{
	uint64_t max = m->shmem_sb[sb].max_blocks;

	return max == SHMEM_HALF ?
		       (m->k->zone.present_pages + swap_total(m)) / 2 :
		       max;
}

/* Room for a page: in the file system, and in what may be promised. */
static bool charge(struct vmemu *m, const struct shmem_inode_info *info)
{
	struct shmem_sb *sb = &m->shmem_sb[info->sb];

	if (sb->max_blocks && sb->used >= shmem_max_blocks(m, info->sb))
		return false;
	if (!(info->flags & VM_ACCOUNT) && vm_enough_memory(m, 1))
		return false;
	sb->used++;
	return true;
}

static void uncharge(struct vmemu *m, const struct shmem_inode_info *info,
		     uint64_t pages)
{
	m->shmem_sb[info->sb].used -= pages;
	if (!(info->flags & VM_ACCOUNT))
		m->vm_committed -= (int64_t)pages;
}

/*
 * Reclaim drops pages that nobody wrote to, and truncation drops others: what the
 * file has too many goes back.
 */
static void shmem_recalc_inode(struct vmemu *m, struct address_space *mapping)
{
	struct shmem_inode_info *info = SHMEM_I(m, mapping);
	uint64_t freed = info->alloced - info->swapped - mapping->nrpages;

	BUG_ON(m, freed > info->alloced);
	info->alloced -= freed;
	uncharge(m, info, freed);
}

/* ---- entries ------------------------------------------------------------------ */

uint32_t shmem_swp_entry(struct vmemu *m, struct shmem_inode_info *info,
			 kulong index)
{
	const void *item = radix_tree_lookup(m, &info->swap_tree, index);

	return item ? (uint32_t)kaddr(m, item) : 0;
}

static int set_entry(struct vmemu *m, struct address_space *mapping,
		     kulong index, uint32_t entry)
{
	struct shmem_inode_info *info = SHMEM_I(m, mapping);

	if (radix_tree_insert(m, &info->swap_tree, index, host(m, entry)))
		return -1;
	if (!info->swapped++)
		list_add_tail(m, &mapping->private_list, &m->k->shmem_swaplist);
	return 0;
}

static void clear_entry(struct vmemu *m, struct address_space *mapping,
			kulong index)
{
	struct shmem_inode_info *info = SHMEM_I(m, mapping);

	radix_tree_delete(m, &info->swap_tree, index);
	if (!--info->swapped) {
		list_del(m, &mapping->private_list);
		list_init(m, &mapping->private_list);
	}
}

/* ---- to swap and back ---------------------------------------------------------- */

/*
 * The page moves from its file to the swap cache.  It is locked and nothing maps it;
 * whoever else holds a reference is about to map, read or write it.
 */
static enum writepage_result shmem_writepage(struct vmemu *m, struct page *page)
{
	struct address_space *mapping = HOST(m, address_space, page->mapping);
	kulong index = page->index;
	uint32_t entry;

	if (SHMEM_I(m, mapping)->flags & VM_LOCKED || page->mapcount)
		return WRITEPAGE_ACTIVATE;
	entry = get_swap_page(m);
	if (!entry)
		return WRITEPAGE_ACTIVATE;
	BUG_ON(m,
	       swap_duplicate(m, entry)); /* the file's, beside the cache's */
	if (add_to_swap_cache(m, page, entry))
		goto free_slot;
	/* No step from here on to the end of the move. */
	if (page->_count != 3 || set_entry(m, mapping, index, entry)) {
		delete_from_swap_cache(m, page, 0);
		swap_free(m, entry);
		return WRITEPAGE_ACTIVATE;
	}
	page->flags |= PG_dirty;
	remove_from_page_cache(m, page);
	count(m, CNT_shmem_swapout);
	return WRITEPAGE_DONE;

free_slot:
	swap_free(m, entry);
	swap_free(m, entry);
	return WRITEPAGE_ACTIVATE;
}

/* The page is locked, and in the swap cache for this entry: -1 = no memory. */
static int move_back(struct vmemu *m, struct address_space *mapping,
		     kulong index, struct page *page, uint32_t entry)
{
	if (add_to_page_cache(m, page, mapping, index))
		return -1;
	clear_entry(m, mapping, index);
	delete_from_swap_cache(m, page, 0);
	swap_free(m, entry);
	page->flags |= PG_dirty;
	count(m, CNT_shmem_swapin);
	return 0;
}

/* A page that is in swap; NULL with *ret, which stays if it is there no longer. */
static struct page *swap_in(struct vmemu *m, struct address_space *mapping,
			    kulong index, uint32_t entry, int *ret)
{
	struct shmem_inode_info *info = SHMEM_I(m, mapping);
	struct page *page;
	int major, failed = 0;
	bool mine;

	page = read_swap_cache(m, entry, 1, &major);
	if (!page) {
		if (shmem_swp_entry(m, info, index) == entry)
			*ret = FAULT_OOM;
		return NULL;
	}
	lock_page(m, page);
	mine = page->flags & PG_swapcache && page->private == entry &&
	       shmem_swp_entry(m, info, index) == entry;
	if (mine)
		failed = move_back(m, mapping, index, page, entry);
	unlock_page(m, page);
	if (mine && !failed) {
		if (major)
			*ret = FAULT_MAJOR;
		return page;
	}
	if (failed)
		*ret = FAULT_OOM;
	put_page(m, page);
	return NULL;
}

/* A hole gets a page; NULL with *ret, which stays if it is a hole no longer. */
static struct page *new_page(struct vmemu *m, struct address_space *mapping,
			     kulong index, int *ret)
{
	struct shmem_inode_info *info = SHMEM_I(m, mapping);
	struct page *page;
	bool raced;

	if (!charge(m, info)) {
		*ret = FAULT_SIGBUS;
		return NULL;
	}
	page = alloc_page(m, GFP_ZERO);
	if (!page) {
		uncharge(m, info, 1);
		*ret = FAULT_OOM;
		return NULL;
	}
	raced = shmem_swp_entry(m, info, index) ||
		radix_tree_lookup(m, &mapping->page_tree, index);
	if (raced || add_to_page_cache(m, page, mapping, index)) {
		uncharge(m, info, 1);
		put_page(m, page);
		if (!raced)
			*ret = FAULT_OOM;
		return NULL;
	}
	info->alloced++;
	page->flags |= PG_uptodate;
	count(m, CNT_shmem_alloc);
	spend(m, CLEAR_NS);
	lru_cache_add(m, page);
	return page;
}

static struct page *shmem_getpage(struct vmemu *m,
				  struct address_space *mapping, kulong index,
				  int *ret)
{
	return shmem_page(m, mapping, index, ret);
}

struct page *shmem_page(struct vmemu *m, struct address_space *mapping,
			kulong index, int *ret)
{
	struct page *page;
	uint32_t entry;
	int got = FAULT_MINOR;

	do {
		page = find_get_page(m, mapping, index);
		if (page) {
			page->flags |= PG_uptodate;
			break;
		}
		entry = shmem_swp_entry(m, SHMEM_I(m, mapping), index);
		page = entry ? swap_in(m, mapping, index, entry, &got) :
			       new_page(m, mapping, index, &got);
	} while (!page && got == FAULT_MINOR);
	if (got != FAULT_MINOR)
		*ret = got;
	return page;
}

void shmem_truncate(struct vmemu *m, struct address_space *mapping,
		    kulong index, kulong last)
{
	struct shmem_inode_info *info = SHMEM_I(m, mapping);
	const void *item;

	while ((item = radix_tree_next(m, &info->swap_tree, &index,
				       RADIX_TREE_ANY)) &&
	       index <= last) {
		clear_entry(m, mapping, index);
		free_swap_and_cache(m, (uint32_t)kaddr(m, item));
		if (!++index)
			break;
	}
	shmem_recalc_inode(m, mapping);
}

const struct address_space_operations shmem_aops = {
	.getpage = shmem_getpage,
	.writepage = shmem_writepage,
	.removed = shmem_recalc_inode,
};

/* ---- swapoff -------------------------------------------------------------------- */

/* The first entry of a swap area that a file has; 0: none. */
static uint32_t entry_of(struct vmemu *m, struct address_space *mapping,
			 int type, kulong *index)
{
	uint32_t entry;

	for (*index = 0; (entry = shmem_next_entry(m, mapping, index));
	     ++*index)
		if (swp_type(entry) == (uint32_t)type)
			return entry;
	return 0;
}

int shmem_unuse(struct vmemu *m, int type)
{
	const struct list_head *head = &m->k->shmem_swaplist;
	kptr at = head->next;

	while (at != kaddr(m, head)) {
		struct address_space *mapping =
			ENTRY(m, at, address_space, private_list);
		int ret = FAULT_MINOR;
		struct page *page;
		kulong index;

		if (!entry_of(m, mapping, type, &index)) {
			at = HOST(m, list_head, at)->next;
			continue;
		}
		page = shmem_page(m, mapping, index, &ret);
		if (!page)
			return -1;
		put_page(m, page);
		at = head->next; /* reclaim, or who was killed, changed the list */
	}
	return 0;
}
