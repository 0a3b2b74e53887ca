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

/* The ptes of a range that map pages of the file itself. */
static void zap_file_pages(struct vmemu *m, struct address_space *mapping,
			   struct mm_struct *mm, struct vm_area_struct *vma,
			   kulong start, kulong end)
{
	pte_t *pte;

	for (; (pte = next_table(m, mm, &start, end)); start += PAGE_SIZE) {
		struct page *page = m->mem_map + pte_pfn(*pte);

		if (pte_present(*pte) && page_mapping(m, page) == mapping)
			zap_page_range(m, mm, vma, start, start + PAGE_SIZE);
	}
}

/* What an area maps of the pages from first to last, included. */
static void unmap_area(struct vmemu *m, struct address_space *mapping,
		       struct vm_area_struct *vma, kulong first, kulong last,
		       bool even_cows)
{
	struct mm_struct *mm = HOST(m, mm_struct, vma->vm_mm);
	kulong start = vma->vm_start, end = vma->vm_end;

	if (first > vma->vm_pgoff)
		start += (first - vma->vm_pgoff) << PAGE_SHIFT;
	if (last < i_mmap_last(vma))
		end = vma->vm_start +
		      ((last - vma->vm_pgoff + 1) << PAGE_SHIFT);
	if (even_cows)
		zap_page_range(m, mm, vma, start, end);
	else
		zap_file_pages(m, mapping, mm, vma, start, end);
}

void unmap_mapping_range(struct vmemu *m, struct address_space *mapping,
			 kulong first, kulong last, int even_cows)
{
	struct vm_area_struct *vma;
	struct i_mmap_iter iter;
	kptr k;

	spin_lock(m, LOCK_i_mmap, &mapping->i_mmap_lock);
	owned(m, i_mmap, mapping);
	shared(m, STEP_write, &mapping->truncate_count);
	mapping->truncate_count++;
	i_mmap_for_each(m, vma, &iter, mapping, first, last)
		unmap_area(m, mapping, vma, first, last, even_cows);
	i_mmap_for_each_nonlinear(m, vma, k, mapping)
		zap_nonlinear(m, vma, vma->vm_start, vma->vm_end, first, last);
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
				 kulong index)
{
	struct page *page;

	while ((page = radix_tree_next(m, &mapping->page_tree, &index,
				       RADIX_TREE_ANY))) {
		get_page(m, page);
		truncate_page(m, mapping, page);
		put_page(m, page);
		if (!++index)
			break;
	}
}

void vmtruncate(struct vmemu *m, struct address_space *mapping, uint64_t old,
		uint64_t size)
{
	uint64_t first = size + PAGE_SIZE - 1;

	shared(m, STEP_write, &mapping->host);
	inode_of(m, mapping)->i_size = size;
	if (size >= old) {
		zero_tail(m, mapping, old);
		return;
	}
	if (!beyond(first)) {
		unmap_mapping_range(m, mapping, (kulong)(first >> PAGE_SHIFT),
				    ~(kulong)0, true);
		truncate_inode_pages(m, mapping, (kulong)(first >> PAGE_SHIFT));
	}
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
