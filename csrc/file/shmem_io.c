/*
 * file/shmem_io.c - files of tmpfs and shared memory: made, read, written, cut.
 *
 * After mm/shmem.c of 2.6.7; holes are punched as since 3.5.
 */
#include "core/core.h"
#include "file/shmem.h"
#include "mm/mm.h"
#include "page/page.h"
#include "reclaim/reclaim.h"
#include "watch/lock.h"

#include <errno.h>
#include <string.h>

static int64_t pages_of(uint64_t size)
{
	return (int64_t)(size >> PAGE_SHIFT) + !!(size & (PAGE_SIZE - 1));
}

struct address_space *shmem_open(struct vmemu *m, uint32_t sb, uint64_t size,
				 kulong flags)
{
	struct address_space *mapping;
	struct inode *inode;

	if (flags & VM_ACCOUNT && vm_enough_memory(m, pages_of(size)))
		return NULL;
	mapping = file_open(m, FILE_SHMEM, -1, 1);
	if (!mapping) {
		if (flags & VM_ACCOUNT)
			m->vm_committed -= pages_of(size);
		return NULL;
	}
	inode = inode_of(m, mapping);
	inode->i_size = size;
	inode->shmem.sb = sb;
	inode->shmem.flags = flags;
	return mapping;
}

void shmem_close(struct vmemu *m, struct address_space *mapping)
{
	struct inode *inode = inode_of(m, mapping);

	shmem_truncate_range(m, mapping, 0, UINT64_MAX);
	BUG_ON(m, inode->shmem.alloced || inode->shmem.swapped);
	if (inode->shmem.flags & VM_ACCOUNT)
		m->vm_committed -= pages_of(inode->i_size);
	file_close(m, mapping);
}

/* Nothing is there: neither a page nor one in swap. */
static bool is_hole(struct vmemu *m, struct address_space *mapping,
		    kulong index)
{
	return !radix_tree_lookup(m, &mapping->page_tree, index) &&
	       !shmem_swp_entry(m, SHMEM_I(m, mapping), index);
}

/*
 * Nothing was ever stored there, nor looked at through an area: a hole, or a page that fallocate() alone
 * has made, which is not up to date.
 */
static bool is_empty(struct vmemu *m, struct address_space *mapping,
		     kulong index)
{
	struct page *page = radix_tree_lookup(m, &mapping->page_tree, index);

	return page ? !(page->flags & PG_uptodate) :
		      !shmem_swp_entry(m, SHMEM_I(m, mapping), index);
}

/* How much of n bytes from offset on lies in one page. */
static size_t piece_of(uint64_t offset, size_t n)
{
	size_t room = PAGE_SIZE - (offset & (PAGE_SIZE - 1));

	return n < room ? n : room;
}

int64_t shmem_read(struct vmemu *m, struct address_space *mapping,
		   uint64_t offset, void *buffer, size_t n)
{
	uint64_t size = inode_of(m, mapping)->i_size;
	uint8_t *to = buffer;
	int ret = FAULT_MINOR;

	if (offset >= size)
		return 0;
	if (n > size - offset)
		n = (size_t)(size - offset);
	while (to < (uint8_t *)buffer + n) {
		size_t piece =
			piece_of(offset, n - (size_t)(to - (uint8_t *)buffer));
		kulong index = (kulong)(offset >> PAGE_SHIFT);

		if (beyond(offset) || is_empty(m, mapping, index)) {
			memset(to, 0, piece);
		} else {
			struct page *page = shmem_page(m, mapping, index, &ret);

			if (!page)
				break;
			memcpy(to,
			       (uint8_t *)page_address(m, page) +
				       (offset & (PAGE_SIZE - 1)),
			       piece);
			mark_page_accessed(m, page);
			put_page(m, page);
		}
		to += piece;
		offset += piece;
	}
	return to > (uint8_t *)buffer || !n ? to - (uint8_t *)buffer : -ENOMEM;
}

int64_t shmem_write(struct vmemu *m, struct address_space *mapping,
		    uint64_t offset, const void *data, size_t n)
{
	struct inode *inode = inode_of(m, mapping);
	const uint8_t *from = data, *end = from + n;
	int ret = FAULT_MINOR;
	int64_t error = -ENOSPC;

	while (from < end) {
		size_t piece = piece_of(offset, (size_t)(end - from));
		struct page *page = NULL;

		if (beyond(offset))
			error = -EFBIG;
		else
			page = shmem_page(m, mapping,
					  (kulong)(offset >> PAGE_SHIFT), &ret);
		if (!page)
			break;
		memcpy((uint8_t *)page_address(m, page) +
			       (offset & (PAGE_SIZE - 1)),
		       from, piece);
		set_page_dirty(m, page);
		code_written(m, page);
		mark_page_accessed(m, page);
		put_page(m, page);
		from += piece;
		offset += piece;
		if (offset > inode->i_size)
			inode->i_size = offset;
	}
	if (from > (const uint8_t *)data || !n)
		return from - (const uint8_t *)data;
	return ret == FAULT_OOM ? -ENOMEM : error;
}

int shmem_fill(struct vmemu *m, struct address_space *mapping, kulong index)
{
	int ret = FAULT_MINOR;
	struct page *page;

	if (!is_hole(m, mapping, index))
		return 0;
	page = shmem_page(m, mapping, index, &ret);
	if (!page)
		return ret == FAULT_OOM ? -ENOMEM : -ENOSPC;
	page->flags &= ~(kulong)PG_uptodate;
	set_page_dirty(m, page);
	put_page(m, page);
	return 1;
}

/* The next page from index on that is not empty; false: there is none. */
static bool next_page(struct vmemu *m, struct address_space *mapping,
		      kulong *index)
{
	const struct page *page;

	while ((page = radix_tree_next(m, &mapping->page_tree, index,
				       RADIX_TREE_ANY))) {
		if (page->flags & PG_uptodate)
			return true;
		if (!++*index)
			break;
	}
	return false;
}

int64_t shmem_find(struct vmemu *m, struct address_space *mapping, kulong index,
		   int data)
{
	kulong page = index, entry = index;
	uint64_t hole = index;
	bool paged, swapped;

	if (!data) {
		while (!beyond(hole << PAGE_SHIFT) &&
		       !is_empty(m, mapping, (kulong)hole))
			hole++;
		return (int64_t)hole;
	}
	paged = next_page(m, mapping, &page);
	swapped = shmem_next_entry(m, mapping, &entry);
	if (!paged && !swapped)
		return -1;
	return (int64_t)(!swapped || (paged && page < entry) ? page : entry);
}

uint32_t shmem_next_entry(struct vmemu *m, struct address_space *mapping,
			  kulong *index)
{
	const void *item = radix_tree_next(m, &SHMEM_I(m, mapping)->swap_tree,
					   index, RADIX_TREE_ANY);

	return item ? (uint32_t)kaddr(m, item) : 0;
}

/* Zeros from start to end, in one page, if there is one. */
static void zero_part(struct vmemu *m, struct address_space *mapping,
		      uint64_t start, uint64_t end)
{
	kulong index = (kulong)(start >> PAGE_SHIFT);
	int ret = FAULT_MINOR;
	struct page *page;

	if (start >= end || beyond(start) || is_hole(m, mapping, index))
		return;
	page = shmem_page(m, mapping, index, &ret);
	if (!page)
		return;
	memset((uint8_t *)page_address(m, page) + (start & (PAGE_SIZE - 1)), 0,
	       (size_t)(end - start));
	set_page_dirty(m, page);
	code_written(m, page);
	put_page(m, page);
}

void shmem_truncate_range(struct vmemu *m, struct address_space *mapping,
			  uint64_t start, uint64_t end)
{
	uint64_t first = (uint64_t)pages_of(start) << PAGE_SHIFT;
	uint64_t last = end & ~(uint64_t)(PAGE_SIZE - 1);
	bool to_end = end == UINT64_MAX;
	kulong from = (kulong)(first >> PAGE_SHIFT), to = ~(kulong)0;

	if (first > last) {
		zero_part(m, mapping, start, end);
		return;
	}
	zero_part(m, mapping, start, first);
	if (!to_end)
		zero_part(m, mapping, last, end);
	if (beyond(first) || (first == last && !to_end))
		return;
	if (!to_end && !beyond(last))
		to = (kulong)(last >> PAGE_SHIFT) - 1;
	unmap_mapping_range(m, mapping, from, to, to_end);
	shmem_drop_range(m, mapping, from, to);
}
