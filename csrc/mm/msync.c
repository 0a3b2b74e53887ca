/*
 * mm/msync.c - what was written through shared areas becomes known to the file's pages.
 *
 * After mm/msync.c of 2.6.7: the CPU sets a bit in the pte, and nobody hears of it
 * until msync, munmap, exit or reclaim moves it to the page.
 */
#include "file/file.h"
#include "mm/present.h"
#include "watch/step.h"

static void sync_page(struct vmemu *m, pte_t *pte, struct page *page, int how)
{
	(void)how;
	step(m, STEP_write, pte);
	if (!(*pte & _PAGE_DIRTY) || page->flags & (PG_reserved | PG_anon))
		return;
	*pte &= ~(pte_t)_PAGE_DIRTY;
	set_page_dirty(m, page);
}

void filemap_sync(struct vmemu *m, struct mm_struct *mm, kulong start,
		  kulong end)
{
	each_present(m, mm, start, end, sync_page, 0);
}

/* The same for every shared area of a file, in every mm. */
void sync_mms(struct vmemu *m)
{
	kptr head = kaddr(m, &m->k->mmlist), k, v;

	for (k = m->k->mmlist.next; k != head;
	     k = HOST(m, list_head, k)->next) {
		struct mm_struct *mm = ENTRY(m, k, mm_struct, mmlist);

		for (v = mm->mmap; v; v = HOST(m, vm_area_struct, v)->vm_next) {
			const struct vm_area_struct *vma =
				HOST(m, vm_area_struct, v);

			if (vma->vm_file && vma->vm_flags & VM_SHARED)
				filemap_sync(m, mm, vma->vm_start, vma->vm_end);
		}
	}
}
