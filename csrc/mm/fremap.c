/*
 * mm/fremap.c - an area whose ptes say which pages of its file it maps.
 *
 * After sys_remap_file_pages() and install_page() of 2.6.7, Ingo Molnar 2002.
 */
#include "core/core.h"
#include "file/file.h"
#include "file/i_mmap.h"
#include "mm/mm.h"
#include "page/page.h"
#include "rmap/rmap.h"
#include "watch/lock.h"
#include "watch/step.h"

void vma_set_nonlinear(struct vmemu *m, struct vm_area_struct *vma)
{
	struct address_space *mapping = HOST(m, address_space, vma->vm_file);

	spin_lock(m, LOCK_i_mmap, &mapping->i_mmap_lock);
	i_mmap_remove(m, vma);
	vma_set_flags(m, vma, vma->vm_flags | VM_NONLINEAR);
	i_mmap_insert(m, vma);
	spin_unlock(m, LOCK_i_mmap, &mapping->i_mmap_lock);
}

/* Another pte in place of what is there, page_table_lock held; page may be NULL. */
static void install(struct vmemu *m, struct vm_area_struct *vma, pte_t *slot,
		    struct page *page, pte_t pte)
{
	struct mm_struct *mm = HOST(m, mm_struct, vma->vm_mm);
	pte_t old = *slot;

	step(m, STEP_write, slot);
	owned(m, page_table, mm);
	*slot = pte;
	if (pte_present(old)) {
		struct page *before = m->mem_map + pte_pfn(old);

		flush_tlb(m);
		if (old & _PAGE_DIRTY)
			set_page_dirty(m, before);
		rss_sub(m, mm, 1);
		page_remove_rmap(m, before, mm, slot);
		put_page(m, before);
	}
	if (!page)
		return;
	rss_inc(m, mm);
	page_add_file_rmap(m, page, slot);
}

/* One page; FAULT_MINOR, or what went wrong. */
static int install_page(struct vmemu *m, struct vm_area_struct *vma,
			kulong address, kulong index, bool cached)
{
	struct address_space *mapping = HOST(m, address_space, vma->vm_file);
	struct mm_struct *mm = HOST(m, mm_struct, vma->vm_mm);
	struct page *page;
	uint32_t sequence;
	pte_t *slot;
	int ret;

	do {
		ret = FAULT_MINOR;
		shared(m, STEP_read, &mapping->truncate_count);
		sequence = mapping->truncate_count;
		page = cached ? find_get_page(m, mapping, index) :
				filemap_nopage(m, vma, index, &ret);
		if (!page && !cached)
			return ret;
		ptl_lock(m, mm);
		slot = pte_alloc(m, mm, address);
		touch(m, STEP_read, &mapping->truncate_count);
		if (!slot || mapping->truncate_count != sequence) {
			ptl_unlock(m, mm);
			if (page)
				put_page(m, page);
			if (!slot)
				return FAULT_OOM;
			continue;
		}
		install(m, vma, slot, page,
			page ? mk_pte(m, page, vma->vm_page_prot) :
			       pte_left(vma, address, index));
		ptl_unlock(m, mm);
		return FAULT_MINOR;
	} while (true);
}

int filemap_populate(struct vmemu *m, struct vm_area_struct *vma, kulong start,
		     kulong end, kulong pgoff, int cached)
{
	int ret = FAULT_MINOR;

	for (; start < end && ret <= FAULT_MAJOR; start += PAGE_SIZE, pgoff++) {
		if (m->rmap_files && !rmap_reserve(m, GFP_KERNEL))
			return FAULT_OOM;
		ret = install_page(m, vma, start, pgoff, cached);
		if (m->rmap_files)
			rmap_unreserve(m);
	}
	return ret;
}
