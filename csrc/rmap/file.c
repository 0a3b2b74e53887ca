/*
 * rmap/file.c - from a page of a file to the ptes that map it: object-based reverse
 * mapping after Dave McCracken, 2003.
 *
 * The file knows the areas that map it (file/i_mmap.h), and the page its place in the
 * file; so each area says at which address it would have the page.
 */
#include "file/i_mmap.h"
#include "rmap/rmap.h"

/* An area that is shared and locked: its page counts as referenced, whoever asks. */
static bool keeps_page(struct vmemu *m, const struct vm_area_struct *vma)
{
	const kulong locked = VM_LOCKED | VM_MAYSHARE;

	shared(m, STEP_read, &vma->vm_flags);
	return (vma->vm_flags & locked) == locked;
}

/* Whether there may be more ptes than in this area and those before. */
static bool try_vma(struct vmemu *m, struct page *page,
		    struct rmap_search *search, struct vm_area_struct *vma)
{
	kulong address;

	if (!rmap_in_vma(m, page, search, vma, &address))
		return true;
	if (search->walk == WALK_REFERENCED && !m->check.finding &&
	    keeps_page(m, vma)) {
		search->young++;
		return false;
	}
	return rmap_try(m, page, search, HOST(m, mm_struct, vma->vm_mm), vma,
			address);
}

void walk_file(struct vmemu *m, struct page *page, struct rmap_search *search)
{
	struct address_space *mapping = HOST(m, address_space, page->mapping);
	struct vm_area_struct *vma;
	struct i_mmap_iter iter;

	if (!spin_trylock(m, LOCK_i_mmap, &mapping->i_mmap_lock))
		return;
	for (vma = i_mmap_first(m, &iter, mapping, page->index, page->index);
	     vma && try_vma(m, page, search, vma); vma = i_mmap_next(m, &iter))
		;
	if (search->walk == WALK_UNMAP && page->mapcount &&
	    search->ret != SWAP_FAIL && !m->check.finding &&
	    !list_empty(m, &mapping->i_mmap_nonlinear))
		sweep_nonlinear(m, page, mapping);
	spin_unlock(m, LOCK_i_mmap, &mapping->i_mmap_lock);
}
