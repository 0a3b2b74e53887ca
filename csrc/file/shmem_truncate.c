/*
 * file/shmem_truncate.c - pages of shared memory on their way out: truncation, holes.
 *
 * After vmtruncate (mm/memory.c) and mm/truncate.c of 2.6.7.
 */
#include "core/core.h"
#include "file/i_mmap.h"
#include "file/shmem.h"
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

void shmem_unmap_range(struct vmemu *m, struct address_space *mapping,
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

void shmem_drop_range(struct vmemu *m, struct address_space *mapping,
		      kulong first, kulong last)
{
	kulong index = first;
	struct page *page;

	while ((page = radix_tree_next(m, &mapping->page_tree, &index,
				       RADIX_TREE_ANY)) &&
	       index <= last) {
		get_page(m, page);
		lock_page(m, page);
		if (page_mapping(m, page) == mapping) {
			test_clear_page_dirty(m, page);
			remove_from_page_cache(m, page);
		}
		unlock_page(m, page);
		put_page(m, page);
		if (!++index)
			break;
	}
	a_ops(mapping)->truncate(m, mapping, first, last);
}

uint32_t count_areas(struct vmemu *m, const struct address_space *mapping)
{
	kptr head = kaddr(m, &m->k->mmlist), k, v;
	uint32_t n = 0;

	for (k = m->k->mmlist.next; k != head; k = HOST(m, list_head, k)->next)
		for (v = ENTRY(m, k, mm_struct, mmlist)->mmap; v;
		     v = HOST(m, vm_area_struct, v)->vm_next)
			n += HOST(m, vm_area_struct, v)->vm_file ==
			     kaddr(m, mapping);
	return n;
}
