/*
 * mm/mmap.c - the end of an address space, and the sum of all promises.
 *
 * After exit_mmap (mm/mmap.c) and cap_vm_enough_memory (security/commoncap.c),
 * 2.6.7.
 */
#include "mm/mm.h"
#include "swap/swap.h"

/*
 * Promises pages, for a root process.  GUESS refuses only what free memory,
 * page cache and free swap could never hold (pages that reclaim could swap out
 * do not count); NEVER keeps the sum below swap plus a share of RAM.
 */
int vm_enough_memory(struct vmemu *m, int64_t pages)
{
	const struct zone *zone = &m->k->zone;
	int64_t limit;

	switch (m->overcommit_memory) {
	case OVERCOMMIT_GUESS:
		limit = (int64_t)zone->free_pages + m->pages.nr_pagecache +
			swap_total(m) - swap_used(m);
		if (pages > limit)
			return -1;
		break;
	case OVERCOMMIT_NEVER:
		limit = (int64_t)zone->present_pages * m->overcommit_ratio /
				100 +
			swap_total(m);
		if (m->vm_committed + pages > limit)
			return -1;
		break;
	}
	m->vm_committed += pages;
	return 0;
}

/* Nobody uses the mm any more: its pages, vmas and page tables go. */
void exit_mmap(struct vmemu *m, struct mm_struct *mm)
{
	struct vm_area_struct *vma, *next;

	unmap_vmas(m, mm, 0, TASK_SIZE(m));
	free_pgtables(m, mm, 0,
		      (kulong)TASK_SIZE_PGDS << level_shift(TOP_LEVEL(m)));
	for (vma = detach_vmas(m, mm); vma; vma = next) {
		next = vma->vm_next ? HOST(m, vm_area_struct, vma->vm_next) :
				      NULL;
		if (vma->vm_flags & VM_ACCOUNT)
			m->vm_committed -= vma_pages(vma);
		if (m->rmap->vma_free)
			m->rmap->vma_free(m, vma);
		vma_file_unlink(m, vma);
		vma_free(m, vma);
	}
	mm->total_vm = mm->locked_vm = 0;
}
