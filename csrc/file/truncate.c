/*
 * file/truncate.c - what is no longer of a file: its ptes, then its pages.
 *
 * After vmtruncate() and unmap_mapping_range() of mm/memory.c and mm/truncate.c of 2.6.7.
 * First the size is set, so that new faults fail.  Then truncate_count changes, so that
 * faults that have looked at the size begin again, and ptes go from every area that has
 * them, private copies included.  Only then do pages leave the cache.
 */
#include "core/core.h"
#include "file/file.h"
#include "file/i_mmap.h"
#include "mm/mm.h"
#include "page/page.h"
#include "watch/lock.h"
#include "watch/step.h"

/* The ptes of one area for the file's pages from first on. */
static void unmap_area(struct vmemu *m, struct vm_area_struct *vma,
		       kulong first)
{
	kulong start = vma->vm_start;

	if (first > vma->vm_pgoff)
		start += (first - vma->vm_pgoff) << PAGE_SHIFT;
	zap_page_range(m, HOST(m, mm_struct, vma->vm_mm), vma, start,
		       vma->vm_end);
}

void unmap_mapping_range(struct vmemu *m, struct address_space *mapping,
			 uint64_t start)
{
	const kulong last = ~(kulong)0;
	uint64_t from = (start + PAGE_SIZE - 1) >> PAGE_SHIFT;
	struct i_mmap_iter iter;
	struct vm_area_struct *vma;
	kptr k;

	if (from > last)
		return;
	spin_lock(m, LOCK_i_mmap, &mapping->i_mmap_lock);
	owned(m, i_mmap, mapping);
	shared(m, STEP_write, &mapping->truncate_count);
	mapping->truncate_count++;
	i_mmap_for_each(m, vma, &iter, mapping, (kulong)from, last)
		unmap_area(m, vma, (kulong)from);
	i_mmap_for_each_nonlinear(m, vma, k, mapping) zap_nonlinear(
		m, vma, vma->vm_start, vma->vm_end, (kulong)from, last);
	spin_unlock(m, LOCK_i_mmap, &mapping->i_mmap_lock);
}

void zero_tail(struct vmemu *m, struct address_space *mapping, uint64_t old)
{
	uint32_t at = old & (PAGE_SIZE - 1);
	struct page *page;

	if (!at || beyond(old))
		return;
	page = find_get_page(m, mapping, (kulong)(old >> PAGE_SHIFT));
	if (!page)
		return;
	lock_page(m, page);
	shared(m, STEP_write, page_address(m, page));
	memset((char *)page_address(m, page) + at, 0, PAGE_SIZE - at);
	code_written(m, page);
	unlock_page(m, page);
	put_page(m, page);
}

/* One page, with a reference of the caller's, goes from the cache whatever is in it. */
static void truncate_page(struct vmemu *m, struct address_space *mapping,
			  struct page *page)
{
	lock_page(m, page);
	if (page_mapping(m, page) == mapping) {
		BUG_ON(m, page->mapcount != 0);
		test_clear_page_dirty(m, page);
		remove_from_page_cache(m, page);
	}
	unlock_page(m, page);
}

static void truncate_inode_pages(struct vmemu *m, struct address_space *mapping,
				 uint64_t size)
{
	uint64_t first = (size + PAGE_SIZE - 1) >> PAGE_SHIFT;
	kulong index = (kulong)first;
	struct page *page;

	if (first != index)
		return;
	while ((page = radix_tree_next(m, &mapping->page_tree, &index,
				       RADIX_TREE_ANY))) {
		get_page(m, page);
		truncate_page(m, mapping, page);
		put_page(m, page);
		if (!++index)
			break;
	}
	if (a_ops(mapping)->truncate)
		a_ops(mapping)->truncate(m, mapping, (kulong)first, ~(kulong)0);
}

void vmtruncate(struct vmemu *m, struct address_space *mapping, uint64_t old,
		uint64_t size)
{
	shared(m, STEP_write, &mapping->host);
	inode_of(m, mapping)->i_size = size;
	if (size >= old) {
		zero_tail(m, mapping, old);
		return;
	}
	unmap_mapping_range(m, mapping, size);
	truncate_inode_pages(m, mapping, size);
	zero_tail(m, mapping, size);
}

kulong invalidate_mapping_pages(struct vmemu *m, struct address_space *mapping,
				kulong first, kulong last)
{
	kulong index = first, gone = 0;
	struct page *page;

	while ((page = radix_tree_next(m, &mapping->page_tree, &index,
				       RADIX_TREE_ANY)) &&
	       index <= last) {
		get_page(m, page);
		if (trylock_page(m, page)) {
			if (!page->mapcount && !(page->flags & PG_dirty) &&
			    page->_count == 2 &&
			    page_mapping(m, page) == mapping) {
				remove_from_page_cache(m, page);
				gone++;
			}
			unlock_page(m, page);
		}
		put_page(m, page);
		if (!++index)
			break;
	}
	return gone;
}
